"""MeTRAbs: metric-scale truncation-robust heatmaps for absolute 3D human pose estimation.

I. Sarandi, T. Linder, K. O. Arras, B. Leibe, IEEE Transactions on Biometrics, Behavior, and Identity Science 3(1),
2021; the 2023 variant: I. Sarandi, A. Hermans, B. Leibe, "Learning 3D human pose estimation from dozens of datasets
using a geometry-aware autoencoder to bridge between skeleton formats", WACV 2023.

Two heads share the features. The 2D head says where each joint is in the image, the metric head how the pose looks in
millimetres inside a box of 2.2 m whose position is unknown; geometry finds the position (`geometry.absolute`).

=============  ==================  ================================================================
value          shape               meaning
=============  ==================  ================================================================
images         b 3 S S             RGB in [0, 1], S = 256
features       b C h w             h = w = S / stride = 8
head           b (J + D J) h w     one 1 x 1 convolution; 2D planes first, then depth-major volumes
logits_2d      b J h w             softmax over h, w
logits_3d      b J D h w           softmax over D, h, w; D = 8
px             b J 2               ``u*C + o``, the corner grid in pixels (`heatmap.grid`)
volume_mm      b J 3               x, y = px * 2200 / S; z = u_z * 2200
=============  ==================  ================================================================

With n_j the normalised image point of px_j, p_j = volume_mm_j and t the translation found:
``A3_j = p_j + t``, ``A2_j = (n_j, 1)(p_jz + t_z)``; a joint in view becomes ``mix A3 + (1 - mix) A2``, another A3.

Loss terms (L1, about metres; c = 2.2 / S turns pixels into metres). On the heads, as published in 2020:
``relative`` = |root-relative volume_mm|, ``heatmap_2d`` = c |px|, ``absolute`` = |A|, switched on after some steps; for
samples without a 3D label ``heatmap_2d_only`` = c |px| and ``aligned_2d_only`` = c |x, y of volume_mm aligned to the
label|, both times 0.1. On the pose, as published in 2023: ``relative`` = |mean-relative A|, ``projection`` =
c |projection of A|, ``absolute`` with its z part damped beyond 10 m, ``projection_2d_only``. Not in the papers:
``ordinal`` trains z of volume_mm, whose differences are those of A, by ordinal depth labels
(`models.base.ordinal_term`).

Deviations from the published code, all deliberate:

* The absolute position is solved per sample; the published normalisation runs over the batch, which moves far people
  by metres. The ridge pulls towards the solution of all joints instead of towards the camera.
* Zero, one or two joints in view give a stated result and a flag.
* `joints_px` is the projection of the absolute pose, never a separate output.
* `fov_softness` replaces the hard switch at the border of the view by a ramp (0 restores it).
* No ghost batch norm, latent skeleton points, or loss on 2D labels by joint-name prefix.
* One network pass for samples with and without 3D labels; weights alone tell them apart.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from metricpose.geometry.absolute import Absolute, Perspective, pixel_rays, project, recover, view_weight
from metricpose.losses import (
    absolute_l1_losses,
    aligned_l1_losses,
    any_known,
    l1_losses,
    masked_mean,
    relative_l1_losses,
)
from metricpose.models.base import VolumeConfig, VolumeModel, plane_means, split_volumes, volume_moments
from metricpose.types import Batch, Pose

_NEAREST_LABEL_MM = 300.0  # The 2023 losses on the pose leave out joints closer to the camera than this,
_NEAREST_PREDICTION_MM = 1.0  # predictions behind it,
_FARTHEST_LABEL_STRIDES = 20  # and labels farther than this outside the crop.


class MetrabsConfig(VolumeConfig):
    """Settings of MeTRAbs; `journal` and `wacv` are the published ones.

    The defaults are the journal's losses on the heads with what later work showed to be better: full perspective,
    the 0.75 margin, distance damping, equal mixing, and a ramp at the border of the view.

    Attributes:
        loss_on: whether relative and 2D losses act on the two heads (2020) or on the reconstructed pose (2023).
        root_mode: what the relative loss is relative to: the root joint, or the mean of the labelled joints.
        perspective: solver of the absolute position.
        weak_steps: training steps that use weak perspective before `perspective` takes over.
        ridge: see `geometry.absolute.reference_point`.
        fov_margin, fov_softness: see `geometry.absolute.view_weight`, in training strides.
        mix: weight of the metric head in joints in view.
        random_mix: draw `mix` uniformly from [0, 1) per sample in training.
        relative_weight, heatmap_weight, absolute_weight: of the loss terms; `heatmap_weight` also of `projection`.
        absolute_start: first step at which the absolute loss counts.
        damp_beyond_mm: distance beyond which the z part of the absolute loss is damped, or None.
    """

    loss_on: Literal["heads", "pose"] = "heads"
    root_mode: Literal["root", "mean"] = "mean"
    perspective: Perspective = "full"
    weak_steps: Annotated[int, Field(ge=0)] = 500
    ridge: Annotated[float, Field(ge=0)] = 1e-2
    fov_margin: float = 0.75
    fov_softness: Annotated[float, Field(ge=0)] = 0.25
    mix: Annotated[float, Field(ge=0, le=1)] = 0.5
    random_mix: bool = True
    relative_weight: float = 1.0
    heatmap_weight: float = 1.0
    absolute_weight: float = 0.1
    absolute_start: int = 5000
    damp_beyond_mm: float | None = 10_000.0

    @classmethod
    def journal(cls, **changes: Any) -> MetrabsConfig:
        """As in the 2021 journal paper's code, with any field changed by name."""
        published: dict[str, Any] = {
            "loss_on": "heads",
            "root_mode": "root",
            "perspective": "weak",
            "weak_steps": 0,
            "ridge": 0.0,
            "fov_margin": 1.0,
            "fov_softness": 0.0,
            "mix": 0.0,
            "random_mix": False,
            "absolute_weight": 1.0,
            "damp_beyond_mm": None,
            "weight_2d_only": 0.1,
        }
        return cls(**(published | changes))

    @classmethod
    def wacv(cls, **changes: Any) -> MetrabsConfig:
        """As in the WACV 2023 paper's code, with any field changed by name."""
        published: dict[str, Any] = {
            "loss_on": "pose",
            "root_mode": "mean",
            "perspective": "full",
            "weak_steps": 500,
            "ridge": 1e-2,
            "fov_margin": 0.75,
            "fov_softness": 0.0,
            "mix": 0.5,
            "random_mix": True,
            "absolute_weight": 0.1,
            "damp_beyond_mm": 10_000.0,
            "weight_2d_only": 0.2,
        }
        return cls(**(published | changes))


class MetrabsOutput(NamedTuple):
    """Logits of both heads and their expectations, which loss and decode share.

    `points_px` and `points_mm` are the expectations of everything the heads give: the joints again, unless the network
    has more points than joints (`models.metrabs_points`). `spread` is the covariance of the volumes' corner-grid
    coordinates if it came with the means.
    """

    logits_2d: Float[Tensor, "b j h w"]
    logits_3d: Float[Tensor, "b j d h w"]
    px: Float[Tensor, "b j 2"]
    volume_mm: Float[Tensor, "b j 3"]
    points_px: Float[Tensor, "b p 2"] | None = None
    points_mm: Float[Tensor, "b p 3"] | None = None
    spread: Float[Tensor, "b p 3 3"] | None = None


class Metrabs(VolumeModel):
    """The network, its decoder and its loss; see the module's text."""

    def __init__(self, config: MetrabsConfig, backbone_weights: dict[str, Tensor] | None = None) -> None:
        super().__init__(config, planes=True, backbone_weights=backbone_weights)
        self.config = config

    def forward(self, images: Float[Tensor, "b 3 s s"]) -> MetrabsOutput:
        """Crops in [0, 1] to heatmaps and their expectations."""
        logits = self.raw_logits(images)
        joints = len(self.skeleton)
        logits_2d, logits_3d = logits[:, :joints], split_volumes(logits[:, joints:], self.config.depth_bins)
        u, spread = volume_moments(logits_3d)
        px, volume_mm = self.pixels(plane_means(logits_2d)), self.metric(u)
        return MetrabsOutput(logits_2d, logits_3d, px, volume_mm, px, volume_mm, spread)

    def decode(self, output: MetrabsOutput, K: Float[Tensor, "b 3 3"]) -> Pose:
        """Absolute poses in the crop cameras; `flags` are `geometry.absolute.Fallback` values."""
        found = self._recover(output, K, self.config.perspective, self.config.mix)
        root = self.skeleton.root
        return Pose(
            joints_px=project(found.joints_mm, K),
            joints_mm=found.joints_mm - found.joints_mm[:, root : root + 1],
            joints_abs_mm=found.joints_mm,
            covariance_mm2=self.metric_covariance(output.logits_3d, output.spread),
            flags=found.flags,
        )

    def loss(self, output: MetrabsOutput, batch: Batch, step: int) -> dict[str, Tensor]:
        """Weighted terms named as in the module's text; terms that do not count yet are 0."""
        config = self.config
        perspective: Perspective = "weak" if step < config.weak_steps else config.perspective
        mix: float | Tensor = config.mix
        if config.random_mix and self.training:
            mix = torch.rand(len(batch.K), 1, device=batch.K.device)
        pose = self._recover(output, batch.K, perspective, mix).joints_mm
        terms = self._head_terms(output, batch) if config.loss_on == "heads" else self._pose_terms(output, pose, batch)
        ordinal = self.ordinal_term(output.volume_mm[..., 2], batch)
        return terms | {"absolute": self._absolute_term(pose, batch, step), "ordinal": ordinal}

    def _recover(
        self, output: MetrabsOutput, K: Float[Tensor, "b 3 3"], perspective: Perspective, mix: float | Tensor
    ) -> Absolute:
        rays = pixel_rays(output.px, K)
        view = self._view(output.px)
        return recover(rays, output.volume_mm, view, perspective=perspective, ridge=self.config.ridge, mix=mix)

    def _view(self, px: Float[Tensor, "b j 2"]) -> Float[Tensor, "b j"]:
        c = self.config
        return view_weight(px, c.side, c.stride_train, margin=c.fov_margin, centred=c.centred, softness=c.fov_softness)

    def _root(self) -> int | None:
        return self.skeleton.root if self.config.root_mode == "root" else None

    def _metres_per_pixel(self) -> float:
        return self.config.box_mm / 1000 / self.config.side

    def _head_terms(self, output: MetrabsOutput, batch: Batch) -> dict[str, Tensor]:
        config, c = self.config, self._metres_per_pixel()
        with_3d, without_3d = _split_2d_weights(batch)
        relative = relative_l1_losses(output.volume_mm, batch.joints_mm, batch.z_w, self._root())
        heatmap = l1_losses(output.px, batch.joints_px, batch.uv_w)
        aligned = aligned_l1_losses(self.volume_pixels(output.volume_mm), batch.joints_px, without_3d)
        only = config.weight_2d_only * c
        return {
            "relative": config.relative_weight / 1000 * masked_mean(relative, batch.z_w),
            "heatmap_2d": config.heatmap_weight * c * masked_mean(heatmap, with_3d),
            "heatmap_2d_only": config.heatmap_weight * only * masked_mean(heatmap, without_3d),
            "aligned_2d_only": only * masked_mean(aligned, without_3d),
        }

    def _pose_terms(self, output: MetrabsOutput, pose: Float[Tensor, "b j 3"], batch: Batch) -> dict[str, Tensor]:
        config, c = self.config, self._metres_per_pixel()
        relative = relative_l1_losses(pose, batch.joints_mm, batch.z_w, self._root())
        projection = l1_losses(project(pose, batch.K), batch.joints_px, batch.uv_w)
        usable = self._projectable(output.px, pose, batch)
        with_3d, without_3d = (torch.where(usable, w, 0.0) for w in _split_2d_weights(batch))
        return {
            "relative": config.relative_weight / 1000 * masked_mean(relative, batch.z_w),
            "projection": config.heatmap_weight * c * masked_mean(projection, with_3d),
            "projection_2d_only": config.weight_2d_only * c * masked_mean(projection, without_3d),
        }

    def _projectable(self, px: Float[Tensor, "b j 2"], pose: Float[Tensor, "b j 3"], batch: Batch) -> Tensor:
        """Joints whose projection may be compared with their label (2023 losses)."""
        reach = _FARTHEST_LABEL_STRIDES * self.config.stride_train
        near = ((batch.joints_px >= -reach) & (batch.joints_px <= self.config.side + reach)).all(-1)
        in_front = (pose[..., 2] > _NEAREST_PREDICTION_MM) & (_far_enough(batch) | (batch.z_w <= 0))
        return near & in_front & (self._view(px) > 0)

    def _absolute_term(self, pose: Float[Tensor, "b j 3"], batch: Batch, step: int) -> Tensor:
        config = self.config
        if step < config.absolute_start or config.absolute_weight == 0:
            return pose.new_zeros(())
        weights = batch.z_w * batch.abs_w[:, None]
        if config.loss_on == "pose":
            weights = torch.where(_far_enough(batch), weights, 0.0)
        losses = absolute_l1_losses(pose, batch.joints_mm, weights, config.damp_beyond_mm)
        return config.absolute_weight / 1000 * masked_mean(losses, weights)


def _split_2d_weights(batch: Batch) -> tuple[Float[Tensor, "b j"], Float[Tensor, "b j"]]:
    """2D weights of the samples with any 3D label, and of those without."""
    known = any_known(batch.z_w)
    return torch.where(known, batch.uv_w, 0.0), torch.where(known, 0.0, batch.uv_w)


def _far_enough(batch: Batch) -> Tensor:
    return (batch.z_w > 0) & (batch.joints_mm[..., 2] > _NEAREST_LABEL_MM)
