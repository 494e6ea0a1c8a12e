"""COCO keypoints: photographs of people from Flickr, 17 joints by hand, in one JSON file for each split."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int

from metricpose.data.faults import Faults, fault, need_file, need_folder
from metricpose.data.pictures import Picture
from metricpose.data.readers.contract import Description, Index, Item, Labels, Reader, Stretch
from metricpose.data.readers.json_stream import read_elements
from metricpose.data.readers.photographs import CAMERA_TEXT, labels_2d, meets
from metricpose.skeleton.catalog import COCO_17
from metricpose.types import HIDDEN, UNKNOWN, VISIBLE

ABOUT = Description(
    name="coco",
    title="COCO keypoints 2017",
    labels="2D",
    licence="annotations CC BY 4.0; the photographs under the Flickr licence of each",
    source="https://cocodataset.org/#download (2017 train and val images, train/val annotations); no signature needed",
    citation="Lin et al.: Microsoft COCO: Common Objects in Context. ECCV 2014",
    skeleton="coco_17",
    joints="all 17 in file order: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles, left before right",
    units="pixels, 0-based",
    camera=CAMERA_TEXT,
    skips="crowds (iscrowd), people without any labelled joint (num_keypoints 0)",
    layout={
        "annotations/person_keypoints_train2017.json": "annotations; and person_keypoints_val2017.json",
        "train2017/000000000009.jpg": "images; images/train2017 is found too; and val2017",
    },
    splits={"train": 149_813, "val": 6_352},
    notes=(
        "flag 0 means not labelled: its coordinates are 0, 0 and are not read",
        "flag 1 means labelled though hidden; a label is a guess there",
        "hips and shoulders lie on the surface as annotators saw it, 20 to 50 mm from the joints of motion capture",
        "in pictures with many people some people with joints stand in the box of a crowd; these are kept",
    ),
)
_REMEDY = "Extract annotations_trainval2017.zip and the images of COCO 2017 into the folder."
_MARKS = np.array([UNKNOWN, HIDDEN, VISIBLE], np.uint8)
_NAMES = [name.replace("l_", "left_").replace("r_", "right_") for name in COCO_17.joints]


class Row(NamedTuple):
    """The labels of a person: size of the picture, number of the annotation, (4,) box, (17, 3) x, y, flag."""

    size: tuple[int, int]
    annotation: int
    box: Float32[np.ndarray, " 4"]
    joints: Float32[np.ndarray, "17 3"]


@dataclass(frozen=True, eq=False)
class _Table:
    """All people of a split, those of one picture after the other: about 240 bytes each.

    Attributes:
        images: (m, 3) number, width, height of each picture.
        people: (n, 2) row in `images`, number of the annotation.
        values: (n, 55) box, then x, y, flag of each joint.
    """

    folder: Path
    names: list[str]
    images: Int[np.ndarray, "m 3"]
    people: Int[np.ndarray, "n 2"]
    values: Float32[np.ndarray, "n 55"]


def index(folder: Path, split: str, faults: Faults) -> Sequence[Item]:
    """The labelled people of a split, those of one picture together."""
    year = f"{split}2017"
    path = need_file(folder / "annotations" / f"person_keypoints_{year}.json", "COCO's keypoints", _REMEDY)
    nested = folder / "images" / year
    images = nested if nested.is_dir() else need_folder(folder / year, "the images of COCO", _REMEDY)
    table = _read_table(path, images, faults)
    return Index([Stretch(len(table.people), partial(_item, table))])


def _read_table(path: Path, folder: Path, faults: Faults) -> _Table:
    names: list[str] = []
    images, people, values = array("q"), array("q"), array("f")
    left = {"crowds": 0, "people without labelled joints": 0}
    for element in read_elements(path):
        value = element.value
        with faults.catch(f"{path.name}, {element.list_name} at byte {element.start}"):
            if element.list_name == "images":
                found = _image(value, path)
                names.append(found[0])
                images.extend(found[1])
            elif element.list_name == "categories":
                _check_names(value, path)
            elif element.list_name == "annotations":
                if reason := _unused(value):
                    left[reason] += 1
                    continue
                person = _person(value, path)
                people.extend(person[0])
                values.extend(person[1])
    for reason, count in left.items():
        if count:
            faults.omit(path.name, f"{count} {reason}")
    table = _Table(folder, names, _whole(images, 3), _whole(people, 2), np.fromiter(values, np.float32).reshape(-1, 55))
    return _joined(table, path, faults)


def _whole(numbers: Sequence[int], columns: int) -> Int[np.ndarray, "n c"]:
    return np.fromiter(numbers, np.int64, len(numbers)).reshape(-1, columns)


def _image(value: Any, path: Path) -> tuple[str, tuple[int, int, int]]:
    try:
        name, numbers = str(value["file_name"]), (int(value["id"]), int(value["width"]), int(value["height"]))
    except (TypeError, KeyError, ValueError) as error:
        raise fault(path, "an image with id, file_name, width, height", f"{str(value)[:80]}", _REMEDY) from error
    if min(numbers[1:]) < 1:
        raise fault(path, f"a size of {name}", f"{numbers[1]} x {numbers[2]}", _REMEDY)
    return name, numbers


def _check_names(value: Any, path: Path) -> None:
    """The file lists its joints; another list is another data set's."""
    named = value.get("keypoints") if isinstance(value, dict) else None
    if named != _NAMES:
        raise fault(path, f"the category person with the keypoints {_NAMES}", f"{named}", "Is it another set's file?")


def _unused(value: Any) -> str:
    """Why an annotation is left out on purpose; empty if it is not."""
    if not isinstance(value, dict):
        return ""
    if value.get("iscrowd", 0) == 1:
        return "crowds"
    return "people without labelled joints" if value.get("num_keypoints") == 0 else ""


def _person(value: Any, path: Path) -> tuple[tuple[int, int], list[float]]:
    """Number of picture and annotation; box and joints."""
    try:
        numbers = int(value["image_id"]), int(value["id"])
        box = np.asarray(value["bbox"], np.float64)
        joints = np.asarray(value["keypoints"], np.float64)
        count = int(value["num_keypoints"])
    except (TypeError, KeyError, ValueError) as error:
        wanted = "an annotation with id, image_id, bbox, keypoints, num_keypoints"
        found = f"{type(error).__name__} {error}"
        raise fault(path, wanted, found, "Is it person_keypoints, not instances?") from error
    who = f"of annotation {numbers[1]}"
    if box.shape != (4,) or not np.isfinite(box).all() or (box[2:] <= 0).any():
        raise fault(path, f"left, top and positive width and height {who}", f"{box.tolist()}", _REMEDY)
    if joints.shape != (51,) or not np.isfinite(joints).all() or not np.isin(joints[2::3], (0, 1, 2)).all():
        raise fault(path, f"17 times x, y, flag 0 to 2 {who}", f"{joints.tolist()}"[:80], _REMEDY)
    if (joints[2::3] > 0).sum() != count:
        raise fault(path, f"num_keypoints {count} {who}", f"{(joints[2::3] > 0).sum()} labelled", _REMEDY)
    return numbers, [*box, *joints]


def _joined(table: _Table, path: Path, faults: Faults) -> _Table:
    """People in the order of the pictures, with the row of their picture for its number."""
    row_of = {int(number): row for row, number in enumerate(table.images[:, 0])}
    rows = np.array([row_of.get(int(number), -1) for number in table.people[:, 0]], np.int64)
    for row, number in zip(rows, table.people[:, 1]):
        with faults.catch(f"{path.name}, annotation {number}"):
            if row < 0:
                raise fault(path, f"the image of annotation {number}", "none of its number", _REMEDY)
    order = np.argsort(rows, kind="stable")
    order = order[rows[order] >= 0]
    people = np.stack([rows, table.people[:, 1]], 1)[order]
    return _Table(table.folder, table.names, table.images, people, table.values[order])


def _item(table: _Table, number: int) -> Item:
    row, annotation = (int(n) for n in table.people[number])
    _, width, height = (int(n) for n in table.images[row])
    name, values = table.names[row], table.values[number]
    labelled = Row((width, height), annotation, values[:4].copy(), values[4:].reshape(17, 3).copy())
    return Item(f"{Path(name).stem}/{annotation}", Picture(table.folder / name), labelled)


def labels(item: Item) -> Labels:
    """The labels of one person."""
    row: Row = item.row
    flags = row.joints[:, 2].astype(np.int64)
    pixels: Float[np.ndarray, "17 2"] = np.where(flags[:, None] > 0, row.joints[:, :2], np.nan).astype(np.float64)
    box = row.box.astype(np.float64) - (0.5, 0.5, 0, 0)  # a box lies on pixels' edges, 0 being the left one
    if not meets(box, row.size):
        wanted = f"a box of annotation {row.annotation} in its picture of {row.size[0]} x {row.size[1]} pixels"
        raise fault(item.picture.path, wanted, str(row.box.tolist()), _REMEDY)
    return labels_2d(row.size, pixels, box, _MARKS[flags], {"annotation": row.annotation, "box": "official"})


READER = Reader(ABOUT, index, labels)
