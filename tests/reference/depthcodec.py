"""Normalised crop coordinates of one point, and reference depths by search."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize_scalar


def projective(point: np.ndarray, K: np.ndarray, size: tuple[int, int], z_ref: float) -> np.ndarray:
    """By angles: z_n is 1 - z_ref / Z over the tangent of half the angle whose tangent is the crop's relative width."""
    x, y, w = K @ point
    u = ((x / w + 0.5) / size[0] - 0.5) * 2
    v = ((y / w + 0.5) / size[1] - 0.5) * 2
    side = z_ref * max(size[0] / K[0, 0], size[1] / K[1, 1])
    return np.array([u, v, (1 - z_ref / point[2]) / math.tan(math.atan2(side, z_ref) / 2)])


def search(cost, low: float, high: float) -> float:
    """Where a function of the depth is least."""
    return float(minimize_scalar(cost, bounds=(low, high), method="bounded", options={"xatol": 1e-9}).x)
