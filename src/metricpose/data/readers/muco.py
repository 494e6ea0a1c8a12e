"""MuCo-3DHP as Moon et al. distribute it: composited images and one large JSON file."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int, UInt8

from metricpose.data.faults import COPY_AGAIN, Faults, fault, need_file
from metricpose.data.pictures import Picture
from metricpose.data.readers import mpi_inf_3dhp_labels as shared
from metricpose.data.readers.contract import Description, Index, Item, Labels, Reader, Stretch
from metricpose.data.readers.json_stream import read_element, read_elements
from metricpose.errors import DataError
from metricpose.geometry.camera import Camera
from metricpose.skeleton.catalog import MUCO_21
from metricpose.types import HIDDEN, OUTSIDE, UNKNOWN

AUGMENTED, UNAUGMENTED = "augmented_set", "unaugmented_set"


class Split(NamedTuple):
    """Which images, and whether people that stand close to others are left out."""

    folders: tuple[str, ...]
    apart: bool = True


SPLITS = {
    "train": Split((AUGMENTED, UNAUGMENTED)),
    "augmented": Split((AUGMENTED,)),
    "unaugmented": Split((UNAUGMENTED,)),
    "everyone": Split((AUGMENTED, UNAUGMENTED), apart=False),
}
CITATION = (
    "Mehta, Sotnychenko, Mueller, Xu, Sridhar, Pons-Moll, Theobalt: Single-Shot Multi-Person 3D Pose Estimation From "
    "Monocular RGB. 3DV 2018"
)

ABOUT = Description(
    name="muco",
    title="MuCo-3DHP, composited by Moon et al.",
    labels="3D, metric, of marker-less motion capture; 2D",
    licence="research only, no commercial use, as MPI-INF-3DHP",
    source="https://github.com/mks0601/3DMPPE_POSENET_RELEASE (MuCo parsed and composited data)",
    citation=f"{CITATION}; Moon, Chang, Lee: Camera Distance-aware Top-down Approach. ICCV 2019",
    skeleton="muco_21",
    joints="the 21 in the file: those of MPI-INF-3DHP's test set, then hands and toes",
    units="millimetres in the camera's frame, pixels",
    camera="f and c of each image in the file",
    skips=(
        "people whose pelvis is within 500 mm of another's, in depth or not, but for the one nearest to the camera "
        "(Moon et al.; not in the split everyone); people whose box has no part in the picture"
    ),
    layout={
        "MuCo-3DHP.json": "annotations; data/MuCo-3DHP.json is found too, with the images beside it",
        "augmented_set/**": "images with backgrounds replaced",
        "unaugmented_set/**": "images before the green screen",
    },
    splits=dict.fromkeys(SPLITS),
    notes=(
        "the archives of the images come in parts, which are joined before they are extracted",
        "the people of an image were pasted into it: each was recorded alone, so they may stand in each other, and the "
        "floor is not common",
        "keypoints_vis 0 is taken for hidden; 1 says nothing of hiding by the person itself",
        "the file is read once, a minute or so, to find its elements; nothing of it is kept in memory but their places",
        "the official Matlab composites are read as muco_matlab",
    ),
)
FILE = "MuCo-3DHP.json"
_APART_MM = 500.0
_ROOT = MUCO_21.root
_REMEDY = "Download MuCo-3DHP.json and both sets of images from Moon et al."


class Row(NamedTuple):
    """Where the labels of an item are: its element of the file; and its image's size, f and c."""

    path: Path
    start: int
    length: int
    size: tuple[int, int]
    f: tuple[float, float]
    c: tuple[float, float]


def index(folder: Path, split: str, faults: Faults) -> Sequence[Item]:
    """The people of the images that are used, those of one image after the other."""
    path = folder / "data" / FILE if (folder / "data" / FILE).is_file() else folder / FILE
    table = _read_table(path, SPLITS[split].folders, faults)
    kept = np.arange(len(table.people))
    if SPLITS[split].apart:
        kept = kept[_apart(table)]
        left = len(table.people) - len(kept)
        if left:
            why = f"{left} of {len(table.people)} people, who stand within {_APART_MM:.0f} mm of others"
            faults.omit(path.name, why)
    return Index([Stretch(len(kept), partial(_item, table, kept))])


@dataclass(frozen=True, eq=False)
class _Table:
    """What is known of the images and people without their labels.

    Attributes:
        names: of the image files.
        cameras: (m, 6) width, height, fx, fy, cx, cy of each image.
        people: (n, 4) image, number of the annotation, place and length of its element.
        facts: (n, 7) pelvis, millimetres, and box.
    """

    path: Path
    names: list[str]
    cameras: Float64[np.ndarray, "m 6"]
    people: Int[np.ndarray, "n 4"]
    facts: Float64[np.ndarray, "n 7"]

    def only(self, rows: np.ndarray) -> _Table:
        """The table of some of the people."""
        return replace(self, people=self.people[rows], facts=self.facts[rows])


def _read_table(path: Path, folders: tuple[str, ...], faults: Faults) -> _Table:
    names, numbers, cameras = [], array("q"), array("d")
    people, facts = array("q"), array("d")
    for element in read_elements(need_file(path, "the annotations of MuCo-3DHP", _REMEDY)):
        with faults.catch(f"{FILE}, {element.list_name} at byte {element.start}"):
            if element.list_name == "images":
                number, name, camera = _image(element.value, path)
                names.append(name)
                numbers.append(number)
                cameras.extend(camera)
            elif element.list_name == "annotations":
                image, number, found = _person(element.value, path)
                people.extend((image, number, element.start, element.length))
                facts.extend(found)
    table = _Table(path, names, _rows(cameras, 6), _rows(people, 4), _rows(facts, 7))
    table = _with_rows(table, np.array(numbers, np.int64), faults)
    table = _in_picture(table, faults)
    wanted = np.array([name.startswith(tuple(f"{f}/" for f in folders)) for name in table.names], bool)
    rows = np.flatnonzero(wanted[table.people[:, 0]]) if len(table.people) else np.zeros(0, np.int64)
    return table.only(rows[np.argsort(table.people[rows, 0], kind="stable")])


def _rows(values: array, width: int) -> np.ndarray:
    return np.array(values, np.int64 if values.typecode == "q" else np.float64).reshape(-1, width)


def _image(value: Any, path: Path) -> tuple[int, str, list[float]]:
    try:
        (fx, fy), (cx, cy) = value["f"], value["c"]
        camera = [float(v) for v in (value["width"], value["height"], fx, fy, cx, cy)]
        number, name = int(value["id"]), str(value["file_name"])
    except (KeyError, TypeError, ValueError) as error:
        wanted = "images with id, file_name, width, height, f, c"
        raise fault(path, wanted, f"{type(error).__name__}: {error}", COPY_AGAIN) from error
    if not np.isfinite(camera).all() or min(camera[:4]) <= 0 or name.startswith(("/", "..")):
        wanted = "images with a size, focal lengths and a file below this folder"
        raise fault(path, wanted, f"{name}: {camera}", COPY_AGAIN)
    return number, name, camera


def _person(value: Any, path: Path) -> tuple[int, int, list[float]]:
    try:
        image, number = int(value["image_id"]), int(value["id"])
        joints, box = np.array(value["keypoints_cam"], np.float64), np.array(value["bbox"], np.float64)
    except (KeyError, TypeError, ValueError) as error:
        wanted = "annotations with id, image_id, bbox and keypoints_cam"
        raise fault(path, wanted, f"{type(error).__name__}: {error}", COPY_AGAIN) from error
    good = joints.shape == (len(MUCO_21), 3) and box.shape == (4,)
    if not good or not np.isfinite(joints).all() or not np.isfinite(box).all() or (joints[:, 2] <= 0).any():
        wanted = f"21 x 3 numbers in keypoints_cam of annotation {number}, before the camera, and 4 in bbox"
        raise fault(path, wanted, f"shapes {joints.shape} and {box.shape}, or NaN, or z <= 0", COPY_AGAIN)
    return image, number, [*joints[_ROOT].tolist(), *box.tolist()]


def _with_rows(table: _Table, numbers: Int[np.ndarray, " m"], faults: Faults) -> _Table:
    """Images meant by their row rather than their number."""
    order = np.argsort(numbers)
    if len(numbers) == 0 or (np.diff(numbers[order]) == 0).any():
        raise fault(table.path, "images, each with an id of its own", f"{len(numbers)} images", COPY_AGAIN)
    wanted = table.people[:, 0]
    images = order[np.minimum(np.searchsorted(numbers[order], wanted), len(order) - 1)]
    known = numbers[images] == wanted
    if not known.all():
        with faults.catch(f"{FILE}, {(~known).sum()} annotations"):
            lost = int(wanted[~known][0])
            raise fault(table.path, f"the image {lost}, of which there are annotations", "no such image", COPY_AGAIN)
    people = np.concatenate([images[:, None], table.people[:, 1:]], 1)
    return replace(table, people=people).only(np.flatnonzero(known))


def _in_picture(table: _Table, faults: Faults) -> _Table:
    """Without the people whose box has no part in the picture."""
    low, high = table.facts[:, 3:5], table.facts[:, 3:5] + table.facts[:, 5:7]
    size = table.cameras[table.people[:, 0], :2]
    seen = (np.minimum(high, size - 0.5) > np.maximum(low, -0.5)).all(1)
    if not seen.all():
        faults.omit(table.path.name, f"{(~seen).sum()} of {len(seen)} people, whose box has no part in the picture")
    return table.only(np.flatnonzero(seen))


def _apart(table: _Table) -> np.ndarray:
    """Whom Moon et al. train on: the nearest of an image, and everyone at least 500 mm from everyone else.

    The distance is measured along the picture plane; where it is that long, the one in space is too.
    """
    keep = np.zeros(len(table.people), bool)
    starts = np.flatnonzero(np.diff(table.people[:, 0], prepend=-1))
    for start, end in zip(starts, [*starts[1:], len(keep)]):
        roots = table.facts[start:end, :3]
        distance = np.linalg.norm(roots[:, None, :2] - roots[:, :2], axis=-1)
        np.fill_diagonal(distance, np.inf)
        keep[start:end] = (distance >= _APART_MM).all(1)
        keep[start + int(roots[:, 2].argmin())] = True
    return keep


def _item(table: _Table, kept: Int[np.ndarray, " n"], number: int) -> Item:
    image, person, start, length = (int(v) for v in table.people[kept[number]])
    width, height, fx, fy, cx, cy = table.cameras[image].tolist()
    name = table.names[image]
    row = Row(table.path, start, length, (int(width), int(height)), (fx, fy), (cx, cy))
    return Item(f"{name.rpartition('.')[0]}/{person}", Picture(table.path.parent / name), row)


def labels(item: Item) -> Labels:
    """The labels of a person in an image."""
    row: Row = item.row
    value = read_element(row.path, row.start, row.length)
    try:
        joints = np.array(value["keypoints_cam"], np.float64)
        pixels, box = np.array(value["keypoints_img"], np.float64), np.array(value["bbox"], np.float64)
        seen = np.array(value.get("keypoints_vis", np.ones(len(joints)))).reshape(-1) != 0
    except (KeyError, TypeError, ValueError) as error:
        raise _unlike(row, f"{type(error).__name__}: {error}") from error
    shapes = joints.shape, pixels.shape, box.shape, seen.shape
    if shapes != ((21, 3), (21, 2), (4,), (21,)) or not np.isfinite(np.concatenate([*pixels, box])).all():
        raise _unlike(row, f"shapes {shapes}, or NaN")
    camera = Camera(np.array([[row.f[0], 0, row.c[0]], [0, row.f[1], row.c[1]], [0, 0, 1]]), row.size)
    facts = {"subset": item.id.partition("/")[0], "annotation": shared.METRIC, "box": "official"}
    box = shared.clipped_box(box, row.size)
    return Labels(camera, box, joints, pixels, _visibility(pixels, seen, row.size), info=facts)


def _unlike(row: Row, found: str) -> DataError:
    wanted = f"21 joints in keypoints_cam, keypoints_img and keypoints_vis, and a bbox, at byte {row.start}"
    return fault(row.path, wanted, found, COPY_AGAIN)


def _visibility(pixels: Float[np.ndarray, "21 2"], seen: np.ndarray, size: tuple[int, int]) -> UInt8[np.ndarray, " 21"]:
    inside = shared.in_picture(pixels, size)
    return np.where(inside, np.where(seen, UNKNOWN, HIDDEN), OUTSIDE).astype(np.uint8)


READER = Reader(ABOUT, index, labels)
