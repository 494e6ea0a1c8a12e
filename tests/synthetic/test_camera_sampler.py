from __future__ import annotations

import numpy as np
import pytest

from metricpose.synthetic.camera_sampler import View, crop_around, sample_view

LOW, HIGH = np.array([-0.3, -0.2, 0.0]), np.array([0.3, 0.25, 1.7])


def views(count: int, studio: bool) -> list[View]:
    return [sample_view(np.random.default_rng(seed), LOW, HIGH, studio) for seed in range(count)]


def test_views_stay_in_the_stated_ranges() -> None:
    drawn = views(400, studio=False)
    fov = np.degrees([v.camera().fov[0] for v in drawn])
    height = np.array([v.centre[2] for v in drawn])
    distance = np.array([np.linalg.norm(v.centre - (LOW + HIGH) / 2) for v in drawn])
    assert fov.min() >= 30 - 1e-6
    assert fov.max() <= 95 + 1e-6
    assert height.min() >= 0.1
    assert height.max() <= 4.0
    assert np.mean((height > 1.0) & (height < 2.0)) > 0.5
    assert distance.min() >= 1.4 - 1e-6
    assert distance.max() <= 8.6
    roll = [np.degrees(np.arctan2(v.R[0, 2], -v.R[1, 2])) for v in drawn]
    assert np.abs(np.median(roll)) < 1.0


def test_studio_views_are_those_of_a_hall() -> None:
    for view in views(50, studio=True):
        assert 42 <= np.degrees(view.camera().fov[0]) <= 52 + 1e-6
        assert 2.9 < np.linalg.norm(view.centre - (LOW + HIGH) / 2) < 6.6
        assert 1.1 < view.centre[2] < 1.9


def test_studio_cameras_hang_as_high_as_asked() -> None:
    heights = [sample_view(np.random.default_rng(seed), LOW, HIGH, True, (2.0, 2.5)).centre[2] for seed in range(40)]
    assert 2.0 - 1e-9 <= min(heights) < 2.1
    assert 2.4 < max(heights) <= 2.5 + 1e-9


def test_the_person_is_in_front_and_upright() -> None:
    for view in views(30, studio=False):
        assert np.linalg.det(view.R) == pytest.approx(1.0)
        local = (LOW + HIGH) / 2 @ view.R.T + view.t
        assert local[2] > 1.0
        feet, head = view.project(np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.7]]))
        assert head[1] < feet[1]


def test_view_agrees_with_its_camera() -> None:
    view = views(1, studio=False)[0]
    points = np.random.default_rng(0).uniform(LOW, HIGH, (7, 3))
    np.testing.assert_allclose(view.camera().project(points * 1e3), view.project(points), atol=1e-9)
    low, high = view.bounds(points.astype(np.float32))
    np.testing.assert_allclose(low, view.project(points).min(0), atol=0.01)
    np.testing.assert_allclose(high, view.project(points).max(0), atol=0.01)


def test_cropping_is_crop_then_resize() -> None:
    view = views(1, studio=False)[0]
    expected = view.camera().crop(130.0, 71.0, 300, 300).resize(96, 96)
    # crop() counts from pixel centres, the window from pixel edges: half a pixel apart.
    found = view.cropped(129.5, 70.5, 300.0, 96).camera()
    np.testing.assert_allclose(found.K, expected.K, atol=1e-9)


def test_the_crop_holds_the_person_with_a_margin() -> None:
    rng = np.random.default_rng(1)
    points = rng.uniform(LOW, HIGH, (200, 3)).astype(np.float32)
    for view in views(20, studio=False):
        crop = crop_around(rng, view, points, 64)
        assert (crop.width, crop.height) == (64, 64)
        low, high = crop.bounds(points)
        assert 1.0 / 1.51 < max(high - low) / 64 < 1.0 / 1.09
        assert low.min() > -8
        assert high.max() < 72
