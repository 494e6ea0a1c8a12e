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
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8
from safetensors.numpy import save_file

from metricpose.data.mapping import map_tensors
from metricpose.data.processes import run_jobs
from metricpose.data.storage import Entry, open_storage, read_index, shard_name
from metricpose.errors import DataError
from metricpose.files import atomic_path, sort_metadata
from metricpose.geometry.camera import Camera
from metricpose.skeleton import catalog
from metricpose.skeleton.core import pair_count
from metricpose.types import Record

FORMAT = "metricpose-shard-1"
_LABELS = ("K", "R", "t", "size", "distortion", "box", "joints_mm", "joints_px", "visibility", "abs_valid")
_ORDER = ("order", "order_w")
_DISTORTION = 12
_OPEN_AT_ONCE = 512


def shard_path(folder: str | Path, number: int) -> Path:
    """Where shard `number` of a folder lies."""
    return Path(folder) / shard_name(number)


def write_shard(
    path: str | Path,
    records: Sequence[Record],
    *,
    quality: int = 90,
    facts: dict[str, str] | None = None,
    skeleton: str | None = None,
) -> None:
    """Write records (of one skeleton) as one file, atomically.

    Args:
        quality: of the JPEG images; masks are kept at 90.
        facts: further metadata, such as the generator's settings.
        skeleton: of the records; needed for a shard that holds none.

    Raises:
        DataError: several skeletons, or none to be known, or the disk is full.
    """
    skeletons = sorted({r.skeleton for r in records} | ({skeleton} if skeleton else set()))
    if len(skeletons) != 1:
        raise DataError(f"a shard holds records of one skeleton; got {len(records)} records of {skeletons}")
    blob, parts, crcs = bytearray(), [], []
    for record in records:
        pieces = _encode(record, quality)
        ends = len(blob) + np.cumsum([len(p) for p in pieces])
        parts.append([(end - len(p), len(p)) for end, p in zip(ends, pieces)])
        blob += b"".join(pieces)
        crcs.append(zlib.crc32(b"".join(pieces)))
    arrays = _labels(records, len(catalog.get(skeletons[0])))
    arrays["bytes"] = np.frombuffer(bytes(blob), np.uint8)
    arrays |= {"parts": np.array(parts, np.int64).reshape(-1, 3, 2), "crc": np.array(crcs, np.int64)}
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


def _labels(records: Sequence[Record], joints: int) -> dict[str, np.ndarray]:
    def stack(values: Iterable[Any], dtype: type, *shape: int) -> np.ndarray:
        return np.array([np.asarray(v, dtype) for v in values], dtype).reshape(len(records), *shape)

    padded = [np.pad(r.camera.distortion, (0, _DISTORTION - len(r.camera.distortion))) for r in records]
    return {
        "K": stack((r.camera.K for r in records), np.float64, 3, 3),
        "R": stack((r.camera.R for r in records), np.float64, 3, 3),
        "t": stack((r.camera.t for r in records), np.float64, 3),
        "size": stack((r.camera.size for r in records), np.int64, 2),
        "distortion": stack(padded, np.float64, _DISTORTION),
        "box": stack((r.box_xywh for r in records), np.float64, 4),
        "joints_mm": stack((r.joints_mm for r in records), np.float32, joints, 3),
        "joints_px": stack((r.joints_px for r in records), np.float32, joints, 2),
        "visibility": stack((r.visibility for r in records), np.uint8, joints),
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
    """Random access to the records of one file, which stays on disk."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.metadata, self._labels = map_tensors(path)
        if self.metadata.get("format") != FORMAT:
            raise DataError(f"{path}: expected a {FORMAT} file, its metadata says {self.metadata.get('format')!r}")
        missing = [name for name in (*_LABELS, "parts", "crc", "bytes") if name not in self._labels]
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
        parts, row = self._labels["parts"][index], {name: self._labels[name][index] for name in _LABELS}
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
        rows = {name: self._labels[name][index] for name in _ORDER if name in self._labels}
        labelled = len(rows) == len(_ORDER) and (rows["order_w"] > 0).any()
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
    for _ in run_jobs(make_renderer, _render_shard, jobs, workers if len(jobs) > 1 else 0):
        done += 1
        if progress is not None:
            progress(done * per_shard, total * per_shard)
    return len(missing) * per_shard


def _render_shard(renderer: Renderer, job: tuple[str, int, int, dict[str, str] | None]) -> int:
    path, first, count, facts = job
    write_shard(path, [renderer(i) for i in range(first, first + count)], facts=facts)
    return count
