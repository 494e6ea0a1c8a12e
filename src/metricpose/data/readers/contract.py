"""What a reader of a data set is: a description, an index of its items, the labels of each item.

One file per data set, such as `data/readers/own.py`, ending with

    READER = Reader(ABOUT, index, labels)

and a line in the table of `data/readers/__init__.py`. Everything else is done once for all of them: pictures are read
and checked against the labels' camera, faults are raised or left out and listed, `prepare`, `check` and `preview` work.

- `ABOUT` is a `Description`: what a user must know before and after signing.
- `index(folder, split, faults)` finds the items of a split without reading pictures. It is quick (seconds for the full
  set) and light: where items are many, as the frames of videos are, it returns an `Index` of stretches that make their
  items on demand. Items of one picture are neighbours, and so are the frames of one video, in order. What cannot be
  used goes through `faults`: ``with faults.catch("S1/Walking"): ...`` around what may be damaged,
  ``faults.omit(where, why)`` for what is left out on purpose, as `ABOUT.skips` says.
- `labels(item)` returns the `Labels` of one item: millimetres, pixels and OpenCV conventions of docs/CONVENTIONS.md, in
  the joint order of a skeleton of the catalogue. It reads no picture; a file of labels that many items share is kept
  with `functools.lru_cache`.
- `image(item)`, optional, where the pixels are not simply those of `item.picture`.
- `alpha(item)`, optional: the mask of the person, for background replacement.

All functions are plain functions of a module, so that worker processes can be given them.

A fault is a `DataError` that names the file, what was expected, what was found and what to do: `data.faults.fault`,
`need_file`, `need_folder` word it. Files of other programs are read by `data.scientific` (MAT, CDF),
`data.safe_pickle` (pickle, npz) and `data.pictures` (images, videos): none of them executes what it reads.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
from jaxtyping import Float, UInt8

from metricpose.data.faults import Faults, fault, need_folder
from metricpose.data.pictures import Picture, read_picture
from metricpose.errors import InputError
from metricpose.geometry.camera import Camera
from metricpose.types import UNKNOWN, Record


@dataclass(frozen=True)
class Description:
    """What there is to know about a data set, in words; `metricpose data list` prints it.

    Attributes:
        name: on the command line, such as ``h36m``.
        title: as its authors call it.
        labels: what is labelled: "3D, metric", "3D up to scale", "2D", "2D and depth order" ...
        licence: who may use it for what.
        source: address where it is had, and signed for if it must be.
        citation: the paper.
        skeleton: catalogue name of the joint order of `Labels`; items may name another.
        joints: which joints of the files these are, and in which order the files hold them.
        units: of the files.
        camera: where intrinsics, distortion and extrinsics come from, and what is not known.
        skips: what is left out, and why.
        layout: path pattern below the folder -> what it is, for every file that is read.
        splits: name -> number of items of the full set, None where it is not known; the first is the default.
        notes: traps of this data set, and how the reader guards against each.
    """

    name: str
    title: str
    labels: str
    licence: str
    source: str
    citation: str
    skeleton: str
    joints: str
    units: str
    camera: str
    skips: str
    layout: dict[str, str]
    splits: dict[str, int | None]
    notes: tuple[str, ...] = ()


class Item(NamedTuple):
    """One person in one picture.

    Attributes:
        id: unique within the split and the same for ever: "S1/Directions_1.54138969/000005".
        picture: where the pixels are.
        row: what the reader's `labels` needs to find them; small, and picklable.
        sequence: the recording it belongs to, if it is a frame of one; frames follow each other within it.
        frame: number within the sequence, from 0.
        skeleton: catalogue name of its joint order; empty for the data set's. Items of one skeleton are neighbours.
    """

    id: str
    picture: Picture
    row: Any = None
    sequence: str = ""
    frame: int = 0
    skeleton: str = ""


@dataclass(frozen=True, eq=False)
class Labels:
    """Everything about an item but its pixels; as in `types.Record`, whose text says more.

    Attributes:
        camera: of the picture, with its size and, where known, the pose world -> camera.
        box_xywh: (4,) left, top, width, height in pixels.
        joints_mm: (J, 3) camera frame, millimetres, NaN where not known.
        joints_px: (J, 2) pixels, NaN where not known; None for the projection of joints_mm.
        visibility: (J,) marks of `types`; None for UNKNOWN.
        abs_valid: whether the distance from the camera is right.
        info: facts for breakdowns: subject, action, height_mm, age_years, ...
        order, order_w: ordinal depth labels and their weights, or None.
    """

    camera: Camera
    box_xywh: Float[np.ndarray, " 4"]
    joints_mm: Float[np.ndarray, "j 3"]
    joints_px: Float[np.ndarray, "j 2"] | None = None
    visibility: UInt8[np.ndarray, " j"] | None = None
    abs_valid: bool = True
    info: dict[str, Any] = field(default_factory=dict)
    order: Float[np.ndarray, " k"] | None = None
    order_w: Float[np.ndarray, " k"] | None = None

    @property
    def pixels(self) -> Float[np.ndarray, "j 2"]:
        """`joints_px`, or the projection of `joints_mm`."""
        return self.camera.project_camera(self.joints_mm) if self.joints_px is None else self.joints_px


def world_joints(labels: Labels) -> Float[np.ndarray, "j 3"]:
    """Joints in the world, millimetres; in the camera frame where the camera's pose is not known."""
    return labels.camera.to_world(np.asarray(labels.joints_mm, np.float64))


def item_picture(item: Item) -> UInt8[np.ndarray, "h w 3"]:
    """The pixels of `item.picture` as they are."""
    return read_picture(item.picture)


@dataclass(frozen=True)
class Reader:
    """A data set that can be read; see the module's text."""

    about: Description
    index: Callable[[Path, str, Faults], Sequence[Item]]
    labels: Callable[[Item], Labels]
    image: Callable[[Item], UInt8[np.ndarray, "h w 3"]] = item_picture
    alpha: Callable[[Item], UInt8[np.ndarray, "h w"] | None] | None = None


class Stretch(NamedTuple):
    """Consecutive items that are made on demand: the frames of a video, say. Item i is ``make(i)``."""

    length: int
    make: Callable[[int], Item]


class Index(Sequence[Item]):
    """The items of several stretches as one sequence, which holds none of them.

    Args:
        stretches: `make` must be picklable: a function of a module or a `functools.partial` of one.
    """

    def __init__(self, stretches: Iterable[Stretch]) -> None:
        self._stretches = [s for s in stretches if s.length > 0]
        self._ends = list(accumulate(s.length for s in self._stretches))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: int) -> Item: ...

    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...

    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"item {index} of {len(self)}")
        index %= len(self)
        number = bisect_right(self._ends, index)
        stretch = self._stretches[number]
        return stretch.make(index - (self._ends[number] - stretch.length))


def find_items(reader: Reader, folder: Path, split: str, faults: Faults) -> Sequence[Item]:
    """The items of a split.

    Raises:
        InputError: the data set has no such split.
        DataError: no such folder, or nothing of the split in it.
    """
    about = reader.about
    if split not in about.splits:
        raise InputError(f"{about.name} has no split '{split}'; it has {', '.join(about.splits)}")
    layout = "; ".join(f"{pattern}: {what}" for pattern, what in about.layout.items())
    need_folder(folder, f"the folder of {about.title}", f"Expected in it: {layout}. To be had at {about.source}.")
    items = reader.index(folder, split, faults)
    if not len(items):
        listed = "".join(f"\n  {entry.where}: {entry.why}" for entry in faults.left_out[:5])
        raise fault(folder, f"items of the split {split} of {about.title}", f"none{listed}", f"Expected: {layout}.")
    return items


def load(reader: Reader, item: Item) -> Record:
    """An item with its pixels.

    Raises:
        DataError: the picture or the labels cannot be read, or do not fit each other. The message names the files.
    """
    labels = reader.labels(item)
    image = reader.image(item)
    size = image.shape[1], image.shape[0]
    if size != tuple(labels.camera.size):
        wanted = (
            f"a picture of {labels.camera.size[0]} x {labels.camera.size[1]} pixels, as the labels of {item.id} say"
        )
        raise fault(item.picture.path, wanted, f"{size[0]} x {size[1]}", "Use the files as they are distributed.")
    return Record(
        image=image,
        camera=labels.camera,
        box_xywh=np.asarray(labels.box_xywh, np.float64),
        joints_mm=np.asarray(labels.joints_mm, np.float64),
        joints_px=np.asarray(labels.pixels, np.float64),
        visibility=_marks(labels),
        skeleton=item.skeleton or reader.about.skeleton,
        alpha=reader.alpha(item) if reader.alpha is not None else None,
        abs_valid=labels.abs_valid,
        info=facts(reader, item, labels),
        order=labels.order,
        order_w=labels.order_w,
    )


def _marks(labels: Labels) -> UInt8[np.ndarray, " j"]:
    return np.full(len(labels.joints_mm), UNKNOWN, np.uint8) if labels.visibility is None else labels.visibility


def facts(reader: Reader, item: Item, labels: Labels) -> dict[str, Any]:
    """The facts of a record: those of its labels, and where it comes from."""
    place = {"id": item.id, "set": reader.about.name, "file": str(item.picture)}
    sequence = {"sequence": item.sequence, "frame": item.frame} if item.sequence else {}
    return {**place, **sequence, **labels.info}
