"""Writing one shard, in the layout that `data.shards` states: pictures are compressed as they come, none is kept."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8
from safetensors.numpy import save_file

from metricpose.errors import DataError
from metricpose.files import atomic_path, sort_metadata
from metricpose.skeleton import catalog
from metricpose.skeleton.core import pair_count
from metricpose.types import Record

FORMAT = "metricpose-shard-1"
LABELS = ("K", "R", "t", "size", "distortion", "box", "joints_mm", "joints_px", "visibility", "abs_valid")
ORDER = ("order", "order_w")
_DISTORTION = 12
_MASK_QUALITY = 90


class ShardWriter:
    """Collects records of one skeleton.

    Args:
        skeleton: of the records; needed for a shard that will hold none.
        quality: of the JPEG images; masks are kept at 90.
    """

    def __init__(self, skeleton: str | None = None, *, quality: int = 90) -> None:
        self._skeletons = {skeleton} if skeleton else set()
        self._quality = quality
        self._bytes = bytearray()
        self._parts: list[list[tuple[int, int]]] = []
        self._crcs: list[int] = []
        self._rows: list[dict[str, Any]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, record: Record) -> None:
        """Compress a record's picture and note its labels."""
        pieces = _encode(record, self._quality)
        whole, parts = b"".join(pieces), []
        for piece in pieces:
            parts.append((len(self._bytes), len(piece)))
            self._bytes += piece
        self._skeletons.add(record.skeleton)
        self._parts.append(parts)
        self._crcs.append(zlib.crc32(whole))
        self._rows.append(_row(record))

    def write(self, path: str | Path, facts: dict[str, str] | None = None) -> None:
        """Write the file, atomically.

        Args:
            facts: further metadata, such as the generator's settings.

        Raises:
            DataError: several skeletons, or none to be known, or the disk is full.
        """
        if len(self._skeletons) != 1:
            found = sorted(self._skeletons)
            raise DataError(f"a shard holds records of one skeleton; got {len(self)} records of {found}")
        (skeleton,) = self._skeletons
        arrays = _stacked(self._rows, len(catalog.get(skeleton)))
        arrays["bytes"] = np.frombuffer(self._bytes, np.uint8)
        arrays["parts"] = np.array(self._parts, np.int64).reshape(-1, 3, 2)
        arrays["crc"] = np.array(self._crcs, np.int64)
        with atomic_path(path) as temporary:
            save_file(arrays, temporary, {"format": FORMAT, "skeleton": skeleton, **(facts or {})})
            sort_metadata(temporary)


def write_shard(
    path: str | Path, records: Iterable[Record], *, quality: int = 90, facts: dict[str, str] | None = None
) -> None:
    """Write records (of one skeleton) as one file, atomically; see `ShardWriter`.

    Raises:
        DataError: no records, several skeletons, or the disk is full.
    """
    writer = ShardWriter(quality=quality)
    for record in records:
        writer.add(record)
    writer.write(path, facts)


def _encode(record: Record, quality: int) -> list[bytes]:
    bgr = cv2.cvtColor(record.image, cv2.COLOR_RGB2BGR)
    mask = b"" if record.alpha is None else _jpeg(record.alpha, _MASK_QUALITY)
    return [_jpeg(bgr, quality), mask, json.dumps(record.info, default=_plain).encode()]


def _jpeg(image: UInt8[np.ndarray, "h w *c"], quality: int) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _plain(value: Any) -> Any:
    """numpy scalars and arrays as JSON numbers and lists, paths as text."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"info holds a {type(value).__name__}, which JSON cannot store")


def _row(record: Record) -> dict[str, Any]:
    """A record's labels, by the names of the layout; `order` is None if it has no ordinal labels."""
    camera = record.camera
    order, weights = record.order, record.order_w
    if order is not None and weights is not None:
        order, weights = (np.where(weights > 0, values, 0) for values in (order, weights))
    return {
        "K": camera.K,
        "R": camera.R,
        "t": camera.t,
        "size": camera.size,
        "distortion": np.pad(camera.distortion, (0, _DISTORTION - len(camera.distortion))),
        "box": record.box_xywh,
        "joints_mm": np.asarray(record.joints_mm, np.float32),
        "joints_px": np.asarray(record.joints_px, np.float32),
        "visibility": record.visibility,
        "abs_valid": record.abs_valid,
        "order": order,
        "order_w": weights,
    }


def _stacked(rows: list[dict[str, Any]], joints: int) -> dict[str, np.ndarray]:
    """Labels with one row per record; those of `ORDER` only if a record has any."""
    shapes: dict[str, tuple[type, tuple[int, ...]]] = {
        "K": (np.float64, (3, 3)),
        "R": (np.float64, (3, 3)),
        "t": (np.float64, (3,)),
        "size": (np.int64, (2,)),
        "distortion": (np.float64, (_DISTORTION,)),
        "box": (np.float64, (4,)),
        "joints_mm": (np.float32, (joints, 3)),
        "joints_px": (np.float32, (joints, 2)),
        "visibility": (np.uint8, (joints,)),
        "abs_valid": (np.uint8, ()),
    }
    if any(row["order"] is not None for row in rows):
        pairs = pair_count(joints)
        shapes |= {"order": (np.int8, (pairs,)), "order_w": (np.float32, (pairs,))}
    arrays: dict[str, np.ndarray] = {
        name: np.zeros((len(rows), *shape), dtype) for name, (dtype, shape) in shapes.items()
    }
    for name, array in arrays.items():
        for index, row in enumerate(rows):
            if row[name] is not None:
                array[index] = row[name]
    return arrays
