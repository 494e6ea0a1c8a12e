"""Boxes: accepted by name, refused by reason, compared as by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from metricpose.errors import InputError
from metricpose.predict.boxes import Boxes, as_boxes, intersection, iou, read_boxes, suppress

SIZE = (640, 480)


def test_layouts_agree() -> None:
    expected = [[10.0, 20.0, 30.0, 40.0]]
    given = ([[10, 20, 30, 40]], [10, 20, 30, 40], {"xywh": expected}, {"xyxy": [[10, 20, 40, 60]]}, np.array(expected))
    for values in given:
        boxes = as_boxes(values, SIZE)
        assert boxes.xywh.tolist() == expected
        assert boxes.scores.tolist() == [1.0]
    assert as_boxes([[10, 20, 30, 40, 0.25]], SIZE).scores.tolist() == [0.25]
    assert as_boxes({"xyxy": [[10, 20, 40, 60, 0.5]]}, SIZE).scores.tolist() == [0.5]
    assert as_boxes([], SIZE).xywh.shape == (0, 4)


def test_boxes_may_reach_beyond_the_image() -> None:
    assert as_boxes([[-50, -50, 800, 700]], SIZE).xywh.tolist() == [[-50, -50, 800, 700]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[10, 20, 0, 40]], "box 0 .* has no area"),
        ([[1, 1, 5, 5], [300, 20, -100, 40]], r"box 1 .* pass \{.xyxy.: boxes\}"),
        ([[float("nan"), 20, 30, 40]], "NaN"),
        ([[10, 20, 30, 40, float("nan")]], "NaN"),
        ([[640, 20, 30, 40]], "lies outside the image of 640 x 480"),
        ([[-30, 20, 30, 40]], "lies outside"),
        ([[10, 480, 30, 40]], "lies outside"),
        ([[10, 20, 30]], "expected shape"),
        ([["a", 1, 2, 3]], "expected rows"),
        ({"boxes": [[1, 2, 3, 4]]}, "one key"),
        ({"xyxy": [[10, 20, 5, 60]]}, "no area"),
    ],
)
def test_bad_boxes_are_refused_by_number_and_reason(values: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_boxes(values, SIZE)


def test_boxes_file(tmp_path: Path) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps({"images": {"a.jpg": {"xyxy": [[1, 2, 3, 4]]}}}))
    assert as_boxes(read_boxes(path)["a.jpg"], SIZE).xywh.tolist() == [[1, 2, 2, 2]]
    for text, message in (("[1, 2]", "expected"), ("{", "not JSON"), ('{"a.jpg": []}', "expected")):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_boxes(path)
    with pytest.raises(InputError, match="cannot read"):
        read_boxes(tmp_path / "none.json")


def test_overlaps_by_hand() -> None:
    a = np.array([[0.0, 0, 10, 10], [20, 20, 5, 5]])
    b = np.array([[5.0, 0, 10, 10], [0, 0, 10, 10], [30, 30, 1, 1]])
    np.testing.assert_allclose(intersection(a, b), [[50, 100, 0], [0, 0, 0]])
    np.testing.assert_allclose(iou(a, b), [[1 / 3, 1, 0], [0, 0, 0]])


def test_suppression_keeps_the_better_of_two_and_the_distant() -> None:
    boxes = Boxes(np.array([[0.0, 0, 10, 10], [1, 0, 10, 10], [50, 50, 10, 10]]), np.array([0.5, 0.9, 0.1]))
    assert suppress(boxes).tolist() == [1, 2]
    assert suppress(boxes, overlap=0.95).tolist() == [1, 0, 2]
    assert suppress(Boxes(np.zeros((0, 4)), np.zeros(0))).tolist() == []
