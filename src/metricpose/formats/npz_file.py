"""People as a numpy archive: the arrays as they are, and the self-description as JSON text under `header`."""

from __future__ import annotations

import json
import os
import zipfile

import numpy as np

from metricpose.errors import DataError
from metricpose.files import atomic_path
from metricpose.formats.header import ARRAYS, header, people_from
from metricpose.types import People


def write_npz(people: People, path: str | os.PathLike[str]) -> None:
    """Write a `.npz` result file, atomically; `numpy.load(path)["joints_mm"]` reads it without this package."""
    arrays = {name: getattr(people, name) for name in ARRAYS}
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, header=np.array(json.dumps(header(people))), **arrays)


def read_npz(path: str | os.PathLike[str]) -> People:
    """Read what `write_npz` wrote; nothing in the file is executed.

    Raises:
        DataError: unreadable, no numpy archive, another format, or counts that disagree.
    """
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as archive:
            values = {name: archive[name] for name in archive.files}
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, zipfile.BadZipFile, EOFError, AttributeError, TypeError) as error:
        raise DataError(f"{path} is not a numpy archive of plain arrays: {error}") from error
    if "header" not in values:
        raise DataError(f"{path} is not a result file of metricpose: it has no 'header' entry")
    try:
        top = json.loads(str(values.pop("header")))
    except ValueError as error:
        raise DataError(f"{path}: its header is not JSON ({error})") from error
    return people_from(top, {name: values[name] for name in ARRAYS if name in values}, str(path))
