"""Losses of cascaded dimension lifting, cell by cell in plain Python."""

from __future__ import annotations

import itertools
import math

import numpy as np


def distance(cell: np.ndarray, start: np.ndarray, end: np.ndarray) -> float:
    """From a point to a segment."""
    along = end - start
    length = along @ along
    t = 0.0 if length == 0 else min(1.0, max(0.0, (cell - start) @ along / length))
    return math.dist(cell, start + t * along)


def bell(cell: np.ndarray, centre: np.ndarray, sigma: float) -> float:
    """Gaussian of peak 1."""
    return math.exp(-(math.dist(cell, centre) ** 2) / (2 * sigma**2))


def cells(n: int) -> list[tuple[int, int]]:
    """Row and column of every cell of a square map."""
    return list(itertools.product(range(n), range(n)))


def bones(pred: np.ndarray, at: np.ndarray, known: np.ndarray, pairs: list, sigma: float, power: float) -> float:
    """One sample; `at` (J, 2) in cells."""
    total = 0.0
    for b, (i, j) in enumerate(pairs):
        if known[i] and known[j]:
            for y, x in cells(pred.shape[-1]):
                target = math.exp(-(distance(np.array([x, y]), at[i], at[j]) ** power) / (2 * sigma**2))
                total += (pred[b, y, x] - target) ** 2
    return total


def joints(pred: np.ndarray, at: np.ndarray, known: np.ndarray, sigma: float) -> float:
    """One sample."""
    return sum(
        (pred[j, y, x] - bell(np.array([x, y]), at[j], sigma)) ** 2
        for j in range(len(at))
        if known[j]
        for y, x in cells(pred.shape[-1])
    )


def depth_bin(z: float, bins: int, box_mm: float) -> int:
    """Which of the bins a root-relative depth lies in."""
    return min(bins - 1, max(0, math.floor((z / (box_mm / 2) + 1) / 2 * bins)))


def slab(pred: np.ndarray, at: np.ndarray, z: np.ndarray, shown: np.ndarray, sigma: float, box_mm: float) -> float:
    """One sample; nothing is compared if no joint is shown."""
    total = 0.0
    for c in range(len(pred)) if shown.any() else ():
        there = [j for j in range(len(at)) if shown[j] and depth_bin(z[j], len(pred), box_mm) == c]
        for y, x in cells(pred.shape[-1]):
            target = max([bell(np.array([x, y]), at[j], sigma) for j in there], default=0.0)
            total += (pred[c, y, x] - target) ** 2
    return total


def slab_order(
    logits: np.ndarray, at: np.ndarray, z: np.ndarray, shown: np.ndarray, sigma: float, box_mm: float
) -> float:
    """One sample: mean over the pixels within one sigma of a joint."""
    pixels = []
    for y, x in cells(logits.shape[-1]):
        near = [(math.dist((x, y), at[j]), depth_bin(z[j], len(logits), box_mm)) for j in range(len(at)) if shown[j]]
        if not near or min(near)[0] > sigma:
            continue
        label = min(near)[1]
        likelihood = 0.0
        for c in range(len(logits)):
            p = 1 / (1 + math.exp(-logits[c, y, x]))
            likelihood += math.log(p) if c < label else math.log(1 - p)
        pixels.append(-likelihood)
    return float(np.mean(pixels)) if pixels else 0.0


def lifter(state: dict[str, np.ndarray], points: np.ndarray, blocks: int) -> np.ndarray:
    """Pose of one sample in evaluation mode, layer by layer, millimetres."""

    def layer(name: str, x: np.ndarray) -> np.ndarray:
        y = state[f"{name}.0.weight"] @ x + state[f"{name}.0.bias"]
        spread = np.sqrt(state[f"{name}.1.running_var"] + 1e-5)
        y = (y - state[f"{name}.1.running_mean"]) / spread * state[f"{name}.1.weight"] + state[f"{name}.1.bias"]
        return np.maximum(y, 0.0)

    x = layer("first", points)
    for i in range(blocks):
        x = x + layer(f"blocks.{i}.second", layer(f"blocks.{i}.first", x))
    return 1000 * (state["last.weight"] @ x + state["last.bias"]).reshape(-1, 3)
