"""Tensors as views of the file."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from metricpose.data.mapping import map_tensors
from metricpose.errors import DataError

ARRAYS = {
    "a": np.random.default_rng(0).normal(size=(3, 4, 5)),
    "b": np.arange(7, dtype=np.uint8),
    "c": np.zeros((0, 3), np.float32),
    "d": np.array([[-1, 2]], np.int8),
    "e": np.arange(3),
    "f": np.array([True, False]),
}


def test_what_safetensors_writes_is_mapped(tmp_path):
    save_file(ARRAYS, tmp_path / "a", {"format": "x"})
    metadata, found = map_tensors(tmp_path / "a")
    assert metadata == {"format": "x"}
    assert set(found) == set(ARRAYS)
    for name, wanted in ARRAYS.items():
        np.testing.assert_array_equal(found[name], wanted)
        assert found[name].dtype == wanted.dtype
        assert not found[name].flags.writeable
        assert not found[name].flags.owndata


def test_files_that_are_cut_off_or_something_else_are_refused(tmp_path):
    save_file(ARRAYS, tmp_path / "a")
    whole = (tmp_path / "a").read_bytes()
    foreign = json.dumps({"a": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]}}).encode()
    damaged = [whole[:-1], whole[:100], whole[:7], b"", whole + b"x", b"\x80" + whole[1:],
               len(foreign).to_bytes(8, "little") + foreign + b"ab"]  # fmt: skip
    for data in damaged:
        (tmp_path / "b").write_bytes(data)
        with pytest.raises(DataError, match="b: truncated, or not a shard"):
            map_tensors(tmp_path / "b")
    with pytest.raises(DataError, match="none"):
        map_tensors(tmp_path / "none")
