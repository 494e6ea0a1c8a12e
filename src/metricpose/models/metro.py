"""MeTRo: metric-scale truncation-robust heatmaps for 3D human pose estimation.

I. Sarandi, T. Linder, K. O. Arras, B. Leibe, IEEE International Conference on Automatic Face and Gesture Recognition
(FG) 2020.

The axes of the heatmap volume are millimetres, not pixels: the network says how the pose looks in a box of 2.2 m, and
no camera is needed. Where the pose lies in the box is not supervised, so a joint outside the image has a place too.

=============  ==================  ================================================================
value          shape               meaning
=============  ==================  ================================================================
images         b 3 S S             RGB in [0, 1], S = 256
features       b C h w             h = w = S / stride; 32 in training, 4 in the paper's tests
head           b (D J) h w         one 1 x 1 convolution, depth-major channels
logits_3d      b J D h w           softmax over D, h, w; D = 8
volume_mm      b J 3               x, y = px * 2200 / S with px of `heatmap.grid`; z = u_z * 2200
=============  ==================  ================================================================

Loss terms (L1, metres): ``relative`` = |root-relative volume_mm|; samples without a 3D label train by
``aligned_2d_only`` = 0.1 * 2.2 / S * |x, y of volume_mm, shifted and scaled to the label's mean and spread, - label|.
Not in the paper: ``ordinal`` trains z of volume_mm by ordinal depth labels (`models.base.ordinal_term`).

Deviations: no absolute position and no pixel positions come out, and `joints_px` is therefore NaN (the published
evaluation needs neither); samples whose root joint has no label are compared relative to their mean; samples with and
without 3D labels pass the network, and its batch norm, together.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from metricpose.losses import aligned_l1_losses, any_known, masked_mean, relative_l1_losses
from metricpose.models.base import VolumeConfig, VolumeModel, split_volumes, volume_moments
from metricpose.types import Batch, Pose


class MetroConfig(VolumeConfig):
    """Settings of MeTRo; the defaults are the published ones but for backbone and skeleton."""


class MetroOutput(NamedTuple):
    """The volumes' logits, their expectations in the metric box, and their covariance if it came with them."""

    logits_3d: Float[Tensor, "b j d h w"]
    volume_mm: Float[Tensor, "b j 3"]
    spread: Float[Tensor, "b j 3 3"] | None = None


class Metro(VolumeModel):
    """The network, its decoder and its loss; see the module's text."""

    def __init__(self, config: MetroConfig, backbone_weights: dict[str, Tensor] | None = None) -> None:
        super().__init__(config, planes=False, backbone_weights=backbone_weights)
        self.config = config

    def forward(self, images: Float[Tensor, "b 3 s s"]) -> MetroOutput:
        """Crops in [0, 1] to heatmaps and their expectations."""
        logits = split_volumes(self.raw_logits(images), self.config.depth_bins)
        u, spread = volume_moments(logits)
        return MetroOutput(logits, self.metric(u), spread)

    def decode(self, output: MetroOutput, K: Float[Tensor, "b 3 3"]) -> Pose:
        """Root-relative poses; K is not used, and pixels and absolute positions are not known to this method."""
        root = self.skeleton.root
        return Pose(
            joints_px=torch.full_like(output.volume_mm[..., :2], torch.nan),
            joints_mm=output.volume_mm - output.volume_mm[:, root : root + 1],
            covariance_mm2=self.metric_covariance(output.logits_3d, output.spread),
        )

    def loss(self, output: MetroOutput, batch: Batch, step: int) -> dict[str, Tensor]:
        """Weighted terms named as in the module's text."""
        config = self.config
        only_2d = torch.where(any_known(batch.z_w), 0.0, batch.uv_w)
        relative = relative_l1_losses(output.volume_mm, batch.joints_mm, batch.z_w, self.skeleton.root)
        aligned = aligned_l1_losses(self.volume_pixels(output.volume_mm), batch.joints_px, only_2d)
        metres_per_pixel = config.box_mm / 1000 / config.side
        return {
            "relative": masked_mean(relative, batch.z_w) / 1000,
            "aligned_2d_only": config.weight_2d_only * metres_per_pixel * masked_mean(aligned, only_2d),
            "ordinal": self.ordinal_term(output.volume_mm[..., 2], batch),
        }
