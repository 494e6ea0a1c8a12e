"""A few people photographed with cameras nobody wrote down: the common part of the fixtures of the 2D sets."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from data.scenes import look_at, paint, walk
from metricpose.data.faults import Faults
from metricpose.data.readers.contract import Item, Reader, find_items
from metricpose.geometry.camera import Camera


def people(skeleton: str, count: int) -> list[tuple[Camera, np.ndarray]]:
    """Cameras, of different sizes of picture, and joints in the world."""
    sizes = ((200, 160), (150, 210))
    worlds = walk(skeleton, count)
    return [(look_at((0, -4000, 1300), size=sizes[n % 2]), worlds[n]) for n in range(count)]


def save_picture(path: Path, camera: Camera, world: np.ndarray, *more: np.ndarray) -> None:
    """The picture of one or more people as PNG or JPEG of best quality."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = paint(camera, world)
    for other in more:
        image = paint(camera, other, image)
    options = [cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    done, data = cv2.imencode(path.suffix, image[..., ::-1], options if path.suffix == ".jpg" else [])
    assert done
    path.write_bytes(data.tobytes())


def indexed(reader: Reader, folder: Path, split: str, faults: Faults | None = None) -> list[Item]:
    """All items of a split."""
    return list(find_items(reader, folder, split, faults if faults is not None else Faults()))
