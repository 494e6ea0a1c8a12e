"""A stand-in for a network that knows the truth: each record's image is one grey, which tells the model who it is."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from metricpose.geometry.camera import Camera
from metricpose.geometry.crop import crop_camera
from metricpose.skeleton import catalog
from metricpose.types import Pose, Record
from people import person

SIDE = 64
STEP = 11  # grey levels between two records


def records(count: int, *, skeleton: str = "metricpose_25", lens: bool = True) -> list[Record]:
    """People in front of a turned, distorted camera that does not stand at the origin; facts for all breakdowns."""
    out = []
    for index in range(count):
        made = person(index, skeleton=skeleton)
        turn = cv2.Rodrigues(np.array([[0.3], [-0.5], [0.1 * index]]))[0]
        distortion = np.array([-0.2, 0.1, 0.001, -0.002]) if lens else np.zeros(0)
        camera = Camera(made.camera.K, made.camera.size, distortion, turn, np.array([100.0, 2000, -300]))
        info = {"source": "made up", "height_mm": 900.0 + 200 * index, "age_years": 4.0 + 20 * index, "id": f"p{index}"}
        seen = replace(made, camera=camera, joints_px=camera.project_camera(made.joints_mm), info=info)
        out.append(replace(seen, image=np.full_like(made.image, STEP * (index + 1))))
    return out


class Oracle:
    """Keeps the model contract; predicts the truth plus `noise_mm` in the crop camera of the record it recognises."""

    needs_gt: tuple[str, ...] = ()

    def __init__(
        self, known: list[Record], *, noise_mm: float = 0.0, absolute: bool = True, sigma_mm: float = 30.0
    ) -> None:
        self.config = SimpleNamespace(side=SIDE, model_dump=lambda mode: {"noise": noise_mm})
        self.skeleton = catalog.get(known[0].skeleton)
        self.known, self.absolute, self.sigma_mm = known, absolute, sigma_mm
        rng = np.random.default_rng(7)
        self.noise = rng.normal(0, noise_mm, (len(known), len(self.skeleton), 3)) if noise_mm else None
        self.batches: list[int] = []

    def eval(self) -> Oracle:
        return self

    def to(self, device: torch.device, *, memory_format: torch.memory_format) -> Oracle:
        return self

    def __call__(self, images: Tensor) -> Any:
        assert images.shape[1:] == (3, SIDE, SIDE)
        self.batches.append(len(images))
        return SimpleNamespace(who=(images[:, 0, SIDE // 2, SIDE // 2] * 255 / STEP).round().long() - 1)

    def decode(self, output: Any, K: Tensor) -> Pose:
        poses, covariances = zip(*(self._pose(int(i)) for i in output.who))
        joints = torch.from_numpy(np.stack(poses)).float()
        root = self.skeleton.root
        return Pose(
            joints_px=torch.zeros(*joints.shape[:2], 2),
            joints_mm=joints - joints[:, root : root + 1],
            joints_abs_mm=joints if self.absolute else None,
            covariance_mm2=torch.from_numpy(np.stack(covariances)).float(),
            flags=torch.zeros(len(joints), dtype=torch.int64),
        )

    def _pose(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Truth of a record in its crop camera, and a covariance that is long along the image camera's x axis."""
        record = self.known[index]
        camera = Camera(record.camera.K, record.camera.size, record.camera.distortion)
        crop = crop_camera(camera, record.box_xywh, SIDE)
        joints = record.joints_mm + (self.noise[index] if self.noise is not None else 0.0)
        spread = crop.R @ np.diag([4.0, 1.0, 1.0]) @ crop.R.T * self.sigma_mm**2
        return crop.to_camera(joints), np.tile(spread, (len(joints), 1, 1))
