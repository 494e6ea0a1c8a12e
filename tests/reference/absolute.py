"""Slow, obvious twins of metricpose.geometry.absolute: one person at a time, dense least squares in numpy."""

from __future__ import annotations

import numpy as np


def full_perspective(rays: np.ndarray, relative: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Stack both equations of every joint and call lstsq; rows are scaled by the root of the weight."""
    rows, right = [], []
    for (x, y), (dx, dy, dz), w in zip(rays, relative, weights):
        rows += [np.sqrt(w) * np.array([1, 0, -x]), np.sqrt(w) * np.array([0, 1, -y])]
        right += [np.sqrt(w) * (x * dz - dx), np.sqrt(w) * (y * dz - dy)]
    # Millimetres against radians: scale the depth column so that lstsq's rank test is meaningful.
    matrix, scale = np.array(rows), np.array([1.0, 1.0, max(np.abs(rays).max(), 1e-12)])
    return np.linalg.lstsq(matrix / scale, np.array(right), rcond=1e-14)[0] / scale


def weak_perspective(rays: np.ndarray, relative: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """MeTRAbs section 2.3: depth of the mean joint is the ratio of the standard deviations."""
    n, p = rays[inside], relative[inside]
    depth = np.sqrt(((p[:, :2] - p[:, :2].mean(0)) ** 2).sum() / ((n - n.mean(0)) ** 2).sum())
    return np.array([*(n.mean(0) * depth), depth]) - p.mean(0)


def combine(rays: np.ndarray, relative: np.ndarray, t: np.ndarray, view: np.ndarray, mix: float) -> np.ndarray:
    """Joint by joint mixture of the two candidates."""
    result = []
    for (x, y), p, v in zip(rays, relative, view):
        translated = p + t
        back_projected = np.array([x, y, 1.0]) * (p[2] + t[2])
        inside = mix * translated + (1 - mix) * back_projected
        result.append(v * inside + (1 - v) * translated)
    return np.array(result)
