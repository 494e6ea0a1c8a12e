"""Shards of made-up people, half of them in the target domain, and a size that takes seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from metricpose.benchmark import sizes
from metricpose.benchmark.sizes import Size
from metricpose.data.shards import shard_path, write_shard
from people import person

TRAIN, TEST = 6, 5


@pytest.fixture(scope="session")
def people_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`train` and `test`."""
    folder = tmp_path_factory.mktemp("people")
    for name, first, count in (("train", 100, TRAIN), ("test", 0, TEST)):
        made = [person(first + i, size=(96, 80)) for i in range(count)]
        poses = ("walking", "dance")
        records = [replace(r, info={**r.info, "pose": poses[i % 2]}) for i, r in enumerate(made)]
        write_shard(shard_path(folder / name, 0), records)
    return folder


@pytest.fixture(scope="session")
def tiny() -> Size:
    """The smoke size with fewer people."""
    return sizes.SMOKE.model_copy(update={"records": TRAIN, "whole": 4, "truncated": 2, "side": 32})
