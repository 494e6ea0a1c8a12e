"""How much probability heatmaps differ from target heatmaps: the regularisers of DSNT and MargiPose.

Everything is float32 (float64 stays float64), under autocast too: the 1e-24 in the logarithms is 0 in half precision.
Values are per map, unreduced; `losses.masked_mean` reduces them. A target that is zero everywhere (no label, or far
outside the grid) gives finite values and gradients, but no useful ones: such joints are to be masked.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from metricpose.heatmap.decode import full_precision, marginals_1d

LOG_EPS = 1e-24
"""Added to every probability inside a logarithm (DSNT, MargiPose)."""


def jensen_shannon(
    p: Float[Tensor, "*shape"], q: Float[Tensor, "*shape"], dims: Sequence[int]
) -> Float[Tensor, " ..."]:
    """Jensen-Shannon divergence over the axes `dims`, in nats: 0 for equal maps, at most ln 2 (up to rounding).

    ``(KL(p || m) + KL(q || m)) / 2`` with ``m = (p + q) / 2`` (MargiPose, Eq. 4; DSNT). Symmetric; finite gradients at
    exact zeros. Against a map that is zero everywhere it is (ln 2) / 2.
    """
    p, q = full_precision(p), full_precision(q)
    middle = (p + q) / 2 + LOG_EPS
    # One logarithm of a ratio within [0, 2] is more exact than a difference of two.
    cells = p * ((p + LOG_EPS) / middle).log() + q * ((q + LOG_EPS) / middle).log()
    return cells.sum(tuple(dims)) / 2


def kullback_leibler(
    p: Float[Tensor, "*shape"], q: Float[Tensor, "*shape"], dims: Sequence[int]
) -> Float[Tensor, " ..."]:
    """``KL(p || q) = sum p (log p - log q)`` over the axes `dims`, in nats; at most about 55 where q is zero (DSNT)."""
    p, q = full_precision(p), full_precision(q)
    return (p * ((p + LOG_EPS).log() - (q + LOG_EPS).log())).sum(tuple(dims))


def variance_penalty(
    prob: Float[Tensor, " ..."],
    dims: Sequence[int],
    coords: Sequence[Float[Tensor, " _"]],
    sigmas: Sequence[float],
) -> Float[Tensor, " ..."]:
    """Squared difference between each axis's variance and the wanted one, summed over the axes (DSNT, Eq. 10).

    Args:
        prob: sums to 1 over `dims`.
        dims: axes of the heatmap, for example (-1, -2) for x, y.
        coords: for each of `dims`, the coordinates of its cells (`grid.cell_centres`).
        sigmas: for each of `dims`, the standard deviation wanted, in the unit of its coordinates.
    """
    marginals = marginals_1d(full_precision(prob), dims)
    terms = [(_variance(m, c.to(m)) - sigma**2).square() for m, c, sigma in zip(marginals, coords, sigmas, strict=True)]
    return torch.stack(terms).sum(0)


def _variance(single: Float[Tensor, "... n"], coords: Float[Tensor, " n"]) -> Float[Tensor, " ..."]:
    """Around the mean, so that a sharp map keeps its small variance."""
    offset = coords - (single * coords).sum(-1, keepdim=True)
    return (single * offset.square()).sum(-1)
