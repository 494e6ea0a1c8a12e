"""People as JSON: one object per person, joints by name; NaN is written as null and every float keeps all its bits."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from metricpose.errors import DataError
from metricpose.files import atomic_path
from metricpose.formats.header import STATES, check_header, header, people_from
from metricpose.types import People


def write_json(people: People, path: str | os.PathLike[str]) -> None:
    """Write a `.json` result file, atomically."""
    document = {**header(people), "people": [_person(people, i) for i in range(len(people))]}
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(document, indent=1, allow_nan=False), encoding="utf8")


def read_json(path: str | os.PathLike[str]) -> People:
    """Read what `write_json` wrote.

    Raises:
        DataError: unreadable, no JSON, another format, or counts that disagree.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf8"))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}") from error
    check_header(document, str(path))
    try:
        arrays = _arrays(document["people"], document["skeleton"]["joints"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: an entry of 'people' is missing, misnamed or of the wrong length ({error})"
        ) from error
    return people_from(document, arrays, str(path))


def _person(people: People, index: int) -> dict[str, Any]:
    return {
        "track_id": int(people.track_id[index]),
        "score": float(people.scores[index]),
        "box_xywh": _list(people.boxes[index]),
        "joints": {joint: _joint(people, index, j) for j, joint in enumerate(people.skeleton.joints)},
    }


def _joint(people: People, index: int, joint: int) -> dict[str, Any]:
    return {
        "mm": _list(people.joints_mm[index, joint]),
        "px": _list(people.joints_px[index, joint]),
        "state": STATES[int(people.state[index, joint])],
        "covariance_mm2": _list(people.covariance_mm2[index, joint]),
    }


def _list(values: np.ndarray) -> list[Any]:
    """Nested lists of Python floats, NaN as None; infinity is left to json to refuse."""
    array = np.asarray(values, np.float64).astype(object)
    array[array != array] = None
    return array.tolist()


def _arrays(persons: list[dict[str, Any]], joints: list[str]) -> dict[str, np.ndarray]:
    n, j = len(persons), len(joints)
    codes = {name: code for code, name in STATES.items()}

    def pile(key: str, shape: tuple[int, ...]) -> np.ndarray:
        rows = [[person["joints"][joint][key] for joint in joints] for person in persons]
        return np.array(rows, np.float64).reshape(n, j, *shape)

    return {
        "joints_mm": pile("mm", (3,)),
        "joints_px": pile("px", (2,)),
        "covariance_mm2": pile("covariance_mm2", (3, 3)),
        "state": np.array([[codes[p["joints"][k]["state"]] for k in joints] for p in persons], np.uint8).reshape(n, j),
        "boxes": np.array([p["box_xywh"] for p in persons], np.float64).reshape(n, 4),
        "scores": np.array([p["score"] for p in persons], np.float64).reshape(n),
        "track_id": np.array([p["track_id"] for p in persons], np.int64).reshape(n),
    }
