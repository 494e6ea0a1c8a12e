"""What a source of training people brings: how many, in which joints, with which labels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from metricpose.data.mixing import Source
from metricpose.data.pipeline import make_sample
from metricpose.errors import DataError
from metricpose.skeleton.core import Skeleton

LOOK_AT = 24
_SIDE = 32  # Of the crops that are made to look at their labels; what is in the picture does not matter.


class Inventory(NamedTuple):
    """What was found in a source.

    Attributes:
        records: people in it.
        looked_at: of these, spread evenly; the rest is about them.
        skeletons: their joint orders.
        labels: label ("3D", "distance", "2D", "depth order", "mask") -> share of the people that have it.
        unlabelled: joints of the network that none of them labels.
    """

    records: int
    looked_at: int
    skeletons: tuple[str, ...]
    labels: dict[str, float]
    unlabelled: tuple[str, ...]


def take_inventory(source: Source, skeleton: Skeleton, look_at: int = LOOK_AT) -> Inventory:
    """Look at some people of a source as training will see them.

    Args:
        skeleton: of the network.

    Raises:
        DataError: a damaged record, or no label that the network could learn from.
        InputError: the records' joints have no conversion to the network's.
    """
    records = len(source)
    places = np.unique(np.linspace(0, records - 1, min(look_at, records)).astype(int)).tolist()
    names: dict[str, None] = {}
    shares = dict.fromkeys(("3D", "distance", "2D", "depth order", "mask"), 0.0)
    seen = np.zeros(len(skeleton), bool)
    for place in places:
        record = source[place]
        sample = make_sample(record, _SIDE, skeleton)
        names[record.skeleton] = None
        seen |= (sample.z_w > 0) | (sample.uv_w > 0)
        found = (
            bool(sample.z_w.any()), sample.abs_w > 0, bool(sample.uv_w.any()),
            sample.order_w is not None and bool(sample.order_w.any()), record.alpha is not None,
        )  # fmt: skip
        for label, there in zip(shares, found):
            shares[label] += there / len(places)
    if not seen.any():
        raise DataError(f"none of {len(places)} people looked at has a label in the joints of {skeleton.name}")
    missing = tuple(joint for joint, known in zip(skeleton.joints, seen) if not known)
    return Inventory(records, len(places), tuple(names), {k: v for k, v in shares.items() if v > 0}, missing)
