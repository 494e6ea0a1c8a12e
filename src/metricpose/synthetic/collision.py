"""Does a posed body run through itself? Capsules around its bones, compared pair by pair."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

Segment = tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]
_SAMPLES = np.linspace(0.0, 1.0, 6)[:, None]


def self_penetration(bones: Sequence[str], positions: Float[np.ndarray, "b 3"], scale: float = 1.0) -> float:
    """Deepest overlap of two body parts, metres at adult size; negative: the smallest clearance.

    `bones` are anny's bone names, `positions` their posed heads in metres, `scale` the stature divided by 1.7 m
    (the capsule radii grow with it). Compared are forearms and hands with trunk, head, legs and each other, and
    the legs with each other. Values below 0.02 to 0.03 are soft tissue touching: hands on hips, crossed legs.
    """
    index = {name: i for i, name in enumerate(bones)}
    pairs = _pairs(lambda name: positions[index[name]])
    first = np.array([p[0] for p in pairs])
    second = np.array([p[1] for p in pairs])
    radius = np.array([p[2] for p in pairs]) * scale
    return float(np.max(radius - _segment_distance(first, second)) / scale)


def _pairs(at: Callable[[str], Float[np.ndarray, 3]]) -> list[tuple[Segment, Segment, float]]:
    """(segment, segment, sum of radii) of every pair that can meet; radii in metres for a 1.7 m adult."""

    def forearm(s: str) -> Segment:  # from just below the elbow to half way down the hand
        elbow, wrist = at(f"lowerarm01.{s}"), at(f"wrist.{s}")
        return 0.8 * elbow + 0.2 * wrist, 1.35 * wrist - 0.35 * elbow

    def thigh(s: str) -> Segment:
        return at(f"upperleg01.{s}"), at(f"lowerleg01.{s}")

    def shin(s: str) -> Segment:
        return at(f"lowerleg01.{s}"), at(f"foot.{s}")

    hips = 0.5 * (at("upperleg01.L") + at("upperleg01.R"))
    shoulders = 0.5 * (at("upperarm01.L") + at("upperarm01.R"))
    eyes = 0.5 * (at("eye.L") + at("eye.R"))
    neck = at("neck03")
    # The skull's middle lies behind the eyes, about as far above the skull base as the eyes are.
    skull = at("head") + 0.7 * (at("head") - at("neck02")) + 0.25 * (eyes - at("head"))
    pairs = []
    for s in "LR":
        for t in "LR":
            upper = shoulders + 0.35 * (at(f"upperarm01.{t}") - shoulders)
            lower = hips + 0.6 * (at(f"upperleg01.{t}") - hips)
            pairs.append((forearm(s), (upper, lower), 0.04 + 0.10))
            pairs.append((forearm(s), thigh(t), 0.035 + 0.065))
            pairs.append((forearm(s), shin(t), 0.03 + 0.045))
        pairs.append((forearm(s), (skull, neck), 0.03 + 0.085))
    pairs.append((thigh("L"), shin("R"), 0.11))
    pairs.append((thigh("R"), shin("L"), 0.11))
    pairs.append((shin("L"), shin("R"), 0.085))
    pairs.append((forearm("L"), forearm("R"), 0.06))
    return pairs


def _segment_distance(a: Float[np.ndarray, "n 2 3"], b: Float[np.ndarray, "n 2 3"]) -> Float[np.ndarray, n]:
    """Distance of segment `a` (taken at six points) to segment `b` (exact)."""
    points = a[:, :1] + _SAMPLES * (a[:, 1:] - a[:, :1])
    along = (b[:, 1] - b[:, 0])[:, None]
    offset = points - b[:, :1]
    t = np.clip((offset * along).sum(-1) / ((along * along).sum(-1) + 1e-12), 0.0, 1.0)
    return np.linalg.norm(offset - t[..., None] * along, axis=-1).min(-1)
