"""Reading pickles without executing them: numbers, text, lists, dictionaries and numpy arrays, nothing else.

An ordinary unpickler calls any function a file names. Here the only names are the few that stand for numpy arrays,
and these are taken by stand-ins that build the array from its plain parts; any other name is refused. Files of
Python 2 are understood (their text as latin-1).
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from metricpose.data.faults import fault, need_file
from metricpose.errors import DataError

_UNTRUSTED = (
    "Such files are read without executing them, and this name is not a numpy array's. If you trust the file, open it "
    "where its package is installed and save the arrays with numpy.savez."
)
_PLAIN_KINDS = "biufcSUO"


def read_pickle(path: str | Path) -> Any:
    """Contents of a pickle file.

    Raises:
        DataError: missing, truncated, no pickle, or it names anything but plain values and numpy arrays.
    """
    path = need_file(Path(path), "a pickle", "Mend the path, or copy or extract it again.")
    return loads(path.read_bytes(), str(path))


def read_npz(path: str | Path) -> dict[str, Any]:
    """Arrays of an .npz file; object arrays, which are pickles, are read by `loads`.

    Raises:
        DataError: missing, truncated, no .npz file, or as `read_pickle`.
    """
    path = need_file(Path(path), "an .npz file", "Mend the path, or copy or extract it again.")
    try:
        with zipfile.ZipFile(path) as archive:
            return {n.removesuffix(".npy"): _read_npy(archive.read(n), f"{path}, {n}") for n in archive.namelist()}
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        raise fault(path, "an .npz file of numpy", str(error)) from error


def _read_npy(data: bytes, where: str) -> Any:
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(stream)
    if not dtype.hasobject:
        return np.load(io.BytesIO(data), allow_pickle=False)
    value = loads(data[stream.tell() :], where)
    return value.item() if shape == () else value


def loads(data: bytes, where: str) -> Any:
    """Contents of pickled bytes; `where` names them in messages.

    Raises:
        DataError: as `read_pickle`.
    """
    try:
        return _finished(_Unpickler(data, where).load())
    except DataError:
        raise
    except Exception as error:  # damaged opcodes surface as nearly any exception
        raise fault(where, "a pickle of plain values and numpy arrays", f"{type(error).__name__}: {error}") from error


class _Unpickler(pickle.Unpickler):
    """Knows the stand-ins of numpy arrays and harmless containers, and nothing else."""

    def __init__(self, data: bytes, where: str) -> None:
        super().__init__(io.BytesIO(data), encoding="latin1")
        self._where = where

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for a name, whose module numpy and Python 3 have moved over the years."""
        place = module.replace("numpy._core", "numpy.core").replace("__builtin__", "builtins")
        if (place, name) in _KNOWN:
            return _KNOWN[place, name]
        raise fault(self._where, "plain values and numpy arrays", f"a reference to {module}.{name}", _UNTRUSTED)

    def persistent_load(self, pid: Any) -> Any:
        """Refused: it stands for an object outside the file."""
        raise fault(self._where, "a self-contained pickle", f"a reference to an outside object {pid!r}", _UNTRUSTED)


class _DType:
    """Stands for numpy.dtype: a plain element type."""

    def __init__(self, code: Any, align: Any = False, copy: Any = False) -> None:
        self._dtype = _plain_dtype(code)

    def __setstate__(self, state: tuple) -> None:
        if state[1] in ("<", ">"):
            self._dtype = self._dtype.newbyteorder(state[1])

    @property
    def dtype(self) -> np.dtype:
        return self._dtype


def _plain_dtype(code: Any) -> np.dtype:
    dtype = np.dtype(code if isinstance(code, str) else "V")
    if dtype.kind not in _PLAIN_KINDS:
        raise ValueError(f"element type {code!r} is not a plain number, text or object")
    return dtype


class _Array:
    """Stands for numpy.ndarray: what `__setstate__` is given, until the array is built."""

    def __init__(self, *ignored: Any) -> None:
        self._value: Any = np.zeros(0)

    def __setstate__(self, state: tuple) -> None:
        shape, dtype, fortran, data = state[-4:]
        self._value = _build(data, dtype.dtype, shape, "F" if fortran else "C")

    @property
    def value(self) -> Any:
        return self._value


def _build(data: Any, dtype: np.dtype, shape: Any, order: str) -> np.ndarray:
    shape = tuple(int(n) for n in shape)
    if dtype.kind != "O":
        raw = data.encode("latin1") if isinstance(data, str) else bytes(data)
        return np.frombuffer(raw, dtype).reshape(shape, order=order).copy()  # type: ignore[call-overload]
    if not isinstance(data, list) or len(data) != math.prod(shape):
        raise ValueError(f"an object array of shape {shape} without its {math.prod(shape)} elements")
    value = np.empty(len(data), object)
    for index, element in enumerate(data):
        value[index] = element
    return value.reshape(shape, order=order)  # type: ignore[call-overload]


def _scalar(dtype: _DType, data: Any = b"") -> Any:
    raw = data.encode("latin1") if isinstance(data, str) else bytes(data)
    return np.frombuffer(raw, dtype.dtype)[0]


def _from_buffer(buffer: Any, dtype: _DType, shape: Any, order: str) -> np.ndarray:
    return _build(buffer, dtype.dtype, shape, order)


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Stands for _codecs.encode, which is how old protocols write bytes."""
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"bytes encoded as {encoding}")
    return text.encode("latin1")


_KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "dtype"): _DType,
    ("numpy", "ndarray"): _Array,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): OrderedDict,
    ("builtins", "set"): set,
    ("builtins", "bytes"): lambda: b"",  # how old protocols write no bytes
    ("builtins", "complex"): complex,
}


def _finished(value: Any) -> Any:
    """The value with its stand-ins replaced by what they stand for."""
    if isinstance(value, _Array):
        return _finished(value.value)
    if isinstance(value, _DType):
        return value.dtype
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        flat = value.reshape(-1)
        for index in range(len(flat)):
            flat[index] = _finished(flat[index])
        return flat.reshape(value.shape)
    if isinstance(value, dict):
        return type(value)((_finished(k), _finished(v)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return type(value)(_finished(v) for v in value)
    return value
