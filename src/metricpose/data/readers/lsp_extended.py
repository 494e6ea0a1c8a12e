"""Leeds Sports Pose Extended: 10,000 photographs of gymnastics, parkour and athletics, labelled by a crowd."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from metricpose.data.faults import Faults
from metricpose.data.readers.contract import Description, Item, Reader
from metricpose.data.readers.lsp import JOINTS_TEXT, NOTES, Layout, labels, read_items
from metricpose.data.readers.photographs import CAMERA_TEXT
from metricpose.types import UNKNOWN, VISIBLE

COUNT = 10_000

ABOUT = Description(
    name="lsp_extended",
    title="Leeds Sports Pose Extended",
    labels="2D",
    licence="not stated; photographs from Flickr, research",
    source="http://sam.johnson.io/research/lspet.html (lspet_dataset.zip; gone at times: ask its authors)",
    citation="Johnson, Everingham: Learning Effective Human Pose Estimation from Inaccurate Annotation. CVPR 2011",
    skeleton="lsp_14",
    joints=JOINTS_TEXT,
    units="pixels, 1-based",
    camera=CAMERA_TEXT,
    skips="pictures without any labelled joint",
    layout={
        "joints.mat": "annotations, 14 x 3 x 10000: x, y, labelled; lspet_dataset/ is looked into too",
        "images/im00001.jpg": "images, 10000",
    },
    splits={"train": COUNT},
    notes=(
        *NOTES,
        "the third value is 1 for labelled joints; where it is 0, x and y mean nothing and are not read",
        "annotators were not trained: some joints are off, some people have left and right swapped. The cleaned copy "
        "hr-lspet (SPIN) is another file and is not read",
    ),
)


def _labelled(third: Float[np.ndarray, "n 14"]) -> UInt8[np.ndarray, "n 14"]:
    return np.where(third > 0, VISIBLE, UNKNOWN).astype(np.uint8)


_LAYOUT = Layout(
    (14, 3, COUNT),
    (2, 0, 1),
    "im{:05d}.jpg",
    _labelled,
    "lspet_dataset",
    "Extract lspet_dataset.zip into the folder.",
)


def index(folder: Path, split: str, faults: Faults) -> Sequence[Item]:
    """All pictures."""
    return read_items(folder, _LAYOUT, range(COUNT), faults)


READER = Reader(ABOUT, index, labels)
