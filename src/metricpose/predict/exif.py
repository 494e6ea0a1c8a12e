"""The few EXIF facts a pose needs: which way is up, and how long the lens was."""

from __future__ import annotations

import contextlib
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_ORIENTATION, _EXIF_POINTER, _MAKE, _MODEL = 0x0112, 0x8769, 0x010F, 0x0110
_FOCAL_LENGTH, _FOCAL_35MM = 0x920A, 0xA405
_PLANE_X, _PLANE_UNIT, _PIXELS_X, _PIXELS_Y = 0xA20E, 0xA210, 0xA002, 0xA003
_FORMATS = {1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 7: "B", 9: "i", 10: "ii"}
_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
_FILM_DIAGONAL_MM = math.hypot(36.0, 24.0)
_PLAUSIBLE_FOCAL = (0.25, 20.0)  # in units of the longer image side: 127 degrees down to 3


@dataclass(frozen=True)
class Exif:
    """What was found; 0 or '' where a tag is absent.

    Attributes:
        orientation: 1 to 8 as in the standard (1: as stored, 6: turn right by 90 degrees to see it upright ...).
        focal_mm: real focal length.
        focal_35mm: focal length of the lens that gives the same diagonal field of view on 36 x 24 mm film.
        sensor_px_per_mm: pixels per millimetre on the sensor, for an image of `pixels` size.
        pixels: (width, height) of the photograph as taken, before any later resizing.
        device: maker and model.
    """

    orientation: int = 1
    focal_mm: float = 0.0
    focal_35mm: float = 0.0
    sensor_px_per_mm: float = 0.0
    pixels: tuple[int, int] = (0, 0)
    device: str = ""


def parse(block: bytes) -> Exif:
    """Read a TIFF-structured EXIF block; what is damaged counts as absent, what is sound is used."""
    tags = _read_tags(block)
    orientation = int(_number(tags, _ORIENTATION))
    unit = _UNIT_MM.get(int(_number(tags, _PLANE_UNIT)) or 2, 0.0)
    return Exif(
        orientation=orientation if 1 <= orientation <= 8 else 1,
        focal_mm=_number(tags, _FOCAL_LENGTH),
        focal_35mm=_number(tags, _FOCAL_35MM),
        sensor_px_per_mm=_number(tags, _PLANE_X) / unit if unit else 0.0,
        pixels=(int(_number(tags, _PIXELS_X)), int(_number(tags, _PIXELS_Y))),
        device=" ".join(filter(None, (_text(tags, _MAKE), _text(tags, _MODEL)))),
    )


def focal_px(exif: Exif, size: tuple[int, int]) -> tuple[float, str] | None:
    """Focal length in pixels of an image of `size` (width, height), and where it came from; None where EXIF is silent.

    The 35 mm equivalent is taken by the diagonal (CIPA DCG-001); otherwise real focal length times sensor resolution.
    A picture whose shape differs from the one taken has been cropped: its tags say nothing about it any more.
    """
    if _was_cropped(exif, size):
        return None
    width, height = size
    candidates = []
    if exif.focal_35mm > 0:
        f = exif.focal_35mm / _FILM_DIAGONAL_MM * math.hypot(width, height)
        candidates.append((f, f"EXIF: {exif.focal_35mm:g} mm equivalent"))
    if exif.focal_mm > 0 and exif.sensor_px_per_mm > 0 and max(exif.pixels) > 0:
        f = exif.focal_mm * exif.sensor_px_per_mm * max(size) / max(exif.pixels)
        candidates.append((f, f"EXIF: {exif.focal_mm:g} mm lens, {exif.sensor_px_per_mm:.0f} sensor pixels/mm"))
    low, high = (bound * max(size) for bound in _PLAUSIBLE_FOCAL)
    return next(((f, source) for f, source in candidates if low < f < high), None)


def _was_cropped(exif: Exif, size: tuple[int, int]) -> bool:
    if min(exif.pixels) <= 0:
        return False
    taken = max(exif.pixels) / min(exif.pixels)
    return abs(taken / (max(size) / min(size)) - 1) > 0.02


def _read_tags(block: bytes) -> dict[int, list[float] | str]:
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 8 or struct.unpack(order + "H", block[2:4])[0] != 42:
        return {}
    tags = _directory(block, order, struct.unpack(order + "I", block[4:8])[0])
    pointer = tags.get(_EXIF_POINTER)
    if isinstance(pointer, list) and pointer:
        tags.update(_directory(block, order, int(pointer[0])))
    return tags


def _directory(block: bytes, order: str, at: int) -> dict[int, list[float] | str]:
    """Entries of one directory up to the first that cannot be read: editors cut blocks off, pointers stay behind."""
    tags: dict[int, list[float] | str] = {}
    with contextlib.suppress(struct.error, ValueError, IndexError):
        for tag, value in _entries(block, order, at):
            tags[tag] = value
    return tags


def _entries(block: bytes, order: str, at: int) -> Iterator[tuple[int, list[float] | str]]:
    """(tag, values) of one directory; entries that point outside the block are left out."""
    (count,) = struct.unpack(order + "H", block[at : at + 2])
    for index in range(count):
        entry = block[at + 2 + 12 * index : at + 14 + 12 * index]
        tag, kind, number = struct.unpack(order + "HHI", entry[:8])
        layout = _FORMATS.get(kind)
        if layout is None or number > 4096:
            continue
        size = struct.calcsize(order + layout) * number
        start = struct.unpack(order + "I", entry[8:])[0] if size > 4 else None
        raw = entry[8 : 8 + size] if start is None else block[start : start + size]
        if len(raw) == size:
            yield tag, _values(raw, order, layout, number)


def _values(raw: bytes, order: str, layout: str, number: int) -> list[float] | str:
    if layout == "s":
        return raw.split(b"\0")[0].decode("latin-1").strip()
    flat = struct.unpack(order + layout * number, raw)
    if len(layout) == 1:
        return [float(v) for v in flat]
    return [a / b if b else 0.0 for a, b in zip(flat[::2], flat[1::2])]


def _number(tags: dict[int, list[float] | str], tag: int) -> float:
    values = tags.get(tag)
    return float(values[0]) if isinstance(values, list) and values else 0.0


def _text(tags: dict[int, list[float] | str], tag: int) -> str:
    value = tags.get(tag)
    return value if isinstance(value, str) else ""
