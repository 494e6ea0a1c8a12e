"""Convolution from its definition, with TensorFlow SAME padding, in numpy."""

from __future__ import annotations

import numpy as np


def conv2d_same(x: np.ndarray, weight: np.ndarray, stride: int, groups: int = 1) -> np.ndarray:
    """x (c, h, w), weight (d, c / groups, k, k) -> (d, ceil(h / stride), ceil(w / stride))."""
    kernel = weight.shape[2]
    sizes = [-(-n // stride) for n in x.shape[1:]]
    totals = [max((m - 1) * stride + kernel - n, 0) for m, n in zip(sizes, x.shape[1:])]
    x = np.pad(x, [(0, 0)] + [(total // 2, total - total // 2) for total in totals])
    grouped = weight.reshape(groups, -1, *weight.shape[1:])
    out = np.zeros((groups, grouped.shape[1], *sizes))
    for row in range(sizes[0]):
        for column in range(sizes[1]):
            top, left = row * stride, column * stride
            window = x[:, top : top + kernel, left : left + kernel].reshape(groups, -1, kernel, kernel)
            out[:, :, row, column] = np.einsum("gdckl,gckl->gd", grouped, window)
    return out.reshape(-1, *sizes)
