"""What some protocols do to the size of predictions before they are measured; the protocol card says so."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from metricpose.errors import InputError
from metricpose.evaluation.definition import Rescale
from metricpose.skeleton.core import Skeleton

KNEE_NECK_MM = 920.0
"""Nominal length from the knee to the neck of MPI-INF-3DHP's universal skeleton (Mehta et al. 2017, MargiPose)."""

_KNEE_NECK = (("l_hip", "l_knee"), ("pelvis", "spine"), ("spine", "neck"))


def knee_neck(joints: Float[np.ndarray, "n j 3"], skeleton: Skeleton) -> Float[np.ndarray, " n"]:
    """Left thigh, pelvis to spine, spine to neck; the link from hip to pelvis does not count (MargiPose's code).

    Raises:
        InputError: the skeleton lacks one of these joints.
    """
    pairs = [(skeleton.index(a), skeleton.index(b)) for a, b in _KNEE_NECK]
    return np.sum([np.linalg.norm(joints[:, a] - joints[:, b], axis=-1) for a, b in pairs], axis=0)


def with_bones_of(
    predicted: Float[np.ndarray, "n j 3"], true: Float[np.ndarray, "n j 3"], skeleton: Skeleton
) -> Float[np.ndarray, "n j 3"]:
    """Predicted directions with true lengths, from the root outwards; the root stays (MuPoTS-3D's official script).

    A bone that was predicted without any length has no direction: its end is put at its start. (The script divides by
    zero there, and the joint, with all that hang on it, counts as wrong.) Where a true end is not known, the bone is
    taken as it was predicted.
    """
    out = predicted.copy()
    for child in _outwards(skeleton):
        parent = skeleton.parents[child]
        bone = predicted[:, child] - predicted[:, parent]
        wanted, found = (np.linalg.norm(b, axis=-1) for b in (true[:, child] - true[:, parent], bone))
        ratio = np.divide(wanted, found, out=np.zeros_like(found), where=found != 0)
        out[:, child] = out[:, parent] + np.where(np.isfinite(wanted), ratio, 1.0)[:, None] * bone
    return out


def rescaled(
    predicted: Float[np.ndarray, "n j 3"], true: Float[np.ndarray, "n j 3"], skeleton: Skeleton, rule: Rescale
) -> Float[np.ndarray, "n j 3"]:
    """Predictions of the size that the rule asks for, scaled about the origin, bones from the root outwards.

    Joints whose person lacks what the rule needs become NaN. No length is not made any other: 0 stays 0.

    Raises:
        InputError: no such rule, or the skeleton has no such joints.
    """
    if rule == "none":
        return predicted
    if rule == "bones of the truth":
        return with_bones_of(predicted, true, skeleton)
    if rule not in _HEIGHTS:
        raise InputError(f"unknown rescaling '{rule}'; known: none, bones of the truth, {', '.join(_HEIGHTS)}")
    height = knee_neck(predicted, skeleton)
    ratio = np.divide(_HEIGHTS[rule](true, skeleton), height, out=np.ones_like(height), where=height != 0)
    return predicted * ratio[:, None, None]


_HEIGHTS: dict[str, Callable[[Float[np.ndarray, "n j 3"], Skeleton], Float[np.ndarray, " n"]]] = {
    "knee-neck 920 mm": lambda true, skeleton: np.full(len(true), KNEE_NECK_MM),
    "knee-neck of the truth": knee_neck,
}


def _outwards(skeleton: Skeleton) -> list[int]:
    """Joints with a parent, each after its parent."""
    order: list[int] = []
    reached = {skeleton.parents.index(-1)}
    while len(reached) < len(skeleton):
        ring = [j for j, p in enumerate(skeleton.parents) if p in reached and j not in reached]
        order += ring
        reached |= set(ring)
    return order
