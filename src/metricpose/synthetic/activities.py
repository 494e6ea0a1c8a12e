"""What people do with trunk, legs and arms together: talking, eating, photographing, sitting and the rest.

An activity poses a whole `Figure`: a stance for trunk and legs, then a gesture for each arm. It returns whether the
person sits on a seat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from metricpose.synthetic import gestures as g
from metricpose.synthetic import stances
from metricpose.synthetic.figure import Figure

Weights = Mapping[g.Gesture, float]

LOOSE: Weights = {g.hanging: 0.34, g.in_front: 0.22, g.raised: 0.12, g.sideways: 0.11, g.anywhere: 0.17, g.on_hip: 0.04}
IDLE: Weights = {
    g.hanging: 0.52, g.in_pocket: 0.14, g.on_hip: 0.12, g.gesturing: 0.08, g.at_chin: 0.04, g.bag_at_side: 0.06,
    g.anywhere: 0.04,
}  # fmt: skip
TALKING: Weights = {g.gesturing: 0.55, g.hanging: 0.15, g.pointing: 0.15, g.in_front: 0.10, g.on_hip: 0.05}
SEATED_REST: Weights = {
    g.on_lap: 0.34, g.on_table: 0.26, g.beside_seat: 0.08, g.gesturing: 0.12, g.elbow_on_knee: 0.10, g.hanging: 0.10,
}  # fmt: skip


def pick(f: Figure, weights: Weights) -> g.Gesture:
    """Draw a gesture by weight."""
    options = list(weights)
    shares = np.array([weights[o] for o in options])
    return options[int(np.searchsorted(np.cumsum(shares / shares.sum()), f.rng.random()))]


def both(f: Figure, weights: Weights) -> None:
    """Each arm a gesture of its own."""
    for side in "LR":
        pick(f, weights)(f, side)


def one(f: Figure, gesture: g.Gesture, others: Weights) -> None:
    """`gesture` with one arm, any of `others` with the other arm."""
    side, other = stances.sides(f)
    pick(f, others)(f, other)
    gesture(f, side)


def symmetric(f: Figure, gesture: g.Gesture) -> None:
    """The same gesture with both arms."""
    for side in "LR":
        gesture(f, side)


def fold_arms(f: Figure) -> None:
    """Arms crossed before the chest."""
    under, over = stances.sides(f)
    g.crossed_under(f, under)
    g.crossed_over(f, over)


def _base(f: Figure) -> bool:
    """Stand, walk or sit, as activities are done; returns whether seated."""
    draw = f.rng.random()
    if draw < 0.45:
        stances.stand(f)
    elif draw < 0.6:
        stances.step(f, 0.0)
    else:
        stances.sit_chair(f)
        return True
    return False


def with_gesture(gesture: g.Gesture) -> Callable[[Figure], bool]:
    """An activity: `gesture` with one hand while standing, walking or sitting."""

    def activity(f: Figure) -> bool:
        seated = _base(f)
        one(f, gesture, SEATED_REST if seated else IDLE)
        return seated

    return activity


def eating(f: Figure) -> bool:
    """One hand at or near the mouth, mostly seated, the other on the table, the lap or holding something."""
    if f.rng.random() < 0.65:
        stances.sit_chair(f)
        one(f, g.at_mouth if f.rng.random() < 0.6 else g.near_face, SEATED_REST)
        return True
    stances.stand(f)
    one(f, g.at_mouth if f.rng.random() < 0.6 else g.near_face, {g.carrying: 0.5, g.hanging: 0.3, g.at_mouth: 0.2})
    return False


def photo(f: Figure) -> bool:
    """A camera held up with both hands, or a telephone with one; standing, crouching or kneeling."""
    (stances.stand, stances.stand, stances.kneel, stances.squat)[int(f.rng.integers(4))](f)
    f.head(f.rng.normal(0.0, 0.15), 0.0, f.rng.normal(0.0, 0.15))
    if f.rng.random() < 0.7:
        symmetric(f, g.taking_photo)
    else:
        one(f, g.holding_phone_out, IDLE)
    return False


def waiting(f: Figure) -> bool:
    """Folded arms, hands in pockets, behind the back or clasped; standing, or leaning on one leg, or seated."""
    if f.rng.random() < 0.2:
        stances.sit_chair(f)
        seated = True
    else:
        stances.stand(f)
        seated = False
    draw = f.rng.random()
    if draw < 0.4:
        fold_arms(f)
    elif seated or draw < 0.55:
        both(f, SEATED_REST if seated else IDLE)
    else:
        symmetric(f, (g.in_pocket, g.behind_back, g.clasped)[int(f.rng.integers(3))])
    return seated


def posing(f: Figure) -> bool:
    """Hands on hips, behind the head, arms raised or spread: standing for a picture."""
    (stances.stand if f.rng.random() < 0.8 else stances.lunge)(f)
    if f.rng.random() < 0.5:
        symmetric(f, (g.on_hip, g.behind_head, g.raised, g.sideways)[int(f.rng.integers(4))])
    else:
        both(
            f, {g.on_hip: 0.35, g.behind_head: 0.2, g.raised: 0.15, g.sideways: 0.1, g.anywhere: 0.1, g.in_pocket: 0.1}
        )
    return False


def purchases(f: Figure) -> bool:
    """Taking things from shelves and the ground, carrying them."""
    (stances.bend if f.rng.random() < 0.35 else stances.stand)(f)
    if f.rng.random() < 0.4:
        symmetric(f, g.carrying)
    else:
        both(f, {g.in_front: 0.35, g.carrying: 0.25, g.bag_at_side: 0.2, g.pointing: 0.1, g.raised: 0.1})
    return False


def walk_dog(f: Figure) -> bool:
    """One arm low and forwards with the leash, walking or standing bent."""
    if f.rng.random() < 0.7:
        phase = stances.step(f, 0.0)
        stances.swing_arms(f, phase, 0.0)
    else:
        (stances.bend if f.rng.random() < 0.4 else stances.stand)(f)
        both(f, IDLE)
    g.leash(f, stances.sides(f)[0])
    if f.rng.random() < 0.2:
        symmetric(f, g.leash)
    return False


def walking(f: Figure) -> bool:
    """Walking, arms swinging, or one hand occupied."""
    phase = stances.step(f, 0.0)
    stances.swing_arms(f, phase, 0.0)
    if f.rng.random() < 0.3:
        pick(f, {g.in_pocket: 0.3, g.bag_at_side: 0.2, g.gesturing: 0.25, g.at_ear: 0.1, g.sideways: 0.15})(
            f, stances.sides(f)[0]
        )
    return False


def running(f: Figure) -> bool:
    """Running."""
    speed = f.rng.uniform(0.6, 1.3)
    stances.swing_arms(f, stances.step(f, speed), speed)
    return False


def sitting(f: Figure) -> bool:
    """On a chair with the hands at rest, folded or behind the head."""
    stances.sit_chair(f)
    draw = f.rng.random()
    if draw < 0.1:
        fold_arms(f)
    elif draw < 0.16:
        symmetric(f, g.behind_head)
    elif draw < 0.3:
        symmetric(f, g.elbow_on_knee)
    else:
        both(f, SEATED_REST)
    return True


def sitting_down(f: Figure) -> bool:
    """Between standing and a chair, or on the ground with the hands wherever they support."""
    if f.rng.random() < 0.4:
        stances.sit_down(f)
        both(f, {g.hanging: 0.3, g.in_front: 0.3, g.on_lap: 0.2, g.beside_seat: 0.2})
    else:
        (stances.sit_floor if f.rng.random() < 0.7 else stances.kneel)(f)
        both(f, {g.beside_seat: 0.35, g.on_lap: 0.25, g.in_front: 0.2, g.gesturing: 0.1, g.anywhere: 0.1})
    return False


def discussion(f: Figure) -> bool:
    """Talking with both hands."""
    seated = _base(f)
    both(f, TALKING)
    return seated


def loose(stance: Callable[[Figure], None]) -> Callable[[Figure], bool]:
    """A stance with arms anywhere."""

    def family(f: Figure) -> bool:
        stance(f)
        both(f, LOOSE)
        return False

    return family


def arms_spread(f: Figure) -> bool:
    """Both straight arms at one height, as when a motion-capture system is calibrated (T and A poses), or overhead."""
    stances.stand(f)
    height = f.rng.normal((0.0, -0.8, 0.9)[int(f.rng.choice(3, p=(0.6, 0.2, 0.2)))], 0.12)
    for side in "LR":
        direction = (np.cos(height), f.rng.normal(-0.05, 0.1), np.sin(height))
        f.arm(side, direction, f.rng.normal(0, 0.3), abs(f.rng.normal(0, 0.12)), f.rng.normal(0, 0.4))
    return False


def on_all_fours(f: Figure) -> bool:
    """Hands and knees."""
    stances.all_fours(f)
    return False


def balancing(f: Figure) -> bool:
    """On one leg or swaying, arms thrown up or out, elbows straight or bent."""
    stances.balance(f)
    both(f, {g.raised: 0.28, g.sideways: 0.28, g.anywhere: 0.3, g.behind_head: 0.08, g.hanging: 0.06})
    return False


def reclining(f: Figure) -> bool:
    """Half lying, propped on hands or elbows."""
    stances.recline(f)
    return False


def at_random(f: Figure) -> bool:
    """Every joint anywhere in its range."""
    stances.anyhow(f)
    symmetric(f, g.anywhere)
    return False
