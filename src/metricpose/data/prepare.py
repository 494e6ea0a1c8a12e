"""A data set as its owners distribute it -> shards for training: each picture is read once, each person cut out.

A shard holds the next so many items, whatever of them could be read; which items it lacks, and why, stands in it. So
the work can be spread over processes, stopped at any moment, and taken up again: what is there stays, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from metricpose.data.faults import Faults, LeftOut
from metricpose.data.processes import run_jobs
from metricpose.data.readers.contract import Item, Reader, find_items, load, world_joints
from metricpose.data.sampling import parse_rules, select
from metricpose.data.shards import Shard, ShardWriter, shard_path
from metricpose.data.storage import write_index
from metricpose.data.window import MARGIN, SIDE, cut_window
from metricpose.errors import DataError, InputError
from metricpose.files import atomic_path

PLAN, LEFT_OUT = "plan.json", "left_out.json"
_LEAST_SIDE = 32


@dataclass(frozen=True)
class Settings:
    """What the shards of a data set depend on.

    Attributes:
        split: of the data set.
        sample: which frames: see `sampling.parse_rules`.
        side: pixels of the box's longer side, see `window`.
        margin: what is kept around the box, see `window`.
        quality: of the JPEG images.
        per_shard: items in a file.

    Raises:
        InputError: a number out of its range.
    """

    split: str
    sample: str = "all"
    side: int = SIDE
    margin: float = MARGIN
    quality: int = 90
    per_shard: int = 512

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("side", self.side, _LEAST_SIDE, math.inf),
            ("margin", self.margin, 0.5, math.inf),
            ("quality", self.quality, 1, 100),
            ("per_shard", self.per_shard, 1, math.inf),
        ):
            if not (low <= value <= high and math.isfinite(value)):
                limits = f"at least {low:g}" if high == math.inf else f"{low:g} to {high:g}"
                raise InputError(f"{name}: expected {limits}, got {value:g}")


class Summary(NamedTuple):
    """What `prepare` did: items chosen, records and shards there are now, and what was left out."""

    items: int
    records: int
    shards: int
    left_out: list[LeftOut]


class _Job(NamedTuple):
    path: Path
    items: list[Item]


def prepare(
    reader: Reader,
    folder: Path,
    out: Path,
    settings: Settings,
    *,
    workers: int = 0,
    skip_bad: bool = False,
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Write the items of a split as shards with an index, `plan.json` and `left_out.json`.

    Args:
        workers: processes; 0 works in this one.
        skip_bad: leave faulty items out and list them, rather than stop at the first.
        resume: go on with what an earlier run of the same settings has written.
        progress: called with (items done, items in all) after every shard.

    Raises:
        DataError: a fault of the data; shards of other settings or data lie in `out`; or it cannot be written.
        InputError: no such split, or no such rule.
    """
    faults = Faults(skip_bad)
    items = find_items(reader, folder, settings.split, faults)
    chosen = select(items, parse_rules(settings.sample), lambda item: world_joints(reader.labels(item)))
    jobs = list(_jobs(items, chosen.tolist(), settings.per_shard))
    _start(out, _plan(reader, settings, (items[i].id for i in chosen.tolist())) | {"items": len(chosen)}, resume)
    missing = [n for n in range(len(jobs)) if not shard_path(out, n).exists()]
    done = len(chosen) - sum(len(jobs[n]) for n in missing)
    work = _Work(reader, settings, skip_bad)
    queue = (_Job(shard_path(out, n), [items[i] for i in jobs[n]]) for n in missing)
    for count in run_jobs(work.itself, _write, queue, workers if len(missing) > 1 else 0):
        done += count
        if progress is not None:
            progress(done, len(chosen))
    return _finish(out, len(chosen), len(jobs), faults.left_out)


def _jobs(items: Sequence[Item], chosen: list[int], per_shard: int) -> Iterator[list[int]]:
    """Indices of the items of each shard: neighbours of one skeleton."""
    part: list[int] = []
    for index in chosen:
        if part and (len(part) == per_shard or items[index].skeleton != items[part[0]].skeleton):
            yield part
            part = []
        part.append(index)
    if part:
        yield part


def _plan(reader: Reader, settings: Settings, ids: Iterable[str]) -> dict[str, Any]:
    digest = hashlib.sha256()
    for name in ids:
        digest.update(name.encode() + b"\n")
    return {"set": reader.about.name, **asdict(settings), "ids_sha256": digest.hexdigest()}


def _start(out: Path, plan: dict[str, Any], resume: bool) -> None:
    """Make sure that what is in the folder belongs to this plan; leave the plan there."""
    if shard_path(out, 0).exists() or (out / PLAN).exists():
        there = _read_plan(out)
        if not resume:
            raise DataError(f"{out} holds shards already; go on with --resume, delete it, or choose another folder")
        changed = [f"{k} was {there.get(k)}, is {v}" for k, v in plan.items() if there.get(k) != v]
        if changed:
            raise DataError(
                f"{out} was begun with other settings or other data ({'; '.join(changed)}); go on with the same, "
                "delete it, or choose another folder"
            )
        for leftover in out.glob(".*"):  # of a run that was killed while writing
            leftover.unlink()
    with atomic_path(out / PLAN) as temporary:
        temporary.write_text(json.dumps(plan, indent=1), encoding="utf8")


def _read_plan(out: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((out / PLAN).read_text(encoding="utf8")))
    except (OSError, ValueError) as error:
        raise DataError(f"{out} holds shards but no readable {PLAN} ({error}); choose another folder") from error


@dataclass(frozen=True)
class _Work:
    """What a process needs to write a shard."""

    reader: Reader
    settings: Settings
    skip_bad: bool

    def itself(self) -> _Work:
        return self


def _write(work: _Work, job: _Job) -> int:
    """Write one shard; returns the number of its items, faulty ones included."""
    faults, about = Faults(work.skip_bad), work.reader.about
    writer = ShardWriter(job.items[0].skeleton or about.skeleton, quality=work.settings.quality)
    for item in job.items:
        with faults.catch(item.id):
            writer.add(cut_window(load(work.reader, item), work.settings.side, work.settings.margin))
    facts = {"set": about.name, "split": work.settings.split, "licence": about.licence, "source": about.source}
    facts["left_out"] = json.dumps([[entry.where, entry.why] for entry in faults.left_out])
    writer.write(job.path, facts)
    return len(job.items)


def _finish(out: Path, items: int, shards: int, left_out: list[LeftOut]) -> Summary:
    """Index and list of what was left out, from what stands in the shards."""
    counts, entries = [], list(left_out)
    for number in range(shards):
        shard = Shard(shard_path(out, number))
        counts.append(len(shard))
        entries += [LeftOut(where, why) for where, why in json.loads(shard.metadata["left_out"])]
    with atomic_path(out / LEFT_OUT) as temporary:
        temporary.write_text(json.dumps([entry._asdict() for entry in entries], indent=1), encoding="utf8")
    write_index(out, counts)
    return Summary(items, sum(counts), shards, entries)
