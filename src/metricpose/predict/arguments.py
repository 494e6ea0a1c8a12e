"""What `PoseModel.predict` is given, in the forms that come naturally, turned into the values it works with."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

from metricpose.errors import InputError
from metricpose.formats.camera_file import camera_from_dict, read_camera
from metricpose.geometry.camera import Camera
from metricpose.predict.detect import Detector, open_detector
from metricpose.predict.estimate import Up

PICTURE_UP = np.array([0.0, -1.0, 0.0])
"""The top of a picture, in the camera's frame."""
_TILTED = math.radians(60.0)


def as_camera(given: Any) -> Camera | None:
    """A camera from a `Camera`, a camera file's path, or what such a file holds.

    Raises:
        InputError: anything else, or no camera in it.
    """
    if given is None or isinstance(given, Camera):
        return given
    if isinstance(given, dict):
        return camera_from_dict(given)
    if isinstance(given, (str, os.PathLike)):
        return read_camera(given)
    raise InputError(
        f"camera: expected a Camera, a camera file or a dict with K and size, got {type(given).__name__}; for a 3 x 3 "
        "matrix K pass metricpose.Camera(K, (width, height))"
    )


def as_detector(given: Any) -> Detector | None:
    """A detector as it is, or from a path for `open_detector`.

    Raises:
        InputError: anything else.
    """
    if isinstance(given, (str, os.PathLike)):
        return open_detector(given)
    if given is None or isinstance(given, Detector):
        return given
    raise InputError(
        f"detector: expected the path of one (see metricpose.open_detector) or a callable with a name that returns "
        f"Boxes, got {type(given).__name__}"
    )


def tilted(up: Up, camera: Camera) -> list[str]:
    """A note if what was called up in the camera's world is far from the picture's: mostly it is another world's."""
    here = camera.R @ np.array(up)
    angle = math.acos(float(np.clip(here @ PICTURE_UP / np.linalg.norm(here), -1.0, 1.0)))
    if angle <= _TILTED:
        return []
    x, y, z = (camera.R.T @ PICTURE_UP).round(2).tolist()
    return [
        f"up {list(up)} is {math.degrees(angle):.0f} degrees from the top of the picture, so people are looked at "
        f"turned by as much; in this camera's world the picture's top is ({x:g}, {y:g}, {z:g})"
    ]
