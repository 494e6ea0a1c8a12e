"""Image in: a file or an array -> an upright 8-bit RGB picture, with everything done to it on record.

Boxes, intrinsics and results refer to the **upright** image, as a viewer shows it: the EXIF orientation is applied
exactly once, here.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Shaped, UInt8

from metricpose.errors import InputError
from metricpose.predict.containers import Container, inspect
from metricpose.predict.exif import Exif, parse

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
_OTHER_PICTURES = (
    *(".heic", ".heif", ".avif", ".gif", ".jxl", ".psd"),
    *(".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2"),
    *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm"),
)
_MIN_SIDE = 16
_WHITE = 255.0


@dataclass(frozen=True, eq=False)
class Photo:
    """One picture, ready to use.

    Attributes:
        image: (h, w, 3) uint8 RGB, upright.
        path: the file it came from, or None for an array.
        exif: lens and orientation facts; the orientation has been applied already.
        warnings: what was done to the picture or is unusual about it, in words.
    """

    image: UInt8[np.ndarray, "h w 3"]
    path: Path | None = None
    exif: Exif = field(default_factory=Exif)
    warnings: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.image.shape[1], self.image.shape[0]


def read_photo(path: str | os.PathLike[str]) -> Photo:
    """Read an image file: JPEG (also CMYK), PNG, WebP, TIFF or BMP; colour, grey, with alpha, 8 or 16 bits.

    16-bit values are divided by 257; alpha is composited over white; grey is repeated three times; of several frames
    the first is taken. Each is noted in `warnings`.

    Raises:
        InputError: missing, empty, no image, of an unreadable kind, truncated, damaged, or under 16 pixels wide.
    """
    path = Path(path)
    data = _bytes_of(path)
    container = inspect(data)
    _refuse(path, container)
    exif = parse(container.exif) if container.exif else Exif()
    image, warnings = to_rgb8(_decode(path, data), str(path), bgr=True)
    if container.kind != "tiff":  # OpenCV's TIFF reader turns the picture by itself, whatever the flags
        image = upright(image, exif.orientation)
    if exif.orientation != 1:
        warnings = (*warnings, f"turned upright by its EXIF orientation {exif.orientation}; boxes and K refer to that")
    return Photo(np.ascontiguousarray(image), path, exif, warnings)


def as_photo(image: Any) -> Photo:
    """A path is read, an array is checked and converted.

    Raises:
        InputError: neither a path nor a (h, w), (h, w, 1), (h, w, 3) or (h, w, 4) array of uint8, uint16 or float in
            [0, 1]; see `to_rgb8`.
    """
    if isinstance(image, Photo):
        return image
    if isinstance(image, (str, os.PathLike)):
        return read_photo(image)
    if not isinstance(image, np.ndarray):
        raise InputError(
            f"image: expected a path or a numpy array (height, width, 3) RGB, got {type(image).__name__}; "
            "convert with numpy.asarray (for torch: image.permute(1, 2, 0).cpu().numpy())"
        )
    pixels, warnings = to_rgb8(image, "image")
    return Photo(np.ascontiguousarray(pixels), None, Exif(), warnings)


def find_images(*sources: str | os.PathLike[str]) -> list[Path]:
    """The image files that paths, folders or glob patterns stand for, each once; those of a folder or pattern sorted.

    Raises:
        InputError: nothing there, an empty folder, or a folder or pattern without image files.
    """
    return list(dict.fromkeys(image for source in sources for image in _images_of(source)))


def left_out(*sources: str | os.PathLike[str]) -> list[Path]:
    """Pictures and videos in the folders among the sources that `find_images` passes over: of kinds not read here."""
    inside = (p for source in sources if Path(source).is_dir() for p in sorted(Path(source).iterdir()))
    return [p for p in inside if p.is_file() and p.suffix.lower() in _OTHER_PICTURES]


def _images_of(source: str | os.PathLike[str]) -> list[Path]:
    path = Path(source)
    if path.is_file():
        return [path]
    kinds = " ".join(s[1:] for s in SUFFIXES)
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
        if not found:
            raise InputError(f"folder {path} holds no image files; looked for {kinds}, not in sub-folders")
        return found
    if glob.has_magic(str(source)):
        found = sorted(Path(p) for p in glob.glob(str(source), recursive=True) if Path(p).is_file())
        if not found:
            raise InputError(f"no file matches {source}; quote the pattern so that the shell leaves it alone")
        return found
    raise InputError(f"{path} does not exist; expected an image file, a folder, or a pattern such as 'shots/*.jpg'")


def to_rgb8(
    array: Shaped[np.ndarray, "*shape"], name: str, *, bgr: bool = False
) -> tuple[UInt8[np.ndarray, "h w 3"], tuple[str, ...]]:
    """Any ordinary pixel array -> (h, w, 3) uint8 RGB, and notes on what was done.

    Args:
        array: (h, w), (h, w, 1), (h, w, 3) or (h, w, 4); uint8, uint16, or float in [0, 1].
        name: how messages call it.
        bgr: the channels come in OpenCV's order.

    Raises:
        InputError: another shape or type, an axis order of channels first, values out of range, NaN, or too small.
    """
    _check_shape(array, name)
    pixels, notes = _to_8_bit(array, name)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2), (*notes, "greyscale: repeated to three channels")
    if bgr:
        pixels = pixels[..., [2, 1, 0, *range(3, pixels.shape[2])]]
    if pixels.shape[2] == 4:
        return _over_white(pixels), (*notes, "alpha channel: composited over white")
    return pixels, notes


def upright(image: UInt8[np.ndarray, "h w 3"], orientation: int) -> UInt8[np.ndarray, "h2 w2 3"]:
    """Apply an EXIF orientation: the stored picture -> the picture as it is meant to be seen."""
    turns = {1: 0, 2: 0, 3: 2, 4: 2, 5: 3, 6: 3, 7: 1, 8: 1}[orientation]
    mirrored = orientation in (2, 4, 5, 7)
    turned = np.rot90(image, turns)
    return turned[:, ::-1] if mirrored else turned


def _bytes_of(path: Path) -> bytes:
    if path.is_dir():
        raise InputError(f"{path} is a folder; expected an image file")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if not data:
        raise InputError(f"{path} is empty (0 bytes); copy or download it again")
    return data


def _refuse(path: Path, container: Container) -> None:
    if not container.kind:
        raise InputError(f"{path} is not an image file: its first bytes are of no known format ({_readable()})")
    if container.kind == "heif":
        raise InputError(f"{path} is a HEIF/AVIF picture, which cannot be read here; convert it to JPEG or PNG first")
    if container.problem:
        raise InputError(
            f"{path} is a truncated or damaged {container.kind.upper()} file: {container.problem}; "
            "copy or download it again"
        )


def _decode(path: Path, data: bytes) -> Shaped[np.ndarray, "*shape"]:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise InputError(f"{path} cannot be decoded: {error.err or error}") from error
    if image is None:
        raise InputError(f"{path} cannot be decoded: damaged, or a variant OpenCV does not read ({_readable()})")
    return image


def _readable() -> str:
    return "readable: JPEG, PNG, WebP, TIFF, BMP"


def _check_shape(array: Shaped[np.ndarray, "*shape"], name: str) -> None:
    shape = array.shape
    if len(shape) == 4:
        raise InputError(f"{name}: got a stack of shape {shape}; pass one image at a time (loop over the first axis)")
    if len(shape) == 3 and shape[0] in (1, 3, 4) and shape[2] not in (1, 3, 4):
        raise InputError(f"{name}: shape {shape} looks channels-first; expected (height, width, 3): transpose(1, 2, 0)")
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3, 4)):
        raise InputError(f"{name}: expected shape (height, width) or (height, width, 1, 3 or 4), got {shape}")
    if min(shape[:2]) < _MIN_SIDE:
        raise InputError(f"{name} is {shape[1]} x {shape[0]} pixels; at least {_MIN_SIDE} x {_MIN_SIDE} are needed")


def _to_8_bit(array: Shaped[np.ndarray, "*shape"], name: str) -> tuple[UInt8[np.ndarray, "*shape"], tuple[str, ...]]:
    if array.dtype == np.uint8:
        return array, ()
    if array.dtype == np.uint16:
        return _divide_257(array), ("16 bits per channel: divided by 257 to 8 bits",)
    if not np.issubdtype(array.dtype, np.floating):
        raise InputError(f"{name}: expected uint8, uint16 or float in [0, 1], got {array.dtype}")
    if not np.isfinite(array).all():
        raise InputError(f"{name}: holds NaN or infinity; expected float in [0, 1]")
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 1:
        raise InputError(
            f"{name}: float values must lie in [0, 1], got [{low:g}, {high:g}]; divide by 255 or pass uint8"
        )
    return np.rint(array * 255.0).astype(np.uint8), ("float in [0, 1]: multiplied by 255",)


def _divide_257(array: Shaped[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """65535 -> 255 and 0 -> 0, rounded."""
    return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _over_white(pixels: UInt8[np.ndarray, "h w 4"]) -> UInt8[np.ndarray, "h w 3"]:
    alpha = pixels[..., 3:].astype(np.float32) / 255.0
    return np.rint(pixels[..., :3] * alpha + _WHITE * (1.0 - alpha)).astype(np.uint8)


def join_notes(*groups: Sequence[str]) -> list[str]:
    """Notes of several steps in order, each once."""
    return list(dict.fromkeys(note for group in groups for note in group))
