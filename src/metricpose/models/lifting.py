"""Cascaded dimension lifting (CDL, "S3HT"): from bones to joints to depth to a pose in millimetres.

C. Zhang, F. Zhan, Y. Chang, "Deep Monocular 3D Human Pose Estimation via Cascaded Dimension-Lifting", AAAI 2021. Base:
G. Moon, J. Y. Chang, K. M. Lee, "Camera Distance-aware Top-down Approach ...", ICCV 2019 (PoseNet).

=============  ==================  ====================================================================================
value          shape               meaning
=============  ==================  ====================================================================================
images         b 3 S S             RGB in [0, 1], S = 256
features       b C hf wf           stride 32
bone_maps      b NB h w            h = w = 64: three deconvolutions; 1 on the bone (equation 1). Layers: `s3ht`
joint_maps     b J h w             Gaussians of 2 cells
slab           b 64 h w            joint Gaussians in the channel of their depth (equation 3), +-1000 mm of the root
logits_order   b 64 h w            sigmoid = probability of lying behind depth bin c (equation 5)
logits_3d      b J D h w           softmax over D, h, w (equation 8); D = 64
px             b J 2               equation 7 on the index grid: cell i is pixel 4 i
depth_mm       b J                 equation 7: 2000 u_z - 1000, relative to the root
lift           b J 3               root-relative millimetres (`lifter`)
=============  ==================  ====================================================================================

Loss terms: ``bones``, ``joints`` (equation 2), ``slab`` (3), ``slab_order`` (4), ``coordinates`` = |du| + |dv| + |dz|
in units of crop and box, each summed within a sample and averaged over the batch (`s3ht_losses`); ``pose`` = mean over
joints of the L1 norm, metres (9). ``ordinal`` ranks depth_mm by labels of joint pairs; not in the paper, off by
default.

Phases. The paper trains the convolutional part on 3D and 2D data, then the lifter on 3D data; its text leaves open
whether the first part is then trained on. ``stage1``: all terms but ``pose``. ``lifter``: ``pose`` alone; the rest is
frozen, in evaluation mode and without gradient. ``joint``: everything at once (ours), the lifter on 2.5D joints cut
from the graph, or `end_to_end`. The state dict is the same in all. See ``recipes/lifting-stage1.yaml``.

A sample without depth labels trains ``bones``, ``joints`` and |du| + |dv|; slab, ordinal depth, depth and lifter get a
gradient of exactly zero as outputs. (The slab is also an intermediate of the volumes, and learns from |du| + |dv| so.)

Absolute position (ours, the paper has none): least squares of `geometry.absolute` on the pixels of the soft-argmax and
the lifted pose. Covariance (ours): that of the volume in (px, px, mm), propagated through the back-projection of the
2.5D joint at the root depth found; the lifter's own error is not in it, only in the calibration.

Deviations: equation 1 has the squared distance to the segment; equation 4 has a minus sign, P_c for c < d rather than
c <= d, and a mean over the pixels that show a joint; a joint's root-relative depth is z - z_root, farther is larger.
Unlike Moon et al., a joint outside its volume in depth still trains the 2D maps. Everything else that is ours is named
in `LiftingConfig` and in docs/METHODS.md.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from metricpose.errors import InputError
from metricpose.geometry.absolute import pixel_rays, project, recover, view_weight
from metricpose.geometry.bonedepth import BoneDepth
from metricpose.heatmap.decode import full_precision
from metricpose.losses import any_known, l1_losses, masked_mean
from metricpose.models.backbone import Backbone, build_backbone
from metricpose.models.base import (
    calibrated,
    check_calibration,
    ordinal_term,
    split_volumes,
    volume_covariance,
    volume_moments,
)
from metricpose.models.lifter import VIEW_FACTS, Lifter, standard_factor, stature_chains, view_facts
from metricpose.models.lifting_config import LiftingConfig
from metricpose.models.recovery import BoneScale, FlatPose, place
from metricpose.models.s3ht import StepByStep
from metricpose.models.s3ht_losses import (
    StepLabels,
    bone_losses,
    bone_pairs,
    bone_sigma,
    coordinate_losses,
    joint_maps,
    map_losses,
    slab_losses,
    step_labels,
)
from metricpose.skeleton import catalog
from metricpose.types import Batch, Pose


class LiftingOutput(NamedTuple):
    """Every step, regressed maps in float32; None for the steps a `variant` does not have.

    `spread` is the covariance of the volumes' index-grid coordinates if it came with the expectations.
    """

    bone_maps: Float[Tensor, "b n h w"] | None
    joint_maps: Float[Tensor, "b j h w"] | None
    slab: Float[Tensor, "b c h w"] | None
    logits_order: Float[Tensor, "b c h w"] | None
    logits_3d: Float[Tensor, "b j d h w"]
    px: Float[Tensor, "b j 2"]
    depth_mm: Float[Tensor, "b j"]
    spread: Float[Tensor, "b j 3 3"] | None = None


class Lifting(BoneScale):
    """The network, its decoder and its loss; see the module's text.

    Raises:
        InputError: the skeleton or backbone is unknown, the skeleton lacks joints that bones or stature need, or the
            calibration does not fit it.
    """

    def __init__(self, config: LiftingConfig, backbone_weights: dict[str, Tensor] | None = None) -> None:
        super().__init__()
        self.config, self.skeleton = config, catalog.get(config.skeleton)
        joints = len(self.skeleton)
        check_calibration(config.calibration, self.skeleton)
        self.bones = bone_pairs(self.skeleton, config.bones)
        self._chains = stature_chains(self.skeleton) if config.standard_stature_mm else ()
        self.backbone = build_backbone(
            config.backbone, stride=config.stride, centred=config.centred, norm=config.norm,
            last_layer=config.last_layer, weights=backbone_weights,
        )  # fmt: skip
        self.steps = StepByStep(
            cast(Backbone, self.backbone).channels, joints, len(self.bones), depth_bins=config.depth_bins,
            slab_bins=config.slab_bins, variant=config.variant, shared=config.shared_deconvolutions,
            widths=config.widths,
        )  # fmt: skip
        self._cell = _pixels_per_cell(config.stride, self.steps.factor)
        self.lifter = Lifter(
            joints, extra=VIEW_FACTS if config.lifter_view else 0, width=config.lifter_width,
            blocks=config.lifter_blocks, dropout=config.dropout,
        )  # fmt: skip
        self.start_recovery("bone-lengths" if config.recovery == "lifter" else config.recovery)
        for part in self._frozen():
            part.requires_grad_(False)
        self.train()

    def _frozen(self) -> tuple[nn.Module, ...]:
        """What the phase does not train."""
        return {"joint": (), "stage1": (self.lifter,), "lifter": (self.backbone, self.steps)}[self.config.phase]

    def train(self, mode: bool = True) -> Lifting:
        """As for any module, but what the phase does not train stays in evaluation mode."""
        super().train(mode)
        for part in self._frozen():
            part.eval()
        return self

    def forward(self, images: Float[Tensor, "b 3 s s"]) -> LiftingOutput:
        """Crops in [0, 1] to the maps of every step and the 2.5D joints.

        Raises:
            InputError: the crops do not have the configured side.
        """
        side = self.config.side
        if tuple(images.shape[-2:]) != (side, side):
            raise InputError(f"this model takes crops of {side} x {side} pixels, got {tuple(images.shape[-2:])}")
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.config.phase != "lifter"):
            maps = self.steps(self.backbone(images)[self.config.stride])
            logits = split_volumes(maps.volumes, self.config.depth_bins)
            u, spread = volume_moments(logits, "index")
            px, depth = u[..., :2] * self._extent(logits), (u[..., 2] - 0.5) * self.config.box_mm
            bones, joints, slab = (None if m is None else full_precision(m) for m in maps[:3])
            return LiftingOutput(bones, joints, slab, maps.order, logits, px, depth, spread)

    def lift(self, output: LiftingOutput, K: Float[Tensor, "b 3 3"]) -> Float[Tensor, "b j 3"]:
        """Root-relative pose in millimetres (figure 2 d); the root itself comes out only nearly at 0."""
        plane = (2 * output.px + 1) / self.config.side - 1
        points = torch.cat([plane, output.depth_mm[..., None] / 1000], -1)
        return self.lifter(points, view_facts(K, self.config.side) if self.config.lifter_view else None)

    def decode(
        self,
        output: LiftingOutput,
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
        # The index grid's cells lie half a cell to the left of centred ones, and so does what they can reach.
        in_view = view_weight(output.px, config.side, self._cell, margin=config.fov_margin, centred=False)
        flat = FlatPose(output.px, output.depth_mm, in_view, self._volume_covariance(output))
        if config.recovery == "lifter" and root_depth_mm is None and bone_lengths_mm is None:
            pose = self._lifted(flat, self.lift(output, K), K)
        else:
            pose = self.recover(flat, K, root_depth_mm, bone_lengths_mm)
        assert pose.covariance_mm2 is not None
        return pose._replace(covariance_mm2=calibrated(pose.covariance_mm2, config.calibration))

    def _lifted(self, flat: FlatPose, pose_mm: Float[Tensor, "b j 3"], K: Float[Tensor, "b 3 3"]) -> Pose:
        """Absolute position of the lifted pose, and the covariance of the 2.5D joints at its root's depth."""
        root = self.skeleton.root
        found = recover(pixel_rays(flat.px, K), pose_mm, flat.in_view, mix=1.0)
        depth = found.joints_mm[:, root, 2]
        return Pose(
            joints_px=project(found.joints_mm, K),
            joints_mm=pose_mm - pose_mm[:, root : root + 1],
            joints_abs_mm=found.joints_mm,
            covariance_mm2=place(flat, K, root, BoneDepth(depth, torch.zeros_like(depth))).covariance_mm2,
            flags=found.flags,
        )

    def loss(self, output: LiftingOutput, batch: Batch, step: int) -> dict[str, Tensor]:
        """Weighted terms named as in the module's text; in training, mean bone lengths are updated from the labels."""
        phase = self.config.phase
        if self.training and phase != "lifter":
            self.gather_bone_lengths(batch)
        terms = {} if phase == "lifter" else self._step_terms(output, batch, step)
        return terms if phase == "stage1" else terms | {"pose": self._pose_term(output, batch)}

    def _step_terms(self, output: LiftingOutput, batch: Batch, step: int) -> dict[str, Tensor]:
        config = self.config
        labels = step_labels(batch, self.skeleton.root, self._extent(output.logits_3d), config.box_mm)
        u = output.px / self._extent(output.logits_3d)
        losses = self._map_losses(output, labels, step)
        losses["coordinates"] = coordinate_losses(u, output.depth_mm, labels, config.box_mm, config.weight_depth)
        share = torch.where(any_known(batch.z_w)[:, 0], 1.0, config.weight_2d_only)
        ordinal = ordinal_term(output.depth_mm, batch, weight=config.weight_ordinal, scale_mm=config.ordinal_scale_mm)
        return {name: (loss * share).mean() for name, loss in losses.items()} | {"ordinal": ordinal}

    def _map_losses(self, output: LiftingOutput, labels: StepLabels, step: int) -> dict[str, Float[Tensor, " b"]]:
        config, losses = self.config, {}
        if output.bone_maps is not None:
            sigma = bone_sigma(step, *config.bone_sigma, config.bone_sigma_share * config.horizon_steps)
            found = bone_losses(output.bone_maps, labels, self.bones, sigma, config.bone_power)
            losses["bones"] = config.weight_bones * found
        if output.joint_maps is not None:
            size = (output.joint_maps.shape[-2], output.joint_maps.shape[-1])
            target = joint_maps(labels, size, config.map_sigma)
            losses["joints"] = config.weight_joints * map_losses(output.joint_maps, target, labels.u_w)
            if output.slab is not None and output.logits_order is not None:
                slab, order = slab_losses(output.slab, output.logits_order, target, labels, config.box_mm)
                losses |= {"slab": config.weight_slab * slab, "slab_order": config.weight_slab_order * order}
        return losses

    def _pose_term(self, output: LiftingOutput, batch: Batch) -> Float[Tensor, ""]:
        """Equation 9 on joints with a depth label, of samples whose root (and stature, if it is wanted) is known."""
        config, root = self.config, self.skeleton.root
        weights = torch.where(batch.z_w[:, root, None] > 0, batch.z_w, 0.0)
        target = batch.joints_mm - batch.joints_mm[:, root, None]
        if config.standard_stature_mm:
            factor = standard_factor(batch.joints_mm, weights, self._chains, config.standard_stature_mm)
            weights = torch.where(factor[:, None] > 0, weights, 0.0)
            target = target * factor[:, None, None]
        cut = output._replace(px=output.px.detach(), depth_mm=output.depth_mm.detach())
        if config.end_to_end:
            # Batch norm would carry the loss into samples that have no label.
            known = any_known(weights)
            px = torch.where(known[..., None], output.px, cut.px)
            cut = output._replace(px=px, depth_mm=torch.where(known, output.depth_mm, cut.depth_mm))
        losses = l1_losses(self.lift(cut, batch.K), target, weights)
        return config.weight_pose * 3 / 1000 * masked_mean(losses, weights)

    def _extent(self, logits: Float[Tensor, "b j d h w"]) -> int:
        """Pixels that the maps span: cell i of the index grid is read as pixel `_cell` times i."""
        return self._cell * logits.shape[-1]

    def _volume_covariance(self, output: LiftingOutput) -> Float[Tensor, "b j 3 3"]:
        """Covariance of each joint's volume in (px, px, mm)."""
        plane = float(self._extent(output.logits_3d))
        return volume_covariance(output.logits_3d, (plane, plane, self.config.box_mm), output.spread, "index")


def _pixels_per_cell(stride: int, factor: int) -> int:
    if stride % factor:
        raise InputError(f"deconvolutions that refine {factor} times need a stride divisible by that, not {stride}")
    return stride // factor
