from __future__ import annotations

import colorsys

import numpy as np
import pytest

from metricpose.synthetic import materials as m


@pytest.mark.parametrize("hue", [0.0, 0.1, 0.35, 0.6, 0.93])
def test_hsv_equals_colorsys(hue: float) -> None:
    assert m.hsv(hue, 0.7, 0.8) == pytest.approx(np.array(colorsys.hsv_to_rgb(hue, 0.7, 0.8)) ** 2.2)


def test_row_puts_every_field_in_its_column() -> None:
    material = m.Material(
        np.array([0.1, 0.2, 0.3]), np.array([0.4, 0.5, 0.6]), m.CHECKS, 7.0, 0.25, 0.05, 0.3, 2.5, 4, True, 1.5, True
    )
    row = m.rows_of([material])[0]
    assert row[m.RED : m.RED + 3] == pytest.approx([0.1, 0.2, 0.3])
    assert row[m.RED2 : m.RED2 + 3] == pytest.approx([0.4, 0.5, 0.6])
    named = [m.PATTERN, m.FREQUENCY, m.PARAMETER, m.GLOSS, m.FOLD, m.FOLD_FREQUENCY, m.TEXTURE, m.RECOLOUR]
    assert row[named] == pytest.approx([m.CHECKS, 7.0, 0.25, 0.05, 0.3, 2.5, 4, 1])
    assert row[[m.INVERSE_LUMINANCE, m.TWO_SIDED]] == pytest.approx([1.5, 1.0])


def test_colours_stay_in_range_and_differ() -> None:
    rng = np.random.default_rng(0)
    for draw in (m.cloth_colour, m.surface_colour, m.skin_tone, lambda r: m.hair_colour(r, 30.0)):
        colours = np.array([draw(rng) for _ in range(200)])
        assert colours.min() > 0.0
        assert colours.max() <= 1.1
        assert len(np.unique(colours.round(4), axis=0)) > 100


def test_only_the_old_are_grey() -> None:
    rng = np.random.default_rng(0)
    young = np.array([m.hair_colour(rng, 20.0) for _ in range(300)])
    old = np.array([m.hair_colour(rng, 70.0) for _ in range(300)])
    grey = lambda c: (np.ptp(c, axis=1) < 0.02) & (c.mean(1) > 0.2)  # noqa: E731
    assert not grey(young).any()
    assert grey(old).mean() > 0.1


def test_prints_are_for_upper_garments() -> None:
    rng = np.random.default_rng(0)
    assert {m.cloth(rng, 0.0, upper=False).pattern for _ in range(200)} == {
        m.RINGS,
        m.STRIPES,
        m.CHECKS,
        m.BLOTCHES,
        m.FABRIC,
    }
    assert {m.cloth(rng, 1.0).pattern for _ in range(20)} == {m.PLAIN}
