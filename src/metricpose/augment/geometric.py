"""Random views of a person: every geometric augmentation is a change of the crop camera, so labels follow exactly."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, model_validator

from metricpose.augment.ranges import Factors
from metricpose.augment.truncation import portrait_box, truncate_box


class GeometricConfig(BaseModel):
    """How far views vary (MeTRAbs, data augmentation); the defaults are the paper's.

    Attributes:
        shift: radius of the disc in which the crop centre moves, as a fraction of the box side.
        zoom: range of the person's magnification.
        roll_degrees: the crop turns by up to this angle either way.
        full_roll: probability of a roll over the whole circle instead.
        flip: probability of mirroring.
        truncation: probability of looking at a random part of the box only.
        portrait: probability of looking at its upper part only, as deep as the head and shoulders.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    shift: float = Field(default=0.1, ge=0, le=1)
    zoom: Factors = (0.75, 1.25)
    roll_degrees: float = Field(default=20.0, ge=0, le=180)
    full_roll: float = Field(default=0.0, ge=0, le=1)
    flip: float = Field(default=0.5, ge=0, le=1)
    truncation: float = Field(default=0.0, ge=0, le=1)
    portrait: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _at_most_everyone(self) -> GeometricConfig:
        if self.truncation + self.portrait > 1:
            total = f"{self.truncation:g} + {self.portrait:g}"
            raise ValueError(f"truncation and portrait exclude each other: expected a sum of at most 1, got {total}")
        return self


class View(NamedTuple):
    """Arguments of `geometry.crop.crop_camera`; `box_xywh` may be a part of the person's box."""

    box_xywh: Float[np.ndarray, " 4"]
    shift: tuple[float, float] = (0.0, 0.0)
    zoom: float = 1.0
    roll: float = 0.0
    flip: bool = False


def draw_view(box_xywh: Float[np.ndarray, " 4"], config: GeometricConfig, rng: np.random.Generator) -> View:
    """Draw one view. The same number of random numbers is used for every outcome but the cuts, which come last."""
    radius, angle, zoom, roll, turn, mirror, cut = rng.random(7)
    distance = config.shift * math.sqrt(radius)
    limit = math.pi if turn < config.full_roll else math.radians(config.roll_degrees)
    low, high = config.zoom
    if cut < config.truncation:
        box_xywh = truncate_box(box_xywh, rng)
    elif cut < config.truncation + config.portrait:
        box_xywh = portrait_box(box_xywh, rng)
    return View(
        box_xywh=box_xywh,
        shift=(distance * math.cos(2 * math.pi * angle), distance * math.sin(2 * math.pi * angle)),
        zoom=low + (high - low) * zoom,
        roll=limit * (2 * roll - 1),
        flip=bool(mirror < config.flip),
    )
