"""From linear light to a photograph: exposure, tone curve, blur, noise, compression."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, no_type_check

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from metricpose.synthetic.kernel import kernel

_TABLE = 4096


class Development(NamedTuple):
    """One camera's settings.

    Attributes:
        gains: (3,) exposure and white balance. contrast, brightness: around mid grey, display values.
        blur: standard deviation in pixels, 0 for none. noise: standard deviation, display values in 0..255.
        quality: JPEG quality, 0 for no compression.
    """

    gains: np.ndarray
    contrast: float
    brightness: float
    blur: float
    noise: float
    quality: int


def sample_development(rng: np.random.Generator, mean_light: float) -> Development:
    """Typical cameras, from clean to poor; automatic exposure goes half of the way to a mean linear light of 0.24."""
    exposure = np.clip((0.24 / max(mean_light, 1e-3)) ** 0.5, 0.7, 2.5) * rng.uniform(0.7, 1.3)
    gains = exposure * np.exp(rng.normal(0.0, 0.04, 3))
    blur = rng.uniform(0.4, 1.2) if rng.random() < 0.35 else 0.0
    quality = int(rng.integers(45, 95)) if rng.random() < 0.25 else 0
    noise = 255.0 * abs(rng.normal(0.0, 0.015))
    return Development(gains, rng.uniform(0.85, 1.15), rng.normal(0.0, 0.03), blur, noise, quality)


def develop(
    rng: np.random.Generator,
    settings: Development,
    foreground: Float32[np.ndarray, "h w 3"],
    covered: UInt8[np.ndarray, "h w"],
    background: Float32[np.ndarray, "h w 3"],
) -> tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w 3"]]:
    """Picture and developed foreground (straight colour, no blur or noise, black where nothing covers).

    The two are blended in display values, so that `foreground * a + other * (1 - a)` puts another developed
    picture behind the person as this function would have done.
    """
    curve = _tone_curve(settings.contrast, settings.brightness)
    blended, front = np.empty(foreground.shape, np.float32), np.zeros(foreground.shape, np.uint8)
    _blend(foreground, covered, background, settings.gains.astype(np.float32), curve, blended, front)
    image = cv2.GaussianBlur(blended, (0, 0), settings.blur) if settings.blur > 0 else blended
    height, width = covered.shape
    field = _noise_field()
    y, x = rng.integers(len(field) - height), rng.integers(len(field) - width)
    picture = np.empty(foreground.shape, np.uint8)
    _add_noise(image, field[y : y + height, x : x + width], np.float32(settings.noise), picture)
    return (_compressed(picture, settings.quality) if settings.quality else picture), front


def _compressed(picture: UInt8[np.ndarray, "h w 3"], quality: int) -> UInt8[np.ndarray, "h w 3"]:
    """The picture after JPEG."""
    buffer = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.ascontiguousarray(np.asarray(cv2.imdecode(buffer, cv2.IMREAD_COLOR), np.uint8)[:, :, ::-1])


def _tone_curve(contrast: float, brightness: float) -> Float32[np.ndarray, " 4096"]:
    """Display value in 0..255 of linear 0..2 in equal steps: soft shoulder, gamma 2.2, contrast."""
    light = np.arange(_TABLE) * (2.0 / (_TABLE - 1))
    light = np.minimum(light / (1.0 + np.maximum(0.0, light - 0.8) * 0.6), 1.0)
    value = (light ** (1 / 2.2) - 0.5) * contrast + 0.5 + brightness
    return np.clip(255.0 * value, 0.0, 255.0).astype(np.float32)


@lru_cache(maxsize=1)
def _noise_field() -> Float32[np.ndarray, "n n"]:
    """White noise plus half as much of it at two pixels' size, unit scale."""
    rng = np.random.default_rng(7)
    side = 1536
    coarse = rng.standard_normal((side // 2, side // 2)).repeat(2, 0).repeat(2, 1)
    return (rng.standard_normal((side, side)) + 0.5 * coarse).astype(np.float32)


@kernel
@no_type_check
def _blend(foreground, covered, background, gains, curve, image, front):
    last = len(curve) - 1
    scale = np.float32(0.5 * last)
    for j in range(covered.shape[0]):
        for i in range(covered.shape[1]):
            alpha = np.float32(covered[j, i]) / np.float32(255.0)
            for c in range(3):
                value = np.float32(0.0)
                if covered[j, i] < 255:
                    light = background[j, i, c] * gains[c] * scale
                    value = (1 - alpha) * curve[min(last, max(0, int(light)))]
                if covered[j, i] > 0:
                    light = foreground[j, i, c] * gains[c] * scale
                    mine = curve[min(last, max(0, int(light)))]
                    front[j, i, c] = np.uint8(mine + np.float32(0.5))
                    value += alpha * mine
                image[j, i, c] = value


@kernel
@no_type_check
def _add_noise(image, field, strength, out):
    for j in range(image.shape[0]):
        for i in range(image.shape[1]):
            noise = strength * field[j, i] + np.float32(0.5)
            for c in range(3):
                out[j, i, c] = np.uint8(min(np.float32(255.0), max(np.float32(0.0), image[j, i, c] + noise)))
