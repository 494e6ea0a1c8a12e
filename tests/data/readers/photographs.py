"""A few people photographed with cameras nobody wrote down: the common part of the fixtures of the 2D sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data.scenes import look_at, paint, walk
from layouts.pictures import write_image
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
    image = paint(camera, world)
    for other in more:
        image = paint(camera, other, image)
    write_image(path, image)


def indexed(reader: Reader, folder: Path, split: str, faults: Faults | None = None) -> list[Item]:
    """All items of a split."""
    return list(find_items(reader, folder, split, faults if faults is not None else Faults()))
