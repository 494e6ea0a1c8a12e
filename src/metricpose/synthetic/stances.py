"""What legs and trunk do: standing, walking, sitting, kneeling, lying and the rest, for a whole `Figure`.

A stance sets pelvis, trunk, head and legs; arms come afterwards (`gestures`), because reaching needs the trunk.
"""

from __future__ import annotations

import numpy as np

from metricpose.synthetic.controls import CONTROL_INDEX
from metricpose.synthetic.figure import Figure, sign
from metricpose.synthetic.gestures import anywhere, normal
from metricpose.synthetic.rotations import rot_x, rot_y, rot_z


def upright(f: Figure) -> None:
    """Trunk and head of someone at ease."""
    f.trunk(normal(f, 0.05, 0.12, -0.4, 0.7), f.rng.normal(0, 0.08), f.rng.normal(0, 0.15))
    f.head(normal(f, 0.08, 0.25, -0.8, 0.9), f.rng.normal(0, 0.12), f.rng.normal(0, 0.4))


def sides(f: Figure) -> tuple[str, str]:
    """The two sides in random order."""
    return ("L", "R") if f.rng.random() < 0.5 else ("R", "L")


def stand(f: Figure) -> None:
    """Both feet on the ground, or the weight on one leg."""
    upright(f)
    for side in "LR":
        f.leg(side, normal(f, 0.03, 0.12, -0.25, 0.8), normal(f, 0.07, 0.08, -0.08, 0.5),
              normal(f, 0.15, 0.15, -0.3, 0.7), normal(f, 0.08, 0.12, 0.0, 0.7), f.rng.normal(0, 0.05))  # fmt: skip
    if f.rng.random() < 0.12:
        f.leg(
            sides(f)[0],
            f.rng.uniform(0.3, 1.7),
            f.rng.uniform(0, 0.7),
            f.rng.normal(0.1, 0.3),
            f.rng.uniform(0.2, 2.2),
            -0.2,
        )


def step(f: Figure, speed: float) -> float:
    """One moment of walking (speed 0) to running (speed 1); returns the phase of the left leg."""
    phase = f.rng.uniform(0, 2 * np.pi)
    stride = f.rng.uniform(0.25, 0.55) + 0.35 * speed
    upright(f)
    f.trunk(normal(f, 0.05 + 0.15 * speed, 0.06, -0.1, 0.6), 0.0, -0.15 * np.sin(phase))
    for side, offset in (("L", 0.0), ("R", np.pi)):
        t = phase + offset
        swing = max(0.0, np.cos(t + 0.4))  # the knee bends while the leg travels forwards
        ankle = f.rng.normal(-0.05, 0.08) - 0.35 * max(0.0, -np.sin(t))
        f.leg(side, 0.08 + 0.2 * speed + stride * np.sin(t), 0.04, 0.08, 0.12 + swing * (1.0 + 0.9 * speed), ankle)
    return phase


def swing_arms(f: Figure, phase: float, speed: float) -> None:
    """Arms opposite to the legs, elbows bent when running."""
    elbow = f.rng.uniform(0.1, 0.5) + 1.1 * speed
    for side, offset in (("L", 0.0), ("R", np.pi)):
        angle = -np.sin(phase + offset) * (0.35 + 0.35 * speed) * f.rng.uniform(0.5, 1.3)
        bend = elbow + f.rng.normal(0, 0.15) + 0.3 * max(0.0, angle)
        f.arm(side, (0.15, -np.sin(angle), -np.cos(angle)), f.rng.normal(0, 0.15), bend, f.rng.normal(0.2, 0.3))


def sit_chair(f: Figure) -> None:
    """On a seat, legs in one of the ways people put them."""
    lean = normal(f, 0.0, 0.18, -0.45, 0.75)
    upright(f)
    f.lean(lean * 0.7)
    f.trunk(normal(f, 0.12 + 0.4 * lean, 0.14, -0.35, 0.9), f.rng.normal(0, 0.1), f.rng.normal(0, 0.15))
    way = f.rng.choice(
        ["level", "stretched", "tucked", "crossed", "ankle_on_knee", "wide"], p=[0.42, 0.14, 0.12, 0.14, 0.08, 0.10]
    )
    _seated_legs(f, str(way), 1.5 + lean * 0.7)


def _seated_legs(f: Figure, way: str, level: float) -> None:
    """`level` is the hip flexion that makes the thigh level."""
    for side in "LR":
        abduction = normal(f, 0.45 if way == "wide" else 0.12, 0.12, -0.1, 0.9)
        knee = {"stretched": 0.6, "tucked": 1.95}.get(way, 1.52) + f.rng.normal(0, 0.18)
        flexion = level + f.rng.normal(0, 0.08) - (0.12 if way == "stretched" else 0.0)
        f.leg(side, flexion, abduction, normal(f, 0.05, 0.15, -0.4, 0.6), knee, f.rng.normal(0, 0.12))
    over, under = sides(f)
    if way == "crossed":  # knee over knee
        f.leg(under, level - 0.05, 0.02, 0.0, 1.5 + f.rng.normal(0, 0.1))
        f.leg(over, level + 0.27, -0.28, 0.0, 1.15 + f.rng.normal(0, 0.12), -0.2)
    elif way == "ankle_on_knee":
        f.leg(under, level, 0.12, 0.1, 1.5)
        f.leg(over, level + 0.25, 0.75, 0.95, 1.75 + f.rng.normal(0, 0.08))


def sit_down(f: Figure) -> None:
    """On the way down to a seat or up from it."""
    depth = f.rng.uniform(0.5, 1.5)
    tilt = depth * f.rng.uniform(0.25, 0.5)
    upright(f)
    f.lean(tilt)
    f.trunk(normal(f, 0.25, 0.2, -0.2, 0.9), f.rng.normal(0, 0.08), f.rng.normal(0, 0.12))
    for side in "LR":
        f.leg(side, depth + tilt * 0.6 + f.rng.normal(0, 0.06), normal(f, 0.15, 0.1, 0, 0.6), 0.1, depth * 1.05, -0.1)


def squat(f: Figure) -> None:
    """Both knees deeply bent, feet on the ground."""
    depth = f.rng.uniform(0.8, 2.1)
    upright(f)
    f.lean(depth * f.rng.uniform(0.2, 0.4))
    for side in "LR":
        f.leg(
            side,
            depth + f.rng.normal(0, 0.08),
            normal(f, 0.3, 0.15, 0, 0.8),
            0.35,
            depth * f.rng.uniform(0.95, 1.15),
            0.2 * depth,
        )


def kneel(f: Figure) -> None:
    """On both knees (upright to sitting on the heels) or on one."""
    upright(f)
    if f.rng.random() < 0.5:
        sink = f.rng.uniform(0, 1.1)
        for side in "LR":
            f.leg(side, sink + f.rng.normal(0, 0.04), normal(f, 0.12, 0.08, 0, 0.5), 0.0, 1.5 + sink, -0.7)
    else:
        front, rear = sides(f)
        f.leg(front, normal(f, 1.45, 0.15), 0.15, 0.1, normal(f, 1.5, 0.2))
        f.leg(rear, f.rng.normal(0, 0.12), 0.1, 0.0, 1.6, -0.6)


def sit_floor(f: Figure) -> None:
    """On the ground: legs stretched, crossed, drawn up, folded to one side."""
    lean = f.rng.uniform(-0.55, 0.35)
    upright(f)
    f.lean(lean)
    way = f.rng.choice(["stretched", "crossed", "drawn_up", "one_up", "to_side"], p=[0.25, 0.25, 0.2, 0.15, 0.15])
    for i, side in enumerate(sides(f)):
        level = 1.55 + lean + f.rng.normal(0, 0.08)
        if way == "stretched" or (way == "one_up" and i == 0):
            f.leg(side, level, normal(f, 0.2, 0.2, 0, 0.8), 0.1, normal(f, 0.1, 0.25, 0, 1.0), -0.3)
        elif way == "crossed":
            f.leg(side, level + 0.15, normal(f, 0.95, 0.08), 0.9, normal(f, 2.0, 0.1))
        elif way == "to_side":
            f.leg(side, level - 0.1, 0.15 if i else 0.7, -0.5 if i else 0.8, 2.0)
        else:
            f.leg(side, level + 0.6, 0.15, 0.1, normal(f, 2.1, 0.2), -0.3)


def lie(f: Figure) -> None:
    """On the back, the front or a side."""
    upright(f)
    roll = float(f.rng.choice([0.0, 1.4, -1.4], p=[0.6, 0.2, 0.2])) + f.rng.normal(0, 0.1)
    f.orient(rot_x(-np.pi / 2 if f.rng.random() < 0.6 else np.pi / 2) @ rot_z(roll))
    for side in "LR":
        f.leg(
            side,
            normal(f, 0.2, 0.45, -0.1, 1.8),
            normal(f, 0.12, 0.15, -0.1, 0.7),
            0.2,
            normal(f, 0.4, 0.6, 0, 2.2),
            -0.4,
        )


def balance(f: Figure) -> None:
    """Fighting for balance: on one leg or a narrow base, hips and trunk bent to a side."""
    f.orient(rot_x(f.rng.normal(0.05, 0.2)) @ rot_y(f.rng.normal(0, 0.22)))
    f.trunk(normal(f, 0.15, 0.25, -0.4, 0.9), f.rng.normal(0, 0.3), f.rng.normal(0, 0.3))
    f.head(normal(f, 0.1, 0.3, -0.8, 0.9), f.rng.normal(0, 0.25), f.rng.normal(0, 0.4))
    standing, free = sides(f)
    f.leg(
        standing, f.rng.normal(0.1, 0.2), f.rng.normal(0.05, 0.15), f.rng.normal(0.1, 0.2), normal(f, 0.2, 0.25, 0, 1.2)
    )
    lifted = f.rng.random() < 0.6
    flexion = f.rng.uniform(-0.5, 1.4) if lifted else f.rng.normal(0.05, 0.3)
    f.leg(free, flexion, normal(f, 0.35, 0.35, -0.35, 1.1), f.rng.normal(0.1, 0.3), normal(f, 0.6, 0.6, 0, 2.2), -0.2)


def recline(f: Figure) -> None:
    """Half lying on the ground, propped on hands or elbows; legs flat, drawn up or lifted. Sets the arms too."""
    back = f.rng.uniform(0.35, 1.3)
    f.orient(rot_x(-back) @ rot_z(f.rng.normal(0, 0.25)))
    f.trunk(normal(f, 0.25, 0.25, -0.3, 0.9), f.rng.normal(0, 0.12), f.rng.normal(0, 0.2))
    f.head(normal(f, 0.3, 0.3, -0.6, 0.9), f.rng.normal(0, 0.12), f.rng.normal(0, 0.4))
    flat = 1.5 - back
    for side in "LR":
        way = f.rng.choice(["flat", "drawn_up", "lifted"], p=[0.35, 0.35, 0.3])
        flexion, knee = {
            "flat": (flat + f.rng.normal(0, 0.1), normal(f, 0.1, 0.2, 0, 0.9)),
            "drawn_up": (flat + f.rng.uniform(0.4, 1.0), f.rng.uniform(1.2, 2.3)),
            "lifted": (flat + f.rng.uniform(0.25, 1.1), normal(f, 0.2, 0.3, 0, 1.2)),
        }[str(way)]
        f.leg(side, flexion, normal(f, 0.12, 0.15, -0.15, 0.7), f.rng.normal(0.1, 0.2), knee, f.rng.normal(-0.3, 0.2))
    elbows = f.rng.random() < 0.2 + 0.5 * (back - 0.35)
    for side in "LR":
        if f.rng.random() < 0.8:
            _prop(f, side, elbows)
        else:
            anywhere(f, side)


def _prop(f: Figure, side: str, on_elbow: bool) -> None:
    """The hand on the ground behind the body, or before an elbow on the ground."""
    rotations, positions = f.pose()
    shoulder, base = positions[CONTROL_INDEX[f"uarm.{side}"]], rotations[CONTROL_INDEX["pelvis"]]
    behind = -f.rng.uniform(0.05, 0.35) if on_elbow else f.rng.uniform(-0.05, 0.4)
    hand = np.array([shoulder[0] + sign(side) * f.rng.uniform(-0.1, 0.25), shoulder[1] + behind, -0.09])
    towards = np.array([sign(side) * 0.4, 0.6, -1.0 if on_elbow else 0.2])
    outwards = np.array([sign(side), 1.0, 1.0])
    f.reach(side, outwards * (base.T @ hand), "pelvis", outwards * (base.T @ towards))


def bend(f: Figure) -> None:
    """Bending down or over, to pick something up or to look into something."""
    depth = f.rng.uniform(0.4, 1.6)
    hinge = depth * 0.65
    upright(f)
    f.lean(hinge)
    f.trunk(depth * 0.55, f.rng.normal(0, 0.15), f.rng.normal(0, 0.3))
    crouch = f.rng.uniform(0, 0.7)
    for side in "LR":
        f.leg(side, hinge + crouch + f.rng.normal(0, 0.08), 0.12, 0.1, crouch * 1.6 + 0.1)


def lunge(f: Figure) -> None:
    """One leg far forwards, one back."""
    front, rear = sides(f)
    depth = f.rng.uniform(0.6, 1.6)
    upright(f)
    f.lean(f.rng.uniform(-0.1, 0.4))
    f.leg(front, depth, 0.15, 0.1, depth * f.rng.uniform(0.6, 1.1))
    f.leg(rear, -f.rng.uniform(0.1, 0.6), 0.1, 0.15, f.rng.uniform(0, 1.2), -0.4)


def all_fours(f: Figure) -> None:
    """On hands and knees, or hands and feet; sets the arms too."""
    upright(f)
    f.lean(np.deg2rad(f.rng.uniform(70, 100)))
    for side in "LR":
        f.leg(side, normal(f, 1.5, 0.35, 0.2, 2.1), 0.1, 0.0, normal(f, 1.5, 0.4, 0.1, 2.2), -0.6)
        f.arm(side, (0.2, -1.0, f.rng.normal(0, 0.3)), f.rng.normal(0, 0.2), normal(f, 0.2, 0.3, 0, 1.6))
        f.hand(side, -1.0)
    f.head(normal(f, -0.5, 0.3, -0.9, 0.6), 0.0, f.rng.normal(0, 0.4))


def jump(f: Figure) -> None:
    """In the air."""
    upright(f)
    f.orient(rot_x(f.rng.normal(0, 0.25)) @ rot_y(f.rng.normal(0, 0.15)))
    for side in "LR":
        f.leg(side, f.rng.uniform(-0.3, 1.5), normal(f, 0.2, 0.25, 0, 0.9), 0.1, f.rng.uniform(0, 2.0), -0.5)


def anyhow(f: Figure) -> None:
    """Every joint anywhere in its range."""
    f.orient(rot_x(f.rng.normal(0, 0.6)) @ rot_y(f.rng.normal(0, 0.4)))
    f.trunk(f.rng.uniform(-0.4, 0.9), f.rng.normal(0, 0.25), f.rng.normal(0, 0.45))
    f.head(f.rng.uniform(-0.7, 0.8), f.rng.normal(0, 0.25), f.rng.normal(0, 0.6))
    for side in "LR":
        f.leg(
            side,
            f.rng.uniform(-0.4, 2.1),
            f.rng.uniform(-0.2, 1.0),
            f.rng.uniform(-0.5, 0.7),
            2.4 * f.rng.beta(1, 1.7),
            f.rng.normal(-0.1, 0.3),
        )
