"""How large a comparison is: the same rows at three sizes, everything else equal for all methods."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from metricpose.errors import InputError
from metricpose.training.schedule import ScheduleConfig
from metricpose.training.settings import TrainingConfig

Settings = dict[str, Any]


class Size(BaseModel):
    """One size of the comparison.

    Attributes:
        name, note: for tables.
        backbone, side: of every network; the crop side in pixels.
        freeze: parameters that no method trains, where the backbone starts from given weights.
        steps, batch: of every training.
        optimizer, lr, backbone_lr, ema: of every method; the backbone's factor; decay of the averaged weights.
        rates: method -> factor of `lr` for all but its backbone, for heads of several layers that start from nothing.
        records: people to train on.
        whole, truncated: test images; the truncated ones give four boxes each.
        method_seeds, ablation_seeds: trainings of each row.
        precision, threads, device: see `TrainingConfig`.
        presets: constructor of a method's configuration to start from, such as `narrow`.
        methods: settings of each method on top, such as the width of its head.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    note: str
    backbone: str = "mobilenetv2"
    side: int
    freeze: tuple[str, ...] = ()
    steps: int
    batch: int
    optimizer: Literal["adamw", "muon"] = "adamw"
    lr: float
    backbone_lr: float = 0.5
    ema: float = 0.99
    rates: dict[str, float] = Field(default_factory=dict)
    records: int
    whole: int
    truncated: int
    method_seeds: int
    ablation_seeds: int
    precision: str = "bf16"
    threads: int = 1
    device: str = "auto"
    presets: dict[str, str] = Field(default_factory=dict)
    methods: dict[str, Settings] = Field(default_factory=dict)

    def learning_rates(self, method: str) -> dict[str, float]:
        """`lr` and `backbone_lr` of a method: the backbone's own rate is the same for all."""
        factor = self.rates.get(method, 1.0)
        return {"lr": self.lr * factor, "backbone_lr": self.backbone_lr / factor}

    def training(self, seed: int, freeze: tuple[str, ...], method: str = "") -> TrainingConfig:
        """The optimiser's settings, the same for all methods but for `rates`."""
        return TrainingConfig.model_validate(
            {
                "steps": self.steps,
                "batch_size": self.batch,
                "seed": seed,
                "optimizer": self.optimizer,
                **self.learning_rates(method),
                "ema": self.ema,
                "clip": 5.0,
                "precision": self.precision,
                "freeze": freeze,
                "device": self.device,
                "threads": self.threads,
                "workers": 0,
                "log_every": max(1, min(50, self.steps // 2)),
                "validate_every": 0,
                "checkpoint_every": max(1, self.steps // 4),
                "schedule": ScheduleConfig(kind="cosine", warmup=self.steps // 20, final=0.02),
            }
        )


_STRIDE_16 = {"stride": 16, "stride_train": 16}
"""At 128 pixels the 8 x 8 cells that 256 pixels have at the published stride 32."""

SMOKE = Size(
    name="smoke",
    note="a few steps on a few people: shows that everything runs, measures nothing",
    side=64,
    steps=2,
    batch=2,
    lr=1e-3,
    ema=0.0,
    records=8,
    whole=4,
    truncated=2,
    method_seeds=2,
    ablation_seeds=1,
    precision="fp32",
    device="cpu",
    presets={"lifting": "narrow"},
    methods={
        "metro": _STRIDE_16,
        "metrabs": {**_STRIDE_16, "absolute_start": 1, "weak_steps": 1},
        "twofive": _STRIDE_16,
        "margipose": {**_STRIDE_16, "stages": 2, "widths": (8, 8)},
        "hemlets": {
            "deconvolutions": (8, 8),
            "feature_width": 8,
            "encoder_width": 8,
            "head_width": 8,
            "depth_bins": 8,
            "sigma": 1.0,
        },
        "lifting": {"horizon_steps": 2, "last_layer": True},
    },
)

SMALL = Size(
    name="small",
    note="128 pixel crops, MobileNetV2 trained on people before, narrow heads, 600 steps of 16: an hour of two cores",
    side=128,
    freeze=("backbone.conv[0-5].*",),
    steps=600,
    batch=16,
    lr=1e-3,
    backbone_lr=0.3,
    rates={"margipose": 3.0, "hemlets": 3.0, "lifting": 3.0},
    records=9600,
    whole=1024,
    truncated=256,
    method_seeds=2,
    ablation_seeds=1,
    device="cpu",
    presets={"lifting": "narrow"},
    methods={
        "metro": _STRIDE_16,
        "metrabs": {**_STRIDE_16, "absolute_start": 120, "weak_steps": 30},
        "twofive": _STRIDE_16,
        "margipose": {**_STRIDE_16, "stages": 4, "widths": (24, 32)},
        "hemlets": {"sigma": 1.0, "stride": 16, "deconvolutions": (64,)},
        "lifting": {"horizon_steps": 600, "last_layer": True},
    },
)

PAPER = Size(
    name="paper",
    note="256 pixel crops, MobileNetV2 from ImageNet, published heads, 1500 steps of 32: one hour of one large GPU",
    side=256,
    steps=1500,
    batch=32,
    lr=1e-3,
    backbone_lr=0.3,
    records=49152,
    whole=1024,
    truncated=512,
    method_seeds=3,
    ablation_seeds=2,
    methods={
        "metrabs": {"absolute_start": 300, "weak_steps": 75},
        "margipose": {"stride": 8, "stride_train": 8, "stages": 4, "widths": (128, 192)},
        "hemlets": {
            "deconvolutions": (256, 256, 256),
            "feature_width": 1024,
            "encoder_width": 256,
            "head_width": 1024,
            "depth_bins": 64,
        },
        "lifting": {"horizon_steps": 1500},
    },
)

SIZES = {size.name: size for size in (SMOKE, SMALL, PAPER)}


def get(name: str) -> Size:
    """The size of this name.

    Raises:
        InputError: no such size; the message lists those there are.
    """
    if name not in SIZES:
        raise InputError(f"unknown size '{name}'; known: {', '.join(SIZES)}")
    return SIZES[name]
