"""Levels and differences of rows with intervals that hold both test people and trainings.

A result on n test images by k trainings is uncertain in two ways: other people would give another mean (bootstrap
over images, drawn alike for both rows of a difference, because they err on the same images together), and another
seed would give another network (standard deviation s of a row's trainings). Few trainings tell little about s, so it
is pooled over all rows trained more than once, and enters with the quantile of Student's t for its degrees of
freedom::

    half width^2 = (bootstrap half width)^2 + t^2 s^2 / k                    of a level
                   (bootstrap half width)^2 + t^2 s^2 (1 / k_a + 1 / k_b)    of a difference
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from metricpose.benchmark.results import Errors, Result, test_of
from metricpose.errors import InputError

ROUNDS, LEVEL, SEED = 2000, 0.95, 0
Results = Mapping[str, Sequence[Result]]

_T = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.10, 2.09,
      2.09, 2.08, 2.07, 2.07, 2.06, 2.06, 2.06, 2.05, 2.05, 2.05, 2.04)  # fmt: skip
"""97.5 % quantiles of Student's t for 1 ... 30 degrees of freedom."""
_NORMAL = 1.96


class Spread(NamedTuple):
    """Standard deviation between trainings of one row, and the degrees of freedom it rests on (0: unknown)."""

    deviation: float
    freedom: int

    def reach(self, share: float) -> float:
        """Half width for a mean whose variance is `share` times the squared deviation."""
        if not self.freedom:
            return 0.0
        t = _T[self.freedom - 1] if self.freedom <= len(_T) else _NORMAL
        return t * self.deviation * math.sqrt(share)


class Estimate(NamedTuple):
    """A number with its interval; `trainings` per row that went into it."""

    value: float
    low: float
    high: float
    trainings: tuple[int, ...]

    @property
    def known(self) -> bool:
        """Whether there is a number."""
        return math.isfinite(self.value)


NOTHING = Estimate(math.nan, math.nan, math.nan, ())


def level(results: Results, row: str, key: str) -> Estimate:
    """Mean of a measure over a row's trainings and all test images; NaN if it was not measured."""
    found = _with(results, row, key)
    if not found:
        return NOTHING
    drawn, value = _drawn_means(found, key), _mean(found, key)
    return _estimate(value, drawn, spread(results, key).reach(1 / len(found)), (len(found),))


def difference(results: Results, before: str, after: str, key: str) -> Estimate:
    """`after` minus `before`, paired over test images; NaN if either was not measured.

    Raises:
        InputError: they were measured on different people.
    """
    a, b = _with(results, before, key), _with(results, after, key)
    if not a or not b:
        return NOTHING
    _check_same_people([*a, *b], key)
    reach = spread(results, key).reach(_trainings_share(a, b))
    return _estimate(
        _mean(b, key) - _mean(a, key), _drawn_means(b, key) - _drawn_means(a, key), reach, (len(a), len(b))
    )


def spread(results: Results, key: str) -> Spread:
    """Pooled over all rows trained more than once; of several measurements of the same weights the first counts."""
    squares, freedom, seen = 0.0, 0, set[tuple[str, int]]()
    for row in results:
        found = [r for r in _with(results, row, key) if _weights(r) not in seen]
        seen |= {_weights(r) for r in found}
        if len(found) < 2:
            continue
        means = np.array([r.errors[key].mean for r in found])
        squares += float(((means - means.mean()) ** 2).sum())
        freedom += len(means) - 1
    return Spread(math.sqrt(squares / freedom) if freedom else 0.0, freedom)


def _trainings_share(a: Sequence[Result], b: Sequence[Result]) -> float:
    """Two measurements of the same weights differ by no training."""
    if {_weights(r) for r in a} == {_weights(r) for r in b}:
        return 0.0
    return 1 / len(a) + 1 / len(b)


def _weights(result: Result) -> tuple[str, int]:
    return str(result.settings.get("trained")), result.seed


def _with(results: Results, row: str, key: str) -> list[Result]:
    return [r for r in results.get(row, ()) if key in r.errors]


def _mean(results: Sequence[Result], key: str) -> float:
    return float(np.mean([r.errors[key].mean for r in results]))


def _drawn_means(results: Sequence[Result], key: str) -> Float[np.ndarray, " r"]:
    """Means of resampled test images, averaged over trainings; equal draws for equal numbers of images."""
    return np.mean([_resampled(r.errors[key]) for r in results], axis=0)


def _resampled(errors: Errors) -> Float[np.ndarray, " r"]:
    count = len(errors.sums)
    draws = np.random.default_rng(SEED).multinomial(count, np.full(count, 1 / count), ROUNDS).astype(np.float64)
    counts = draws @ errors.counts
    return np.where(counts > 0, draws @ errors.sums / np.maximum(counts, 1), np.nan)


def _estimate(value: float, drawn: Float[np.ndarray, " r"], reach: float, trainings: tuple[int, ...]) -> Estimate:
    if not math.isfinite(value):
        return NOTHING
    low, high = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(
        value, value - math.hypot(value - float(low), reach), value + math.hypot(float(high) - value, reach), trainings
    )


def _check_same_people(results: Sequence[Result], key: str) -> None:
    seen = {r.units.get(test_of(key), "") for r in results}
    if len(seen) > 1:
        names = ", ".join(sorted({r.name for r in results}))
        raise InputError(
            f"{key}: {names} were measured on different people; measure them again with one --data and --size"
        )
