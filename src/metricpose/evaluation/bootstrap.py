"""Confidence intervals of means by resampling images, persons or recordings, because joints of one image err together.

A mean is over everything counted, or of groups: each action or recording is averaged first, and then these averages
without weights, as many papers print them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from metricpose.evaluation.metrics import Scores

ROUNDS, LEVEL = 1000, 0.95


class Interval(NamedTuple):
    """Ends of an interval, and how many units (images or persons) it rests on; NaN for fewer than two."""

    low: float
    high: float
    units: int


def mean_of_groups(scores: Scores, groups: Sequence[str]) -> float:
    """Unweighted mean over groups of each group's mean; groups without anything counted are left out, NaN if all are.

    Args:
        groups: for each row of the scores, what it is averaged with first.
    """
    names, group_of = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    sums, counts = (np.bincount(group_of, x.sum(1).astype(np.float64), len(names)) for x in scores)
    present = counts > 0
    return float(np.mean(sums[present] / counts[present])) if present.any() else float("nan")


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

    def interval(self, scores: Scores, groups: Sequence[str] | None = None) -> Interval:
        """Interval of the mean over everything counted, or of `mean_of_groups`. A NaN that counts makes it NaN.

        Args:
            groups: for each row of the scores, what it is averaged with first. If each group is one unit, the groups
                are what is drawn; else a group none of whose units was drawn is left out of that round's mean.
        """
        group_of = np.zeros(len(self._unit_of), np.int64)
        if groups is not None:
            group_of = np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1]
        sums, counts = (self._per_unit(x.sum(1).astype(np.float64), group_of) for x in scores)
        units = int((counts > 0).any(1).sum())
        if units < 2 or np.isnan(sums).any():
            return Interval(float("nan"), float("nan"), units)
        means = self._drawn_means(sums, counts)
        low, high = np.quantile(means, self._tails)
        return Interval(float(low), float(high), units)

    def _drawn_means(self, sums: Float[np.ndarray, "u g"], counts: Float[np.ndarray, "u g"]) -> Float[np.ndarray, " r"]:
        """The mean of each round that drew anything."""
        drawn = self._draws @ counts
        there = drawn > 0
        weights = self._draws @ (counts > 0) if _one_unit_each(counts > 0) else there.astype(np.float64)
        means = np.divide(self._draws @ sums, drawn, out=np.zeros_like(drawn), where=there)
        total = (means * weights).sum(1)
        some = there.any(1)
        return total[some] / weights[some].sum(1)

    def _per_unit(self, values: Float[np.ndarray, " n"], group_of: Int[np.ndarray, " n"]) -> Float[np.ndarray, "u g"]:
        groups = int(group_of.max(initial=0)) + 1
        flat = np.bincount(self._unit_of * groups + group_of, weights=values, minlength=self._count * groups)
        return flat.reshape(self._count, groups)


def _one_unit_each(held: Bool[np.ndarray, "u g"]) -> bool:
    """Whether no group has rows of two units; with a single group that is so only for a single unit."""
    return bool((held.sum(0) <= 1).all())
