"""Shards looked at as a data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from metricpose.data.faults import Faults
from metricpose.data.readers import shards
from metricpose.data.readers.contract import find_items, load
from metricpose.data.shards import shard_path, write_shard
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
