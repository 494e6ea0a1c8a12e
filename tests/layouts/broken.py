"""Deliberate faults in correct little data sets: each a change of the files, and how `data check` must name it."""

from __future__ import annotations

from typing import NamedTuple

from layouts import broken_official, broken_own
from layouts.damage import Change


class Fault(NamedTuple):
    """A fault.

    Attributes:
        data: which data set it is made in.
        what: in words.
        make: changes a copy of it.
        named: regular expression that the fault's line must match.
    """

    data: str
    what: str
    make: Change
    named: str


FAULTS: list[Fault] = [
    Fault(data, *fault)
    for data, faults in {
        "own": broken_own.OWN,
        "h36m": broken_official.HUMAN36M,
        "mupots": broken_official.MUPOTS,
        "mpi test": broken_official.MPI,
        "mpi train": broken_official.TRAIN,
        "coco": broken_official.PHOTOGRAPHS,
        "shards": broken_official.SHARDS,
    }.items()
    for fault in faults
]
