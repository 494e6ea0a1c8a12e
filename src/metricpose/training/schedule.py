"""Learning rates over the steps of a run, as factors of the base rate."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ScheduleConfig(BaseModel):
    """Which curve the learning rate follows.

    Attributes:
        kind: metrabs (two exponential phases, as published), cosine, constant, or one_cycle.
        warmup: steps of linear rise from 0, multiplied onto any curve but one_cycle, which rises by itself.
        final: cosine's last factor.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["metrabs", "cosine", "constant", "one_cycle"] = "metrabs"
    warmup: int = Field(default=0, ge=0)
    final: float = Field(default=0.01, ge=0, le=1)

    def factor(self, step: int, steps: int) -> float:
        """Factor of the base learning rate at `step` of `steps`."""
        if self.kind == "one_cycle":
            return one_cycle(step, steps)
        rise = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        curves = {"metrabs": metrabs(step, steps), "cosine": cosine(step, steps, self.final), "constant": 1.0}
        return rise * curves[self.kind]


def metrabs(step: int, steps: int, *, first_phase: float = 0.92) -> float:
    """1 -> 1/3 exponentially over the first 92 % of the run, then 1/30 -> 1/100 (MeTRo and MeTRAbs, published code)."""
    turn = first_phase * steps
    if step < turn:
        return (1 / 3) ** (step / turn)
    return 0.3 ** ((step - turn) / (steps - turn)) / 30


def cosine(step: int, steps: int, final: float) -> float:
    """1 -> `final` along half a cosine."""
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0)))


def one_cycle(step: int, steps: int, *, rise: float = 0.3, start: float = 0.04, final: float = 4e-6) -> float:
    """`start` -> 1 -> `final` along two half cosines (Smith and Topin 2017; MargiPose trains so)."""
    top = round(rise * steps)
    if step < top:
        return start + (1 - start) * 0.5 * (1 - math.cos(math.pi * step / top))
    return cosine(step - top, max(1, steps - top), final)
