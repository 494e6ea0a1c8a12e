"""Shards looked at as a data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from metricpose.data.faults import Faults
from metricpose.data.readers import shards
from metricpose.data.readers.contract import find_items, load
from metricpose.data.shards import shard_path, write_shard
from metricpose.data.storage import write_index
from metricpose.errors import DataError
from people import person


def test_records_come_back_and_damage_is_left_out(tmp_path: Path) -> None:
    shards._open.cache_clear()
    shards._record.cache_clear()
    for number in range(3):
        write_shard(shard_path(tmp_path, number), [person(2 * number), person(2 * number + 1)])
    items = find_items(shards.READER, tmp_path, "all", Faults())
    assert [item.id for item in items][1:3] == ["shard-000000/000001", "shard-000001/000000"]
    record = load(shards.READER, items[3])
    np.testing.assert_allclose(record.joints_mm, person(3).joints_mm, atol=1e-3)
    assert record.info["number"] == 3
    assert record.alpha is not None
    shards._open.cache_clear()
    shard_path(tmp_path, 1).write_bytes(b"nonsense")
    with pytest.raises(DataError, match="shard-000001"):
        find_items(shards.READER, tmp_path, "all", Faults())
    faults = Faults(skip_bad=True)
    assert len(find_items(shards.READER, tmp_path, "all", faults)) == 4
    assert [entry.where for entry in faults.bad] == ["shard-000001.safetensors"]


def lose(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lose, r"000001\.safetensors: expected the shard that index\.json names, found no such file"),
        (cut, r"000001\.safetensors: expected [\d,]+ bytes, as index\.json says, found [\d,]+\. Copy it again"),
        (flip, r"000001\.safetensors: expected the SHA-256 that index\.json names, found another one"),
    ],
    ids=["lost", "cut off", "a bit"],
)
@pytest.mark.parametrize("last", [False, True])
def test_shards_must_be_as_their_index_says(
    tmp_path: Path, damage: Callable[[Path], None], message: str, last: bool
) -> None:
    count = 2 if last else 3
    for number in range(count):
        write_shard(shard_path(tmp_path, number), [person(number)])
    write_index(tmp_path, [1] * count)
    assert len(find_items(shards.READER, tmp_path, "all", Faults())) == count
    shards._open.cache_clear()
    damage(shard_path(tmp_path, 1))
    with pytest.raises(DataError, match=message):
        [load(shards.READER, item) for item in find_items(shards.READER, tmp_path, "all", Faults())]
    faults, whole = Faults(skip_bad=True), []
    for item in find_items(shards.READER, tmp_path, "all", faults):
        with faults.catch(item.picture.path.name):
            whole.append(load(shards.READER, item))
    assert len(whole) == count - 1
    assert [entry.where for entry in faults.bad] == ["shard-000001.safetensors"]
