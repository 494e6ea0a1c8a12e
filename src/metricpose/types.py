"""The values that flow through the package: Record -> Sample -> Batch -> Pose -> People."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from metricpose.errors import InputError
from metricpose.geometry.camera import Camera
from metricpose.skeleton.core import Skeleton, pair_count

OUTSIDE, HIDDEN, VISIBLE, UNKNOWN = 0, 1, 2, 255
"""Visibility of a joint in a record: outside the image, hidden by something, visible, not annotated."""

MEASURED, INFERRED, OUT_OF_FRAME, NOT_GIVEN = 0, 1, 2, 3
"""State of a predicted joint: seen in the crop, guessed from context, outside the photograph, not predicted at all."""


@dataclass(frozen=True, eq=False)
class Record:
    """One annotated person in one image, as a data set or the renderer gives it.

    Attributes:
        image: (h, w, 3) uint8 RGB.
        camera: camera of `image`; joints are in its camera frame.
        box_xywh: (4,) left, top, width, height in pixels.
        joints_mm: (J, 3) camera frame, millimetres; NaN where not annotated.
        joints_px: (J, 2) pixels; NaN where not annotated. 2D-only data have these alone.
        visibility: (J,) OUTSIDE, HIDDEN, VISIBLE or UNKNOWN.
        skeleton: catalogue name of the joint order.
        alpha: (h, w) uint8 mask of the person and what is attached to it, if known (for background replacement).
        abs_valid: whether the distance from the camera is right (false for data known up to scale).
        info: facts for breakdowns: age_years, height_mm, pose, clip, background, subject, frame ...
        order: (k,) ordinal depth labels of the k = J (J - 1) / 2 pairs (a, b) of `skeleton.core.joint_pairs`: +1 if b
            is closer to the camera than a, -1 if farther, 0 if about equally far. None if there are none at all.
        order_w: (k,) their weights, 0 where a pair has no label; given exactly if `order` is.
    """

    image: UInt8[np.ndarray, "h w 3"]
    camera: Camera
    box_xywh: Float[np.ndarray, " 4"]
    joints_mm: Float[np.ndarray, "j 3"]
    joints_px: Float[np.ndarray, "j 2"]
    visibility: UInt8[np.ndarray, " j"]
    skeleton: str
    alpha: UInt8[np.ndarray, "h w"] | None = None
    abs_valid: bool = True
    info: dict[str, Any] = field(default_factory=dict)
    order: Float[np.ndarray, " k"] | None = None
    order_w: Float[np.ndarray, " k"] | None = None

    def __post_init__(self) -> None:
        height, width = self.image.shape[:2]
        if (width, height) != tuple(self.camera.size):
            raise InputError(f"record: image is {width}x{height} but its camera says {self.camera.size}")
        if not (len(self.joints_mm) == len(self.joints_px) == len(self.visibility)):
            raise InputError(
                f"record: {len(self.joints_mm)} joints_mm, {len(self.joints_px)} joints_px and "
                f"{len(self.visibility)} visibilities; expected equal counts"
            )
        if not np.isfinite(self.box_xywh).all() or (self.box_xywh[2:] <= 0).any():
            raise InputError(f"record: box {self.box_xywh.tolist()} needs finite values and positive width and height")
        self._check_order()

    def _check_order(self) -> None:
        if self.order is None and self.order_w is None:
            return
        counts = [0 if a is None else len(a) for a in (self.order, self.order_w)]
        pairs = pair_count(len(self.joints_mm))
        if counts != [pairs, pairs]:
            raise InputError(
                f"record: {counts[0]} ordinal labels and {counts[1]} weights; expected {pairs} of both, one for each "
                f"pair of {len(self.joints_mm)} joints, or neither"
            )


@dataclass(frozen=True, eq=False)
class Sample:
    """One network-ready crop with labels in the crop camera; weights say what is supervised.

    Attributes:
        image: (S, S, 3) uint8 RGB crop.
        K: (3, 3) intrinsics of the crop camera.
        joints_mm: (J, 3) crop camera frame, absolute, millimetres. Anything where z_w is 0.
        joints_px: (J, 2) crop pixels. Anything where uv_w is 0.
        z_w, uv_w: (J,) weights of the 3D and of the 2D label.
        abs_w: weight of the absolute position.
        visibility: (J,) as in Record, with joints outside this crop set to OUTSIDE.
        R: (3, 3) source camera -> crop camera, to bring predictions back.
        info: the record's facts.
        order, order_w: (k,) as in Record, in the network's skeleton; None for no ordinal labels.
    """

    image: UInt8[np.ndarray, "s s 3"]
    K: Float[np.ndarray, "3 3"]
    joints_mm: Float[np.ndarray, "j 3"]
    joints_px: Float[np.ndarray, "j 2"]
    z_w: Float[np.ndarray, " j"]
    uv_w: Float[np.ndarray, " j"]
    abs_w: float
    visibility: UInt8[np.ndarray, " j"]
    R: Float[np.ndarray, "3 3"]
    info: dict[str, Any] = field(default_factory=dict)
    order: Float[np.ndarray, " k"] | None = None
    order_w: Float[np.ndarray, " k"] | None = None


@dataclass(frozen=True, eq=False)
class Batch:
    """Stacked samples as tensors; shapes and meanings as in Sample, images as (b, 3, s, s) float in [0, 1].

    `order` and `order_w` are None if no sample has ordinal labels; else samples without have weight 0.
    """

    images: Float[Tensor, "b 3 s s"]
    K: Float[Tensor, "b 3 3"]
    joints_mm: Float[Tensor, "b j 3"]
    joints_px: Float[Tensor, "b j 2"]
    z_w: Float[Tensor, "b j"]
    uv_w: Float[Tensor, "b j"]
    abs_w: Float[Tensor, " b"]
    order: Float[Tensor, "b k"] | None = None
    order_w: Float[Tensor, "b k"] | None = None

    def to(self, device: torch.device | str) -> Batch:
        """The batch on another device."""
        return self._each(lambda value: value.to(device, non_blocking=True))

    def part(self, samples: slice | Int[Tensor, " n"] | Bool[Tensor, " b"]) -> Batch:
        """Some of the samples."""
        return self._each(lambda value: value[samples])

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        changed: dict[str, Any] = {name: None if v is None else change(v) for name, v in values.items()}
        return Batch(**changed)

    @staticmethod
    def stack(samples: list[Sample]) -> Batch:
        """Stack samples of equal crop size and joint count; images become float in [0, 1]."""

        def pile(name: str) -> Tensor:
            return torch.from_numpy(np.stack([np.asarray(getattr(s, name), np.float32) for s in samples]))

        images = torch.from_numpy(np.stack([s.image for s in samples]))
        return Batch(
            images=images.permute(0, 3, 1, 2).to(torch.float32).div_(255.0),
            **{name: pile(name) for name in ("K", "joints_mm", "joints_px", "z_w", "uv_w", "abs_w")},
            **stack_order(samples),
        )


def stack_order(samples: list[Sample]) -> dict[str, Tensor]:
    """`order` and `order_w` of a batch, weight 0 for samples without ordinal labels; empty if no sample has any."""
    if all(s.order is None for s in samples):
        return {}
    blank = np.zeros(pair_count(len(samples[0].joints_mm)), np.float32)

    def pile(name: str) -> Tensor:
        given = [getattr(s, name) for s in samples]
        return torch.from_numpy(np.stack([blank if v is None else np.asarray(v, np.float32) for v in given]))

    return {name: pile(name) for name in ("order", "order_w")}


class Pose(NamedTuple):
    """What a model's `decode` returns, in the crop camera frame.

    Attributes:
        joints_px: (b, J, 2) crop pixels: the projection of the absolute pose where there is one.
        joints_mm: (b, J, 3) relative to the skeleton's root joint, millimetres.
        joints_abs_mm: (b, J, 3) camera frame, millimetres, or None for methods that do not recover it.
        covariance_mm2: (b, J, 3, 3) from the heatmaps, or None.
        flags: (b,) `geometry.absolute.Fallback` values: how the absolute position was found.
    """

    joints_px: Float[Tensor, "b j 2"]
    joints_mm: Float[Tensor, "b j 3"]
    joints_abs_mm: Float[Tensor, "b j 3"] | None = None
    covariance_mm2: Float[Tensor, "b j 3 3"] | None = None
    flags: Int[Tensor, " b"] | None = None


@dataclass(frozen=True, eq=False)
class People:
    """Everyone found in one photograph.

    Attributes:
        joints_mm: (N, J, 3) in the source camera frame, or in the world if extrinsics were given: see `frame`.
        joints_px: (N, J, 2) full image, always the projection of joints_mm.
        covariance_mm2: (N, J, 3, 3) uncertainty of a joint's place in the person, from its heatmap: of the pose, the
            root's own among them, not of the person's distance.
        state: (N, J) MEASURED, INFERRED, OUT_OF_FRAME, or NOT_GIVEN where joints_mm is NaN.
        boxes: (N, 4) left, top, width, height in pixels.
        scores: (N,) detection score, 1 where boxes were given.
        track_id: (N,) identity along a video, -1 for a single photograph.
        camera: camera of the full image.
        skeleton: joint names and tree.
        scale_source: where metric scale came from, in words.
        info: facts about the run: model name and hash, box source, camera source, test-time views, warnings.
    """

    joints_mm: Float[np.ndarray, "n j 3"]
    joints_px: Float[np.ndarray, "n j 2"]
    covariance_mm2: Float[np.ndarray, "n j 3 3"]
    state: UInt8[np.ndarray, "n j"]
    boxes: Float[np.ndarray, "n 4"]
    scores: Float[np.ndarray, " n"]
    track_id: Int[np.ndarray, " n"]
    camera: Camera
    skeleton: Skeleton
    scale_source: str
    info: dict[str, Any] = field(default_factory=dict)

    saver: ClassVar[Callable[[People, str | os.PathLike[str]], None] | None] = None
    """Set by `metricpose.formats`, which lies above this module, when it is imported."""

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def frame(self) -> Literal["camera", "world"]:
        """Of joints_mm: "camera" (x right, y down, z forward), or "world" where the camera has extrinsics."""
        moved = bool(self.camera.t.any()) or not np.array_equal(self.camera.R, np.eye(3))
        return "world" if moved else "camera"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a self-describing result file in the format of the suffix (see `metricpose.formats.save`).

        Raises:
            InputError: no such format, or `metricpose.formats` has not been imported.
        """
        if People.saver is None:
            raise InputError("People.save needs the writers: import metricpose.formats first")
        People.saver(self, path)
