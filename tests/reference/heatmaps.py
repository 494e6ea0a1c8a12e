"""Naive loops over the cells of one heatmap."""

from __future__ import annotations

import itertools
import math

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over all cells of one heatmap of any number of axes."""
    exponentials = np.exp(logits - logits.max())
    return exponentials / exponentials.sum()


def mean(prob: np.ndarray, coords: list[np.ndarray]) -> np.ndarray:
    """Expected coordinates; `coords` in the order of the array's axes."""
    total = np.zeros(prob.ndim)
    for cell in itertools.product(*map(range, prob.shape)):
        total += prob[cell] * np.array([c[i] for c, i in zip(coords, cell)])
    return total


def covariance(prob: np.ndarray, coords: list[np.ndarray]) -> np.ndarray:
    """Covariance of the coordinates, in the order of the array's axes."""
    centre, total = mean(prob, coords), np.zeros((prob.ndim, prob.ndim))
    for cell in itertools.product(*map(range, prob.shape)):
        offset = np.array([c[i] for c, i in zip(coords, cell)]) - centre
        total += prob[cell] * np.outer(offset, offset)
    return total


def corner(n: int) -> np.ndarray:
    """The corner grid."""
    return np.array([i / (n - 1) for i in range(n)])


def cells(side: int, stride: int) -> int:
    """Cells along one axis of a feature map."""
    return math.ceil(side / stride)
