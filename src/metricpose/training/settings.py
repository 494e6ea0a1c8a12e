"""Settings of the training loop."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from metricpose.training.schedule import ScheduleConfig


class TrainingConfig(BaseModel):
    """How a model is trained; where and on what is the recipe's business.

    Attributes:
        steps: optimiser steps in all; 0 takes `epochs`.
        epochs: how often the first training source is gone through, where `steps` is not given (`with_steps`).
        batch_size: samples per step over all processes, which must divide it.
        seed: of data order, augmentation and weights.
        optimizer: adamw; muon (faster per sample on folded MobileNetV2, docs/LOG.md); or sgd (MargiPose: lr 1, decay 0,
            no clipping, one_cycle_linear).
        lr: base learning rate of the head and of everything but the backbone.
        backbone_lr: factor of `lr` for the backbone.
        decay: decoupled weight decay c: each step multiplies weights by 1 - c / sqrt(steps) * lr(t) / lr(0) (MeTRAbs).
            With sgd the ordinary L2 coefficient.
        momentum: of sgd; one_cycle_linear lowers it by up to 1/18, from 0.9 to 0.85.
        clip: largest gradient norm; 0 does not clip.
        ema: decay of the moving average of weights, which is what is evaluated and saved; 0 averages nothing.
        precision: bf16 autocast or fp32.
        freeze: patterns of parameter names that are not trained, such as ``backbone.conv[0-9].*``.
        channels_last: memory layout that CPU and GPU convolutions like.
        device: auto, cpu, cuda (the GPU of the process's local rank), cuda:1 ...
        threads: CPU threads of the network; 0 leaves torch's choice.
        workers: processes that prepare batches, per rank, the same for all; 0 prepares them in between.
        log_every, validate_every, checkpoint_every: in steps; 0 switches validation off.
        checkpoint_minutes: also write a checkpoint after so many minutes; 0 does not.
        refresh_every: look for newly rendered data every so many steps; 0 does not.
        max_minutes: stop early, with a checkpoint, after so many minutes; 0 does not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    steps: int = Field(default=0, ge=0)
    epochs: float | None = Field(default=None, gt=0)
    batch_size: int = Field(default=32, gt=0)
    seed: int = Field(default=0, ge=0)
    optimizer: Literal["adamw", "muon", "sgd"] = "adamw"
    lr: float = Field(default=1e-4, gt=0)
    backbone_lr: float = Field(default=1.0, ge=0)
    decay: float = Field(default=3e-3, ge=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    clip: float = Field(default=10.0, ge=0)
    schedule: ScheduleConfig = ScheduleConfig()
    ema: float = Field(default=0.999, ge=0, lt=1)
    precision: Literal["bf16", "fp32"] = "bf16"
    freeze: tuple[str, ...] = ()
    channels_last: bool = True
    device: str = "auto"
    threads: int = Field(default=0, ge=0)
    workers: int = Field(default=1, ge=0)
    log_every: int = Field(default=50, gt=0)
    validate_every: int = Field(default=1000, ge=0)
    checkpoint_every: int = Field(default=1000, gt=0)
    checkpoint_minutes: float = Field(default=10.0, ge=0)
    refresh_every: int = Field(default=0, ge=0)
    max_minutes: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _ends(self) -> TrainingConfig:
        if not self.steps and self.epochs is None:
            raise ValueError("steps is needed, or epochs in its place")
        return self

    def with_steps(self, records: int, per_batch: int) -> TrainingConfig:
        """The same with `steps` set: those given, or as many as `epochs` means.

        Args:
            records: of the first training source.
            per_batch: its records in a batch.
        """
        if self.steps or self.epochs is None:
            return self
        return self.model_copy(update={"steps": max(1, round(self.epochs * records / per_batch))})


FREE_TO_CHANGE = {
    "device", "threads", "workers", "log_every", "validate_every", "checkpoint_every", "checkpoint_minutes",
    "max_minutes",
}  # fmt: skip
"""Settings that may differ when a run is resumed, because they change no weight."""
