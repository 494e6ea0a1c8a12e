"""`metricpose data check`: a data set read and looked at, item by item and as a whole, as a table of what is wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from metricpose.data.faults import Faults
from metricpose.data.plausibility import ASYMMETRY, LIMBS, REPROJECTION, Finding, Measures, asymmetry, measure
from metricpose.data.processes import run_jobs
from metricpose.data.readers.contract import Item, Reader, find_items, load
from metricpose.errors import DataError, InputError

_PER_JOB = 64
_STEADY, _SPREADS = 0.08, 6.0
_GROUP_AT_LEAST = 5
_SAME_SIZE = 0.05
_FACING_AT_LEAST = 0.8
_UNREADABLE, _THE_SET = "readable", "the set"


class Row(NamedTuple):
    """A line of the table: what was checked, what was found, the limit, and the number of faults."""

    check: str
    measured: str
    limit: str
    faults: int


class Place(NamedTuple):
    """A fault and where it is."""

    item: str
    finding: Finding


@dataclass(frozen=True)
class Report:
    """The result of a check.

    Attributes:
        title: data set, split and number of items looked at.
        rows: the table.
        faults: each fault with its item, in the order of the items.
        left_out: what the reader leaves out on purpose.
        tolerated: faults of one kind that single items may have, as real annotations do; the set as a whole none.
    """

    title: str
    rows: list[Row]
    faults: list[Place]
    left_out: list[str]
    tolerated: int = 0

    @property
    def passed(self) -> bool:
        """Whether no fault was found, beyond those tolerated."""
        return all(row.faults <= self.tolerated for row in self.rows) and all(f.item != _THE_SET for f in self.faults)


class _Seen(NamedTuple):
    id: str
    group: str
    measures: Measures | None
    unreadable: str
    K: tuple[float, ...] = ()
    size: tuple[int, int] = (0, 0)


def check(
    reader: Reader,
    folder: Path,
    split: str,
    *,
    count: int = 0,
    tolerate: float = 0.0,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Look at a split.

    Args:
        count: items to look at, spread evenly; 0 for all.
        tolerate: share of the items in which a kind of fault does not count.
        workers: processes; 0 works in this one.
        progress: called with (items done, items in all).

    Raises:
        InputError: no such split, a negative count, or a share outside 0 to 1.
        DataError: nothing of it can be found.
    """
    if count < 0 or not 0 <= tolerate <= 1:
        raise InputError(f"check: expected a count from 0 on and a share from 0 to 1, got {count} and {tolerate:g}")
    faults = Faults(skip_bad=True)
    items = find_items(reader, folder, split, faults)
    chosen = np.unique(
        np.linspace(0, len(items) - 1, min(count or len(items), len(items))).round().astype(int)
    ).tolist()
    jobs = ((at, [items[i] for i in chosen[at : at + _PER_JOB]]) for at in range(0, len(chosen), _PER_JOB))
    parts: dict[int, list[_Seen]] = {}
    for at, seen in run_jobs(_Look(reader).itself, _look, jobs, workers):
        parts[at] = seen
        if progress is not None:
            progress(sum(map(len, parts.values())), len(chosen))
    seen = [one for at in sorted(parts) for one in parts[at]]
    unreadable = [_Seen(entry.where, "", None, entry.why) for entry in faults.bad]
    left_out = [f"{entry.where}: {entry.why}" for entry in faults.left_out if entry.known]
    title = f"{reader.about.title}, split {split}: {len(chosen)} of {len(items)} items"
    report = _report(reader, split, items, [*unreadable, *seen])
    return Report(title, *report, left_out, int(tolerate * len(chosen)))


def spread(length: int, count: int) -> list[int]:
    """At most `count` indices below `length`, evenly spread, ends included."""
    return np.unique(np.linspace(0, length - 1, min(count, length)).round().astype(int)).tolist()


@dataclass(frozen=True)
class _Look:
    reader: Reader

    def itself(self) -> _Look:
        return self


def _look(tool: _Look, job: tuple[int, list[Item]]) -> tuple[int, list[_Seen]]:
    at, items = job
    return at, [_look_at(tool.reader, item) for item in items]


def _look_at(reader: Reader, item: Item) -> _Seen:
    try:
        record = load(reader, item)
        group = str(record.info.get("subject", item.sequence))
        K = tuple(np.round(record.camera.K, 3).ravel().tolist())
        width, height = record.camera.size
        return _Seen(item.id, f"{record.skeleton} {group}" if group else "", measure(record), "", K, (width, height))
    except (DataError, InputError) as error:
        return _Seen(item.id, "", None, str(error))


def _report(reader: Reader, split: str, items: Sequence[Item], seen: list[_Seen]) -> tuple[list[Row], list[Place]]:
    """The table, and the faults in the order of the items."""
    faults = [Place(one.id, Finding(_UNREADABLE, one.unreadable)) for one in seen if one.unreadable]
    good = [(one, one.measures) for one in seen if one.measures is not None]
    faults += [Place(one.id, finding) for one, measures in good for finding in measures.findings]
    faults += [*_unsteady(good), *_resized([one for one, _ in good])]
    faults += _counts(reader, split, items)
    facing = np.array([m.facing for _, m in good if not np.isnan(m.facing)])
    share = float((facing > 0).mean()) if len(facing) else float("nan")
    if len(facing) and share < _FACING_AT_LEAST:
        text = (
            f"in {1 - share:.0%} of the items knees, feet or nose point backward; expected few: a swapped joint order"
        )
        faults.append(Place(_THE_SET, Finding("left and right", text)))
    return _rows(reader, split, len(items), good, share, Counter(f.finding.check for f in faults)), faults


def _counts(reader: Reader, split: str, items: Sequence[Item]) -> list[Place]:
    found = []
    expected = reader.about.splits[split]
    if expected is not None and len(items) != expected:
        found.append(Place(_THE_SET, Finding("items", f"{len(items)} items, the full set has {expected}")))
    repeated = [name for name, n in Counter(item.id for item in items).items() if n > 1]
    return found + [Place(name, Finding("items", "its id occurs more than once")) for name in repeated]


def _unsteady(good: list[tuple[_Seen, Measures]]) -> list[Place]:
    """Limbs whose length in one picture is not the person's: joints exchanged, or another person's label."""
    groups = defaultdict(list)
    for one, measures in good:
        if one.group:
            groups[one.group].append((one.id, measures.limbs))
    found = []
    names = [f"{side} {name}" for name in LIMBS for side in ("left", "right")]
    for members in groups.values():
        if len(members) < _GROUP_AT_LEAST:
            continue
        lengths = np.stack([limbs for _, limbs in members])
        known = np.isfinite(lengths).any(0)
        middle, spread = np.full(8, np.nan), np.full(8, np.nan)
        middle[known] = np.nanmedian(lengths[:, known], axis=0)
        spread[known] = 1.4826 * np.nanmedian(np.abs(lengths[:, known] - middle[known]), axis=0)
        with np.errstate(invalid="ignore"):
            wrong = np.abs(lengths - middle) > np.maximum(_STEADY * middle, _SPREADS * spread)
        for row, (name, limbs) in enumerate(members):
            parts = [f"{names[k]} {limbs[k]:.0f} mm, elsewhere {middle[k]:.0f}" for k in np.flatnonzero(wrong[row])]
            if parts:
                found.append(Place(name, Finding("steady bones", "; ".join(parts[:3]))))
    return found


def _resized(seen: list[_Seen]) -> list[Place]:
    """Pictures larger or smaller by a factor than most of those with the same intrinsics; cut off is another thing."""
    groups = defaultdict(list)
    for one in seen:
        groups[one.K].append(one)
    found = []
    for members in groups.values():
        usual, times = Counter(one.size for one in members).most_common(1)[0]
        for one in members:
            across, down = one.size[0] / usual[0], one.size[1] / usual[1]
            if times > 1 and abs(across - 1) > _SAME_SIZE and abs(down / across - 1) < _SAME_SIZE:
                text = f"its picture is {one.size[0]} x {one.size[1]}, of {times} others with the same K {usual[0]} x "
                found.append(Place(one.id, Finding(_UNREADABLE, f"{text}{usual[1]}: resized, or K is another's")))
    return found


def _rows(
    reader: Reader,
    split: str,
    total: int,
    good: list[tuple[_Seen, Measures]],
    share: float,
    faults: Counter[str],
) -> list[Row]:
    expected = reader.about.splits[split]
    reprojection = np.array([m.reprojection for _, m in good]).reshape(-1, 2)
    limbs = np.array([m.limbs for _, m in good]).reshape(-1, 8)
    groups = len({one.group for one, _ in good if one.group})
    texts = {
        "items": (str(total), f"{expected}, ids differ" if expected is not None else "ids differ"),
        _UNREADABLE: (f"{len(good)} read", "all"),
        "values": ("", "finite or NaN, some label"),
        "camera frame": ("", "z > 0"),
        "reprojection": (_spread(reprojection[:, 0], "{:.1f} px"), f"median {REPROJECTION:.0%} of the box"),
        "box": ("", "in the picture, around the joints"),
        "bone lengths": (_limbs(limbs), "a child's to a giant's"),
        "symmetry": (_spread(asymmetry(limbs).reshape(-1), "{:.1%}"), f"{ASYMMETRY:.0%}"),
        "steady bones": (f"{groups} people or recordings", f"{_STEADY:.0%}, or {_SPREADS:g} spreads"),
        "left and right": ("no telling" if np.isnan(share) else f"{share:.0%} face forward", f"{_FACING_AT_LEAST:.0%}"),
        "visibility": ("", "visible is in the picture"),
    }
    return [Row(name, measured, limit, faults[name]) for name, (measured, limit) in texts.items()]


def _spread(values: np.ndarray, form: str) -> str:
    """Median and 95th percentile."""
    values = values[np.isfinite(values)]
    if not len(values):
        return "none"
    return f"median {form.format(np.median(values))}, 95 % under {form.format(np.percentile(values, 95))}"


def _limbs(limbs: np.ndarray) -> str:
    known = np.isfinite(limbs).any(0)
    if not known.any():
        return "none"
    middle = np.nanmedian(limbs[:, known].reshape(len(limbs), -1), axis=0)
    means = dict(zip(np.flatnonzero(known).tolist(), middle.tolist()))
    parts = [f"{name} {means[2 * i]:.0f}" for i, name in enumerate(LIMBS) if 2 * i in means]
    return f"{', '.join(parts)} mm"
