"""Pickles and npz files: what plain ones hold, and that nothing a file names is ever called."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metricpose.data.safe_pickle import loads, read_npz, read_pickle
from metricpose.errors import DataError

RNG = np.random.default_rng(0)
OBJECTS = np.empty((2, 3), object)
OBJECTS[:] = [[{"a": np.arange(3)}, None, "x"], [1.5, [np.float32(2)], (b"raw",)]]
VALUES: dict[str, Any] = {
    "floats": RNG.normal(size=(2, 3, 4)),
    "fortran": np.asfortranarray(RNG.normal(size=(3, 5)).astype(np.float32)),
    "big endian": np.arange(6, dtype=">i4").reshape(2, 3),
    "text": np.array(["ab", "c"]),
    "bytes": np.array([b"ab", b"c"]),
    "flags": np.array([True, False]),
    "empty": np.zeros((0, 3)),
    "scalar": np.float64(2.5),
    "nested": [OrderedDict(b=1, a=(2, None)), {"s": {1, 2}}, 3 + 4j, "ü", b"\xff"],
    "dtype": np.dtype("<f4"),
}


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        if a.dtype.kind == "O":
            return a.shape == b.shape and all(same(x, y) for x, y in zip(a.ravel(), b.ravel()))
        return a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())
    if isinstance(a, dict):
        return type(a) is type(b) and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and bool(a == b)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_and_arrays_come_back(protocol: int) -> None:
    value = {**VALUES, "objects": OBJECTS}
    found = loads(pickle.dumps(value, protocol), "here")
    assert same(value, found)
    found["floats"][0] = 1.0  # an array of its own, which may be written


def test_a_pickle_of_python_2_is_read() -> None:
    """Written by hand as Python 2's numpy wrote them: text is bytes there, and names are those of old."""
    data = b"\x80\x02}q\x01U\x05posesq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U"
    data += b"\x01b\x87Rq\x05(K\x01K\x02K\x02\x86cnumpy\ndtype\nq\x06U\x02f8K\x00K\x01\x87Rq\x07(K\x03U\x01<NNNJ"
    data += b"\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x20" + np.arange(4.0).tobytes() + b"tbs."
    assert loads(data, "here")["poses"].tolist() == [[0, 1], [2, 3]]


class Calls:
    """Pickles as a call of something."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize(
    "evil",
    [
        Calls(os.system, "echo executed > executed"),
        Calls(eval, "open('executed', 'w')"),
        Calls(open, "executed", "w"),
        {"deep": [np.zeros(2), Calls(os.mkdir, "executed")]},
        Calls(getattr, "x", "join"),
        Calls(np.load, "executed"),
        Path("x"),
    ],
    ids=("system", "eval", "open", "deep", "getattr", "load", "path"),
)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_nothing_is_executed(evil: Any, protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.pkl").write_bytes(pickle.dumps(evil, protocol))
    with pytest.raises(DataError, match=r"labels.pkl: expected plain values and numpy arrays, found a reference to"):
        read_pickle("labels.pkl")
    assert not (tmp_path / "executed").exists()


def test_objects_in_arrays_are_not_executed_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    evil = np.empty(1, object)
    evil[0] = Calls(os.mkdir, "executed")
    np.savez("evil.npz", poses=evil)
    with pytest.raises(DataError, match="mkdir"):
        read_npz("evil.npz")
    assert not (tmp_path / "executed").exists()


def test_references_to_outside_objects_are_refused() -> None:
    with pytest.raises(DataError, match="self-contained"):
        loads(b"\x80\x02U\x01xQ.", "here")


@pytest.mark.parametrize(
    "state",
    [
        "(1, (2, 2), dtype, False, b'12345678')",  # too few bytes
        "(1, (2,), objects, False, b'1234567812345678')",  # bytes taken for pointers
        "(1, (3,), objects, False, [1])",
    ],
)
def test_arrays_that_do_not_fit_their_bytes_are_refused(state: str) -> None:
    class Crafted:
        def __reduce__(self) -> Any:
            names = {"dtype": np.dtype("f8"), "objects": np.dtype(object)}
            make = np.zeros(1).__reduce__()[0]
            return make, (np.ndarray, (0,), b"b"), eval(state, names)

    with pytest.raises(DataError, match="ValueError"):
        loads(pickle.dumps(Crafted(), 2), "here")


@pytest.mark.parametrize("cut", [0.0, 0.3, 0.9])
def test_damaged_files_are_named(tmp_path: Path, cut: float) -> None:
    path = tmp_path / "a.pkl"
    data = pickle.dumps(VALUES, 2)
    path.write_bytes(data[: int(cut * len(data))])
    with pytest.raises(DataError, match=r"a\.pkl: expected a pickle"):
        read_pickle(path)
    with pytest.raises(DataError, match=r"b\.pkl: expected a pickle, found no such file"):
        read_pickle(tmp_path / "b.pkl")


def test_npz_files(tmp_path: Path) -> None:
    plain = {k: v for k, v in VALUES.items() if isinstance(v, np.ndarray)}
    np.savez_compressed(tmp_path / "a.npz", **plain, positions=np.array({"S1": {"Walk": plain["floats"]}}), o=OBJECTS)
    found = read_npz(tmp_path / "a.npz")
    assert same(plain, {k: found[k] for k in plain})
    assert same(found["positions"], {"S1": {"Walk": plain["floats"]}})
    assert same(found["o"], OBJECTS)
    data = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"a\.npz: expected an \.npz file"):
        read_npz(tmp_path / "a.npz")
