"""Where the camera stands and what it cuts out: full-frame camera, then a square crop around the person."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32

from metricpose.geometry.camera import Camera
from metricpose.synthetic.raster import bounds, project
from metricpose.synthetic.rotations import rot_x, rot_y, rot_z, unit

FRAME = (1280, 960)
DEPTH_RANGE = (1.4, 8.5)  # metres
STUDIO_HEIGHT = (1.2, 1.8)  # metres: of the cameras of Human3.6M


class View(NamedTuple):
    """A pinhole view in metres: x_camera = R x_world + t; square pixels.

    Attributes:
        focal: pixels; cx, cy: principal point; width, height: pixels.
    """

    R: Float[np.ndarray, "3 3"]
    t: Float[np.ndarray, " 3"]
    focal: float
    cx: float
    cy: float
    width: int
    height: int

    @property
    def centre(self) -> Float[np.ndarray, " 3"]:
        """Camera position, world metres."""
        return -self.R.T @ self.t

    @property
    def K(self) -> Float[np.ndarray, "3 3"]:
        """Intrinsic matrix."""
        return np.array([[self.focal, 0.0, self.cx], [0.0, self.focal, self.cy], [0.0, 0.0, 1.0]])

    def camera(self) -> Camera:
        """The same as a `Camera`, world in millimetres."""
        return Camera(self.K, (self.width, self.height), R=self.R, t=self.t * 1e3)

    def project(self, world: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 2"]:
        """Pixels of world points (metres) in front of the camera."""
        local = world @ self.R.T + self.t
        return local[:, :2] / np.maximum(local[:, 2:], 0.05) * self.focal + [self.cx, self.cy]

    def bounds(self, vertices: Float32[np.ndarray, "n 3"]) -> tuple[Float[np.ndarray, " 2"], Float[np.ndarray, " 2"]]:
        """Smallest and largest pixel coordinates of a mesh."""
        points = np.empty_like(vertices)
        project(vertices, np.ascontiguousarray(self.R), self.t, self.focal, self.cx, self.cy, points)
        low, high = bounds(points)
        return low[:2], high[:2]

    def cropped(self, left: float, top: float, extent: float, side: int) -> View:
        """The square window from pixel edge (left, top), `extent` wide, resized to side x side pixels."""
        k = side / extent
        cx, cy = (self.cx - left) * k - 0.5, (self.cy - top) * k - 0.5
        return View(self.R, self.t, self.focal * k, cx, cy, side, side)


def sample_view(
    rng: np.random.Generator,
    low: Float[np.ndarray, " 3"],
    high: Float[np.ndarray, " 3"],
    studio: bool,
    studio_height: tuple[float, float] = STUDIO_HEIGHT,
) -> View:
    """A full-frame camera looking at the box [low, high] (metres) of a person.

    studio: as in motion-capture halls: 3 to 6.5 m away, at `studio_height` (metres), lens of 42 to 52 degrees.
    Otherwise fields of view of 30 to 95 degrees, heights 0.15 to 4 m (most at 1 to 2 m), distances 1.4 to 8.5 m. Roll
    within 4 degrees.
    """
    width, height = FRAME
    target = (low + high) / 2
    fov = np.deg2rad(rng.uniform(42.0, 52.0) if studio else _field_of_view(rng))
    focal = width / 2 / np.tan(fov / 2)
    distance = rng.uniform(3.0, 6.5) if studio else _distance(rng, focal, float(max(high - low)))
    above = (rng.uniform(*studio_height) if studio else _camera_height(rng)) - target[2]
    above = float(np.clip(above, -0.9 * distance, 0.8 * distance))
    azimuth, away = rng.uniform(-np.pi, np.pi), np.sqrt(distance**2 - above**2)
    centre = target + np.array([np.cos(azimuth) * away, np.sin(azimuth) * away, above])
    centre[2] = max(centre[2], 0.1)
    forward = unit(target - centre)
    right = unit(np.cross(forward, [0.0, 0.0, 1.0]))
    look = np.stack([right, np.cross(forward, right), forward])
    # The person is not in the middle of the picture: turn the camera so that they move by (dx, dy) pixels.
    dx, dy = rng.normal(0.0, 0.16) * width, rng.normal(0.0, 0.10) * height
    yaw = np.arctan2(dx, focal)
    pitch = np.arctan2(dy * np.cos(yaw), focal)
    roll = float(np.clip(rng.normal(0.0, np.deg2rad(0.7 if studio else 1.6)), -np.deg2rad(4), np.deg2rad(4)))
    R = rot_z(roll) @ rot_x(-pitch) @ rot_y(yaw) @ look
    return View(R, -R @ centre, float(focal), (width - 1) / 2, (height - 1) / 2, width, height)


def _field_of_view(rng: np.random.Generator) -> float:
    low, high = ((30.0, 48.0), (48.0, 72.0), (72.0, 95.0))[rng.choice(3, p=[0.25, 0.6, 0.15])]
    return rng.uniform(low, high)


def _camera_height(rng: np.random.Generator) -> float:
    low, high = ((1.0, 2.0), (0.15, 1.0), (2.0, 4.0))[rng.choice(3, p=[0.66, 0.17, 0.17])]
    return rng.uniform(low, high)


def _distance(rng: np.random.Generator, focal: float, extent: float) -> float:
    """Log-normal around 3.2 m, not so near that the person overfills the frame."""
    nearest = max(DEPTH_RANGE[0], 0.7 * focal * extent / FRAME[1])
    return float(np.clip(np.exp(rng.normal(np.log(3.2), 0.45)), nearest, DEPTH_RANGE[1]))


def crop_around(rng: np.random.Generator, view: View, vertices: Float32[np.ndarray, "n 3"], side: int) -> View:
    """A square crop 1.1 to 1.5 times the person's projected extent, a little off centre."""
    low, high = view.bounds(vertices)
    extent = float(max(high - low)) * rng.uniform(1.1, 1.5)
    middle = (low + high) / 2 + rng.normal(0.0, 0.03, 2) * extent
    return view.cropped(middle[0] - extent / 2, middle[1] - extent / 2, extent, side)
