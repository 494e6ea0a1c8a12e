"""The pose model finds its person by itself; checked with the dot model, which really sees."""

from __future__ import annotations

import math

import numpy as np
import pytest

from metricpose.errors import InputError
from metricpose.geometry.camera import Camera
from metricpose.geometry.crop import crop_camera
from metricpose.predict.boxes import iou
from metricpose.predict.network import CropNetwork
from metricpose.predict.self_boxes import ROUNDS, find_person, look, starting_boxes
from reference.dots import DotModel, body, draw

POINTS = body()
CAMERA = Camera.from_fov((900, 600), math.radians(70))


@pytest.mark.parametrize("centre", [(0.0, 0.0, 3000.0), (-1300.0, 100.0, 3500.0), (1500.0, -200.0, 4200.0)])
def test_the_person_is_found_wherever_it_stands(centre: tuple[float, float, float]) -> None:
    world = POINTS + np.array(centre)
    network = CropNetwork(DotModel(POINTS))
    found = find_person(network, draw(CAMERA, world), CAMERA)
    px = CAMERA.project(world)
    low, high = px.min(0), px.max(0)
    tight = np.concatenate([low, high - low])[None]
    assert iou(found.xywh, tight)[0, 0] > 0.5
    assert (found.xywh[0, :2] <= low + 1).all()
    assert (found.xywh[0, :2] + found.xywh[0, 2:] >= high - 1).all()
    assert 0.3 < found.scores[0] <= 1
    assert len(network.model.calls) <= ROUNDS + 1


def test_starting_boxes_cover_the_image_and_stay_in_it() -> None:
    boxes = starting_boxes((901, 600))
    assert boxes[0].tolist() == [-0.5, -0.5, 901, 600]
    assert (boxes[:, :2] >= -0.5).all()
    assert (boxes[:, 0] + boxes[:, 2] <= 900.5 + 1e-9).all()


def test_a_wide_heatmap_lowers_the_score_and_nothing_in_view_is_zero() -> None:
    world = POINTS + np.array([0, 0, 3000.0])
    box = starting_boxes(CAMERA.size)[:1]
    sharp, vague = (
        look(CropNetwork(DotModel(POINTS, covariance_mm2=c)), draw(CAMERA, world), CAMERA, box, (0.0, -1.0, 0.0))
        for c in (100.0, 40000.0)
    )
    assert sharp.scores[0] > 2 * vague.scores[0]
    behind = CropNetwork(DotModel(POINTS - np.array([0, 0, 90000.0])))
    nothing = look(behind, np.zeros((600, 900, 3), np.uint8), CAMERA, box, (0.0, -1.0, 0.0))
    assert nothing.scores.tolist() == [0.0]
    np.testing.assert_array_equal(nothing.next_xywh, box)


def test_starting_boxes_that_no_view_takes_are_left_out() -> None:
    """A lens that cannot be inverted at the picture's rim: the whole image is no box, the middle of it is."""
    bent = Camera(CAMERA.K, CAMERA.size, np.array([-0.4, 0.0, 0.0, 0.0]))
    with pytest.raises(InputError, match="cannot be inverted"):
        crop_camera(bent, starting_boxes(bent.size)[0], 256)
    world = POINTS * 0.5 + np.array([0.0, 0.0, 3000.0])
    found = find_person(CropNetwork(DotModel(POINTS * 0.5)), draw(bent, world), bent)
    px = bent.project(world)
    assert iou(found.xywh, np.concatenate([px.min(0), np.ptp(px, axis=0)])[None])[0, 0] > 0.5


def test_a_camera_through_which_nothing_can_be_looked_at_is_refused() -> None:
    hopeless = Camera(CAMERA.K, CAMERA.size, np.array([-50.0, 0.0, 0.0, 0.0]))
    with pytest.raises(InputError, match="no part of the image"):
        find_person(CropNetwork(DotModel(POINTS)), np.zeros((600, 900, 3), np.uint8), hopeless)
