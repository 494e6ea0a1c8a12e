"""The part of a photograph that training can look at: a person with a margin, shrunk; camera and labels follow.

The margin holds every crop that augmentation makes: a shift by up to 10 % of the box, a zoom out to 0.75, any roll
(`augment.geometric`; the corners of such crops lie within 0.1 + sqrt(0.5) / 0.75 = 1.043 longer box sides of the box's
centre), and truncation, whose sub-boxes reach less far. The window is an upright rectangle of the photograph with the
photograph's own lens, so nothing is resampled but the shrinking, and the crop camera made from it is the same as ever.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from metricpose.errors import InputError
from metricpose.geometry.camera import Camera
from metricpose.geometry.crop import carry_pixels, crop_camera
from metricpose.types import Record

SIDE = 384
"""Pixels of the box's longer side in a window: 1.5 times a crop of 256 pixels, so that zooming in stays sharp."""
MARGIN = 1.05
"""Radius of what is kept around the box's centre, in longer box sides."""
_RIM = np.stack([np.cos(a := np.linspace(0, 2 * np.pi, 32, endpoint=False)), np.sin(a)], 1)


def cut_window(record: Record, side: int = SIDE, margin: float = MARGIN) -> Record:
    """The record with its window for an image.

    Its facts get `window_xywh`, the window in the photograph's pixels, and `photo_size`.

    Args:
        side: pixels that the box's longer side is shrunk to; it is never enlarged.
        margin: radius of what is kept around the box's centre, in longer box sides.

    Raises:
        InputError: the box lies outside the photograph.
    """
    x, y, width, height = window_of(record.camera, np.asarray(record.box_xywh, np.float64), margin)
    longer = float(record.box_xywh[2:].max())
    scale = min(1.0, side / longer)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    factor = np.array([size[0] / width, size[1] / height])
    low = np.array([x, y], np.float64)
    joints = (np.asarray(record.joints_px, np.float64) - low + 0.5) * factor - 0.5
    # Whole pixels shrink width and height by slightly different factors. Both sides of the box take the factor of the
    # longer one: a square box must not become a little wider than high, as crops are measured along the longer side.
    extent = record.box_xywh[2:] * factor[int(record.box_xywh[3] >= record.box_xywh[2])]
    centre = (record.box_xywh[:2] + record.box_xywh[2:] / 2 - low + 0.5) * factor - 0.5
    box = np.concatenate([centre - extent / 2, extent])
    return replace(
        record,
        image=_shrunk(record.image[y : y + height, x : x + width], size),
        camera=record.camera.crop(x, y, width, height).resize(*size),
        box_xywh=box,
        joints_px=joints,
        alpha=None if record.alpha is None else _shrunk(record.alpha[y : y + height, x : x + width], size),
        info={**record.info, "window_xywh": [x, y, width, height], "photo_size": list(record.camera.size)},
    )


def window_of(camera: Camera, box_xywh: Float[np.ndarray, " 4"], margin: float) -> tuple[int, int, int, int]:
    """Left, top, width and height, whole pixels inside the photograph, of what lies within the margin.

    The margin is measured in the crop camera, so it is right at the edge of a wide photograph too.
    """
    size = np.array(camera.size)
    crop = crop_camera(camera, box_xywh, 2)  # its image reaches one box side: +-1 pixel about the centre
    rim = carry_pixels(0.5 + 2 * margin * _RIM, crop, camera)
    if not np.isfinite(rim).all():  # beyond the lens model: nothing can be said, so all of the photograph stays
        return 0, 0, int(size[0]), int(size[1])
    low = np.clip(np.floor(rim.min(0)).astype(int), 0, size)
    high = np.clip(np.ceil(rim.max(0)).astype(int) + 1, 0, size)
    if (high <= low).any():
        raise InputError(f"box {box_xywh.tolist()} lies outside the photograph of {size[0]} x {size[1]} pixels")
    x, y, width, height = (int(v) for v in (*low, *(high - low)))
    return x, y, width, height


def _shrunk(image: UInt8[np.ndarray, "h w *c"], size: tuple[int, int]) -> UInt8[np.ndarray, "h2 w2 *c"]:
    if size == (image.shape[1], image.shape[0]):
        return np.ascontiguousarray(image)
    return cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA)
