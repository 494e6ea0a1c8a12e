from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError

from metricpose.augment.geometric import GeometricConfig, draw_view

BOX = np.array([5.0, 7.0, 40.0, 90.0])


def views(count=3000, **settings):
    rng = np.random.default_rng(4)
    return [draw_view(BOX, GeometricConfig(**settings), rng) for _ in range(count)]


def test_ranges_are_filled_and_kept():
    drawn = views()
    shift = np.array([v.shift for v in drawn])
    radius = np.linalg.norm(shift, axis=1)
    assert radius.max() <= 0.1
    assert (radius**2).mean() == pytest.approx(0.1**2 / 2, rel=0.05)  # uniform in the disc, not in the radius
    assert abs(shift.mean(0)).max() < 0.004
    zoom = np.array([v.zoom for v in drawn])
    assert 0.75 <= zoom.min() < 0.76
    assert 1.24 < zoom.max() <= 1.25
    roll = np.degrees([v.roll for v in drawn])
    assert -20 <= roll.min() < -19.5
    assert 19.5 < roll.max() <= 20
    assert np.mean([v.flip for v in drawn]) == pytest.approx(0.5, abs=0.03)
    assert all(v.box_xywh is BOX for v in drawn)


def test_truncation_and_full_roll_happen_with_their_probability():
    drawn = views(truncation=0.3, full_roll=0.4)
    assert np.mean([v.box_xywh is not BOX for v in drawn]) == pytest.approx(0.3, abs=0.03)
    beyond = np.mean([abs(v.roll) > math.radians(20) for v in drawn])
    assert beyond == pytest.approx(0.4 * 160 / 180, abs=0.03)


def test_truncation_and_portraits_exclude_each_other():
    drawn = [v.box_xywh for v in views(truncation=0.3, portrait=0.2)]
    whole = [box is BOX for box in drawn]
    upper = [box[1] == BOX[1] and box[3] <= 0.6 * BOX[3] for box in drawn]
    assert np.mean(whole) == pytest.approx(0.5, abs=0.03)
    assert np.mean(upper) == pytest.approx(0.2, abs=0.03)
    with pytest.raises(ValidationError, match=r"sum of at most 1, got 0\.7 \+ 0\.4"):
        GeometricConfig(truncation=0.7, portrait=0.4)


def test_nothing_varies_with_everything_off():
    view = views(1, shift=0, zoom=(1, 1), roll_degrees=0, flip=0)[0]
    assert view[1:] == ((0, 0), 1, 0, False)


def test_equal_random_state_gives_equal_views():
    a, b = (draw_view(BOX, GeometricConfig(truncation=1), np.random.default_rng(9)) for _ in range(2))
    assert a.box_xywh.tolist() == b.box_xywh.tolist()
    assert a[1:] == b[1:]


def test_unknown_settings_are_refused():
    with pytest.raises(ValidationError, match="truncaton"):
        GeometricConfig(truncaton=0.5)  # type: ignore[call-arg]
