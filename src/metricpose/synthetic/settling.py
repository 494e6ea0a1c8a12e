"""Laying a body down: a sampled pose of someone on the floor rarely touches it where it should."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from metricpose.synthetic.rig import Posed, Rig, pose_bones
from metricpose.synthetic.rotations import axis_rotation, unit

RESTING = ("lie", "floor", "all_fours", "plank")
"""Kinds of pose that rest on more than their feet."""

# Flesh around a bone's head, metres for a 1.7 m adult, by the start of the bone's name; 0.035 elsewhere.
_FLESH = {"root": 0.10, "pelvis": 0.10, "upperleg": 0.09, "spine": 0.10, "head": 0.09, "neck": 0.06, "clavicle": 0.06}
_MAX_TILT = 1.0
_BALANCED = 0.08


def settle(
    rig: Rig, bones: list[str], heads: Float[np.ndarray, "b 3"], pose: Float[np.ndarray, "22 3 3"], scale: float
) -> Float[np.ndarray, "22 3 3"]:
    """The pose tipped about its lowest point, towards its centre of mass, until it touches the ground again; twice.

    Args:
        heads: rest positions of the bones' heads, metres. pose: local rotations of the controls.
        scale: stature / 1.7 m.
    """
    flesh = scale * np.array([next((r for k, r in _FLESH.items() if name.startswith(k)), 0.035) for name in bones])
    trunk = [bones.index(name) for name in ("root", "spine03", "spine01", "head")]
    for _ in range(2):
        turn = _tipping(pose_bones(rig, heads, pose), flesh, trunk, scale)
        pose = pose.copy()
        pose[0] = turn @ pose[0]
    return pose


def _tipping(posed: Posed, flesh: Float[np.ndarray, " b"], trunk: list[int], scale: float) -> Float[np.ndarray, "3 3"]:
    """Rotation that brings the next point down to the ground; none if the trunk is above what already touches."""
    bottom = posed.positions[:, 2] - flesh
    contact = int(bottom.argmin())
    across = posed.positions[trunk].mean(0) - posed.positions[contact]
    across[2] = 0.0
    if np.linalg.norm(across) < _BALANCED * scale:
        return np.eye(3)
    towards = unit(across)
    along = (posed.positions - posed.positions[contact]) @ towards
    ahead = along > _BALANCED * scale
    angle = min(float(np.arctan2(bottom[ahead] - bottom[contact], along[ahead]).min()), _MAX_TILT)
    return axis_rotation(np.cross([0.0, 0.0, 1.0], towards), angle)
