"""The 2.5D baseline that MeTRo and MeTRAbs are compared with: pixels, and depth relative to the root.

As described in I. Sarandi et al., FG 2020 and IEEE T-BIOM 2021 (after U. Iqbal et al., "Hand pose estimation via latent
2.5D heatmap regression", ECCV 2018). The x and y axes of the volume are the image's, the z axis is metric with the
root's depth at its middle. Absolute scale has to be recovered afterwards (`geometry.bonedepth`).

=============  ==================  ================================================================
value          shape               meaning
=============  ==================  ================================================================
images         b 3 S S             RGB in [0, 1], S = 256
features       b C h w             h = w = S / stride
head           b (D J) h w         one 1 x 1 convolution, depth-major channels
logits_3d      b J D h w           softmax over D, h, w; D = 8
px             b J 2               crop pixels (`heatmap.grid`)
depth_mm       b J                 u_z * 2200: 1100 is the root's depth
=============  ==================  ================================================================

Joint j is at ``(K^-1 px_j)(Z + depth_j - depth_root)``. `recovery` says where the root depth Z comes from: the mean
bone lengths of the training people, the person's own bone lengths, or the truth; the last two are oracles for
evaluation (`needs_gt`).

Loss terms (L1, metres): ``heatmap_2d`` = 2/3 * 2.2/S * |px|, ``depth`` = 1/3 |depth - (z - z_root + 1100)|; samples
without a 3D label: ``heatmap_2d_only`` = 0.1 * 2.2/S * |px|.

Deviations: losses are masked means (the published 3D loss ignored the mask); the predicted root is subtracted rather
than taken to be at 1100 mm; the published Jacobian's factor (d where d/2 is meant) is right here; mean bone lengths are
gathered from the labels during training and live in the state dict.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from metricpose.errors import InputError
from metricpose.geometry.absolute import fallback, pixel_rays, project, view_weight
from metricpose.geometry.bonedepth import BoneDepth, mean_bone_lengths, root_depth
from metricpose.heatmap.grid import metric_z, pixel_map
from metricpose.losses import any_known, l1_losses, masked_mean
from metricpose.models.base import VolumeConfig, VolumeModel, split_volumes, volume_means
from metricpose.types import Batch, Pose

UNTRAINED_BONE_MM = 250.0
"""What every bone counts until the first labels have been seen."""

_UNSEEN_WEIGHT = 1e-8  # Of a bone with an end out of view.


class TwofiveConfig(VolumeConfig):
    """Settings of the 2.5D baseline.

    Attributes:
        recovery: source of the scale. ``bone-lengths``: mean lengths of the training people. ``true-bone-lengths``:
            `decode` is given each person's. ``true-root-depth``: `decode` is given the root's depth.
        fov_margin: a bone counts if both ends are at least this many training strides inside the crop.
    """

    recovery: Literal["bone-lengths", "true-bone-lengths", "true-root-depth"] = "bone-lengths"
    fov_margin: float = 0.75


class TwofiveOutput(NamedTuple):
    """The volumes' logits and their expectations."""

    logits_3d: Float[Tensor, "b j d h w"]
    px: Float[Tensor, "b j 2"]
    depth_mm: Float[Tensor, "b j"]


class Twofive(VolumeModel):
    """The network, its decoder and its loss; see the module's text."""

    bone_lengths_mm: Float[Tensor, " e"]
    bone_count: Tensor

    def __init__(self, config: TwofiveConfig, backbone_weights: dict[str, Tensor] | None = None) -> None:
        super().__init__(config, planes=False, backbone_weights=backbone_weights)
        self.config = config
        needs = {"true-bone-lengths": ("bone_lengths_mm",), "true-root-depth": ("root_depth_mm",)}
        self.needs_gt = needs.get(config.recovery, ())
        edges = len(self.skeleton.edges)
        self.register_buffer("bone_lengths_mm", torch.full((edges,), UNTRAINED_BONE_MM))
        self.register_buffer("bone_count", torch.zeros(edges, dtype=torch.int64))

    def forward(self, images: Float[Tensor, "b 3 s s"]) -> TwofiveOutput:
        """Crops in [0, 1] to heatmaps and their expectations."""
        logits = split_volumes(self.raw_logits(images), self.config.depth_bins)
        u = volume_means(logits)
        return TwofiveOutput(logits, self.pixels(u[..., :2]), metric_z(u[..., 2], self.config.box_mm))

    def decode(
        self,
        output: TwofiveOutput,
        K: Float[Tensor, "b 3 3"],
        *,
        root_depth_mm: Float[Tensor, " b"] | None = None,
        bone_lengths_mm: Float[Tensor, "b e"] | None = None,
    ) -> Pose:
        """Absolute poses in the crop cameras; the keyword arguments are what `needs_gt` names.

        Raises:
            InputError: a ground-truth value is missing, or given where none is needed.
        """
        given = {"root_depth_mm": root_depth_mm, "bone_lengths_mm": bone_lengths_mm}
        names = tuple(name for name, value in given.items() if value is not None)
        if names != self.needs_gt:
            raise InputError(f"recovery '{self.config.recovery}' needs {self.needs_gt or 'nothing'}, got {names}")
        rays, root = pixel_rays(output.px, K), self.skeleton.root
        relative = output.depth_mm - output.depth_mm[:, root : root + 1]
        in_view = view_weight(
            output.px, self.config.side, self.config.stride_train,
            margin=self.config.fov_margin, centred=self.config.centred,
        )  # fmt: skip
        found = self._scale(rays, relative, in_view, root_depth_mm, bone_lengths_mm)
        points = torch.cat([rays, torch.ones_like(rays[..., :1])], -1)
        joints = points * (relative + found.depth_mm[:, None])[..., None]
        return Pose(
            joints_px=project(joints, K),
            joints_mm=joints - joints[:, root : root + 1],
            joints_abs_mm=joints,
            covariance_mm2=self._covariance(output.logits_3d, K, points, joints, found),
            flags=fallback(in_view > 0),
        )

    def _scale(
        self,
        rays: Float[Tensor, "b j 2"],
        depths: Float[Tensor, "b j"],
        in_view: Float[Tensor, "b j"],
        true_depth: Float[Tensor, " b"] | None,
        true_bones: Float[Tensor, "b e"] | None,
    ) -> BoneDepth:
        if true_depth is not None:
            return BoneDepth(true_depth, torch.zeros_like(true_depth))
        edges = self.skeleton.edges
        lengths = self.bone_lengths_mm.expand(len(rays), -1) if true_bones is None else true_bones
        ends = in_view[:, torch.tensor(edges, device=rays.device)]
        weights = torch.where(lengths.isnan(), 0.0, ends.prod(-1) + _UNSEEN_WEIGHT)
        return root_depth(rays, depths, edges, lengths, weights)

    def _covariance(
        self,
        logits: Float[Tensor, "b j d h w"],
        K: Float[Tensor, "b 3 3"],
        points: Float[Tensor, "b j 3"],
        joints: Float[Tensor, "b j 3"],
        found: BoneDepth,
    ) -> Float[Tensor, "b j 3 3"]:
        """First-order propagation of the volume's (px, px, mm) covariance, plus the root depth's own part."""
        pixels = float(pixel_map(self.config.side, self.config.stride)[0])
        volume = self.volume_covariance(logits, (pixels, pixels, self.config.box_mm))
        jacobian = _pixel_jacobian(K, points, joints)
        spread = _congruence(jacobian, volume)
        by_depth = points - points[:, self.skeleton.root, None]
        return self.calibrated(
            spread + by_depth[..., :, None] * by_depth[..., None, :] * found.variance_mm2[:, None, None, None]
        )

    def loss(self, output: TwofiveOutput, batch: Batch, step: int) -> dict[str, Tensor]:
        """Weighted terms named as in the module's text; in training, mean bone lengths are updated from the labels."""
        if self.training:
            self._gather_bone_lengths(batch)
        config, root = self.config, self.skeleton.root
        known = any_known(batch.z_w)
        with_3d, without_3d = torch.where(known, batch.uv_w, 0.0), torch.where(known, 0.0, batch.uv_w)
        z_w = torch.where(batch.z_w[:, root : root + 1] > 0, batch.z_w, 0.0)
        z = batch.joints_mm[..., 2]
        target = z - torch.where(z_w > 0, z[:, root : root + 1], 0.0) + config.box_mm / 2
        heatmap = l1_losses(output.px, batch.joints_px, batch.uv_w)
        depth = l1_losses(output.depth_mm[..., None], target[..., None], z_w)
        c = config.box_mm / 1000 / config.side
        return {
            "heatmap_2d": 2 / 3 * c * masked_mean(heatmap, with_3d),
            "depth": masked_mean(depth, z_w) / 3000,
            "heatmap_2d_only": config.weight_2d_only * c * masked_mean(heatmap, without_3d),
        }

    @torch.no_grad()
    def _gather_bone_lengths(self, batch: Batch) -> None:
        """Running mean of every bone over all labels seen, as batch norm keeps its statistics."""
        lengths, count = mean_bone_lengths(batch.joints_mm, batch.z_w, self.skeleton.edges)
        self.bone_count += count
        share = count / self.bone_count.clamp_min(1)
        self.bone_lengths_mm += (lengths - self.bone_lengths_mm) * share


def _pixel_jacobian(
    K: Float[Tensor, "b 3 3"], points: Float[Tensor, "b j 3"], joints: Float[Tensor, "b j 3"]
) -> Float[Tensor, "b j 3 3"]:
    """Derivative of ``(K^-1 (u, v, 1)) Z`` by u, v and Z."""
    inverse = torch.linalg.inv_ex(K)[0]
    by_pixel = inverse[:, None, :, :2] * joints[..., 2:, None]
    return torch.cat([by_pixel, points[..., None]], -1)


def _congruence(a: Float[Tensor, "b j 3 3"], c: Float[Tensor, "b j 3 3"]) -> Float[Tensor, "b j 3 3"]:
    """``a c a^T`` without matrix products, which autocast would lower."""
    ac = (a[..., :, :, None] * c[..., None, :, :]).sum(-2)
    return (ac[..., :, None, :] * a[..., None, :, :]).sum(-1)
