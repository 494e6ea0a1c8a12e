"""Errors on a fixed small set, to watch a run. Results for reports come from `metricpose evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from metricpose.data.loading import Packed, unpack
from metricpose.types import Batch, Pose


@torch.inference_mode()
def validate(model: nn.Module, batches: Sequence[Packed], device: torch.device, precision: str) -> dict[str, float]:
    """Means over the set, of joints that have labels.

    Returns:
        `mpjpe_mm` root-relative; `absolute_mm` where the model gives absolute poses and the set has them; `px` in the
        crop, of joints inside it, where the model gives pixels; `wrong_order_percent`, of the pairs labelled closer
        or farther whose depths say otherwise, where the set has ordinal labels.
    """
    model.eval()
    sums: dict[str, Float[Tensor, " 2"]] = {}
    for packed in batches:
        batch = unpack(packed, device)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            output = model(batch.images)
        pose = model.decode(output, batch.K)  # type: ignore[operator]
        for name, (errors, weights) in _errors(model, pose, batch).items():
            pair = torch.stack([torch.where(weights > 0, errors, 0.0).sum(), (weights > 0).sum()]).double()
            sums[name] = sums.get(name, 0) + pair
    return {name: float(total / count) for name, (total, count) in sums.items() if count > 0}


def _errors(model: Any, pose: Pose, batch: Batch) -> dict[str, tuple[Tensor, Tensor]]:
    """Per measure: errors (b, J) and weights (b, J)."""
    root = model.skeleton.root
    relative = batch.joints_mm - batch.joints_mm[:, root : root + 1]
    inside = ((batch.joints_px >= 0) & (batch.joints_px <= batch.images.shape[-1] - 1)).all(-1)
    with_root = batch.z_w * (batch.z_w[:, root : root + 1] > 0)
    found = {"mpjpe_mm": ((pose.joints_mm - relative).norm(dim=-1), with_root)}
    if not pose.joints_px.isnan().all():  # purely metric methods have none
        found["px"] = ((pose.joints_px - batch.joints_px).norm(dim=-1), batch.uv_w * inside)
    if pose.joints_abs_mm is not None:
        error = (pose.joints_abs_mm - batch.joints_mm).norm(dim=-1)
        found["absolute_mm"] = (error, batch.z_w * batch.abs_w[:, None])
    if batch.order is not None and batch.order_w is not None:
        joints = len(model.skeleton)
        a, b = torch.triu_indices(joints, joints, 1)
        difference = pose.joints_mm[:, a, 2] - pose.joints_mm[:, b, 2]
        found["wrong_order_percent"] = (100.0 * (difference * batch.order <= 0), batch.order_w * (batch.order != 0))
    return found
