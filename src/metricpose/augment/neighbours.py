"""Other people beside the person a crop is about, as in groups and rows: whose joints are meant has to be learned.

Not in the papers. The people are the cut-outs that are also pasted as objects in front (`augment.compositing`); here
they stand upright where neighbours stand, as large as the person, and mostly behind.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from metricpose.augment.compositing import Bank, Image, Mask, blend, paste

_UPRIGHT = 1.4  # cut-outs less tall than this, in widths, are not of people who stand
_MOST = 4
_IN_FRONT = 0.25  # share of neighbours who cover the person rather than the other way round
_APART = (0.2, 0.5)  # from one person to the next, in body heights
_SIZE = (0.85, 1.15)  # of the person's height
_HIGHER = 0.08  # or lower, up to this part of it
_LARGEST = 4.0  # crop sides: of people taller than this little is seen


class _Place(NamedTuple):
    centre: Float[np.ndarray, " 2"]
    height: float
    in_front: bool


def paste_neighbours(
    image: Image, alpha: Mask, axis: Float[np.ndarray, "2 2"], bank: Bank, rng: np.random.Generator
) -> Image:
    """Put one to four other people to the left and right of a person.

    Args:
        image: crop, RGB.
        alpha: coverage by the person.
        axis: crop pixels of the person's upper and lower end, which may lie outside, or NaN.
        bank: without cut-outs of standing people nothing happens.
    """
    standing = [piece for piece in bank.cutouts if piece[1].shape[0] > _UPRIGHT * piece[1].shape[1]]
    down = axis[1] - axis[0]
    if not standing or not 0 < np.linalg.norm(down) < _LARGEST * len(image):  # false for NaN
        return image
    degrees = float(np.degrees(np.arctan2(down[0], down[1])))
    places = _draw_places(axis, rng)
    out = image.copy()
    for in_front in (False, True):
        for place in places:
            if place.in_front == in_front:
                thing, mask = standing[rng.integers(len(standing))]
                paste(out, thing, mask, place.height, place.centre, degrees)
        if not in_front:
            out = blend(out, image, alpha)
    return out


def _draw_places(axis: Float[np.ndarray, "2 2"], rng: np.random.Generator) -> list[_Place]:
    """One after the other, on either side in turn and ever farther out."""
    down = axis[1] - axis[0]
    right = np.array([down[1], -down[0]])
    first, reach, places = int(rng.integers(2)), [0.0, 0.0], []
    for number in range(int(rng.integers(1, _MOST + 1))):
        side = (first + number) % 2
        reach[side] += rng.uniform(*_APART)
        aside = (1 if side else -1) * reach[side]
        centre = axis.mean(0) + aside * right + rng.uniform(-_HIGHER, _HIGHER) * down
        places.append(_Place(centre, rng.uniform(*_SIZE) * float(np.linalg.norm(down)), bool(rng.random() < _IN_FRONT)))
    return places
