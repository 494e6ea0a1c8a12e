"""Boxes -> crops -> network -> poses in the world frame of the camera, averaged over views.

The network answers in the frame of each crop camera. Turned back, every view of a person is in one frame, so views are
averaged in millimetres there; pixels are never averaged but follow by projection.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from metricpose.geometry.camera import Camera
from metricpose.predict.network import CropNetwork, CropPoses
from metricpose.predict.views import View, crop_view

Up = tuple[float, float, float]
DEFAULT_BATCH = 32


class Estimates(NamedTuple):
    """N people as the network's joints; "world" is the camera frame where the camera has no extrinsics.

    Attributes:
        joints_mm: world frame, mean over the views.
        covariance_mm2: world axes; mean over the views plus the scatter between them (law of total variance).
        flags: of the best view, see `network.CropPoses`.
        views_mm: every view's joints, world frame, left and right as the person's.
        crops: camera of each person's plain crop.
        head_px: full-image pixels straight from the 2D heatmaps of the plain crop; None without such a head.
        head_mm: frame of the plain crop, position unknown; None without such a head.
    """

    joints_mm: Float[np.ndarray, "n j 3"]
    covariance_mm2: Float[np.ndarray, "n j 3 3"]
    flags: Int[np.ndarray, " n"]
    views_mm: Float[np.ndarray, "n v j 3"]
    crops: list[Camera]
    head_px: Float[np.ndarray, "n j 2"] | None
    head_mm: Float[np.ndarray, "n j 3"] | None

    def take(self, keep: Bool[np.ndarray, " n"]) -> Estimates:
        """Only the people of the mask."""
        parts = {name: value[keep] for name, value in self._asdict().items() if isinstance(value, np.ndarray)}
        return self._replace(crops=[crop for crop, k in zip(self.crops, keep) if k], **parts)


def estimate(
    network: CropNetwork,
    image: UInt8[np.ndarray, "h w 3"],
    camera: Camera,
    boxes_xywh: Float[np.ndarray, "n 4"],
    views: Sequence[View],
    *,
    up: Up = (0.0, -1.0, 0.0),
    batch_size: int = DEFAULT_BATCH,
) -> Estimates:
    """Poses of the people in the boxes.

    Args:
        network: the pose model.
        image: RGB, upright.
        camera: of the image; with a mirroring R (determinant -1) the image counts as a mirror image of the world, and
            left and right come out as the person's.
        boxes_xywh: left, top, width, height in pixels.
        views: from `views.schedule`; the first is the plain crop.
        up: direction that points up in the crops, in the world frame of `camera`.
        batch_size: crops in one network pass.
    """
    n, v, j = len(boxes_xywh), len(views), len(network.skeleton)
    if n == 0:
        return _nobody(v, j)
    poses, crops = _run(network, image, camera, boxes_xywh, views, up, batch_size)
    mirrored = bool(np.linalg.det(camera.R) < 0)  # the photograph itself is a mirror image
    joints = np.empty((n, v, j, 3))
    covariance = np.empty((n, v, j, 3, 3))
    for k, crop in enumerate(crops):
        order = network.skeleton.mirror if views[k % v].flip != mirrored else slice(None)
        joints[k // v, k % v] = crop.to_world(poses.joints_mm[k])[order]
        covariance[k // v, k % v] = (crop.R.T @ poses.covariance_mm2[k] @ crop.R)[order]
    flags = poses.flags.reshape(n, v)
    mean, spread = _merge(joints, covariance, flags, network.skeleton.root)
    plain = crops[::v]
    order = network.skeleton.mirror if mirrored else slice(None)
    head_px = None if poses.head_px is None else _to_image(poses.head_px[::v][:, order], plain, camera)
    head_mm = None if poses.head_mm is None else poses.head_mm[::v][:, order]
    return Estimates(mean, spread, flags.min(1), joints, plain, head_px, head_mm)


def _run(
    network: CropNetwork,
    image: UInt8[np.ndarray, "h w 3"],
    camera: Camera,
    boxes: Float[np.ndarray, "n 4"],
    views: Sequence[View],
    up: Up,
    batch_size: int,
) -> tuple[CropPoses, list[Camera]]:
    """All views of all boxes, box by box, `batch_size` crops in memory at a time."""
    x, y, z = camera.R @ np.array(up)
    jobs = [(box, view) for box in boxes for view in views]
    parts: list[CropPoses] = []
    cameras: list[Camera] = []
    for start in range(0, len(jobs), batch_size):
        made = [
            crop_view(image, camera, b, network.side, view, (x, y, z)) for b, view in jobs[start : start + batch_size]
        ]
        parts.append(network(np.stack([crop for crop, _ in made]), np.stack([c.K for _, c in made])))
        cameras += [c for _, c in made]
    return CropPoses.concatenate(parts), cameras


def _merge(
    joints: Float[np.ndarray, "n v j 3"],
    covariance: Float[np.ndarray, "n v j 3 3"],
    flags: Int[np.ndarray, "n v"],
    root: int,
) -> tuple[Float[np.ndarray, "n j 3"], Float[np.ndarray, "n j 3 3"]]:
    """Mean and total covariance over those views whose absolute position was found best."""
    weights = (flags == flags.min(1, keepdims=True)).astype(np.float64)
    weights /= weights.sum(1, keepdims=True)
    mean = np.einsum("nv,nvjc->njc", weights, joints)
    relative = joints - joints[:, :, root : root + 1]
    offsets = relative - np.einsum("nv,nvjc->njc", weights, relative)[:, None]
    within = np.einsum("nv,nvjcd->njcd", weights, covariance)
    total = within + np.einsum("nv,nvjc,nvjd->njcd", weights, offsets, offsets)
    return mean, (total + total.swapaxes(-1, -2)) / 2


def _to_image(px: Float[np.ndarray, "n j 2"], crops: list[Camera], camera: Camera) -> Float[np.ndarray, "n j 2"]:
    """Crop pixels -> full-image pixels, along their rays."""
    rays = [np.concatenate([crop.rays(p), np.ones((len(p), 1))], 1) * 1000.0 for p, crop in zip(px, crops)]
    return np.stack([camera.project(crop.to_world(ray)) for ray, crop in zip(rays, crops)])


def _nobody(views: int, joints: int) -> Estimates:
    covariance, flags = np.zeros((0, joints, 3, 3)), np.zeros(0, np.int64)
    return Estimates(np.zeros((0, joints, 3)), covariance, flags, np.zeros((0, views, joints, 3)), [], None, None)
