"""A result as a scene to look at: metres, x to the right, y up, z away from the camera, which stands at the origin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from metricpose.types import People

_DEFAULT_GROUND = -1.4


@dataclass(frozen=True, eq=False)
class Scene:
    """People and camera, levelled: "up" is vertical.

    Attributes:
        people: result it shows.
        joints: (N, J, 3) metres.
        ground: height of the ground below the camera, metres: of the lowest joint of all.
        corners: (4, 3) directions of the image's corners, top left first, clockwise, scaled to z = 1 in the camera.
    """

    people: People
    joints: Float[np.ndarray, "n j 3"]
    ground: float
    corners: Float[np.ndarray, "4 3"]

    @property
    def roots(self) -> Float[np.ndarray, "n 3"]:
        """Place of each person's root, or of the mean of the known joints."""
        if len(self.joints) == 0:
            return np.zeros((0, 3))
        known = np.isfinite(self.joints).all(-1)
        mean = np.where(known[..., None], self.joints, 0).sum(1) / np.maximum(known.sum(1), 1)[:, None]
        root = self.joints[:, self.people.skeleton.root]
        return np.where(np.isfinite(root), root, mean)


def make_scene(people: People) -> Scene:
    """Turn a result into a levelled scene; "up" is what the crops were made upright with (`info["up"]`)."""
    camera = people.camera
    up = camera.R @ np.array(people.info.get("up", (0.0, -1.0, 0.0)), np.float64)
    level = _levelled(up / np.linalg.norm(up))
    joints = camera.to_camera(people.joints_mm) @ level.T / 1000.0
    width, height = camera.size
    edges = np.array([[-0.5, -0.5], [width - 0.5, -0.5], [width - 0.5, height - 0.5], [-0.5, height - 0.5]])
    rays = camera.without_distortion().rays(edges)
    heights = joints[..., 1][np.isfinite(joints[..., 1])]
    ground = float(heights.min()) - 0.02 if len(heights) else _DEFAULT_GROUND
    return Scene(people, joints, ground, np.concatenate([rays, np.ones((4, 1))], 1) @ level.T)


def nice_step(span: float, pieces: int = 8) -> float:
    """A round grid width that cuts `span` metres into at most about `pieces`."""
    for step in (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0):
        if span / step <= pieces:
            return step
    return 100.0


def _levelled(up: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "3 3"]:
    """Rows: right, up, forward, in the camera frame; forward is the camera's own as far as it is level."""
    forward = np.array([0.0, 0.0, 1.0]) - up[2] * up
    if np.linalg.norm(forward) < 1e-3:  # the camera looks straight up or down: the image's upper edge is "forward"
        forward = np.array([0.0, -1.0, 0.0])
    forward /= np.linalg.norm(forward)
    return np.stack([np.cross(forward, up), up, forward])
