"""Exercise on the ground, as in a gym, in yoga and in physiotherapy: on the back, on a side, hips up, face down.

Each recipe sets trunk, head, legs and arms of a whole `Figure`. Nothing stands upright, so limbs point where those of
standing people never do: legs into the air, feet towards the camera, the head lower than the hips.
"""

from __future__ import annotations

import numpy as np

from metricpose.synthetic import gestures as g
from metricpose.synthetic.figure import Figure
from metricpose.synthetic.gestures import normal
from metricpose.synthetic.rotations import rot_x, rot_z
from metricpose.synthetic.stances import sides

_QUARTER = np.pi / 2


def floor_exercise(f: Figure) -> bool:
    """On the back (crunches, raised legs, bicycle), on a side with a leg lifted, or bridging."""
    (on_back, on_side, bridge)[int(f.rng.choice(3, p=(0.58, 0.27, 0.15)))](f)
    return False


def plank(f: Figure) -> bool:
    """Face down on hands or forearms: planks, press-ups, cobra, arms and legs lifted off the ground."""
    f.orient(rot_x(_QUARTER) @ rot_z(f.rng.normal(0, 0.1)))
    way = str(f.rng.choice(["straight", "bent", "forearms", "cobra", "lifted"], p=[0.3, 0.2, 0.2, 0.2, 0.1]))
    arched = way in ("cobra", "lifted")
    f.trunk(normal(f, -0.4 if arched else 0.0, 0.12, -0.6, 0.4), f.rng.normal(0, 0.07), f.rng.normal(0, 0.1))
    f.head(normal(f, -0.3, 0.3, -0.9, 0.5), f.rng.normal(0, 0.1), f.rng.normal(0, 0.35))
    raised = f.rng.random() < 0.15
    for i, side in enumerate(sides(f)):
        back = -0.35 if (raised and i == 0) or way == "lifted" else 0.0
        f.leg(side, f.rng.normal(back, 0.08), normal(f, 0.1, 0.1, 0, 0.5), 0.0, normal(f, 0.06, 0.1, 0, 0.6), -0.3)
        if way == "lifted":
            f.arm(side, (f.rng.uniform(0.0, 1.0), -0.2, 1.0), f.rng.normal(0, 0.3), normal(f, 0.2, 0.2, 0, 1.0))
        elif way == "forearms":
            f.reach(side, g.jitter(f, 0.1, -0.28, 0.3), "chest", (0.1, -1.0, -0.3))
        else:
            bend = f.rng.uniform(0.6, 1.6) if way == "bent" else normal(f, 0.1, 0.12, 0, 0.5)
            f.arm(side, (f.rng.uniform(0.1, 0.4), -1.0, f.rng.normal(0.0, 0.15)), f.rng.normal(0, 0.2), bend)
            f.hand(side, -1.0)
    return False


def on_back(f: Figure) -> None:
    """On the back: shoulders down or curled up; each leg flat, drawn up, straight in the air or level at the knee."""
    f.orient(rot_x(-_QUARTER + f.rng.normal(0.05, 0.08)) @ rot_z(f.rng.normal(0, 0.15)))
    curl = f.rng.uniform(0.3, 1.0) if f.rng.random() < 0.35 else normal(f, 0.05, 0.08)
    f.trunk(curl, f.rng.normal(0, 0.08), f.rng.normal(0, 0.2 if curl > 0.3 else 0.08))
    f.head(normal(f, 0.15 + 0.3 * curl, 0.2, -0.3, 0.9), f.rng.normal(0, 0.1), f.rng.normal(0, 0.4))
    left, right = _leg_in_air(f), _leg_in_air(f)
    if f.rng.random() < 0.45:
        right = left + f.rng.normal(0, 0.06, 5)
    for side, (flexion, abduction, rotation, knee, ankle) in (("L", left), ("R", right)):
        f.leg(side, flexion, abduction, rotation, knee, ankle)
    alike = _arm_lying(f) if f.rng.random() < 0.6 else None
    for side in "LR":
        (alike or _arm_lying(f))(f, side)


def on_side(f: Figure) -> None:
    """On a side, propped on the elbow or with the head on the arm; the upper leg lifted, bent or resting."""
    lower, upper = sides(f)
    down = 1.0 if lower == "L" else -1.0
    f.orient(rot_x(-_QUARTER) @ rot_z(down * (_QUARTER + f.rng.normal(0, 0.15))))
    propped = f.rng.random() < 0.65
    # Side bend is positive to the left: away from the ground.
    f.trunk(normal(f, 0.05, 0.12), -down * (f.rng.uniform(0.25, 0.65) if propped else normal(f, 0.0, 0.1)))
    f.head(normal(f, 0.1, 0.2), -down * normal(f, 0.1, 0.25), f.rng.normal(0, 0.35))
    bent = f.rng.uniform(0.2, 1.3) if f.rng.random() < 0.35 else normal(f, 0.1, 0.12)
    f.leg(lower, bent, 0.0, 0.0, normal(f, 1.3 * bent, 0.15, 0, 2.2), -0.2)
    lifted = f.rng.uniform(0.2, 1.2) if f.rng.random() < 0.65 else 0.0
    crossed = f.rng.uniform(0.8, 1.8) if f.rng.random() < 0.25 else 0.0
    f.leg(upper, normal(f, 0.1, 0.2) + 0.5 * crossed, lifted, 0.5 * lifted, crossed, -0.2)
    if propped:
        f.arm(lower, (1.0, f.rng.normal(-0.15, 0.15), f.rng.normal(-0.1, 0.15)), f.rng.normal(0, 0.15), 1.5)
    else:
        f.arm(lower, (0.15, -0.2, 1.0), f.rng.normal(0, 0.2), normal(f, 0.4, 0.5, 0, 2.2))
    (g.on_hip, g.hanging, g.in_front, g.raised)[int(f.rng.integers(4))](f, upper)


def bridge(f: Figure) -> None:
    """Shoulders and feet on the ground, hips up; sometimes one leg straight."""
    rise = f.rng.uniform(0.15, 0.6)
    f.orient(rot_x(-_QUARTER - rise))
    f.trunk(normal(f, 0.05, 0.08), 0.0, f.rng.normal(0, 0.06))
    f.head(normal(f, 0.4 + 0.5 * rise, 0.15))
    straight = sides(f)[0] if f.rng.random() < 0.3 else ""
    for side in "LR":
        if side == straight:
            f.leg(side, f.rng.uniform(-0.1, 1.0), 0.1, 0.0, normal(f, 0.1, 0.1, 0, 0.6), f.rng.normal(-0.2, 0.3))
        else:
            f.leg(side, normal(f, 0.0, 0.08), normal(f, 0.12, 0.08, 0, 0.5), 0.0, _QUARTER + rise - 0.15, 0.1)
        (g.hanging, g.sideways)[int(f.rng.random() < 0.2)](f, side)


def _leg_in_air(f: Figure) -> np.ndarray:
    """Flexion, abduction, rotation, knee and ankle of a leg of someone on the back."""
    flexion, knee = (
        (normal(f, 0.03, 0.06), normal(f, 0.08, 0.12, 0, 0.6)),  # flat
        _foot_down(f.rng.uniform(0.4, 1.05)),  # drawn up
        (f.rng.uniform(0.3, 1.9), normal(f, 0.12, 0.18, 0, 0.8)),  # straight in the air
        (f.rng.uniform(1.1, 2.0), f.rng.uniform(0.9, 1.9)),  # shin level
    )[int(f.rng.choice(4, p=(0.15, 0.3, 0.38, 0.17)))]
    abduction = normal(f, 0.12, 0.2, -0.15, 1.0)
    return np.array([flexion, abduction, f.rng.normal(0.1, 0.15), knee, f.rng.normal(-0.25, 0.3)])


def _foot_down(flexion: float) -> tuple[float, float]:
    """Flexion, and the knee's that brings the foot to the ground: thigh and shin are about as long."""
    return flexion, 2.0 * flexion


def _arm_lying(f: Figure) -> g.Gesture:
    options = (g.hanging, g.behind_head, g.sideways, g.raised, g.in_front, g.clasped)
    return options[int(f.rng.choice(6, p=(0.38, 0.2, 0.12, 0.12, 0.1, 0.08)))]
