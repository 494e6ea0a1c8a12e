"""MPII Human Pose: photographs of everyday activities, 16 joints by hand, in the one MAT file of its authors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from metricpose.data.faults import Faults, fault, need_file, need_folder
from metricpose.data.pictures import Picture, picture_size
from metricpose.data.readers.contract import Description, Item, Labels, Reader
from metricpose.data.readers.photographs import CAMERA_TEXT, box_around, labels_2d, need_near
from metricpose.data.scientific import read_mat
from metricpose.types import HIDDEN, UNKNOWN, VISIBLE

FILE = "mpii_human_pose_v1_u12_1.mat"
CITATION = "Andriluka, Pishchulin, Gehler, Schiele: 2D Human Pose Estimation: New Benchmark and Analysis. CVPR 2014"
NOTES = (
    "coordinates count from 1, as Matlab does: 1 is subtracted",
    "scale (person's height / 200 px) belongs to the official crops; boxes here are those of the joints, widened",
    "joints are surface points of MPII's own definition; thorax and neck (upper neck) are two joints",
)

ABOUT = Description(
    name="mpii",
    title="MPII Human Pose",
    labels="2D",
    licence="simplified BSD, research; the frames belong to the videos they were taken from",
    source="http://human-pose.mpi-inf.mpg.de/#download (images, 12.9 GB, and annotations); no signature needed",
    citation=CITATION,
    skeleton="mpii_16",
    joints="all 16, by their ids 0 to 15 in the file, which stores them in any order and leaves out unlabelled ones",
    units="pixels, 1-based",
    camera=CAMERA_TEXT,
    skips="the test images (their joints are not public), people without joints (annopoints empty)",
    layout={FILE: "annotations; mpii_human_pose_v1_u12_2/ and annot/ are looked into too", "images/*.jpg": "images"},
    splits={"train": None, "single": None},
    notes=(
        *NOTES,
        "train is everyone labelled in the images of img_train; single only those who stand apart (single_person)",
        "is_visible is a number, a text, empty or absent, mostly for the head's two joints: then it is not known",
    ),
)
_REMEDY = "Extract mpii_human_pose_v1.tar.gz and mpii_human_pose_v1_u12_2.zip into the folder."


class Row(NamedTuple):
    """The labels of a person: (16, 2) pixels from 0, (16,) marks, and facts."""

    path: Path
    pixels: Float[np.ndarray, "16 2"]
    marks: UInt8[np.ndarray, " 16"]
    facts: dict[str, Any]


def index(folder: Path, split: str, faults: Faults) -> Sequence[Item]:
    """The labelled people of the training images."""
    places = [folder / p / FILE for p in ("", "mpii_human_pose_v1_u12_2", "annot")]
    path = need_file(next((p for p in places if p.is_file()), places[0]), "MPII's annotations", _REMEDY)
    images = need_folder(folder / "images", "the images of MPII", _REMEDY)
    items: list[Item] = []
    bare = 0
    for number, (name, rects, apart) in enumerate(_training_images(path)):
        for place, rect in enumerate(rects):
            if split == "single" and place + 1 not in apart:
                continue
            with faults.catch(f"{path.name}, image {number + 1} ({name}), person {place + 1}"):
                points = _points(rect)
                bare += not points
                if points:
                    row = _row(path, points, rect, f"person {place + 1} of {name}")
                    items.append(Item(f"{Path(name).stem}/{place + 1}", Picture(images / name), row))
    if bare:
        faults.omit(path.name, f"{bare} people without joints")
    return items


def _training_images(path: Path) -> Iterator[tuple[str, list[Any], set[int]]]:
    """Name, people and numbers of those standing apart, counted from 1, of each training image."""
    release = read_mat(path, "RELEASE")["RELEASE"]
    wanted = ("annolist", "img_train", "single_person")
    missing = [name for name in wanted if not isinstance(release, dict) or name not in release]
    if missing:
        raise fault(path, f"RELEASE with {', '.join(wanted)}", f"no {', '.join(missing)}", _REMEDY)
    images, train, apart = structs(release["annolist"]), np.ravel(release["img_train"]), release["single_person"]
    single = list(np.ravel(apart)) if isinstance(apart, np.ndarray) and apart.dtype == object else [apart]
    if not len(images) == len(train) == len(single):
        found = f"{len(images)}, {len(train)} and {len(single)}"
        raise fault(path, "as many entries of annolist, img_train and single_person", found, _REMEDY)
    for image, training, numbers in zip(images, train, single):
        if training:
            try:
                name = str(image["image"]["name"])
            except (TypeError, KeyError) as error:
                raise fault(path, "images with a name in annolist", f"{str(image)[:80]}", _REMEDY) from error
            yield name, structs(image.get("annorect")), {int(n) for n in np.ravel(numbers)}


def structs(value: Any) -> list[Any]:
    """Structs of an array, of one struct, or of nothing: Matlab writes an empty one in many ways."""
    if isinstance(value, dict):
        return [value]
    return list(np.ravel(value)) if isinstance(value, np.ndarray) and value.dtype == object else []


def _points(rect: Any) -> list[Any]:
    points = rect.get("annopoints") if isinstance(rect, dict) else None
    return structs(points.get("point")) if isinstance(points, dict) else []


def _row(path: Path, points: list[Any], rect: dict[str, Any], who: str) -> Row:
    pixels, marks = np.full((16, 2), np.nan), np.full(16, UNKNOWN, np.uint8)
    for point in points:
        joint, x, y = (_number(point.get(name)) for name in ("id", "x", "y"))
        if joint is None or joint not in range(16) or x is None or y is None:
            raise fault(path, f"points of {who} with id 0 to 15, x and y", f"{point}"[:120], _REMEDY)
        if np.isfinite(pixels[int(joint)]).any():
            raise fault(path, f"each joint of {who} once", f"joint {int(joint)} twice", _REMEDY)
        pixels[int(joint)] = x - 1, y - 1
        marks[int(joint)] = _mark(point.get("is_visible"))
    return Row(path, pixels, marks, _facts(rect))


def _number(value: Any) -> float | None:
    """A number of one element, or a text of one; None for anything else."""
    try:
        flat = np.ravel(value if not isinstance(value, str) else float(value)).astype(np.float64)
    except (TypeError, ValueError):
        return None
    return float(flat[0]) if flat.size == 1 and np.isfinite(flat[0]) else None


def _mark(value: Any) -> int:
    known = {0: HIDDEN, 1: VISIBLE}
    number = _number(value)
    return UNKNOWN if number is None else known.get(int(number), UNKNOWN)


def _facts(rect: dict[str, Any]) -> dict[str, Any]:
    """Scale, and length of the head as PCKh counts it: 0.6 of the diagonal of the head's rectangle."""
    scale = _number(rect.get("scale"))
    corners = [_number(rect.get(name)) for name in ("x1", "y1", "x2", "y2")]
    facts: dict[str, Any] = {"box": "joints"} | ({"scale": scale} if scale is not None else {})
    if None not in corners:
        x1, y1, x2, y2 = np.array(corners, np.float64)
        facts["head_px"] = 0.6 * float(np.hypot(x2 - x1, y2 - y1))
    return facts


def labels(item: Item) -> Labels:
    """The labels of one person; its picture is read too, because the file does not know its size."""
    row: Row = item.row
    size = picture_size(item.picture)
    need_near(row.pixels, size, item.picture.path, item.id)
    return labels_2d(size, row.pixels, box_around(row.pixels), row.marks, row.facts)


READER = Reader(ABOUT, index, labels)
