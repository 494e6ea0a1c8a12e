"""Depth targets of cascaded dimension-lifting: one slab of depth channels that all joints share, and ordinal depth.

Channel c of the slab is the pixelwise maximum of the Gaussians of the joints whose depth falls into bin c of C. The
ordinal output says, for every pixel that shows a joint, behind how many of the C bins that joint is.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import logsigmoid

from metricpose.heatmap.decode import full_precision

# Inside one sigma of a Gaussian of peak 1; cells at exactly that distance belong to it whatever the rounding.
_ONE_SIGMA = math.exp(-0.5) * (1 - 1e-5)


class OrdinalTargets(NamedTuple):
    """Depth bin of the joint each pixel shows (0 where it shows none), and whether it shows one."""

    label: Int[Tensor, "*b h w"]
    mask: Bool[Tensor, "*b h w"]


def depth_bins(z: Float[Tensor, "*b j"], bins: int, half_range: float) -> Int[Tensor, "*b j"]:
    """Bin 0 .. bins - 1 of each root-relative depth in [-half_range, half_range], beyond it the first or last; NaN: 0.

    ``clamp(floor((z / half_range + 1) / 2 * bins))``; farther is larger. The paper's half range: 1000 mm.
    """
    position = (torch.where(z.isnan(), -half_range, full_precision(z)) / half_range + 1) / 2 * bins
    return position.floor().clamp(0, bins - 1).long()


def depth_slab(
    maps: Float[Tensor, "*b j h w"],
    joint_bins: Int[Tensor, "*b j"],
    channels: int,
    valid: Bool[Tensor, "*b j"] | None = None,
) -> Float[Tensor, "*b channels h w"]:
    """Pixelwise maximum of the maps of the joints of each depth bin; 0 in channels without a joint.

    Args:
        maps: Gaussians of peak 1 (`encode.gaussian_maps`), zero for joints without label in the image.
        joint_bins: see `depth_bins`.
        channels: C.
        valid: joints of known depth; of the others nothing is shown. Default: all.
    """
    shown = _shown(maps, valid).reshape(-1, *maps.shape[-3:])
    joint_bins = joint_bins.reshape(-1, joint_bins.shape[-1])
    slab = maps.new_zeros(shown.shape[0], channels, *shown.shape[-2:])
    samples = torch.arange(len(shown), device=maps.device)
    for j in range(shown.shape[1]):  # A tenth of the time of one scatter_reduce.
        at = samples, joint_bins[:, j]
        slab[at] = torch.maximum(slab[at], shown[:, j])
    return slab.view(*maps.shape[:-3], channels, *maps.shape[-2:])


def ordinal_targets(
    maps: Float[Tensor, "*b j h w"],
    joint_bins: Int[Tensor, "*b j"],
    valid: Bool[Tensor, "*b j"] | None = None,
) -> OrdinalTargets:
    """For each pixel within one sigma of a joint the bin of the nearest joint, of the closest in depth among equals.

    Arguments as `depth_slab`. The mask and both rules are ours: the paper does not say what a pixel off the joints or
    under several of them shall be.
    """
    maps = _shown(maps, valid)
    mask = maps.amax(-3) >= _ONE_SIGMA
    heights = maps.movedim(-3, -1)[mask]  # Few pixels show a joint: (pixels, j).
    bins = joint_bins[..., None, None, :].expand(*mask.shape, -1)[mask]
    nearest = heights == heights.amax(-1, keepdim=True)
    label = joint_bins.new_zeros(mask.shape)
    label[mask] = torch.where(nearest, bins, torch.iinfo(bins.dtype).max).amin(-1)
    return OrdinalTargets(label, mask)


def _shown(maps: Float[Tensor, "*b j h w"], valid: Bool[Tensor, "*b j"] | None) -> Float[Tensor, "*b j h w"]:
    return maps if valid is None else torch.where(valid[..., None, None], maps, 0.0)


def ordinal_losses(logits: Float[Tensor, "*b c h w"], targets: OrdinalTargets) -> Float[Tensor, "*b"]:
    """Ordinal regression likelihood of the labels, negative, averaged over the masked pixels of each sample; 0 if none.

    ``-(sum over c < d of log P_c + sum over c >= d of log(1 - P_c))`` with ``P_c = sigmoid(logit_c)`` the probability
    of lying behind bin c and d the label: cascaded dimension-lifting, Eq. 4, with the sign and the index put right
    (as printed, P_d would be asked to be 1). Float32.
    """
    mask = targets.mask
    logits = full_precision(logits.movedim(-3, -1)[mask])  # Few pixels show a joint: (pixels, c).
    behind = torch.arange(logits.shape[-1], device=logits.device) < targets.label[mask][:, None]
    per_pixel = -logsigmoid(torch.where(behind, logits, -logits)).sum(-1)
    total = torch.zeros(mask.shape, dtype=logits.dtype, device=logits.device).masked_scatter(mask, per_pixel)
    return total.sum((-2, -1)) / mask.sum((-2, -1)).clamp_min(1)
