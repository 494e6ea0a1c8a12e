"""Which frames of recordings are used: every n-th, or those in which someone has moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from metricpose.data.readers.contract import Item
from metricpose.errors import InputError


class Rule(NamedTuple):
    """One rule: `every` n-th frame of a recording, or frames after a `motion` of so many millimetres."""

    kind: Literal["every", "motion"]
    amount: float | int


def parse_rules(text: str) -> tuple[Rule, ...]:
    """``all``, ``every:5``, ``motion:100``, or several rules in order: ``every:5,motion:100``.

    Raises:
        InputError: anything else.
    """
    if text == "all":
        return ()
    rules = []
    for part in text.split(","):
        kind, _, amount = part.partition(":")
        number = float(amount) if amount.replace(".", "", 1).isdigit() else 0.0
        if kind not in ("every", "motion") or number <= 0 or (kind == "every" and number != int(number)):
            raise InputError(f"sample '{text}': expected all, every:N, motion:MILLIMETRES, or such rules with commas")
        rules.append(Rule(kind, number))  # type: ignore[arg-type]
    return tuple(rules)


def select(
    items: Sequence[Item], rules: Sequence[Rule], joints_mm: Callable[[Item], Float[np.ndarray, "j 3"]]
) -> Int[np.ndarray, " n"]:
    """Indices of the items that all rules leave, each rule working on what those before it left.

    A frame is kept for its motion if some joint lies at least so far from where it was in the last kept frame of the
    recording (MeTRAbs, 100 mm; MargiPose, 40 mm); joints without a label stay where they were. Items that are not
    frames of a recording are kept, and so is the first frame.

    Args:
        joints_mm: joints of an item in a frame that does not move during a recording.
    """
    kept = np.arange(len(items))
    for rule in rules:
        chosen = _every(items, kept, int(rule.amount)) if rule.kind == "every" else _moved(items, kept, rule, joints_mm)
        kept = np.fromiter(chosen, np.int64)
    return kept


def _every(items: Sequence[Item], candidates: Int[np.ndarray, " n"], step: int) -> Iterator[int]:
    return (i for i in candidates.tolist() if not items[i].sequence or items[i].frame % step == 0)


def _moved(
    items: Sequence[Item],
    candidates: Int[np.ndarray, " n"],
    rule: Rule,
    joints_mm: Callable[[Item], Float[np.ndarray, "j 3"]],
) -> Iterator[int]:
    kept: dict[str, Float[np.ndarray, "j 3"]] = {}  # recordings of several people take turns, frame by frame
    for index in candidates.tolist():
        item = items[index]
        if item.sequence:
            joints, last = joints_mm(item), kept.get(item.sequence)
            if last is not None and len(last) == len(joints):
                if not (np.linalg.norm(joints - last, axis=1) >= rule.amount).any():
                    continue
                joints = np.where(np.isfinite(joints), joints, last)
            kept[item.sequence] = joints
        yield index
