"""Learning rates over the steps of a run, as factors of the base rate, and the momentum that goes with them."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ScheduleConfig(BaseModel):
    """Which curve the learning rate follows.

    Attributes:
        kind: metrabs (two exponential phases, as published), cosine, constant, drop (cascaded dimension lifting),
            one_cycle, or one_cycle_linear (MargiPose; it moves the momentum of SGD too).
        warmup: steps of linear rise from 0, multiplied onto any curve but the one-cycles, which rise by themselves.
        final: cosine's last factor.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["metrabs", "cosine", "constant", "drop", "one_cycle", "one_cycle_linear"] = "metrabs"
    warmup: int = Field(default=0, ge=0)
    final: float = Field(default=0.01, ge=0, le=1)

    def factor(self, step: int, steps: int) -> float:
        """Factor of the base learning rate at `step` of `steps`."""
        if self.kind == "one_cycle":
            return one_cycle(step, steps)
        if self.kind == "one_cycle_linear":
            return one_cycle_linear(step, steps)
        rise = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        curves = {"metrabs": metrabs(step, steps), "cosine": cosine(step, steps, self.final), "drop": drop(step, steps)}
        return rise * curves.get(self.kind, 1.0)

    def momentum(self, step: int, steps: int, base: float) -> float:
        """Momentum of SGD: `base`; along one_cycle_linear it falls (0.9 to 0.85) while the learning rate rises."""
        return base * (1 - _peak(step, steps) / 18) if self.kind == "one_cycle_linear" else base


def metrabs(step: int, steps: int, *, first_phase: float = 0.92) -> float:
    """1 -> 1/3 exponentially over the first 92 % of the run, then 1/30 -> 1/100 (MeTRo and MeTRAbs, published code)."""
    turn = first_phase * steps
    if step < turn:
        return (1 / 3) ** (step / turn)
    return 0.3 ** ((step - turn) / (steps - turn)) / 30


def cosine(step: int, steps: int, final: float) -> float:
    """1 -> `final` along half a cosine."""
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0)))


def drop(step: int, steps: int, *, at: float = 17 / 20, factor: float = 0.1) -> float:
    """1, then `factor` from the share `at` of the run on ("reduced by a factor of 10 at the 17th epoch" of 20, CDL)."""
    return 1.0 if step < at * steps else factor


def one_cycle(step: int, steps: int, *, rise: float = 0.3, start: float = 0.04, final: float = 4e-6) -> float:
    """`start` -> 1 -> `final` along two half cosines (Smith and Topin 2017)."""
    top = round(rise * steps)
    if step < top:
        return start + (1 - start) * 0.5 * (1 - math.cos(math.pi * step / top))
    return cosine(step - top, max(1, steps - top), final)


def one_cycle_linear(step: int, steps: int) -> float:
    """0.1 -> 1 at 45 % -> 0.1 at 90 % -> 1e-4, in straight lines (Smith 2018, as MargiPose's code has it)."""
    if step > 0.9 * steps:
        return 1e-4 + (0.1 - 1e-4) * max(0.0, (steps - step) / (0.1 * steps))
    return 0.1 + 0.9 * _peak(step, steps)


def _peak(step: int, steps: int) -> float:
    """0 -> 1 at 45 % of the run -> 0 at 90 %, in straight lines; then 0."""
    return max(0.0, 1 - abs(step / (0.45 * steps) - 1))
