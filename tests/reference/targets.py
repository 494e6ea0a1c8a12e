"""Target heatmaps cell by cell, as their definitions read."""

from __future__ import annotations

import math

import numpy as np


def coordinate(i: int, n: int, kind: str) -> float:
    """Where cell i of n is."""
    return {"corner": i / (n - 1), "centre": (2 * i + 1) / n - 1, "index": i / n}[kind]


def step(n: int, kind: str) -> float:
    """Distance of neighbouring cells."""
    return coordinate(1, n, kind) - coordinate(0, n, kind)


def gaussian(mean: np.ndarray, size: tuple[int, int], sigma: float, kind: str) -> np.ndarray:
    """Peak 1."""
    h, w = size
    out = np.zeros(size)
    for row in range(h):
        for column in range(w):
            dx = (coordinate(column, w, kind) - mean[0]) / (sigma * step(w, kind))
            dy = (coordinate(row, h, kind) - mean[1]) / (sigma * step(h, kind))
            out[row, column] = math.exp(-(dx * dx + dy * dy) / 2)
    return out


def segment(a: np.ndarray, b: np.ndarray, size: tuple[int, int], sigma: float, kind: str, power: float) -> np.ndarray:
    """By the three cases: nearest to one end, to the other, to the line between."""
    h, w = size
    cell = np.array([step(w, kind), step(h, kind)])
    out = np.zeros(size)
    for row in range(h):
        for column in range(w):
            p = np.array([coordinate(column, w, kind), coordinate(row, h, kind)]) / cell
            out[row, column] = math.exp(-(_distance(p, a / cell, b / cell) ** power) / (2 * sigma**2))
    return out


def _distance(p: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    if (p - a) @ (b - a) <= 0:
        return float(np.linalg.norm(p - a))
    if (p - b) @ (a - b) <= 0:
        return float(np.linalg.norm(p - b))
    (x, y), (dx, dy) = p - a, (b - a) / np.linalg.norm(b - a)
    return abs(x * dy - y * dx)


def polarity(parent: np.ndarray, child: np.ndarray, states: int = 3) -> int:
    """From the part's angle to the image plane in degrees; positive when the child is closer."""
    angle = math.degrees(math.asin((parent[2] - child[2]) / np.linalg.norm(parent - child)))
    steps = [30, 60] if states == 5 else [30]
    return int(math.copysign(sum(abs(angle) > s for s in steps), angle))


def triplets(
    maps: np.ndarray, parts: list[tuple[int, int]], polarities: np.ndarray, mask: np.ndarray, states: int
) -> np.ndarray:
    """(k, s, h, w) of one sample from its joints' Gaussians."""
    middle = 2 if states == 5 else 1
    out = np.zeros((len(parts), 2 * middle + 1, *maps.shape[1:]))
    for k, (parent, child) in enumerate(parts):
        if not mask[k]:
            continue
        r = int(polarities[k])
        places = [(child, middle + r), (parent, middle - r if states == 2 else middle)]
        for joint, place in places:
            out[k, place] = np.maximum(out[k, place], maps[joint])
    return out


def slab(maps: np.ndarray, z: np.ndarray, valid: np.ndarray, channels: int, half_range: float) -> np.ndarray:
    """Depth volume of one sample."""
    out = np.zeros((channels, *maps.shape[1:]))
    for j in range(len(maps)):
        if valid[j]:
            d = depth_bin(z[j], channels, half_range)
            out[d] = np.maximum(out[d], maps[j])
    return out


def depth_bin(z: float, channels: int, half_range: float) -> int:
    """The bin a depth lies in."""
    return min(max(math.floor((z / half_range + 1) / 2 * channels), 0), channels - 1)


def ordinal(maps: np.ndarray, bins: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Label and mask per pixel of one sample."""
    label, mask = np.zeros(maps.shape[1:], int), np.zeros(maps.shape[1:], bool)
    for row, column in np.ndindex(*maps.shape[1:]):
        order = sorted((-maps[j, row, column], bins[j]) for j in range(len(maps)) if valid[j])
        if order and -order[0][0] >= math.exp(-0.5) * (1 - 1e-5):
            label[row, column], mask[row, column] = order[0][1], True
    return label, mask


def ordinal_loss(logits: np.ndarray, label: np.ndarray, mask: np.ndarray) -> float:
    """Of one sample, channels first."""
    total = 0.0
    for row, column in zip(*np.nonzero(mask)):
        for c in range(len(logits)):
            behind = 1 / (1 + math.exp(-logits[c, row, column]))
            total -= math.log(behind if c < label[row, column] else 1 - behind)
    return total / max(mask.sum(), 1)
