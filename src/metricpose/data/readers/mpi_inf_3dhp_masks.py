"""Masks of the training set of MPI-INF-3DHP: the person before the green screen, and the chair.

The red channel of FGmasks is bright where the picture is to be kept, that of ChairMasks dark on the chair (so the
official compositing script uses them). Beside the green screen all is kept too; therefore only what is near the
person's joints counts, as MargiPose does.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from metricpose.data.faults import fault
from metricpose.data.pictures import read_picture
from metricpose.data.readers import mpi_inf_3dhp_layout as layout
from metricpose.data.readers.mpi_inf_3dhp_layout import Recording
from metricpose.geometry.camera import Camera

_NEAR = 30 / 768
"""How far around the joints the mask counts, in widths of the picture (MargiPose: 30 of 768 pixels)."""


def person_mask(
    folder: Path, recording: Recording, camera: int, number: int, eye: Camera, pixels: Float[np.ndarray, "j 2"]
) -> UInt8[np.ndarray, "h w"] | None:
    """The mask of the person and the chair in a frame, 255 inside; None without both masks, or where they are no good.

    Args:
        eye: the camera, for the size.
        pixels: all joints of the person.

    Raises:
        DataError: a mask cannot be read, or is of another size.
    """
    if recording in layout.WITHOUT_MASKS:
        return None
    found = [layout.find_frames(folder, kind, camera) for kind in ("FGmasks", "ChairMasks")]
    if any(f is None or (f.there is not None and number not in f.there) for f in found):
        return None
    person, chair = (_red(f, number, eye) for f in found if f is not None)
    mask = 255 - chair
    window = _window(pixels, eye.size)
    mask[window] = np.maximum(mask[window], person[window])
    return mask


def _window(pixels: Float[np.ndarray, "j 2"], size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns near the joints."""
    margin = _NEAR * size[0]
    low = np.clip(np.floor(pixels.min(0) - margin), 0, size).astype(int)
    high = np.clip(np.ceil(pixels.max(0) + margin) + 1, 0, size).astype(int)
    return slice(low[1], high[1]), slice(low[0], high[0])


def _red(frames: layout.Frames, number: int, eye: Camera) -> UInt8[np.ndarray, "h w"]:
    picture = frames.picture(number)
    image = read_picture(picture)
    if image.shape[1::-1] != tuple(eye.size):
        wanted = f"masks of {eye.size[0]} x {eye.size[1]} pixels, as the camera says"
        raise fault(picture.path, wanted, f"{image.shape[1]} x {image.shape[0]}", "Use the files as distributed.")
    return np.ascontiguousarray(image[..., 0])
