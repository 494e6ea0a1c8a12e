"""Mean and covariance of many heatmaps in float64, one after the other."""

from __future__ import annotations

import numpy as np


def centres(n: int, kind: str) -> np.ndarray:
    """Where the cells of one axis are."""
    cells = np.arange(n, dtype=np.float64)
    if kind == "corner":
        return cells / (n - 1) if n > 1 else cells + 0.5
    return (2 * cells + 1) / n - 1 if kind == "centre" else cells / n


def moments(logits: np.ndarray, k: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Means (..., k) and covariances (..., k, k) of the last k axes, last axis first; NaN where a softmax is none."""
    lead, sizes = logits.shape[: logits.ndim - k], logits.shape[logits.ndim - k :]
    places = np.stack(np.meshgrid(*(centres(n, kind) for n in sizes), indexing="ij"), -1).reshape(-1, k)[:, ::-1]
    mean, spread = np.empty((*lead, k)), np.empty((*lead, k, k))
    for index in np.ndindex(*lead):
        found = logits[index].astype(np.float64).ravel()
        with np.errstate(invalid="ignore"):
            weights = np.exp(found - found.max())
        weights /= weights.sum()
        mean[index] = weights @ places
        offsets = places - mean[index]
        spread[index] = (offsets * weights[:, None]).T @ offsets
    return mean, spread
