"""How far a person is, from the lengths of the bones: scale recovery of 2.5D poses.

A 2.5D pose has image points n_j = (x_j, y_j, 1) and depths d_j relative to the root, so that at root depth Z joint j
is at n_j (Z + d_j). Bone (i, j) then has the length

    l(Z) = |Z a + b|,    a = n_i - n_j,    b = d_i n_i - d_j n_j,

and Z is where the lengths fit the known ones, L, best: minimise ``sum w (l(Z) - L)^2``. The start is the root of the
quadratic ``sum w (l(Z)^2 - L^2) = 0``; Levenberg-Marquardt steps in the one unknown follow (MeTRo's 2.5D baseline).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

PRIOR_DEPTH_MM = 3000.0
"""Root depth where bones have no extent in the image."""
MIN_DEPTH_MM = 50.0

_DAMPING, _GAIN, _LOSS = 1e-3, 0.2, 5.0
_TINY = 1e-12  # On |a|^2, summed: rad^2.


class BoneDepth(NamedTuple):
    """Root depth, and its variance if the bones' misfit is what is left of independent errors of equal size."""

    depth_mm: Float[Tensor, " b"]
    variance_mm2: Float[Tensor, " b"]


class _Bones(NamedTuple):
    """|Z a + b|^2 = Z^2 aa + 2 Z ab + bb, the lengths wanted, and the weights, per bone."""

    aa: Float[Tensor, "b e"]
    ab: Float[Tensor, "b e"]
    bb: Float[Tensor, "b e"]
    lengths: Float[Tensor, "b e"]
    weights: Float[Tensor, "b e"]

    def lengths_at(self, depth: Float[Tensor, " b"]) -> Float[Tensor, "b e"]:
        z = depth[:, None]
        return (z * z * self.aa + 2 * z * self.ab + self.bb).clamp_min(1e-6).sqrt()

    def cost(self, depth: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        return (self.weights * (self.lengths_at(depth) - self.lengths).square()).sum(-1)


def root_depth(
    rays: Float[Tensor, "b j 2"],
    depths_mm: Float[Tensor, "b j"],
    edges: Sequence[tuple[int, int]],
    lengths_mm: Float[Tensor, "b e"],
    weights: Float[Tensor, "b e"],
    *,
    iterations: int = 10,
) -> BoneDepth:
    """Root depth per sample; differentiable through the iterations.

    Args:
        rays: normalised image coordinates (x, y).
        depths_mm: relative to the root.
        edges: pairs of joints.
        lengths_mm: of the edges; those of weight 0 may hold NaN.
        weights: of the edges.
        iterations: Levenberg-Marquardt steps; a step that does not help a sample is not taken by it.
    """
    bones = _bones(rays, depths_mm, _joint_pairs(edges, rays.device), lengths_mm, weights)
    depth = _start(bones)
    damping = torch.full_like(depth, _DAMPING)
    for _ in range(iterations):
        depth, damping = _step(bones, depth, damping)
    return BoneDepth(depth, _variance(bones, depth))


def bone_lengths(joints_mm: Float[Tensor, "b j 3"], edges: Sequence[tuple[int, int]]) -> Float[Tensor, "b e"]:
    """Length of every edge; NaN joints give NaN."""
    pairs = _joint_pairs(edges, joints_mm.device)
    return (joints_mm[:, pairs[0]] - joints_mm[:, pairs[1]]).norm(dim=-1)


def mean_bone_lengths(
    joints_mm: Float[Tensor, "b j 3"], weights: Float[Tensor, "b j"], edges: Sequence[tuple[int, int]]
) -> tuple[Float[Tensor, " e"], Int[Tensor, " e"]]:
    """Mean length of every edge over the samples that know both its ends, and their number; 0 where there are none."""
    pairs = _joint_pairs(edges, joints_mm.device)
    known = (weights[:, pairs[0]] > 0) & (weights[:, pairs[1]] > 0)
    lengths = torch.where(known, bone_lengths(joints_mm, edges), 0.0)
    count = known.sum(0)
    return lengths.sum(0) / count.clamp_min(1), count


def _joint_pairs(edges: Sequence[tuple[int, int]], device: torch.device) -> Int[Tensor, "2 e"]:
    return torch.tensor(list(edges), device=device).T


def _bones(
    rays: Float[Tensor, "b j 2"],
    depths: Float[Tensor, "b j"],
    pairs: Int[Tensor, "2 e"],
    lengths: Float[Tensor, "b e"],
    weights: Float[Tensor, "b e"],
) -> _Bones:
    points = torch.cat([rays, torch.ones_like(rays[..., :1])], -1)
    offsets = depths[..., None] * points
    a, b = (x[:, pairs[0]] - x[:, pairs[1]] for x in (points, offsets))
    lengths = torch.where(weights > 0, lengths, 0.0)
    return _Bones((a * a).sum(-1), (a * b).sum(-1), (b * b).sum(-1), lengths, weights.clamp_min(0.0))


def _start(bones: _Bones) -> Float[Tensor, " b"]:
    """The larger root of the summed quadratic; the prior where no bone has any extent in the image."""
    aa, ab = (bones.weights * bones.aa).sum(-1), (bones.weights * bones.ab).sum(-1)
    rest = (bones.weights * (bones.bb - bones.lengths.square())).sum(-1)
    scale = bones.weights.sum(-1).clamp_min(1e-20)
    seen = aa > _TINY * scale
    root = (ab * ab - aa * rest).clamp_min(1e-30).sqrt()
    return torch.where(seen, (root - ab) / torch.where(seen, aa, 1.0), PRIOR_DEPTH_MM).clamp_min(MIN_DEPTH_MM)


def _slope(bones: _Bones, depth: Float[Tensor, " b"]) -> Float[Tensor, "b e"]:
    """Derivative of each bone's length by the depth."""
    return (depth[:, None] * bones.aa + bones.ab) / bones.lengths_at(depth)


def _step(
    bones: _Bones, depth: Float[Tensor, " b"], damping: Float[Tensor, " b"]
) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
    slope = _slope(bones, depth)
    gradient = (bones.weights * slope * (bones.lengths_at(depth) - bones.lengths)).sum(-1)
    curvature = (bones.weights * slope.square()).sum(-1)
    moved = (depth - gradient / (curvature * (1 + damping)).clamp_min(1e-30)).clamp_min(MIN_DEPTH_MM)
    better = bones.cost(moved) < bones.cost(depth)
    return torch.where(better, moved, depth), damping * torch.where(better, _GAIN, _LOSS)


def _variance(bones: _Bones, depth: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """Misfit per degree of freedom over the curvature: large where hardly any bone counts."""
    freedom = max(bones.weights.shape[1] - 1, 1) / bones.weights.shape[1]
    misfit = bones.cost(depth) / bones.weights.sum(-1).clamp_min(1e-20) / freedom
    return misfit / (bones.weights * _slope(bones, depth).square()).sum(-1).clamp_min(1e-20)
