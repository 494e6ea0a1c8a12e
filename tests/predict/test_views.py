"""The schedule of test-time views, and what each does to the crop."""

from __future__ import annotations

import inspect
import math
from typing import Annotated, Any, Literal, get_args, get_origin

import numpy as np
import pytest
import tyro

from metricpose.cli import evaluate, predict
from metricpose.errors import InputError
from metricpose.geometry.camera import Camera
from metricpose.predict.views import POLICIES, View, crop_view, policy, schedule, view_camera

CAMERA = Camera.from_fov((641, 480), math.radians(60))
BOX = np.array([200.0, 100, 150, 240])
UP = (0.0, -1.0, 0.0)


def hints(command: Any) -> dict[str, Any]:
    text = inspect.signature(command).parameters
    names = {"Literal": Literal, "Annotated": Annotated, "tyro": tyro}
    found = {n: eval(p.annotation, names) for n, p in text.items() if n in ("views", "tta")}
    return {n: get_args(kind)[0] if get_origin(kind) is Annotated else kind for n, kind in found.items()}


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


def test_margipose_crops_are_the_published_ones() -> None:
    steps = [(0, 0), (-8, 0), (0, -8), (8, 0), (0, 8)]
    assert [(v.shift_px, v.flip) for v in schedule("margipose-5")] == [(s, False) for s in steps]
    assert [(v.shift_px, v.flip) for v in schedule("margipose-10")] == [(s, f) for f in (False, True) for s in steps]
    assert all(v == View(flip=v.flip, shift_px=v.shift_px) for v in policy("margipose-10"))
    with pytest.raises(InputError, match="one of margipose-5, margipose-10"):
        schedule("margipose-12")


@pytest.mark.parametrize("box", [BOX, np.array([100.0, 200, 260, 130])])
def test_a_shift_is_in_pixels_of_the_photograph(box: np.ndarray) -> None:
    """The shifted crop looks at the box centre's pixel plus the shift, whatever the box's size."""
    centre = box[:2] + box[2:] / 2
    for view in policy("margipose-10"):
        crop = view_camera(CAMERA, box, 128, view, UP)
        aim = CAMERA.project(crop.to_world(np.array([[0.0, 0, 1000]])))[0]
        np.testing.assert_allclose(aim, centre + view.shift_px, atol=1e-6)
        assert np.linalg.det(crop.R) == pytest.approx(-1 if view.flip else 1)
    moved, _ = crop_view(picture(), CAMERA, box, 128, View(shift_px=(8.0, 0.0)), UP)
    assert (moved != crop_view(picture(), CAMERA, box, 128, View(), UP)[0]).mean() > 0.01


def test_the_command_line_offers_every_policy() -> None:
    for command in (evaluate.run, predict.run):
        offered = [get_args(part) for name in ("views", "tta") for part in get_args(hints(command).get(name))]
        assert POLICIES in offered
