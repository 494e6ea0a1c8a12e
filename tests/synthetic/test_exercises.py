from collections.abc import Callable

import numpy as np
import pytest

from metricpose.synthetic import exercises
from metricpose.synthetic.controls import CONTROL_INDEX, global_rotations, pivot_positions
from metricpose.synthetic.figure import Figure
from metricpose.synthetic.rotations import rot_x, unit

Recipe = Callable[[Figure], object]


def drawn(recipe: Recipe, count: int = 150) -> tuple[np.ndarray, np.ndarray]:
    """Rotations and pivots of so many draws, metres."""
    rng = np.random.default_rng(3)
    rotations = []
    for _ in range(count):
        figure = Figure(rng)
        recipe(figure)
        rotations.append(global_rotations(figure.rotations))
    stacked = np.stack(rotations)
    return stacked, pivot_positions(stacked)


def at(points: np.ndarray, control: str) -> np.ndarray:
    return points[:, CONTROL_INDEX[control]]


def facing(rotations: np.ndarray, control: str) -> np.ndarray:
    """World height of the direction that the front of the control faces: 1 is straight up."""
    return -rotations[:, CONTROL_INDEX[control], 2, 1]


def rise(points: np.ndarray, low: str, high: str) -> np.ndarray:
    """Height of `high` over `low`, metres."""
    return at(points, high)[:, 2] - at(points, low)[:, 2]


@pytest.mark.parametrize("recipe", [exercises.on_back, exercises.on_side, exercises.bridge, exercises.plank])
def test_nobody_stands(recipe: Recipe) -> None:
    _, points = drawn(recipe)
    trunk = np.array([unit(v) for v in at(points, "neck") - at(points, "pelvis")])
    assert np.abs(trunk[:, 2]).max() < 0.9
    assert np.median(np.abs(trunk[:, 2])) < 0.5


def test_on_the_back_the_front_is_up_and_legs_go_everywhere() -> None:
    rotations, points = drawn(exercises.on_back)
    assert facing(rotations, "pelvis").min() > 0.9
    foot = rise(points, "pelvis", "foot.L")
    assert 0.1 < (foot > 0.5).mean() < 0.6  # straight in the air
    assert (np.abs(foot) < 0.15).mean() > 0.05  # flat, or the foot put down
    difference = np.abs(foot - rise(points, "pelvis", "foot.R"))
    assert 0.2 < (difference < 0.15).mean() < 0.8  # as often alike as not


def test_feet_put_down_are_on_the_ground() -> None:
    for flexion in (0.4, 0.7, 1.0):
        figure = Figure(np.random.default_rng(0))
        figure.orient(rot_x(-np.pi / 2))
        hip, knee = exercises._foot_down(flexion)
        figure.leg("L", hip, 0.0, 0.0, knee)
        points = figure.pose()[1]
        heights = points[[CONTROL_INDEX["thigh.L"], CONTROL_INDEX["foot.L"]], 2]
        assert abs(heights[1] - heights[0]) < 0.03
        assert points[CONTROL_INDEX["shin.L"], 2] > heights[0] + 0.12


def test_on_a_side_the_lower_hip_and_shoulder_are_below_and_the_upper_leg_is_the_lifted_one() -> None:
    _, points = drawn(exercises.on_side)
    left_up = rise(points, "thigh.R", "thigh.L")
    assert np.abs(left_up).min() > 0.15
    assert 0.3 < (left_up > 0).mean() < 0.7
    upper = np.where(left_up > 0, rise(points, "thigh.L", "foot.L"), rise(points, "thigh.R", "foot.R"))
    lower = np.where(left_up > 0, rise(points, "thigh.R", "foot.R"), rise(points, "thigh.L", "foot.L"))
    assert (upper > 0.2).mean() > 0.4
    assert np.abs(lower).max() < 0.2
    head = np.where(left_up > 0, rise(points, "uarm.R", "head"), rise(points, "uarm.L", "head"))
    assert head.min() > 0.0


def test_bridges_have_hips_above_shoulders_and_shins_upright() -> None:
    _, points = drawn(exercises.bridge)
    assert rise(points, "chest", "pelvis").min() > 0.0
    shins = np.concatenate([unit_rows(at(points, f"foot.{s}") - at(points, f"shin.{s}")) for s in "LR"])
    assert 0.6 < (shins[:, 2] < -0.85).mean() < 0.95


def unit_rows(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v, axis=1, keepdims=True)


def test_planks_face_the_ground_on_hands_or_forearms() -> None:
    rotations, points = drawn(exercises.plank)
    assert facing(rotations, "pelvis").max() < -0.9
    below = np.stack([rise(points, f"uarm.{s}", f"hand.{s}") for s in "LR"])
    assert (below < -0.15).mean() > 0.75
    trunk = unit_rows(at(points, "chest") - at(points, "pelvis"))
    legs = unit_rows(at(points, "foot.L") - at(points, "thigh.L"))
    assert np.median((trunk * legs).sum(1)) < -0.9
