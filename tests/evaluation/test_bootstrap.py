"""Bootstrap intervals: coverage against theory, whole units, seeds, and honest NaN."""

from __future__ import annotations

import numpy as np
import pytest

from metricpose.evaluation.bootstrap import Resampler, mean_of_groups
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


# -- means of groups -------------------------------------------------------------------------------------------


def test_a_mean_of_groups_weighs_each_group_once() -> None:
    value = np.array([[10.0, 30.0], [20.0, 0.0], [100.0, 100.0]])
    counted = np.array([[True, True], [True, False], [True, True]])
    scores = Scores(value, counted)
    assert mean_of_groups(scores, ["walk", "walk", "sit"]) == pytest.approx((20 + 100) / 2)
    assert mean_of_groups(scores, ["a", "a", "a"]) == pytest.approx(260 / 5)
    assert np.isnan(mean_of_groups(Scores(value, np.zeros_like(counted)), ["a", "b", "c"]))


def test_a_group_without_anything_counted_is_left_out() -> None:
    scores = Scores(np.array([[4.0], [0.0]]), np.array([[True], [False]]))
    assert mean_of_groups(scores, ["there", "empty"]) == 4.0


def naive_rounds(units: list[str], groups: list[str], values: np.ndarray, draws: np.ndarray) -> list[float]:
    """Means of groups of each round, people written out as often as their unit was drawn."""
    names = sorted(set(units))
    out = []
    for row in draws:
        people = [(groups[i], values[i]) for u, times in enumerate(row) for i in range(len(units))
                  for _ in range(int(times)) if units[i] == names[u]]  # fmt: skip
        found = {g: np.mean([v for h, v in people if h == g]) for g, _ in people}
        out.append(float(np.mean(list(found.values()))))
    return out


def test_intervals_of_action_means_equal_drawing_by_hand() -> None:
    rng = np.random.default_rng(5)
    units = [f"rec{i // 2}" for i in range(16)]
    groups = [f"action{i // 4}" for i in range(16)]
    values = rng.normal(50, 10, 16)
    resampler = Resampler(units, seed=3, rounds=200)
    expected = np.quantile(naive_rounds(units, groups, values, resampler._draws), [0.025, 0.975])
    low, high, used = resampler.interval(Scores(values[:, None], np.ones((16, 1), bool)), groups)
    assert (low, high) == pytest.approx(tuple(expected))
    assert used == 8


def test_groups_that_are_units_themselves_are_drawn_with_their_multiplicity() -> None:
    units = ["a", "a", "b", "c"]
    values = np.array([10.0, 20.0, 40.0, 90.0])
    resampler = Resampler(units, seed=3, rounds=300)
    means = resampler._draws @ np.array([15.0, 40.0, 90.0]) / 3
    low, high, used = resampler.interval(Scores(values[:, None], np.ones((4, 1), bool)), units)
    assert (low, high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))
    assert used == 3
