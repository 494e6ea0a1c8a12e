"""Intrinsics that a data set does not give, recovered from points that are labelled both in 3D and in the picture."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from metricpose.data.faults import fault

_ROUNDS, _SPREADS, _EXACT_PX = 5, 3.0, 1e-6
_LEAST_POINTS = 12
_WIDEST, _NARROWEST = 0.2, 20.0  # focal lengths, in longer sides of the picture
_OFF_CENTRE = 0.2  # principal point, in longer sides of the picture


class Fit(NamedTuple):
    """A camera matrix, and how far the points lie from where it projects them.

    Attributes:
        K: (3, 3) without skew.
        residual_px: median distance over all points.
    """

    K: Float[np.ndarray, "3 3"]
    residual_px: float


def fit_intrinsics(points: Float[np.ndarray, "n 3"], pixels: Float[np.ndarray, "n 2"]) -> Fit | None:
    """Focal lengths and principal point by least squares in pixels, x = fx X/Z + cx and y = fy Y/Z + cy.

    Points whose labels do not belong together (the hips of MuPoTS-3D do not) are left out: those that lie three times
    as far from their projection as the median, in a few rounds.

    Args:
        points: camera frame.

    Returns:
        None where the points do not determine them: too few, or all on one ray.
    """
    points, pixels = np.asarray(points, np.float64), np.asarray(pixels, np.float64)
    good = np.isfinite(points).all(1) & np.isfinite(pixels).all(1) & (points[:, 2] > 0)
    rays, pixels = points[good, :2] / points[good, 2:], pixels[good]
    keep = np.ones(len(rays), bool)
    f = c = np.zeros(2)
    for _ in range(_ROUNDS):
        if keep.sum() < _LEAST_POINTS or (np.ptp(rays[keep], axis=0) < 1e-6).any():
            return None
        f, c = _line(rays[keep], pixels[keep])
        distance = np.linalg.norm(rays * f + c - pixels, axis=1)
        keep = distance <= max(_SPREADS * float(np.median(distance)), _EXACT_PX)
    return Fit(_matrix(f, c), float(np.median(distance)))


def _line(rays: Float[np.ndarray, "n 2"], pixels: Float[np.ndarray, "n 2"]) -> tuple[np.ndarray, np.ndarray]:
    """Slope and offset of each column by least squares."""
    middle, target = rays.mean(0), pixels.mean(0)
    slope = ((rays - middle) * (pixels - target)).sum(0) / np.square(rays - middle).sum(0)
    return slope, target - slope * middle


def _matrix(f: Float[np.ndarray, " 2"], c: Float[np.ndarray, " 2"]) -> Float[np.ndarray, "3 3"]:
    return np.array([[f[0], 0, c[0]], [0, f[1], c[1]], [0, 0, 1.0]])


def fit_unrooted(
    relative: Float[np.ndarray, "n 3"], pixels: Float[np.ndarray, "n 2"]
) -> tuple[Fit, Float[np.ndarray, " 3"]] | None:
    """Intrinsics and the root's place from a pose relative to its root: linear, exact for exact labels.

    With the root at (X0, Y0, Z0), x (Z + Z0) = fx (X + X0) + cx (Z + Z0) is linear in fx, cx, fx X0 + cx Z0 and Z0;
    and so for y.

    Returns:
        The fit and the root in the camera frame; None where the points do not determine them.
    """
    (X, Y, Z), (x, y) = np.asarray(relative, np.float64).T, np.asarray(pixels, np.float64).T
    zero, one = np.zeros(len(X)), np.ones(len(X))
    rows = np.concatenate([
        np.stack([X, Z, one, zero, zero, zero, -x], 1),
        np.stack([zero, zero, zero, Y, Z, one, -y], 1),
    ])  # fmt: skip
    scale = np.linalg.norm(rows, axis=0)
    if len(X) < _LEAST_POINTS or not np.isfinite(rows).all() or (scale == 0).any():
        return None
    found, _, rank, _ = np.linalg.lstsq(rows / scale, np.concatenate([x * Z, y * Z]), rcond=1e-10)
    fx, cx, ax, fy, cy, ay, z0 = found / scale
    if rank < 7 or fx <= 0 or fy <= 0 or z0 + Z.min() <= 0:
        return None
    root = np.array([(ax - cx * z0) / fx, (ay - cy * z0) / fy, z0])
    K = _matrix(np.array([fx, fy]), np.array([cx, cy]))
    there = np.stack([X, Y, Z], 1) + root
    projected = there[:, :2] / there[:, 2:] * (fx, fy) + (cx, cy)
    distance = np.linalg.norm(projected - np.stack([x, y], 1), axis=1)
    return Fit(K, float(np.median(distance))), root


def need_fit(fit: Fit | None, size: tuple[int, int], path: Path, names: str, *, residual_px: float) -> Fit:
    """The fit, if it is one of a camera that may have taken the pictures.

    Args:
        names: what it was fitted to, for the message.
        residual_px: the largest median residual that passes.

    Raises:
        DataError: it could not be determined, is no camera's, or does not fit.
    """
    remedy = "The labels do not belong together, or their joints or axes are in another order."
    if fit is None:
        raise fault(path, f"{names} that determine the camera", "too few points, or points on one ray", remedy)
    focal, longer = np.diag(fit.K)[:2], max(size)
    if not ((focal > _WIDEST * longer) & (focal < _NARROWEST * longer)).all():
        shown = ", ".join(f"{f:.0f}" for f in focal)
        wanted = f"{names} of a camera with pictures of {size[0]} x {size[1]} pixels"
        raise fault(path, wanted, f"focal lengths of {shown} pixels", remedy)
    if not fit.residual_px <= residual_px:
        wanted = f"{names} within {residual_px:.0f} pixels of each other in some pinhole camera"
        raise fault(path, wanted, f"{fit.residual_px:.1f} (median)", remedy)
    off = fit.K[:2, 2] - (np.array(size) - 1) / 2
    if not (np.abs(off) <= _OFF_CENTRE * longer).all():
        wanted = f"{names} of a camera whose principal point lies near the centre of {size[0]} x {size[1]} pixels"
        raise fault(path, wanted, "{:.0f}, {:.0f}".format(*fit.K[:2, 2]), f"Were the pictures resized? {remedy}")
    return fit
