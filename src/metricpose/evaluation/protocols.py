"""The protocols there are, and how joints of another skeleton become those a protocol measures.

Evaluation protocols say what is measured on what, in full; it is printed above every table.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from metricpose.errors import InputError
from metricpose.evaluation.definition import LIMBS, Breakdown, Group, Mean, Protocol, Subset
from metricpose.evaluation.official import OFFICIAL
from metricpose.skeleton import catalog
from metricpose.skeleton.core import Conversion, Skeleton, subset_conversion

__all__ = [
    "LIMBS", "PROTOCOLS", "Breakdown", "Group", "JointMap", "Mean", "Protocol", "Subset", "bins", "get", "joint_map",
]  # fmt: skip

_SYNTHETIC = Group(
    "synthetic", "h36m_17", catalog.H36M_17.joints, ("pelvis",), note="rendered people: says little about photographs"
)

PROTOCOLS: dict[str, Protocol] = {
    p.name: p
    for p in (
        Protocol("synthetic", "rendered people", "synthetic", (_SYNTHETIC,), "test", count=2000),
        Protocol(
            "synthetic-truncated",
            "rendered people cut off by random boxes",
            "synthetic",
            (_SYNTHETIC,),
            "test",
            count=500,
            truncated=True,
            boxes=4,
            subsets=("all", "present"),
        ),
        Protocol(
            "real-dev",
            "a few labelled photographs",
            "labels",
            (
                Group("Human3.6M", "h36m_17", catalog.H36M_17.joints, ("pelvis",), "Human3.6M"),
                Group(
                    "MPI-INF-3DHP",
                    "mpi_inf_3dhp_17",
                    LIMBS,
                    ("pelvis",),
                    "MPI-INF-3DHP",
                    absolute=False,
                    by_name=True,
                    note="the metric scale of the test set's frames is not established",
                ),
                Group(
                    "Pose2Sim",
                    "openpose_25",
                    LIMBS,
                    ("l_hip", "r_hip"),
                    "Pose2Sim",
                    by_name=True,
                    note="one person; truth triangulated from 2D detections of 4 views, about 30 mm",
                ),
            ),
            "all",
            breakdowns=("distance", "joint"),
        ),
        *OFFICIAL,
    )
}


def get(name: str) -> Protocol:
    """The protocol of this name.

    Raises:
        InputError: no such protocol; the message lists those there are.
    """
    if name not in PROTOCOLS:
        raise InputError(f"unknown protocol '{name}'; known: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


class JointMap(NamedTuple):
    """Conversion to a group's skeleton and what it rests on, in words."""

    conversion: Conversion
    label: str


def joint_map(source: str, group: Group) -> JointMap:
    """How joints of another skeleton become those of a group.

    Raises:
        InputError: a joint or root of the group cannot be had from `source`.
    """
    found, target = catalog.get(source), catalog.get(group.skeleton)
    conversion, label = _conversion(found, target, group.by_name)
    needed = dict.fromkeys((*group.joints, *group.root))
    absent = [joint for joint in needed if not conversion.valid[target.index(joint)]]
    if absent:
        raise InputError(
            f"joints of {source} cannot be scored as {group.name}: nothing gives {', '.join(absent)} of {target.name}"
        )
    return JointMap(conversion, label)


def _conversion(source: Skeleton, target: Skeleton, by_name: bool) -> tuple[Conversion, str]:
    if source.definition == target.definition:
        return catalog.conversion(source, target), f"{source.name}, same definition"
    try:
        return catalog.conversion(source, target), f"{source.name}, fitted to {target.definition} joints"
    except InputError:
        if not by_name:
            raise
    label = f"{source.name} by equal names; {source.definition} and {target.definition} joints are 20-50 mm apart"
    return subset_conversion(source, target), label


HEIGHTS_MM = (0.0, 1000.0, 1300.0, 1500.0, 1700.0, np.inf)
AGES_YEARS = (0.0, 6.0, 13.0, 18.0, 65.0, np.inf)
DISTANCES_MM = (0.0, 2000.0, 4000.0, 8000.0, np.inf)


def bins(
    values: Float[np.ndarray, " n"], edges: tuple[float, ...], unit: str, scale: float = 1.0
) -> list[tuple[str, Bool[np.ndarray, " n"]]]:
    """Name and members of each range [low, high); unknown values belong to none.

    Args:
        edges: ascending, from 0 to infinity.
        scale: divides the edges for the names.
    """
    out = []
    for low, high in pairwise(edges):
        if low == 0:
            name = f"< {high / scale:g} {unit}"
        else:
            name = f">= {low / scale:g} {unit}" if np.isinf(high) else f"{low / scale:g}-{high / scale:g} {unit}"
        out.append((name, (values >= low) & (values < high)))
    return out
