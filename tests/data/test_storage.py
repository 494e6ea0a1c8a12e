"""Folders of shards here and far away: the index, the cache and what is checked on the way."""

from __future__ import annotations

import json
import pickle
import time
import tracemalloc
import uuid
from pathlib import Path

import fsspec
import pytest

from metricpose.data import shards
from metricpose.data.mixing import Phase, Stream
from metricpose.data.shards import ShardFolder, shard_path, write_shard
from metricpose.data.storage import RemoteFolder, open_storage, read_index, shard_name, write_index
from metricpose.errors import DataError
from metricpose.files import sha256
from people import person


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(3):
        write_shard(shard_path(tmp_path / "a", number), [person(2 * number), person(2 * number + 1)])
    return tmp_path / "a"


@pytest.fixture
def url(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The same shards with an index in storage that only fsspec can reach."""
    monkeypatch.setenv("METRICPOSE_SHARD_CACHE", str(tmp_path / "cache"))
    write_index(folder, [2, 2, 2])
    place = f"memory://{uuid.uuid4().hex}"
    storage, root = fsspec.core.url_to_fs(place)
    storage.put(str(folder), root, recursive=True)
    return place


def numbers(source: ShardFolder) -> list[int]:
    return [source[i].info["number"] for i in range(len(source))]


def cached(tmp_path: Path) -> list[str]:
    return sorted(p.name[17:] for p in (tmp_path / "cache").glob("*/*-shard-*"))


def test_an_index_opens_no_shard_until_one_is_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_index(folder, [2, 2, 2])
    opened: list[str] = []
    real = shards.Shard
    monkeypatch.setattr(shards, "Shard", lambda path: (opened.append(Path(path).name), real(path))[1])
    source = ShardFolder(folder)
    assert len(source) == 6
    assert opened == []
    assert source[3].info["number"] == 3
    assert opened == [shard_name(1)]
    write_shard(shard_path(folder, 3), [person(6)])
    assert source.refresh() == 7
    assert numbers(source) == list(range(7))
    assert numbers(pickle.loads(pickle.dumps(source))) == list(range(7))


def test_few_shards_stay_open(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "_OPEN_AT_ONCE", 2)
    source = ShardFolder(folder)
    for index in (0, 5, 2, 4, 1, 3):
        assert source[index].info["number"] == index
        assert len(source._open) <= 2


def test_an_index_that_does_not_fit_is_refused(folder: Path) -> None:
    write_index(folder, [2, 1, 2])
    with pytest.raises(DataError, match=r"has 2 records, index.json says 1. Delete index.json"):
        ShardFolder(folder)[2]
    for text in ("{", '{"format": "other", "shards": []}', '{"format": "metricpose-index-1", "shards": [3]}'):
        (folder / "index.json").write_text(text)
        with pytest.raises(DataError, match=r"index\.json: expected an index of format"):
            ShardFolder(folder)
    write_index(folder, [2, 2, 2])
    shard_path(folder, 1).unlink()
    with pytest.raises(DataError, match=r"shard-000001\.safetensors is gone"):
        ShardFolder(folder)[2]


def test_remote_shards_are_fetched_when_needed_and_once(url: str, tmp_path: Path) -> None:
    source = ShardFolder(url)
    assert len(source) == 6
    assert cached(tmp_path) == []
    assert source[2].info["number"] == 2
    assert cached(tmp_path) == [shard_name(1)]
    assert numbers(source) == list(range(6))
    storage, root = fsspec.core.url_to_fs(url)
    storage.rm(f"{root}/{shard_name(0)}")
    assert numbers(ShardFolder(url)) == list(range(6))  # from the cache
    assert source.refresh() == 6


def test_remote_files_that_are_not_what_the_index_says_are_refused(url: str, tmp_path: Path) -> None:
    storage, root = fsspec.core.url_to_fs(url)
    data = storage.cat(f"{root}/{shard_name(0)}")
    storage.pipe(f"{root}/{shard_name(0)}", data[:-1] + b"x")
    with pytest.raises(DataError, match=r"shard-000000.*expected the file the index describes"):
        ShardFolder(url)[0]
    storage.rm(f"{root}/{shard_name(1)}")
    with pytest.raises(DataError, match=r"shard-000001.safetensors cannot be fetched: FileNotFoundError"):
        ShardFolder(url)[2]
    assert cached(tmp_path) == []
    storage.rm(f"{root}/index.json")
    with pytest.raises(DataError, match="no shard-000000"):
        ShardFolder(url)


def test_the_cache_keeps_to_its_budget(url: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = shard_path(folder, 0).stat().st_size
    monkeypatch.setenv("METRICPOSE_SHARD_CACHE_GB", str(2.5 * size / 1e9))
    source = ShardFolder(url)
    for number in range(3):
        assert source[2 * number].info["number"] == 2 * number
        time.sleep(0.01)
    assert cached(tmp_path) == [shard_name(1), shard_name(2)]
    assert numbers(source) == list(range(6))  # what is gone from the cache is still mapped, or fetched again
    assert numbers(ShardFolder(url)) == list(range(6))


def test_storage_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(DataError, match="nosuch"):
        open_storage("nosuch://bucket/folder")
    assert isinstance(open_storage("memory://x"), RemoteFolder)


def test_what_the_index_says(folder: Path) -> None:
    write_index(folder, [2, 2])
    entries = read_index(open_storage(folder))
    assert [e.records for e in entries] == [2, 2]
    assert entries[1].sha256 == sha256(shard_path(folder, 1))
    assert entries[1].bytes == shard_path(folder, 1).stat().st_size
    assert len(ShardFolder(folder)) == 6  # and one more that the index does not know


def test_ten_million_records_are_an_index_of_a_few_megabytes(tmp_path: Path) -> None:
    entries = [[512, 40_000_000, "0" * 64]] * 19_532
    (tmp_path / "index.json").write_text(json.dumps({"format": "metricpose-index-1", "shards": entries}))
    tracemalloc.start()
    source = ShardFolder(tmp_path)
    draws = Stream(0, (8,), [[Phase(0, len(source))]]).batch(77)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(source) == 10_000_384
    assert max(d.record for d in draws) < len(source)
    assert peak < 40e6
