"""What arms do: one small recipe per gesture, for one arm of a `Figure`.

Points are metres of the mean adult relative to a control's pivot, x outwards (negative: across the body), y back,
z up. The chest pivot lies at the height of the lower breastbone, the shoulders about 0.09 above and 0.18 out, the
mouth about 0.31 above and 0.16 in front; the pelvis pivot lies between the hips.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from metricpose.synthetic.figure import Figure

Gesture = Callable[[Figure, str], None]


def jitter(f: Figure, *point: float, spread: float = 0.03) -> np.ndarray:
    """`point` with normal noise of `spread` metres on each coordinate."""
    return np.asarray(point) + f.rng.normal(0.0, spread, 3)


def normal(f: Figure, mean: float, deviation: float, low: float | int = -np.inf, high: float | int = np.inf) -> float:
    """A normal draw held inside [low, high]."""
    return float(np.clip(f.rng.normal(mean, deviation), low, high))


def hanging(f: Figure, side: str) -> None:
    """Arm by the side."""
    direction = (normal(f, 0.2, 0.13, 0.05, 0.7), f.rng.normal(-0.02, 0.18), -1.0)
    f.arm(side, direction, f.rng.normal(0, 0.3), normal(f, 0.3, 0.25, 0.02, 1.6), f.rng.normal(0.1, 0.4))
    f.hand(side, f.rng.normal(0.1, 0.2), f.rng.normal(0, 0.12))


def in_front(f: Figure, side: str) -> None:
    """Arm to the front, elbow anywhere."""
    direction = (f.rng.normal(0.1, 0.25), -1.0, f.rng.uniform(-0.9, 0.5))
    f.arm(side, direction, f.rng.normal(0.1, 0.5), normal(f, 1.05, 0.7, 0.0, 2.5), f.rng.normal(0, 0.6))
    f.hand(side, f.rng.normal(0, 0.3), f.rng.normal(0, 0.2))


def raised(f: Figure, side: str) -> None:
    """Arm above the shoulder."""
    direction = (normal(f, 0.3, 0.3, -0.3, 1.0), f.rng.normal(-0.15, 0.3), 1.0)
    f.arm(side, direction, f.rng.normal(0, 0.6), normal(f, 0.6, 0.6, 0.0, 2.5), f.rng.normal(0, 0.5))


def sideways(f: Figure, side: str) -> None:
    """Arm stretched to the side."""
    direction = (1.0, f.rng.normal(-0.1, 0.3), f.rng.uniform(-0.5, 0.5))
    f.arm(side, direction, f.rng.normal(0, 0.6), normal(f, 0.5, 0.7, 0.0, 2.5), f.rng.normal(0, 0.6))


def anywhere(f: Figure, side: str) -> None:
    """Any direction a shoulder allows, any elbow; behind the back only when low."""
    while True:
        u = f.rng.normal(size=3)
        u = u / np.linalg.norm(u)
        if u[0] > -0.45 and u[1] < 0.65 and not (u[0] < 0 and u[1] > -0.2):
            break
    f.arm(side, u, f.rng.uniform(-1.2, 1.0), 2.5 * f.rng.beta(1.1, 1.6), f.rng.normal(0, 0.7))
    f.hand(side, f.rng.normal(0, 0.4), f.rng.normal(0, 0.2))


def on_hip(f: Figure, side: str) -> None:
    """Hand on the hip, elbow out."""
    f.reach(side, jitter(f, 0.245, 0.0, 0.12, spread=0.015), "pelvis", (1.0, 0.5, 0.1), palm=(-1.0, 0.0, -0.3))
    f.hand(side, f.rng.uniform(-0.4, 0.3), 0.2)


def in_pocket(f: Figure, side: str) -> None:
    """Hand in a trouser pocket."""
    f.reach(side, jitter(f, 0.22, -0.03, 0.0, spread=0.02), "pelvis", (0.7, 1.0, 0.0), palm=(-1.0, 0.0, 0.0))
    f.hand(side, 0.1)


def at_ear(f: Figure, side: str) -> None:
    """Holding a telephone to the ear."""
    f.reach(side, jitter(f, 0.15, -0.07, 0.01, spread=0.015), "head", (0.7, -0.5, -1.0), palm=(-1.0, 0.2, 0.0))
    f.hand(side, f.rng.normal(0.1, 0.15), f.rng.normal(0.1, 0.1))


def at_mouth(f: Figure, side: str) -> None:
    """Eating, drinking or smoking: the hand just before the mouth."""
    out, front, low = f.rng.uniform(0.03, 0.14), f.rng.uniform(-0.26, -0.17), f.rng.uniform(-0.14, -0.04)
    f.reach(side, (out, front, low), "head", (f.rng.uniform(0.2, 1.2), -0.4, -1.0), palm=(-0.6, 0.8, 0.2))
    f.hand(side, f.rng.uniform(0.0, 0.7))


def near_face(f: Figure, side: str) -> None:
    """On the way to or from the mouth, cigarette or cup in hand."""
    point = (f.rng.uniform(-0.02, 0.25), f.rng.uniform(-0.42, -0.22), f.rng.uniform(0.02, 0.28))
    f.reach(side, point, "chest", (f.rng.uniform(0.1, 1.0), 0.0, -1.0), palm=(-0.7, 0.7, 0.0))


def at_chin(f: Figure, side: str) -> None:
    """Chin in hand, thinking."""
    f.reach(side, jitter(f, 0.03, -0.15, -0.09, spread=0.015), "head", (0.3, -0.6, -1.0), palm=(-0.5, 0.8, 0.3))


def taking_photo(f: Figure, side: str) -> None:
    """Holding up a camera with this hand: call it for both."""
    f.reach(side, jitter(f, 0.08, -0.25, -0.02, spread=0.025), "head", (0.8, -0.2, -1.0), palm=(-0.7, 0.5, 0.0))


def holding_phone_out(f: Figure, side: str) -> None:
    """Looking at a telephone, or taking a picture with it at arm's length."""
    point = (f.rng.uniform(-0.05, 0.2), f.rng.uniform(-0.52, -0.3), f.rng.uniform(0.0, 0.36))
    f.reach(side, point, "chest", (0.5, 0.0, -1.0), palm=(-0.4, 1.0, 0.2))


def pointing(f: Figure, side: str) -> None:
    """Arm stretched out to point or direct somewhere."""
    direction = (f.rng.uniform(-0.4, 1.3), f.rng.uniform(-1.2, -0.1), f.rng.uniform(-0.35, 0.6))
    f.arm(side, direction, f.rng.normal(-0.2, 0.3), normal(f, 0.2, 0.2, 0.0, 0.9), f.rng.normal(0, 0.4))


def waving(f: Figure, side: str) -> None:
    """Greeting with the hand up beside the head."""
    point = (f.rng.uniform(0.22, 0.48), f.rng.uniform(-0.3, 0.02), f.rng.uniform(0.2, 0.55))
    f.reach(side, point, "chest", (1.0, 0.0, -0.6), palm=(0.0, -1.0, 0.0))


def shaking_hands(f: Figure, side: str) -> None:
    """Hand stretched forwards at waist height."""
    point = (f.rng.uniform(-0.05, 0.15), f.rng.uniform(-0.52, -0.38), f.rng.uniform(-0.2, -0.02))
    f.reach(side, point, "chest", (0.6, 0.3, -1.0), palm=(-1.0, 0.0, 0.0))


def gesturing(f: Figure, side: str) -> None:
    """Talking with the hands, in front of the body."""
    point = (f.rng.uniform(-0.02, 0.32), f.rng.uniform(-0.45, -0.2), f.rng.uniform(-0.16, 0.16))
    f.reach(side, point, "chest", (f.rng.uniform(0.3, 1.2), 0.5, -1.0), palm=(-1.0, f.rng.normal(), f.rng.normal()))
    f.hand(side, f.rng.normal(0, 0.3), f.rng.normal(0, 0.2))


def crossed_under(f: Figure, side: str) -> None:
    """Folded arms, the lower one: hand below the other upper arm."""
    f.reach(side, jitter(f, -0.11, -0.215, -0.025, spread=0.015), "chest", (0.7, 0.0, -1.0), palm=(0.0, 1.0, 0.0))


def crossed_over(f: Figure, side: str) -> None:
    """Folded arms, the upper one."""
    f.reach(side, jitter(f, -0.09, -0.28, 0.035, spread=0.015), "chest", (0.7, -0.1, -1.0), palm=(-0.3, 1.0, 0.0))


def behind_head(f: Figure, side: str) -> None:
    """Hand behind the head, elbow out or forwards."""
    hint = (1.0, f.rng.uniform(-0.8, 0.2), 0.4)
    f.reach(side, jitter(f, 0.09, 0.12, 0.04, spread=0.015), "head", hint, palm=(0.0, -1.0, 0.0))


def behind_back(f: Figure, side: str) -> None:
    """Hands clasped behind the back."""
    f.reach(side, jitter(f, 0.04, 0.19, 0.10, spread=0.02), "pelvis", (1.0, 0.6, 0.0), palm=(0.0, 1.0, 0.0))


def clasped(f: Figure, side: str) -> None:
    """Hands together before the belly."""
    f.reach(side, jitter(f, 0.06, -0.225, 0.13, spread=0.02), "pelvis", (1.0, 0.3, -0.4), palm=(-0.7, 0.7, 0.0))


def carrying(f: Figure, side: str) -> None:
    """Forearm level in front, holding a box, a tray or an armful."""
    point = (f.rng.uniform(0.06, 0.2), f.rng.uniform(-0.42, -0.28), f.rng.uniform(-0.24, 0.0))
    f.reach(side, point, "chest", (0.4, 0.6, -1.0), palm=(-0.5, 0.0, 1.0))


def bag_at_side(f: Figure, side: str) -> None:
    """A straight arm with a weight in the hand."""
    f.arm(side, (0.12, f.rng.normal(0, 0.06), -1.0), f.rng.normal(0, 0.1), normal(f, 0.08, 0.06, 0.0, 0.3))


def leash(f: Figure, side: str) -> None:
    """Holding a dog's leash: arm low and forwards, pulled away from the body."""
    direction = (f.rng.uniform(-0.1, 0.6), f.rng.uniform(-1.0, -0.3), -1.0)
    f.arm(side, direction, f.rng.normal(0, 0.3), normal(f, 0.35, 0.3, 0.0, 1.3), f.rng.normal(0, 0.4))


def on_lap(f: Figure, side: str) -> None:
    """Seated, hand on the thigh or between the knees."""
    reach = f.rng.uniform(0.12, 0.42)
    point = (f.rng.uniform(-0.02, 0.16), -reach, f.rng.uniform(0.09, 0.14))
    f.reach(side, _on_thigh(f, side, point), "pelvis", (0.8, 0.5, -0.3), palm=(-0.2, 0.0, -1.0))


def on_table(f: Figure, side: str) -> None:
    """Seated at a table: writing, typing, hands resting before the chest."""
    point = (f.rng.uniform(-0.08, 0.28), f.rng.uniform(-0.46, -0.28), f.rng.uniform(-0.26, -0.08))
    f.reach(side, point, "chest", (f.rng.uniform(0.4, 1.3), 0.2, -0.6), palm=(-0.2, 0.0, -1.0))


def beside_seat(f: Figure, side: str) -> None:
    """Seated, leaning on a hand at or behind the edge of the seat."""
    point = (f.rng.uniform(0.22, 0.34), f.rng.uniform(-0.05, 0.28), f.rng.uniform(-0.08, 0.03))
    f.reach(side, point, "pelvis", (0.3, 1.0, 0.2), palm=(0.0, 0.0, -1.0))
    f.hand(side, -0.8)


def elbow_on_knee(f: Figure, side: str) -> None:
    """Seated and leaning over: elbow on the thigh near the knee, hand hanging, clasped or under the chin."""
    index = {"L": 11, "R": 19}[side]
    knee = f.pose()[1][index]
    hand = knee + np.array([0.0, f.rng.uniform(-0.2, 0.05), 0.0])
    hand[0] *= f.rng.uniform(0.0, 0.8)
    hand[2] += f.rng.uniform(0.02, 0.36)
    local = f.rotations[0].T @ hand
    local[0] *= 1.0 if side == "L" else -1.0
    f.reach(side, local, "pelvis", (0.4, -0.4, -1.0), palm=(-1.0, 0.4, 0.0))


def _on_thigh(f: Figure, side: str, point: tuple[float, float, float]) -> np.ndarray:
    """Lift `point` (pelvis frame, thigh assumed level) to the thigh's actual slope."""
    thigh = f.rotations[{"L": 10, "R": 18}[side]] @ np.array([0.0, 0.0, -1.0])
    out = 1.0 if side == "L" else -1.0
    forward = -point[1]
    side_step = out * thigh[0] * forward
    return np.array([point[0] + side_step, thigh[1] * forward, point[2] + thigh[2] * forward])
