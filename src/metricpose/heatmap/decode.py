"""From heatmap logits to probabilities, expectations (soft-argmax), marginals and covariances, step by step in torch.

What decodes heatmaps without gradients uses `moments`, which goes from the logits to means and covariances at once. All
of it here is memory-bound, so the volume is touched as little as possible: once for the softmax, twice for the means of
all axes, three times for the full covariance. The rest works on the small marginals. The volume's axes are taken in the
order in which they lie in memory, whatever order they are named in: copies and sums then go along whole rows (ten times
faster for 64^3 cells of a channels-last network on a CPU). Everything is computed in float32 (float64 stays float64),
under autocast too: no operation here is one that autocast lowers.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def full_precision(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The tensor in float32, or as it is if it is float64."""
    return x if x.dtype == torch.float64 else x.float()


def softmax_nd(logits: Float[Tensor, "*shape"], dims: Sequence[int]) -> Float[Tensor, "*shape"]:
    """Softmax over all cells of the axes `dims` together; float32 or float64, the maximum subtracted first."""
    axes = tuple(dims[i] % logits.ndim for i in memory_order(logits, dims))
    last = tuple(range(-len(axes), 0))
    moved = full_precision(logits).movedim(axes, last)
    prob = moved.flatten(-len(axes)).softmax(-1).view(moved.shape)
    return prob.movedim(last, axes)


def marginal(prob: Float[Tensor, " ..."], dims: Sequence[int], keep: Sequence[int]) -> Float[Tensor, " ..."]:
    """Sum over those of the heatmap's axes `dims` that are not in `keep`."""
    positions = {d % prob.ndim for d in keep}
    gone = [d for d in dims if d % prob.ndim not in positions]
    return prob.sum(gone) if gone else prob


def marginals_1d(prob: Float[Tensor, " ..."], dims: Sequence[int]) -> list[Float[Tensor, " ..."]]:
    """One marginal per axis of `dims`, in that order, each with the cells as its last axis.

    The whole heatmap is read twice, however many axes it has.
    """
    order = memory_order(prob, dims)[::-1]
    innermost_first = tuple(range(-1, -len(dims) - 1, -1))
    found = _marginals_of_last(prob.movedim([dims[i] for i in order], innermost_first), len(dims))
    return [found[order.index(i)] for i in range(len(dims))]


def memory_order(x: Float[Tensor, " ..."], dims: Sequence[int]) -> list[int]:
    """Places in `dims`, the axis with the largest steps in memory first."""
    return sorted(range(len(dims)), key=lambda i: -x.stride(dims[i]))


def _marginals_of_last(prob: Float[Tensor, " ..."], k: int) -> list[Float[Tensor, " ..."]]:
    """Marginals of axes -1, -2, ... -k."""
    if k == 1:
        return [prob]
    innermost = prob.sum(-2)
    for _ in range(k - 2):
        innermost = innermost.sum(-2)
    return [innermost, *_marginals_of_last(prob.sum(-1), k - 1)]


def soft_argmax(
    prob: Float[Tensor, " ..."], dims: Sequence[int], coords: Sequence[Float[Tensor, " _"]]
) -> Float[Tensor, "... k"]:
    """Expected coordinates of a probability map: one value per axis of `dims`, in that order, on a new last axis.

    Args:
        prob: sums to 1 over `dims`.
        dims: axes of the heatmap, for example (-1, -2, -3) for x, y, z of (b, J, D, h, w).
        coords: for each of `dims`, the coordinates of its cells (`grid.cell_centres`).
    """
    means = [(m * c.to(m)).sum(-1) for m, c in zip(marginals_1d(prob, dims), coords, strict=True)]
    return torch.stack(means, -1)


def covariance(
    prob: Float[Tensor, " ..."], dims: Sequence[int], coords: Sequence[Float[Tensor, " _"]]
) -> Float[Tensor, "... k k"]:
    """Covariance matrix of a 2D or 3D probability map in the units of `coords`, squared; arguments as `soft_argmax`.

    Computed around the mean from the marginals of each pair of axes, so a sharp heatmap keeps its small variance.
    """
    k, order = len(dims), memory_order(prob, dims)
    prob = prob.movedim([dims[i] for i in order], tuple(range(-k, 0)))
    axes = range(-k, 0)
    # Each pair marginal also yields the single ones: a chain of pairs covers every axis.
    pairs = {(i, j): marginal(prob, axes, (i - k, j - k)) for i in range(k) for j in range(i + 1, k)}
    singles = [pairs[i, i + 1].sum(-1) if i + 1 < k else pairs[i - 1, i].sum(-2) for i in range(k)] if pairs else [prob]
    offsets = [_offsets(m, coords[i].to(m)) for m, i in zip(singles, order, strict=True)]
    places = [order.index(i) for i in range(k)]
    rows = [[_moment(i, j, pairs, singles, offsets) for j in places] for i in places]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def _offsets(single: Float[Tensor, "... n"], coords: Float[Tensor, " n"]) -> Float[Tensor, "... n"]:
    return coords - (single * coords).sum(-1, keepdim=True)


def _moment(
    i: int, j: int, pairs: dict[tuple[int, int], Tensor], singles: list[Tensor], offsets: list[Tensor]
) -> Float[Tensor, " ..."]:
    if i == j:
        return (singles[i] * offsets[i].square()).sum(-1)
    low, high = min(i, j), max(i, j)
    inner = (pairs[low, high] * offsets[high].unsqueeze(-2)).sum(-1)
    return (inner * offsets[low]).sum(-1)
