"""A moving average of a model's weights."""

from __future__ import annotations

import copy

import torch
from torch import nn


class Average:
    """Exponential moving average, kept as a second model in evaluation mode.

    The decay warms up as (1 + t) / (10 + t), so that the random start is forgotten quickly. Batch norm statistics are
    averaged like weights; whole-number buffers are copied.

    Args:
        decay: 0 makes the average the model itself.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.model = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after optimiser step `step` (from 0)."""
        mine, theirs = self.model.state_dict(), model.state_dict()
        decay = min(self.decay, (1 + step) / (10 + step)) if self.decay else 0.0
        floats = [key for key, value in mine.items() if value.is_floating_point()]
        torch._foreach_lerp_([mine[k] for k in floats], [theirs[k].detach() for k in floats], 1.0 - decay)
        for key in mine.keys() - set(floats):
            mine[key].copy_(theirs[key])
