"""MeTRAbs with more points than joints, as in the public networks of 28 data sets and 555 points.

I. Sarandi, A. Hermans, B. Leibe, "Learning 3D human pose estimation from dozens of datasets using a geometry-aware
autoencoder to bridge between skeleton formats", WACV 2023; its PyTorch release.

The network is that of `models.metrabs`, but its heads give P points: every joint of every data set it was trained on,
equal names of different data sets being different points. All P points are used to find where the person is; then
joint j of the skeleton is point ``readout[j]``. What was trained jointly but is not in the skeleton is not returned.

=============  ==================  ================================================================
value          shape               meaning
=============  ==================  ================================================================
head           b (P + D P) h w     one 1 x 1 convolution; 2D planes first, then depth-major volumes
logits_2d      b P h w
logits_3d      b P D h w
points_px, mm  b P 2, b P 3        expectations, as `models.metrabs` has them of its joints
px, volume_mm  b J 2, b J 3        those of the J points that are joints
=============  ==================  ================================================================

The public S network (256 px) is not centred, but its coordinates were computed as if it were (``centred_pixels``): it
learnt to make up for it. The limits of its field of view are those of a network that is not centred.

Deviations: those of `models.metrabs`; the public networks' latent points (`affine_weights`) are not there.
"""

from __future__ import annotations

from typing import Annotated, cast

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from metricpose.errors import InputError
from metricpose.geometry.absolute import Absolute, Perspective
from metricpose.heatmap.grid import crop_pixels
from metricpose.models.backbone import Backbone
from metricpose.models.base import plane_means, split_volumes, volume_moments
from metricpose.models.metrabs import Metrabs, MetrabsConfig, MetrabsOutput


class MetrabsPointsConfig(MetrabsConfig):
    """Settings of MeTRAbs and of its points.

    Attributes:
        points: how many points the heads give.
        readout: number of the point that each joint of the skeleton is; empty: the first ones.
        centred_pixels: whether pixel coordinates are those of a centred network; None: if the network is.
    """

    points: Annotated[int, Field(ge=1)] = 555
    readout: tuple[int, ...] = ()
    centred_pixels: bool | None = None


class MetrabsPoints(Metrabs):
    """The network, its decoder and its loss; see the module's text.

    Raises:
        InputError: the read-out does not fit the skeleton or the points.
    """

    def __init__(self, config: MetrabsPointsConfig, backbone_weights: dict[str, Tensor] | None = None) -> None:
        super().__init__(config, backbone_weights)
        self.config: MetrabsPointsConfig = config
        self.readout = _checked(config, len(self.skeleton))
        channels = cast(Backbone, self.backbone).channels
        self.head = nn.Conv2d(channels, config.points * (config.depth_bins + 1), 1)

    def forward(self, images: Float[Tensor, "b 3 s s"]) -> MetrabsOutput:
        """Crops in [0, 1] to heatmaps of all points, and expectations of points and joints."""
        logits = self.raw_logits(images)
        count, joints = self.config.points, list(self.readout)
        logits_2d, logits_3d = logits[:, :count], split_volumes(logits[:, count:], self.config.depth_bins)
        u, spread = volume_moments(logits_3d)
        px, volume_mm = self.pixels(plane_means(logits_2d)), self.metric(u)
        return MetrabsOutput(logits_2d, logits_3d, px[:, joints], volume_mm[:, joints], px, volume_mm, spread)

    def pixels(self, u: Float[Tensor, "b j 2"]) -> Float[Tensor, "b j 2"]:
        """Corner-grid x and y in [0, 1] to crop pixels."""
        config = self.config
        centred = config.centred if config.centred_pixels is None else config.centred_pixels
        return crop_pixels(u, config.side, config.stride, centred)

    def metric_covariance(
        self, logits: Float[Tensor, "b p d h w"], known: Float[Tensor, "b p 3 3"] | None = None
    ) -> Float[Tensor, "b j 3 3"]:
        """Calibrated covariance of each joint in the metric volume, from the volumes of all points."""
        joints = list(self.readout)
        return super().metric_covariance(logits[:, joints], None if known is None else known[:, joints])

    def _recover(
        self, output: MetrabsOutput, K: Float[Tensor, "b 3 3"], perspective: Perspective, mix: float | Tensor
    ) -> Absolute:
        """The joints' absolute positions; all points take part in finding them."""
        if output.points_px is None or output.points_mm is None:
            raise InputError("this output has no points; it was not made by this model")
        everything = output._replace(px=output.points_px, volume_mm=output.points_mm)
        found = super()._recover(everything, K, perspective, mix)
        return found._replace(joints_mm=found.joints_mm[:, list(self.readout)])


def _checked(config: MetrabsPointsConfig, joints: int) -> tuple[int, ...]:
    readout = config.readout or tuple(range(joints))
    if len(readout) != joints:
        raise InputError(f"readout names {len(readout)} points; skeleton {config.skeleton} has {joints} joints")
    wrong = [p for p in readout if not 0 <= p < config.points]
    if wrong:
        raise InputError(f"readout names points {wrong[:5]}; there are {config.points}, from 0")
    return readout
