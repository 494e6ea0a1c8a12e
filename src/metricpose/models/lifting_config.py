"""Settings of cascaded dimension lifting (`lifting`): which of them the paper states, and which are ours."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from metricpose.models.base import VolumeConfig
from metricpose.models.lifter import STANDARD_STATURE_MM
from metricpose.models.recovery import Recovery
from metricpose.models.s3ht import DEFAULT_WIDTHS, Variant, Widths
from metricpose.models.s3ht_losses import Bones

Phase = Literal["joint", "stage1", "lifter"]
Weight = Annotated[float, Field(ge=0)]


class LiftingConfig(VolumeConfig):
    """Stated in the paper: side 256, ResNet-50, `slab_bins` 64, `map_sigma` 2, lifter 1024 x 5, stature 1077 mm.

    Inherited from its base (Moon et al. 2019): stride 32 and three deconvolutions of 256, `depth_bins` 64, `box_mm`
    2000, index grid. All other values are ours. `centred` moves the backbone's cells, not the grid that is read off.

    Attributes:
        last_layer: see `models.backbone.build_backbone`.
        variant: the paper's ablation: baseline, joint_maps (JH), bone_joint_maps (BJ), full (see `s3ht`).
        shared_deconvolutions: one stack for context and branch.
        slab_bins: depth channels of slab and ordinal output.
        widths: channels of the hidden layers.
        bones: which bones have maps (`s3ht_losses.bone_pairs`).
        lifter_width, lifter_blocks, dropout: of the lifter.
        lifter_view: give the lifter the crop's ray and focal length (`lifter.view_facts`), which pixels do not show.
        phase: what is trained: "stage1" without the lifter, "lifter" alone, or "joint".
        end_to_end: whether the lifter's loss also trains what is before it, in the joint phase: for fine-tuning. From
            scratch it keeps the volumes from learning: the lifter's batch norm blows up the gradient of joints that
            are all still in the middle.
        recovery: "lifter", or how the 2.5D joints are brought to camera space without it (`recovery.Recovery`).
        fov_margin: a joint's pixel counts for the position if it is this many cells of the maps inside the crop.
        map_sigma: spread of the joint maps, cells.
        bone_sigma: spread of the bone maps at the start and at the end, cells.
        horizon_steps, bone_sigma_share: the bone maps' spread falls during this share of this many steps; set the
            first to the run's `training.steps`.
        bone_power: of the distance in the bone maps; 1 is equation 1 as printed.
        standard_stature_mm: bring the lifter's targets to this stature (equation 10; 1077 in the paper); None: leave
            them as they are, which people of other sizes than its four adults need.
        weight_bones, weight_joints, weight_slab, weight_slab_order, weight_depth, weight_pose: of the loss terms;
            `weight_depth` is the share of |dz| in ``coordinates``.
        weight_2d_only: 1 here: 2D-only samples weigh as others do.
        weight_ordinal: 0 here: the paper does not use labels of joint pairs.
    """

    depth_bins: Annotated[int, Field(ge=1)] = 64
    box_mm: Annotated[float, Field(gt=0)] = 2000.0
    weight_2d_only: Weight = 1.0
    weight_ordinal: Weight = 0.0
    last_layer: bool | int = True
    variant: Variant = "full"
    shared_deconvolutions: bool = False
    slab_bins: Annotated[int, Field(ge=1)] = 64
    widths: Widths = DEFAULT_WIDTHS
    bones: Bones = "named"
    lifter_width: Annotated[int, Field(ge=1)] = 1024
    lifter_blocks: Annotated[int, Field(ge=0)] = 5
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    lifter_view: bool = False
    phase: Phase = "joint"
    end_to_end: bool = False
    recovery: Literal["lifter"] | Recovery = "lifter"
    fov_margin: float = 0.75
    map_sigma: Annotated[float, Field(gt=0)] = 2.0
    bone_sigma: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = (4.0, 1.5)
    bone_sigma_share: Annotated[float, Field(gt=0, le=1)] = 2 / 3
    horizon_steps: Annotated[int, Field(gt=0)] = 100_000
    bone_power: Annotated[float, Field(gt=0)] = 2.0
    standard_stature_mm: Annotated[float, Field(gt=0)] | None = None
    weight_bones: Weight = 0.05
    weight_joints: Weight = 0.05
    weight_slab: Weight = 0.05
    weight_slab_order: Weight = 0.1
    weight_depth: Weight = 1.0
    weight_pose: Weight = 1.0

    @model_validator(mode="after")
    def _phase_trains_what_decodes(self) -> LiftingConfig:
        if self.phase == "stage1" and self.recovery == "lifter":
            raise ValueError(
                "phase 'stage1' does not train the lifter: set recovery to 'bone-lengths' (or an oracle), "
                "and back to 'lifter' in the second phase"
            )
        return self

    @classmethod
    def published(cls, **changes: Any) -> LiftingConfig:
        """As published, as far as it is: with any setting changed by name."""
        settings: dict[str, Any] = {"backbone": "resnet50", "standard_stature_mm": STANDARD_STATURE_MM}
        return cls(**(settings | changes))

    @classmethod
    def narrow(cls, **changes: Any) -> LiftingConfig:
        """For one CPU core: 128 pixels, maps of 16 x 16 cells, under 60 million operations behind the backbone."""
        settings: dict[str, Any] = {
            "side": 128,
            "backbone": "mobilenetv2",
            "last_layer": False,
            "depth_bins": 16,
            "slab_bins": 16,
            "widths": Widths((48, 48), fusion=48, dilated=16, depth=48, encoder=48, join=64),
            "lifter_width": 256,
            "map_sigma": 1.0,
            "bone_sigma": (2.0, 1.0),
        }
        return cls(**(settings | changes))
