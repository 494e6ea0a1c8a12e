"""From 2.5D poses to camera space: pixels and depths relative to the root lack one number, the root's depth.

With rays ``n_j = K^-1 (u_j, v_j, 1)`` and depths ``d_j`` relative to the root, joint j is at ``n_j (Z + d_j)``. Z comes
from the mean bone lengths of the training people (`geometry.bonedepth`), from the person's own bone lengths, or from
the truth; the last two are ground truth, for evaluation alone. Shared by all models whose network answers with pixels
and root-relative millimetres.

First-order propagation gives the covariance: the heatmap's own through the Jacobian of ``n Z``, and the root depth's
variance along ``n_j - n_root``, the direction in which root-relative joints move with Z.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from metricpose.errors import InputError
from metricpose.geometry.absolute import fallback, pixel_rays, project
from metricpose.geometry.bonedepth import BoneDepth, mean_bone_lengths, root_depth
from metricpose.skeleton.core import Skeleton
from metricpose.types import Batch, Pose

Recovery = Literal["bone-lengths", "true-bone-lengths", "true-root-depth"]
"""Source of the scale: mean lengths of the training people; `decode` is given each person's; or the root's depth."""

NEEDS: dict[str, tuple[str, ...]] = {
    "bone-lengths": (),
    "true-bone-lengths": ("bone_lengths_mm",),
    "true-root-depth": ("root_depth_mm",),
}
"""Ground truth that each `Recovery` asks of `decode`."""

UNTRAINED_BONE_MM = 250.0
"""What every bone counts until the first labels have been seen."""

_UNSEEN_WEIGHT = 1e-8  # Of a bone with an end out of view.


class FlatPose(NamedTuple):
    """A 2.5D pose.

    Attributes:
        px: crop pixels.
        depth_mm: relative to any origin; the root's own is subtracted.
        in_view: weight of each joint's ray, see `geometry.absolute.view_weight`.
        covariance: of (px, px, mm), or None.
    """

    px: Float[Tensor, "b j 2"]
    depth_mm: Float[Tensor, "b j"]
    in_view: Float[Tensor, "b j"]
    covariance: Float[Tensor, "b j 3 3"] | None = None


def depth_from_bones(
    flat: FlatPose, K: Float[Tensor, "b 3 3"], skeleton: Skeleton, lengths_mm: Float[Tensor, "b e"]
) -> BoneDepth:
    """Root depth at which the skeleton's edges have these lengths; of NaN or 0, a bone's length is unknown.

    Bones with an end out of view hardly count.
    """
    edges = skeleton.edges
    ends = flat.in_view[:, torch.tensor(edges, device=K.device)]
    weights = torch.where(lengths_mm > 0, ends.prod(-1) + _UNSEEN_WEIGHT, 0.0)
    relative = flat.depth_mm - flat.depth_mm[:, skeleton.root, None]
    return root_depth(pixel_rays(flat.px, K), relative, edges, lengths_mm, weights)


def place(flat: FlatPose, K: Float[Tensor, "b 3 3"], root: int, found: BoneDepth) -> Pose:
    """The pose at a root depth. Its covariance, if `flat` has one, is relative to the root and not calibrated."""
    rays = pixel_rays(flat.px, K)
    relative = flat.depth_mm - flat.depth_mm[:, root : root + 1]
    points = torch.cat([rays, torch.ones_like(rays[..., :1])], -1)
    joints = points * (relative + found.depth_mm[:, None])[..., None]
    covariance = flat.covariance
    if covariance is not None:
        covariance = congruence(_pixel_jacobian(K, points, joints), covariance)
        covariance = covariance + _root_spread(points, root, found.variance_mm2)
    return Pose(
        joints_px=project(joints, K),
        joints_mm=joints - joints[:, root : root + 1],
        joints_abs_mm=joints,
        covariance_mm2=covariance,
        flags=fallback(flat.in_view > 0),
    )


class BoneScale(nn.Module):
    """Base of the models that recover the root's depth as `Recovery` says; beside another `nn.Module` if need be.

    Call `start_recovery` once `skeleton` is set. Buffers: `bone_lengths_mm`, `bone_count` (per edge of the skeleton).
    """

    skeleton: Skeleton
    needs_gt: tuple[str, ...]
    bone_lengths_mm: Float[Tensor, " e"]
    bone_count: Tensor

    def start_recovery(self, recovery: Recovery) -> None:
        """Set `needs_gt` and register the buffers."""
        self.needs_gt = NEEDS[recovery]
        self._recovery = recovery
        edges = len(self.skeleton.edges)
        self.register_buffer("bone_lengths_mm", torch.full((edges,), UNTRAINED_BONE_MM))
        self.register_buffer("bone_count", torch.zeros(edges, dtype=torch.int64))

    def recover(
        self,
        flat: FlatPose,
        K: Float[Tensor, "b 3 3"],
        root_depth_mm: Float[Tensor, " b"] | None = None,
        bone_lengths_mm: Float[Tensor, "b e"] | None = None,
    ) -> Pose:
        """Absolute poses in the crop cameras; the last two arguments are what `needs_gt` names.

        Raises:
            InputError: a ground-truth value is missing, or given where none is needed.
        """
        given = {"root_depth_mm": root_depth_mm, "bone_lengths_mm": bone_lengths_mm}
        names = tuple(name for name, value in given.items() if value is not None)
        if names != self.needs_gt:
            raise InputError(f"recovery '{self._recovery}' needs {self.needs_gt or 'nothing'}, got {names}")
        if root_depth_mm is not None:
            found = BoneDepth(root_depth_mm, torch.zeros_like(root_depth_mm))
        else:
            lengths = self.bone_lengths_mm.expand(len(K), -1) if bone_lengths_mm is None else bone_lengths_mm
            found = depth_from_bones(flat, K, self.skeleton, lengths)
        return place(flat, K, self.skeleton.root, found)

    @torch.no_grad()
    def gather_bone_lengths(self, batch: Batch) -> None:
        """Running mean of every bone over all labels seen, as batch norm keeps its statistics."""
        lengths, count = mean_bone_lengths(batch.joints_mm, batch.z_w, self.skeleton.edges)
        self.bone_count += count
        share = count / self.bone_count.clamp_min(1)
        self.bone_lengths_mm += (lengths - self.bone_lengths_mm) * share


def _root_spread(
    points: Float[Tensor, "b j 3"], root: int, variance_mm2: Float[Tensor, " b"]
) -> Float[Tensor, "b j 3 3"]:
    by_depth = points - points[:, root, None]
    return by_depth[..., :, None] * by_depth[..., None, :] * variance_mm2[:, None, None, None]


def _pixel_jacobian(
    K: Float[Tensor, "b 3 3"], points: Float[Tensor, "b j 3"], joints: Float[Tensor, "b j 3"]
) -> Float[Tensor, "b j 3 3"]:
    """Derivative of ``(K^-1 (u, v, 1)) Z`` by u, v and Z."""
    inverse = torch.linalg.inv_ex(K)[0]
    by_pixel = inverse[:, None, :, :2] * joints[..., 2:, None]
    return torch.cat([by_pixel, points[..., None]], -1)


def congruence(a: Float[Tensor, "b j 3 3"], c: Float[Tensor, "b j 3 3"]) -> Float[Tensor, "b j 3 3"]:
    """``a c a^T`` without matrix products, which autocast would lower."""
    ac = (a[..., :, :, None] * c[..., None, :, :]).sum(-2)
    return (ac[..., :, None, :] * a[..., None, :, :]).sum(-1)
