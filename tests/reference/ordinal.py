"""Ordinal depth labels and their loss pair by pair in plain Python."""

from __future__ import annotations

import itertools
import math

import numpy as np


def order_of(z: np.ndarray, threshold: float) -> np.ndarray:
    """+1 where the second joint of a pair is closer by more than the threshold, -1 farther, 0 else."""
    labels = []
    for a, b in itertools.combinations(range(len(z)), 2):
        difference = z[a] - z[b]
        labels.append(0.0 if abs(difference) <= threshold else math.copysign(1.0, difference))
    return np.array(labels)


def ranking_loss(z: np.ndarray, order: np.ndarray, weights: np.ndarray, scale: float) -> np.ndarray:
    """Loss of every pair of one person; 0 for pairs of weight 0."""
    out = []
    for (a, b), label, weight in zip(itertools.combinations(range(len(z)), 2), order, weights):
        d = (z[a] - z[b]) / scale
        if weight <= 0:
            out.append(0.0)
        elif label == 0:
            out.append(scale * d * d)
        else:
            out.append(scale * math.log1p(math.exp(-label * d)))
    return np.array(out)
