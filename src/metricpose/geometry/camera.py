"""A pinhole camera with lens distortion as a value: every change returns a new camera, labels follow by projection.

Conventions (docs/CONVENTIONS.md): OpenCV axes, millimetres, integer pixel = pixel centre, so an image of width W
spans [-0.5, W - 0.5]. Distortion coefficients are in OpenCV's order k1 k2 p1 p2 k3 k4 k5 k6 s1 s2 s3 s4.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float
from numpy.polynomial import Polynomial

from metricpose.errors import InputError

_DISTORTION_LENGTHS = (0, 4, 5, 8, 12)
_FARTHEST = 50.0  # normalised radius: 89 degrees off the axis


@dataclass(frozen=True, eq=False)
class Camera:
    """Intrinsics, distortion, image size, and the pose world -> camera.

    Attributes:
        K: (3, 3) intrinsic matrix in pixels; skew allowed, last row 0 0 1.
        size: (width, height) of the image in pixels.
        distortion: 0, 4, 5, 8 or 12 coefficients in OpenCV's order; they act in normalised coordinates, before K.
        R: (3, 3) orthogonal, world -> camera. Determinant -1 is a mirrored camera, as `flip` makes.
        t: (3,) translation of world -> camera, millimetres: ``camera = R @ world + t``.

    Raises:
        InputError: a shape is wrong, a value is not finite, K is singular, or R is not orthogonal.
    """

    K: Float[np.ndarray, "3 3"]
    size: tuple[int, int]
    distortion: Float[np.ndarray, " n"] = field(default_factory=lambda: np.zeros(0))
    R: Float[np.ndarray, "3 3"] = field(default_factory=lambda: np.eye(3))
    t: Float[np.ndarray, " 3"] = field(default_factory=lambda: np.zeros(3))

    def __post_init__(self) -> None:
        for name, shape in (("K", (3, 3)), ("R", (3, 3)), ("t", (3,)), ("distortion", None)):
            value = np.array(getattr(self, name), dtype=np.float64)
            if shape is not None and value.shape != shape:
                raise InputError(f"camera {name}: expected shape {shape}, got {value.shape}")
            if not np.isfinite(value).all():
                raise InputError(f"camera {name} holds NaN or infinity: {value.tolist()}")
            value.setflags(write=False)
            object.__setattr__(self, name, value)
        self._check()

    def _check(self) -> None:
        if self.distortion.ndim != 1 or len(self.distortion) not in _DISTORTION_LENGTHS:
            raise InputError(
                f"camera distortion: expected 0, 4, 5, 8 or 12 values in OpenCV's order, got {self.distortion.shape}"
            )
        if abs(self.K[0, 0]) < 1e-9 or abs(self.K[1, 1]) < 1e-9 or not np.allclose(self.K[2], (0, 0, 1)):
            raise InputError(f"camera K is singular or its last row is not 0 0 1: {self.K.tolist()}")
        if abs(self.K[1, 0]) > 1e-9:
            raise InputError(f"camera K: element [1, 0] must be 0, got {self.K[1, 0]}")
        if not np.allclose(self.R @ self.R.T, np.eye(3), atol=1e-4):
            raise InputError("camera R is not orthogonal: R @ R.T differs from the identity by more than 1e-4")
        if min(self.size) < 1:
            raise InputError(f"camera size: expected positive (width, height), got {self.size}")

    @staticmethod
    def from_fov(size: tuple[int, int], fov: float, side: str = "longer") -> Camera:
        """Square-pixel camera centred on the image.

        Args:
            size: (width, height) in pixels.
            fov: field of view in radians along `side`, the full image's outer edges ([-0.5, W - 0.5]).
            side: 'longer', 'horizontal' or 'vertical'.

        Raises:
            InputError: the angle is not inside (0, pi), or `side` is unknown.
        """
        if not 0.0 < fov < math.pi:
            raise InputError(f"field of view: expected radians inside (0, pi), got {fov}; degrees need math.radians")
        extents = {"longer": max(size), "horizontal": size[0], "vertical": size[1]}
        if side not in extents:
            raise InputError(f"field of view side: expected one of {sorted(extents)}, got '{side}'")
        f = extents[side] / (2.0 * math.tan(fov / 2.0))
        return Camera(np.array([[f, 0, (size[0] - 1) / 2], [0, f, (size[1] - 1) / 2], [0, 0, 1.0]]), size)

    @property
    def fov(self) -> tuple[float, float]:
        """Horizontal and vertical field of view in radians, distortion left out."""
        return (
            2.0 * math.atan(self.size[0] / (2.0 * abs(self.K[0, 0]))),
            2.0 * math.atan(self.size[1] / (2.0 * abs(self.K[1, 1]))),
        )

    @property
    def position(self) -> Float[np.ndarray, " 3"]:
        """Optical centre in world coordinates, millimetres."""
        return -self.R.T @ self.t

    # -- points ----------------------------------------------------------------------------------------------

    def to_camera(self, world: Float[np.ndarray, "*b 3"]) -> Float[np.ndarray, "*b 3"]:
        """World -> camera coordinates, millimetres."""
        return world @ self.R.T + self.t

    def to_world(self, points: Float[np.ndarray, "*b 3"]) -> Float[np.ndarray, "*b 3"]:
        """Camera -> world coordinates, millimetres."""
        return (points - self.t) @ self.R

    def project(self, world: Float[np.ndarray, "*b 3"]) -> Float[np.ndarray, "*b 2"]:
        """World points -> pixels; NaN at or behind the camera plane and outside the lens model (see `distort`)."""
        return self.project_camera(self.to_camera(world))

    def project_camera(self, points: Float[np.ndarray, "*b 3"]) -> Float[np.ndarray, "*b 2"]:
        """Camera-frame points -> pixels; NaN at or behind the camera plane and outside the lens model."""
        z = points[..., 2:]
        with np.errstate(divide="ignore", invalid="ignore"):
            normalised = np.where(z > 0, points[..., :2] / z, np.nan)
        return self.to_pixels(normalised)

    def to_pixels(self, normalised: Float[np.ndarray, "*b 2"]) -> Float[np.ndarray, "*b 2"]:
        """Undistorted normalised coordinates (x/z, y/z) -> pixels."""
        return distort(normalised, self.distortion) @ self.K[:2, :2].T + self.K[:2, 2]

    def rays(self, pixels: Float[np.ndarray, "*b 2"]) -> Float[np.ndarray, "*b 2"]:
        """Pixels -> undistorted normalised coordinates (x/z, y/z), exact to 1e-9 where the distortion is invertible."""
        normalised = (pixels - self.K[:2, 2]) @ np.linalg.inv(self.K[:2, :2]).T
        return undistort(normalised, self.distortion)

    # -- changes ---------------------------------------------------------------------------------------------

    def crop(self, x: float | int, y: float | int, width: int, height: int) -> Camera:
        """The camera of the sub-image whose pixel (0, 0) is this image's pixel (x, y)."""
        K = self.K.copy()
        K[:2, 2] -= (x, y)
        return replace(self, K=K, size=(width, height))

    def resize(self, width: int, height: int) -> Camera:
        """The camera of the image resized to width x height: x -> (x + 0.5) s - 0.5."""
        scale = np.array([width / self.size[0], height / self.size[1]])
        K = self.K.copy()
        K[:2] *= scale[:, None]
        K[:2, 2] = (self.K[:2, 2] + 0.5) * scale - 0.5
        return replace(self, K=K, size=(width, height))

    def flip(self) -> Camera:
        """The camera of the mirrored image, x -> W - 1 - x.

        The camera frame is mirrored too (x -> -x, so R has the opposite determinant): a label projected through
        the new camera lands on the mirrored pixel, and only its left and right joint names must be exchanged.
        """
        K = self.K.copy()
        K[0, 1] = -K[0, 1]
        K[0, 2] = self.size[0] - 1 - K[0, 2]
        mirror = np.diag([-1.0, 1.0, 1.0])
        return replace(self, K=K, R=mirror @ self.R, t=mirror @ self.t, distortion=_mirrored(self.distortion))

    def rotate(self, rotation: Float[np.ndarray, "3 3"]) -> Camera:
        """Turn the camera about its optical centre: new camera axes = rotation @ old ones."""
        return replace(self, R=rotation @ self.R, t=rotation @ self.t)

    def without_distortion(self) -> Camera:
        """The same camera with an ideal lens."""
        return replace(self, distortion=np.zeros(0))


def distort(points: Float[np.ndarray, "*b 2"], coefficients: Float[np.ndarray, " n"]) -> Float[np.ndarray, "*b 2"]:
    """Apply OpenCV's lens model (radial rational, tangential, thin prism) to normalised coordinates.

    Beyond `one_to_one_radius` the polynomial folds directions far outside the view back into the image, which no
    lens does; OpenCV returns these ghosts, here such points give NaN.
    """
    if len(coefficients) == 0:
        return points
    limit = one_to_one_radius(tuple(coefficients.tolist()))
    with np.errstate(invalid="ignore"):
        inside = np.square(points).sum(-1) < limit * limit
    return np.where(inside[..., None], _lens_model(points, coefficients), np.nan)


def undistort(
    points: Float[np.ndarray, "*b 2"], coefficients: Float[np.ndarray, " n"], iterations: int = 20
) -> Float[np.ndarray, "*b 2"]:
    """Invert `distort` by Newton's method with a numerical Jacobian.

    OpenCV's default of five fixed-point steps leaves errors of several thousandths of a pixel; Newton's method
    reaches rounding error in about five steps. Where the lens bends strongly (from barrel to pincushion, say) it can
    run away from the distorted point; it then starts again at the radius that the radial part alone gives. Points that
    no direction within `one_to_one_radius` maps to come out as NaN.
    """
    if len(coefficients) == 0:
        return points
    with np.errstate(all="ignore"):
        guess = _newton(points, points, coefficients, iterations)
        failed = ~_maps_to(guess, points, coefficients)
        if (failed & np.isfinite(points).all(-1)).any():
            far = points[failed]
            guess[failed] = _newton(far, _radial_inverse(far, coefficients), coefficients, iterations)
            failed = ~_maps_to(guess, points, coefficients)
    return np.where(failed[..., None], np.nan, guess)


def _maps_to(
    guess: Float[np.ndarray, "*b 2"], points: Float[np.ndarray, "*b 2"], coefficients: Float[np.ndarray, " n"]
) -> Bool[np.ndarray, "*b"]:
    return np.asarray(np.abs(distort(guess, coefficients) - points).max(-1) < 1e-7)


def _radial_inverse(
    points: Float[np.ndarray, "m 2"], coefficients: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "m 2"]:
    """Undistorted points of the lens model's radial part, which grows up to `one_to_one_radius`, by bisection."""
    radial = np.array(coefficients)
    radial[2:4] = 0.0
    radial[8:] = 0.0
    target = np.linalg.norm(points, axis=-1)
    limit = one_to_one_radius(tuple(radial.tolist()))
    low, high = np.zeros_like(target), np.full_like(target, min(limit, _FARTHEST))
    for _ in range(60):
        middle = (low + high) / 2
        reached = _lens_model(np.stack([middle, np.zeros_like(middle)], -1), radial)[..., 0]
        low, high = np.where(reached < target, middle, low), np.where(reached < target, high, middle)
    return points * (low / np.maximum(target, 1e-300))[..., None]


def _newton(
    points: Float[np.ndarray, "*b 2"],
    start: Float[np.ndarray, "*b 2"],
    coefficients: Float[np.ndarray, " n"],
    iterations: int,
) -> Float[np.ndarray, "*b 2"]:
    guess, step = start.copy(), 1e-6
    # One evaluation for the value and both slopes: for the few points of a box, calls cost more than numbers.
    stencil = step * np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]]).reshape(5, *(1,) * (points.ndim - 1), 2)
    for _ in range(iterations):
        value, right, left, below, above = _lens_model(guess + stencil, coefficients)
        residual, jx, jy = value - points, (right - left) / (2 * step), (below - above) / (2 * step)
        det = jx[..., 0] * jy[..., 1] - jx[..., 1] * jy[..., 0]
        dx = (jy[..., 1] * residual[..., 0] - jy[..., 0] * residual[..., 1]) / det
        dy = (jx[..., 0] * residual[..., 1] - jx[..., 1] * residual[..., 0]) / det
        guess = guess - np.stack([dx, dy], -1)
        if not (np.abs(residual) > 1e-12).any():
            break
    return guess


@functools.lru_cache(maxsize=256)
def one_to_one_radius(coefficients: tuple[float, ...]) -> float:
    """Normalised radius up to which the radial lens model grows and can be inverted; infinity if it always grows.

    With N(r) = r (1 + k1 r^2 + k2 r^4 + k3 r^6) and D(r) = 1 + k4 r^2 + k5 r^4 + k6 r^6 the model is N / D: it stops
    growing at the smallest root of N' D - N D' and jumps at the smallest root of D, both polynomials in q = r^2.
    """
    k1, k2, _, _, k3, k4, k5, k6 = (*coefficients, *(0.0,) * 8)[:8]
    numerator, denominator = Polynomial([1, k1, k2, k3]), Polynomial([1, k4, k5, k6])
    slope = Polynomial([1, 3 * k1, 5 * k2, 7 * k3]) * denominator - numerator * Polynomial([0, 2 * k4, 4 * k5, 6 * k6])
    roots = np.concatenate([slope.trim(1e-14).roots(), denominator.trim(1e-14).roots()])
    turns = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real > 0)]
    return math.sqrt(turns.min()) if len(turns) else math.inf


def _lens_model(points: Float[np.ndarray, "*b 2"], coefficients: Float[np.ndarray, " n"]) -> Float[np.ndarray, "*b 2"]:
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4 = (*coefficients.tolist(), *(0.0,) * 12)[:12]
    x, y = points[..., 0], points[..., 1]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        r2 = x * x + y * y
        radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
        dx = 2 * p1 * x * y + p2 * (r2 + 2 * x * x) + s1 * r2 + s2 * r2 * r2
        dy = p1 * (r2 + 2 * y * y) + 2 * p2 * x * y + s3 * r2 + s4 * r2 * r2
        return np.stack([x * radial + dx, y * radial + dy], -1)


def _mirrored(coefficients: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Coefficients of the mirrored lens: terms that shift x by an even function of x change sign (p2, s1, s2)."""
    out = coefficients.copy()
    for index in (3, 8, 9):
        if index < len(out):
            out[index] = -out[index]
    return out
