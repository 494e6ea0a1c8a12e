"""MAT files of any version and CDF files as numpy arrays, through scipy, h5py and cdflib (the extra `data`).

A MAT file becomes plain values in Matlab's own shapes, the same for version 5 and version 7.3 (HDF5): numbers are
arrays of at least two axes, text is str, a 1 x 1 struct is a dict, a cell or struct array is an object array.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from metricpose.data.faults import fault, need_file
from metricpose.errors import MissingExtraError

_MEND = "Mend the path, or copy or extract it again."
_HDF5 = b"\x89HDF\r\n\x1a\n"
_HDF5_OFFSET = 512  # Matlab's own header comes first


def read_mat(path: str | Path, *names: str) -> dict[str, Any]:
    """Variables of a MAT file: those named, else all.

    Raises:
        DataError: missing, truncated, no MAT file, or without a named variable.
        MissingExtraError: scipy, or h5py for version 7.3, is not installed.
    """
    path = need_file(Path(path), "a MAT file", _MEND)
    with open(path, "rb") as stream:
        head = stream.read(_HDF5_OFFSET + len(_HDF5))
    newer = _HDF5 in (head[: len(_HDF5)], head[_HDF5_OFFSET:])
    found = _read_mat_73(path, names) if newer else _read_mat_5(path, names)
    missing = [name for name in names if name not in found]
    if missing:
        raise fault(path, f"the variables {', '.join(names)}", f"no {', '.join(missing)}", "Is it another file's name?")
    return found


def _read_mat_5(path: Path, names: tuple[str, ...]) -> dict[str, Any]:
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise MissingExtraError("scipy", "data", "reading a MAT file") from error
    try:
        found = loadmat(str(path), variable_names=names or None, struct_as_record=True, chars_as_strings=True)
    except Exception as error:  # scipy raises half a dozen types on damaged files
        raise fault(path, "a MAT file of version 5 or 7.3", f"{type(error).__name__}: {error}") from error
    return {name: _plain_5(value) for name, value in found.items() if not name.startswith("__")}


def _plain_5(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.names:
        made = [{name: _plain_5(row[name]) for name in value.dtype.names} for row in value.reshape(-1)]
        return made[0] if len(made) == 1 else _objects(made, value.shape)
    if value.dtype.kind in "US":
        return "".join(value.reshape(-1).tolist()) if value.size <= 1 else _objects(value.reshape(-1), value.shape)
    if value.dtype.kind == "O":
        return _objects([_plain_5(v) for v in value.reshape(-1)], value.shape)
    return value


def _objects(values: Any, shape: tuple[int, ...]) -> np.ndarray:
    out = np.empty(len(values), object)
    for index, value in enumerate(values):
        out[index] = value
    return out.reshape(shape)


def _read_mat_73(path: Path, names: tuple[str, ...]) -> dict[str, Any]:
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError("h5py", "data", "reading a MAT file of version 7.3") from error
    try:
        with h5py.File(path, "r") as file:
            wanted = [n for n in (names or file.keys()) if n in file and not n.startswith("#")]
            return {name: _Hdf5(file, h5py).plain(file[name]) for name in wanted}
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise fault(path, "a MAT file of version 7.3", f"{type(error).__name__}: {error}") from error


class _Hdf5:
    """Matlab's way of writing its types into HDF5, undone: axes reversed, cells and struct arrays as references."""

    def __init__(self, file: Any, h5py: Any) -> None:
        self._file, self._h5py = file, h5py

    def plain(self, node: Any) -> Any:
        """The value of a data set or group."""
        if isinstance(node, self._h5py.Group):
            return self._struct(node)
        kind = node.attrs.get("MATLAB_class", b"")
        if node.attrs.get("MATLAB_empty", 0):
            shape = tuple(int(n) for n in node[()].reshape(-1))
            return "" if kind == b"char" else _objects([], shape) if kind == b"cell" else np.zeros(shape)
        value = node[()]
        if node.dtype == self._h5py.ref_dtype:
            return self._follow(value.T)
        if kind == b"char":
            return "".join(chr(c) for c in value.T.reshape(-1))
        return value.T

    def _follow(self, references: np.ndarray) -> np.ndarray:
        return _objects([self.plain(self._file[r]) for r in references.reshape(-1)], references.shape)

    def _struct(self, group: Any) -> Any:
        """One struct; or, where every field is a table of references that is no cell, an array of structs."""
        fields = {name: group[name] for name in group}
        array = all(
            isinstance(f, self._h5py.Dataset) and f.dtype == self._h5py.ref_dtype and "MATLAB_class" not in f.attrs
            for f in fields.values()
        )
        if not fields or not array:
            return {name: self.plain(field) for name, field in fields.items()}
        columns = {name: self._follow(field[()].T) for name, field in fields.items()}
        shape = next(iter(columns.values())).shape
        rows = [dict(zip(columns, row)) for row in zip(*(c.reshape(-1) for c in columns.values()))]
        return rows[0] if len(rows) == 1 else _objects(rows, shape)


def read_cdf(path: str | Path, variable: str) -> np.ndarray:
    """One variable of a CDF file.

    Raises:
        DataError: missing, truncated, no CDF file, or without this variable.
        MissingExtraError: cdflib is not installed.
    """
    path = need_file(Path(path), "a CDF file", _MEND)
    try:
        import cdflib
    except ImportError as error:
        raise MissingExtraError("cdflib", "data", "reading a CDF file") from error
    try:
        file = cdflib.CDF(str(path))
        info = file.cdf_info()
        known = [*info.zVariables, *info.rVariables]
        value = np.asarray(file.varget(variable)) if variable in known else None
    except Exception as error:  # cdflib raises nearly anything on damaged files
        raise fault(path, "a CDF file", f"{type(error).__name__}: {error}") from error
    if value is None:
        raise fault(
            path, f"the variable {variable}", f"only {', '.join(known) or 'none'}", "Is it another file's name?"
        )
    return value
