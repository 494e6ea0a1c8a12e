"""Confidence intervals of means by resampling whole images or persons, because joints of one image err together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from metricpose.evaluation.metrics import Scores

ROUNDS, LEVEL = 1000, 0.95


class Interval(NamedTuple):
    """Ends of an interval, and how many units (images or persons) it rests on; NaN for fewer than two."""

    low: float
    high: float
    units: int


class Resampler:
    """Draws units with replacement once and applies the same draws to every measure (percentile bootstrap, Efron 1979).

    Args:
        units: for each row of the scores, what it belongs to; rows of one unit are always drawn together.
        seed: of the draws. Equal seed and units give equal intervals.
        rounds: resampled sets.
        level: share of the resampled means that the interval holds.
    """

    def __init__(self, units: Sequence[str], seed: int = 0, rounds: int = ROUNDS, level: float = LEVEL) -> None:
        names, self._unit_of = np.unique(np.asarray(units, dtype=str), return_inverse=True)
        self._count = len(names)
        rng = np.random.default_rng(seed)
        share = np.full(self._count, 1.0 / max(self._count, 1))
        self._draws = rng.multinomial(self._count, share, rounds).astype(np.float64)
        self._tails = (1.0 - level) / 2.0, (1.0 + level) / 2.0

    def interval(self, scores: Scores) -> Interval:
        """Interval of the mean over everything counted. A NaN that counts makes it NaN."""
        sums, counts = (self._per_unit(x.sum(1).astype(np.float64)) for x in scores)
        units = int((counts > 0).sum())
        if units < 2 or np.isnan(sums).any():
            return Interval(float("nan"), float("nan"), units)
        drawn = self._draws @ counts
        means = (self._draws @ sums)[drawn > 0] / drawn[drawn > 0]
        low, high = np.quantile(means, self._tails)
        return Interval(float(low), float(high), units)

    def _per_unit(self, values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " u"]:
        return np.bincount(self._unit_of, weights=values, minlength=self._count)
