"""A camera as JSON: for `--camera`, and inside every result file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from metricpose.errors import InputError
from metricpose.files import atomic_path
from metricpose.geometry.camera import Camera

_REQUIRED, _OPTIONAL = ("K", "size"), ("distortion", "R", "t", "unit", "about")
ABOUT = (
    "x right, y down, z forward; K in pixels of the full upright image, integer pixel = pixel centre; distortion "
    "k1 k2 p1 p2 k3 k4 k5 k6 s1 s2 s3 s4; camera = R @ world + t; t in millimetres"
)


def camera_to_dict(camera: Camera) -> dict[str, Any]:
    """Plain JSON values; floats keep every bit."""
    return {
        "K": camera.K.tolist(),
        "size": [int(camera.size[0]), int(camera.size[1])],
        "distortion": camera.distortion.tolist(),
        "R": camera.R.tolist(),
        "t": camera.t.tolist(),
        "unit": "millimetre",
        "about": ABOUT,
    }


def camera_from_dict(values: Any, name: str = "camera") -> Camera:
    """The inverse of `camera_to_dict`; distortion, R and t may be left out, t may be in metres if `unit` says so.

    Raises:
        InputError: K or size is missing, a key is unknown, or a value does not make a camera.
    """
    if not isinstance(values, dict):
        raise InputError(f"{name}: expected an object with the keys K and size, got {type(values).__name__}")
    missing = [key for key in _REQUIRED if key not in values]
    unknown = sorted(set(values) - {*_REQUIRED, *_OPTIONAL})
    if missing or unknown:
        raise InputError(
            f"{name}: missing {missing}, unknown {unknown}; expected K (3 x 3), size [width, height] and "
            f"optionally {', '.join(_OPTIONAL)}"
        )
    factor = _millimetres(values.get("unit", "millimetre"), name)
    width, height = _array(values["size"], (2,), f"{name}: size [width, height]")
    return Camera(
        _array(values["K"], (3, 3), f"{name}: K"),
        (int(width), int(height)),
        _array(values.get("distortion", []), None, f"{name}: distortion"),
        _array(values.get("R", np.eye(3)), (3, 3), f"{name}: R"),
        _array(values.get("t", np.zeros(3)), (3,), f"{name}: t") * factor,
    )


def read_camera(path: str | os.PathLike[str]) -> Camera:
    """Camera from a JSON file, or from the `camera` entry of a result file.

    Raises:
        InputError: unreadable file, no JSON, or no camera in it; the message names the file.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf8"))
    except OSError as error:
        raise InputError(f"cannot read camera file {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise InputError(f"camera file {path} is not JSON: {error}") from error
    if isinstance(values, dict) and isinstance(values.get("camera"), dict):
        values = values["camera"]
    return camera_from_dict(values, f"camera file {path}")


def write_camera(camera: Camera, path: str | os.PathLike[str]) -> None:
    """Write a camera file, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(camera_to_dict(camera), indent=1), encoding="utf8")


def _array(values: Any, shape: tuple[int, ...] | None, name: str) -> Float[np.ndarray, "*shape"]:
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: expected numbers, got {values!r}") from error
    if array.ndim != 1 if shape is None else array.shape != shape:
        raise InputError(f"{name}: expected shape {shape or '(n,)'}, got {array.shape}")
    if not np.isfinite(array).all():
        raise InputError(f"{name} holds NaN or infinity: {array.tolist()}")
    return array


def _millimetres(unit: Any, name: str) -> float:
    factors = {"millimetre": 1.0, "mm": 1.0, "metre": 1000.0, "m": 1000.0}
    if unit not in factors:
        raise InputError(f"{name}: unit '{unit}' of t is not known; expected one of {', '.join(factors)}")
    return factors[unit]
