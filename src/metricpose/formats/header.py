"""What every result file says about itself, whatever its format, and the check of it on reading."""

from __future__ import annotations

from typing import Any

import numpy as np

from metricpose.errors import DataError, InputError
from metricpose.formats.camera_file import camera_from_dict, camera_to_dict
from metricpose.skeleton.core import Skeleton
from metricpose.types import INFERRED, MEASURED, NOT_GIVEN, OUT_OF_FRAME, People

FORMAT, VERSION = "metricpose.people", 1
STATES = {MEASURED: "measured", INFERRED: "inferred", OUT_OF_FRAME: "out_of_frame", NOT_GIVEN: "not_given"}
ARRAYS = ("joints_mm", "joints_px", "covariance_mm2", "state", "boxes", "scores", "track_id")


def header(people: People) -> dict[str, Any]:
    """Unit, axes, joint names and tree, camera, scale source, run facts: JSON values only.

    Raises:
        InputError: `people.info` holds something JSON cannot say.
    """
    moved = people.frame == "world"
    return {
        "format": FORMAT,
        "version": VERSION,
        "unit": "millimetre",
        "frame": people.frame,
        "axes": "world axes of the given camera extrinsics" if moved else "x right, y down, z forward",
        "pixels": "joints_px in the full upright image, integer = pixel centre; boxes are left, top, width, height",
        "covariance": "mm^2, of each joint's place in the person, without the person's distance; axes as the joints'",
        "states": {str(code): name for code, name in STATES.items()},
        "skeleton": skeleton_to_dict(people.skeleton),
        "camera": camera_to_dict(people.camera),
        "scale_source": people.scale_source,
        "info": plain(people.info),
    }


def people_from(top: dict[str, Any], arrays: dict[str, np.ndarray], name: str) -> People:
    """Put a People together from a header and its arrays, checking that they fit.

    Raises:
        DataError: another format or version, a missing entry, or counts that disagree; the message names the file.
    """
    check_header(top, name)
    missing = [key for key in ARRAYS if key not in arrays]
    if missing:
        raise DataError(f"{name}: missing {', '.join(missing)}; the file is incomplete")
    try:
        skeleton = _skeleton(top["skeleton"])
        camera = camera_from_dict(top["camera"], name)
        scale_source, info = str(top["scale_source"]), dict(top["info"])
    except (KeyError, TypeError, InputError) as error:
        raise DataError(f"{name}: its header is incomplete or damaged ({error})") from error
    _check_counts(arrays, len(skeleton), name)
    return People(**arrays, camera=camera, skeleton=skeleton, scale_source=scale_source, info=info)


def check_header(top: Any, name: str) -> None:
    """Raise DataError unless `top` is the header of a result file of this version."""
    if not isinstance(top, dict) or top.get("format") != FORMAT:
        raise DataError(f'{name} is not a result file of metricpose: no "format": "{FORMAT}" in it')
    if top.get("version") != VERSION:
        raise DataError(f"{name}: format version {top.get('version')}, this program reads {VERSION}")
    if top.get("unit") != "millimetre":
        raise DataError(f"{name}: unit '{top.get('unit')}', expected 'millimetre'")


def skeleton_to_dict(skeleton: Skeleton) -> dict[str, Any]:
    """Name, joints, parents, sides and where the definition comes from."""
    return {
        "name": skeleton.name,
        "joints": list(skeleton.joints),
        "parents": list(skeleton.parents),
        "sides": list(skeleton.sides),
        "source": skeleton.source,
        "definition": skeleton.definition,
    }


def _skeleton(values: dict[str, Any]) -> Skeleton:
    joints, parents = tuple(values["joints"]), tuple(values["parents"])
    return Skeleton(values["name"], joints, parents, values["source"], values["definition"])


def plain(value: Any, where: str = "info") -> Any:
    """numpy values, tuples and NaN -> what JSON can hold.

    Raises:
        InputError: some other type; the message says where.
    """
    if isinstance(value, dict):
        return {str(k): plain(v, f"{where}.{k}") for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v, where) for v in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist(), where)
    if isinstance(value, np.generic):
        return plain(value.item(), where)
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise InputError(f"{where} holds a {type(value).__name__}; result files take numbers, text, lists and dicts")


def _check_counts(arrays: dict[str, np.ndarray], joints: int, name: str) -> None:
    n = len(arrays["boxes"])
    expected = {
        "joints_mm": (n, joints, 3),
        "joints_px": (n, joints, 2),
        "covariance_mm2": (n, joints, 3, 3),
        "state": (n, joints),
        "boxes": (n, 4),
        "scores": (n,),
        "track_id": (n,),
    }
    for key, shape in expected.items():
        if arrays[key].shape != shape:
            raise DataError(f"{name}: {key} has shape {arrays[key].shape}, expected {shape}")
