from __future__ import annotations

import pytest

from metricpose.synthetic.noise import noise2, noise3, noise_table


def test_table_is_normalised_and_read_only() -> None:
    table = noise_table()
    assert table.mean() == pytest.approx(0.0, abs=1e-4)
    assert table.std() == pytest.approx(0.35, abs=1e-4)
    with pytest.raises(ValueError, match="read-only"):
        table[0, 0, 0, 0] = 1.0


def test_noise_meets_the_table_at_its_grid_and_repeats() -> None:
    table = noise_table()
    assert noise3(table, 3 / 32, 7 / 32, 30 / 32) == pytest.approx(table[3, 7, 30], abs=1e-6)
    assert noise3(table, 3 / 32 - 2, 7 / 32 + 5, 30 / 32 - 1) == pytest.approx(table[3, 7, 30], abs=1e-6)
    assert noise2(table, 5 / 32, 9 / 32 - 3, 4, 1) == pytest.approx(table[4, 9, 5, 1], abs=1e-6)


def test_noise_is_linear_between_grid_points() -> None:
    table = noise_table()
    middle = noise3(table, 31.5 / 32, 7 / 32, 30 / 32)
    assert middle == pytest.approx((table[31, 7, 30] + table[0, 7, 30]) / 2, abs=1e-6)
    assert noise2(table, 0.25 / 32, 31 / 32, 4, 2) == pytest.approx(
        0.75 * table[4, 31, 0, 2] + 0.25 * table[4, 31, 1, 2], abs=1e-6
    )
