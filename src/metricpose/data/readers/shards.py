"""Shards made by `data prepare` or `synth render`, to be looked at and checked like any other data set."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from metricpose.data.faults import Faults, fault, need_file
from metricpose.data.pictures import Picture
from metricpose.data.readers.contract import Description, Index, Item, Labels, Reader, Stretch
from metricpose.data.shards import Shard, shard_path
from metricpose.data.storage import INDEX, Entry, LocalFolder, read_index
from metricpose.files import sha256
from metricpose.types import Record

_REMEDY = "Copy it again, or delete all shards from it on and run data prepare --resume."

ABOUT = Description(
    name="shards",
    title="shards made by metricpose",
    labels="those of what they were made from",
    licence="that of what they were made from, which stands in each file",
    source="metricpose data prepare, metricpose synth render",
    citation="",
    skeleton="metricpose_25",
    joints="each shard names its skeleton",
    units="millimetres, pixels",
    camera="stored with each record",
    skips="nothing",
    layout={"shard-000000.safetensors": "and so on, without a gap"},
    splits={"all": None},
)


def index(folder: Path, split: str, faults: Faults) -> Sequence[Item]:
    """All records, by their place; a shard that the folder's index names must be there, of the length it says."""
    stretches, number, named = [], 0, []
    with faults.catch(INDEX):
        named = read_index(LocalFolder(folder))
    while number < len(named) or shard_path(folder, number).exists():
        path = shard_path(folder, number)
        with faults.catch(path.name):
            if number < len(named):
                _need_length(path, named[number])
            shard = Shard(path)
            stretches.append(Stretch(len(shard), partial(_item, path, shard.skeleton)))
        number += 1
    return Index(stretches)


def _need_length(path: Path, entry: Entry) -> None:
    need_file(path, f"the shard that {INDEX} names", _REMEDY)
    if path.stat().st_size != entry.bytes:
        raise fault(path, f"{entry.bytes:,} bytes, as {INDEX} says", f"{path.stat().st_size:,}", _REMEDY)


def _item(path: Path, skeleton: str, row: int) -> Item:
    return Item(f"{path.stem}/{row:06d}", Picture(path), (path, row), skeleton=skeleton)


def labels(item: Item) -> Labels:
    """The labels of a record, whose checksum is verified."""
    record = _record(*item.row)
    return Labels(
        camera=record.camera,
        box_xywh=record.box_xywh,
        joints_mm=record.joints_mm,
        joints_px=record.joints_px,
        visibility=record.visibility,
        abs_valid=record.abs_valid,
        info=record.info,
        order=record.order,
        order_w=record.order_w,
    )


def image(item: Item) -> UInt8[np.ndarray, "h w 3"]:
    """The picture of a record."""
    return _record(*item.row).image


def alpha(item: Item) -> UInt8[np.ndarray, "h w"] | None:
    """The mask of a record, if it has one."""
    return _record(*item.row).alpha


@lru_cache(maxsize=2)
def _record(path: Path, row: int) -> Record:
    return _open(path)[row]


@lru_cache(maxsize=8)
def _open(path: Path) -> Shard:
    """A shard whose SHA-256 is that of the folder's index, if there is one."""
    named, number = read_index(LocalFolder(path.parent)), int(path.stem.rpartition("-")[2])
    if number < len(named) and sha256(path) != named[number].sha256:
        raise fault(path, f"the SHA-256 that {INDEX} names", "another one", _REMEDY)
    return Shard(path)


READER = Reader(ABOUT, index, labels, image, alpha)
