"""Root depth from bone lengths by scipy's least squares, one person at a time."""

from __future__ import annotations

import numpy as np
from scipy.optimize import least_squares


def root_depth(rays, depths, edges, lengths, weights, start: float) -> float:
    """The root depth at which the bones fit best."""
    points = np.concatenate([rays, np.ones((len(rays), 1))], 1)

    def residuals(z: np.ndarray) -> list[float]:
        joints = points * (depths + z)[:, None]
        bones = [np.linalg.norm(joints[i] - joints[j]) for i, j in edges]
        return [np.sqrt(w) * (b - length) for b, length, w in zip(bones, lengths, weights) if w > 0]

    return least_squares(residuals, [start], x_scale=1000.0, xtol=1e-14, ftol=1e-14, gtol=1e-14).x[0]
