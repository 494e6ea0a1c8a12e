"""Person boxes: checked, read from a file, compared."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from metricpose.errors import InputError

_SMALLEST = 2  # pixels: boxes below are fractions of the image, taken for pixels


class Boxes(NamedTuple):
    """N person boxes.

    Attributes:
        xywh: left, top, width, height in pixels of the upright image.
        scores: detection scores, 1 where a person gave the box.
    """

    xywh: Float[np.ndarray, "n 4"]
    scores: Float[np.ndarray, " n"]

    def take(self, keep: Int[np.ndarray, " k"] | Bool[np.ndarray, " n"]) -> Boxes:
        """The boxes of these indices, or of this mask."""
        return Boxes(self.xywh[keep], self.scores[keep])


def as_boxes(values: Any, size: tuple[int, int]) -> Boxes:
    """Check boxes given by a person.

    Args:
        values: (N, 4) left, top, width, height or (N, 5) with a score; or a dict that names its layout, {"xywh": ...}
            or {"xyxy": ...}. Boxes may reach beyond the image.
        size: (width, height) of the image.

    Raises:
        InputError: another shape or layout, NaN, no area, under 2 pixels, or a box wholly outside the image.
    """
    if isinstance(values, Boxes):
        values = np.concatenate([values.xywh, values.scores[:, None]], 1)
    layout, rows = _layout(values)
    try:
        array = np.array(rows, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"boxes: expected rows of 4 or 5 numbers ({error})") from error
    if array.size == 0:
        array = array.reshape(0, 4)
    if array.ndim == 1 and len(array) in (4, 5):
        array = array[None]
    if array.ndim != 2 or array.shape[1] not in (4, 5):
        raise InputError(f"boxes: expected shape (N, 4) or (N, 5), got {array.shape}")
    if layout == "xyxy":
        array[:, 2:4] -= array[:, :2]
    scores = array[:, 4] if array.shape[1] == 5 else np.ones(len(array))
    _check(array[:, :4], scores, size)
    return Boxes(array[:, :4].copy(), scores.copy())


def read_boxes(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A boxes file: {"images": {"file name": boxes, ...}} with boxes as `as_boxes` takes them.

    Raises:
        InputError: unreadable, no JSON, or of another form.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf8"))
    except OSError as error:
        raise InputError(f"cannot read boxes file {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise InputError(f"boxes file {path} is not JSON: {error}") from error
    images = document.get("images") if isinstance(document, dict) else None
    if not isinstance(images, dict):
        raise InputError(
            f'boxes file {path}: expected {{"images": {{"photo.jpg": {{"xywh": [[left, top, width, height], ...]}}}}}}'
        )
    return images


def iou(a: Float[np.ndarray, "n 4"], b: Float[np.ndarray, "m 4"]) -> Float[np.ndarray, "n m"]:
    """Intersection over union of boxes left, top, width, height."""
    overlap = intersection(a, b)
    areas = a[:, 2:].prod(1)[:, None] + b[:, 2:].prod(1)[None]
    return overlap / np.maximum(areas - overlap, 1e-12)


def intersection(a: Float[np.ndarray, "n 4"], b: Float[np.ndarray, "m 4"]) -> Float[np.ndarray, "n m"]:
    """Area shared by each pair of boxes, pixels squared."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, :2] + a[:, None, 2:], b[None, :, :2] + b[None, :, 2:])
    return np.clip(high - low, 0, None).prod(-1)


def suppress(boxes: Boxes, overlap: float = 0.6) -> Int[np.ndarray, " k"]:
    """Greedy non-maximum suppression: indices kept, best score first; equal scores keep their order."""
    order = np.argsort(-boxes.scores, kind="stable")
    overlaps = iou(boxes.xywh, boxes.xywh)
    kept: list[int] = []
    for index in order:
        if not kept or overlaps[index, kept].max() <= overlap:
            kept.append(int(index))
    return np.array(kept, np.int64)


def _layout(values: Any) -> tuple[str, Any]:
    if not isinstance(values, dict):
        return "xywh", values
    if len(values) == 1 and next(iter(values)) in ("xywh", "xyxy"):
        return next(iter(values.items()))
    raise InputError(f'boxes: a dict must have the one key "xywh" or "xyxy", got {sorted(map(str, values))}')


def _check(xywh: Float[np.ndarray, "n 4"], scores: Float[np.ndarray, " n"], size: tuple[int, int]) -> None:
    for number, (left, top, width, height) in enumerate(xywh.tolist()):
        where = f"box {number} (left {left:g}, top {top:g}, width {width:g}, height {height:g})"
        if not np.isfinite((left, top, width, height)).all() or not np.isfinite(scores[number]):
            raise InputError(f"{where} holds NaN or infinity")
        if width <= 0 or height <= 0:
            hint = '; for left, top, right, bottom pass {"xyxy": boxes}' if min(width, height) < 0 else ""
            raise InputError(f"{where} has no area; expected positive width and height{hint}")
        if max(width, height) < _SMALLEST:
            raise InputError(f"{where} is smaller than {_SMALLEST} pixels; expected pixels, not fractions of the image")
        if left >= size[0] or top >= size[1] or left + width <= 0 or top + height <= 0:
            raise InputError(f"{where} lies outside the image of {size[0]} x {size[1]} pixels")
