"""Settings of MargiPose (`models.margipose`)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from metricpose.models.height import PUBLISHED_HEIGHT_MM, Legs
from metricpose.models.margipose_loss import Outside, Regularisation

NEEDS: dict[str, tuple[str, ...]] = {
    "height": (),
    "true-height": ("height_mm",),
    "true-root-depth": ("root_depth_mm",),
}
"""Ground truth that each `recovery` asks of `decode`."""


class MargiposeConfig(BaseModel):
    """Settings; the defaults are a small network for metricpose's own joints, `published` is the paper's.

    Attributes:
        skeleton: catalogue name of the joints predicted.
        backbone, norm: see `models.backbone.build_backbone`; or one of `models.inception.STEMS`.
        side: of the square crop, pixels.
        stride: pixels per cell of features and maps; 8 for the stems.
        stride_train: stride in training, for the border that counts as out of view.
        centred: see `build_backbone`.
        stages: T.
        widths: channels of the features, and in the middle of a column. The latter must be a multiple of n / 2.
        axis_permutation: off treats all three planes as xy.
        dilated, average_xy: of some older public weights: dilated columns; x and y too are means of two planes.
        codec: of z.
        regularisation: what pulls maps to Gaussians; its weight; and their standard deviation in cells.
        coord_loss_from: coordinates that every stage's Euclidean loss looks at: its own, or (public code until 2020,
            which made the public weights) those of the last stage.
        outside: labels beyond the crop or the depth box: "mask" leaves their axes out of all terms, "clamp" only out of
            the maps' terms and moves the label to the border, "keep" counts them in full (published).
        recovery, height_mm, height_legs: source of the scale; fixed height, None for that of the training people; legs
            that count.
        fov_margin: a joint is in view if it is at least this many training strides inside the crop.
        legacy_principal: principal point, in pixels from the crop's left and top edge, of the crops that public weights
            were trained with, which they have in place of the crop's middle; for such weights alone.
        weight_ordinal, ordinal_scale: weight of ordinal labels, and see `losses.ordinal_ranking_losses`.
        calibration: factor of the variances, one for all joints or one each, fitted after training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    skeleton: str = "metricpose_25"
    backbone: str = "mobilenetv2"
    norm: str | None = None
    side: Annotated[int, Field(ge=16)] = 256
    stride: int = 16
    stride_train: int = 16
    centred: bool = True
    stages: Annotated[int, Field(ge=1)] = 2
    widths: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = (32, 48)
    axis_permutation: bool = True
    dilated: bool = False
    average_xy: bool = False
    codec: Literal["projective", "linear"] = "projective"
    regularisation: Regularisation = "jsd"
    weight_regularisation: Annotated[float, Field(ge=0)] = 1.0
    sigma: Annotated[float, Field(gt=0)] = 1.0
    coord_loss_from: Literal["stage", "final"] = "stage"
    outside: Outside = "mask"
    recovery: Literal["height", "true-height", "true-root-depth"] = "height"
    height_mm: Annotated[float, Field(gt=0)] | None = None
    height_legs: Legs = "both"
    fov_margin: float = 0.75
    legacy_principal: tuple[float, float] | None = None
    weight_ordinal: Annotated[float, Field(ge=0)] = 0.0
    ordinal_scale: Annotated[float, Field(gt=0)] = 0.1
    calibration: float | tuple[float, ...] = 1.0

    @classmethod
    def published(cls, **changes: Any) -> MargiposeConfig:
        """The paper's network and losses; `recovery` and `height_mm` as it evaluates on MPI-INF-3DHP."""
        settings: dict[str, Any] = {
            "skeleton": "mpi_inf_3dhp_17", "backbone": "inceptionv4_stem", "stride": 8, "stride_train": 8, "stages": 4,
            "widths": (128, 192), "outside": "keep", "height_mm": PUBLISHED_HEIGHT_MM, "height_legs": "left",
        }  # fmt: skip
        return cls(**(settings | changes))

    @classmethod
    def narrow(cls, **changes: Any) -> MargiposeConfig:
        """The defaults on 128 pixels: head of 53 million multiplications, some 60 images/s in training on one core."""
        return cls(**({"side": 128} | changes))
