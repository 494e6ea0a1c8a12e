"""Things pasted in front of a person, and other backgrounds behind them.

MeTRo and MeTRAbs paste segmented objects of PASCAL VOC and photographs of INRIA Holidays, which may not be shipped.
Here objects are cut-outs of other people (from alpha masks), patches of photographs and procedural shapes, and
backgrounds are photographs of a folder, or procedural where there are none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeInt

from metricpose.augment.ranges import Factors, in_order
from metricpose.errors import DataError

Image = UInt8[np.ndarray, "h w 3"]
Mask = UInt8[np.ndarray, "h w"]
Photo = UInt8[np.ndarray, "_ _ 3"]
Cutout = tuple[Photo, UInt8[np.ndarray, "_ _"]]
"""Of any size each, unlike Image and Mask, which share one size in a call."""
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


class CompositingConfig(BaseModel):
    """How often things are pasted.

    Attributes:
        occlude: probability of pasting objects (papers: 0.15 to 0.35, being half of 0.3 to 0.7).
        objects: smallest and largest number of them.
        object_scale: range of an object's side, as a fraction of the crop side.
        background: probability of replacing the background where a mask is known.
        neighbours: probability of putting other people beside the person where a mask is known.
        fill_border: probability of filling what the crop shows beyond the image's edge, which else is black.
        photos: folder of photographs without people, or None for procedural ones.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    occlude: float = Field(default=0.25, ge=0, le=1)
    objects: Annotated[tuple[NonNegativeInt, NonNegativeInt], AfterValidator(in_order)] = (1, 5)
    object_scale: Factors = (0.12, 0.6)
    background: float = Field(default=0.0, ge=0, le=1)
    neighbours: float = Field(default=0.0, ge=0, le=1)
    fill_border: float = Field(default=0.5, ge=0, le=1)
    photos: str | None = None

    @staticmethod
    def none() -> CompositingConfig:
        """Paste nothing."""
        return CompositingConfig(occlude=0, background=0, fill_border=0)


@dataclass(frozen=True, eq=False)
class Bank:
    """What can be pasted: photographs, and cut-outs (image, alpha) of people. Both may be empty."""

    photos: list[Photo] = field(default_factory=list)
    cutouts: list[Cutout] = field(default_factory=list)


def read_photos(folder: str | Path, side: int = 384) -> list[Photo]:
    """All photographs of a folder, sorted by name, shrunk so that the shorter side is at most `side` pixels.

    Raises:
        DataError: no such folder, no photographs in it, or one cannot be read.
    """
    paths = sorted(p for p in Path(folder).glob("*") if p.suffix.lower() in _SUFFIXES)
    if not paths:
        raise DataError(f"no photographs (.jpg .png .webp .bmp) in {folder}; give a folder that holds some, or none")
    return [_read_photo(path, side) for path in paths]


def _read_photo(path: Path, side: int) -> Image:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"cannot read the photograph {path}: not an image, or damaged")
    scale = side / min(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def cut_out(
    image: Image, alpha: Mask, side: int = 128
) -> tuple[UInt8[np.ndarray, "a b 3"], UInt8[np.ndarray, "a b"]] | None:
    """The masked part of an image at `side` pixels or fewer, or None if the mask is (almost) empty."""
    ys, xs = np.nonzero(alpha > 127)
    if len(xs) < 100:
        return None
    part = np.s_[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    scale = min(1.0, side / max(image[part].shape[:2]))
    height, width = image[part].shape[:2]
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    small = [cv2.resize(np.ascontiguousarray(a[part]), size, interpolation=cv2.INTER_AREA) for a in (image, alpha)]
    return small[0], small[1]


def blend(under: Image, over: Image, alpha: Mask) -> Image:
    """``over`` where alpha is 255, ``under`` where it is 0, rounded to nearest."""
    weight = cv2.merge([alpha, alpha, alpha]).astype(np.uint16)
    mixed = over * weight + under * (255 - weight) + 127
    return (mixed // 255).astype(np.uint8)


def replace_background(image: Image, alpha: Mask, bank: Bank, rng: np.random.Generator) -> Image:
    """Put the masked person before a random part of a photograph, mirrored half of the time."""
    return blend(draw_background(image.shape[0], image.shape[1], bank, rng), image, alpha)


def draw_background(height: int, width: int, bank: Bank, rng: np.random.Generator) -> Image:
    """A random part (60 to 100 % of the shorter side) of a random photograph, or a procedural texture."""
    if not bank.photos:
        return draw_texture(height, width, rng)
    photo = bank.photos[rng.integers(len(bank.photos))]
    scale = rng.uniform(0.6, 1.0) * min(photo.shape[0] / height, photo.shape[1] / width)
    h, w = max(2, int(height * scale)), max(2, int(width * scale))
    y, x = int(rng.integers(0, photo.shape[0] - h + 1)), int(rng.integers(0, photo.shape[1] - w + 1))
    part = photo[y : y + h, x : x + w]
    part = part[:, ::-1] if rng.random() < 0.5 else part
    return cv2.resize(
        np.ascontiguousarray(part), (width, height), interpolation=cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
    )


def draw_texture(height: int, width: int, rng: np.random.Generator) -> Image:
    """Random blotches of one of four grain sizes."""
    cells = int(rng.choice((2, 5, 12, 32)))
    coarse = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=int(rng.choice((cv2.INTER_NEAREST, cv2.INTER_LINEAR))))


def paste_objects(image: Image, config: CompositingConfig, bank: Bank, rng: np.random.Generator) -> Image:
    """Paste several random objects, their centres anywhere in the image."""
    out = image.copy()
    low, high = config.objects
    for _ in range(int(rng.integers(low, high + 1))):
        side = rng.uniform(*config.object_scale) * image.shape[0]
        thing, alpha = draw_object(bank, rng)
        centre = rng.uniform((0, 0), (image.shape[1], image.shape[0]))
        paste(out, thing, alpha, side, centre, rng.uniform(-180, 180))
    return out


def draw_object(bank: Bank, rng: np.random.Generator) -> Cutout:
    """A cut-out person (half of the time where there are any), or a shape filled with a photograph or texture."""
    if bank.cutouts and rng.random() < 0.5:
        return bank.cutouts[rng.integers(len(bank.cutouts))]
    n = 64
    fill = draw_background(n, n, bank, rng) if rng.random() < 0.6 else draw_texture(n, n, rng)
    if rng.random() < 0.3:
        fill = np.broadcast_to(rng.integers(0, 256, 3, dtype=np.uint8), (n, n, 3)).copy()
    return fill, draw_shape(n, rng)


def draw_shape(n: int, rng: np.random.Generator) -> Mask:
    """A random ellipse, bar or lobed outline with soft edges."""
    mask, middle, kind = np.zeros((n, n), np.uint8), n // 2, rng.random()
    if kind < 0.3:
        axes = (int(rng.integers(n // 6, n // 2)), int(rng.integers(n // 6, n // 2)))
        cv2.ellipse(mask, (middle, middle), axes, rng.uniform(0, 180), 0, 360, 255, -1, cv2.LINE_AA)
    elif kind < 0.6:
        size = (rng.uniform(n / 8, n), rng.uniform(n / 8, n / 2))
        corners = cv2.boxPoints(((middle, middle), size, rng.uniform(0, 180)))
        cv2.fillConvexPoly(mask, corners.astype(np.int32), 255, cv2.LINE_AA)
    else:
        angles = np.linspace(0, 2 * math.pi, int(rng.integers(5, 14)), endpoint=False)
        radius = n / 2 * rng.uniform(0.4, 1.0, len(angles))
        points = middle + radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
        cv2.fillPoly(mask, [points.astype(np.int32)], 255, cv2.LINE_AA)
    return mask


def paste(
    image: Image,
    thing: UInt8[np.ndarray, "a b 3"],
    alpha: UInt8[np.ndarray, "a b"],
    side: float,
    centre: Float[np.ndarray, " 2"],
    degrees: float,
) -> None:
    """Blend `thing` into `image` in place around `centre`: turned to the left, scaled so its longer side is `side`."""
    matrix, size = _placement(thing.shape[0], thing.shape[1], side / max(thing.shape[:2]), degrees)
    x, y = (centre - np.array(size) / 2).astype(int)
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + size[0], image.shape[1]), min(y + size[1], image.shape[0])
    if x1 <= x0 or y1 <= y0:
        return
    part = np.s_[y0 - y : y1 - y, x0 - x : x1 - x]
    turned = [cv2.warpAffine(a, matrix, size, flags=cv2.INTER_LINEAR)[part] for a in (thing, alpha)]
    image[y0:y1, x0:x1] = blend(image[y0:y1, x0:x1], turned[0], np.ascontiguousarray(turned[1]))


def _placement(
    height: int, width: int, scale: float, degrees: float
) -> tuple[Float[np.ndarray, "2 3"], tuple[int, int]]:
    """Affine map that turns and scales an image into the smallest upright box around it, and that box's size."""
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, scale)
    c, s = abs(matrix[0, 0]), abs(matrix[0, 1])
    size = (max(2, math.ceil(width * c + height * s - 1e-6)), max(2, math.ceil(width * s + height * c - 1e-6)))
    matrix[:, 2] += ((size[0] - width) / 2, (size[1] - height) / 2)
    return matrix, size
