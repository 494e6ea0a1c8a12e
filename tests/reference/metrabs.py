"""MeTRAbs's published losses on the heads and on the pose, written out sample by sample in numpy."""

from __future__ import annotations

import numpy as np

from reference import losses


def _mean(values: np.ndarray, weights: np.ndarray) -> float:
    return losses.masked_mean(values, weights)


def head_terms(px, volume, batch, root: int | None, side: int, box: float, only: float) -> dict[str, float]:
    """The 2021 losses; `batch` maps names to arrays, `only` is the weight of samples with 2D labels only."""
    c = box / 1000 / side
    only_2d = (batch["z_w"] > 0).sum(1) == 0
    with_3d, without_3d = batch["uv_w"].copy(), batch["uv_w"].copy()
    with_3d[only_2d], without_3d[~only_2d] = 0, 0
    heatmap = losses.l1(px, batch["joints_px"], batch["uv_w"])
    aligned = losses.aligned_l1(volume[..., :2] * side / box, batch["joints_px"], without_3d)
    return {
        "relative": _mean(losses.relative_l1(volume, batch["joints_mm"], batch["z_w"], root), batch["z_w"]) / 1000,
        "heatmap_2d": c * _mean(heatmap, with_3d),
        "heatmap_2d_only": only * c * _mean(heatmap, without_3d),
        "aligned_2d_only": only * c * _mean(aligned, without_3d),
    }


def pose_terms(px, pose, batch, side: int, box: float, only: float, margin: float) -> dict[str, float]:
    """The 2023 losses on the reconstructed pose."""
    c = box / 1000 / side
    projected = np.zeros(px.shape)
    with_3d, without_3d = np.zeros(batch["uv_w"].shape), np.zeros(batch["uv_w"].shape)
    for i, j in np.ndindex(px.shape[:2]):
        homogeneous = batch["K"][i] @ pose[i, j] / max(pose[i, j, 2], 1)
        projected[i, j] = homogeneous[:2]
        label, weight = batch["joints_px"][i, j], batch["uv_w"][i, j]
        usable = weight > 0 and (margin <= px[i, j]).all() and (px[i, j] <= side - margin).all()
        usable &= bool((label >= -640).all() and (label <= side + 640).all() and pose[i, j, 2] > 1)
        usable &= bool(batch["z_w"][i, j] == 0 or batch["joints_mm"][i, j, 2] > 300)
        chosen = with_3d if (batch["z_w"][i] > 0).any() else without_3d
        chosen[i, j] = weight if usable else 0
    error = losses.l1(projected, batch["joints_px"], batch["uv_w"])
    return {
        "relative": _mean(losses.relative_l1(pose, batch["joints_mm"], batch["z_w"], None), batch["z_w"]) / 1000,
        "projection": c * _mean(error, with_3d),
        "projection_2d_only": only * c * _mean(error, without_3d),
    }


def absolute_term(pose, batch, weight: float, damp: float | None, nearest: float) -> float:
    """Absolute loss of joints beyond `nearest`."""
    weights = batch["z_w"] * batch["abs_w"][:, None]
    weights[~(batch["joints_mm"][..., 2] > nearest)] = 0
    return weight / 1000 * _mean(losses.absolute_l1(pose, batch["joints_mm"], weights, damp), weights)
