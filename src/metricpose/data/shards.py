"""Shards: records packed into a few files that are written once, mapped into memory and may grow in number.

A folder holds `shard-000000.safetensors`, `shard-000001.safetensors`, ...; each is one safetensors file with

    bytes        (n,) uint8: JPEG images and greyscale masks, one after the other
    parts        (N, 3, 2) int64: offset and length of image, mask and info JSON in `bytes`; length 0 = absent
    crc          (N,) int64: CRC-32 of the record's bytes, checked at every read
    K R t size distortion box joints_mm joints_px visibility abs_valid   labels, one row per record
    order order_w   (N, k) int8 and float32: ordinal depth labels, only if a record has any (weight 0 in the others)

and, as metadata, the format version and the skeleton. Files appear under their final name only when complete, so a
trainer can read a folder that a renderer is still filling.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from metricpose.errors import DataError
from metricpose.files import atomic_path, sort_metadata
from metricpose.geometry.camera import Camera
from metricpose.skeleton.core import pair_count
from metricpose.types import Record

FORMAT = "metricpose-shard-1"
_NAME = re.compile(r"shard-(\d{6})\.safetensors")
_LABELS = ("K", "R", "t", "size", "distortion", "box", "joints_mm", "joints_px", "visibility", "abs_valid")
_ORDER = ("order", "order_w")
_DISTORTION = 12


def shard_path(folder: str | Path, number: int) -> Path:
    """Where shard `number` of a folder lies."""
    return Path(folder) / f"shard-{number:06d}.safetensors"


def write_shard(
    path: str | Path, records: Sequence[Record], *, quality: int = 90, facts: dict[str, str] | None = None
) -> None:
    """Write records (of one skeleton) as one file, atomically.

    Args:
        quality: of the JPEG images; masks are kept at 90.
        facts: further metadata, such as the generator's settings.

    Raises:
        DataError: no records, several skeletons, or the disk is full.
    """
    skeletons = sorted({r.skeleton for r in records})
    if len(skeletons) != 1:
        raise DataError(f"a shard holds records of one skeleton; got {len(records)} records of {skeletons}")
    blob, parts, crcs = bytearray(), [], []
    for record in records:
        pieces = _encode(record, quality)
        ends = len(blob) + np.cumsum([len(p) for p in pieces])
        parts.append([(end - len(p), len(p)) for end, p in zip(ends, pieces)])
        blob += b"".join(pieces)
        crcs.append(zlib.crc32(b"".join(pieces)))
    arrays = _labels(records)
    arrays["bytes"] = np.frombuffer(bytes(blob), np.uint8)
    arrays |= {"parts": np.array(parts, np.int64), "crc": np.array(crcs, np.int64)}
    with atomic_path(path) as temporary:
        save_file(arrays, temporary, {"format": FORMAT, "skeleton": skeletons[0], **(facts or {})})
        sort_metadata(temporary)


def _encode(record: Record, quality: int) -> list[bytes]:
    bgr = cv2.cvtColor(record.image, cv2.COLOR_RGB2BGR)
    mask = b"" if record.alpha is None else _jpeg(record.alpha, 90)
    return [_jpeg(bgr, quality), mask, json.dumps(record.info, default=_plain).encode()]


def _jpeg(image: UInt8[np.ndarray, "h w *c"], quality: int) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _plain(value: Any) -> Any:
    """numpy scalars and arrays as JSON numbers and lists."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"info holds a {type(value).__name__}, which JSON cannot store")


def _labels(records: Sequence[Record]) -> dict[str, np.ndarray]:
    def stack(values: Iterable[Any], dtype: type) -> np.ndarray:
        return np.stack([np.asarray(v, dtype) for v in values])

    padded = [np.pad(r.camera.distortion, (0, _DISTORTION - len(r.camera.distortion))) for r in records]
    return {
        "K": stack((r.camera.K for r in records), np.float64),
        "R": stack((r.camera.R for r in records), np.float64),
        "t": stack((r.camera.t for r in records), np.float64),
        "size": stack((r.camera.size for r in records), np.int64),
        "distortion": stack(padded, np.float64),
        "box": stack((r.box_xywh for r in records), np.float64),
        "joints_mm": stack((r.joints_mm for r in records), np.float32),
        "joints_px": stack((r.joints_px for r in records), np.float32),
        "visibility": stack((r.visibility for r in records), np.uint8),
        "abs_valid": stack((r.abs_valid for r in records), np.uint8),
        **_order_labels(records),
    }


def _order_labels(records: Sequence[Record]) -> dict[str, np.ndarray]:
    """Ordinal labels and weights, 0 where there are none; empty if no record has any."""
    if all(r.order is None for r in records):
        return {}
    shape = len(records), pair_count(len(records[0].joints_mm))
    order, weights = np.zeros(shape, np.int8), np.zeros(shape, np.float32)
    for row, record in enumerate(records):
        if record.order is not None and record.order_w is not None:
            order[row], weights[row] = (np.where(record.order_w > 0, v, 0) for v in (record.order, record.order_w))
    return {"order": order, "order_w": weights}


class Shard:
    """Random access to the records of one file. Images stay on disk; labels are read once."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self._file = safe_open(str(path), framework="np")
            metadata = self._file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise DataError(f"{path}: expected a {FORMAT} file, its metadata says {metadata.get('format')!r}")
            self._labels = {name: self._file.get_tensor(name) for name in (*_LABELS, "parts", "crc")}
            there = set(self._file.keys())
            self._labels |= {name: self._file.get_tensor(name) for name in _ORDER if name in there}
            self._bytes = self._file.get_slice("bytes")
        except (SafetensorError, OSError, ValueError) as error:
            raise DataError(f"{path}: truncated, or not a shard ({error}). Delete it and make it again.") from error
        self.metadata = metadata
        self.skeleton: str = metadata["skeleton"]

    def __len__(self) -> int:
        return len(self._labels["crc"])

    def __getitem__(self, index: int) -> Record:
        """Decode one record.

        Raises:
            DataError: its bytes do not match their checksum.
        """
        parts, row = self._labels["parts"][index], {name: self._labels[name][index] for name in _LABELS}
        start, end = int(parts[0, 0]), int(parts[-1].sum())
        data = self._bytes[start:end]
        if zlib.crc32(data) != self._labels["crc"][index]:
            raise DataError(f"{self.path}: record {index} does not match its checksum. Delete the file, make it again.")
        image, mask, info = (data[offset - start : offset - start + length] for offset, length in parts)
        return Record(
            image=cv2.cvtColor(np.asarray(cv2.imdecode(image, cv2.IMREAD_COLOR)), cv2.COLOR_BGR2RGB),
            camera=_camera(row),
            box_xywh=row["box"],
            joints_mm=row["joints_mm"].astype(np.float64),
            joints_px=row["joints_px"].astype(np.float64),
            visibility=row["visibility"],
            skeleton=self.skeleton,
            alpha=np.asarray(cv2.imdecode(mask, cv2.IMREAD_GRAYSCALE)) if len(mask) else None,
            abs_valid=bool(row["abs_valid"]),
            info=json.loads(info.tobytes()),
            **self._order(index),
        )

    def _order(self, index: int) -> dict[str, np.ndarray]:
        rows = {name: self._labels[name][index] for name in _ORDER if name in self._labels}
        labelled = len(rows) == len(_ORDER) and (rows["order_w"] > 0).any()
        return {name: row.astype(np.float64) for name, row in rows.items()} if labelled else {}


def _camera(row: dict[str, np.ndarray]) -> Camera:
    distortion = row["distortion"] if row["distortion"].any() else np.zeros(0)
    return Camera(row["K"], (int(row["size"][0]), int(row["size"][1])), distortion, row["R"], row["t"])


class ShardFolder:
    """All shards of a folder as one sequence of records; `refresh` picks up shards added since.

    Shards are ordered by number and only ever appended: the list stops at the first missing number, so that an index
    means the same record for ever.

    Raises:
        DataError: the folder has no shard, or one is damaged.
    """

    def __init__(self, folder: str | Path, *, may_be_empty: bool = False) -> None:
        self.folder = Path(folder)
        self._shards: list[Shard] = []
        self._ends = np.zeros(0, np.int64)
        if self.refresh() == 0 and not may_be_empty:
            raise DataError(f"no shard-000000.safetensors in {folder}: mend the path, or render some (synth render)")

    def refresh(self) -> int:
        """Look for new shards; returns the number of records now."""
        while (path := shard_path(self.folder, len(self._shards))).exists():
            self._shards.append(Shard(path))
        self._ends = np.cumsum([len(s) for s in self._shards], dtype=np.int64)
        return len(self)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)} in {self.folder}")
        number = int(np.searchsorted(self._ends, index, side="right"))
        first = int(self._ends[number - 1]) if number else 0
        return self._shards[number][index - first]


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
    order of number as far as the processes keep pace.

    Args:
        make_renderer: picklable; called once in each process.
        count: records in all; rounded up to whole shards.
        workers: processes; 0 renders in this one.
        start: index of the first record, to keep sets disjoint.
        progress: called with (records done, records in all) after every shard.

    Returns:
        Number of records rendered now.

    Raises:
        DataError: the folder cannot be written.
    """
    total = -(-count // per_shard)
    missing = [n for n in range(total) if not shard_path(out, n).exists()]
    jobs = [(str(shard_path(out, n)), start + n * per_shard, per_shard, facts) for n in missing]
    done = total - len(missing)
    for _ in _run(make_renderer, jobs, workers):
        done += 1
        if progress is not None:
            progress(done * per_shard, total * per_shard)
    return len(missing) * per_shard


def _run(make_renderer: Callable[[], Renderer], jobs: list[tuple], workers: int) -> Iterable[int]:
    """The number of records of each shard as it gets done."""
    if not jobs:
        return
    if workers == 0 or len(jobs) < 2:
        renderer = make_renderer()
        for job in jobs:
            yield _render_shard(renderer, *job)
        return
    # spawn: a forked child of a process that has used numba's or torch's threads can hang.
    with get_context("spawn").Pool(min(workers, len(jobs)), _start, (make_renderer,)) as pool:
        yield from pool.imap_unordered(_render_job, jobs)


_RENDERER: list[Renderer] = []


def _start(make_renderer: Callable[[], Renderer]) -> None:
    cv2.setNumThreads(1)
    _RENDERER.append(make_renderer())


def _render_job(job: tuple) -> int:
    return _render_shard(_RENDERER[0], *job)


def _render_shard(renderer: Renderer, path: str, first: int, count: int, facts: dict[str, str] | None) -> int:
    write_shard(path, [renderer(i) for i in range(first, first + count)], facts=facts)
    return count
