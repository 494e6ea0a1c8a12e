"""Procrustes alignment by numerical minimisation: slow, and with nothing in common with the closed form."""

from __future__ import annotations

import numpy as np
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation


def fit(source: np.ndarray, target: np.ndarray, weights: np.ndarray, kind: str) -> np.ndarray:
    """The aligned source points of the best of several starts."""

    def move(x: np.ndarray) -> np.ndarray:
        rotation = Rotation.from_rotvec(x[:3]).as_matrix() if kind in ("rigid", "similarity") else np.eye(3)
        scale = np.exp(x[3]) if kind in ("scale", "similarity") else 1.0
        shift = np.zeros(3) if kind == "scale" else x[4:]
        return scale * source @ rotation.T + shift

    def residuals(x: np.ndarray) -> np.ndarray:
        return (np.sqrt(weights)[:, None] * (move(x) - target)).ravel()

    starts = [np.concatenate([r, np.zeros(4)]) for r in np.random.default_rng(0).normal(0, 1.5, (6, 3))]
    solutions = [least_squares(residuals, x, xtol=1e-14, ftol=1e-14, gtol=1e-14) for x in starts]
    return move(min(solutions, key=lambda s: s.cost).x)
