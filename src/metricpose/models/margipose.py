"""MargiPose: 3D human pose estimation with 2D marginal heatmaps.

A. Nibali, Z. He, S. Morgan, L. Prendergast, WACV 2019 (arXiv:1806.01484).

Instead of a volume per joint, three planes: xy, zy and xz. Each is the softmax of its own column of residual blocks
(`models.columns`), which in the zy and xz columns exchanges the image axis that the plane lacks with the channels.
Every stage sees the features plus what the stage before it found.

=============  ==================  ================================================================
value          shape               meaning
=============  ==================  ================================================================
images         b 3 S S             RGB in [0, 1], S = 256
features       b W n n             n = S / stride = 32; 1 x 1 convolution to W = 128, batch norm, ReLU
column         b J n n             logits; softmax over the n^2 cells
maps           T b 3 J n n         T = 4 stages; planes xy (row y, column x), zy (y, z), xz (z, x)
means          T b 3 J 2           expectations along columns and rows, cell i at (2i + 1)/n - 1
u              T b J 3             x, y of xy; z the mean of the z of zy and that of xz (Eq. 3)
px             b J 2               x, y of the last stage in crop pixels: -1 and 1 are the crop's edges
=============  ==================  ================================================================

Input of stage t = input of stage t - 1 + 1 x 1 convolution of the 3 J maps of stage t - 1, in the order of `PLANES`.

z is coded relative to a reference depth, the root's (`geometry.depthcodec`: projective as published, or linear). The
decoded pose is proportional to it; `recovery` says where it comes from: the height from knee to neck of the training
people (or fixed; 920 mm published), the person's own height, or the true root depth. The last two are ground truth.

Loss (Eqs. 6, 7), summed over the stages, per joint: ``coordinates`` = |u - label| (Euclidean, not squared), ``map_xy``,
``map_zy``, ``map_xz`` = divergence of each plane's map from a Gaussian of one cell around the label. Joints without a
depth label have the x, y parts alone. The sum over all joints of the batch is divided by the number of joints that have
any label. Not in the paper: ``ordinal`` trains z by ordinal depth labels (off by default).

Deviations: pixels, not the principal point, define x and y; labels outside [-1, 1], which no expectation reaches, do
not count, axis by axis (`outside`); the reference depth is one division, not a search; the height is the mean of both
legs, gathered from the labels during training, bones out of view left out; crops come from a turned, not a sheared
camera; the covariance. `MargiposeConfig.published` gives the paper's system.

Module names follow the public checkpoint: ``inner.in_cnn.0-6`` are `backbone`, 7 and 8 `adapter.0` and `.1`;
``inner.{xy,zy,xz}_hm_cnns.t`` are `{xy,zy,xz}_columns.t` with `down` for ``down_layers``, `up` for ``up_layers`` and
`main` for ``module``; ``inner.hm_combiners.t.conv`` is `combiners.t`.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from metricpose.errors import InputError
from metricpose.geometry.absolute import Fallback, fallback, project, view_weight
from metricpose.geometry.depthcodec import DepthCodec, LinearCodec, ProjectiveCodec, edge_pixels
from metricpose.heatmap.decode import covariance
from metricpose.heatmap.grid import cell_centres
from metricpose.heatmap.moments import Moments, probabilities
from metricpose.models.backbone import Backbone, build_backbone
from metricpose.models.base import COVARIANCE_FLOOR_MM2
from metricpose.models.columns import PLANES, Column, Plane, check_permutation
from metricpose.models.height import HeightScale, Scale
from metricpose.models.inception import STEMS, STRIDE, build_stem
from metricpose.models.margipose_config import NEEDS, MargiposeConfig
from metricpose.models.margipose_loss import labels_of, stage_losses
from metricpose.models.recovery import congruence
from metricpose.skeleton import catalog
from metricpose.types import Batch, Pose


class MargiposeOutput(NamedTuple):
    """Maps and coordinates of every stage, see the module's table.

    `spread` is the covariance of the last stage's maps if it came with the means.
    """

    maps: Float[Tensor, "t b 3 j n n"]
    means: Float[Tensor, "t b 3 j 2"]
    u: Float[Tensor, "t b j 3"]
    px: Float[Tensor, "b j 2"]
    spread: Float[Tensor, "b 3 j 2 2"] | None = None


class Margipose(nn.Module):
    """The network, its decoder and its loss; see the module's text.

    Raises:
        InputError: a name is unknown, a joint the recovery needs is not in the skeleton, or widths, side and stride do
            not go together.
    """

    def __init__(self, config: MargiposeConfig, backbone_weights: dict[str, Tensor] | None = None) -> None:
        super().__init__()
        self.config = config
        self.skeleton = catalog.get(config.skeleton)
        self.needs_gt = NEEDS[config.recovery]
        _check(config, len(self.skeleton))
        wide, joints = config.widths[0], len(self.skeleton)
        self.backbone = _extractor(config, backbone_weights)
        self.adapter = _adapter(config, cast(Backbone, self.backbone).channels)
        for plane in PLANES:
            self.add_module(f"{plane}_columns", nn.ModuleList(self._column(plane) for _ in range(config.stages)))
        self.combiners = nn.ModuleList(nn.Conv2d(3 * joints, wide, 1, bias=False) for _ in range(config.stages - 1))
        self.scale = HeightScale(self.skeleton, config.height_legs, config.height_mm)

    def _column(self, plane: Plane) -> nn.Module:
        """Features to the logits of one plane."""
        kind = plane if self.config.axis_permutation else "xy"
        return Column(len(self.skeleton), kind, self.config.widths, self.config.dilated)

    def forward(self, images: Float[Tensor, "b 3 s s"]) -> MargiposeOutput:
        """Crops in [0, 1] to the maps of every stage and their expectations.

        Raises:
            InputError: the crops do not have the configured side.
        """
        side = self.config.side
        if tuple(images.shape[-2:]) != (side, side):
            raise InputError(f"this model takes crops of {side} x {side} pixels, got {tuple(images.shape[-2:])}")
        x = self.adapter(self.backbone(images)[self.config.stride])
        found = [self._stage(x, 0)]
        for t in range(1, self.config.stages):
            x = x + self.combiners[t - 1](found[-1][0].flatten(1, 2))
            found.append(self._stage(x, t))
        maps, means = (torch.stack(parts) for parts in zip(*((maps, moments.mean) for maps, moments in found)))
        u = self._coordinates(means)
        px = edge_pixels(self._seen(u[-1])[..., :2], (side, side))
        return MargiposeOutput(maps, means, u, px, found[-1][1].covariance)

    def _stage(self, x: Float[Tensor, "b c n n"], t: int) -> tuple[Float[Tensor, "b 3 j n n"], Moments]:
        logits = [getattr(self, f"{plane}_columns")[t](x) for plane in PLANES]
        return probabilities(torch.stack(logits, 1), (-1, -2), "centre")

    def _coordinates(self, means: Float[Tensor, "t b 3 j 2"]) -> Float[Tensor, "t b j 3"]:
        """Eq. 3."""
        xy, zy, xz = means.unbind(2)
        z = (zy[..., :1] + xz[..., 1:]) / 2
        if self.config.average_xy:
            xy = (xy + torch.cat([xz[..., :1], zy[..., 1:]], -1)) / 2
        return torch.cat([xy, z], -1)

    def _seen(self, u: Float[Tensor, "b j 3"]) -> Float[Tensor, "b j 3"]:
        """Coordinates with -1 and 1 at the crop's edges, which those of public weights have at their own."""
        if self.config.legacy_principal is None:
            return u
        factor = u.new_tensor([2 * p / self.config.side for p in self.config.legacy_principal])
        return torch.cat([(u[..., :2] + 1) * factor - 1, u[..., 2:]], -1)

    def decode(
        self,
        output: MargiposeOutput,
        K: Float[Tensor, "b 3 3"],
        *,
        root_depth_mm: Float[Tensor, " b"] | None = None,
        height_mm: Float[Tensor, " b"] | None = None,
    ) -> Pose:
        """Absolute poses in the crop cameras; the keyword arguments are what `needs_gt` names.

        Raises:
            InputError: a ground-truth value is missing, or given where none is needed.
        """
        given = {"root_depth_mm": root_depth_mm, "height_mm": height_mm}
        names = tuple(name for name, value in given.items() if value is not None)
        if names != self.needs_gt:
            raise InputError(f"recovery '{self.config.recovery}' needs {self.needs_gt or 'nothing'}, got {names}")
        u, codec, root = self._seen(output.u[-1]), self._codec(K), self.skeleton.root
        in_view = view_weight(output.px, self.config.side, self.config.stride_train, margin=self.config.fov_margin)
        found = self._reference(codec, u, in_view, root_depth_mm, height_mm)
        joints = codec.decode(u, found.depth_mm)
        relative = joints - joints[:, root : root + 1]
        spread = congruence(codec.jacobian(u, found.depth_mm), self.map_covariance(output))
        # The whole pose is proportional to the depth: its doubt is that of the scale.
        spread = spread + relative[..., :, None] * relative[..., None, :] * found.variance[:, None, None, None]
        return Pose(
            joints_px=project(joints, K),
            joints_mm=relative,
            joints_abs_mm=joints,
            covariance_mm2=self._calibrated(spread),
            flags=torch.where(found.seen, fallback(in_view > 0), int(Fallback.NO_JOINTS)),
        )

    def _codec(self, K: Float[Tensor, "b 3 3"]) -> DepthCodec:
        size = (self.config.side, self.config.side)
        return ProjectiveCodec(K, size) if self.config.codec == "projective" else LinearCodec(K, size)

    def _reference(
        self,
        codec: DepthCodec,
        u: Float[Tensor, "b j 3"],
        in_view: Float[Tensor, "b j"],
        root_depth_mm: Float[Tensor, " b"] | None,
        height_mm: Float[Tensor, " b"] | None,
    ) -> Scale:
        if root_depth_mm is not None:
            return Scale(root_depth_mm, torch.zeros_like(root_depth_mm), torch.ones_like(root_depth_mm).bool())
        return self.scale.root_depth(codec.decode(u, torch.ones_like(u[:, 0, 0])), in_view, height_mm)

    def map_covariance(self, output: MargiposeOutput) -> Float[Tensor, "b j 3 3"]:
        """Covariance of x, y, z in normalised units from the last stage's maps.

        x and y from xy. z is an even mixture of what zy and xz say, so where they disagree it is less certain; its
        correlation with x and y is left out, because three separate planes need not fit one covariance.
        """
        maps, known = output.maps[-1], output.spread
        xy, zy, xz = (covariance(maps, (-1, -2), _axes(maps)) if known is None else known).unbind(1)
        apart = output.means[-1, :, 1, :, 0] - output.means[-1, :, 2, :, 1]
        z = (zy[..., 0, 0] + xz[..., 1, 1]) / 2 + apart.square() / 4
        whole = xy.new_zeros(*z.shape, 3, 3)
        whole[..., :2, :2] = xy
        whole[..., 2, 2] = z
        return whole

    def _calibrated(self, spread: Float[Tensor, "b j 3 3"]) -> Float[Tensor, "b j 3 3"]:
        factor = torch.as_tensor(self.config.calibration, dtype=spread.dtype, device=spread.device)
        floor = COVARIANCE_FLOOR_MM2 * torch.eye(3, dtype=spread.dtype, device=spread.device)
        return ((spread + spread.mT) / 2 + floor) * factor[..., None, None]

    def loss(self, output: MargiposeOutput, batch: Batch, step: int) -> dict[str, Tensor]:
        """Weighted terms named as in the module's text; in training, the mean height is updated from the labels."""
        if self.training:
            self.scale.gather(batch.joints_mm, batch.z_w * batch.abs_w[:, None])
        config = self.config
        labels = labels_of(batch, self._codec(batch.K), self.skeleton.root, config.side, config.outside)
        u = output.u[-1:].expand_as(output.u) if config.coord_loss_from == "final" else output.u
        return stage_losses(
            output.maps, u, labels, batch, config.regularisation,
            sigma=config.sigma, weight=config.weight_regularisation,
            weight_ordinal=config.weight_ordinal, ordinal_scale=config.ordinal_scale,
        )  # fmt: skip


def _axes(maps: Tensor) -> list[Tensor]:
    return [cell_centres(maps.shape[-1 - i], "centre", device=maps.device) for i in range(2)]


def _check(config: MargiposeConfig, joints: int) -> None:
    cells = -(-config.side // config.stride)
    if cells % 2:
        raise InputError(
            f"side {config.side} and stride {config.stride} make maps of {cells} cells a side; MargiPose needs an even "
            "number, because its columns halve and double it"
        )
    if config.axis_permutation:
        check_permutation(config.widths[1], cells // 2)
    if isinstance(config.calibration, tuple) and len(config.calibration) != joints:
        raise InputError(
            f"calibration holds {len(config.calibration)} factors; skeleton {config.skeleton} has {joints} joints"
        )


def _extractor(config: MargiposeConfig, weights: dict[str, Tensor] | None) -> nn.Module:
    if config.backbone not in STEMS:
        return build_backbone(
            config.backbone, stride=config.stride, centred=config.centred, norm=config.norm, weights=weights
        )
    if config.stride != STRIDE or config.norm is not None:
        raise InputError(f"backbone '{config.backbone}' has stride {STRIDE} and its own batch norm; set stride to 8")
    return build_stem(config.backbone, weights)


def _adapter(config: MargiposeConfig, channels: int) -> nn.Module:
    """1 x 1 layer to the columns' width; none behind a ResNet stem that has it already (as published)."""
    if config.backbone.startswith("resnet") and config.backbone in STEMS and channels == config.widths[0]:
        return nn.Identity()
    layer = nn.Conv2d(channels, config.widths[0], 1)
    return nn.Sequential(layer, nn.BatchNorm2d(config.widths[0]), nn.ReLU(inplace=True))
