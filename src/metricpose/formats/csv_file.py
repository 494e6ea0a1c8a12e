"""People as CSV: one row per person, `<joint>_x_mm` and so on; the first line is a comment that holds the header.

Spreadsheets show the comment as one odd row; `pandas.read_csv(path, comment="#")` skips it.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from metricpose.errors import DataError
from metricpose.files import atomic_path
from metricpose.formats.header import STATES, check_header, header, people_from
from metricpose.types import People

_PREFIX = "# metricpose "
_FIRST = ("person", "track_id", "score", "box_left_px", "box_top_px", "box_width_px", "box_height_px")
_COVARIANCE = {"xx": (0, 0), "yy": (1, 1), "zz": (2, 2), "xy": (0, 1), "xz": (0, 2), "yz": (1, 2)}
_COLUMNS = ("x_mm", "y_mm", "z_mm", "x_px", "y_px", "state", *(f"cov_{c}_mm2" for c in _COVARIANCE))


def write_csv(people: People, path: str | os.PathLike[str]) -> None:
    """Write a `.csv` result file, atomically. NaN becomes an empty cell.

    The covariance is written as its six different elements, so an asymmetric one would lose its lower triangle.
    """
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf8") as stream:
        stream.write(_PREFIX + json.dumps(header(people)) + "\n")
        writer = csv.writer(stream)
        writer.writerow([*_FIRST, *(f"{joint}_{column}" for joint in people.skeleton.joints for column in _COLUMNS)])
        for index in range(len(people)):
            box = [_text(v) for v in people.boxes[index]]
            start = [str(index), str(int(people.track_id[index])), _text(people.scores[index]), *box]
            writer.writerow([*start, *_cells(people, index)])


def read_csv(path: str | os.PathLike[str]) -> People:
    """Read what `write_csv` wrote.

    Raises:
        DataError: unreadable, without its header comment, a column is missing, or a cell is not a number.
    """
    try:
        lines = Path(path).read_text(encoding="utf8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    if not lines or not lines[0].startswith(_PREFIX):
        raise DataError(f"{path} is not a result file of metricpose: its first line does not start with '{_PREFIX}'")
    try:
        top = json.loads(lines[0][len(_PREFIX) :])
    except ValueError as error:
        raise DataError(f"{path}: its header comment is not JSON ({error})") from error
    check_header(top, str(path))
    try:
        arrays = _arrays(list(csv.DictReader(lines[1:])), top["skeleton"]["joints"])
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"{path}: a column is missing or a cell is not a number ({error})") from error
    return people_from(top, arrays, str(path))


def _text(value: float | np.floating) -> str:
    """Shortest text that reads back to the same float64; empty for NaN."""
    return repr(float(value)) if np.isfinite(value) else ""


def _number(cell: str) -> float:
    return float(cell) if cell else float("nan")


def _cells(people: People, index: int) -> Iterator[str]:
    for j in range(len(people.skeleton)):
        yield from (_text(v) for v in people.joints_mm[index, j])
        yield from (_text(v) for v in people.joints_px[index, j])
        yield STATES[int(people.state[index, j])]
        yield from (_text(people.covariance_mm2[index, j][place]) for place in _COVARIANCE.values())


def _arrays(rows: list[dict[str, str]], joints: list[str]) -> dict[str, np.ndarray]:
    n, count = len(rows), len(joints)

    def pile(*columns: str) -> np.ndarray:
        cells = [[[_number(row[f"{joint}_{c}"]) for c in columns] for joint in joints] for row in rows]
        return np.array(cells, np.float64).reshape(n, count, len(columns))

    codes = {name: code for code, name in STATES.items()}
    six = pile(*(f"cov_{c}_mm2" for c in _COVARIANCE))
    covariance = np.empty((n, count, 3, 3))
    for k, (a, b) in enumerate(_COVARIANCE.values()):
        covariance[..., a, b] = covariance[..., b, a] = six[..., k]
    return {
        "joints_mm": pile("x_mm", "y_mm", "z_mm"),
        "joints_px": pile("x_px", "y_px"),
        "covariance_mm2": covariance,
        "state": np.array([[codes[row[f"{j}_state"]] for j in joints] for row in rows], np.uint8).reshape(n, count),
        "boxes": np.array([[_number(row[c]) for c in _FIRST[3:]] for row in rows]).reshape(n, 4),
        "scores": np.array([_number(row["score"]) for row in rows]).reshape(n),
        "track_id": np.array([int(row["track_id"]) for row in rows], np.int64).reshape(n),
    }
