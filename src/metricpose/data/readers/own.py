"""Your own labelled photographs: a JSON file beside the images, in the format of `data.labels`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from metricpose.data.faults import Faults
from metricpose.data.labels import LABELS_NAME, LabelFile
from metricpose.data.pictures import Picture
from metricpose.data.readers.contract import Description, Item, Labels, Reader
from metricpose.types import Record

ABOUT = Description(
    name="own",
    title="your own photographs",
    labels="what you have: 3D, 2D, depth order",
    licence="yours",
    source="docs/DATA.md, which states the format",
    citation="",
    skeleton="h36m_17",
    joints="each item names a skeleton of the catalogue; the file may list its joints, which are then checked",
    units="millimetres, pixels",
    camera="K and distortion of each item; without K, for 2D labels, what EXIF says, else 55 degrees",
    skips="nothing",
    layout={LABELS_NAME: "the labels", "the images it names": "relative to it"},
    splits={"all": None},
    notes=("pictures are turned upright by their EXIF orientation, so labels refer to the picture as viewers show it",),
)


def index(folder: Path, split: str, faults: Faults) -> Sequence[Item]:
    """All items, those of one skeleton after the other; a faulty item is refused by name."""
    file = _open(folder / LABELS_NAME)
    items = []
    for number in range(len(file)):
        with faults.catch(file.id(number)):
            file.check(number)
            item = file.item(number)
            picture = Picture(folder / str(item["file"]))
            items.append(Item(file.id(number), picture, (file.path, number), skeleton=item["skeleton"]))
    return sorted(items, key=lambda item: item.skeleton)


def labels(item: Item) -> Labels:
    """The labels of one item; its picture is read too, because the camera's size is the picture's."""
    record = _record(*item.row)
    return Labels(
        camera=record.camera,
        box_xywh=record.box_xywh,
        joints_mm=record.joints_mm,
        joints_px=record.joints_px,
        visibility=record.visibility,
        abs_valid=record.abs_valid,
        info=record.info,
        order=record.order,
        order_w=record.order_w,
    )


def image(item: Item) -> UInt8[np.ndarray, "h w 3"]:
    """The picture, turned upright."""
    return _record(*item.row).image


@lru_cache(maxsize=2)
def _record(path: Path, number: int) -> Record:
    return _open(path)[number]


@lru_cache(maxsize=1)
def _open(path: Path) -> LabelFile:
    return LabelFile(path, needs_3d=False, check=False)


READER = Reader(ABOUT, index, labels, image)
