"""Which joint is closer: the depth order that people told for LSP and part of MPII (Pavlakos et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from metricpose.data.faults import Faults, fault, need_file, need_folder
from metricpose.data.pictures import Picture, picture_size
from metricpose.data.readers.contract import Description, Item, Labels, Reader
from metricpose.data.readers.photographs import CAMERA_TEXT, box_around, labels_2d, need_near
from metricpose.data.scientific import read_mat
from metricpose.skeleton.core import joint_pairs
from metricpose.types import HIDDEN, UNKNOWN, VISIBLE


class Part(NamedTuple):
    """One of the two halves.

    Attributes:
        folder, picture: where its files are; picture n counts from 1.
        skeleton, joints: of its arrays.
        pictures: how many.
        origin: coordinate of the first pixel's centre.
        marks: of a third value of 0 and of 1.
    """

    folder: str
    picture: str
    skeleton: str
    joints: int
    pictures: int
    origin: int
    marks: tuple[int, int]


PARTS = {
    "lsp": Part("lsp_dataset_original", "im{:04d}.jpg", "lsp_14", 14, 2_000, 1, (VISIBLE, HIDDEN)),
    "mpii": Part("mpii_upis1h", "{:05d}_full.jpg", "mpii_16", 16, 13_030, 0, (UNKNOWN, UNKNOWN)),
}

ABOUT = Description(
    name="lsp_mpii_ordinal",
    title="LSP and MPII with ordinal depth",
    labels="2D and depth order",
    licence="as LSP and MPII; research",
    source="https://www.seas.upenn.edu/~pavlakos/projects/ordinal (lsp-mpii-ordinal.zip; its server is gone at times)",
    citation="Pavlakos, Zhou, Daniilidis: Ordinal Depth Supervision for 3D Human Pose Estimation. CVPR 2018",
    skeleton="mpii_16",
    joints="lsp_14 or mpii_16, all in file order",
    units="pixels; 1-based in LSP, taken as 0-based in the part of MPII",
    camera=CAMERA_TEXT,
    skips="nothing",
    layout={
        "lsp_dataset_original/": "joints.mat (3 x 14 x 2000), ordinal.mat (2000 x 14 x 14), images/im0001.jpg",
        "mpii_upis1h/": "joints.mat (3 x 16 x 13030), ordinal.mat (13030 x 16 x 16), images/00001_full.jpg",
    },
    splits={name: part.pictures for name, part in PARTS.items()},
    notes=(
        "ord(i, j) is -1 if i is closer, 1 if j is closer, 0 if about equal, NaN if not told; ours is the same sign",
        "a pair whose two entries contradict each other has no label",
        "written from descriptions of the files, which could not be had: look at `metricpose data preview` first. One "
        "user found labels of the MPII part beside the person (issue 4 of geopavlakos/ordinal-pose3d)",
        "the forward-or-backward labels of Shi et al. (FBI) have a reader of their own, mpii_bones",
    ),
)
_REMEDY = "Extract lsp-mpii-ordinal.zip into the folder."


class Row(NamedTuple):
    """The labels of a picture: (J, 2) pixels from 0, (J,) marks, (k,) order and weights."""

    pixels: Float[np.ndarray, "j 2"]
    marks: UInt8[np.ndarray, " j"]
    order: Float[np.ndarray, " k"]
    order_w: Float[np.ndarray, " k"]


def index(folder: Path, split: str, faults: Faults) -> Sequence[Item]:
    """The pictures of a part."""
    part = PARTS[split]
    home = need_folder(folder / part.folder, "the pictures and labels", _REMEDY)
    joints = _array(home / "joints.mat", "joints", (3, part.joints, part.pictures)).transpose(2, 1, 0)
    told = _array(home / "ordinal.mat", "ord", (part.pictures, part.joints, part.joints))
    items = []
    for number in range(part.pictures):
        name = part.picture.format(number + 1)
        with faults.catch(f"{part.folder}/{name}"):
            picture = Picture(home / "images" / name)
            row = _row(joints[number], told[number], part, home, name)
            items.append(Item(f"{split}/{number + 1:05d}", picture, row, skeleton=part.skeleton))
    return items


def _array(path: Path, name: str, shape: tuple[int, int, int]) -> Float[np.ndarray, "a b c"]:
    found = read_mat(need_file(path, f"the array {name}", _REMEDY), name)[name]
    if not isinstance(found, np.ndarray) or found.shape != shape or found.dtype.kind not in "fiu":
        shown = " x ".join(map(str, found.shape)) if isinstance(found, np.ndarray) else type(found).__name__
        raise fault(path, f"{name} of {' x '.join(map(str, shape))} numbers", shown, _REMEDY)
    return found.astype(np.float64)


def _row(
    joints: Float[np.ndarray, "j 3"], told: Float[np.ndarray, "j j"], part: Part, home: Path, name: str
) -> Row:  # fmt: skip
    if not np.isfinite(joints).all() or not np.isin(joints[:, 2], (0, 1)).all():
        raise fault(home / "joints.mat", f"x, y and 0 or 1 for each joint of {name}", "others", _REMEDY)
    if not (np.isnan(told) | np.isin(told, (-1, 0, 1))).all():
        raise fault(home / "ordinal.mat", f"-1, 0, 1 or NaN for each pair of {name}", "others", _REMEDY)
    marks = np.array(part.marks, np.uint8)[joints[:, 2].astype(np.int64)]
    return Row(joints[:, :2] - part.origin, marks, *_pairs(told))


def _pairs(told: Float[np.ndarray, "j j"]) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Order and weights of the pairs (a, b), a < b, from a table whose entries (b, a) say the opposite."""
    a, b = np.asarray(joint_pairs(len(told))).T
    there, back = told[a, b], -told[b, a]
    one = np.where(np.isnan(there), back, there)
    known = ~np.isnan(one) & (np.isnan(there) | np.isnan(back) | (there == back))
    return np.where(known, one, 0.0), known.astype(np.float64)


def labels(item: Item) -> Labels:
    """The labels of one picture, which is read too, because the files do not know its size."""
    row: Row = item.row
    size = picture_size(item.picture)
    need_near(row.pixels, size, item.picture.path, item.id)
    flat = labels_2d(size, row.pixels, box_around(row.pixels), row.marks, {"box": "joints"})
    return replace(flat, order=row.order, order_w=row.order_w)


READER = Reader(ABOUT, index, labels)
