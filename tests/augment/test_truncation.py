from __future__ import annotations

import numpy as np
import pytest

from metricpose.augment.truncation import draw_sub_box, propose_sub_boxes, square_box, truncate_box


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
