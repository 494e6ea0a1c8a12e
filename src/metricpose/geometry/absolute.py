"""Where a person is: from 2D joints and a metric pose of unknown position to absolute camera coordinates (MeTRAbs).

Given normalised image coordinates n_j = (x_j, y_j) and a metric pose p_j = (dx_j, dy_j, dz_j) that lacks only a
translation t, every joint gives two linear equations (MeTRAbs, full perspective)::

    t_x - x_j t_z = x_j dz_j - dx_j            t_y - y_j t_z = y_j dz_j - dy_j

Eliminating t_x and t_y leaves one unknown, so weighted least squares has a closed form: with r_j the right-hand sides
and bars for weighted means, ``t_z = -sum w (n - n_bar).(r - r_bar) / sum w |n - n_bar|^2``. Weak perspective replaces
it by the ratio of spreads ``sqrt(sum w |p_xy - p_bar|^2 / sum w |n - n_bar|^2)``.

Only joints inside the field of view have a trustworthy n_j. What happens when they are few:

* every sample is solved on its own; nothing is normalised over a batch;
* the ridge pulls the depth towards the solution of *all* joints, not towards the camera, by a fraction `ridge` of one
  joint's weight; exact input therefore gives the exact answer whatever the ridge;
* one joint in view fixes the ray, all joints together the depth; none in view: all joints fix both;
* where not even all joints spread over more than about 1e-5 rad, the depth is `PRIOR_DEPTH_MM`.

`Fallback` says which case it was.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Perspective = Literal["full", "weak"]

PRIOR_DEPTH_MM = 3000.0
"""Distance assumed where the image says nothing about it."""
MIN_DEPTH_MM, MAX_DEPTH_MM = 50.0, 1e6
"""Limits of the depth of the pose's mean; no gradient flows through a depth that meets them."""

_UNSEEN_WEIGHT = 1e-8  # Weight of a joint out of view: MeTRAbs's 1e-4 per row, squared.
_MIN_SPREAD = 1e-10  # rad^2, above float32 rounding of n and far below any person's extent.
_TINY = 1e-20


class Fallback(IntEnum):
    """How the absolute position was found; the more joints lacked, the larger the value."""

    NONE = 0
    """Three or more joints in view."""
    TWO_JOINTS = 1
    """Solvable but weak: regularised towards the solution of all joints."""
    ONE_JOINT = 2
    """On that joint's ray, at the depth of the solution of all joints."""
    NO_JOINTS = 3
    """The solution of all joints, none of which is in view."""


class Absolute(NamedTuple):
    """Absolute joints in the camera frame, millimetres; the translation found; and a `Fallback` value per sample."""

    joints_mm: Float[Tensor, "b j 3"]
    translation_mm: Float[Tensor, "b 3"]
    flags: Int[Tensor, " b"]


def pixel_rays(px: Float[Tensor, "*b j 2"], K: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b j 2"]:
    """Normalised image coordinates (x, y) of pixels, so that (x, y, 1) points along the ray; skew is honoured."""
    y = (px[..., 1] - K[..., 1, 2, None]) / K[..., 1, 1, None]
    x = (px[..., 0] - K[..., 0, 2, None] - K[..., 0, 1, None] * y) / K[..., 0, 0, None]
    return torch.stack([x, y], -1)


def project(
    points_mm: Float[Tensor, "*b j 3"], K: Float[Tensor, "*b 3 3"], min_depth_mm: float = 1.0
) -> Float[Tensor, "*b j 2"]:
    """Pixels of camera-frame points; depths below `min_depth_mm` count as that (as MeTRAbs does), NaN stays NaN."""
    z = points_mm[..., 2].clamp_min(min_depth_mm)
    x, y = points_mm[..., 0] / z, points_mm[..., 1] / z
    u = K[..., 0, 0, None] * x + K[..., 0, 1, None] * y + K[..., 0, 2, None]
    v = K[..., 1, 1, None] * y + K[..., 1, 2, None]
    return torch.stack([u, v], -1)


def view_weight(
    px: Float[Tensor, "*b j 2"],
    side: int,
    stride: int,
    *,
    margin: float = 0.75,
    centred: bool = True,
    softness: float = 0.0,
) -> Float[Tensor, "*b j"]:
    """How far each joint counts as inside the field of view: 0 outside, 1 inside, without gradient.

    Args:
        px: crop pixels of the 2D head.
        side: of the crop.
        stride: output stride of the network *in training*, whose soft-argmax could not reach beyond half a cell.
        margin: width of the border that counts as outside, in strides (MeTRAbs: 1 in the journal code, then 0.75).
        centred: as in `heatmap.grid`; if not, the region is moved by half a cell towards the top left.
        softness: width in strides over which the weight rises linearly from the border inwards; 0 is MeTRAbs's hard
            switch, which makes the result jump when a joint crosses the border.
    """
    shift = 0.0 if centred else -stride / 2
    low, high = margin * stride + shift, side - margin * stride + shift
    inside = torch.minimum(px - low, high - px).amin(-1).detach()
    if softness == 0:
        return (inside >= 0).to(px.dtype)
    return (inside / (softness * stride)).clamp(0, 1)


def reference_point(
    rays: Float[Tensor, "b j 2"],
    relative_mm: Float[Tensor, "b j 3"],
    view: Float[Tensor, "b j"],
    *,
    confidence: Float[Tensor, "b j"] | None = None,
    perspective: Perspective = "full",
    ridge: float = 1e-2,
    prior_mm: float = PRIOR_DEPTH_MM,
) -> Float[Tensor, "b 3"]:
    """Translation t that makes ``relative_mm + t`` project onto the rays, per sample (module's text).

    Args:
        rays: normalised image coordinates (x, y).
        relative_mm: metric pose of unknown position.
        view: weight of each joint's ray, see `view_weight`.
        confidence: further weights, also of the solution of all joints; a joint of confidence 0 may hold NaN.
        perspective: linear least squares, or the ratio of spreads (tens of millimetres off, but hard to upset).
        ridge: pull towards the solution of all joints, in units of one average joint's weight.
        prior_mm: depth where the rays do not spread.
    """
    confidence = _normalised(torch.ones_like(view) if confidence is None else confidence)
    known = (confidence > 0)[..., None]
    rays, relative_mm = torch.where(known, rays, 0.0), torch.where(known, relative_mm, 0.0)
    centre = _mean(relative_mm, confidence)
    centred = relative_mm - centre[:, None]
    depth_of = _full_depth if perspective == "full" else _weak_depth
    share = confidence / confidence.shape[1]
    pull = torch.full_like(centre[:, 2], _MIN_SPREAD)
    anchor = depth_of(rays, centred, share, torch.full_like(pull, prior_mm), pull).clamp(MIN_DEPTH_MM, MAX_DEPTH_MM)
    pull = ridge * _spread(rays, share) + _MIN_SPREAD
    seen = confidence * (view + _UNSEEN_WEIGHT)
    depth = depth_of(rays, centred, seen, anchor, pull).clamp(MIN_DEPTH_MM, MAX_DEPTH_MM)
    return _translation(rays, centred, seen, depth, perspective) - centre


def combine(
    rays: Float[Tensor, "b j 2"],
    relative_mm: Float[Tensor, "b j 3"],
    translation_mm: Float[Tensor, "b 3"],
    view: Float[Tensor, "b j"],
    mix: float | Float[Tensor, "b 1"] = 0.0,
) -> Float[Tensor, "b j 3"]:
    """Absolute joints from two candidates: the translated 3D pose, and the rays at its depths.

    A joint in view is ``mix`` times the first plus ``1 - mix`` times the second (0: MeTRAbs 2020; 0.5, or uniformly
    random in training: MeTRAbs 2023), a joint out of view the first; fractional `view` blends.
    """
    moved = relative_mm + translation_mm[:, None]
    offset = rays * moved[..., 2:] - moved[..., :2]
    weight = (view * (1 - mix))[..., None]
    return torch.cat([moved[..., :2] + weight * offset, moved[..., 2:]], -1)


def recover(
    rays: Float[Tensor, "b j 2"],
    relative_mm: Float[Tensor, "b j 3"],
    view: Float[Tensor, "b j"],
    *,
    confidence: Float[Tensor, "b j"] | None = None,
    perspective: Perspective = "full",
    ridge: float = 1e-2,
    mix: float | Float[Tensor, "b 1"] = 0.0,
) -> Absolute:
    """`reference_point`, `combine` and `fallback` in one; arguments as theirs."""
    translation = reference_point(rays, relative_mm, view, confidence=confidence, perspective=perspective, ridge=ridge)
    usable = view > 0 if confidence is None else (view > 0) & (confidence > 0)
    return Absolute(combine(rays, relative_mm, translation, view, mix), translation, fallback(usable))


def fallback(in_view: Bool[Tensor, "b j"]) -> Int[Tensor, " b"]:
    """`Fallback` value of each sample from its joints in view."""
    return (3 - in_view.sum(-1)).clamp_min(0)


def _normalised(confidence: Float[Tensor, "b j"]) -> Float[Tensor, "b j"]:
    """Weights of mean 1 per sample; all equal where there are none, so that nothing divides by zero."""
    total = confidence.sum(-1, keepdim=True)
    return torch.where(total > 0, confidence * confidence.shape[1] / total.clamp_min(_TINY), 1.0)


def _mean(x: Float[Tensor, "b j c"], weights: Float[Tensor, "b j"]) -> Float[Tensor, "b c"]:
    return (x * weights[..., None]).sum(1) / weights.sum(1, keepdim=True)


def _spread(x: Float[Tensor, "b j c"], weights: Float[Tensor, "b j"]) -> Float[Tensor, " b"]:
    """Weighted sum of squared distances from the weighted mean."""
    return (weights * _offsets(x, weights).square().sum(-1)).sum(-1)


def _offsets(x: Float[Tensor, "b j c"], weights: Float[Tensor, "b j"]) -> Float[Tensor, "b j c"]:
    """Differences from the weighted mean; taken from the first joint first, so that equal values give exactly 0."""
    x = x - x[:, :1]
    return x - _mean(x, weights)[:, None]


def _right_hand_side(rays: Float[Tensor, "b j 2"], relative: Float[Tensor, "b j 3"]) -> Float[Tensor, "b j 2"]:
    return rays * relative[..., 2:] - relative[..., :2]


def _full_depth(
    rays: Float[Tensor, "b j 2"],
    relative: Float[Tensor, "b j 3"],
    weights: Float[Tensor, "b j"],
    prior: Float[Tensor, " b"],
    pull: Float[Tensor, " b"],
) -> Float[Tensor, " b"]:
    """Least-squares t_z with a Gaussian prior of precision `pull` around `prior`."""
    right = _right_hand_side(rays, relative)
    product = (weights * (_offsets(rays, weights) * _offsets(right, weights)).sum(-1)).sum(-1)
    return (pull * prior - product) / (_spread(rays, weights) + pull)


def _weak_depth(
    rays: Float[Tensor, "b j 2"],
    relative: Float[Tensor, "b j 3"],
    weights: Float[Tensor, "b j"],
    prior: Float[Tensor, " b"],
    pull: Float[Tensor, " b"],
) -> Float[Tensor, " b"]:
    """t_z such that the weighted mean joint lies at the ratio of spreads, with a prior as in `_full_depth`."""
    mean_z = _mean(relative[..., 2:], weights)[:, 0]
    spread = _spread(rays, weights)
    # sqrt(spread * metric) / spread is the ratio; the floor keeps the root's slope finite at a standstill.
    product = (spread * _spread(relative[..., :2], weights) + _TINY).sqrt()
    return (pull * (prior + mean_z) + product) / (spread + pull) - mean_z


def _translation(
    rays: Float[Tensor, "b j 2"],
    relative: Float[Tensor, "b j 3"],
    weights: Float[Tensor, "b j"],
    depth: Float[Tensor, " b"],
    perspective: Perspective,
) -> Float[Tensor, "b 3"]:
    if perspective == "full":
        xy = _mean(_right_hand_side(rays, relative), weights) + _mean(rays, weights) * depth[:, None]
    else:
        mean = _mean(relative, weights)
        xy = _mean(rays, weights) * (depth + mean[:, 2])[:, None] - mean[:, :2]
    return torch.cat([xy, depth[:, None]], -1)
