"""What a protocol is: which people, boxes, joints, root, alignment, scale, matching, averages and tables.

A protocol names its data and boxes; its groups name the joints, the root and what else a number depends on. Numbers of
one group may be compared with each other and with nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from metricpose.skeleton import catalog

Breakdown = Literal[
    "height", "age", "distance", "visibility", "joint", "action", "scene", "recording", "person", "action and person"
]
Subset = Literal["all", "present", "detected", "annotated"]
Mean = Literal["pooled", "actions", "recordings"]
Rescale = Literal["none", "knee-neck 920 mm", "knee-neck of the truth", "bones of the truth"]

LIMBS = tuple(f"{side}_{part}" for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in "lr")
STANDARD = (
    "mpjpe",
    "pa_mpjpe",
    "n_mpjpe",
    "pck150",
    "auc",
    "auc31",
    "a_mpjpe",
    "a_pck150",
    "mrpe",
    "bone",
    "px",
    "cover50",
    "cover90",
)
"""Measures of a group that names none, of those in `report.MEASURES`."""

MEANS: dict[Mean, str] = {"pooled": "", "actions": "mean of actions", "recordings": "mean of recordings"}
"""How rows of the main table are marked: everything pooled, or each action or recording averaged first."""

RESCALED: dict[Rescale, str] = {
    "none": "none",
    "knee-neck 920 mm": "predictions scaled to 920 mm from the left knee to the neck (without hip to pelvis)",
    "knee-neck of the truth": "ORACLE: predictions scaled to the true length from the left knee to the neck",
    "bones of the truth": "ORACLE: every predicted bone scaled to its true length, from the pelvis outwards",
}


@dataclass(frozen=True)
class Group:
    """People whose numbers belong in one average.

    Attributes:
        name: heading of its rows.
        source: beginning of the item's source; "" takes all. Groups of one source take the same people.
        skeleton: joint order and definition everything is measured in.
        joints: those that count.
        root: joints whose mean is subtracted for relative errors.
        measures: names in `report.MEASURES`.
        align: joints that rotations, scales and translations are fitted to; () for those that count.
        rescale: what is done to the size of predictions before they are measured.
        resample: what the intervals resample. With few persons this is the image, and says nothing of new persons.
        absolute: whether the distance from the camera is known well enough to be scored.
        as_labelled: distances are scored even where the truth's is marked as not right, as an official script does.
        by_name: take joints of equal name where no conversion between the definitions has been fitted. They are
            different points, 20-50 mm apart; the card says so.
        note: caveat printed with the card. How many people and images there are is not for it to say: the card counts
            those that were measured.
    """

    name: str
    skeleton: str
    joints: tuple[str, ...]
    root: tuple[str, ...]
    source: str = ""
    measures: tuple[str, ...] = STANDARD
    align: tuple[str, ...] = ()
    rescale: Rescale = "none"
    resample: Literal["image", "person", "recording"] = "image"
    absolute: bool = True
    as_labelled: bool = False
    by_name: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        for joint in (*self.joints, *self.root, *self.align):
            catalog.get(self.skeleton).index(joint)


class Matching(NamedTuple):
    """How the people that a system found in an image are matched to the annotated ones.

    The annotated people choose in their order: the person not yet taken with the most joints closer than `within_px`
    in x and in y, at least one; of equals the first. Joints predicted at (0, 0) or not at all do not count.
    """

    joints: tuple[str, ...]
    within_px: float


class Column(NamedTuple):
    """A column of a paper's table: a part of a breakdown, or of the main table a mean (breakdown "")."""

    breakdown: Breakdown | Literal[""]
    part: str
    heading: str


@dataclass(frozen=True)
class Layout:
    """A table as papers print it: parts of the data in columns, one row for each measure.

    Attributes:
        title: whose layout.
        columns: in order.
        measures: rows, in order; () for all of the group.
    """

    title: str
    columns: tuple[Column, ...]
    measures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Protocol:
    """One way of measuring.

    Attributes:
        name, title: for the command line and for reading.
        data: "labels" (a labels file), "synthetic" (rendered people or shards) or "reader" (a data set as distributed).
        groups: what is reported, in order.
        split: part of the data; of a data set several, joined by "+".
        only_with: fact that an item must have, other than 0; "" for none.
        readers: names in `data.readers` of which one is used: layouts of the same data with the same ids.
        recording_facts: facts of a record that together name its recording, all cameras together.
        action_fact: the fact that names what is done.
        count: images taken by default; None takes all.
        seed: of everything random.
        truncated: boxes are random parts of the person's box (augment.truncation), `boxes` of them per image, as in the
            truncated benchmark of MeTRo and MeTRAbs.
        matching_px: how the people of an image are matched; None where each prediction belongs to a true box.
        subsets: "all" joints, and "present" ones: whose true projection lies inside the crop, in [0, side); with
            `matching_px` "detected" people alone, and all "annotated" ones, where those not found count as misses.
        means: averages of the main table.
        breakdowns: tables below it.
        layouts: tables as papers print them.
        trained_on: what the public systems that this protocol compares with were trained on.
    """

    name: str
    title: str
    data: Literal["labels", "synthetic", "reader"]
    groups: tuple[Group, ...]
    split: str
    only_with: str = ""
    readers: tuple[str, ...] = ()
    recording_facts: tuple[str, ...] = ()
    action_fact: str = "action"
    count: int | None = None
    seed: int = 0
    truncated: bool = False
    boxes: int = 1
    matching_px: Matching | None = None
    subsets: tuple[Subset, ...] = ("all",)
    means: tuple[Mean, ...] = ("pooled",)
    breakdowns: tuple[Breakdown, ...] = ("height", "age", "distance", "visibility", "joint")
    layouts: tuple[Layout, ...] = ()
    trained_on: str = ""

    @property
    def crop_source(self) -> str:
        """Where the boxes come from, in words."""
        if self.truncated:
            return f"{self.boxes} random parts of the true box per image, truncation sampler, seed {self.seed}"
        return "true boxes"

    @property
    def matching(self) -> str:
        """How predictions and ground truth are paired, in words."""
        if self.matching_px is None:
            return "one prediction per true box"
        joints, within = self.matching_px
        return (
            f"per image, annotated people in their order take the person with the most of {len(joints)} joints "
            f"({joints[0]} to {joints[-1]}) closer than {within:g} px in x and y"
        )
