"""MPII Human Pose by the JSON files of the community (Xiao et al., HRNet): people who stand apart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metricpose.data.faults import COPY_AGAIN, Faults, fault, need_file, need_folder
from metricpose.data.pictures import Picture
from metricpose.data.readers.contract import Description, Item, Reader
from metricpose.data.readers.mpii import CITATION, NOTES, Row, labels
from metricpose.data.readers.photographs import CAMERA_TEXT
from metricpose.types import UNKNOWN

_FILES = {"train": "train.json", "val": "valid.json", "trainval": "trainval.json"}

ABOUT = Description(
    name="mpii_json",
    title="MPII Human Pose, annotations in JSON",
    labels="2D",
    licence="simplified BSD, research; the frames belong to the videos they were taken from",
    source=(
        "images: http://human-pose.mpi-inf.mpg.de/#download; annotations: "
        "https://github.com/microsoft/human-pose-estimation.pytorch (data preparation, MPII)"
    ),
    citation=f"{CITATION}; Xiao, Wu, Wei: Simple Baselines for Human Pose Estimation and Tracking. ECCV 2018",
    skeleton="mpii_16",
    joints="all 16 in file order",
    units="pixels, 1-based",
    camera=CAMERA_TEXT,
    skips="people without any labelled joint; test.json, which has no joints",
    layout={"annot/train.json": "annotations; and valid.json, trainval.json", "images/*.jpg": "images"},
    splits={"train": 22_246, "val": 2_958, "trainval": 25_204},
    notes=(*NOTES, "joints_vis tells labelled joints from others, not visible ones from hidden ones"),
)
_REMEDY = "Put the JSON files into annot and the images of MPII into images."


def index(folder: Path, split: str, faults: Faults) -> Sequence[Item]:
    """The people of a split."""
    path = need_file(folder / "annot" / _FILES[split], "MPII's annotations in JSON", _REMEDY)
    images = need_folder(folder / "images", "the images of MPII", _REMEDY)
    try:
        people = json.loads(path.read_bytes())
    except ValueError as error:
        raise fault(path, "a JSON file", str(error), COPY_AGAIN) from error
    if not isinstance(people, list):
        raise fault(path, "a list of people", type(people).__name__, "Is it another format's file?")
    items: list[Item] = []
    for number, person in enumerate(people):
        with faults.catch(f"{path.name}, person {number}"):
            name, row = _row(path, person, f"person {number}")
            if np.isfinite(row.pixels).any():
                items.append(Item(f"{Path(name).stem}/{number}", Picture(images / name), row))
            else:
                faults.omit(f"{path.name}, person {number}", "no joint is labelled")
    return sorted(items, key=lambda item: str(item.picture.path))


def _row(path: Path, person: Any, who: str) -> tuple[str, Row]:
    try:
        name, scale = str(person["image"]), float(person["scale"])
        joints = np.asarray(person["joints"], np.float64)
        labelled = np.asarray(person["joints_vis"], np.float64)
    except (TypeError, KeyError, ValueError) as error:
        found = f"{type(error).__name__} {error}"
        raise fault(path, f"image, scale, joints, joints_vis of {who}", found, "Is it test.json?") from error
    shapes = joints.shape, labelled.shape
    if shapes != ((16, 2), (16,)) or not np.isfinite(joints).all() or not np.isin(labelled, (0, 1)).all():
        raise fault(path, f"16 joints x, y and 16 times 0 or 1 of {who}", f"shapes {shapes}: {joints.tolist()}"[:120])
    pixels = np.where(labelled[:, None] > 0, joints - 1, np.nan)
    return name, Row(path, pixels, np.full(16, UNKNOWN, np.uint8), {"box": "joints", "scale": scale})


READER = Reader(ABOUT, index, labels)
