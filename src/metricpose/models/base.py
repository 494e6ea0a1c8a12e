"""The contract of every pose model, and the volumetric head that MeTRo, MeTRAbs and the 2.5D baseline share."""

from __future__ import annotations

from typing import Annotated, Any, Protocol, TypeVar, cast

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from metricpose.errors import InputError
from metricpose.heatmap.grid import GridKind, crop_pixels, metric_scale, metric_xy, metric_z
from metricpose.heatmap.moments import Moments, expectation, spread
from metricpose.losses import masked_mean, ordinal_ranking_losses
from metricpose.models.backbone import Backbone, build_backbone
from metricpose.skeleton import catalog
from metricpose.skeleton.core import Skeleton
from metricpose.types import Batch, Pose

COVARIANCE_FLOOR_MM2 = 1.0
"""Added to the diagonal of every covariance: float32 cannot promise that a sharp heatmap's is positive definite."""

_XYZ = (-1, -2, -3)

OutputT = TypeVar("OutputT")


class PoseModel(Protocol[OutputT]):
    """The contract of `models/<paper>.py`. Nothing is stored on the model between these calls.

    Attributes:
        config: frozen settings; with the state dict, all a checkpoint needs.
        skeleton: joints in the order of every output.
        needs_gt: names of ground-truth values that `decode` needs as keyword arguments. If there are any, only
            evaluation may use the model.
    """

    config: Any
    skeleton: Skeleton
    needs_gt: tuple[str, ...]

    def __call__(self, images: Float[Tensor, "b 3 s s"]) -> OutputT:
        """Everything `decode` and `loss` need, from RGB crops in [0, 1]."""

    def decode(self, output: OutputT, K: Float[Tensor, "b 3 3"]) -> Pose:
        """Poses in the crop cameras with intrinsics K."""

    def loss(self, output: OutputT, batch: Batch, step: int) -> dict[str, Tensor]:
        """Named loss terms, already weighted: their sum is the loss. `step` counts optimiser steps from 0."""


class VolumeConfig(BaseModel):
    """Settings shared by the models with one 1 x 1 convolution from the last feature map to D x h x w volumes.

    Attributes:
        skeleton: catalogue name of the joints predicted.
        backbone, norm, last_layer: see `models.backbone.build_backbone`.
        side: of the square crop, pixels.
        stride: output stride the network is built with. It may differ from `stride_train`, with the same weights.
        stride_train: output stride in training.
        centred: whether the last strided layer is shifted so that the cells lie symmetrically in the crop.
        depth_bins: cells along z.
        box_mm: side of the metric volume; `side` pixels correspond to it along x and y.
        weight_2d_only: weight of the losses of samples that have no 3D label.
        weight_ordinal, ordinal_scale_mm: see `ordinal_term`. Without ordinal labels neither changes anything.
        calibration: factor of the variances, one for all joints or one each, fitted after training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    skeleton: str = "metricpose_25"
    backbone: str = "mobilenetv2"
    norm: str | None = None
    last_layer: bool | int = True
    side: Annotated[int, Field(ge=16)] = 256
    stride: int = 32
    stride_train: int = 32
    centred: bool = True
    depth_bins: Annotated[int, Field(ge=1)] = 8
    box_mm: Annotated[float, Field(gt=0)] = 2200.0
    weight_2d_only: Annotated[float, Field(ge=0)] = 0.1
    weight_ordinal: Annotated[float, Field(ge=0)] = 0.3
    ordinal_scale_mm: Annotated[float, Field(gt=0)] = 100.0
    calibration: float | tuple[float, ...] = 1.0


class VolumeModel(nn.Module):
    """Backbone and head of a `VolumeConfig`, and the coordinates its volumes stand for.

    Args:
        config: settings.
        planes: joint planes (2D heatmaps) in front of the volumes in the head's channels: 0 or the joint count.
        backbone_weights: pretrained weights for the backbone; random initialisation if None.

    Raises:
        InputError: the skeleton or backbone is unknown, or the calibration does not fit the skeleton.
    """

    needs_gt: tuple[str, ...] = ()

    def __init__(self, config: VolumeConfig, planes: bool, backbone_weights: dict[str, Tensor] | None = None) -> None:
        super().__init__()
        self.skeleton = catalog.get(config.skeleton)
        joints = len(self.skeleton)
        check_calibration(config.calibration, self.skeleton)
        self.backbone = build_backbone(
            config.backbone,
            stride=config.stride,
            centred=config.centred,
            norm=config.norm,
            last_layer=config.last_layer,
            weights=backbone_weights,
        )
        self.head = nn.Conv2d(cast(Backbone, self.backbone).channels, joints * (config.depth_bins + planes), 1)
        self._volume = config

    def raw_logits(self, images: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b c h w"]:
        """The head's channels.

        Raises:
            InputError: the crops do not have the configured side.
        """
        side = self._volume.side
        if tuple(images.shape[-2:]) != (side, side):
            raise InputError(f"this model takes crops of {side} x {side} pixels, got {tuple(images.shape[-2:])}")
        return self.head(self.backbone(images)[self._volume.stride])

    def pixels(self, u: Float[Tensor, "b j 2"]) -> Float[Tensor, "b j 2"]:
        """Corner-grid x and y in [0, 1] to crop pixels."""
        return crop_pixels(u, self._volume.side, self._volume.stride, self._volume.centred)

    def metric(self, u: Float[Tensor, "b j 3"]) -> Float[Tensor, "b j 3"]:
        """Corner-grid x, y, z in [0, 1] to millimetres in the metric volume, whose position in space is unknown."""
        config = self._volume
        xy = metric_xy(self.pixels(u[..., :2]), config.side, config.box_mm)
        return torch.cat([xy, metric_z(u[..., 2:], config.box_mm)], -1)

    def volume_pixels(self, volume_mm: Float[Tensor, "b j 3"]) -> Float[Tensor, "b j 2"]:
        """x and y of metric volume coordinates in the crop's pixel unit, for losses on 2D labels."""
        return volume_mm[..., :2] * (self._volume.side / self._volume.box_mm)

    def ordinal_term(self, z_mm: Float[Tensor, "b j"], batch: Batch) -> Float[Tensor, ""]:
        """`ordinal_term` with the configured weight and scale."""
        return ordinal_term(z_mm, batch, weight=self._volume.weight_ordinal, scale_mm=self._volume.ordinal_scale_mm)

    def volume_covariance(
        self,
        logits: Float[Tensor, "b j d h w"],
        scale: tuple[float, float, float],
        known: Float[Tensor, "b j 3 3"] | None = None,
    ) -> Float[Tensor, "b j 3 3"]:
        """As the function `volume_covariance`."""
        return volume_covariance(logits, scale, known)

    def calibrated(self, covariance_mm2: Float[Tensor, "b j 3 3"]) -> Float[Tensor, "b j 3 3"]:
        """Covariances with the floor added and the calibration applied."""
        return calibrated(covariance_mm2, self._volume.calibration)

    def metric_covariance(
        self, logits: Float[Tensor, "b j d h w"], known: Float[Tensor, "b j 3 3"] | None = None
    ) -> Float[Tensor, "b j 3 3"]:
        """Calibrated covariance of each joint in the metric volume, mm^2, axes x, y, z of the crop camera."""
        config = self._volume
        scale = metric_scale(config.side, config.stride, config.box_mm)
        return self.calibrated(self.volume_covariance(logits, scale, known))


def ordinal_term(z_mm: Float[Tensor, "b j"], batch: Batch, *, weight: float, scale_mm: float) -> Float[Tensor, ""]:
    """Loss term, about metres, of depths that contradict ordinal labels; 0 without a graph if the batch has none.

    Args:
        z_mm: depths along the crop camera's axis up to one constant per sample.
        weight: of the mean over all labelled pairs of the batch.
        scale_mm: see `losses.ordinal_ranking_losses`.
    """
    if batch.order is None or batch.order_w is None:
        return z_mm.new_zeros(())
    return (
        weight / 1000 * masked_mean(ordinal_ranking_losses(z_mm, batch.order, batch.order_w, scale_mm), batch.order_w)
    )


def check_calibration(calibration: float | tuple[float, ...], skeleton: Skeleton) -> None:
    """Raise InputError unless there is one factor, or one for each joint."""
    if isinstance(calibration, tuple) and len(calibration) != len(skeleton):
        raise InputError(
            f"calibration holds {len(calibration)} factors; skeleton {skeleton.name} has {len(skeleton)} joints"
        )


def calibrated(
    covariance_mm2: Float[Tensor, "b j 3 3"], calibration: float | tuple[float, ...]
) -> Float[Tensor, "b j 3 3"]:
    """Covariances with the floor added, times one factor or one each joint's."""
    floor = COVARIANCE_FLOOR_MM2 * torch.eye(3, device=covariance_mm2.device)
    factor = torch.as_tensor(calibration, dtype=covariance_mm2.dtype, device=covariance_mm2.device)
    return (covariance_mm2 + floor) * factor[..., None, None]


def volume_covariance(
    logits: Float[Tensor, "b j d h w"],
    scale: tuple[float, float, float],
    known: Float[Tensor, "b j 3 3"] | None = None,
    grid: GridKind = "corner",
) -> Float[Tensor, "b j 3 3"]:
    """Covariance of x, y, z in each joint's volume.

    Args:
        logits: of the volumes.
        scale: the unit wanted per unit of the grid.
        known: the covariance on the grid, if `volume_moments` gave it.
        grid: where the cells are.
    """
    factors = torch.tensor(scale, device=logits.device)
    return (spread(logits, _XYZ, grid) if known is None else known) * (factors[:, None] * factors)


def split_volumes(channels: Float[Tensor, "b dj h w"], depth_bins: int) -> Float[Tensor, "b j d h w"]:
    """View the head's depth-major channels (channel = d*J + j) as one volume per joint."""
    return channels.unflatten(1, (depth_bins, -1)).transpose(1, 2)


def plane_means(logits: Float[Tensor, "b j h w"]) -> Float[Tensor, "b j 2"]:
    """Soft-argmax x, y of each joint's plane on the corner grid, in [0, 1]."""
    return expectation(logits, _XYZ[:2], "corner").mean


def volume_moments(logits: Float[Tensor, "b j d h w"], grid: GridKind = "corner") -> Moments:
    """Soft-argmax x, y, z of each joint's volume on the grid, corner: in [0, 1]; the softmax runs over all voxels.

    With it comes their covariance, if it costs nothing.
    """
    return expectation(logits, _XYZ, grid)


def presets(kind: type[BaseModel]) -> list[str]:
    """Names of a configuration's published settings: its own public class methods."""
    own = [c for c in kind.__mro__ if c not in BaseModel.__mro__]
    return sorted({n for c in own for n, v in vars(c).items() if isinstance(v, classmethod) and not n.startswith("_")})
