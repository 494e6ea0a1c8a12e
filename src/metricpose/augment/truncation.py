"""Random sub-boxes that cut parts of the person off, for training and for the truncated benchmark (MeTRo, MeTRAbs)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from metricpose.errors import InputError


def square_box(box_xywh: Float[np.ndarray, " 4"]) -> Float[np.ndarray, " 4"]:
    """The box made square about its centre, with its longer side as the new side."""
    side = max(box_xywh[2], box_xywh[3])
    centre = box_xywh[:2] + box_xywh[2:] / 2
    return np.array([centre[0] - side / 2, centre[1] - side / 2, side, side])


def propose_sub_boxes(count: int, rng: np.random.Generator) -> Float[np.ndarray, "n 4"]:
    """Sub-boxes (x, y, side, side) of the unit square; only the accepted ones of `count` proposals, one in three.

    x1 ~ U(0, .5), x2 ~ U(.5, 1), y2 ~ U(.5, 1); side = x2 - x1; accepted if .5 < side < y2. So a box always crosses
    the vertical middle line, and people lose their legs more often than their heads: mean side .625, mean area .40,
    mean lower edge .81.
    """
    x1, x2, y2 = rng.uniform((0.0, 0.5, 0.5), (0.5, 1.0, 1.0), (count, 3)).T
    side = x2 - x1
    accepted = (side > 0.5) & (side < y2)
    return np.stack([x1, y2 - side, side, side], 1)[accepted]


def draw_sub_box(rng: np.random.Generator) -> Float[np.ndarray, " 4"]:
    """One accepted sub-box (x, y, side, side) of the unit square."""
    for _ in range(64):
        accepted = propose_sub_boxes(16, rng)
        if len(accepted):
            return accepted[0]
    raise InputError("the truncation sampler accepted none of 1024 proposals: the random generator is broken")


def truncate_box(box_xywh: Float[np.ndarray, " 4"], rng: np.random.Generator) -> Float[np.ndarray, " 4"]:
    """A random square part of the person's square-expanded box."""
    x, y, side, _ = square_box(box_xywh)
    part = draw_sub_box(rng)
    return np.array([x + part[0] * side, y + part[1] * side, part[2] * side, part[3] * side])


def portrait_box(box_xywh: Float[np.ndarray, " 4"], rng: np.random.Generator) -> Float[np.ndarray, " 4"]:
    """The upper 15 to 60 % of a box that is taller than wide, as portraits show people; another box as it is.

    The published sampler keeps more than half of a box's side, so it never cuts deeper than the hips; this one is not
    in the papers. What is kept is 0.6 to 1.6 times as wide as high if the box is wide enough, and near its middle.
    """
    x, y, width, height = box_xywh
    if height <= width:
        return box_xywh
    kept, proportion, aside = rng.uniform((0.15, 0.6, -0.25), (0.6, 1.6, 0.25))
    narrow = min(width, proportion * kept * height)
    left = x + (0.5 + aside) * (width - narrow)
    return np.array([left, y, narrow, kept * height])
