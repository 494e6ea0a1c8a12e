"""The file camera.calibration of MPI-INF-3DHP: 14 cameras as the program Skeletool writes them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from metricpose.data.faults import COPY_AGAIN, fault, need_file
from metricpose.geometry.camera import Camera

_HEADER = "Skeletool Camera Calibration File"
_NUMBERS = {"size": 2, "animated": 1, "intrinsic": 16, "extrinsic": 16, "radial": 1}


@lru_cache(maxsize=32)
def read_cameras(path: Path) -> dict[int, Camera]:
    """The cameras of a recording by their number; R and t lead from the world, in millimetres, to the camera.

    Raises:
        DataError: missing, or not such a file, or it holds a lens or a moving camera.
    """
    text = need_file(path, "the cameras of a recording of MPI-INF-3DHP", COPY_AGAIN).read_text("latin1")
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if not text.startswith(_HEADER):
        raise fault(path, f"a text that begins with {_HEADER}", repr(text[:40]))
    blocks: dict[int, dict[str, list[str]]] = {}
    current: dict[str, list[str]] = {}
    for key, *values in lines[1:]:
        if key == "name":
            current = blocks.setdefault(_number(values, path), {})
        current[key] = values
    if not blocks:
        raise fault(path, "cameras, each beginning with a line 'name'", "none")
    return {name: _camera(name, block, path) for name, block in blocks.items()}


def _number(values: list[str], path: Path) -> int:
    if len(values) != 1 or not values[0].isdecimal():
        raise fault(path, "cameras named by numbers", f"'name {' '.join(values)}'")
    return int(values[0])


def _camera(name: int, block: dict[str, list[str]], path: Path) -> Camera:
    found = {key: _parsed(name, key, block.get(key, []), count, path) for key, count in _NUMBERS.items()}
    if found["animated"].any() or found["radial"].any():
        raise fault(path, f"camera {name} without motion and lens distortion", "'animated' or 'radial' other than 0")
    intrinsic, extrinsic = found["intrinsic"].reshape(4, 4), found["extrinsic"].reshape(4, 4)
    left, stretch, right = np.linalg.svd(extrinsic[:3, :3])
    if np.abs(stretch - 1).max() > 0.01 or np.linalg.det(left @ right) < 0:
        raise fault(path, f"a rotation of camera {name}", str(extrinsic[:3, :3].tolist()))
    width, height = (int(v) for v in found["size"])
    # The file rounds to six digits; this is the nearest rotation.
    return Camera(intrinsic[:3, :3], (width, height), R=left @ right, t=extrinsic[:3, 3])


def _parsed(name: int, key: str, values: list[str], count: int, path: Path) -> np.ndarray:
    try:
        numbers = np.array([float(v) for v in values])
    except ValueError:
        numbers = np.zeros(0)
    if len(numbers) != count or not np.isfinite(numbers).all():
        shown = f"'{' '.join([key, *values])[:60]}'" if values else "none"
        raise fault(path, f"a line '{key}' with {count} numbers for camera {name}", shown)
    return numbers
