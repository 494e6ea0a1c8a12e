"""Shards: records packed into a few files that are written once, mapped into memory and may grow in number.

A folder holds `shard-000000.safetensors`, `shard-000001.safetensors`, ...; each is one safetensors file with

    bytes        (n,) uint8: JPEG images and greyscale masks, one after the other
    parts        (N, 3, 2) int64: offset and length of image, mask and info JSON in `bytes`; length 0 = absent
    crc          (N,) int64: CRC-32 of the record's bytes, checked at every read
    K R t size distortion box joints_mm joints_px visibility abs_valid   labels, one row per record
    order order_w   (N, k) int8 and float32: ordinal depth labels, only if a record has any (weight 0 in the others)

and, as metadata, the format version and the skeleton. Files appear under their final name only when complete, so a
trainer can read a folder that a renderer is still filling. A folder may have an index of its shards, and may lie in
object storage (`data.storage`): then it opens at once, however many records it holds.
"""

from __future__ import annotations

import json
import zlib
from collections import OrderedDict
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from metricpose.data.mapping import map_tensors
from metricpose.data.processes import run_jobs
from metricpose.data.shard_writer import FORMAT, LABELS, ORDER, ShardWriter, write_shard
from metricpose.data.storage import Entry, open_storage, read_index, shard_name
from metricpose.errors import DataError, InputError
from metricpose.geometry.camera import Camera
from metricpose.types import Record

__all__ = ["Renderer", "Shard", "ShardFolder", "ShardWriter", "render_shards", "shard_path", "write_shard"]

_OPEN_AT_ONCE = 512


def shard_path(folder: str | Path, number: int) -> Path:
    """Where shard `number` of a folder lies."""
    return Path(folder) / shard_name(number)


class Shard:
    """Random access to the records of one file, which stays on disk."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.metadata, self._labels = map_tensors(path)
        if self.metadata.get("format") != FORMAT:
            raise DataError(f"{path}: expected a {FORMAT} file, its metadata says {self.metadata.get('format')!r}")
        missing = [name for name in (*LABELS, "parts", "crc", "bytes") if name not in self._labels]
        if missing:
            raise DataError(f"{path}: not a shard, it lacks {', '.join(missing)}. Delete it and make it again.")
        self.skeleton: str = self.metadata["skeleton"]

    def __reduce__(self) -> tuple:
        return Shard, (self.path,)

    def __len__(self) -> int:
        return len(self._labels["crc"])

    def __getitem__(self, index: int) -> Record:
        """Decode one record.

        Raises:
            DataError: its bytes do not match their checksum.
        """
        parts, row = self._labels["parts"][index], {name: self._labels[name][index] for name in LABELS}
        start, end = int(parts[0, 0]), int(parts[-1].sum())
        data = self._labels["bytes"][start:end]
        if zlib.crc32(data.data) != self._labels["crc"][index]:
            raise DataError(f"{self.path}: record {index} does not match its checksum. Delete the file, make it again.")
        image, mask, info = (data[offset - start : offset - start + length] for offset, length in parts)
        return Record(
            image=cv2.cvtColor(np.asarray(cv2.imdecode(image, cv2.IMREAD_COLOR)), cv2.COLOR_BGR2RGB),
            camera=_camera(row),
            box_xywh=row["box"].copy(),
            joints_mm=row["joints_mm"].astype(np.float64),
            joints_px=row["joints_px"].astype(np.float64),
            visibility=row["visibility"].copy(),
            skeleton=self.skeleton,
            alpha=np.asarray(cv2.imdecode(mask, cv2.IMREAD_GRAYSCALE)) if len(mask) else None,
            abs_valid=bool(row["abs_valid"]),
            info=json.loads(info.tobytes()),
            **self._order(index),
        )

    def _order(self, index: int) -> dict[str, np.ndarray]:
        rows = {name: self._labels[name][index] for name in ORDER if name in self._labels}
        labelled = len(rows) == len(ORDER) and (rows["order_w"] > 0).any()
        return {name: row.astype(np.float64) for name, row in rows.items()} if labelled else {}


def _camera(row: dict[str, np.ndarray]) -> Camera:
    distortion = row["distortion"] if row["distortion"].any() else np.zeros(0)
    return Camera(row["K"], (int(row["size"][0]), int(row["size"][1])), distortion, row["R"], row["t"])


class ShardFolder:
    """All shards of a folder as one sequence of records; `refresh` picks up shards added since.

    Shards are ordered by number and only ever appended: the list stops at the first missing number, so that an index
    means the same record for ever. A shard that the folder's index names is opened when a record of it is asked for;
    at most 512 are open at once.

    Args:
        folder: a path, or the URL of a folder in object storage (see `data.storage`), which needs an index.
        may_be_empty: whether a folder without shards will do.

    Raises:
        DataError: the folder has no shard, or one is damaged.
    """

    def __init__(self, folder: str | Path, *, may_be_empty: bool = False) -> None:
        self.folder = folder
        self._storage = open_storage(folder)
        self._index: list[Entry] = read_index(self._storage)
        self._lengths = [entry.records for entry in self._index]
        self._open: OrderedDict[int, Shard] = OrderedDict()
        if self.refresh() == 0 and not may_be_empty:
            raise DataError(f"no {shard_name(0)} in {folder}: mend the path, or make some (synth render, data prepare)")

    def refresh(self) -> int:
        """Look for new shards; returns the number of records now."""
        while self._storage.shard(len(self._lengths), None) is not None:
            self._lengths.append(len(self._shard(len(self._lengths))))
        self._ends = np.cumsum(self._lengths, dtype=np.int64)
        return len(self)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)} in {self.folder}")
        number = int(np.searchsorted(self._ends, index, side="right"))
        first = int(self._ends[number - 1]) if number else 0
        return self._shard(number)[index - first]

    def _shard(self, number: int) -> Shard:
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number]
        entry = self._index[number] if number < len(self._index) else None
        path = self._storage.shard(number, entry)
        if path is None:
            raise DataError(f"{self.folder}: {shard_name(number)} is gone. Bring it back, or make the folder again.")
        shard = self._open[number] = Shard(path)
        if entry is not None and len(shard) != entry.records:
            raise DataError(f"{path} has {len(shard)} records, index.json says {entry.records}. Delete index.json.")
        if len(self._open) > _OPEN_AT_ONCE:
            self._open.popitem(last=False)
        return shard

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": OrderedDict()}


Renderer = Callable[[int], Record]


def render_shards(
    make_renderer: Callable[[], Renderer],
    out: str | Path,
    count: int,
    *,
    per_shard: int = 512,
    workers: int = 1,
    start: int = 0,
    facts: dict[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Render records `start` ... `start + count - 1` into shards; shards that are there already are kept.

    Record i is `make_renderer()(start + i)` whatever the number of processes. Shard n is written by one process, in
    order of number as far as the processes keep pace. Shards that are kept must have been written with the same facts.
    The last shard holds what is left of `count`; when more is asked for later, it is made again, with what it held. A
    folder that holds more than `count` already keeps it.

    Args:
        make_renderer: picklable; called once in each process.
        count: records in all.
        per_shard: records in every shard but the last.
        workers: processes; 0 renders in this one.
        start: index of the first record, to keep sets disjoint.
        progress: called with (records done, records in all) after every shard.

    Returns:
        Number of records rendered now.

    Raises:
        InputError: no record is asked for, or shards of none; `start` or `workers` is negative.
        DataError: the folder cannot be written, or holds shards of other settings.
    """
    if count < 1 or per_shard < 1:
        raise InputError(f"expected at least one record and one in a shard, got {count} and {per_shard}")
    if start < 0:
        raise InputError(f"expected a first index of 0 or more, got {start}")
    if workers < 0:
        raise InputError(f"expected 0 or more workers, got {workers}")
    sizes = [min(per_shard, count - first) for first in range(0, count, per_shard)]
    held = _held(Path(out), len(sizes), per_shard, facts or {})
    kept = {n for n, size in enumerate(sizes) if held.get(n, 0) >= size}
    jobs = {n: (str(shard_path(out, n)), start + n * per_shard, size, facts) for n, size in enumerate(sizes)}
    # A short shard grows before any comes after it, so that an interrupted run can be told from another `per_shard`.
    grown = [jobs[n] for n in jobs if n in held and n not in kept]
    fresh = [jobs[n] for n in jobs if n not in held]
    done = sum(sizes[n] for n in kept)
    for rendered in chain(
        run_jobs(make_renderer, _render_shard, grown, 0),
        run_jobs(make_renderer, _render_shard, fresh, workers if len(fresh) > 1 else 0),
    ):
        done += rendered
        if progress is not None:
            progress(done, count)
    return sum(size for _, _, size, _ in grown + fresh)


def _held(out: Path, shards: int, per_shard: int, facts: dict[str, str]) -> dict[int, int]:
    """Records of each of the first `shards` shards that is there."""
    parts = [path.stem.partition("-")[2] for path in out.glob("shard-*.safetensors")]
    numbers = sorted(int(part) for part in parts if part.isdigit())
    there = [n for n in numbers if n < shards]
    return {n: _kept_records(shard_path(out, n), per_shard, n == numbers[-1], facts) for n in there}


def _kept_records(path: Path, per_shard: int, last: bool, facts: dict[str, str]) -> int:
    """Records of a shard with the same facts, and of the size asked for; the last may be shorter."""
    shard = Shard(path)
    there = {key: shard.metadata.get(key) for key in facts}
    fits = len(shard) == per_shard or (last and len(shard) < per_shard)
    if fits and there == facts:
        return len(shard)
    other = [key for key in facts if there[key] != facts[key]] or ["number of records"]
    raise DataError(
        f"{path} is there already, rendered with another {' and '.join(other)}; to go on with it use the settings it "
        "was made with, else choose another folder or delete this one"
    )


def _render_shard(renderer: Renderer, job: tuple[str, int, int, dict[str, str] | None]) -> int:
    path, first, count, facts = job
    write_shard(path, (renderer(i) for i in range(first, first + count)), facts=facts)
    return count
