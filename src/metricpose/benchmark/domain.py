"""The shifted domain of the weak-supervision claim, and the labels its people keep.

HEMlets trains on a studio with 3D labels and on photographs with 2D or ordinal labels, and measures on a third data
set. Rendered people allow a cleaner shift: everyday poses keep every label, sport and floor poses keep only what a
person could annotate in a photograph, and those are measured. Clothes, places and cameras are the same in both; only
poses differ, and that is what a result on this domain says something about.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from metricpose.skeleton.core import joint_pairs

Labels = Literal["full", "2d", "ordinal"]
"""What people of the target domain keep: everything, pixels, or pixels and which joints are closer."""

EVERYDAY = frozenset(
    {
        "arms_spread", "directions", "discussion", "eating", "gesture_signals", "greeting", "handshake", "phoning",
        "photo", "posing", "purchases", "sitting", "sitting_down", "smoking", "stand", "texting", "waiting", "walk",
        "walk_dog", "walk_taichi", "walk_uneven", "walking", "wash_window",
    }
)  # fmt: skip
"""Poses of the source domain: standing, walking and sitting on chairs. All others are the target domain."""

PARALLEL = 0.5
"""Of two joints' distance in space: depths that differ by less count as equal (an angle of 30 degrees, HEMlets)."""


def is_target(info: dict[str, Any]) -> bool:
    """Whether a record's facts put it into the target domain."""
    return str(info.get("pose", "")) not in EVERYDAY


def ordinal_labels(
    joints_mm: Float[Tensor, "b j 3"], weights: Float[Tensor, "b j"]
) -> tuple[Float[Tensor, "b k"], Float[Tensor, "b k"]]:
    """Labels of all pairs of joints, +1 if the second is closer, and their weights (`types.Record.order`)."""
    a, b = torch.from_numpy(np.array(joint_pairs(joints_mm.shape[1]))).to(joints_mm.device).unbind(-1)
    known = ((weights[:, a] > 0) & (weights[:, b] > 0)).to(joints_mm.dtype)
    difference = joints_mm[:, a] - joints_mm[:, b]
    telling = difference[..., 2].abs() > PARALLEL * difference.norm(dim=-1)
    return torch.where(telling, difference[..., 2].sign(), 0.0) * known, known


def weaken(packed: dict[str, Tensor], target: Bool[Tensor, " b"], labels: Labels) -> dict[str, Tensor]:
    """A packed batch whose people of the target domain keep only some labels; nothing is changed in place."""
    if labels == "full":
        return packed
    here = target[:, None]
    changed = dict(packed)
    if labels == "ordinal":
        order, order_w = ordinal_labels(packed["joints_mm"], packed["z_w"])
        changed |= {"order": torch.where(here, order, 0.0), "order_w": torch.where(here, order_w, 0.0)}
    side = packed["images"].shape[1]
    seen = ((packed["joints_px"] >= -0.5) & (packed["joints_px"] <= side - 0.5)).all(-1)
    changed["uv_w"] = torch.where(here & ~seen, 0.0, packed["uv_w"])  # nobody marks what the picture does not show
    changed["joints_mm"] = torch.where(here[..., None], torch.nan, packed["joints_mm"])
    changed["z_w"] = torch.where(here, 0.0, packed["z_w"])
    changed["abs_w"] = torch.where(target, 0.0, packed["abs_w"])
    return changed
