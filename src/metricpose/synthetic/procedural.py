"""Poses from rules alone: a stance for trunk and legs, then a gesture for each arm.

It spans what recorded motion lacks (chairs, telephones, food, folded arms, leashes) and needs no data. The
everyday activities follow the fifteen that Human3.6M films (Ionescu et al. 2014, table 2): directions,
discussion, eating, greeting, phoning, photo, posing, purchases, sitting, sitting down, smoking, waiting, walking
a dog, walking, walking together; the rest are the extremes a camera meets elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float64

from metricpose.errors import InputError
from metricpose.synthetic import gestures as g
from metricpose.synthetic import stances
from metricpose.synthetic.controls import PoseSample
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


def _with(gesture: g.Gesture) -> Callable[[Figure], bool]:
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


def _loose(stance: Callable[[Figure], None]) -> Callable[[Figure], bool]:
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


def reclining(f: Figure) -> bool:
    """Half lying, propped on hands or elbows."""
    stances.recline(f)
    return False


def at_random(f: Figure) -> bool:
    """Every joint anywhere in its range."""
    stances.anyhow(f)
    symmetric(f, g.anywhere)
    return False


FAMILIES: dict[str, tuple[float, Callable[[Figure], bool]]] = {
    "directions": (0.06, _with(g.pointing)),
    "discussion": (0.07, discussion),
    "eating": (0.07, eating),
    "greeting": (0.05, _with(g.waving)),
    "handshake": (0.02, _with(g.shaking_hands)),
    "phoning": (0.06, _with(g.at_ear)),
    "texting": (0.02, _with(g.holding_phone_out)),
    "photo": (0.04, photo),
    "posing": (0.05, posing),
    "purchases": (0.04, purchases),
    "sitting": (0.08, sitting),
    "sitting_down": (0.08, sitting_down),
    "smoking": (0.05, _with(g.near_face)),
    "waiting": (0.05, waiting),
    "walk_dog": (0.04, walk_dog),
    "walking": (0.06, walking),
    "running": (0.02, running),
    "stand": (0.02, _loose(stances.stand)),
    "squat": (0.02, _loose(stances.squat)),
    "kneel": (0.015, _loose(stances.kneel)),
    "arms_spread": (0.04, arms_spread),
    "floor": (0.035, _loose(stances.sit_floor)),
    "lie": (0.035, _loose(stances.lie)),
    "bend": (0.015, _loose(stances.bend)),
    "lunge": (0.01, _loose(stances.lunge)),
    "all_fours": (0.01, on_all_fours),
    "jump": (0.01, _loose(stances.jump)),
    "random": (0.01, at_random),
    "recline": (0.0, reclining),  # on request (`pose_shares`), so that published test people stay who they are
}
"""Name -> (relative share, recipe). A recipe poses the figure and returns whether it sits on a seat."""

_NAMES = tuple(FAMILIES)


def family_shares(changes: Mapping[str, float]) -> Float64[np.ndarray, " n"]:
    """Cumulative shares of `FAMILIES`, in its order, with those named in `changes` replaced.

    Raises:
        InputError: a name that is no family, a negative share, or nothing left.
    """
    unknown = sorted(changes.keys() - FAMILIES.keys())
    if unknown:
        raise InputError(f"pose family '{unknown[0]}' is unknown; choose from {', '.join(_NAMES)}")
    shares = np.array([changes.get(name, share) for name, (share, _) in FAMILIES.items()])
    if (shares < 0).any() or shares.sum() <= 0:
        raise InputError(f"shares of pose families must be >= 0 and not all 0, got {dict(changes)}")
    return np.cumsum(shares)


_CUMULATIVE = family_shares({})


def draw_family(rng: np.random.Generator, cumulative: Float64[np.ndarray, " n"] = _CUMULATIVE) -> str:
    """Name of a family, by share."""
    return _NAMES[min(int(np.searchsorted(cumulative, rng.random() * cumulative[-1])), len(_NAMES) - 1)]


def procedural(
    rng: np.random.Generator, family: str | None = None, cumulative: Float64[np.ndarray, " n"] = _CUMULATIVE
) -> PoseSample:
    """Draw a pose, of a given `family` (a key of `FAMILIES`) or of any, by the shares of `family_shares`.

    Arms may run through the body: check with `self_penetration` on the actual body and draw again.
    """
    name = family or draw_family(rng, cumulative)
    figure = Figure(rng)
    seated = FAMILIES[name][1](figure)
    return figure.sample(name, seated)
