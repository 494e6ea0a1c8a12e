"""Photographs and fabric pictures from an asset folder, by split."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from metricpose.errors import DataError
from metricpose.synthetic.materials import linear
from metricpose.synthetic.shade import FABRIC_SIDE
from metricpose.synthetic.wardrobe import allowed

TO_LINEAR = linear(np.repeat(np.arange(256)[:, None] / 255.0, 3, 1))[:, 0].astype(np.float32)
"""Linear light of the 256 display values."""

MANIFEST = "MANIFEST.tsv"
"""Beside photographs: a row for each, tab-separated, with the columns file, source, indoor/outdoor and what else."""
SMALLEST = 8
"""Pixels along the shorter side of a photograph that can be shown."""

_LEVELS = 3
_MAX_ZOOM = 2.6
"""How much larger than in perspective a photograph may be shown to reach the picture's borders."""


class Photo(NamedTuple):
    """A photograph at full, half and quarter size, uint8 RGB; indoor as its manifest says."""

    levels: tuple[np.ndarray, ...]
    indoor: bool


class Pictures(NamedTuple):
    """What a split may put behind people and on fabrics."""

    photos: list[Photo]
    fabrics: list[Float32[np.ndarray, "64 64 3"]]


def load_pictures(folder: Path | None, split: str) -> Pictures:
    """Read `backgrounds/` and `textures/` of an asset folder; missing folders give empty lists.

    Raises:
        DataError: a picture cannot be read or is too small, or the manifest is not UTF-8.
    """
    if folder is None:
        return Pictures([], [])
    photos = [_photo(path, row) for path, row in _files(folder / "backgrounds", split)]
    fabrics = [_fabric(_read(path)) for path, _ in _files(folder / "textures", split)]
    return Pictures(photos, fabrics)


def picture_paths(folder: Path) -> list[Path]:
    """The JPEG and PNG files of a folder, by name."""
    return sorted(p for p in folder.glob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))


def read_manifest(path: Path) -> dict[str, dict[str, str]]:
    """Rows by file name, none if there is no file; the column `source` is called so whatever its full heading.

    Raises:
        DataError: the file is not UTF-8.
    """
    if not path.exists():
        return {}
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines(), delimiter="\t"))
    except UnicodeDecodeError as error:
        raise DataError(f"cannot read {path}: {error}; save it as UTF-8") from error
    lines = [line for line in lines if any(cell.strip() for cell in line)]
    header = ["source" if name.startswith("source") else name for name in lines[0]] if lines else []
    return {line[0]: dict(zip(header, line)) for line in lines[1:]}


def check_size(image: UInt8[np.ndarray, "h w 3"], path: Path) -> None:
    """See that a photograph has something to show.

    Raises:
        DataError: its shorter side has fewer than `SMALLEST` pixels.
    """
    height, width = image.shape[:2]
    if min(height, width) < SMALLEST:
        raise DataError(f"{path} is {width} x {height} pixels; expected at least {SMALLEST} a side. Remove it.")


def _files(folder: Path, split: str) -> list[tuple[Path, dict[str, str]]]:
    """Images of a folder that a split may use; parts of one photograph stay together."""
    paths, rows = picture_paths(folder), read_manifest(folder / MANIFEST)
    sources = {path: _original(rows.get(path.name, {}).get("source", path.name)) for path in paths}
    keep = set(allowed(sorted(set(sources.values())), split))
    return [(path, rows.get(path.name, {})) for path in paths if sources[path] in keep]


def _original(source: str) -> str:
    """The photograph that a file was cut from: its source without notes in brackets."""
    return re.sub(r"\s*\((?!blob|COCO)[^)]*\)", "", source).strip()


def _read(path: Path) -> UInt8[np.ndarray, "h w 3"]:
    image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"{path} is not a picture OpenCV can read; take it out of the asset folder or save it as JPEG")
    return np.ascontiguousarray(np.asarray(image, np.uint8)[:, :, ::-1])


def _photo(path: Path, row: dict[str, str]) -> Photo:
    levels = [_read(path)]
    check_size(levels[0], path)
    for _ in range(_LEVELS - 1):
        levels.append(cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    return Photo(tuple(levels), row.get("indoor/outdoor") == "indoor")


def _fabric(image: UInt8[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "64 64 3"]:
    small = cv2.resize(image, (FABRIC_SIDE, FABRIC_SIDE), interpolation=cv2.INTER_AREA)
    return TO_LINEAR[small]


def sample_fabric(rng: np.random.Generator, pictures: Pictures) -> Float32[np.ndarray, "64 64 3"]:
    """A fabric, a piece of a photograph, or coloured noise."""
    u = rng.random()
    if pictures.fabrics and u < 0.5:
        fabric = pictures.fabrics[rng.integers(len(pictures.fabrics))]
        return np.ascontiguousarray(fabric[:, :, rng.permutation(3)])
    if pictures.photos and u < 0.85:
        image = pictures.photos[rng.integers(len(pictures.photos))].levels[1]
        limit = min(150, *image.shape[:2])
        side = int(rng.integers(24, limit)) if limit > 24 else limit
        y, x = (rng.integers(max(1, length - side)) for length in image.shape[:2])
        return _fabric(image[y : y + side, x : x + side])
    cells, spread = int(rng.choice([4, 8, 16, 32])), rng.beta(1.0, 2.5)
    noise = (rng.random(3) * (1 - spread) + spread * rng.random((cells, cells, 3))).astype(np.float32) ** 2.2
    how = int(rng.choice([cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC]))
    return cv2.resize(noise, (FABRIC_SIDE, FABRIC_SIDE), interpolation=how).clip(0.0, 1.0)


def photo_behind(
    rng: np.random.Generator, photo: Photo, up: np.ndarray, focal: float, cx: float, cy: float, side: int
) -> Float32[np.ndarray, "s s 3"] | None:
    """The part of a photograph that this camera could see, linear, or None where it does not fit.

    The photograph is taken to have its horizon at 40-60 % of its height and a field of view of 50-75 degrees along its
    longer side. It is scaled to the camera's focal length (within a factor), turned by the camera's roll, and
    shifted so that horizon falls on horizon.

    Args:
        up: world up in the camera frame. focal, cx, cy: pinhole of the side x side picture.
    """
    height, width = photo.levels[0].shape[:2]
    norm = float(np.hypot(up[0], up[1]))
    if norm < 0.3:  # looking nearly straight up or down: no horizon to speak of
        return None
    corners = np.array([[-0.5, -0.5], [side - 0.5, -0.5], [-0.5, side - 0.5], [side - 0.5, side - 0.5]])
    # Offsets along and below the horizon, in pixels of the picture; linear in the pixel.
    below_of = -np.array([up[0], up[1]]) / norm
    along_of = np.array([below_of[1], -below_of[0]])
    below_0 = -up[2] * focal / norm
    centred = corners - [cx, cy]
    below, along = centred @ below_of + below_0, centred @ along_of
    slack = 0.04 * side
    horizon = rng.uniform(0.38, 0.62) * height
    photo_focal = 0.5 * max(height, width) / np.tan(np.deg2rad(rng.uniform(50.0, 75.0)) / 2)
    true_scale = focal / photo_focal
    # Just large enough that the picture's corners fall inside the photograph.
    needed = max(
        -(below.min() + slack) / horizon,
        (below.max() - slack) / (height - 1 - horizon),
        (along.max() - along.min() - 2 * slack) / (width - 1),
    )
    if needed > _MAX_ZOOM * true_scale:
        return None
    scale = max(needed, true_scale * np.exp(rng.uniform(np.log(0.75), np.log(1.5))))
    span = (along.max() - along.min() - 2 * slack) / scale
    left = rng.uniform(0.0, max(width - 1 - span, 0.0)) - (along.min() + slack) / scale
    return _warp(rng, photo, below_of, along_of, below_0, (cx, cy), scale, horizon, left, side)


def _warp(
    rng: np.random.Generator,
    photo: Photo,
    below_of: np.ndarray,
    along_of: np.ndarray,
    below_0: float,
    centre: tuple[float, float],
    scale: float,
    horizon: float,
    left: float,
    side: int,
) -> Float32[np.ndarray, "s s 3"]:
    """Resample; photo column = left + along / scale, row = horizon + below / scale."""
    matrix = np.empty((2, 3))
    matrix[0, :2], matrix[1, :2] = along_of / scale, below_of / scale
    matrix[0, 2] = left - along_of @ centre / scale
    matrix[1, 2] = horizon + (below_0 - below_of @ centre) / scale
    level = 0
    while scale < 0.7 and level < _LEVELS - 1:  # photo pixels smaller than ours: take a smaller copy
        scale *= 2.0
        level += 1
    matrix = matrix * 0.5**level
    matrix[:, 2] += 0.5 * (0.5**level - 1.0)  # pixel centres are integers
    image = photo.levels[level]
    if rng.random() < 0.5:
        image = image[:, ::-1]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(
        np.ascontiguousarray(image), matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REFLECT_101
    )
    return TO_LINEAR[warped]
