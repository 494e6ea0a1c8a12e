"""Targets and losses of step-by-step heatmap transformation (Zhang et al., AAAI 2021, equations 1 to 4).

Every function gives one number per sample, summed over joints, maps and cells. With unit-peak Gaussians, coordinates
in units of the crop and the weights of `lifting.LiftingConfig` all terms are then of one size (ours: the paper states
neither reductions nor weights).

What a sample has no label for is not compared: maps of joints without a 2D label or outside the crop, bones unless both
ends are labelled inside it, slab and ordinal depth of samples without any joint that has both a 2D and a depth label
(joints that lack one beside others that do not are shown nowhere: channels are shared, so they cannot be masked).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from metricpose.errors import InputError
from metricpose.heatmap.encode import gaussian_maps, joint_pairs, segment_maps
from metricpose.heatmap.slab import depth_bins, depth_slab, ordinal_losses, ordinal_targets
from metricpose.skeleton.core import Skeleton
from metricpose.types import Batch

Bones = Literal["named", "tree"]

_NAMED_BONES = (
    ("pelvis", "spine"), ("spine", "neck"), ("neck", "nose"), ("nose", "head_top"),
    ("neck", "l_shoulder"), ("l_shoulder", "l_elbow"), ("l_elbow", "l_wrist"),
    ("neck", "r_shoulder"), ("r_shoulder", "r_elbow"), ("r_elbow", "r_wrist"),
    ("pelvis", "r_hip"), ("r_hip", "r_knee"), ("r_knee", "r_ankle"),
    ("pelvis", "l_hip"), ("l_hip", "l_knee"), ("l_knee", "l_ankle"),
)  # fmt: skip
_ALSO_NAMED = {"neck": "thorax", "nose": "head"}


class StepLabels(NamedTuple):
    """Labels in the units of the heatmaps, finite everywhere; what is unknown has weight 0.

    Attributes:
        u: x, y on the index grid, [0, 1) inside the crop.
        u_w: weights of u; 0 outside the crop.
        z: depth minus the root's, millimetres.
        z_w: weights of z; 0 where the root's depth is unknown.
        box_u_w, box_z_w: the same for the volumes: 0 for joints that are known to lie outside their volume in any
            coordinate (Moon et al.).
    """

    u: Float[Tensor, "b j 2"]
    u_w: Float[Tensor, "b j"]
    z: Float[Tensor, "b j"]
    z_w: Float[Tensor, "b j"]
    box_u_w: Float[Tensor, "b j"]
    box_z_w: Float[Tensor, "b j"]


def bone_pairs(skeleton: Skeleton, bones: Bones = "named") -> tuple[tuple[int, int], ...]:
    """Joints at the ends of every bone map.

    Args:
        bones: "named": the 16 bones of the base network's skeleton by joint names, whatever else the skeleton has
            (ours: the paper's figure 3 does not say); neck and nose may be called thorax and head. "tree": the
            skeleton's edges.

    Raises:
        InputError: a named joint is missing.
    """
    if bones == "tree":
        return skeleton.edges
    return tuple((_find(skeleton, a), _find(skeleton, b)) for a, b in _NAMED_BONES)


def _find(skeleton: Skeleton, joint: str) -> int:
    other = _ALSO_NAMED.get(joint, joint)
    if joint not in skeleton.joints and other not in skeleton.joints:
        raise InputError(
            f"the named bones need the joint '{joint}', which skeleton {skeleton.name} does not have; it has "
            f'{", ".join(skeleton.joints)}. bones="tree" takes the skeleton\'s own edges'
        )
    return skeleton.index(joint if joint in skeleton.joints else other)


def bone_sigma(step: int, start: float, end: float, until: float) -> float:
    """Spread of the bone maps, in cells: from `start` linearly to `end` over `until` steps, then constant.

    "We dynamically reduce the Gaussian kernel size of the bone heatmaps during the training according to the epoch";
    shape and values are ours.
    """
    return start + (end - start) * min(1.0, step / max(until, 1.0))


def step_labels(batch: Batch, root: int, extent_px: int, box_mm: float) -> StepLabels:
    """Labels of a batch for heatmaps that span `extent_px` pixels and volumes that are `box_mm` deep."""
    labelled, z_w = batch.uv_w > 0, torch.where(batch.z_w[:, root, None] > 0, batch.z_w, 0.0)
    u = torch.where(labelled[..., None], batch.joints_px / extent_px, 0.0)
    depth = torch.where(z_w > 0, batch.joints_mm[..., 2], 0.0)
    z = torch.where(z_w > 0, depth - depth[:, root, None], 0.0)
    in_crop = ((u >= 0) & (u < 1)).all(-1)
    in_depth = (z >= -box_mm / 2) & (z < box_mm / 2)
    u_w = torch.where(in_crop, batch.uv_w, 0.0)
    # Unknown coordinates count as inside: u and z are 0 there.
    box_u_w, box_z_w = torch.where(in_depth, u_w, 0.0), torch.where(in_depth & in_crop, z_w, 0.0)
    return StepLabels(u, u_w, z, z_w, box_u_w, box_z_w)


def joint_maps(labels: StepLabels, size: tuple[int, int], sigma: float) -> Float[Tensor, "b j h w"]:
    """Targets of the joint maps; zero for joints without label in the crop."""
    return gaussian_maps(labels.u, size, sigma, "index", valid=labels.u_w > 0)


def bone_losses(
    pred: Float[Tensor, "b n h w"],
    labels: StepLabels,
    bones: Sequence[tuple[int, int]],
    sigma: float,
    power: float = 2.0,
) -> Float[Tensor, " b"]:
    """Equation 2 on bone maps (equation 1, `heatmap.encode.segment_maps`); a bone weighs as its lighter end."""
    first, second = joint_pairs(bones, pred.device)
    weights = torch.minimum(labels.u_w[:, first], labels.u_w[:, second])
    size = (pred.shape[-2], pred.shape[-1])
    target = segment_maps(labels.u, bones, size, sigma, "index", power=power, valid=labels.u_w > 0)
    return map_losses(pred, target, weights)


def map_losses(
    pred: Float[Tensor, "b n h w"], target: Float[Tensor, "b n h w"], weights: Float[Tensor, "b n"]
) -> Float[Tensor, " b"]:
    """Equations 2 and 3: squared differences summed over cells and maps."""
    return ((pred - target).square().sum((-2, -1)) * weights).sum(-1)


def slab_losses(
    pred: Float[Tensor, "b c h w"],
    logits: Float[Tensor, "b c h w"],
    joints: Float[Tensor, "b j h w"],
    labels: StepLabels,
    box_mm: float,
) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
    """Equation 3 on the slab, and equation 4 on the ordinal logits; `joints` are the targets of the joint maps."""
    shown = (labels.u_w > 0) & (labels.z_w > 0)
    bins = depth_bins(labels.z, pred.shape[1], box_mm / 2)
    target = depth_slab(joints, bins, pred.shape[1], shown)
    weights = shown.any(-1, keepdim=True).to(target).expand(-1, pred.shape[1])
    return map_losses(pred, target, weights), ordinal_losses(logits, ordinal_targets(joints, bins, shown))


def coordinate_losses(
    u: Float[Tensor, "b j 2"], z: Float[Tensor, "b j"], labels: StepLabels, box_mm: float, depth_weight: float = 1.0
) -> Float[Tensor, " b"]:
    """``sum over joints of |du| + |dv| + depth_weight |dz|`` in units of crop and box, of joints inside both.

    Not written in the paper, but implied ("loss value of the z-axis becomes zero") and inherited from Moon et al.
    """
    plane = (u - labels.u).abs().sum(-1) * labels.box_u_w
    depth = (z - labels.z).abs() / box_mm * labels.box_z_w
    return (plane + depth_weight * depth).sum(-1)
