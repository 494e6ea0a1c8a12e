"""Public numbers, each with the protocol it was measured by: a number compares with this protocol and with no other.

Only numbers whose protocol is known from the paper together with the code that made them are here. Left out because
something that changes the number is not known: HEMlets on MPI-INF-3DHP (which joints, which scale) and on S11 alone
(which frames), MeTRAbs' table of models on MuPoTS-3D (detected or annotated), everything on MPI-INF-3DHP's first,
wrong labels of TS3 and TS4, everything on 3DPW with 14 joints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from metricpose.errors import InputError
from metricpose.evaluation.definition import Breakdown, Mean

ROOT_DEPTH = "true depth of the root"


class Cell(NamedTuple):
    """One number: group, subset and measure say which of the protocol's."""

    group: str
    subset: str
    measure: str
    value: float


class Parts(NamedTuple):
    """Numbers of the parts of a breakdown, in the main group and subset."""

    breakdown: Breakdown
    measure: str
    values: dict[str, float]


@dataclass(frozen=True)
class PublicNumber:
    """What a system was reported to reach.

    Attributes:
        name: for the command line.
        system, source: who, and where it is printed.
        protocol: name of the protocol it was measured by.
        mean: which average it is.
        cells: the numbers; the first one's group and subset are those of `parts`.
        oracle: truth that the system was given beside the box; "" for none.
        trained_on, note: what else is known.
    """

    name: str
    system: str
    source: str
    protocol: str
    cells: tuple[Cell, ...]
    mean: Mean = "pooled"
    parts: tuple[Parts, ...] = ()
    oracle: str = ""
    trained_on: str = ""
    note: str = ""


def _cells(group: str, subset: str = "all", /, **values: float) -> tuple[Cell, ...]:
    return tuple(Cell(group, subset, measure, value) for measure, value in values.items())


def _actions(measure: str, text: str) -> tuple[Parts, ...]:
    """A row in Moon's and CDL's order of actions."""
    return (Parts("action", measure, dict(zip(_MOON_ORDER, map(float, text.split())))),)


def _photo_first(measure: str, text: str) -> Parts:
    """A row in Martinez' and HEMlets' order of actions."""
    return Parts("action", measure, dict(zip(_MARTINEZ_ORDER, map(float, text.split()))))


def _scenes(green: float, studio: float, outdoor: float) -> tuple[Parts, ...]:
    return (Parts("scene", "pck150", {"green screen": green, "studio": studio, "outdoor": outdoor}),)


_MOON_ORDER = (
    "Directions", "Discussion", "Eating", "Greeting", "Phoning", "Posing", "Purchases", "Sitting", "SittingDown",
    "Smoking", "Photo", "Waiting", "Walking", "WalkDog", "WalkTogether",
)  # fmt: skip
_MARTINEZ_ORDER = (
    "Directions", "Discussion", "Eating", "Greeting", "Phoning", "Photo", "Posing", "Purchases", "Sitting",
    "SittingDown", "Smoking", "Waiting", "WalkDog", "Walking", "WalkTogether",
)  # fmt: skip
_J17, _J14, _J16, _J15, _J24, _J12 = (
    "17 joints", "14 joints", "16 joints", "15 joints", "24 joints", "12 limb joints",
)  # fmt: skip
_H36M, _H36M_ALL, _S11 = "h36m-s9s11-every64", "h36m-s9s11-all", "h36m-s11-every64"
_METRO, _MARGIPOSE = "MeTRo (Sarandi et al. 2020)", "MargiPose (Nibali et al. 2019)"
_METRABS, _TWOFIVE = "MeTRAbs (Sarandi et al. 2021)", "2.5D baseline of Sarandi et al. 2020"
_MOON, _CDL, _HEMLETS = "PoseNet (Moon et al. 2019)", "cascaded dimension lifting (CDL)", "HEMlets Pose (2019)"
_TALK, _ZOO = "authors' talk; mean of 5 trainings", "table of models in its repository, 2021"
_SIX_SETS = "6 data sets, H36M and 3DHP among them; 5 views"
_REFLECTED = "its alignments may mirror the pose, ours may not"
_BASELINE_SCALE = "size from mean bone lengths"
_MIXED = "Human3.6M and MPII"

_NUMBERS = (
    # Human3.6M
    PublicNumber("metro-h36m", _METRO, _TALK, _H36M, _cells(_J17, mpjpe=49.3), trained_on=_MIXED),
    PublicNumber(
        "twofive-h36m", _TWOFIVE, _TALK, _H36M, _cells(_J17, mpjpe=50.2), trained_on=_MIXED, note=_BASELINE_SCALE
    ),
    PublicNumber(
        "metrabs-effv2l-h36m", f"{_METRABS}, EfficientNetV2-L", _ZOO, _H36M, _cells(_J17, mpjpe=41.1),
        trained_on=_SIX_SETS,
    ),
    PublicNumber(
        "metrabs-rn50-h36m", f"{_METRABS}, ResNet-50", _ZOO, _H36M, _cells(_J17, mpjpe=48.7), trained_on=_SIX_SETS
    ),
    PublicNumber(
        "margipose-h36m", _MARGIPOSE, "table 4", _H36M, _cells(_J17, mpjpe=57.0, pa_mpjpe=40.4), oracle=ROOT_DEPTH,
        trained_on=_MIXED, note=_REFLECTED,
    ),
    PublicNumber(
        "margipose-10crop-h36m", f"{_MARGIPOSE}, 10 crops", "table 4", _H36M,
        _cells(_J17, mpjpe=55.4, pa_mpjpe=39.0), oracle=ROOT_DEPTH, trained_on=_MIXED, note=_REFLECTED,
    ),
    PublicNumber(
        "moon-h36m", _MOON, "table 1 of CDL", _H36M, _cells(_J17, mpjpe=54.4),
        parts=_actions("mpjpe", "51.5 56.8 51.2 52.2 55.2 47.7 50.9 63.3 69.9 54.2 57.4 50.4 42.5 57.5 47.7"),
        trained_on=_MIXED, note="boxes and root depths of other networks",
    ),
    PublicNumber(
        "cdl-h36m", _CDL, "table 1", _H36M, _cells(_J17, mpjpe=48.7),
        parts=_actions("mpjpe", "43.2 50.5 42.7 47.1 50.7 41.1 45.2 58.9 61.6 48.8 60.1 46.3 35.5 51.4 41.0"),
        trained_on=_MIXED, note="boxes not stated",
    ),
    PublicNumber(
        "moon-h36m-s11", _MOON, "table 2 of CDL", _S11, _cells(_J17, rigid_mpjpe=35.2),
        parts=_actions("rigid_mpjpe", "32.5 31.5 41.5 36.7 36.3 31.9 33.2 36.5 44.4 36.7 38.7 31.2 25.6 37.1 30.5"),
        trained_on="Human3.6M with S9, and MPII", note="called PA-MPJPE; its code does not scale",
    ),
    PublicNumber(
        "cdl-h36m-s11", _CDL, "table 2", _S11, _cells(_J17, rigid_mpjpe=31.8),
        parts=_actions("rigid_mpjpe", "27.3 29.2 37.2 31.5 33.1 29.2 30.7 32.5 42.0 34.6 36.9 28.0 23.3 34.7 27.5"),
        trained_on="Human3.6M with S9, and MPII", note="called PA-MPJPE; made with Moon's code, which does not scale",
    ),
    PublicNumber(
        "hemlets-h36m", _HEMLETS, "table 1, protocols 1 and 2", _H36M_ALL,
        _cells(_J17, mpjpe=39.9, pa_mpjpe=32.1), mean="actions",
        parts=(
            _photo_first("mpjpe", "34.4 42.4 36.6 42.1 38.2 39.8 34.7 40.2 45.6 60.8 39.0 42.6 42.0 29.8 31.7"),
            _photo_first("pa_mpjpe", "29.1 34.9 29.9 32.6 31.2 32.3 27.0 33.3 37.6 45.9 32.2 31.5 34.5 22.9 25.9"),
        ),
        trained_on=_MIXED,
        note="frames not stated, its released test set has all; root depth not needed, but its crops may hold it",
    ),
    PublicNumber(
        "metro-h36m-truncated", _METRO, _TALK, "h36m-truncated",
        (*_cells(_J17, mpjpe=77.8), *_cells(_J17, "present", mpjpe=59.8)), trained_on=f"{_MIXED}, truncated",
        note="number and seed of the random boxes not published",
    ),
    PublicNumber(
        "metro-h36m-truncated-untrained", _METRO, _TALK, "h36m-truncated",
        (*_cells(_J17, mpjpe=124.7), *_cells(_J17, "present", mpjpe=76.8)), trained_on=f"{_MIXED}, not truncated",
        note="number and seed of the random boxes not published",
    ),
    # MPI-INF-3DHP
    PublicNumber(
        "metro-3dhp-universal", _METRO, _TALK, "3dhp-universal", _cells(_J17, pck150=90.6, auc=56.2, mpjpe=74.9),
        parts=_scenes(93.4, 90.3, 86.5), trained_on="MPI-INF-3DHP (universal) and MPII",
    ),
    PublicNumber(
        "twofive-3dhp-universal", _TWOFIVE, _TALK, "3dhp-universal",
        _cells(_J17, pck150=89.9, auc=52.8, mpjpe=79.7), parts=_scenes(92.1, 89.0, 87.7),
        trained_on="MPI-INF-3DHP (universal) and MPII", note=_BASELINE_SCALE,
    ),
    PublicNumber(
        "metro-3dhp-metric", _METRO, _TALK, "3dhp-metric", _cells(_J17, pck150=88.2, auc=48.7, mpjpe=88.4),
        parts=_scenes(90.1, 87.8, 85.7), trained_on="MPI-INF-3DHP and MPII",
    ),
    PublicNumber(
        "twofive-3dhp-metric", _TWOFIVE, _TALK, "3dhp-metric", _cells(_J17, pck150=88.7, auc=48.6, mpjpe=87.1),
        parts=_scenes(89.0, 87.9, 89.4), trained_on="MPI-INF-3DHP and MPII", note=_BASELINE_SCALE,
    ),
    PublicNumber(
        "margipose-3dhp", _MARGIPOSE, "table 6, corrected labels", "3dhp-universal-920mm",
        _cells(_J14, pck150=87.6, mpjpe=87.6, auc31=48.8, pa_pck150=94.8, pa_mpjpe=61.6, pa_auc31=61.4),
        trained_on="MPI-INF-3DHP and MPII", note=_REFLECTED,
    ),
    PublicNumber(
        "margipose-10crop-3dhp", f"{_MARGIPOSE}, 10 crops", "table 6, corrected labels", "3dhp-universal-920mm",
        _cells(_J14, pck150=88.3, mpjpe=85.2, auc31=49.6, pa_pck150=95.1, pa_mpjpe=60.1, pa_auc31=62.2),
        trained_on="MPI-INF-3DHP and MPII", note=_REFLECTED,
    ),
    # MuPoTS-3D
    PublicNumber(
        "moon-mupots", _MOON, "table 3 of CDL", "mupots-universal", _cells(_J14, "annotated", pck150=81.8),
        mean="recordings", trained_on="MuCo-3DHP and COCO", note="boxes of a detector",
    ),
    PublicNumber(
        "cdl-mupots", _CDL, "table 3", "mupots-universal", _cells(_J14, "annotated", pck150=83.3), mean="recordings",
        trained_on="MuCo-3DHP and COCO", note="boxes not stated",
    ),
    PublicNumber(
        "metrabs-mupots", _METRABS, _TALK, "mupots-metric",
        (
            *_cells(_J14, "detected", a_mpjpe=248.2, mpjpe=108.2, a_pck150=40.2),
            *_cells(_J16, "detected", a_mpjpe=246.9, mpjpe=104.3),
        ),
        mean="recordings", trained_on="MuCo-3DHP and MPII", note="boxes of a detector",
    ),
    PublicNumber(
        "twofive-mupots", _TWOFIVE, _TALK, "mupots-metric",
        (
            *_cells(_J14, "detected", a_mpjpe=317.6, mpjpe=114.0, a_pck150=40.0),
            *_cells(_J16, "detected", a_mpjpe=313.6, mpjpe=110.0),
        ),
        mean="recordings", trained_on="MuCo-3DHP and MPII", note=f"boxes of a detector; {_BASELINE_SCALE}",
    ),
    # HumanEva-I
    PublicNumber(
        "hemlets-humaneva", _HEMLETS, "table 2", "humaneva-walking-jog", _cells(_J15, pa_mpjpe=15.2),
        parts=(
            Parts(
                "action and person", "pa_mpjpe",
                {"Walking S1": 13.5, "Walking S2": 9.9, "Walking S3": 17.1, "Jog S1": 24.5, "Jog S2": 14.8,
                 "Jog S3": 14.4},
            ),
        ),
        trained_on="HumanEva-I",
        note="alignment not stated, that of the others in its table is PA; its six average 15.7, by frames 15.4",
    ),
    # 3DPW
    PublicNumber(
        "metrabs-3dpw-challenge", f"{_METRABS}, ResNet-101", "3DPW challenge 2020, first", "3dpw-all",
        (*_cells(_J24, mpjpe=68.84, pa_mpjpe=49.69), *_cells(_J12, pck50=48.77, auc200=66.79)),
        trained_on="many data sets; 5 views",
    ),
    PublicNumber(
        "metrabs-effv2l-3dpw", f"{_METRABS}, EfficientNetV2-L", _ZOO, "3dpw-all",
        (*_cells(_J24, mpjpe=61.9), *_cells(_J12, pck50=53.3)), trained_on=_SIX_SETS,
    ),
    PublicNumber(
        "metrabs-rn50-3dpw", f"{_METRABS}, ResNet-50", _ZOO, "3dpw-all",
        (*_cells(_J24, mpjpe=66.5), *_cells(_J12, pck50=49.4)), trained_on=_SIX_SETS,
    ),
)  # fmt: skip

PUBLISHED: dict[str, PublicNumber] = {number.name: number for number in _NUMBERS}


def comparable(protocol: str) -> list[PublicNumber]:
    """The public numbers of a protocol."""
    return [number for number in PUBLISHED.values() if number.protocol == protocol]


def get(name: str) -> PublicNumber:
    """The public number of this name.

    Raises:
        InputError: there is none; the message lists those there are.
    """
    if name not in PUBLISHED:
        raise InputError(f"unknown public number '{name}'; known: {', '.join(PUBLISHED)}")
    return PUBLISHED[name]
