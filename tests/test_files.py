"""Atomic writing and hashing."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from metricpose.errors import DataError
from metricpose.files import atomic_path, sha256, sort_metadata


def test_a_finished_file_replaces_the_old_one_and_keeps_its_suffix(tmp_path: Path) -> None:
    target = tmp_path / "new folder" / "result.json"
    target.parent.mkdir()
    target.write_text("old")
    with atomic_path(target) as path:
        assert path.suffix == ".json"
        assert path.parent == target.parent
        path.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert os.listdir(target.parent) == ["result.json"]


def test_missing_folders_are_made_and_the_file_has_the_usual_permissions(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a" / "b" / "x.txt") as path:
        path.write_text("x")
    plain = tmp_path / "plain.txt"
    plain.write_text("x")
    mode = stat.S_IMODE((tmp_path / "a" / "b" / "x.txt").stat().st_mode)
    assert mode == stat.S_IMODE(plain.stat().st_mode)


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    target.write_text("old")

    def fail_half_way() -> None:
        with atomic_path(target) as path:
            path.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["result.json"]


def test_a_full_disk_is_a_data_error_and_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(DataError, match=r"cannot write .*x\.npz: No space left.*free space"),
        atomic_path(tmp_path / "x.npz"),
    ):
        raise OSError(28, "No space left on device")
    assert os.listdir(tmp_path) == []


def test_a_file_where_a_folder_should_be_is_a_data_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot write"), atomic_path(tmp_path / "file" / "x.txt"):
        pass


def test_a_failing_tensor_writer_is_a_data_error(tmp_path: Path) -> None:
    with (
        pytest.raises(DataError, match=r"cannot write .*x\.safetensors: Error while serializing"),
        atomic_path(tmp_path / "x.safetensors"),
    ):
        raise SafetensorError("Error while serializing: I/O error: No space left on device")
    assert os.listdir(tmp_path) == []


def test_sorted_metadata_change_order_only(tmp_path: Path) -> None:
    names = {"b": "größe \x01 \n", "a": 'quote " and backslash \\', **{f"k{i}": str(i) for i in range(20)}}
    found = set()
    for i in range(6):
        path = tmp_path / f"{i}.safetensors"
        save_file({"y": np.arange(5.0), "x": np.zeros((2, 3), np.uint8)}, path, names)
        sort_metadata(path)
        found.add(path.read_bytes())
        with safe_open(path, framework="np") as file:
            assert file.metadata() == names
            assert file.get_tensor("y").tolist() == [0, 1, 2, 3, 4]
    assert len(found) == 1


def test_sha256_reads_beyond_one_block(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000  # 1.28 MB, more than one block of 1 MiB
    (tmp_path / "x").write_bytes(data)
    assert sha256(tmp_path / "x") == hashlib.sha256(data).hexdigest()


def test_sha256_of_a_missing_file_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read"):
        sha256(tmp_path / "absent")
