"""Which joints of the main person can be seen: from the triangle that is in front at the joint's pixel."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

from metricpose.synthetic.controls import CONTROL_INDEX
from metricpose.synthetic.joints import JOINTS
from metricpose.synthetic.render import Assembly, Drawing
from metricpose.types import HIDDEN, OUTSIDE, VISIBLE

_MARGIN = 0.02
"""Metres (at 1.7 m) by which a surface must be nearer than a joint to be in front of it."""

_SURFACE_MARGIN = 0.05
"""The same for points on the skin, which hair and clothes may cover."""

# Parts of the body that a joint inside the body belongs to: seeing them is seeing the joint.
_OWNERS = {
    "pelvis": ("pelvis", "spine", "thigh.L", "thigh.R"),
    "spine": ("pelvis", "spine", "spine2", "chest"),
    "thorax": ("chest", "spine2", "neck", "clav.L", "clav.R", "head"),
    "head_top": ("head", "neck"),
    "hip": ("pelvis", "spine", "thigh.S"),
    "knee": ("thigh.S", "shin.S"),
    "ankle": ("shin.S", "foot.S", "toes.S"),
    "shoulder": ("clav.S", "uarm.S", "chest"),
    "elbow": ("uarm.S", "farm.S"),
    "wrist": ("farm.S", "hand.S"),
}
_ON_SKIN = ("nose", "eye", "ear", "toe", "heel")


def _owner_table() -> np.ndarray:
    """(25, 23) bool: control c (last column: none) owns joint j."""
    table = np.zeros((len(JOINTS), len(CONTROL_INDEX) + 1), bool)
    for j, joint in enumerate(JOINTS):
        name, side = (joint[2:], joint[0].upper()) if joint[1] == "_" else (joint, "")
        for control in _OWNERS.get(name, ()):
            table[j, CONTROL_INDEX[control.replace(".S", f".{side}")]] = True
    return table


_OWNED = _owner_table()
_IS_ON_SKIN = np.array([joint.endswith(_ON_SKIN) for joint in JOINTS])


def joint_visibility(
    assembly: Assembly,
    drawing: Drawing,
    joints: Float[np.ndarray, "25 3"],
    pixels: Float[np.ndarray, "25 2"],
    scale: float,
) -> UInt8[np.ndarray, " 25"]:
    """OUTSIDE, HIDDEN or VISIBLE per joint of group 0.

    Args:
        joints: camera frame, metres. pixels: their projections. scale: stature / 1.7 m.
    """
    column, row = drawing.sample_index(pixels).T
    height, width = drawing.depth.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height) & (joints[:, 2] > 0.05)
    column, row = np.where(inside, column, 0), np.where(inside, row, 0)
    face, inverse = drawing.triangle[row, column], drawing.depth[row, column]
    margin = np.where(_IS_ON_SKIN, _SURFACE_MARGIN, _MARGIN) * scale
    covered = (face >= 0) & (inverse * (joints[:, 2] - margin) > 1.0)
    control = np.where(face >= 0, assembly.controls[face], -1)
    owned = (face >= 0) & (assembly.geometry.groups[face] == 0) & _OWNED[np.arange(len(JOINTS)), control]
    result = np.where(covered & ~owned, HIDDEN, VISIBLE)
    return np.where(inside, result, OUTSIDE).astype(np.uint8)


def hidden_by_others(
    assembly: Assembly, drawing: Drawing, joints: Float[np.ndarray, "25 3"], pixels: Float[np.ndarray, "25 2"]
) -> float:
    """Share of the joints inside the picture that another person or thing covers (1 if none is inside)."""
    column, row = drawing.sample_index(pixels).T
    height, width = drawing.depth.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    if not inside.any():
        return 1.0
    face, inverse = drawing.triangle[row[inside], column[inside]], drawing.depth[row[inside], column[inside]]
    blocked = (face >= 0) & (assembly.geometry.groups[face] != 0) & (inverse * joints[inside, 2] > 1.0)
    return float(blocked.mean())
