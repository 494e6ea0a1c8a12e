"""Which camera took the picture: given, from EXIF, from a stated field of view, or assumed; the source is recorded."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from metricpose.errors import InputError
from metricpose.geometry.camera import Camera
from metricpose.predict.exif import focal_px
from metricpose.predict.images import Photo

DEFAULT_FOV_DEG = 55.0
"""Assumed along the longer image side where nothing is known, as MeTRAbs does."""

_NARROW_DEG = 5.0
_SHORTEST_FOCAL = 0.05  # of the longer side: 169 degrees

GIVEN, FROM_EXIF, FROM_FOV, ASSUMED, ESTIMATED = "given", "exif", "fov", "assumed", "estimated"


@dataclass(frozen=True, eq=False)
class CameraChoice:
    """A camera and where it comes from.

    Attributes:
        camera: intrinsics for the upright image, and extrinsics if they were given.
        origin: GIVEN, FROM_EXIF, FROM_FOV, ASSUMED or ESTIMATED.
        source: the same in words, with the numbers.
        warnings: what to know about it.
    """

    camera: Camera
    origin: str
    source: str
    warnings: tuple[str, ...] = ()


def choose_camera(photo: Photo, camera: Camera | None = None, fov_deg: float | int | None = None) -> CameraChoice:
    """The given camera, else the stated field of view, else EXIF, else 55 degrees along the longer side.

    A camera given for another resolution of the same picture is resized to it.

    Raises:
        InputError: camera and field of view both given, a camera for a picture of another shape or whose matrix cannot
            be in pixels, or an angle outside (0, 180) degrees.
    """
    if camera is not None and fov_deg is not None:
        raise InputError("give either a camera or a field of view, not both")
    if camera is not None:
        return _fit(camera, photo.size)
    if fov_deg is not None:
        stated = camera_of_fov(photo.size, float(fov_deg))
        return CameraChoice(stated, FROM_FOV, f"field of view {fov_deg:g} degrees given", _narrow(float(fov_deg)))
    found = focal_px(photo.exif, photo.size)
    if found is not None:
        f, source = found
        return CameraChoice(camera_of_focal(photo.size, f), FROM_EXIF, f"{source}, {f:.0f} px")
    warning = (
        f"focal length unknown: {DEFAULT_FOV_DEG:g} degrees along the longer side assumed; distances scale with it "
        "(give a camera or a field of view)"
    )
    assumed = camera_of_fov(photo.size, DEFAULT_FOV_DEG)
    return CameraChoice(assumed, ASSUMED, f"assumed field of view {DEFAULT_FOV_DEG:g} degrees", (warning,))


def camera_of_fov(size: tuple[int, int], degrees: float) -> Camera:
    """Square pixels, centred, `degrees` along the longer side.

    Raises:
        InputError: outside (0, 180).
    """
    if not 0.0 < degrees < 180.0:
        raise InputError(f"field of view: expected degrees between 0 and 180, got {degrees:g}")
    return Camera.from_fov(size, math.radians(degrees))


def camera_of_focal(size: tuple[int, int], focal: float) -> Camera:
    """Square pixels, centred, focal length in pixels."""
    width, height = size
    return Camera(np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1.0]]), size)


def scale_focal(camera: Camera, factor: float) -> Camera:
    """The same camera with both focal lengths (and the skew) times `factor`."""
    K = camera.K.copy()
    K[:2, :2] *= factor
    return replace(camera, K=K)


def _narrow(degrees: float) -> tuple[str, ...]:
    if degrees >= _NARROW_DEG:
        return ()
    return (f"field of view {degrees:g} degrees is that of a long telephoto lens; radians? {degrees:g} of them are "
            f"{math.degrees(degrees):.0f} degrees",)  # fmt: skip


def _fit(camera: Camera, size: tuple[int, int]) -> CameraChoice:
    focal = float(np.abs(np.diag(camera.K)[:2]).min())
    if focal < _SHORTEST_FOCAL * max(camera.size):
        raise InputError(
            f"camera: a focal length of {focal:g} pixels for a picture of {camera.size[0]} x {camera.size[1]} sees "
            "half the world; expected K in pixels, not normalised or in millimetres"
        )
    if tuple(camera.size) == size:
        return CameraChoice(camera, GIVEN, "camera given")
    ratios = size[0] / camera.size[0], size[1] / camera.size[1]
    if abs(ratios[0] / ratios[1] - 1) > 0.01:
        turned = " (turned by EXIF? K must be for the upright image)" if tuple(camera.size) == size[::-1] else ""
        raise InputError(
            f"camera is for {camera.size[0]} x {camera.size[1]} pixels, the image has {size[0]} x {size[1]}: "
            f"another shape{turned}; give the camera of this picture"
        )
    note = f"camera resized from {camera.size[0]} x {camera.size[1]} to {size[0]} x {size[1]} pixels"
    return CameraChoice(camera.resize(*size), GIVEN, "camera given", (note,))
