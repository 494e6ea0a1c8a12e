"""A window shows training what the photograph would have: same labels, same crops, whatever the augmentation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.scenes import assert_painted, box, look_at, paint, walk
from metricpose.augment.geometric import GeometricConfig, draw_view
from metricpose.data.pipeline import cut_crop, make_sample
from metricpose.data.window import cut_window, window_of
from metricpose.errors import InputError
from metricpose.geometry.crop import crop_camera
from metricpose.skeleton import catalog
from metricpose.types import VISIBLE, Record

LENS = (-0.12, 0.05, 0.001, -0.002, 0.01)


def record(position=(0, -4000, 1300), size=(640, 480), lens=LENS, target=(0, 0, 900)):
    camera = look_at(position, size=size, lens=lens, target=target)
    world = walk("h36m_17", 1)[0]
    mask = np.zeros((size[1], size[0]), np.uint8)
    x, y, w, h = np.rint(box(camera, world)).astype(int)
    mask[max(y, 0) : y + h, max(x, 0) : x + w] = 255
    return Record(
        image=paint(camera, world),
        camera=camera,
        box_xywh=box(camera, world),
        joints_mm=camera.to_camera(world),
        joints_px=camera.project(world),
        visibility=np.full(17, VISIBLE, np.uint8),
        skeleton="h36m_17",
        alpha=mask,
        info={"id": "a"},
    )


def test_without_shrinking_every_augmented_crop_is_the_same_picture():
    whole = record(position=(1500, -3800, 1300), target=(900, 0, 900))
    part = cut_window(whole, side=10_000)
    assert part.image.shape[0] < whole.image.shape[0] or part.image.shape[1] < whole.image.shape[1]
    config = GeometricConfig(full_roll=0.5, truncation=0.4)
    for seed in range(60):
        views = [draw_view(r.box_xywh, config, np.random.default_rng(seed)) for r in (whole, part)]
        (a, camera_a), (b, camera_b) = (cut_crop(r.image, r.camera, v, 64) for r, v in zip((whole, part), views))
        np.testing.assert_allclose(camera_a.K, camera_b.K)
        np.testing.assert_allclose(camera_a.R, camera_b.R, atol=1e-12)
        # Shrinking to averaged pixels starts at another place, so fine detail differs a little.
        assert np.abs(a.astype(int) - b).mean() < 2.5, f"view {seed}"


def test_shrunk_labels_follow_and_are_painted_where_they_should_be():
    whole = record()
    part = cut_window(whole, side=150)
    assert part.box_xywh[2:].max() == pytest.approx(150, rel=0.01)
    assert_painted(part, tolerance=110, least=6)
    np.testing.assert_allclose(part.camera.project_camera(part.joints_mm), part.joints_px, atol=1e-9)
    assert part.image.shape[:2] == part.alpha.shape == part.camera.size[::-1]
    a, b = (make_sample(r, 96, catalog.METRICPOSE_25) for r in (whole, part))
    for name in ("K", "joints_mm", "joints_px", "z_w", "uv_w", "R"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), atol=1e-6)
    assert np.abs(a.image.astype(int) - b.image).mean() < 4
    x, y, w, _ = part.info["window_xywh"]
    assert part.info["photo_size"] == [640, 480]
    scale = part.camera.size[0] / w
    np.testing.assert_allclose((part.joints_px + 0.5) / scale - 0.5 + (x, y), whole.joints_px, atol=0.02 * w)
    assert part.info["id"] == "a"


def test_2d_labels_alone_follow_too():
    whole = record()
    flat = replace(whole, joints_mm=np.full((17, 3), np.nan))
    np.testing.assert_allclose(cut_window(flat, 90).joints_px, cut_window(whole, 90).joints_px)


def test_small_people_are_not_enlarged():
    whole = record(position=(0, -9000, 1300))
    part = cut_window(whole, side=384)
    assert part.image.shape == whole.image[: part.image.shape[0], : part.image.shape[1]].shape
    x, y, w, h = part.info["window_xywh"]
    assert (part.image == whole.image[y : y + h, x : x + w]).all()


def test_windows_end_at_the_photograph_and_boxes_outside_are_refused():
    whole = record()
    edge = replace(whole, box_xywh=np.array([-30.0, 300, 80, 160]))
    x, _, w, _ = cut_window(edge).info["window_xywh"]
    assert x == 0
    assert w < 300
    with pytest.raises(InputError, match="outside the photograph of 640 x 480"):
        cut_window(replace(whole, box_xywh=np.array([3000.0, 100, 50, 90])))


def test_at_the_edge_of_a_wide_photograph_the_margin_is_wider_in_pixels():
    camera = look_at((0, -4000, 1300), size=(1200, 900), lens=())
    camera = replace(camera, K=np.array([[400.0, 0, 600], [0, 400, 450], [0, 0, 1]]))
    middle = window_of(camera, np.array([575.0, 400, 50, 100]), 1.05)
    edge = window_of(camera, np.array([1100.0, 400, 50, 100]), 1.05)
    assert middle[2:] == pytest.approx((210, 210), abs=3)
    assert edge[0] < 1125 - 108  # the crop camera turns there, and sees more pixels on its outer side


def test_square_boxes_stay_square_so_the_crop_is_measured_along_the_same_side():
    """Window sides are whole pixels: with a factor each, a square box became wider than high and its crop another."""
    rng = np.random.default_rng(0)
    whole = record(size=(641, 483))
    for _ in range(40):
        side = rng.uniform(120, 300)
        corner = rng.uniform(0, [620 - side, 460 - side])
        square = replace(whole, box_xywh=np.array([*corner, side, side]))
        part = cut_window(square, side=97)
        assert part.box_xywh[2] == part.box_xywh[3]
        a, b = (crop_camera(r.camera, r.box_xywh, 64) for r in (square, part))
        np.testing.assert_allclose(b.K, a.K, rtol=1e-9)
