"""Leeds Sports Pose: photographs of sports from Flickr, 14 joints by hand, in a MAT file; the first set of 2,000."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from metricpose.data.faults import Faults, fault, need_file, need_folder
from metricpose.data.pictures import Picture, picture_size
from metricpose.data.readers.contract import Description, Item, Labels, Reader
from metricpose.data.readers.photographs import CAMERA_TEXT, box_around, labels_2d, need_near
from metricpose.data.scientific import read_mat
from metricpose.types import HIDDEN, UNKNOWN, VISIBLE

COUNT, TRAIN = 2_000, 1_000
JOINTS_TEXT = (
    "all 14 in file order: right leg from the ankle up, left leg down, right arm up, left arm down, neck, head"
)
NOTES = (
    "joints.mat of the two Leeds sets have their axes in different orders, and their third value means opposite things",
    "the files do not say whether coordinates count from 0 or 1; as Matlab's they are taken to count from 1",
    "left and right are the person's",
)

ABOUT = Description(
    name="lsp",
    title="Leeds Sports Pose",
    labels="2D",
    licence="not stated; photographs from Flickr, research",
    source="http://sam.johnson.io/research/lsp.html (lsp_dataset.zip; gone at times: ask its authors)",
    citation="Johnson, Everingham: Clustered Pose and Nonlinear Appearance Models for Human Pose Estimation. BMVC 2010",
    skeleton="lsp_14",
    joints=JOINTS_TEXT,
    units="pixels, 1-based",
    camera=CAMERA_TEXT,
    skips="nothing",
    layout={
        "joints.mat": "annotations, 3 x 14 x 2000: x, y, hidden; lsp_dataset/ is looked into too",
        "images/im0001.jpg": "images, 2000; scaled so that people are about 150 pixels, or the original ones with "
        "the joints.mat that came with them",
    },
    splits={"train": TRAIN, "test": COUNT - TRAIN},
    notes=(
        *NOTES,
        "the third value is 1 for hidden joints, whose place is labelled all the same (README says visible)",
    ),
)
_REMEDY = "Extract lsp_dataset.zip into the folder."


class Row(NamedTuple):
    """The labels of a picture: (14, 2) pixels from 0, (14,) marks."""

    pixels: Float[np.ndarray, "14 2"]
    marks: UInt8[np.ndarray, " 14"]


class Layout(NamedTuple):
    """How a set's joints.mat and images are laid out.

    Attributes:
        shape: of the array, with the number of pictures.
        axes: order of its axes for picture, joint, value.
        name: of picture n, from 1.
        mark: what the third value means; UNKNOWN is not labelled.
        folder: that the archive makes.
        remedy: where the files are had.
    """

    shape: tuple[int, int, int]
    axes: tuple[int, int, int]
    name: str
    mark: Callable[[Float[np.ndarray, "n 14"]], UInt8[np.ndarray, "n 14"]]
    folder: str
    remedy: str


def read_items(folder: Path, layout: Layout, wanted: range, faults: Faults) -> list[Item]:
    """The pictures of a range, counted from 0, that have a labelled joint."""
    home = folder / layout.folder if (folder / layout.folder).is_dir() else folder
    path = need_file(home / "joints.mat", "the annotations", layout.remedy)
    images = need_folder(home / "images", "the images", layout.remedy)
    values = _array(path, layout)
    marks = layout.mark(values[:, :, 2])
    items: list[Item] = []
    for number in wanted:
        name = layout.name.format(number + 1)
        with faults.catch(f"{path.name}, {name}"):
            known = marks[number] != UNKNOWN
            pixels = np.where(known[:, None], values[number, :, :2] - 1, np.nan)
            if not np.isfinite(pixels[known]).all():
                raise fault(path, f"x and y of every labelled joint of {name}", "NaN or infinity", layout.remedy)
            if known.any():
                items.append(Item(Path(name).stem, Picture(images / name), Row(pixels, marks[number])))
            else:
                faults.omit(name, "no joint is labelled")
    return items


def _array(path: Path, layout: Layout) -> Float[np.ndarray, "n 14 3"]:
    found = read_mat(path, "joints")["joints"]
    if not isinstance(found, np.ndarray) or found.shape != layout.shape or found.dtype.kind not in "fiu":
        shown = f"{' x '.join(map(str, found.shape))}" if isinstance(found, np.ndarray) else type(found).__name__
        wanted = f"joints of {' x '.join(map(str, layout.shape))} numbers"
        raise fault(path, wanted, shown, f"Is it the joints.mat of the other Leeds set? {layout.remedy}")
    values = found.transpose(layout.axes).astype(np.float64)
    if not np.isin(values[:, :, 2], (0, 1)).all():
        raise fault(path, "0 or 1 as third value of every joint", "others", layout.remedy)
    return values


def _hidden(third: Float[np.ndarray, "n 14"]) -> UInt8[np.ndarray, "n 14"]:
    return np.where(third > 0, HIDDEN, VISIBLE).astype(np.uint8)


_LAYOUT = Layout((3, 14, COUNT), (2, 1, 0), "im{:04d}.jpg", _hidden, "lsp_dataset", _REMEDY)


def index(folder: Path, split: str, faults: Faults) -> Sequence[Item]:
    """The first 1,000 pictures are for training, the others for testing."""
    return read_items(folder, _LAYOUT, range(TRAIN) if split == "train" else range(TRAIN, COUNT), faults)


def labels(item: Item) -> Labels:
    """The labels of one picture, which is read too, because the file does not know its size."""
    row: Row = item.row
    size = picture_size(item.picture)
    need_near(row.pixels, size, item.picture.path, item.id)
    return labels_2d(size, row.pixels, box_around(row.pixels), row.marks, {"box": "joints"})


READER = Reader(ABOUT, index, labels)
