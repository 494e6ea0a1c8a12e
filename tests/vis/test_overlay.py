"""The overlay: colours on the right side, thickness by distance, hollow where inferred, nothing lost on odd input."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from metricpose.geometry.camera import Camera
from metricpose.skeleton import catalog
from metricpose.types import INFERRED, OUT_OF_FRAME, People
from metricpose.vis.overlay import distances_m, draw_overlay
from metricpose.vis.style import LEFT, RIGHT, bone_colour, lighter
from reference.people import people as ugly_people

TREE = catalog.get("h36m_17")
CAMERA = Camera.from_fov((640, 480), math.radians(60))
_UP = (0, 0, 430, 850, 0, 430, 850, -230, -480, -600, -750, -450, -160, 90, -450, -160, 90)


def standing(x: float = 0.0, z: float = 3500.0) -> np.ndarray:
    side = [{"left": 160.0, "right": -160.0, "centre": 0.0}[s] for s in TREE.sides]
    return np.stack([side, _UP, np.zeros(17)], 1) + np.array([x, 0, z])


def result(*joints: np.ndarray, state: int = 0) -> People:
    n = len(joints)
    mm = np.stack(joints) if n else np.zeros((0, 17, 3))
    return People(
        mm,
        CAMERA.project(mm),
        np.zeros((n, 17, 3, 3)),
        np.full((n, 17), state, np.uint8),
        np.ones((n, 4)),
        np.ones(n),
        np.full(n, -1),
        CAMERA,
        TREE,
        "scale",
    )


def count(image: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((np.abs(image.astype(int) - colour) < 6).all(-1).sum())


def black() -> np.ndarray:
    return np.zeros((480, 640, 3), np.uint8)


def test_left_is_blue_and_right_is_vermillion_where_they_are() -> None:
    image = draw_overlay(black(), result(standing()), labels=False)
    assert count(image[:, 325:], LEFT) > 300  # the person faces us: its left is at our right
    assert count(image[:, :315], RIGHT) > 300
    assert count(image[:, 325:], RIGHT) == 0
    assert count(image[:, :315], LEFT) == 0


def test_hip_and_collar_bones_belong_to_their_side() -> None:
    assert bone_colour(TREE, TREE.index("pelvis"), TREE.index("l_hip")) == LEFT
    assert bone_colour(TREE, TREE.index("thorax"), TREE.index("r_shoulder")) == RIGHT
    assert bone_colour(TREE, TREE.index("pelvis"), TREE.index("spine")) not in (LEFT, RIGHT)


def test_near_people_are_drawn_thicker() -> None:
    areas = [count(draw_overlay(black(), result(standing(z=z)), labels=False), LEFT) for z in (2500.0, 5000.0)]
    assert areas[0] > 3 * areas[1]  # four times: twice as long and twice as thick


def test_inferred_limbs_are_dashed_and_hollow_outside_ones_have_no_joint() -> None:
    solid, inferred, outside = (
        draw_overlay(black(), result(standing(), state=s), labels=False) for s in (0, INFERRED, OUT_OF_FRAME)
    )
    assert count(solid, LEFT) > 1.5 * count(inferred, LEFT)
    assert count(outside, LEFT) > 100
    hollow = lighter(LEFT, 0.92)
    assert count(inferred, hollow) > 20
    assert count(solid, hollow) == count(outside, hollow) == 0


def test_the_nearer_person_covers_the_farther() -> None:
    near, far = standing(x=0, z=2500), standing(x=0, z=5000)
    image = draw_overlay(black(), result(near, far), labels=False)
    np.testing.assert_array_equal(image, draw_overlay(black(), result(far, near), labels=False))


def test_labels_tell_the_distance() -> None:
    assert distances_m(result(standing(x=1500, z=2000)))[0] == pytest.approx(2.5)
    plain, labelled = (draw_overlay(black(), result(standing()), labels=v) for v in (False, True))
    rows = np.argwhere((plain != labelled).any((1, 2)))
    assert rows.max() < CAMERA.project(standing())[:, 1].min() + 5  # above the head


def test_distance_without_a_root_uses_what_is_known() -> None:
    person = standing(z=3000)
    person[TREE.root] = np.nan
    assert distances_m(result(person))[0] == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize("size", [(641, 479), (2000, 700), (300, 900)])
def test_odd_results_are_drawn_without_trouble(size: tuple[int, int]) -> None:
    """NaN joints, people behind the camera, far outside, none at all; the input picture stays as it was."""
    image = np.full((size[1], size[0], 3), 128, np.uint8)
    before = image.copy()
    camera = Camera.from_fov(size, 1.0)
    for people in (ugly_people(1), ugly_people(0), ugly_people(1, "metricpose_25")):
        moved = replace(people, camera=camera, joints_px=camera.project(people.joints_mm))
        out = draw_overlay(image, moved)
        assert out.shape == image.shape
        assert out.dtype == np.uint8
    behind = result(standing(z=-3000))
    assert draw_overlay(black(), behind).shape == (480, 640, 3)
    np.testing.assert_array_equal(image, before)
