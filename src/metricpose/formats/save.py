"""One pair of functions for all result formats: the file's suffix chooses."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from metricpose.errors import InputError
from metricpose.formats.csv_file import read_csv, write_csv
from metricpose.formats.header import ARRAYS
from metricpose.formats.json_file import read_json, write_json
from metricpose.formats.npz_file import read_npz, write_npz
from metricpose.types import People

_Path = str | os.PathLike[str]
WRITERS: dict[str, Callable[[People, _Path], None]] = {".json": write_json, ".npz": write_npz, ".csv": write_csv}
READERS: dict[str, Callable[[_Path], People]] = {".json": read_json, ".npz": read_npz, ".csv": read_csv}


def save(people: People, path: _Path) -> None:
    """Write a result file in the format of its suffix: .json, .npz or .csv.

    All three hold every array to the last bit, NaN included. `info` becomes what JSON can say: text for its keys, lists
    for tuples, None for numbers that are not finite.

    Raises:
        InputError: another suffix, or infinity in an array.
        DataError: the file cannot be written.
    """
    writer = WRITERS[_suffix(path)]
    endless = [name for name in ARRAYS if np.isinf(getattr(people, name)).any()]
    if endless:
        raise InputError(f"{path}: {', '.join(endless)} hold infinity; expected finite numbers, or NaN for none")
    writer(people, path)


def load(path: _Path) -> People:
    """Read a result file written by `save`.

    Raises:
        InputError: another suffix.
        DataError: unreadable, damaged or not a result file.
    """
    return READERS[_suffix(path)](path)


def _suffix(path: _Path) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in WRITERS:
        raise InputError(f"{path}: no result format for '{suffix}'; expected one of {', '.join(WRITERS)}")
    return suffix


People.saver = save
