"""Knee pivots that sit in the visible knee of every body.

anny's knee bone follows the surface only near its tallest shapes: over its adult prior the pivot lies 23 +- 12 mm
(at 1.75 m) above the kneecap's middle, over children 26 +- 14 mm; ankles, elbows and wrists are within 3 mm. A knee
that bends in the thigh looks wrong and puts the joint label there. So the pivot is tied to the ring of skin around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Heads(NamedTuple):
    """Bone heads as an affine function of shape: `mean + coefficients @ basis`; metres."""

    mean: Float[np.ndarray, "b 3"]
    basis: Float[np.ndarray, "r b3"]


def refit_knees(
    heads: Heads,
    mean: Float[np.ndarray, "v 3"],
    basis: Float[np.ndarray, "r v3"],
    skin: Int[np.ndarray, " n"],
    tall: Float[np.ndarray, " r"],
    bones: Sequence[str],
) -> Heads:
    """Move the heads of `lowerleg01.L/.R` to the middle of the ring of skin that is level with them on a tall body.

    Args:
        heads: of all bones.
        mean: vertices of the mean shape, metres, z up.
        basis: shape basis of the vertices, flattened.
        skin: vertices of the body's surface (without helpers, eyes and clothes).
        tall: shape coefficients of a body on which anny's pivot is level with the kneecap.
        bones: names of the bones.
    """
    new_mean, new_basis = heads.mean.copy(), heads.basis.copy().reshape(len(tall), -1, 3)
    vertices = mean + (tall @ basis).reshape(-1, 3)
    stature = np.ptp(vertices[skin, 2])
    tall_heads = heads.mean + (tall @ heads.basis).reshape(-1, 3)
    directions = basis.reshape(len(tall), -1, 3)
    for side in "LR":
        bone = list(bones).index(f"lowerleg01.{side}")
        offset = (vertices[skin] - tall_heads[bone]) / stature
        ring = skin[(np.abs(offset[:, 2]) < 0.016) & (np.linalg.norm(offset[:, :2], axis=1) < 0.06)]
        new_mean[bone] = mean[ring].mean(0)
        new_basis[:, bone] = directions[:, ring].mean(1)
    return Heads(new_mean, new_basis.reshape(len(tall), -1))
