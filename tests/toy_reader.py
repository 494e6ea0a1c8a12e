"""A reader of made-up data sets: two pictures, several people, no files but the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from metricpose.data.faults import Faults, need_file
from metricpose.data.pictures import Picture
from metricpose.data.readers.contract import Description, Item, Labels, Reader
from metricpose.geometry.camera import Camera
from metricpose.skeleton import catalog

SIZE = (150, 126)
CAMERA = Camera(np.array([[165.0, 0, 70], [0, 169.5, 69], [0, 0, 1]]), SIZE)
FILE = "picture.png"


def joints(number: int, skeleton: str) -> np.ndarray:
    """Somebody about 4 m away; neighbours stand 0.8 m apart."""
    rng = np.random.default_rng(number)
    middle = np.array([(number % 3 - 1) * 800.0, 0, 4000])
    return middle + rng.normal(0, 90, (len(catalog.get(skeleton)), 3))


def make(
    name: str, skeleton: str, splits: dict[str, int | None], items: Sequence[tuple[str, dict[str, Any]]]
) -> Reader:
    """A reader of this name whose items are these ids and facts."""
    text = dict.fromkeys(("labels", "licence", "source", "citation", "joints", "units", "camera", "skips"), "made up")
    about = Description(name=name, title=f"toy {name}", skeleton=skeleton, layout={FILE: ""}, splits=splits, **text)
    return Reader(about, partial(_index, items), partial(_labels, items, skeleton))


def write_picture(folder: Path) -> Path:
    """The picture of all items."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = np.random.default_rng(0).integers(40, 215, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    cv2.imwrite(str(folder / FILE), cv2.GaussianBlur(picture, (5, 5), 2))
    return folder


def _index(items: Sequence[tuple[str, dict[str, Any]]], folder: Path, split: str, faults: Faults) -> list[Item]:
    picture = Picture(need_file(folder / FILE, "the picture of the toy", "Write it again."))
    return [Item(name, picture, number) for number, (name, _) in enumerate(items)]


def _labels(items: Sequence[tuple[str, dict[str, Any]]], skeleton: str, item: Item) -> Labels:
    pose = joints(item.row, skeleton)
    pixels = CAMERA.project_camera(pose)
    low, high = pixels.min(0) - 2, pixels.max(0) + 2
    return Labels(CAMERA, np.concatenate([low, high - low]), pose, info=items[item.row][1])


H36M_ITEMS = [
    (f"{subject}/{action}_1.5{camera}/{frame:06d}", {"subject": subject, "action": action, "recording": f"{action} 1"})
    for subject in ("S9", "S11")
    for action in ("Directions", "Photo")
    for camera in (1, 2)
    for frame in (0, 64)
]
MUPOTS_ITEMS = [
    (f"TS{ts}/{frame:06d}/{person}", {"subject": f"TS{ts}.{person}", "sequence": f"TS{ts}"})
    for ts in (1, 2)
    for frame in (0, 1)
    for person in range(ts)
]


def h36m(name: str = "h36m") -> Reader:
    return make(name, "h36m_17", {"train": None, "test": None, "test_all": 20, "test_s11": None}, H36M_ITEMS)


def mupots() -> Reader:
    return make("mupots", "mpi_inf_3dhp_17", {"test": None, "test_universal": None}, MUPOTS_ITEMS)
