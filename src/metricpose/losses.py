"""Losses, always unreduced per joint, and the one function that reduces them.

A joint of weight 0 may hold NaN or garbage in its label: it enters neither the value nor any gradient, because labels
are replaced *before* arithmetic touches them (a NaN times zero is NaN, and so is its gradient). All losses are in the
unit of their arguments. L1 losses are means over coordinates, so `masked_mean` of one is the mean over all valid
joint-coordinate entries of the batch, as in MeTRo and MeTRAbs.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

_VARIANCE_FLOOR = 1e-10
_SIGMA_FLOOR = 1e-5


def masked_mean(losses: Float[Tensor, "b j"], weights: Float[Tensor, "b j"]) -> Float[Tensor, ""]:
    """Weighted mean of all entries of positive weight; 0, with zero gradient, if there are none."""
    counted = weights > 0
    weights = torch.where(counted, weights, 0.0)
    total = (torch.where(counted, losses, 0.0) * weights).sum()
    return total / weights.sum().clamp_min(torch.finfo(weights.dtype).tiny)


def l1_losses(
    pred: Float[Tensor, "b j c"], target: Float[Tensor, "b j c"], weights: Float[Tensor, "b j"]
) -> Float[Tensor, "b j"]:
    """Absolute difference averaged over coordinates; 0 where the weight is 0."""
    return (pred - _known(target, weights, pred)).abs().mean(-1)


def relative_l1_losses(
    pred: Float[Tensor, "b j c"],
    target: Float[Tensor, "b j c"],
    weights: Float[Tensor, "b j"],
    root: int | None = None,
) -> Float[Tensor, "b j"]:
    """L1 after moving both poses' root joint (or, with None, the weighted mean of their valid joints) to the origin.

    Samples whose root has no label are centred on the mean of their valid joints.
    """
    target = _known(target, weights, pred)
    difference = pred - target
    offset = _weighted_mean(difference, weights)
    if root is not None:
        offset = torch.where(weights[:, root, None] > 0, difference[:, root], offset)
    moved = (difference - offset[:, None]).abs().mean(-1)
    return torch.where(weights > 0, moved, 0.0)


def absolute_l1_losses(
    pred: Float[Tensor, "b j 3"],
    target: Float[Tensor, "b j 3"],
    weights: Float[Tensor, "b j"],
    damp_beyond_mm: float | None = None,
) -> Float[Tensor, "b j"]:
    """L1 of camera-frame points; beyond `damp_beyond_mm` the z part counts in proportion to 1/z (MeTRAbs 2023).

    Distance errors grow with distance: without damping, far people dominate the loss.
    """
    target = _known(target, weights, pred)
    difference = (pred - target).abs()
    if damp_beyond_mm is None:
        return difference.mean(-1)
    damping = (damp_beyond_mm / target[..., 2].detach().abs().clamp_min(1.0)).clamp_max(1.0)
    return (difference[..., 0] + difference[..., 1] + difference[..., 2] * damping) / 3


def aligned_l1_losses(
    pred: Float[Tensor, "b j c"], target: Float[Tensor, "b j c"], weights: Float[Tensor, "b j"]
) -> Float[Tensor, "b j"]:
    """L1 after shifting and scaling each prediction to its label's mean and spread over the valid joints (MeTRo).

    With it, x and y of a metric pose learn from pixel labels of unknown scale. Gradients flow through the alignment.
    A sample with a single valid joint gives 0.
    """
    target = _known(target, weights, pred)
    pred_mean, pred_sigma = _moments(pred, weights)
    target_mean, target_sigma = _moments(target, weights)
    aligned = (pred - pred_mean[:, None]) * (target_sigma / pred_sigma)[:, None, None] + target_mean[:, None]
    return torch.where(weights > 0, (aligned - target).abs().mean(-1), 0.0)


def ordinal_ranking_losses(
    z: Float[Tensor, "b j"], order: Float[Tensor, "b k"], weights: Float[Tensor, "b k"], scale: float
) -> Float[Tensor, "b k"]:
    """How badly depths contradict ordinal labels, per pair (a, b), a < b, of joints; 0 where the weight is 0.

    The ranking loss of Pavlakos et al., "Ordinal depth supervision for 3D human pose estimation", CVPR 2018, of depths
    divided by `scale` and times `scale`: with d = (z_a - z_b) / scale, ``log(1 + exp(-order d))`` for order = +1 (b is
    closer) and -1, ``d^2`` for order = 0 (about equally far).

    Args:
        z: depths, larger is farther; only their differences count.
        order, weights: of the pairs of `skeleton.core.joint_pairs`.
        scale: depth difference, in the unit of `z`, from which on ordered joints are hardly pushed any farther apart;
            1 is the paper's formula. The loss is in the unit of `z`.
    """
    a, b = torch.triu_indices(z.shape[1], z.shape[1], 1, device=z.device)
    known = weights > 0
    label = torch.where(known, order, 0.0)
    difference = (z[:, a] - z[:, b]) / scale
    losses = torch.where(label != 0, functional.softplus(-label * difference), difference.square())
    return torch.where(known, scale * losses, 0.0)


def any_known(weights: Float[Tensor, "b j"]) -> Bool[Tensor, "b 1"]:
    """Whether each sample has any joint of positive weight, to combine with the weights of another label."""
    return (weights > 0).any(-1, keepdim=True)


def _known(
    target: Float[Tensor, "b j c"], weights: Float[Tensor, "b j"], pred: Float[Tensor, "b j c"]
) -> Float[Tensor, "b j c"]:
    """The labels, with the prediction itself (cut from the graph) in place of those of weight 0."""
    return torch.where((weights > 0)[..., None], target, pred.detach())


def _weighted_mean(x: Float[Tensor, "b j c"], weights: Float[Tensor, "b j"]) -> Float[Tensor, "b c"]:
    total = weights.sum(-1, keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)
    return (x * weights[..., None]).sum(1) / total


def _moments(
    x: Float[Tensor, "b j c"], weights: Float[Tensor, "b j"]
) -> tuple[Float[Tensor, "b c"], Float[Tensor, " b"]]:
    """Weighted mean, and the root of the mean squared distance from it."""
    mean = _weighted_mean(x, weights)
    squared = (x - mean[:, None]).square().sum(-1, keepdim=True)
    return mean, (_weighted_mean(squared, weights)[:, 0] + _VARIANCE_FLOOR).sqrt().clamp_min(_SIGMA_FLOOR)
