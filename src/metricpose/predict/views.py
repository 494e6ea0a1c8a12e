"""The views of one person that test-time augmentation averages: the plain crop first, then changed ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8

from metricpose.errors import InputError
from metricpose.geometry.camera import Camera
from metricpose.geometry.crop import crop_camera, resample

MAX_VIEWS = 32
_MAX_ROLL = math.radians(25.0)
_ZOOM_OUT, _ZOOM_IN, _GAMMA = 0.8, 1.1, 0.7
_SHIFT_PX = 8.0

POLICIES = ("margipose-5", "margipose-10")
"""Names of published sets of views, see `policy`."""


@dataclass(frozen=True)
class View:
    """How one view differs from the plain crop; the default is the plain crop.

    Attributes:
        roll: of the content, radians, counter-clockwise.
        zoom: above 1 the person gets larger.
        gamma: exponent of the values.
        flip: mirrored.
        shift_px: moves the crop by these pixels of the photograph, however large the person is in it.
    """

    roll: float = 0.0
    zoom: float = 1.0
    gamma: float = 1.0
    flip: bool = False
    shift_px: tuple[float, float] = (0.0, 0.0)


def policy(name: str) -> list[View]:
    """The crops of MargiPose (section 6.2, after Luvizon et al. 2018): moved by 8 pixels left, up, right and down.

    "margipose-5" are the plain and the four moved crops, "margipose-10" (the paper's) these and their mirror images.

    Raises:
        InputError: another name.
    """
    if name not in POLICIES:
        raise InputError(f"test-time views '{name}' are unknown; give a number or one of {', '.join(POLICIES)}")
    steps = ((0.0, 0.0), (-_SHIFT_PX, 0.0), (0.0, -_SHIFT_PX), (_SHIFT_PX, 0.0), (0.0, _SHIFT_PX))
    flips = (False, True) if name == "margipose-10" else (False,)
    return [View(flip=flip, shift_px=step) for flip in flips for step in steps]


def schedule(n: int | str) -> list[View]:
    """n views, or those of a `policy`; the first is always the plain crop, so that one view is the identity.

    Two views add the mirrored crop. From three on the others lie on both sides of the plain one at steps k: roll up to
    25 degrees either way, zoom from 0.8 to 1.1, gamma from 0.7 to 1/0.7, every other one mirrored (after MeTRAbs,
    whose single view is not the plain crop: docs/METHODS.md).

    Raises:
        InputError: n is not within 1 .. 32, or no policy.
    """
    if isinstance(n, str):
        return policy(n)
    if not 1 <= n <= MAX_VIEWS:
        raise InputError(
            f"test-time views: expected 1 to {MAX_VIEWS}, got {n}; 1 is the plain crop, 5 the usual choice"
        )
    if n == 2:
        return [View(), View(flip=True)]
    reach = n // 2
    steps = sorted(range(-reach, n - reach), key=abs)
    return [_view(k, reach) if k else View() for k in steps]


def crop_view(
    image: UInt8[np.ndarray, "h w 3"],
    camera: Camera,
    box_xywh: np.ndarray,
    side: int,
    view: View,
    up: tuple[float, float, float],
) -> tuple[UInt8[np.ndarray, "s s 3"], Camera]:
    """The crop image of one view and the camera that takes it; `up` is in the frame of `camera`."""
    crop = view_camera(camera, box_xywh, side, view, up)
    pixels = resample(image, camera, crop)
    return (pixels if view.gamma == 1.0 else _gamma_table(view.gamma)[pixels]), crop


def view_camera(
    camera: Camera, box_xywh: Float[np.ndarray, " 4"], side: int, view: View, up: tuple[float, float, float]
) -> Camera:
    """The camera that takes the crop of one view; arguments as `crop_view`."""
    longer = float(max(box_xywh[2:]))
    shift = (view.shift_px[0] / longer, view.shift_px[1] / longer)
    return crop_camera(camera, box_xywh, side, up=up, shift=shift, zoom=view.zoom, roll=view.roll, flip=view.flip)


def can_be_seen(
    camera: Camera, boxes_xywh: Float[np.ndarray, "n 4"], up: tuple[float, float, float]
) -> Bool[np.ndarray, " n"]:
    """Boxes that some crop camera can take: neither wider than a view can be nor beyond the lens model.

    `up` is in the world of `camera`.
    """
    x, y, z = (camera.R @ np.array(up)).tolist()
    seen = np.ones(len(boxes_xywh), bool)
    for k, box in enumerate(boxes_xywh):
        try:
            crop_camera(camera, box, 256, up=(x, y, z))
        except InputError:
            seen[k] = False
    return seen


def _view(k: int, reach: int) -> View:
    t = k / reach
    zoom = 1 + (_ZOOM_IN - 1) * t if k > 0 else 1 + (1 - _ZOOM_OUT) * t
    return View(roll=_MAX_ROLL * t, zoom=zoom, gamma=_GAMMA**-t, flip=k % 2 == 1)


def _gamma_table(gamma: float) -> UInt8[np.ndarray, " 256"]:
    return np.rint(255.0 * (np.arange(256) / 255.0) ** gamma).astype(np.uint8)
