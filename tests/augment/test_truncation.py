from __future__ import annotations

import numpy as np
import pytest

from metricpose.augment.truncation import draw_sub_box, portrait_box, propose_sub_boxes, square_box, truncate_box


def test_sub_boxes_have_the_published_statistics():
    count = 200_000
    boxes = propose_sub_boxes(count, np.random.default_rng(1))
    x, y, side, _ = boxes.T
    # Closed forms: the side of a proposal above 1/2 has density 4 (1 - s) and is accepted with probability 2 (1 - s).
    assert len(boxes) / count == pytest.approx(1 / 3, abs=0.004)
    assert side.mean() == pytest.approx(5 / 8, abs=0.002)
    assert (side**2).mean() == pytest.approx(2 / 5, abs=0.003)
    assert (y + side).mean() == pytest.approx(0.81, abs=0.005)
    assert (x < 0.5).all()
    assert (x + side > 0.5).all()
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, :2] + boxes[:, 2:] <= 1).all()


def test_one_draw_has_the_law_of_the_proposals():
    rng = np.random.default_rng(2)
    sides = np.array([draw_sub_box(rng)[2] for _ in range(4000)])
    assert sides.mean() == pytest.approx(0.625, abs=0.005)
    assert sides.min() > 0.5


@pytest.mark.parametrize("box", [(10.0, -20.0, 30.0, 80.0), (10.0, -20.0, 80.0, 30.0)])
def test_square_box_keeps_centre_and_longer_side(box):
    square = square_box(np.array(box))
    assert square.tolist() == ([-15, -20, 80, 80] if box[3] == 80 else [10, -45, 80, 80])


def test_truncated_box_is_a_square_part_of_the_square_box():
    box = np.array([10.0, -20.0, 30.0, 80.0])
    part = truncate_box(box, np.random.default_rng(3))
    assert part[2] == part[3]
    assert 40 < part[2] < 80
    assert (part[:2] >= (-15, -20)).all()
    assert (part[:2] + part[2:] <= (65, 60)).all()


def test_a_portrait_is_the_upper_part_within_the_box():
    rng, box = np.random.default_rng(5), np.array([10.0, -20.0, 30.0, 80.0])
    x, y, width, height = np.array([portrait_box(box, rng) for _ in range(3000)]).T
    assert (y == -20).all()
    assert 0.15 * 80 <= height.min() < 0.16 * 80
    assert 0.59 * 80 < height.max() <= 0.6 * 80
    assert (x >= 10).all()
    assert (x + width <= 40 + 1e-9).all()
    assert (width <= 1.6 * height + 1e-9).all()
    assert ((width >= 0.6 * height - 1e-9) | (width == 30)).all()
    assert (x + width / 2).mean() == pytest.approx(25, abs=0.3)
    assert (np.abs(x + width / 2 - 25) <= (30 - width) / 4 + 1e-9).all()


def test_of_a_box_as_wide_as_high_there_is_no_portrait():
    for box in ((10.0, -20.0, 80.0, 30.0), (0.0, 0.0, 50.0, 50.0)):
        assert portrait_box(np.array(box), np.random.default_rng(6)).tolist() == list(box)
