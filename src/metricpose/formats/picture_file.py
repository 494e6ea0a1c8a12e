"""Pictures as files, written like everything else: whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from metricpose.errors import InputError
from metricpose.files import atomic_path

_OPTIONS = {".jpg": [cv2.IMWRITE_JPEG_QUALITY, 92], ".png": [cv2.IMWRITE_PNG_COMPRESSION, 6]}


def write_picture(image: UInt8[np.ndarray, "h w 3"], path: str | os.PathLike[str]) -> None:
    """Write an RGB picture as .jpg or .png, atomically.

    Raises:
        InputError: another suffix.
        DataError: the file cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(encode_picture(image, Path(path).suffix))


def encode_picture(image: UInt8[np.ndarray, "h w 3"], suffix: str) -> bytes:
    """The bytes of a .jpg or .png file.

    Raises:
        InputError: another suffix, or OpenCV refuses the picture.
    """
    if suffix.lower() not in _OPTIONS:
        raise InputError(f"pictures are written as {' or '.join(_OPTIONS)}, not '{suffix}'")
    try:
        done, data = cv2.imencode(suffix, np.ascontiguousarray(image[..., ::-1]), _OPTIONS[suffix.lower()])
    except cv2.error:  # some versions of OpenCV raise, some return
        done = False
    if not done:
        raise InputError(f"a picture of {image.shape[1]} x {image.shape[0]} pixels cannot be written as {suffix}")
    return data.tobytes()
