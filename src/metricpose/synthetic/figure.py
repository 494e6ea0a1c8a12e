"""A figure to be posed by hand: set the trunk, head, legs and arms by anatomical angles or by reaching.

Angles are radians. `side` is "L" or "R". Directions and points given for a limb have x pointing *outwards* on
that side, so one recipe serves both. Every setter keeps within `LIMITS`, so no recipe can break a joint.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from metricpose.synthetic.controls import (
    CONTROL_INDEX,
    CONTROL_PARENTS,
    CONTROLS,
    PIVOTS,
    PoseSample,
    global_rotations,
)
from metricpose.synthetic.rotations import (
    axis_rotation,
    minimal_rotation,
    rot_x,
    rot_y,
    rot_z,
    unit,
)

LIMITS: dict[str, tuple[float, float]] = {
    "bend": (-0.60, 1.30),
    "side_bend": (-0.65, 0.65),
    "turn": (-0.90, 0.90),
    "head_pitch": (-1.00, 1.00),
    "head_tilt": (-0.70, 0.70),
    "head_turn": (-1.35, 1.35),
    "hip_flexion": (-0.60, 2.35),
    "hip_abduction": (-0.45, 1.20),
    "hip_rotation": (-0.75, 1.00),
    "knee": (0.0, 2.60),
    "ankle": (-0.90, 0.50),
    "elbow": (0.0, 2.55),
    "forearm_twist": (-1.45, 1.45),
    "wrist_flexion": (-1.10, 1.20),
    "wrist_deviation": (-0.50, 0.60),
}
"""Ranges of motion (radians) of a limber adult."""

UPPER_ARM = abs(float(PIVOTS[CONTROL_INDEX["farm.L"]][0]))
FOREARM = abs(float(PIVOTS[CONTROL_INDEX["hand.L"]][0]))
Point = Sequence[float] | Float[np.ndarray, "3"]


def limited(name: str, value: float) -> float:
    """`value` held inside the range of motion `name`."""
    low, high = LIMITS[name]
    return min(max(value, low), high)


def sign(side: str) -> float:
    """+1 for the left side, -1 for the right: the direction of x that points outwards."""
    return 1.0 if side == "L" else -1.0


class Figure:
    """Local rotations of the controls under construction; starts as the T pose."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.rotations = np.tile(np.eye(3), (len(CONTROLS), 1, 1))

    def set(self, control: str, rotation: Float[np.ndarray, "3 3"]) -> None:
        """Give `control` this local rotation."""
        self.rotations[CONTROL_INDEX[control]] = rotation

    def orient(self, rotation: Float[np.ndarray, "3 3"]) -> None:
        """Turn the whole body."""
        self.set("pelvis", rotation)

    def lean(self, angle: float) -> None:
        """Tilt the pelvis forwards by `angle`, body with it."""
        self.orient(rot_x(angle))

    def trunk(self, bend: float, side: float = 0.0, turn: float = 0.0) -> None:
        """Bend forwards, to the left or right, and turn to the left: shared out over three spine controls."""
        bend, side, turn = limited("bend", bend), limited("side_bend", side), limited("turn", turn)
        for control, share in (("spine", 0.35), ("spine2", 0.35), ("chest", 0.3)):
            self.set(control, rot_z(turn * share) @ rot_y(side * share) @ rot_x(bend * share))

    def head(self, pitch: float, tilt: float = 0.0, turn: float = 0.0) -> None:
        """Nod (down is positive), tilt and turn (to the left is positive) the head on the neck."""
        pitch, tilt, turn = limited("head_pitch", pitch), limited("head_tilt", tilt), limited("head_turn", turn)
        self.set("neck", rot_z(turn * 0.4) @ rot_y(tilt * 0.5) @ rot_x(pitch * 0.4))
        self.set("head", rot_z(turn * 0.6) @ rot_y(tilt * 0.5) @ rot_x(pitch * 0.6))

    def leg(
        self, side: str, flexion: float, abduction: float, rotation: float, knee: float, ankle: float = 0.0
    ) -> None:
        """Hip flexion, abduction and outward rotation, knee flexion, and ankle (toes up is positive)."""
        s = sign(side)
        swing = rot_x(-limited("hip_flexion", flexion)) @ rot_y(-s * limited("hip_abduction", abduction))
        self.set(f"thigh.{side}", swing @ rot_z(s * limited("hip_rotation", rotation)))
        self.set(f"shin.{side}", rot_x(limited("knee", knee)))
        self.set(f"foot.{side}", rot_x(-limited("ankle", ankle)))

    def arm(self, side: str, direction: Point, twist: float, elbow: float, forearm_twist: float = 0.0) -> None:
        """Upper arm along `direction` (chest frame, x outwards), turned by `twist` about itself; elbow flexion."""
        s = sign(side)
        wanted = unit([s * direction[0], direction[1], direction[2]])
        self._clavicle(side, wanted)
        inner = self.rotations[CONTROL_INDEX[f"clav.{side}"]].T @ wanted
        along = np.array([s, 0.0, 0.0])
        self.set(f"uarm.{side}", minimal_rotation(along, inner) @ axis_rotation(along, twist))
        self._forearm(side, elbow, forearm_twist)

    def hand(self, side: str, flexion: float, deviation: float = 0.0) -> None:
        """Bend the wrist towards the palm, and towards the thumb."""
        s = sign(side)
        bend = rot_y(s * limited("wrist_flexion", flexion))
        self.set(f"hand.{side}", bend @ rot_z(-s * limited("wrist_deviation", deviation)))

    def reach(
        self,
        side: str,
        point: Point,
        frame: str = "chest",
        elbow_to: Point = (0.4, 0.3, -1.0),
        palm: Point | None = None,
    ) -> None:
        """Bring the wrist to `point` (metres of the mean adult, x outwards, relative to the pivot of `frame`).

        The upper arm and forearm lie in the plane that also holds the direction `elbow_to` (same frame axes); a
        point out of reach is approached as near as the arm allows. `palm` is the direction the palm should face
        as far as the forearm can turn.
        """
        s = np.array([sign(side), 1.0, 1.0])
        rotations, positions = self.pose()
        base = CONTROL_INDEX[frame]
        target = positions[base] + rotations[base] @ (s * np.asarray(point, dtype=np.float64))
        hint = rotations[base] @ (s * np.asarray(elbow_to, dtype=np.float64))
        chest = rotations[CONTROL_INDEX["chest"]]
        shoulder = CONTROL_INDEX[f"uarm.{side}"]
        self._clavicle(side, unit(chest.T @ (target - positions[shoulder])))
        rotations, positions = self.pose()
        upper, fore, elbow = _two_bones(target - positions[shoulder], hint)
        self._aim_upper_arm(side, rotations, upper, fore)
        self._forearm(side, elbow, 0.0)
        if palm is not None:
            self._forearm(side, elbow, self._palm_twist(side, rotations[base] @ (s * np.asarray(palm))))

    def pose(self) -> tuple[Float[np.ndarray, "22 3 3"], Float[np.ndarray, "22 3"]]:
        """Global rotations and pivot positions (mean adult, metres, pelvis at the origin) so far."""
        rotations = global_rotations(self.rotations)
        positions = np.zeros((len(CONTROLS), 3))
        for i, parent in enumerate(CONTROL_PARENTS[1:], start=1):
            positions[i] = positions[parent] + rotations[parent] @ PIVOTS[i]
        return rotations, positions

    def sample(self, kind: str, seated: bool = False) -> PoseSample:
        """The finished pose."""
        return PoseSample(self.rotations, kind, seated)

    def _clavicle(self, side: str, direction: Float[np.ndarray, 3]) -> None:
        """The shoulder rises with a raised arm and comes forwards with an arm stretched to the front."""
        s = sign(side)
        elevation = float(np.arcsin(np.clip(direction[2], -1.0, 1.0)))
        lift = 0.33 * max(0.0, elevation + 0.2)
        self.set(f"clav.{side}", rot_y(-s * lift) @ rot_z(-0.25 * s * max(0.0, -float(direction[1]))))

    def _forearm(self, side: str, elbow: float, twist: float) -> None:
        s = sign(side)
        flexed = rot_z(-s * limited("elbow", elbow))
        self.set(f"farm.{side}", flexed @ axis_rotation((s, 0.0, 0.0), limited("forearm_twist", twist)))

    def _aim_upper_arm(
        self,
        side: str,
        rotations: Float[np.ndarray, "22 3 3"],
        upper: Float[np.ndarray, 3],
        fore: Float[np.ndarray, 3],
    ) -> None:
        """Upper arm along `upper`, its hinge turned so that the elbow flexes towards `fore`."""
        s = sign(side)
        flex = unit(fore - (fore @ upper) * upper)
        rest = np.array([[s, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -s]]).T  # arm, flexing direction, their cross
        wanted = np.stack([upper, flex, np.cross(upper, flex)], axis=1)
        parent = rotations[CONTROL_INDEX[f"clav.{side}"]]
        self.set(f"uarm.{side}", parent.T @ wanted @ rest.T)

    def _palm_twist(self, side: str, palm: Float[np.ndarray, 3]) -> float:
        """Forearm twist that turns the palm (down in the T pose) towards `palm` (outer frame)."""
        s = sign(side)
        forearm = global_rotations(self.rotations)[CONTROL_INDEX[f"farm.{side}"]]
        wanted = forearm.T @ palm  # untwisted, the palm faces -z of the forearm's frame and turns about +-x
        return float(np.arctan2(s * wanted[1], -wanted[2]))


def _two_bones(
    reach: Float[np.ndarray, 3], hint: Float[np.ndarray, 3]
) -> tuple[Float[np.ndarray, 3], Float[np.ndarray, 3], float]:
    """Directions of upper arm and forearm, and elbow flexion, that bring the wrist to `reach` from the shoulder.

    The triangle of the two bones lies in the plane of `reach` and `hint`, its elbow on the side of `hint`.
    """
    nearest = np.sqrt(UPPER_ARM**2 + FOREARM**2 + 2 * UPPER_ARM * FOREARM * np.cos(LIMITS["elbow"][1]))
    length = float(np.clip(np.linalg.norm(reach), nearest, 0.995 * (UPPER_ARM + FOREARM)))
    along = unit(reach)
    across = hint - (hint @ along) * along
    if np.linalg.norm(across) < 1e-6:
        across = np.cross(along, [0.3, 0.5, 0.8])
    across = unit(across)
    cosine = (UPPER_ARM**2 + length**2 - FOREARM**2) / (2 * UPPER_ARM * length)
    upper = cosine * along + np.sqrt(max(0.0, 1 - cosine**2)) * across
    fore = unit(length * along - UPPER_ARM * upper)
    return upper, fore, float(np.arccos(np.clip(upper @ fore, -1.0, 1.0)))
