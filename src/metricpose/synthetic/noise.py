"""Smooth, tileable noise: one fixed table and the numba look-ups that kernels share."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import no_type_check

import numpy as np
from jaxtyping import Float32

from metricpose.synthetic.kernel import kernel

_SIDE = 32


@lru_cache(maxsize=1)
def noise_table() -> Float32[np.ndarray, "32 32 32 3"]:
    """Three channels of three octaves of value noise, zero mean, standard deviation 0.35; the same on every machine."""
    rng = np.random.default_rng(1)
    table = np.zeros((_SIDE, _SIDE, _SIDE, 3))
    for frequency, amplitude in ((4, 1.0), (8, 0.6), (16, 0.35)):
        table += amplitude * _upsampled(rng.normal(size=(frequency, frequency, frequency, 3)))
    table = (table - table.mean()) * (0.35 / table.std())
    table = np.ascontiguousarray(table, np.float32)
    table.setflags(write=False)
    return table


def _upsampled(grid: np.ndarray) -> np.ndarray:
    """Periodic interpolation with smoothstep weights along the first three axes."""
    n = len(grid)
    position = np.arange(_SIDE) * n / _SIDE
    low = np.floor(position).astype(int)
    t = position - low
    t = t * t * (3 - 2 * t)
    for axis in range(3):
        weight = t.reshape([-1 if k == axis else 1 for k in range(4)])
        grid = np.take(grid, low % n, axis) * (1 - weight) + np.take(grid, (low + 1) % n, axis) * weight
    return grid


@kernel
@no_type_check
def noise3(table, x, y, z):
    """Three noise values at a point; period 1 along each axis (trilinear)."""
    x, y, z = x * 32, y * 32, z * 32
    bx, by, bz = math.floor(x), math.floor(y), math.floor(z)
    fx, fy, fz = x - bx, y - by, z - bz
    i, j, k = int(bx) & 31, int(by) & 31, int(bz) & 31
    i1, j1, k1 = (i + 1) & 31, (j + 1) & 31, (k + 1) & 31
    w00, w10 = (1 - fx) * (1 - fy) * (1 - fz), fx * (1 - fy) * (1 - fz)
    w01, w11 = (1 - fx) * fy * (1 - fz), fx * fy * (1 - fz)
    v00, v10 = (1 - fx) * (1 - fy) * fz, fx * (1 - fy) * fz
    v01, v11 = (1 - fx) * fy * fz, fx * fy * fz
    r = g = b = 0.0
    for di, dj, dk, w in (
        (i, j, k, w00), (i1, j, k, w10), (i, j1, k, w01), (i1, j1, k, w11),
        (i, j, k1, v00), (i1, j, k1, v10), (i, j1, k1, v01), (i1, j1, k1, v11),
    ):  # fmt: skip
        r += w * table[di, dj, dk, 0]
        g += w * table[di, dj, dk, 1]
        b += w * table[di, dj, dk, 2]
    return r, g, b


@kernel
@no_type_check
def noise2(table, x, y, layer, channel):
    """One noise value at a point of a layer; period 1 (bilinear)."""
    x, y = x * 32, y * 32
    bx, by = math.floor(x), math.floor(y)
    fx, fy = x - bx, y - by
    i, j = int(bx) & 31, int(by) & 31
    i1, j1 = (i + 1) & 31, (j + 1) & 31
    top = table[layer, j, i, channel] * (1 - fx) + table[layer, j, i1, channel] * fx
    bottom = table[layer, j1, i, channel] * (1 - fx) + table[layer, j1, i1, channel] * fx
    return top * (1 - fy) + bottom * fy
