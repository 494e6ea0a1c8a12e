"""A pose model that really works, on pictures of coloured dots: it finds each joint's colour and solves for the pose.

With it the whole road from photograph to world coordinates is checked against known truth: crop camera, resampling,
lens distortion, mirrored views, averaging, extrinsics. It knows the body (a rigid cloud of points) and nothing else.
"""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from metricpose.geometry.camera import Camera
from metricpose.skeleton import catalog
from metricpose.types import Pose

SKELETON = catalog.get("h36m_17")
# Three levels per channel survive any gamma: 0 and 255 stay, the middle stays in the middle. Black is the ground.
_LEVELS = [c for c in itertools.product((0, 128, 255), repeat=3) if any(c)]
COLOURS = np.array(_LEVELS[: len(SKELETON)], np.uint8)


def body(seed: int = 3) -> np.ndarray:
    """(J, 3) millimetres, root at the origin: no person, but of a person's size, without symmetry."""
    rng = np.random.default_rng(seed)
    points = np.stack([rng.permutation(np.linspace(-a, a, len(SKELETON))) for a in (420.0, 850.0, 300.0)], 1)
    return points - points[SKELETON.root]


def draw(camera: Camera, world: np.ndarray, image: np.ndarray | None = None, radius: int = 7) -> np.ndarray:
    """Dots at the projections of (J, 3) world points on a black picture (or on `image`)."""
    image = np.zeros((camera.size[1], camera.size[0], 3), np.uint8) if image is None else image
    for colour, pixel in zip(COLOURS, camera.project(world)):
        if np.isfinite(pixel).all():
            centre = tuple(int(v) for v in np.rint(pixel * 16))
            cv2.circle(image, centre, radius * 16, colour.tolist(), -1, cv2.LINE_8, 4)
    return image


class DotOutput(NamedTuple):
    """Just the pictures: all work is done in `decode`."""

    images: Tensor


class DotModel(nn.Module):
    """Stands in for a trained network; same contract as `models/`."""

    needs_gt = ()

    def __init__(self, points: np.ndarray, side: int = 256, covariance_mm2: float = 400.0) -> None:
        super().__init__()
        self.config, self.skeleton = SimpleNamespace(side=side), SKELETON
        self.points, self.covariance = points, covariance_mm2
        self.calls: list[int] = []

    def forward(self, images: Tensor) -> DotOutput:
        self.calls.append(len(images))
        return DotOutput(images)

    def decode(self, output: DotOutput, K: Tensor) -> Pose:
        found = [self._solve(i.permute(1, 2, 0).numpy(), k.double().numpy()) for i, k in zip(output.images, K)]
        joints = torch.from_numpy(np.stack([f for f, _ in found])).float()
        axes = torch.tensor([1.0, 2.0, 9.0]) * self.covariance  # unequal, so that a wrong turn shows
        covariance = torch.diag(axes).expand(*joints.shape[:2], 3, 3)
        flags = torch.tensor([flag for _, flag in found])
        root = joints[:, SKELETON.root : SKELETON.root + 1]
        return Pose(joints[..., :2] * 0, joints - root, joints, covariance, flags)

    def _solve(self, image: np.ndarray, K: np.ndarray) -> tuple[np.ndarray, int]:
        """Perspective-n-point with the body and with its mirror image; the better one tells a mirrored crop."""
        seen, pixels = find_dots(image)
        if len(seen) < 6:
            return self.points + np.array([0, 0, 3000.0]), 3
        mirrored = self.points * (-1.0, 1.0, 1.0)
        fits = [_pnp(points, seen, pixels, K) for points in (self.points, mirrored)]
        if fits[0][1] <= fits[1][1]:
            return fits[0][0], 0
        return fits[1][0][SKELETON.mirror], 0


def find_dots(image: np.ndarray) -> tuple[list[int], np.ndarray]:
    """Joints seen in a [0, 1] RGB picture, and the pixel centres of their dots; dots cut by the border do not count."""
    levels = np.where(image < 0.19, 0, np.where(image < 0.81, 128, 255)).astype(np.uint8)
    seen, pixels = [], []
    for joint, colour in enumerate(COLOURS):
        mask = (levels == colour).all(-1).astype(np.uint8)
        _, _, stats, centres = cv2.connectedComponentsWithStats(mask, connectivity=4)
        if len(stats) < 2:
            continue
        best = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
        left, top, width, height, area = stats[best]
        inside = min(left, top) > 0 and max(left + width, top + height) < len(image)
        if area >= 12 and inside and area > 0.6 * width * height:  # a disk, no ring of blended colours
            seen.append(joint)
            pixels.append(centres[best])
    return seen, np.array(pixels).reshape(-1, 2)


def _pnp(points: np.ndarray, seen: list[int], pixels: np.ndarray, K: np.ndarray) -> tuple[np.ndarray, float]:
    _, rvec, tvec = cv2.solvePnP(points[seen], pixels, K, None, flags=cv2.SOLVEPNP_SQPNP)
    rvec, tvec = cv2.solvePnPRefineLM(points[seen], pixels, K, None, rvec, tvec)
    placed = points @ cv2.Rodrigues(rvec)[0].T + tvec.reshape(1, 3)
    projected = placed[seen] @ K.T
    error = np.abs(projected[:, :2] / projected[:, 2:] - pixels).mean()
    return placed, float(error)
