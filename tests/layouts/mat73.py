"""A writer of MAT files of version 7.3, as Matlab lays them out in HDF5: for fixtures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

_CLASSES = {"f8": "double", "f4": "single", "u1": "uint8", "i4": "int32", "b1": "logical"}


class _Cell:
    def __init__(self, values: list[Any], shape: tuple[int, int]) -> None:
        self.values, self.shape = values, shape


class _StructArray:
    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows


def cell(values: list[Any], shape: tuple[int, int]) -> Any:
    """A cell array, values row by row."""
    return _Cell(values, shape)


def struct_array(rows: list[dict[str, Any]]) -> Any:
    """A 1 x n array of structs."""
    return _StructArray(rows)


def save_mat73(path: Path, variables: dict[str, Any]) -> None:
    """Write variables: arrays (of two axes or more), text, dictionaries, `cell`, `struct_array`."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in variables.items():
            _write(file, file, name, value)
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64 HDF5 schema 1.00 .".ljust(116) + b"\0" * 8 + b"\0\x02IM"
    with open(path, "r+b") as stream:
        stream.write(header)


def _write(file: h5py.File, group: Any, name: str, value: Any) -> None:
    if isinstance(value, dict):
        inner = group.create_group(name)
        inner.attrs["MATLAB_class"] = np.bytes_("struct")
        for key, part in value.items():
            _write(file, inner, key, part)
    elif isinstance(value, _StructArray):
        inner = group.create_group(name)
        inner.attrs["MATLAB_class"] = np.bytes_("struct")
        for key in value.rows[0]:
            inner.create_dataset(key, data=_references(file, [r[key] for r in value.rows], (1, len(value.rows))))
    elif isinstance(value, _Cell):
        made = group.create_dataset(name, data=_references(file, value.values, value.shape))
        made.attrs["MATLAB_class"] = np.bytes_("cell")
    elif isinstance(value, str):
        made = group.create_dataset(name, data=np.array([[ord(c)] for c in value], np.uint16))
        made.attrs["MATLAB_class"] = np.bytes_("char")
        made.attrs["MATLAB_int_decode"] = np.int32(2)
    else:
        _write_numbers(group, name, np.asarray(value))


def _write_numbers(group: Any, name: str, value: np.ndarray) -> None:
    empty = value.size == 0
    made = group.create_dataset(name, data=np.array(value.shape, np.uint64) if empty else value.T)
    made.attrs["MATLAB_class"] = np.bytes_(_CLASSES[value.dtype.str[1:]])
    if empty:
        made.attrs["MATLAB_empty"] = np.uint8(1)


def _references(file: h5py.File, values: list[Any], shape: tuple[int, int]) -> np.ndarray:
    store = file.require_group("#refs#")
    names = [f"r{len(store) + i}" for i in range(len(values))]
    for name, value in zip(names, values):
        _write(file, store, name, value)
    made = np.empty(len(values), h5py.ref_dtype)
    for i, name in enumerate(names):
        made[i] = store[name].ref
    return made.reshape(shape).T
