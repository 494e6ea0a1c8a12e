"""Forward or backward: which way the bones of MPII's people point, told by people (after Shi et al. 2018, "FBI")."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from metricpose.data.faults import COPY_AGAIN, Faults, fault, need_file
from metricpose.data.readers import mpii_json
from metricpose.data.readers.contract import Description, Item, Labels, Reader
from metricpose.data.readers.mpii import Row
from metricpose.data.readers.mpii import labels as joints_of
from metricpose.data.readers.photographs import CAMERA_TEXT
from metricpose.skeleton.catalog import MPII_16
from metricpose.skeleton.core import joint_pairs, pair_index

FILES = {"train": "train_bones.json", "val": "valid_bones.json", "trainval": "trainval_bones.json"}
TOLD = {"forward": 1.0, "backward": -1.0, "neither": 0.0}

ABOUT = Description(
    name="mpii_bones",
    title="MPII with bones told to point forward or backward",
    labels="2D and depth order of bones",
    licence="as MPII",
    source=f"{mpii_json.ABOUT.source}; the bones' labels: a file of your own making (notes)",
    citation="Shi, Han, Jiang, Zhou, Jia, Lu: FBI-Pose: Towards Bridging the Gap between 2D Images and 3D Human Poses "
    "using Forward-or-Backward Information. 2018",
    skeleton="mpii_16",
    joints="all 16 in file order",
    units="pixels, 1-based",
    camera=CAMERA_TEXT,
    skips="people none of whose bones is told",
    layout={
        **mpii_json.ABOUT.layout,
        "annot/train_bones.json": '{"12": {"r_knee": "forward", "l_wrist": "backward", "head_top": "neither"}}: for a '
        "person of train.json, counted from 0, the bones by the joint at their far end; and valid_bones.json, "
        "trainval_bones.json",
    },
    splits=dict.fromkeys(FILES),
    notes=(
        "forward: the bone points from its parent joint towards the camera; neither: about in the image plane",
        "the file that Shi et al. gave out is described nowhere, so it must be rewritten as bones.json; bones that "
        "nobody was sure of are left out",
        *mpii_json.ABOUT.notes,
    ),
)
_REMEDY = "`metricpose data list mpii_bones` shows its layout."


class Told(NamedTuple):
    """A person's joints, and the order of all pairs of them with weights, 0 where a pair is no bone that was told."""

    joints: Row
    order: Float[np.ndarray, " k"]
    order_w: Float[np.ndarray, " k"]


def index(folder: Path, split: str, faults: Faults) -> Sequence[Item]:
    """The people some of whose bones are told."""
    path = need_file(folder / "annot" / FILES[split], "the bones' labels", _REMEDY)
    try:
        told = json.loads(path.read_bytes())
    except ValueError as error:
        raise fault(path, "a JSON file", str(error), COPY_AGAIN) from error
    if not isinstance(told, dict):
        raise fault(path, "a mapping of people to bones", type(told).__name__, _REMEDY)
    people = {item.id.rpartition("/")[2]: item for item in mpii_json.index(folder, split, faults)}
    items = []
    for who, bones in told.items():
        with faults.catch(f"{path.name}, person {who}"):
            if who not in people:
                raise fault(path, "numbers of labelled people of the other file", f"'{who}'", _REMEDY)
            item = people[who]
            items.append(item._replace(row=Told(item.row, *_pairs(path, bones, who))))
    if len(people) > len(told):
        faults.omit(path.name, f"{len(people) - len(told)} people of whom no bone is told")
    return items


def _pairs(path: Path, bones: Any, who: str) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    far_ends = [name for name, parent in zip(MPII_16.joints, MPII_16.parents) if parent >= 0]
    if not isinstance(bones, Mapping) or not all(b in far_ends and v in TOLD for b, v in bones.items()):
        wanted = f"{', '.join(TOLD)} for some of {', '.join(far_ends)}"
        raise fault(path, wanted, f"{bones} of person {who}"[:160], _REMEDY)
    order, order_w = np.zeros((2, len(joint_pairs(len(MPII_16)))))
    for name, value in bones.items():
        end = MPII_16.index(name)
        place, sign = pair_index(len(MPII_16), MPII_16.parents[end], end)
        order[place], order_w[place] = sign * TOLD[value], 1.0
    return order, order_w


def labels(item: Item) -> Labels:
    """The labels of one person."""
    told: Told = item.row
    return replace(joints_of(item._replace(row=told.joints)), order=told.order, order_w=told.order_w)


READER = Reader(ABOUT, index, labels)
