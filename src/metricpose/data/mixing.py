"""Several sources in fixed proportions, as a stream that is a pure function of (seed, step).

Nothing is remembered between steps: which records make up step 12345, and the random seed of each of their samples,
follow from the numbers alone. So a resumed run, another number of worker processes or another number of ranks see
exactly the same data.

Up to a million records are shuffled as a whole. Longer sources are shuffled as blocks of 256 neighbours, and then
record by record within windows of 512 blocks: what is read lies in a moving set of files, as a cache of object storage
or a disk needs it, and no table is as long as the source.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

from metricpose.errors import InputError
from metricpose.types import Record

_WHOLE_UP_TO = 1 << 20
_ENDLESS_FROM = 1 << 31
_BLOCK, _WINDOW = 256, 512


@runtime_checkable
class Source(Protocol):
    """A sequence of records. It may grow, but an index always means the same record."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Record: ...

    def refresh(self) -> int:
        """Look for new records; returns the length now."""
        ...


class Draw(NamedTuple):
    """One sample to make: which record, with which random seed."""

    source: int
    record: int
    seed: tuple[int, ...]


class Phase(NamedTuple):
    """From draw number `since` on, a source is `length` records long."""

    since: int
    length: int


class Stream:
    """Batches of draws.

    Args:
        seed: of the whole run.
        counts: records of each source in every batch (see `batch_counts`).
        phases: per source, its lengths over time, at least one; `grow` adds to them.

    Raises:
        InputError: a source with a share is empty, or the run that is continued had another number of sources.
    """

    def __init__(self, seed: int, counts: tuple[int, ...], phases: Sequence[Sequence[Sequence[int]]]) -> None:
        self.seed, self.counts = seed, counts
        self.phases = [[Phase(*p) for p in source] for source in phases]
        if len(self.phases) != len(counts):
            raise InputError(
                f"this run drew from {len(self.phases)} data sources so far, its recipe now names {len(counts)}; "
                "expected as many, or start anew in another folder with init_from: this run's model.safetensors"
            )
        for number, (count, history) in enumerate(zip(counts, self.phases, strict=True)):
            if count and (not history or min(p.length for p in history) < 1):
                raise InputError(f"data source {number} has a share of every batch but holds no records")

    def grow(self, step: int, lengths: list[int]) -> None:
        """Use longer sources from batch `step` on; remembered in `phases`. Shorter or equal lengths change nothing."""
        for count, history, length in zip(self.counts, self.phases, lengths, strict=True):
            if length > history[-1].length and step * count > history[-1].since:
                history.append(Phase(step * count, length))

    def batch(self, step: int, rank: int = 0, world: int = 1) -> list[Draw]:
        """The draws of batch `step`; of `world` ranks, rank r takes every world-th one from the r-th on."""
        draws = [
            self._draw(source, step * count + slot) for source, count in enumerate(self.counts) for slot in range(count)
        ]
        return draws[rank::world]

    def _draw(self, source: int, number: int) -> Draw:
        history = self.phases[source]
        phase = history[bisect_right(history, number, key=lambda p: p.since) - 1]
        epoch, place = divmod(number - phase.since, phase.length)
        # Practically endless sources are rendered on demand: their neighbours are as unlike as any two.
        endless = phase.length >= _ENDLESS_FROM
        index = place if endless else shuffled((self.seed, source, phase.since, epoch), phase.length, place)
        return Draw(source, index, (self.seed, source, number))


def shuffled(key: tuple[int, ...], length: int, place: int) -> int:
    """The record at a place of the shuffled order of `length` records that the key stands for."""
    if length <= _WHOLE_UP_TO:
        return int(_permutation(key, length)[place])
    blocks, span = length // _BLOCK, _BLOCK * _WINDOW
    window = min(place // span, (blocks - 1) // _WINDOW)
    first = window * span
    size = length - first if window == (blocks - 1) // _WINDOW else span
    at = first + int(_permutation((*key, window), size)[place - first])
    block, offset = divmod(at, _BLOCK)
    return at if block >= blocks else int(_permutation(key, blocks)[block]) * _BLOCK + offset


@lru_cache(maxsize=16)
def _permutation(key: tuple[int, ...], length: int) -> Int[np.ndarray, " n"]:
    return np.random.default_rng(key).permutation(length)


def batch_counts(batch_size: int, shares: list[float]) -> tuple[int, ...]:
    """Whole records of each source per batch, by largest remainder; every source with a share gets at least one.

    Raises:
        InputError: no positive share, or more sources than places.
    """
    wanted = np.asarray(shares, np.float64)
    if not len(wanted) or (wanted < 0).any() or wanted.sum() <= 0:
        raise InputError(f"data shares: expected numbers >= 0 that are not all 0, got {list(shares)}")
    if (wanted > 0).sum() > batch_size:
        raise InputError(f"a batch of {batch_size} cannot hold all {(wanted > 0).sum()} data sources")
    exact = wanted / wanted.sum() * batch_size
    counts = np.where(wanted > 0, np.maximum(np.floor(exact), 1), 0).astype(int)
    while counts.sum() != batch_size:
        step = 1 if counts.sum() < batch_size else -1
        room = np.where((wanted > 0) & (counts + step >= 1), (exact - counts) * step, -np.inf)
        counts[int(room.argmax())] += step
    return tuple(int(c) for c in counts)
