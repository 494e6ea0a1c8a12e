"""One run's augmented crops, made once by the normal pipeline and read by every method.

All runs of a seed must see the same samples in the same order. The training stream is a pure function of its seed
already; writing its crops to disk as plain arrays makes the equality visible, and the second run nearly free of data
work. `StoredMaker` gives exactly what `data.loading.SampleMaker` would, which a test checks.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from metricpose.augment.appearance import AppearanceConfig
from metricpose.augment.compositing import Bank, CompositingConfig
from metricpose.augment.geometric import GeometricConfig
from metricpose.benchmark.domain import Labels, is_target, weaken
from metricpose.data.loading import Packed, SampleMaker, pack, with_cutouts
from metricpose.data.mixing import Draw, Phase, Stream
from metricpose.data.pipeline import Augmentation
from metricpose.data.shards import ShardFolder
from metricpose.data.synthetic import ScenePart
from metricpose.errors import DataError
from metricpose.files import atomic_path
from metricpose.skeleton import catalog
from metricpose.types import Record

_FACTS, _TARGET = "stream.json", "target"


@dataclass(frozen=True)
class StreamPlan:
    """Everything the crops of a stream depend on.

    Attributes:
        data: hash of the shards.
        records: taken from the first on.
        samples: in all. batch: per step.
        seed: of order and augmentation.
        truncation: share of crops that show a part of the person only.
    """

    data: str
    records: int
    samples: int
    batch: int
    side: int
    skeleton: str
    seed: int
    truncation: float

    @property
    def name(self) -> str:
        """Folder name, with a hash of all of it."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
        return f"stream-{self.seed}-{'whole' if self.truncation == 0 else 'truncated'}-{digest[:8]}"


def augmentation(truncation: float) -> Augmentation:
    """What the published MeTRo and MeTRAbs recipes do to a crop, with truncation on or off."""
    geometric = GeometricConfig(truncation=truncation)
    return Augmentation(geometric, AppearanceConfig(), CompositingConfig(background=0.1), Bank())


def live_maker(plan: StreamPlan, shards: Path) -> SampleMaker:
    """The normal pipeline over the plan's records."""
    source = ScenePart(ShardFolder(shards), 0, plan.records)
    changes = with_cutouts(augmentation(plan.truncation), [source])
    return SampleMaker([source], plan.side, catalog.get(plan.skeleton), changes)


def write_stream(
    plan: StreamPlan, shards: Path, folder: Path, progress: Callable[[int, int], None] | None = None
) -> None:
    """Make a stream's crops, unless `folder` holds them already.

    Args:
        progress: called with samples done and samples in all.

    Raises:
        DataError: no such shards, too few records, or a full disk.
    """
    if (folder / _FACTS).exists():
        return
    maker = live_maker(plan, shards)
    draws = Stream(plan.seed, (plan.batch,), [[Phase(0, plan.records)]])
    part = folder.with_name(f".{folder.name}.{os.getpid()}")
    part.mkdir(parents=True, exist_ok=True)
    try:
        arrays: dict[str, np.memmap] = {}
        for step in range(plan.samples // plan.batch):
            for name, rows in _rows(maker, draws.batch(step)).items():
                if name not in arrays:
                    shape = (plan.samples, *rows.shape[1:])
                    arrays[name] = np.lib.format.open_memmap(part / f"{name}.npy", "w+", rows.dtype, shape)
                arrays[name][step * plan.batch : (step + 1) * plan.batch] = rows
            if progress is not None:
                progress((step + 1) * plan.batch, plan.samples)
        _finish(part, folder, plan)
    except OSError as error:
        raise DataError(
            f"cannot write {folder}: {error.strerror or error}. Check the folder and free space."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _rows(maker: SampleMaker, draws: list[Draw]) -> dict[str, np.ndarray]:
    samples = [maker.sample(draw) for draw in draws]
    rows = {name: value.numpy() for name, value in pack(samples).items()}
    return rows | {_TARGET: np.array([is_target(s.info) for s in samples])}


def _finish(part: Path, folder: Path, plan: StreamPlan) -> None:
    with atomic_path(part / _FACTS) as path:
        path.write_text(json.dumps(asdict(plan)), encoding="utf8")
    if not folder.exists():
        part.rename(folder)


@dataclass(frozen=True, eq=False)
class StoredMaker(SampleMaker):
    """Packed batches read from a written stream.

    Attributes:
        arrays: memory-mapped, one row per sample; see `open_stream`.
        labels: what people of the target domain keep.
    """

    arrays: dict[str, Any]
    labels: Labels = "full"

    def __getitem__(self, draws: list[Draw]) -> Packed:
        rows = np.array([draw.seed[-1] for draw in draws])
        found: dict[str, Tensor] = {name: torch.from_numpy(array[rows]) for name, array in self.arrays.items()}
        return weaken(found, found.pop(_TARGET), self.labels)


class _Count:
    """Stands where a source of records would: only its length is asked for."""

    def __init__(self, length: int) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Record:
        raise DataError("a stored stream holds samples, not records")

    def refresh(self) -> int:
        return self._length


def open_stream(folder: Path, *, labels: Labels = "full") -> StoredMaker:
    """The samples of a written stream.

    Raises:
        DataError: it is not there, or incomplete.
    """
    try:
        plan = StreamPlan(**json.loads((folder / _FACTS).read_text(encoding="utf8")))
        arrays = {path.stem: np.load(path, mmap_mode="r") for path in sorted(folder.glob("*.npy"))}
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"cannot read the stream {folder}: {error}. Delete it to make it again.") from error
    sources: Sequence[Any] = [_Count(plan.records)]
    return StoredMaker(sources, plan.side, catalog.get(plan.skeleton), None, arrays, labels)
