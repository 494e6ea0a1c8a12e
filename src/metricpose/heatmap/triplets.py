"""HEMlets (Zhou et al. 2019): per body part a few maps that say where its joints are and which of them is closer.

A part is a pair (parent, child). Its polarity r is +1 if the child is closer to the camera by more than half the
part's length, -1 if it is farther by more than that, else 0. Of the three maps of a part, in the order r = -1, 0, +1,

* the middle one shows the parent, always;
* the one of the part's polarity shows the child (in the middle one: the pixelwise maximum of both).

Two variants of the paper's ablation: five maps, in which the child's place also says whether the part is inclined to
the image plane by more than 60 degrees, and "two-state" maps (still three), in which the closer joint is in +, the
farther in -, and both are in 0 if about equal. Polarity says what is closer, so mirroring exchanges parts but never
signs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from metricpose.heatmap.encode import both_ends, gaussian_maps, joint_pairs, known_points
from metricpose.heatmap.grid import GridKind

States = Literal[2, 3, 5]

THRESHOLDS: dict[int, tuple[float, ...]] = {2: (0.5,), 3: (0.5,), 5: (0.5, math.sqrt(0.75))}
"""Of depth difference over length, per variant: the sines of 30 and 60 degrees."""


class Polarity(NamedTuple):
    """Polarity per part, and where it is known."""

    value: Int[Tensor, "*b k"]
    known: Bool[Tensor, "*b k"]


def part_polarity(
    z_parent: Float[Tensor, "*b k"],
    z_child: Float[Tensor, "*b k"],
    length: Float[Tensor, "*b k"],
    thresholds: Sequence[float] = THRESHOLDS[3],
) -> Int[Tensor, "*b k"]:
    """How many of `thresholds` the child is closer by (negative: farther by), as parts of the part's length.

    HEMlets, Eq. 1, with equality giving 0; depths grow away from the camera. NaN gives 0, to be masked by the caller.

    Args:
        z_parent: depth of the parent joint.
        z_child: depth of the child joint.
        length: of the part in 3D in this sample; same unit as the depths.
        thresholds: ascending; a value of `THRESHOLDS`.
    """
    closer = z_parent - z_child
    limits = torch.tensor(thresholds, dtype=length.dtype, device=length.device) * length[..., None]
    return (closer[..., None] > limits).sum(-1) - (closer[..., None] < -limits).sum(-1)


def pose_polarity(
    joints_mm: Float[Tensor, "*b j 3"],
    parts: Sequence[tuple[int, int]],
    valid: Bool[Tensor, "*b j"] | None = None,
    thresholds: Sequence[float] = THRESHOLDS[3],
) -> Polarity:
    """Polarity of each part from 3D joints (camera frame), known where both joints are labelled (default: finite)."""
    parent, child = (joints_mm[..., i, :] for i in joint_pairs(parts, joints_mm.device))
    length = (child - parent).norm(dim=-1)
    known = both_ends(known_points(joints_mm, valid), parts)
    value = part_polarity(parent[..., 2], child[..., 2], length, thresholds)
    return Polarity(torch.where(known, value, 0), known)


def label_polarity(
    order: Float[Tensor, "*b n"], weights: Float[Tensor, "*b n"], pairs: Sequence[tuple[int, int]]
) -> Polarity:
    """Polarity of each part from labels of depth order; known where the part's pair has one of positive weight.

    Args:
        order: of joint pairs: +1 if the second is closer, -1 if farther, 0 if about equal. Without label: anything.
        weights: of the labels; 0 = none.
        pairs: per part, the number of its pair in `order` and +1, or -1 if the pair's first joint is the part's child.

    An order does not tell how steep a part is: it never fills the outer maps of the five-state variant, for which
    labels other than 0 should be masked.
    """
    index, sign = joint_pairs(pairs, order.device)
    known = weights[..., index] > 0
    value = torch.where(known, order[..., index], 0.0).sign().long() * sign
    return Polarity(value, known)


def triplet_maps(
    points: Float[Tensor, "*b j 2"],
    parts: Sequence[tuple[int, int]],
    polarity: Int[Tensor, "*b k"],
    size: tuple[int, int],
    sigma: float,
    kind: GridKind,
    *,
    mask: Bool[Tensor, "*b k"] | None = None,
    states: States = 3,
) -> Float[Tensor, "*b k s h w"]:
    """The maps of every part, s = 5 for five states else 3, negative polarities first; all zero where masked.

    Args:
        points: x, y of the joints in coordinates of the grid; those of no unmasked part may hold NaN.
        parts: (parent, child).
        polarity: of the parts.
        size: rows and columns of the maps.
        sigma: of the Gaussians, in cells; their peak is 1.
        kind: of the grid, both axes.
        mask: parts to draw: both joints labelled in the image *and* polarity known. Default: both points finite.
        states: 3 (HEMlets), 5 or 2 (its variants, see the module).

    Raises:
        InputError: sigma is not positive.
    """
    finite = known_points(points, None)
    mask = both_ends(finite, parts) if mask is None else mask & both_ends(finite, parts)
    parent, child = joint_pairs(parts, points.device)
    maps = gaussian_maps(points, size, sigma, kind, valid=finite)
    reach = 2 if states == 5 else 1
    toward = torch.where(mask, polarity, 0).clamp(-reach, reach)
    places = (reach - toward if states == 2 else torch.full_like(toward, reach)), reach + toward
    parents, children = (torch.where(mask[..., None, None], maps[..., j, :, :], 0.0) for j in (parent, child))
    return _stack((parents, children), places, 2 * reach + 1)


def _stack(
    shown: tuple[Float[Tensor, "*b k h w"], Float[Tensor, "*b k h w"]],
    places: tuple[Int[Tensor, "*b k"], Int[Tensor, "*b k"]],
    maps: int,
) -> Float[Tensor, "*b k {maps} h w"]:
    """Parents and children put into the map of their place out of `maps` per part, combined by the maximum."""
    first, second = (x.flatten(0, -3) for x in shown)
    parts = torch.arange(len(first), device=first.device) * maps
    first_at, second_at = (parts + place.flatten() for place in places)
    stack = first.new_zeros(len(first) * maps, *first.shape[1:]).index_copy_(0, first_at, first)
    stack.index_copy_(0, second_at, torch.maximum(stack[second_at], second))
    return stack.view(*places[0].shape, maps, *first.shape[1:])
