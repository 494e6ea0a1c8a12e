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
without a 3D label: ``heatmap_2d_only`` = 0.1 * 2.2/S * |px|. Not in the papers: ``ordinal`` trains depth_mm by ordinal
depth labels (`models.base.ordinal_term`).

Deviations: losses are masked means (the published 3D loss ignored the mask); the predicted root is subtracted rather
than taken to be at 1100 mm; the published Jacobian's factor (d where d/2 is meant) is right here; mean bone lengths are
gathered from the labels during training and live in the state dict.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from metricpose.geometry.absolute import view_weight
from metricpose.heatmap.grid import metric_z, pixel_map
from metricpose.losses import any_known, l1_losses, masked_mean
from metricpose.models.base import VolumeConfig, VolumeModel, split_volumes, volume_moments
from metricpose.models.recovery import BoneScale, FlatPose, Recovery
from metricpose.types import Batch, Pose


class TwofiveConfig(VolumeConfig):
    """Settings of the 2.5D baseline.

    Attributes:
        recovery: source of the scale. ``bone-lengths``: mean lengths of the training people. ``true-bone-lengths``:
            `decode` is given each person's. ``true-root-depth``: `decode` is given the root's depth.
        fov_margin: a bone counts if both ends are at least this many training strides inside the crop.
    """

    recovery: Recovery = "bone-lengths"
    fov_margin: float = 0.75


class TwofiveOutput(NamedTuple):
    """The volumes' logits, their expectations, and their covariance if it came with them."""

    logits_3d: Float[Tensor, "b j d h w"]
    px: Float[Tensor, "b j 2"]
    depth_mm: Float[Tensor, "b j"]
    spread: Float[Tensor, "b j 3 3"] | None = None


class Twofive(VolumeModel, BoneScale):
    """The network, its decoder and its loss; see the module's text."""

    def __init__(self, config: TwofiveConfig, backbone_weights: dict[str, Tensor] | None = None) -> None:
        super().__init__(config, planes=False, backbone_weights=backbone_weights)
        self.config = config
        self.start_recovery(config.recovery)

    def forward(self, images: Float[Tensor, "b 3 s s"]) -> TwofiveOutput:
        """Crops in [0, 1] to heatmaps and their expectations."""
        logits = split_volumes(self.raw_logits(images), self.config.depth_bins)
        u, spread = volume_moments(logits)
        return TwofiveOutput(logits, self.pixels(u[..., :2]), metric_z(u[..., 2], self.config.box_mm), spread)

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
        config = self.config
        in_view = view_weight(
            output.px, config.side, config.stride_train, margin=config.fov_margin, centred=config.centred
        )
        pixels = float(pixel_map(config.side, config.stride)[0])
        covariance = self.volume_covariance(output.logits_3d, (pixels, pixels, config.box_mm), output.spread)
        flat = FlatPose(output.px, output.depth_mm, in_view, covariance)
        pose = self.recover(flat, K, root_depth_mm, bone_lengths_mm)
        assert pose.covariance_mm2 is not None
        return pose._replace(covariance_mm2=self.calibrated(pose.covariance_mm2))

    def loss(self, output: TwofiveOutput, batch: Batch, step: int) -> dict[str, Tensor]:
        """Weighted terms named as in the module's text; in training, mean bone lengths are updated from the labels."""
        if self.training:
            self.gather_bone_lengths(batch)
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
            "ordinal": self.ordinal_term(output.depth_mm, batch),
        }
