"""Changes of colour and image quality on uint8 crops, built to cost well under a millisecond.

Colour jitter follows MeTRAbs: brightness, contrast, hue and saturation in random order. All four are affine in RGB
(hue turns about the grey axis), so any order is one 3 x 4 matrix, applied once; values are clipped once at the end
instead of after each step. Random erasing is the papers' too. Gamma, greyscale, blur, noise, low resolution and
recompression are additions: photographs from the web show all of them, rendered images none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from pydantic import BaseModel, ConfigDict, Field

from metricpose.augment.ranges import Strengths

Image = UInt8[np.ndarray, "h w 3"]
_LUMA = np.array([0.299, 0.587, 0.114])
_NOISE_SIDE = 1 << 20


class AppearanceConfig(BaseModel):
    """Probabilities and strengths. Colour strengths are the papers'; `none()` switches everything off.

    Attributes:
        colour: probability of the colour jitter.
        brightness: added value, as a fraction of full white.
        contrast, saturation: range of the factor.
        hue_degrees: largest turn of the hue.
        gamma: probability of a tone curve, exponent exp(N(0, gamma_sigma)).
        grey: probability of dropping all colour.
        erase: probability of random erasing, of up to `erase_area` of the crop.
        blur, noise, lowres, jpeg: probabilities of the degradations.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    colour: float = Field(default=1.0, ge=0, le=1)
    brightness: float = Field(default=0.125, ge=0, le=1)
    contrast: Strengths = (0.5, 1.5)
    saturation: Strengths = (0.5, 1.5)
    hue_degrees: float = Field(default=72.0, ge=0, le=180)
    gamma: float = Field(default=0.3, ge=0, le=1)
    gamma_sigma: float = Field(default=0.25, ge=0, le=1)
    grey: float = Field(default=0.03, ge=0, le=1)
    erase: float = Field(default=0.15, ge=0, le=1)
    erase_area: float = Field(default=0.8 / 3, ge=0, le=1)
    blur: float = Field(default=0.2, ge=0, le=1)
    noise: float = Field(default=0.25, ge=0, le=1)
    lowres: float = Field(default=0.15, ge=0, le=1)
    jpeg: float = Field(default=0.2, ge=0, le=1)

    @staticmethod
    def none() -> AppearanceConfig:
        """Leave images as they are."""
        return AppearanceConfig(colour=0, gamma=0, grey=0, erase=0, blur=0, noise=0, lowres=0, jpeg=0)


def change_appearance(image: Image, config: AppearanceConfig, rng: np.random.Generator) -> Image:
    """Apply the drawn changes in the order of a photograph: light, optics, sensor, file; erasing comes last."""
    steps: tuple[tuple[float, Callable[[], Image]], ...] = (
        (config.colour, lambda: apply_colour(image, draw_colour_matrix(config, rng))),
        (config.gamma, lambda: apply_gamma(image, math.exp(config.gamma_sigma * rng.standard_normal()))),
        (config.grey, lambda: to_grey(image)),
        (config.blur, lambda: blur(image, rng)),
        (config.lowres, lambda: lower_resolution(image, rng.uniform(0.3, 0.8))),
        (config.noise, lambda: add_noise(image, 12.0 * rng.random() ** 2 + 1.0, rng)),
        (config.jpeg, lambda: recompress(image, int(rng.integers(20, 85)))),
        (config.erase, lambda: erase(image, config.erase_area, rng)),
    )
    for (probability, change), draw in zip(steps, rng.random(len(steps))):
        if draw < probability:
            image = change()
    return image


def draw_colour_matrix(config: AppearanceConfig, rng: np.random.Generator) -> Float[np.ndarray, "3 4"]:
    """Brightness, contrast, hue and saturation drawn and composed in random order, for RGB in 0..255."""
    steps = [
        brightness_matrix(rng.uniform(-config.brightness, config.brightness)),
        contrast_matrix(rng.uniform(*config.contrast)),
        hue_matrix(math.radians(rng.uniform(-config.hue_degrees, config.hue_degrees))),
        saturation_matrix(rng.uniform(*config.saturation)),
    ]
    matrix = np.eye(4)
    for i in rng.permutation(4):
        matrix = steps[i] @ matrix
    return matrix[:3]


def brightness_matrix(amount: float) -> Float[np.ndarray, "4 4"]:
    """Add `amount` of full white."""
    matrix = np.eye(4)
    matrix[:3, 3] = 255.0 * amount
    return matrix


def contrast_matrix(factor: float) -> Float[np.ndarray, "4 4"]:
    """Scale about middle grey."""
    matrix = np.diag([factor, factor, factor, 1.0])
    matrix[:3, 3] = 127.5 * (1 - factor)
    return matrix


def saturation_matrix(factor: float) -> Float[np.ndarray, "4 4"]:
    """Scale the distance from the grey of equal luma; 0 is a greyscale image."""
    matrix = np.eye(4)
    matrix[:3, :3] = factor * np.eye(3) + (1 - factor) * _LUMA
    return matrix


def hue_matrix(angle: float) -> Float[np.ndarray, "4 4"]:
    """Turn colours about the grey axis by `angle` radians; 120 degrees maps red to green to blue."""
    c, s = math.cos(angle), math.sin(angle)
    axis = 1 / math.sqrt(3)
    cross = axis * np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    matrix = np.eye(4)
    matrix[:3, :3] = c * np.eye(3) + (1 - c) / 3 + s * cross
    return matrix


def apply_colour(image: Image, matrix: Float[np.ndarray, "3 4"]) -> Image:
    """Affine colour change with rounding and clipping to 0..255."""
    return cv2.transform(image, matrix)


def apply_gamma(image: Image, exponent: float) -> Image:
    """Tone curve: value -> value ** exponent on 0..1."""
    table = np.rint(255.0 * (np.arange(256) / 255.0) ** exponent).astype(np.uint8)
    return cv2.LUT(image, table)


def to_grey(image: Image) -> Image:
    """All channels become the luma."""
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def blur(image: Image, rng: np.random.Generator) -> Image:
    """Defocus (Gaussian) or motion (a short line), scaled to the image side."""
    side = image.shape[0]
    if rng.random() < 0.7:
        return cv2.GaussianBlur(image, (0, 0), side * rng.uniform(0.002, 0.010))
    length = max(3, round(side * rng.uniform(0.015, 0.05)) | 1)
    kernel, middle, angle = np.zeros((length, length), np.float32), length // 2, rng.uniform(0, math.pi)
    dx, dy = round(middle * math.cos(angle)), round(middle * math.sin(angle))
    cv2.line(kernel, (middle - dx, middle - dy), (middle + dx, middle + dy), 1.0)
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def lower_resolution(image: Image, factor: float) -> Image:
    """Shrink by `factor` and enlarge again."""
    height, width = image.shape[:2]
    small = cv2.resize(
        image, (max(2, round(width * factor)), max(2, round(height * factor))), interpolation=cv2.INTER_AREA
    )
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def add_noise(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    """Gaussian noise of `sigma` grey levels, cut at a random place out of a fixed table (drawing it anew costs 10x)."""
    table, count = _noise_table(), image.size
    start = int(rng.integers(0, len(table) - count)) if count < len(table) else 0
    noise = np.resize(table[start : start + count], image.shape)
    return cv2.addWeighted(image, 1.0, noise, sigma, 0.0, dtype=cv2.CV_8U)


def recompress(image: Image, quality: int) -> Image:
    """Through JPEG at `quality` and back."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


def erase(image: Image, largest_area: float, rng: np.random.Generator) -> Image:
    """Fill a random rectangle (aspect 0.3 to 1 / 0.3) with uniform noise; one that does not fit is drawn again."""
    height, width = image.shape[:2]
    for _ in range(20):
        area, aspect = rng.uniform(0, largest_area) * height * width, rng.uniform(0.3, 1 / 0.3)
        h, w = int(math.sqrt(area * aspect)), int(math.sqrt(area / aspect))
        if 0 < h < height and 0 < w < width:
            break
    else:
        return image
    y, x = int(rng.integers(0, height - h)), int(rng.integers(0, width - w))
    out = image.copy()
    out[y : y + h, x : x + w] = np.frombuffer(rng.bytes(h * w * 3), np.uint8).reshape(h, w, 3)
    return out


@lru_cache(maxsize=1)
def _noise_table() -> Float[np.ndarray, " n"]:
    return np.random.default_rng(0).standard_normal(_NOISE_SIDE, dtype=np.float32)
