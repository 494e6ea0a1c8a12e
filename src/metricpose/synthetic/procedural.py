"""Poses from rules alone: families of activities with their shares.

They span what recorded motion lacks (chairs, telephones, food, folded arms, leashes) and need no data. The
everyday activities follow the fifteen that Human3.6M films (Ionescu et al. 2014, table 2): directions,
discussion, eating, greeting, phoning, photo, posing, purchases, sitting, sitting down, smoking, waiting, walking
a dog, walking, walking together; the rest are the extremes a camera meets elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float64

from metricpose.errors import InputError
from metricpose.synthetic import activities, exercises, stances
from metricpose.synthetic import gestures as g
from metricpose.synthetic.controls import PoseSample
from metricpose.synthetic.figure import Figure

FAMILIES: dict[str, tuple[float, Callable[[Figure], bool]]] = {
    "directions": (0.06, activities.with_gesture(g.pointing)),
    "discussion": (0.07, activities.discussion),
    "eating": (0.07, activities.eating),
    "greeting": (0.05, activities.with_gesture(g.waving)),
    "handshake": (0.02, activities.with_gesture(g.shaking_hands)),
    "phoning": (0.06, activities.with_gesture(g.at_ear)),
    "texting": (0.02, activities.with_gesture(g.holding_phone_out)),
    "photo": (0.04, activities.photo),
    "posing": (0.05, activities.posing),
    "purchases": (0.04, activities.purchases),
    "sitting": (0.08, activities.sitting),
    "sitting_down": (0.08, activities.sitting_down),
    "smoking": (0.05, activities.with_gesture(g.near_face)),
    "waiting": (0.05, activities.waiting),
    "walk_dog": (0.04, activities.walk_dog),
    "walking": (0.06, activities.walking),
    "running": (0.02, activities.running),
    "stand": (0.02, activities.loose(stances.stand)),
    "squat": (0.02, activities.loose(stances.squat)),
    "kneel": (0.015, activities.loose(stances.kneel)),
    "arms_spread": (0.04, activities.arms_spread),
    "floor": (0.035, activities.loose(stances.sit_floor)),
    "lie": (0.035, activities.loose(stances.lie)),
    "bend": (0.015, activities.loose(stances.bend)),
    "lunge": (0.01, activities.loose(stances.lunge)),
    "all_fours": (0.01, activities.on_all_fours),
    "jump": (0.01, activities.loose(stances.jump)),
    "random": (0.01, activities.at_random),
    # On request (`pose_shares`), so that published test people stay who they are:
    "recline": (0.0, activities.reclining),
    "balancing": (0.0, activities.balancing),
    "floor_exercise": (0.0, exercises.floor_exercise),
    "plank": (0.0, exercises.plank),
}
"""Name -> (relative share, recipe). A recipe poses the figure and returns whether it sits on a seat."""

_NAMES = tuple(FAMILIES)


def family_shares(changes: Mapping[str, float]) -> Float64[np.ndarray, " n"]:
    """Cumulative shares of `FAMILIES`, in its order, with those named in `changes` replaced.

    Raises:
        InputError: a name that is no family, a share that is negative or not finite, or nothing left.
    """
    unknown = sorted(changes.keys() - FAMILIES.keys())
    if unknown:
        raise InputError(f"pose family '{unknown[0]}' is unknown; choose from {', '.join(_NAMES)}")
    shares = np.array([changes.get(name, share) for name, (share, _) in FAMILIES.items()])
    if not np.isfinite(shares).all() or (shares < 0).any() or shares.sum() <= 0:
        raise InputError(f"shares of pose families must be finite, >= 0 and not all 0, got {dict(changes)}")
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
