"""The bones inside the body: which control drives which bone, and forward kinematics.

A pose gives one rotation per control (`controls.py`). A bone follows its control; the first half of an upper arm,
forearm or thigh takes only half of the control's twist, so that skin does not wring; fingers curl together.
"""

from __future__ import annotations

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float
from numba import njit

from metricpose.synthetic.controls import CONTROL_INDEX, CONTROL_PARENTS, CONTROLS, T_DIRECTIONS
from metricpose.synthetic.rotations import unit

_TRUNK = {
    "root": "pelvis", "spine05": "spine", "spine04": "spine", "spine03": "spine2", "spine02": "spine2",
    "spine01": "chest", "neck01": "neck", "neck02": "neck", "neck03": "neck", "head": "head",
}  # fmt: skip
_LIMBS = {
    "pelvis": "pelvis", "upperleg01": "thigh", "upperleg02": "thigh", "lowerleg01": "shin", "lowerleg02": "shin",
    "foot": "foot", "clavicle": "clav", "shoulder01": "clav", "upperarm01": "uarm", "upperarm02": "uarm",
    "lowerarm01": "farm", "lowerarm02": "farm", "wrist": "hand", "eye": "head",
    **{f"toe{k}-1": "toes" for k in range(1, 6)},
}  # fmt: skip
# Bones (from, to) whose rest direction is turned to the T direction of the control.
_DIRECTION_BONES = {
    "uarm": ("upperarm01", "lowerarm01"), "farm": ("lowerarm01", "wrist"), "hand": ("wrist", "finger3-1"),
    "thigh": ("upperleg01", "lowerleg01"), "shin": ("lowerleg01", "foot"), "foot": ("foot", "toe3-1"),
    "toes": ("foot", "toe3-1"),
}  # fmt: skip
_HALF_TWIST = ("upperarm01", "lowerarm01", "upperleg01")


class Rig(NamedTuple):
    """Arrays that forward kinematics needs; index -1 means none. B bones, 22 controls."""

    parents: np.ndarray  # (B,) parent bone
    driver: np.ndarray  # (B,) control that drives the bone
    half_twist: np.ndarray  # (B,) bool
    curl_side: np.ndarray  # (B,) 0 left, 1 right, -1 not a finger
    curl_gain: np.ndarray  # (B,) radians of bend per unit of curl
    control_parents: np.ndarray  # (22,)
    from_bone: np.ndarray  # (22,) bone whose head starts the limb
    to_bone: np.ndarray  # (22,) bone whose head ends it
    direction: np.ndarray  # (22, 3) unit T direction
    knuckles: np.ndarray  # (2, 2) index and little finger's first bones, left and right


class Posed(NamedTuple):
    """A skeleton in its pose, world frame, metres: `rotations` turn rest-pose offsets, `positions` are bone heads."""

    rotations: Float[np.ndarray, "b 3 3"]
    positions: Float[np.ndarray, "b 3"]

    def translations(self, rest_heads: Float[np.ndarray, "b 3"]) -> Float[np.ndarray, "b 3"]:
        """t of x -> R x + t, which takes a rest-pose point of each bone to the world."""
        return self.positions - np.einsum("bij,bj->bi", self.rotations, rest_heads)


def make_rig(bones: list[str], parents: np.ndarray) -> Rig:
    """Arrays of the rig for anny's bone names; bones without an entry follow their parent's control."""
    index = {name: i for i, name in enumerate(bones)}
    driver = np.zeros(len(bones), np.int64)
    for i, name in enumerate(bones):
        control = _control_of(name)
        driver[i] = CONTROL_INDEX[control] if control else driver[parents[i]]
    from_bone, to_bone = np.full(22, -1), np.full(22, -1)
    direction = np.zeros((22, 3))
    for control, i in CONTROL_INDEX.items():
        limb, _, side = control.partition(".")
        if limb in _DIRECTION_BONES:
            start, end = _DIRECTION_BONES[limb]
            from_bone[i], to_bone[i] = index[f"{start}.{side}"], index[f"{end}.{side}"]
            direction[i] = unit(T_DIRECTIONS[f"foot.{side}" if limb == "toes" else control])
    curl_side, curl_gain = _finger_curl(bones)
    return Rig(
        parents=np.asarray(parents, np.int64), driver=driver,
        half_twist=np.array([name.split(".")[0] in _HALF_TWIST for name in bones]),
        curl_side=curl_side, curl_gain=curl_gain, control_parents=np.array(CONTROL_PARENTS),
        from_bone=from_bone, to_bone=to_bone, direction=direction,
        knuckles=np.array([[index[f"finger2-1.{s}"], index[f"finger5-1.{s}"]] for s in "LR"]),
    )  # fmt: skip


def _control_of(bone: str) -> str | None:
    if bone in _TRUNK:
        return _TRUNK[bone]
    name, _, side = bone.partition(".")
    limb = _LIMBS.get(name)
    if limb is None:
        return None
    return f"{limb}.{side}" if f"{limb}.{side}" in CONTROLS else limb


def _finger_curl(bones: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Side and gain per bone; the thumb (finger 1) stays, outer joints and fingers bend more."""
    side, gain = np.full(len(bones), -1), np.zeros(len(bones))
    for i, name in enumerate(bones):
        if name.startswith("finger") and name[6] != "1":
            side[i] = "LR".index(name[-1])
            gain[i] = (1.0 if side[i] == 0 else -1.0) * int(name[8]) * (0.8 + 0.1 * int(name[6]))
    return side, gain


def pose_bones(
    rig: Rig,
    heads: Float[np.ndarray, "b 3"],
    pose: Float[np.ndarray, "22 3 3"],
    curl: tuple[float, float] = (0.0, 0.0),
) -> Posed:
    """Forward kinematics with the root bone's head at the origin.

    Args:
        heads: rest positions of the bones' heads, metres.
        pose: local rotations of the controls against the T pose.
        curl: finger curl of the left and the right hand, about 0 (flat) to 1.3 (fist).
    """
    rotations, positions = np.empty((len(heads), 3, 3)), np.empty((len(heads), 3))
    _pose_bones(rig, heads, np.ascontiguousarray(pose, np.float64), np.array(curl, np.float64), rotations, positions)
    return Posed(rotations, positions)


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _multiply(a, b, out):
    for i in range(3):
        for j in range(3):
            out[i, j] = a[i, 0] * b[0, j] + a[i, 1] * b[1, j] + a[i, 2] * b[2, j]


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _minimal_rotation(a, b, out):
    """Smallest rotation taking direction a to b (not opposite)."""
    length = np.sqrt((a * a).sum() * (b * b).sum())
    c = (a * b).sum() / length
    x = (a[1] * b[2] - a[2] * b[1]) / length
    y = (a[2] * b[0] - a[0] * b[2]) / length
    z = (a[0] * b[1] - a[1] * b[0]) / length
    h = 1.0 / (1.0 + max(c, -0.999))
    out[0, 0], out[0, 1], out[0, 2] = c + h * x * x, h * x * y - z, h * x * z + y
    out[1, 0], out[1, 1], out[1, 2] = h * x * y + z, c + h * y * y, h * y * z - x
    out[2, 0], out[2, 1], out[2, 2] = h * x * z - y, h * y * z + x, c + h * z * z


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _axis_rotation(axis, angle, out):
    n = axis / np.sqrt((axis * axis).sum())
    x, y, z = n[0], n[1], n[2]
    c, s = np.cos(angle), np.sin(angle)
    h = 1.0 - c
    out[0, 0], out[0, 1], out[0, 2] = c + h * x * x, h * x * y - s * z, h * x * z + s * y
    out[1, 0], out[1, 1], out[1, 2] = h * x * y + s * z, c + h * y * y, h * y * z - s * x
    out[2, 0], out[2, 1], out[2, 2] = h * x * z - s * y, h * y * z + s * x, c + h * z * z


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _twist_angle(rotation, axis):
    """Angle of the twist of `rotation` about a unit axis, in (-pi, pi]."""
    w = 0.5 * np.sqrt(max(1e-9, 1.0 + rotation[0, 0] + rotation[1, 1] + rotation[2, 2]))
    v = (rotation[2, 1] - rotation[1, 2]) * axis[0]
    v += (rotation[0, 2] - rotation[2, 0]) * axis[1]
    v += (rotation[1, 0] - rotation[0, 1]) * axis[2]
    angle = 2.0 * np.arctan2(v / (4.0 * w), w)
    return angle - 2.0 * np.pi * np.round(angle / (2.0 * np.pi))


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _pose_bones(rig, heads, pose, curl, rotations, positions):
    controls = np.empty((22, 3, 3))
    aligned = np.empty((22, 3, 3))
    align = np.zeros((22, 3, 3))
    a, b = np.empty((3, 3)), np.empty((3, 3))
    for c in range(22):
        parent = rig.control_parents[c]
        if parent < 0:
            controls[c] = pose[c]
        else:
            _multiply(controls[parent], pose[c], controls[c])
        if rig.from_bone[c] >= 0:
            _minimal_rotation(heads[rig.to_bone[c]] - heads[rig.from_bone[c]], rig.direction[c], align[c])
        else:
            align[c, 0, 0] = align[c, 1, 1] = align[c, 2, 2] = 1.0
        _multiply(controls[c], align[c], aligned[c])
    for i in range(len(heads)):
        c = rig.driver[i]
        if rig.half_twist[i]:
            _axis_rotation(rig.direction[c], -0.5 * _twist_angle(pose[c], rig.direction[c]), a)
            _multiply(pose[c], a, b)
            _multiply(controls[rig.control_parents[c]], b, a)
            _multiply(a, align[c], rotations[i])
        else:
            rotations[i] = aligned[c]
        side = rig.curl_side[i]
        if side >= 0:
            _axis_rotation(
                heads[rig.knuckles[side, 1]] - heads[rig.knuckles[side, 0]], curl[side] * rig.curl_gain[i], a
            )
            _multiply(rotations[i], a, b)
            rotations[i] = b
        parent = rig.parents[i]
        for k in range(3):
            positions[i, k] = 0.0
            if parent >= 0 and i > 0:
                positions[i, k] = positions[parent, k]
                for m in range(3):
                    positions[i, k] += rotations[parent, k, m] * (heads[i, m] - heads[parent, m])
