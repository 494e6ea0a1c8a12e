from __future__ import annotations

import math

import numpy as np
import pytest

from metricpose.benchmark.compare import Spread, difference, level, spread
from metricpose.errors import InputError
from reference.comparisons import KEY, result, rows


def test_a_constant_shift_is_found_exactly_though_people_differ_much():
    found = difference(rows(0.0, -3.0), "a", "b", KEY)
    assert found.value == pytest.approx(-3)
    assert (found.low, found.high) == pytest.approx((-3, -3))
    assert found.trainings == (2, 2)
    wide = level(rows(0.0), "a", KEY)
    assert wide.high - wide.low > 5


def test_the_spread_between_trainings_widens_intervals_by_students_t():
    made = rows(0.0, -3.0, noise=2.0)
    s = math.sqrt(2.0)  # standard deviation of {+1, -1} about their mean
    assert spread(made, KEY) == pytest.approx(Spread(s, 2))
    found = difference(made, "a", "b", KEY)
    assert found.value == pytest.approx(-3)
    assert found.high - found.value == pytest.approx(4.30 * s * math.sqrt(1 / 2 + 1 / 2))


def test_bootstrap_of_independent_people_matches_the_normal_theory():
    rng = np.random.default_rng(1)
    errors = rng.normal(100, 30, 900)
    found = level({"a": [result("a", 0, errors)]}, "a", KEY)
    half = 1.96 * errors.std() / 30
    assert found.high - found.low == pytest.approx(2 * half, rel=0.08)
    assert found.value == pytest.approx(errors.mean())


def test_people_weigh_by_their_counted_joints():
    found = level({"a": [result("a", 0, np.array([10.0, 40.0]), np.array([3.0, 1.0]))]}, "a", KEY)
    assert found.value == pytest.approx((30 + 40) / 4)


def test_the_same_weights_measured_twice_differ_by_no_training():
    made = rows(0.0, -3.0, noise=2.0)
    again = [result("b", r.seed, r.errors[KEY].sums / 17 - 1, settings={"trained": "a"}) for r in made["a"]]
    found = difference({**made, "b": again}, "a", "b", KEY)
    assert (found.low, found.high) == pytest.approx((-1, -1))
    assert spread({"a": made["a"], "b": again}, KEY).freedom == 1


def test_what_was_not_measured_is_unknown():
    made = rows(0.0)
    assert not difference(made, "a", "b", KEY).known
    assert not level(made, "a", "whole/px").known
    assert spread({"a": made["a"][:1]}, KEY).reach(1.0) == 0.0


def test_other_people_are_refused():
    made = rows(0.0, 1.0)
    made["b"] = [result("b", 0, np.ones(400), units={"whole": "b"})]
    with pytest.raises(InputError, match=r"whole/mpjpe: a-s0, a-s1, b-s0 were measured on different people"):
        difference(made, "a", "b", KEY)
