"""The schedule of test-time views, and what each does to the crop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from metricpose.errors import InputError
from metricpose.geometry.camera import Camera
from metricpose.predict.views import View, crop_view, schedule

CAMERA = Camera.from_fov((641, 480), math.radians(60))
BOX = np.array([200.0, 100, 150, 240])
UP = (0.0, -1.0, 0.0)


def picture() -> np.ndarray:
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 255, (16, 22, 3)).astype(np.uint8)
    return np.kron(coarse, np.ones((30, 30, 1), np.uint8))[:480, :641]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 32])
def test_the_first_view_is_always_the_plain_crop(n: int) -> None:
    views = schedule(n)
    assert len(views) == n
    assert views[0] == View()
    assert len(set(views)) == n


def test_two_views_add_the_mirrored_crop() -> None:
    assert schedule(2) == [View(), View(flip=True)]


def test_five_views_reach_the_stated_limits() -> None:
    views = schedule(5)
    assert sorted(round(math.degrees(v.roll), 6) for v in views) == [-25, -12.5, 0, 12.5, 25]
    assert sorted(round(v.zoom, 6) for v in views) == [0.8, 0.9, 1.0, 1.05, 1.1]
    assert sorted(round(v.gamma, 4) for v in views) == [0.7, 0.8367, 1.0, 1.1952, 1.4286]
    assert [v.flip for v in views] == [False, True, True, False, False]


@pytest.mark.parametrize("n", [0, -1, 33])
def test_impossible_counts_are_refused(n: int) -> None:
    with pytest.raises(InputError, match="expected 1 to 32"):
        schedule(n)


def test_a_flipped_view_is_the_mirrored_picture() -> None:
    plain, _ = crop_view(picture(), CAMERA, BOX, 128, View(), UP)
    mirrored, crop = crop_view(picture(), CAMERA, BOX, 128, View(flip=True), UP)
    assert np.abs(mirrored[:, ::-1].astype(int) - plain).mean() < 0.5
    assert np.linalg.det(crop.R) == pytest.approx(-1)


def test_gamma_changes_values_only() -> None:
    plain, a = crop_view(picture(), CAMERA, BOX, 128, View(), UP)
    dark, b = crop_view(picture(), CAMERA, BOX, 128, View(gamma=2.0), UP)
    np.testing.assert_allclose(dark, 255 * (plain / 255.0) ** 2, atol=0.51)
    np.testing.assert_array_equal(a.K, b.K)


def test_zoom_and_roll_reach_the_camera() -> None:
    _, plain = crop_view(picture(), CAMERA, BOX, 128, View(), UP)
    _, changed = crop_view(picture(), CAMERA, BOX, 128, View(zoom=0.8, roll=0.3), UP)
    assert changed.K[0, 0] / plain.K[0, 0] == pytest.approx(0.8)
    turn = changed.R @ plain.R.T
    assert math.acos((np.trace(turn) - 1) / 2) == pytest.approx(0.3)
