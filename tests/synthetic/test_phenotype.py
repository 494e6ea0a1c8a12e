from __future__ import annotations

import numpy as np
import pytest

from metricpose.synthetic.body import Body
from metricpose.synthetic.phenotype import Phenotype, _hat


def test_splits_share_nobody(body: Body) -> None:
    train, val = set(body.prior.rows("train").tolist()), set(body.prior.rows("val").tolist())
    assert not train & val
    assert set(body.prior.rows("test").tolist()) == val
    assert 0.1 < len(val) / len(train) < 0.25


def test_ages_are_spread_as_promised(body: Body) -> None:
    rng = np.random.default_rng(0)
    years = np.array([body.prior.sample(rng, "train").years for _ in range(1500)])
    assert years.min() >= 2.0
    assert years.max() <= 90.0
    assert np.mean(years < 16.0) > 0.25
    assert 0.08 < np.mean(years >= 65.0) < 0.20


def test_people_have_human_statures(body: Body) -> None:
    rng = np.random.default_rng(1)
    grown, small = [], []
    for _ in range(300):
        person = body.prior.sample(rng, "val")
        vertices = body.shape(body.prior.coefficients(person)).vertices[body.surface_vertices]
        height = float(np.ptp(vertices[:, 2]))
        (grown if 20 < person.years < 60 else small if person.years < 6 else []).append(height)
    assert 1.60 < np.mean(grown) < 1.76
    assert 0.85 < np.mean(small) < 1.20


def test_interpolation_between_anchors() -> None:
    anchors = np.array([-1.0, 0.0, 2.0])
    assert _hat(0.5, anchors) == pytest.approx([0.0, 0.75, 0.25])
    assert _hat(-5.0, anchors) == pytest.approx([1.0, 0.0, 0.0])
    assert _hat(9.0, anchors) == pytest.approx([0.0, 0.0, 1.0])


def test_traits_change_the_shape(body: Body) -> None:
    row = dict(zip(body.prior.labels, body.prior.traits[0].tolist()))
    heights = []
    for height in (0.1, 0.9):
        coefficients = body.prior.coefficients(Phenotype(30.0, {**row, "age": 0.66, "height": height}))
        heights.append(np.ptp(body.shape(coefficients).vertices[body.surface_vertices][:, 2]))
    assert heights[1] > heights[0] + 0.1
