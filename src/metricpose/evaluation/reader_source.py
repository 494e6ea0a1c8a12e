"""A split of a research data set as the records of a protocol."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from jaxtyping import Int

from metricpose.data import readers
from metricpose.data.faults import Faults
from metricpose.data.readers.contract import Item, Labels, Reader, facts, find_items, load
from metricpose.errors import DataError, InputError
from metricpose.evaluation.definition import Protocol
from metricpose.types import UNKNOWN, Record

_HASHED = 64
"""Items whose labels go into the description of the data, evenly over all."""


@dataclass(frozen=True)
class ReaderSource:
    """Records of a reader, whole or labels alone.

    Attributes:
        rows: which of the items, in order.
        pictures: whether pictures are read; without, every record has a black one that takes no memory.
    """

    reader: Reader
    items: Sequence[Item]
    rows: Int[np.ndarray, " n"]
    pictures: bool = True

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Record:
        item = self.items[int(self.rows[index])]
        return load(self.reader, item) if self.pictures else without_picture(self.reader, item)

    def refresh(self) -> int:
        """The number of records; a data set does not grow."""
        return len(self)


def without_picture(reader: Reader, item: Item) -> Record:
    """The labels of an item; its picture is not read."""
    labels: Labels = reader.labels(item)
    width, height = labels.camera.size
    visibility = np.full(len(labels.joints_mm), UNKNOWN, np.uint8) if labels.visibility is None else labels.visibility
    return Record(
        image=np.broadcast_to(np.uint8(0), (height, width, 3)),
        camera=labels.camera,
        box_xywh=np.asarray(labels.box_xywh, np.float64),
        joints_mm=np.asarray(labels.joints_mm, np.float64),
        joints_px=np.asarray(labels.pixels, np.float64),
        visibility=visibility,
        skeleton=item.skeleton or reader.about.skeleton,
        abs_valid=labels.abs_valid,
        info=facts(reader, item, labels),
    )


def open_reader(
    protocol: Protocol, folder: Path, *, reader: str | None = None, count: int | None = None, pictures: bool = True
) -> ReaderSource:
    """The records of a protocol's split.

    Args:
        reader: one of the protocol's; None takes the first whose files are there.
        count: items, evenly over all; None takes all.

    Raises:
        InputError: not a reader of this protocol.
        DataError: the files are missing or damaged, or there are fewer items than asked for.
    """
    if reader is not None and reader not in protocol.readers:
        raise InputError(f"protocol {protocol.name} reads {' or '.join(protocol.readers)}, not '{reader}'")
    found, items = _first([reader] if reader else list(protocol.readers), protocol, folder)
    usable = _usable(found, items, protocol)
    if count is not None and not 1 <= count <= len(usable):
        raise DataError(f"protocol {protocol.name}: asked for {count} items, {folder} holds {len(usable)}; use --count")
    if count is not None:
        usable = usable[np.linspace(0, len(usable) - 1, count).round().astype(np.int64)]
    return ReaderSource(found, items, usable, pictures)


def _first(names: list[str], protocol: Protocol, folder: Path) -> tuple[Reader, Sequence[Item]]:
    """The first reader that finds the split there."""
    refused = []
    for name in names:
        reader = readers.get(name)
        try:
            splits = [find_items(reader, folder, name, Faults()) for name in protocol.split.split("+")]
            return reader, splits[0] if len(splits) == 1 else list(chain(*splits))
        except DataError as error:
            refused.append(f"{name}: {error}")
    listed = "".join(f"\n  {text}" for text in refused)
    raise DataError(f"{folder} does not hold what protocol {protocol.name} needs.{listed}")


def _usable(reader: Reader, items: Sequence[Item], protocol: Protocol) -> Int[np.ndarray, " n"]:
    """Rows of the items that have the fact the protocol asks for."""
    if not protocol.only_with:
        return np.arange(len(items))
    having = [bool(reader.labels(item).info.get(protocol.only_with)) for item in items]
    if not any(having):
        raise DataError(f"protocol {protocol.name}: none of {len(items)} items has a '{protocol.only_with}' above 0")
    return np.flatnonzero(having)


def describe(source: ReaderSource) -> str:
    """The data in words, with a hash of the ids of its items and of the labels of some."""
    about, digest = source.reader.about, hashlib.sha256()
    for row in source.rows:
        digest.update(source.items[int(row)].id.encode() + b"\n")
    for index in np.linspace(0, len(source) - 1, min(_HASHED, len(source))).astype(np.int64):
        labels = source.reader.labels(source.items[int(source.rows[index])])
        numbers = np.concatenate([np.ravel(labels.joints_mm), np.ravel(labels.box_xywh), np.ravel(labels.camera.K)])
        digest.update(np.rint(np.nan_to_num(numbers, nan=-1e6)).astype(np.int64).tobytes())
    return f"{about.title} ({about.name}), items and labels {digest.hexdigest()[:16]}"


def shortfall(source: ReaderSource, protocol: Protocol) -> str:
    """How many items the full split has, if that is known and other than what is there; else ""."""
    parts = [source.reader.about.splits.get(name) for name in protocol.split.split("+")]
    full = 0 if None in parts else sum(filter(None, parts))
    return f"{len(source.items)} of the full set's {full} items" if full and full != len(source.items) else ""
