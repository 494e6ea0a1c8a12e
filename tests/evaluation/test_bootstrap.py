"""Bootstrap intervals: coverage against theory, whole units, seeds, and honest NaN."""

from __future__ import annotations

import numpy as np
import pytest

from metricpose.evaluation.bootstrap import Resampler
from metricpose.evaluation.metrics import Scores


def scores(values: np.ndarray) -> Scores:
    return Scores(values, np.ones(values.shape, bool))


def names(n: int) -> list[str]:
    return [f"image {i}" for i in range(n)]


def test_interval_equals_the_standard_error_of_the_mean() -> None:
    values = np.random.default_rng(0).normal(100, 20, (400, 1))
    low, high, units = Resampler(names(400), rounds=4000).interval(scores(values))
    half = 1.96 * values.std() / np.sqrt(400)
    assert units == 400
    assert low == pytest.approx(values.mean() - half, abs=0.12 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.12 * half)


def test_rows_of_one_image_are_drawn_together() -> None:
    values = np.random.default_rng(1).normal(100, 20, (100, 1))
    many = np.repeat(values, 9, axis=0)
    once = Resampler(names(100)).interval(scores(values))
    together = Resampler(list(np.repeat(names(100), 9))).interval(scores(many))
    apart = Resampler(names(900)).interval(scores(many))
    assert together.units == 100
    assert together.high - together.low == pytest.approx(once.high - once.low, rel=1e-9)
    assert apart.high - apart.low < 0.5 * (once.high - once.low)


def test_units_with_more_joints_weigh_more() -> None:
    value = np.array([[10.0, 10, 10], [40, 0, 0]])
    counted = np.array([[True, True, True], [True, False, False]])
    low, high, _ = Resampler(names(2)).interval(Scores(value, counted))
    assert (low, high) == (10.0, 40.0)  # both drawn twice happens in a quarter of the rounds each
    fine = Resampler(names(2), level=0.2).interval(Scores(value, counted))
    assert fine.low == fine.high == pytest.approx(70 / 4)


def test_seed_decides() -> None:
    values = scores(np.random.default_rng(2).normal(size=(30, 4)))
    assert Resampler(names(30), seed=3).interval(values) == Resampler(names(30), seed=3).interval(values)
    assert Resampler(names(30), seed=3).interval(values) != Resampler(names(30), seed=4).interval(values)


def test_one_unit_or_a_nan_gives_no_interval() -> None:
    alone = Resampler(["a", "a", "a"]).interval(scores(np.arange(6.0).reshape(3, 2)))
    assert np.isnan(alone.low)
    assert alone.units == 1
    spoilt = Resampler(names(3)).interval(scores(np.array([[1.0], [np.nan], [2.0]])))
    assert np.isnan(spoilt.low)
    assert np.isnan(spoilt.high)


def test_units_that_count_nothing_are_left_out() -> None:
    counted = np.array([[True], [True], [False], [False], [False]])
    low, high, units = Resampler(names(5)).interval(Scores(np.array([[1.0], [3], [0], [0], [0]]), counted))
    assert units == 2
    assert (low, high) == (1.0, 3.0)
