from __future__ import annotations

import pytest

from metricpose.training.schedule import ScheduleConfig, cosine, drop, metrabs, one_cycle, one_cycle_linear


def test_metrabs_end_points_are_the_published_ones():
    steps = 100_000_000
    turn = 92_000_000
    assert metrabs(0, steps) == 1
    assert metrabs(turn - 1, steps) == pytest.approx(1 / 3)
    assert metrabs(turn, steps) == pytest.approx(1 / 30)
    assert metrabs(steps, steps) == pytest.approx(1 / 100)
    assert metrabs(turn // 2, steps) == pytest.approx(3**-0.5)


def test_cosine_and_one_cycle_end_points():
    assert [cosine(s, 80, 0.1) for s in (0, 40, 80, 90)] == pytest.approx([1, 0.55, 0.1, 0.1])
    assert [one_cycle(s, 100) for s in (0, 15, 30, 100)] == pytest.approx([0.04, 0.52, 1, 4e-6])


def test_drop_at_the_seventeenth_of_twenty_epochs():
    assert [drop(s, 200) for s in (0, 169, 170, 199)] == [1, 1, 0.1, 0.1]
    config = ScheduleConfig(kind="drop", warmup=10)
    assert [config.factor(s, 200) for s in (4, 100, 180)] == [0.5, 1, 0.1]


def test_warm_up_rises_to_the_curve_and_one_cycle_needs_none():
    config = ScheduleConfig(kind="constant", warmup=4)
    assert [config.factor(s, 100) for s in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]
    assert ScheduleConfig(kind="one_cycle", warmup=50).factor(0, 100) == pytest.approx(0.04)
    assert ScheduleConfig(kind="metrabs", warmup=2).factor(0, 100) == 0.5
    assert ScheduleConfig(kind="cosine", final=0.2).factor(100, 100) == pytest.approx(0.2)


def test_one_cycle_linear_has_the_published_knots_and_straight_lines_between():
    steps, knots = 2000, {0: 0.1, 900: 1.0, 1800: 0.1, 2000: 1e-4}
    assert [one_cycle_linear(s, steps) for s in knots] == pytest.approx(list(knots.values()), rel=1e-9)
    assert one_cycle_linear(1800 + 50, steps) == pytest.approx(0.75 * 0.1 + 0.25 * 1e-4)
    assert one_cycle_linear(300, steps) == pytest.approx(0.4)
    assert one_cycle_linear(1500, steps) == pytest.approx(0.4)


def test_momentum_falls_while_the_rate_of_one_cycle_linear_rises():
    config = ScheduleConfig(kind="one_cycle_linear", warmup=50)
    assert config.factor(0, 100) == pytest.approx(0.1)
    found = [config.momentum(s, 2000, 0.9) for s in (0, 450, 900, 1800, 1900, 2000)]
    assert found == pytest.approx([0.9, 0.875, 0.85, 0.9, 0.9, 0.9])
    assert config.momentum(900, 2000, 0.0) == 0
    assert ScheduleConfig(kind="cosine").momentum(900, 2000, 0.7) == 0.7
