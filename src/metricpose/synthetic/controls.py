"""The 22 controls that a pose turns, and where they sit in a mean adult.

Frame: metres, z up, the person faces -y, the person's left is +x. A pose is one *local* rotation per control,
relative to the T pose: `G[c] = G[parent(c)] @ local[c]`, where `G` of the T pose is the identity everywhere.
The rotation of the pelvis turns the whole body. In the T pose the limbs lie along `T_DIRECTIONS`; a body model
first turns each of its rest bones to that direction, then applies `G`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

CONTROLS: tuple[str, ...] = (
    "pelvis", "spine", "spine2", "chest", "neck", "head",
    "clav.L", "uarm.L", "farm.L", "hand.L", "thigh.L", "shin.L", "foot.L", "toes.L",
    "clav.R", "uarm.R", "farm.R", "hand.R", "thigh.R", "shin.R", "foot.R", "toes.R",
)  # fmt: skip
CONTROL_PARENTS: tuple[int, ...] = (-1, 0, 1, 2, 3, 4, 3, 6, 7, 8, 0, 10, 11, 12, 3, 14, 15, 16, 0, 18, 19, 20)
CONTROL_INDEX: dict[str, int] = {name: i for i, name in enumerate(CONTROLS)}

_LEFT_T = {
    "clav": (1.0, 0.0, 0.0), "uarm": (1.0, 0.0, 0.0), "farm": (1.0, 0.0, 0.0), "hand": (1.0, 0.0, 0.0),
    "thigh": (0.0, 0.0, -1.0), "shin": (0.0, 0.0, -1.0), "foot": (0.0, -1.0, -0.45),
}  # fmt: skip
T_DIRECTIONS: dict[str, tuple[float, float, float]] = {
    f"{name}.{side}": (x if side == "L" else -x, y, z) for side in "LR" for name, (x, y, z) in _LEFT_T.items()
}
"""Direction (not of unit length) of each limb in the T pose; controls that are absent keep their rest direction."""

_MIRROR = np.array([CONTROL_INDEX[c[:-1] + {"L": "R", "R": "L"}.get(c[-1], c[-1])] for c in CONTROLS])

# Pivot of each control relative to its parent's, T pose, mean of 400 anny adults (1.71 m); the left side.
_PIVOTS = {
    "pelvis": (0.0, 0.0, 0.0), "spine": (0.0, 0.0, 0.0), "spine2": (0.0, 0.025, 0.149), "chest": (0.0, 0.013, 0.205),
    "neck": (0.0, -0.041, 0.184), "head": (0.0, -0.032, 0.096), "clav": (0.023, -0.054, 0.108),
    "uarm": (0.153, 0.004, -0.021), "farm": (0.256, 0.0, 0.0), "hand": (0.230, 0.0, 0.0),
    "thigh": (0.113, 0.009, -0.017), "shin": (0.0, 0.0, -0.398), "foot": (0.0, 0.0, -0.413),
    "toes": (0.0, -0.140, -0.063),
}  # fmt: skip
PIVOTS: Float[np.ndarray, "22 3"] = np.array(
    [np.array(_PIVOTS[c.split(".")[0]]) * ((-1.0, 1.0, 1.0) if c.endswith(".R") else (1.0, 1.0, 1.0)) for c in CONTROLS]
)
"""Offset of each control's pivot from its parent's in the T pose of a mean adult, metres."""


class PoseSample(NamedTuple):
    """One pose: local rotations of `CONTROLS`, what kind it is, and whether it needs a seat under the pelvis."""

    rotations: Float[np.ndarray, "22 3 3"]
    kind: str
    seated: bool


def global_rotations(local: Float[np.ndarray, "*n 22 3 3"]) -> Float[np.ndarray, "*n 22 3 3"]:
    """Rotation of every control against the T pose in the body's outer frame."""
    result = np.array(local, dtype=np.float64)
    for i, parent in enumerate(CONTROL_PARENTS):
        if parent >= 0:
            result[..., i, :, :] = result[..., parent, :, :] @ result[..., i, :, :]
    return result


def local_rotations(rotations: Float[np.ndarray, "*n 22 3 3"]) -> Float[np.ndarray, "*n 22 3 3"]:
    """Inverse of `global_rotations`."""
    result = np.array(rotations, dtype=np.float64)
    for i, parent in enumerate(CONTROL_PARENTS):
        if parent >= 0:
            result[..., i, :, :] = np.swapaxes(rotations[..., parent, :, :], -1, -2) @ rotations[..., i, :, :]
    return result


def pivot_positions(rotations: Float[np.ndarray, "*n 22 3 3"]) -> Float[np.ndarray, "*n 22 3"]:
    """Positions (metres, pelvis at the origin) of the controls of the mean adult under *global* `rotations`."""
    result = np.zeros((*rotations.shape[:-3], len(CONTROLS), 3))
    for i, parent in enumerate(CONTROL_PARENTS):
        if parent >= 0:
            result[..., i, :] = result[..., parent, :] + rotations[..., parent, :, :] @ PIVOTS[i]
    return result


def mirrored(local: Float[np.ndarray, "*n 22 3 3"]) -> Float[np.ndarray, "*n 22 3 3"]:
    """The pose seen in a mirror: left and right limbs swapped, every rotation reflected in the plane x = 0."""
    flip = np.array([-1.0, 1.0, 1.0])
    return (local * flip[:, None] * flip)[..., _MIRROR, :, :]
