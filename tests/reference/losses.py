"""Losses joint by joint in plain Python."""

from __future__ import annotations

import numpy as np


def masked_mean(losses: np.ndarray, weights: np.ndarray) -> float:
    """Weighted mean over the entries with weight."""
    total = count = 0.0
    for index in np.ndindex(losses.shape):
        if weights[index] > 0:
            total += losses[index] * weights[index]
            count += weights[index]
    return total / count if count else 0.0


def l1(pred: np.ndarray, target: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean absolute difference of each joint's coordinates, 0 where the weight is 0."""
    out = np.zeros(weights.shape)
    for index in np.ndindex(weights.shape):
        if weights[index] > 0:
            out[index] = np.mean(np.abs(pred[index] - target[index]))
    return out


def relative_l1(pred: np.ndarray, target: np.ndarray, weights: np.ndarray, root: int | None) -> np.ndarray:
    """L1 after subtracting root or mean."""
    out = np.zeros(weights.shape)
    for i, w in enumerate(weights):
        if not (w > 0).any():
            continue
        known = w > 0
        if root is not None and known[root]:
            origins = pred[i, root], target[i, root]
        else:
            origins = tuple(np.average(x[i][known], axis=0, weights=w[known]) for x in (pred, target))
        out[i] = l1(pred[i] - origins[0], target[i] - origins[1], w)
    return out


def aligned_l1(pred: np.ndarray, target: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """L1 after matching mean and spread."""
    out = np.zeros(weights.shape)
    for i, w in enumerate(weights):
        known = w > 0
        if known.sum() < 2:
            continue
        moments = []
        for x in (pred[i], target[i]):
            mean = np.average(x[known], axis=0, weights=w[known])
            moments.append((mean, np.sqrt(np.average(((x[known] - mean) ** 2).sum(1), weights=w[known]))))
        (pm, ps), (tm, ts) = moments
        out[i] = l1((pred[i] - pm) * ts / ps + tm, target[i], w)
    return out


def absolute_l1(pred: np.ndarray, target: np.ndarray, weights: np.ndarray, damp: float | None) -> np.ndarray:
    """L1 with the z part scaled down beyond `damp`."""
    out = np.zeros(weights.shape)
    for index in np.ndindex(weights.shape):
        if weights[index] > 0:
            d = np.abs(pred[index] - target[index])
            out[index] = (d[0] + d[1] + d[2] * (min(1, damp / target[index][2]) if damp else 1)) / 3
    return out
