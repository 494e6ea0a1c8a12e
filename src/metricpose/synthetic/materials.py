"""What surfaces are made of: material rows that the shading kernel reads, palettes, and fabric pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

# Columns of a material row. Colours are linear RGB.
RED, GREEN, BLUE, RED2, GREEN2, BLUE2, PATTERN, FREQUENCY, PARAMETER, GLOSS = range(10)
FOLD, FOLD_FREQUENCY, TEXTURE, RECOLOUR, INVERSE_LUMINANCE, TWO_SIDED = range(10, 16)
COLUMNS = 16
# Values of PATTERN.
PLAIN, RINGS, STRIPES, CHECKS, BLOTCHES, FABRIC, PRINT, YOKE = range(8)

Colour = Float[np.ndarray, " 3"]


@dataclass
class Material:
    """One material.

    Attributes:
        colour, second: linear RGB; `second` is the pattern's other colour.
        pattern: PLAIN, RINGS (hoops, stripes across the limb), STRIPES, CHECKS, BLOTCHES, FABRIC (picture all over),
            PRINT (picture on the chest) or YOKE (other colour above `parameter`).
        frequency: repeats per metre; parameter: share of the second colour, or a size or height in metres.
        gloss: strength of the highlight. fold, fold_frequency: bump noise and its repeats per metre.
        texture: row of the texture stack or -1. recolour: take only the texture's luminance, times `inverse_luminance`.
        two_sided: light both sides (hair cards).
    """

    colour: Colour
    second: Colour | None = None
    pattern: int = PLAIN
    frequency: float = 1.0
    parameter: float = 0.5
    gloss: float = 0.02
    fold: float = 0.0
    fold_frequency: float = 1.0
    texture: int = -1
    recolour: bool = False
    inverse_luminance: float = 1.0
    two_sided: bool = False

    def row(self) -> list[float | int | bool]:
        """The material as the kernel reads it."""
        second = self.colour if self.second is None else self.second
        return [*self.colour, *second, self.pattern, self.frequency, self.parameter, self.gloss, self.fold,
                self.fold_frequency, self.texture, self.recolour, self.inverse_luminance, self.two_sided]  # fmt: skip


def rows_of(materials: list[Material]) -> Float32[np.ndarray, "m 16"]:
    """Material rows as one array."""
    return np.array([material.row() for material in materials], np.float32).reshape(-1, COLUMNS)


def linear(srgb: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
    """Display values in [0, 1] to linear light, gamma 2.2."""
    return np.asarray(srgb, np.float64) ** 2.2


def _palette(*rgb: tuple[int, int, int]) -> Float[np.ndarray, "n 3"]:
    return linear(np.array(rgb) / 255.0)


SKIN_TONES = _palette(
    (245, 214, 190), (236, 196, 168), (224, 178, 146), (205, 155, 120), (180, 128, 92), (150, 102, 70), (115, 76, 50),
    (84, 56, 38), (62, 42, 30),
)  # fmt: skip
HAIR_COLOURS = _palette(
    (20, 17, 15), (38, 28, 22), (62, 43, 30), (95, 66, 42), (140, 103, 62), (190, 155, 105), (120, 60, 35),
    (150, 150, 150), (205, 202, 198),
)  # fmt: skip
QUIET_COLOURS = _palette(
    (20, 20, 22), (45, 46, 50), (90, 92, 96), (150, 150, 150), (215, 213, 208), (240, 240, 240), (30, 38, 62),
    (60, 80, 120), (95, 120, 160), (110, 85, 60), (160, 140, 110), (70, 75, 55),
)  # fmt: skip


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Linear RGB of a display colour given as hue, saturation, value in [0, 1]."""
    k = (np.array([5.0, 3.0, 1.0]) + 6.0 * hue) % 6.0
    return linear(value - value * saturation * np.clip(np.minimum(k, 4.0 - k), 0.0, 1.0))


def cloth_colour(rng: np.random.Generator) -> Colour:
    """A colour that clothes come in: half black, white, grey, navy, denim, earth; half any hue."""
    if rng.random() < 0.5:
        colour = QUIET_COLOURS[rng.integers(len(QUIET_COLOURS))]
    else:
        colour = hsv(rng.random(), rng.beta(2.0, 2.0), rng.uniform(0.15, 0.95))
    return np.clip(colour * rng.uniform(0.8, 1.2) + 0.004, 0.004, 0.9)


def surface_colour(rng: np.random.Generator) -> Colour:
    """A colour of walls, floors and furniture: as clothes, but mostly washed out and slightly warm or cold."""
    colour, share = cloth_colour(rng), rng.beta(1.5, 2.5)
    grey = colour.mean() * np.array([1.03, 1.0, 0.95]) ** rng.normal()
    return np.clip(colour * share + grey * (1.0 - share), 0.003, 0.9)


def skin_tone(rng: np.random.Generator) -> Colour:
    """A skin colour between pale and very dark."""
    tone = float(np.clip(rng.normal(4.0, 2.5), 0.0, len(SKIN_TONES) - 1.001))
    i, t = int(tone), tone % 1.0
    return (SKIN_TONES[i] * (1.0 - t) + SKIN_TONES[i + 1] * t) * rng.uniform(0.9, 1.1)


def hair_colour(rng: np.random.Generator, years: float) -> Colour:
    """A natural hair colour; grey and white only from 45 years."""
    count = len(HAIR_COLOURS) - (2 if years < 45.0 else 0)
    return HAIR_COLOURS[rng.integers(count)] * rng.uniform(0.8, 1.25)


def cloth(rng: np.random.Generator, plain_share: float = 0.5, upper: bool = True) -> Material:
    """A random fabric: colours, pattern, folds. Prints and yokes only on `upper` garments."""
    patterns = [RINGS, STRIPES, CHECKS, BLOTCHES, FABRIC] + ([PRINT, YOKE] if upper else [])
    pattern = PLAIN if rng.random() < plain_share else int(rng.choice(patterns))
    low, high = {
        RINGS: (0.2, 0.7), STRIPES: (0.2, 0.6), CHECKS: (0.2, 0.6), BLOTCHES: (0.35, 0.65), PRINT: (0.05, 0.1),
        YOKE: (0.3, 0.48),
    }.get(pattern, (0.5, 0.5))  # fmt: skip
    frequency = rng.uniform(5.0, 25.0) if pattern == FABRIC else rng.uniform(8.0, 40.0)
    return Material(
        cloth_colour(rng), cloth_colour(rng), pattern, frequency, rng.uniform(low, high), rng.uniform(0.0, 0.06),
        rng.uniform(0.15, 0.55), rng.uniform(1.2, 3.2),
    )  # fmt: skip
