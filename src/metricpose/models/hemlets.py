"""HEMlets Pose: heatmap triplets of body parts on the way from an image to one volume per joint.

K. Zhou, X. Han, N. Jiang, K. Jia, J. Lu, "HEMlets Pose: Learning Part-Centric Heatmap Triplets for Accurate 3D Human
Pose Estimation", ICCV 2019. Part k, a kinematic pair of joints, has three maps that show where its joints are and which
one is closer (`heatmap.triplets`, Eq. 1-2). One branch learns them and the joints' 2D heatmaps, a second one upsamples
the features; both feed the volumes, whose expectations (Eq. 5) are x, y in the crop and z relative to the root.

===============  =================  ==================================================================================
value            shape, published   from
===============  =================  ==================================================================================
images           b 3 256 256        RGB in [0, 1]
features         b 2048 8 8         ResNet-50
upsampled        b 1024 64 64       3 deconvolutions of 256 (`upsampling`), 3 x 3 convolution
maps             b 60 64 64         the same with weights of its own; no activation. 14 parts x 3, then 18 joints
encoded          b 256 64 64        3 x 3 convolution of the maps, batch norm, ReLU
logits_3d        b 18 64 64 64      upsampled and encoded: 1 x 1 to 1024, batch norm, ReLU, 1 x 1; (b, J, D, h, w)
px               b 18 2             u_xy * S - 1/2: the corner grid spans the crop edge to edge
depth_mm         b 18               u_z * 2000: 1000 is the root's depth
===============  =================  ==================================================================================

`intermediate` is the paper's ablation: ``both``, ``hem`` and ``2d`` name the maps there are; the layers are the same,
with fewer channels between, because a map without a target would be just another feature. ``none`` is the paper's
baseline, one branch without its 3 x 3 convolution and a 1 x 1 convolution to the volumes (Sun et al. 2018). Parameters
for 18 joints: 49,614,844, and 34,291,392 without maps (paper 34.3 M; its 47.7 M differs from the released network).

Loss (Eq. 3, 4, 6-8), summed over everything in a sample and averaged over the batch; A, v and lambda are weights:

* ``hemlets`` = alpha sum A (T - T^)^2: parts whose ends are labelled in 2D and whose polarity is known, from 3D joints
  or from ordinal labels of the part's own pair of joints;
* ``joint_maps`` = alpha sum v (H - H^)^2;
* ``xy`` = sum v (|x - x^| + |y - y^|), ``z`` = sum lambda |z - z^|, in units of the crop and of the box.

Ours, as the paper does not say: the 14 parts and which joints stand in for those a skeleton lacks (`part_names`),
sigma = 2 cells, overlapping Gaussians by their maximum, the reductions (with means over cells alpha would be lost), and
`outside`. Deviations: the root's depth is found by least squares on the mean bone lengths of the training people
(`recovery`) where the released code searches in steps of 115 mm with fixed intrinsics.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple, cast

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from metricpose.errors import InputError
from metricpose.geometry.absolute import view_weight
from metricpose.heatmap.decode import full_precision
from metricpose.heatmap.triplets import States
from metricpose.models.backbone import Backbone, build_backbone
from metricpose.models.base import calibrated, check_calibration, volume_covariance, volume_moments
from metricpose.models.hemlets_targets import Labels, Outside, TargetMaps, part_indices
from metricpose.models.recovery import BoneScale, FlatPose, Recovery
from metricpose.models.upsampling import INIT_STD, Deconvolutions, initialise_small
from metricpose.skeleton import catalog
from metricpose.types import Batch, Pose

Intermediate = Literal["none", "2d", "hem", "both"]
Width = Annotated[int, Field(ge=1)]


class HemletsConfig(BaseModel):
    """Settings; the defaults are a small network for metricpose's own joints, `published` is the paper's.

    Attributes:
        skeleton: catalogue name of the joints predicted.
        backbone, norm, centred: see `models.backbone.build_backbone`.
        side: of the square crop, pixels; a multiple of `stride`.
        stride: of the backbone. Each deconvolution halves it: maps have side / stride * 2^n cells.
        parts: (parent, child) by name; None for the paper's 14 (`hemlets_targets.part_names`).
        intermediate: maps that are predicted and supervised.
        states: 3, or the paper's variants with 5 and 2 (`heatmap.triplets`).
        sigma: of all Gaussians, cells.
        epsilon: depth difference, as part of a part's length, above which one joint is the closer one.
        deconvolutions: channels of each; both branches have as many.
        feature_width, encoder_width, head_width: channels of the upsampled features, the encoded maps, and the hidden
            layer of the volumes.
        init_std: of the initial weights behind the backbone; None for torch's own, by fan-in, from which narrow
            layers learn several times faster than from the paper's 0.001.
        depth_bins: cells along z.
        box_mm: depth of the volume, with the root in its middle.
        alpha: weight of all maps.
        outside: labels beyond the crop or the box: "mask" leaves them out; "clamp" moves the coordinate to the border
            and leaves the maps out; "keep" counts them in full.
        recovery: source of the scale, see `models.recovery`.
        fov_margin: a joint is in view if it is at least this many cells inside the crop.
        calibration: factor of the variances, one for all joints or one each, fitted after training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    skeleton: str = "metricpose_25"
    backbone: str = "mobilenetv2"
    norm: str | None = None
    centred: bool = True
    side: Annotated[int, Field(ge=16)] = 256
    stride: int = 32
    parts: tuple[tuple[str, str], ...] | None = None
    intermediate: Intermediate = "both"
    states: States = 3
    sigma: Annotated[float, Field(gt=0)] = 2.0
    epsilon: Annotated[float, Field(gt=0, lt=0.866)] = 0.5
    deconvolutions: tuple[Width, ...] = (32, 48)
    feature_width: Width = 64
    encoder_width: Width = 48
    head_width: Width = 96
    init_std: Annotated[float, Field(gt=0)] | None = None
    depth_bins: Width = 16
    box_mm: Annotated[float, Field(gt=0)] = 2000.0
    alpha: Annotated[float, Field(ge=0)] = 0.05
    outside: Outside = "clamp"
    recovery: Recovery = "bone-lengths"
    fov_margin: float = 2.0
    calibration: float | tuple[float, ...] = 1.0

    @classmethod
    def published(cls, **changes: Any) -> HemletsConfig:
        """The released network, and the paper's losses, with any field changed by name."""
        settings: dict[str, Any] = {
            "skeleton": "hemlets_18", "backbone": "resnet50", "centred": False, "deconvolutions": (256, 256, 256),
            "feature_width": 1024, "encoder_width": 256, "head_width": 1024, "depth_bins": 64, "init_std": INIT_STD,
            "outside": "mask",
        }  # fmt: skip
        return cls(**(settings | changes))


class HemletsOutput(NamedTuple):
    """Maps of parts and joints (none where not `intermediate`), the volumes' logits, and their expectations.

    `spread` is the covariance of the volumes' corner-grid coordinates if it came with the expectations.
    """

    hemlets: Float[Tensor, "b k s h w"]
    joint_maps: Float[Tensor, "b m h w"]
    logits_3d: Float[Tensor, "b j d h w"]
    px: Float[Tensor, "b j 2"]
    depth_mm: Float[Tensor, "b j"]
    spread: Float[Tensor, "b j 3 3"] | None = None


class UpsamplingBranch(nn.Module):
    """Deconvolutions and, if `outputs` is given, a 3 x 3 convolution to so many channels."""

    def __init__(self, inputs: int, widths: tuple[int, ...], outputs: int | None) -> None:
        super().__init__()
        self.upsampling = Deconvolutions(inputs, widths, std=None)
        wide = self.upsampling.channels
        self.tail: nn.Module = nn.Identity() if outputs is None else nn.Conv2d(wide, outputs, 3, padding=1)
        self.channels = wide if outputs is None else outputs

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        return self.tail(self.upsampling(features))


class Hemlets(BoneScale):
    """The network, its decoder and its loss; see the module's text.

    Raises:
        InputError: skeleton or backbone is unknown, the skeleton lacks joints of the parts, or sizes do not fit.
    """

    def __init__(self, config: HemletsConfig, backbone_weights: dict[str, Tensor] | None = None) -> None:
        super().__init__()
        self.config = config
        self.skeleton = catalog.get(config.skeleton)
        check_calibration(config.calibration, self.skeleton)
        self.parts = part_indices(self.skeleton, config.parts) if config.intermediate in ("hem", "both") else ()
        self.backbone = build_backbone(
            config.backbone, stride=config.stride, centred=config.centred, norm=config.norm, weights=backbone_weights
        )
        self._build(cast(Backbone, self.backbone).channels)
        self.cell = _cell(config)
        self.start_recovery(config.recovery)

    def _build(self, channels: int) -> None:
        """Both branches and the head."""
        config, volumes = self.config, len(self.skeleton) * self.config.depth_bins
        plain = config.intermediate == "none"
        self.features = UpsamplingBranch(channels, config.deconvolutions, None if plain else config.feature_width)
        if plain:
            self.head: nn.Module = nn.Conv2d(self.features.channels, volumes, 1)
        else:
            self.maps = UpsamplingBranch(channels, config.deconvolutions, sum(self.map_channels))
            self.encoder = _layer(sum(self.map_channels), config.encoder_width, 3)
            hidden = _layer(config.feature_width + config.encoder_width, config.head_width, 1)
            self.head = nn.Sequential(*hidden, nn.Conv2d(config.head_width, volumes, 1))
        if config.init_std is not None:
            for part in (p for name, p in self.named_children() if name != "backbone"):
                initialise_small(part, config.init_std)

    @property
    def map_channels(self) -> tuple[int, int]:
        """Numbers of part maps and of joint maps."""
        joints = len(self.skeleton) if self.config.intermediate in ("2d", "both") else 0
        return len(self.parts) * self._map_count, joints

    @property
    def _map_count(self) -> int:
        return 5 if self.config.states == 5 else 3

    def forward(self, images: Float[Tensor, "b 3 s s"]) -> HemletsOutput:
        """Crops in [0, 1] to maps, volumes and their expectations.

        Raises:
            InputError: the crops do not have the configured side.
        """
        config = self.config
        if tuple(images.shape[-2:]) != (config.side, config.side):
            raise InputError(f"this model takes crops of {config.side} x {config.side} pixels, got {images.shape[-2:]}")
        features = self.backbone(images)[config.stride]
        upsampled = self.features(features)
        maps = upsampled[:, :0]
        if config.intermediate != "none":
            maps = self.maps(features)
            upsampled = torch.cat([upsampled, self.encoder(maps)], 1)
        logits = self.head(upsampled).unflatten(1, (len(self.skeleton), config.depth_bins))
        u, spread = volume_moments(logits)
        hemlets, joint_maps = full_precision(maps).split(self.map_channels, 1)
        hemlets = hemlets.unflatten(1, (len(self.parts), self._map_count))
        px, depth = u[..., :2] * config.side - 0.5, u[..., 2] * config.box_mm
        return HemletsOutput(hemlets, joint_maps, logits, px, depth, spread)

    def decode(
        self,
        output: HemletsOutput,
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
        in_view = view_weight(output.px, config.side, self.cell, margin=config.fov_margin)
        scale = (float(config.side), float(config.side), config.box_mm)
        spread = volume_covariance(output.logits_3d, scale, output.spread)
        pose = self.recover(FlatPose(output.px, output.depth_mm, in_view, spread), K, root_depth_mm, bone_lengths_mm)
        assert pose.covariance_mm2 is not None
        return pose._replace(covariance_mm2=calibrated(pose.covariance_mm2, config.calibration))

    def loss(self, output: HemletsOutput, batch: Batch, step: int) -> dict[str, Tensor]:
        """Weighted terms named as in the module's text; in training, mean bone lengths are updated from the labels."""
        if self.training:
            self.gather_bone_lengths(batch)
        config = self.config
        labels = Labels.of(batch, config.side, config.box_mm, self.skeleton.root, config.outside)
        height, width = output.logits_3d.shape[-2:]
        target = TargetMaps((height, width), config.sigma, config.states, config.epsilon)
        u = torch.cat([(output.px + 0.5) / config.side, output.depth_mm[..., None] / config.box_mm], -1)
        xy, z = labels.coordinate_losses(u)
        terms = {"xy": xy.sum() / len(u), "z": z.sum() / len(u)}
        if output.hemlets.shape[1]:
            squared = target.hemlet_losses(output.hemlets, labels, batch, self.parts)
            terms["hemlets"] = config.alpha * squared.sum() / len(u)
        if output.joint_maps.shape[1]:
            terms["joint_maps"] = config.alpha * target.joint_losses(output.joint_maps, labels).sum() / len(u)
        return terms


def _layer(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Convolution with bias, as released, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


def _cell(config: HemletsConfig) -> int:
    """Pixels per cell of the maps."""
    factor = 2 ** len(config.deconvolutions)
    if config.side % config.stride or config.stride % factor:
        raise InputError(
            f"{len(config.deconvolutions)} deconvolutions of a backbone of stride {config.stride} do not give whole "
            f"pixels per cell of a {config.side} pixel crop: choose a side that is a multiple of the stride, and a "
            f"stride that is a multiple of {factor}"
        )
    return config.stride // factor
