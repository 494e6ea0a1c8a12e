"""A pose model behind one call: crops and their intrinsics in, numpy poses in the crop cameras out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from metricpose.errors import CheckpointError
from metricpose.skeleton.core import Skeleton
from metricpose.types import Pose

FROM_BOX = 10
"""Flag beside those of `geometry.absolute.Fallback`: the model gives no position, the box gave it."""


class CropPoses(NamedTuple):
    """Poses of b crops, each in the frame of its own crop camera.

    Attributes:
        joints_mm: absolute, millimetres.
        covariance_mm2: NaN where the model gives none.
        flags: `geometry.absolute.Fallback` value, or FROM_BOX.
        head_px: crop pixels straight from the 2D heatmaps; None for models without such a head.
        head_mm: pose straight from the metric heatmaps, position unknown; None for models without such a head.
    """

    joints_mm: Float[np.ndarray, "b j 3"]
    covariance_mm2: Float[np.ndarray, "b j 3 3"]
    flags: Int[np.ndarray, " b"]
    head_px: Float[np.ndarray, "b j 2"] | None
    head_mm: Float[np.ndarray, "b j 3"] | None

    @staticmethod
    def concatenate(parts: list[CropPoses]) -> CropPoses:
        """One after the other along the first axis."""
        columns: list[Any] = [None if column[0] is None else np.concatenate(column) for column in zip(*parts)]
        return CropPoses(*columns)


class CropNetwork:
    """A model in evaluation mode on its device, its weights laid out with channels last.

    Raises:
        CheckpointError: the model needs ground truth to decode, so it cannot predict on photographs.
    """

    def __init__(self, model: Any, device: torch.device | str = "cpu") -> None:
        if model.needs_gt:
            raise CheckpointError(
                f"{type(model).__name__} needs {', '.join(model.needs_gt)} from the ground truth to decode; "
                "it can be evaluated but not used on photographs"
            )
        self.device = torch.device(device)
        self.model = model.eval().to(self.device, memory_format=torch.channels_last)
        self.side: int = model.config.side
        self.skeleton: Skeleton = model.skeleton

    def __call__(self, crops: UInt8[np.ndarray, "b s s 3"], K: Float[np.ndarray, "b 3 3"]) -> CropPoses:
        """One pass over a batch of RGB crops with the intrinsics of their crop cameras."""
        # A crop has its colours last in memory already, and convolutions that keep to that are faster (docs/LOG.md).
        images = torch.from_numpy(np.ascontiguousarray(crops)).permute(0, 3, 1, 2).to(self.device)
        with torch.inference_mode():
            output = self.model(images.float().div_(255.0))
            pose: Pose = self.model.decode(output, torch.from_numpy(K).float().to(self.device))
        joints, flags = self._placed(pose, K)
        shape = (*joints.shape, 3)
        covariance = _numpy(pose.covariance_mm2)
        return CropPoses(
            joints,
            np.full(shape, np.nan) if covariance is None else (covariance + covariance.swapaxes(-1, -2)) / 2,
            flags,
            _numpy(getattr(output, "px", None)),
            _numpy(getattr(output, "volume_mm", None)),
        )

    def _placed(
        self, pose: Pose, K: Float[np.ndarray, "b 3 3"]
    ) -> tuple[Float[np.ndarray, "b j 3"], Int[np.ndarray, " b"]]:
        absolute = _numpy(pose.joints_abs_mm)
        if absolute is None:
            relative = _numpy(pose.joints_mm)
            assert relative is not None
            return place_in_crop(relative, K, self.side), np.full(len(relative), FROM_BOX)
        flags = np.zeros(len(absolute), np.int64) if pose.flags is None else pose.flags.cpu().numpy().astype(np.int64)
        return absolute, flags


def place_in_crop(
    relative_mm: Float[np.ndarray, "b j 3"], K: Float[np.ndarray, "b 3 3"], side: int
) -> Float[np.ndarray, "b j 3"]:
    """Absolute position from the box alone, for models that give none: the pose's extent fills the crop.

    Weak perspective: the longer of width and height of the pose spans `side` pixels at the depth of the pose's middle.
    It is wrong by as much as the box is larger than the joints' extent (some 5 %), and useless for a box that shows
    only part of the person.
    """
    low, high = relative_mm.min(1), relative_mm.max(1)
    extent = np.maximum((high - low)[:, :2].max(1), 1.0)
    depth = K[:, 0, 0] * extent / side
    centre = (low + high) / 2
    return relative_mm - centre[:, None] + np.stack([np.zeros_like(depth), np.zeros_like(depth), depth], -1)[:, None]


def _numpy(value: Tensor | None) -> Float[np.ndarray, "*shape"] | None:
    return None if value is None else value.cpu().double().numpy()  # some devices have no float64
