"""Mean and covariance of heatmaps straight from their logits: the one place that chooses how they are computed.

`expectation` is the soft-argmax of every method. With gradients, while a graph is traced or exported, on a GPU and in
float64 it is `decode.softmax_nd`, then `decode.soft_argmax`. On a CPU without gradients it is the kernel of `fused`,
which reads the logits once, in the order in which they lie in memory, and finds the covariance on the way. Both agree
to 1e-5 of a cell; what a model does not see is which of them it was.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, reduce
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from metricpose.heatmap.decode import covariance, memory_order, soft_argmax, softmax_nd
from metricpose.heatmap.grid import GridKind, cell_centres

FEWEST = 1 << 16
"""Logits for which the kernel is worth its while: a single crop's coarse heatmaps take torch 0.1 ms, and loading numba
and the kernel from its cache takes half a second, once in a process."""
_PARALLEL = 1 << 22  # logits from which threads are worth starting
_AXES = 3


class Moments(NamedTuple):
    """Means and covariance of k coordinates; the covariance is None where it does not come for nothing."""

    mean: Float[Tensor, "*b k"]
    covariance: Float[Tensor, "*b k k"] | None


def expectation(logits: Float[Tensor, "*shape"], dims: Sequence[int], grid: GridKind) -> Moments:
    """Expected coordinates of the softmax over the axes `dims` together, and their covariance if that costs nothing.

    Args:
        logits: any floating type; results are float32 (float64 of float64).
        dims: at most 3 axes, for example (-1, -2, -3) for x, y, z of (b, J, D, h, w).
        grid: where the cells are (`grid.cell_centres`).
    """
    if _fusable(logits, dims):
        return _fused(logits, dims, grid)
    return Moments(soft_argmax(softmax_nd(logits, dims), dims, _coordinates(logits, dims, grid)), None)


def probabilities(
    logits: Float[Tensor, "*shape"], dims: tuple[int, int], grid: GridKind
) -> tuple[Float[Tensor, "*shape"], Moments]:
    """The softmax over two axes, for networks that go on with it, and what `expectation` finds of it."""
    if _fusable(logits, dims) and [d % logits.ndim for d in dims] == [logits.ndim - 1, logits.ndim - 2]:
        logits = logits.contiguous()
        prob = torch.empty_like(logits, dtype=torch.float32)
        return prob, _fused(logits, dims, grid, prob.flatten(-2).flatten(0, -2).numpy())
    prob = softmax_nd(logits, dims)
    return prob, Moments(soft_argmax(prob, dims, _coordinates(logits, dims, grid)), None)


def spread(logits: Float[Tensor, "*shape"], dims: Sequence[int], grid: GridKind) -> Float[Tensor, "*b k k"]:
    """Covariance of the coordinates; arguments as `expectation`."""
    if _fusable(logits, dims):
        found = _fused(logits, dims, grid).covariance
        assert found is not None
        return found
    return covariance(softmax_nd(logits, dims), dims, _coordinates(logits, dims, grid))


def _coordinates(logits: Tensor, dims: Sequence[int], grid: GridKind) -> list[Tensor]:
    return [cell_centres(logits.shape[d], grid, device=logits.device) for d in dims]


def _fusable(logits: Tensor, dims: Sequence[int]) -> bool:
    """Whether the kernel may be used: only on real numbers in memory that nobody traces or differentiates."""
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return False
    plain = type(logits) is Tensor and logits.device.type == "cpu" and logits.dtype != torch.float64
    wanted = torch.is_grad_enabled() and logits.requires_grad
    return plain and not wanted and logits.numel() >= FEWEST and 1 <= len(dims) <= _AXES


def _fused(
    logits: Tensor, dims: Sequence[int], grid: GridKind, prob: Float[np.ndarray, "n cells"] | None = None
) -> Moments:
    order = memory_order(logits, dims)
    axes = [dims[i] % logits.ndim for i in order]
    ahead = [d for d in range(logits.ndim) if d not in axes]
    moved = _whole_rows(logits.detach().permute(*ahead, *axes), len(axes))
    shape, strides = moved.shape[: len(ahead)], moved.stride()[: len(ahead)]
    sizes = (1,) * (_AXES - len(axes)) + tuple(moved.shape[len(ahead) :])
    step = moved.stride(len(ahead)) if len(axes) == _AXES else 0
    mean, spread = _run(_flat(moved), _starts(tuple(shape), tuple(strides)), step, sizes, grid, prob)
    places = [_AXES - len(axes) + order.index(i) for i in range(len(axes))]
    return Moments(
        torch.from_numpy(mean[:, places]).float().view(*shape, len(axes)),
        torch.from_numpy(spread[:, places][:, :, places]).float().view(*shape, len(axes), len(axes)),
    )


def _whole_rows(moved: Tensor, k: int) -> Tensor:
    """The same tensor if its last two axes lie together in memory and its type has a kernel, else a copy."""
    if moved.dtype not in (torch.float32, torch.bfloat16):
        moved = moved.float()
    rows = moved.stride(-1) == 1 and (k == 1 or moved.stride(-2) == moved.shape[-1])
    return moved if rows else moved.contiguous()


def _flat(moved: Tensor) -> np.ndarray:
    """The memory it lies in, without a copy."""
    span = 1 + sum((n - 1) * step for n, step in zip(moved.shape, moved.stride(), strict=True))
    line = moved.as_strided((span,), (1,))
    return line.view(torch.int16).numpy().view(np.uint16) if line.dtype == torch.bfloat16 else line.numpy()


@lru_cache(maxsize=64)
def _starts(shape: tuple[int, ...], strides: tuple[int, ...]) -> Int[np.ndarray, " n"]:
    """Where each heatmap begins."""
    offsets = [np.arange(n) * step for n, step in zip(shape, strides, strict=True)]
    return np.ravel(reduce(np.add.outer, offsets, np.zeros((), np.int64)))


@lru_cache(maxsize=64)
def _centres(n: int, grid: GridKind) -> Float[np.ndarray, " n"]:
    return cell_centres(n, grid, dtype=torch.float64).numpy()


@lru_cache(maxsize=1)
def _kernel() -> Any:
    """Loaded on first use: a short command line does without numba."""
    return importlib.import_module("metricpose.heatmap.fused")


def _run(
    flat: np.ndarray,
    starts: Int[np.ndarray, " n"],
    step: int,
    sizes: tuple[int, ...],
    grid: GridKind,
    prob: Float[np.ndarray, "n cells"] | None,
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3 3"]]:
    """The kernel on all heatmaps, in as many threads as torch uses if there is enough to do."""
    fused, centres = _kernel(), [_centres(n, grid) for n in sizes]
    mean, spread = np.empty((len(starts), _AXES)), np.empty((len(starts), _AXES, _AXES))
    prob = np.empty((len(starts), 0), np.float32) if prob is None else prob

    def work(part: slice) -> None:
        scratch = torch.empty(fused.scratch_size(*sizes)).numpy()  # torch aligns to whole cache lines, numpy does not
        fused.moments_kernel(flat, starts[part], step, *centres, scratch, mean[part], spread[part], prob[part])

    threads = min(torch.get_num_threads(), len(starts))
    if threads <= 1 or len(starts) * sizes[0] * sizes[1] * sizes[2] < _PARALLEL:
        work(slice(0, len(starts)))
        return mean, spread
    bounds = [len(starts) * i // threads for i in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, (slice(a, b) for a, b in pairwise(bounds))))
    return mean, spread
