"""What the sets of labelled photographs share: no camera is known, only pixels are labelled."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from metricpose.data.faults import fault
from metricpose.data.readers.contract import Labels
from metricpose.geometry.camera import Camera
from metricpose.predict.intrinsics import DEFAULT_FOV_DEG

CAMERA_TEXT = f"not known: a pinhole of {DEFAULT_FOV_DEG:.0f} degrees along the longer side is assumed, for crops alone"
_MARGIN, _LEAST_PX = 0.15, 8.0


def labels_2d(
    size: tuple[int, int],
    pixels: Float[np.ndarray, "j 2"],
    box_xywh: Float[np.ndarray, " 4"],
    visibility: UInt8[np.ndarray, " j"],
    info: dict[str, Any],
) -> Labels:
    """Labels without depth: `joints_mm` are NaN, the camera is an assumed one."""
    camera = Camera.from_fov(size, math.radians(DEFAULT_FOV_DEG))
    nowhere = np.full((len(pixels), 3), np.nan)
    return Labels(camera, box_xywh, nowhere, pixels, visibility, abs_valid=False, info={**info, "camera": "assumed"})


def box_around(pixels: Float[np.ndarray, "j 2"], margin: float = _MARGIN) -> Float[np.ndarray, " 4"]:
    """Around the labelled points, widened by a share of the longer side (ours, for sets without boxes)."""
    low, high = np.nanmin(pixels, 0), np.nanmax(pixels, 0)
    pad = margin * max(float((high - low).max()), _LEAST_PX)
    return np.concatenate([low - pad, high - low + 2 * pad])


def meets(box_xywh: Float[np.ndarray, " 4"], size: tuple[int, int]) -> bool:
    """Whether a box has a part in the picture."""
    low, high = box_xywh[:2], box_xywh[:2] + box_xywh[2:]
    return bool((box_xywh[2:] > 0).all() and (high > -0.5).all() and (low < np.subtract(size, 0.5)).all())


def need_near(pixels: Float[np.ndarray, "j 2"], size: tuple[int, int], path: Path, who: str) -> None:
    """Refuse points that lie farther outside the picture than it is large: they are another picture's.

    Raises:
        DataError: such a point.
    """
    known = pixels[np.isfinite(pixels).all(1)]
    if ((known < -np.array(size)) | (known > 2 * np.array(size))).any():
        found = f"a joint at {known[np.abs(known - np.array(size) / 2).sum(1).argmax()].round(1).tolist()}"
        wanted = f"joints of {who} in or near its picture of {size[0]} x {size[1]} pixels"
        raise fault(path, wanted, found, "Pictures and labels do not belong together; use both as distributed.")
