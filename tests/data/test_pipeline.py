from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metricpose.augment.appearance import AppearanceConfig
from metricpose.augment.compositing import Bank, CompositingConfig
from metricpose.augment.geometric import GeometricConfig, View, draw_view
from metricpose.data import pipeline
from metricpose.data.pipeline import Augmentation, cut_crop, make_sample
from metricpose.errors import InputError
from metricpose.geometry.camera import Camera
from metricpose.skeleton import catalog
from metricpose.skeleton.core import joint_pairs, pair_index
from metricpose.types import HIDDEN, OUTSIDE, UNKNOWN, VISIBLE
from people import person
from reference.ordinal import order_of

NET = catalog.get("metricpose_25")
PLAIN = Augmentation(appearance=AppearanceConfig.none(), compositing=CompositingConfig.none())


def project(sample):
    rays = sample.joints_mm @ sample.K.T
    return rays[:, :2] / rays[:, 2:]


def test_without_augmentation_the_box_fills_the_crop():
    record = person(0)
    sample = make_sample(record, 64, NET)
    assert sample.image.shape == (64, 64, 3)
    longer = int(record.box_xywh[3] > record.box_xywh[2])
    ends = np.array([record.box_xywh[:2] + record.box_xywh[2:] / 2] * 2)
    ends[0, longer] = record.box_xywh[longer]
    ends[1, longer] += record.box_xywh[2 + longer] / 2
    rays = np.concatenate([record.camera.rays(ends), np.ones((2, 1))], 1) @ sample.R.T @ sample.K.T
    crop = rays[:, :2] / rays[:, 2:]
    assert np.linalg.norm(crop[1] - crop[0]) == pytest.approx(64, abs=1e-6)
    assert crop.mean(0) == pytest.approx([31.5, 31.5], abs=1.0)


@pytest.mark.parametrize("seed", range(8))
def test_labels_of_any_view_project_onto_the_image_and_lead_back_to_the_source(seed):
    record = person(seed)
    sample = make_sample(record, 80, NET, PLAIN, np.random.default_rng(seed))
    assert project(sample) == pytest.approx(sample.joints_px, abs=1e-6)
    flipped = np.linalg.det(sample.R) < 0
    back = sample.joints_mm @ sample.R  # R^-1 = R^T
    wanted = record.joints_mm[NET.mirror] if flipped else record.joints_mm
    assert back == pytest.approx(wanted, abs=1e-6)


def test_both_hands_of_flipping_are_seen():
    signs = {
        np.sign(np.linalg.det(make_sample(person(0), 32, NET, PLAIN, np.random.default_rng(s)).R)) for s in range(12)
    }
    assert signs == {-1.0, 1.0}


def test_the_picture_moves_with_the_labels():
    """A bright dot drawn on a joint is found at that joint's label in every view, mirrored ones included."""
    record = person(5, size=(260, 240))
    joint = NET.index("l_wrist")
    image = np.zeros_like(record.image)
    x, y = np.rint(record.joints_px[joint]).astype(int)
    image[y - 2 : y + 3, x - 2 : x + 3] = 255
    exact = record.joints_mm.copy()
    exact[joint, :2] = record.camera.rays(np.array([[x, y]], float))[0] * exact[joint, 2]
    record = replace(record, image=image, joints_mm=exact, box_xywh=np.array([x - 70.0, y - 60, 150, 130]))
    for seed in range(10):
        sample = make_sample(record, 160, NET, PLAIN, np.random.default_rng(seed))
        flipped = np.linalg.det(sample.R) < 0
        label = sample.joints_px[NET.index("r_wrist") if flipped else joint]
        weight = sample.image[..., 0].astype(float)
        assert weight.sum() > 0
        rows, columns = np.mgrid[: weight.shape[0], : weight.shape[1]]
        found = np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()
        assert found == pytest.approx(label, abs=0.35)


def test_joints_outside_the_crop_are_marked_and_keep_their_labels():
    record = person(3)
    box = np.array([*(record.joints_px[NET.index("head_top")] - 8), 16.0, 16.0])
    sample = make_sample(replace(record, box_xywh=box), 48, NET)
    inside = ((sample.joints_px >= -0.5) & (sample.joints_px <= 47.5)).all(1)
    assert 0 < inside.sum() < len(NET)
    assert (sample.visibility[inside] == VISIBLE).all()
    assert (sample.visibility[~inside] == OUTSIDE).all()
    assert (sample.uv_w == 1).all()
    assert (sample.z_w == 1).all()


def test_missing_3d_joints_have_no_weight_and_no_nan():
    record = person(1)
    joints = record.joints_mm.copy()
    joints[4] = np.nan
    pixels = record.joints_px.copy()
    pixels[4] = np.nan
    sample = make_sample(replace(record, joints_mm=joints, joints_px=pixels), 40, NET)
    assert sample.z_w[4] == sample.uv_w[4] == 0
    assert sample.z_w.sum() == sample.uv_w.sum() == len(NET) - 1
    assert np.isfinite(sample.joints_mm).all()
    assert np.isfinite(sample.joints_px).all()


def test_2d_only_records_follow_the_ray_of_their_labels():
    record = person(2)
    both = make_sample(record, 56, NET, PLAIN, np.random.default_rng(3))
    flat = replace(record, joints_mm=np.full_like(record.joints_mm, np.nan))
    sample = make_sample(flat, 56, NET, PLAIN, np.random.default_rng(3))
    assert sample.joints_px == pytest.approx(both.joints_px, abs=1e-6)
    assert (sample.uv_w == 1).all()
    assert (sample.z_w == 0).all()
    assert sample.abs_w == 0


def test_a_joint_behind_the_camera_has_no_pixel_but_keeps_its_3d_label():
    record = person(4)
    joints = record.joints_mm.copy()
    joints[7, 2] = -100
    sample = make_sample(replace(record, joints_mm=joints), 40, NET)
    assert sample.uv_w[7] == 0
    assert sample.z_w[7] == 1


def test_other_skeletons_are_converted_by_name():
    record = person(6, skeleton="h36m_17")
    sample = make_sample(record, 40, NET)
    assert (sample.z_w[:17] == 1).all()
    assert (sample.z_w[17:] == 0).all()
    assert sample.joints_mm[:17] @ sample.R == pytest.approx(record.joints_mm, abs=1e-6)
    seen = np.full(17, HIDDEN, np.uint8)
    sample = make_sample(replace(record, visibility=seen), 40, NET)
    assert set(sample.visibility[:17]) <= {HIDDEN, OUTSIDE}
    assert set(sample.visibility[17:]) == {UNKNOWN}


def test_unknown_scale_switches_the_absolute_loss_off():
    assert make_sample(person(0), 32, NET).abs_w == 1
    assert make_sample(replace(person(0), abs_valid=False), 32, NET).abs_w == 0


def test_background_is_replaced_and_the_border_filled():
    record = person(8)
    bank = Bank(photos=[np.full((90, 90, 3), 201, np.uint8)])
    still = GeometricConfig(shift=0, zoom=(1, 1), roll_degrees=0, flip=0)

    def crop(**settings):
        config = CompositingConfig(occlude=0, **settings)
        augmentation = Augmentation(still, AppearanceConfig.none(), config, bank)
        return make_sample(record, 64, NET, augmentation, np.random.default_rng(0)).image

    plain, other = crop(fill_border=0), crop(background=1)
    assert (other == 201).all(2).mean() > 0.1
    assert (other == plain).all(2).mean() > 0.1
    beyond = replace(record, box_xywh=np.array([-60.0, 10, 100, 100]))
    record = beyond
    black, filled = crop(fill_border=0), crop(fill_border=1)
    assert (black == 0).all(2).mean() > 0.3
    assert (filled == 201).all(2).sum() == pytest.approx((black == 0).all(2).sum(), rel=0.1)


@pytest.mark.parametrize("seed", range(4))
def test_neighbours_stand_along_the_box_in_any_view(seed, monkeypatch):
    """Their axis is the projection of the box's ends, as the joints at these pixels would be projected."""
    record = person(seed)
    x, y, width, height = record.box_xywh
    ends = np.array([[x + width / 2, y], [x + width / 2, y + height]])
    rays = np.concatenate([record.camera.rays(ends), np.ones((2, 1))], 1)
    joints = record.joints_mm.copy()
    joints[:2] = rays * 3000
    record = replace(record, joints_mm=joints, joints_px=record.camera.project_camera(joints))
    seen = []
    monkeypatch.setattr(pipeline, "paste_neighbours", lambda image, alpha, axis, *_: seen.append(axis) or image)
    view = GeometricConfig(roll_degrees=30, flip=0)
    augmentation = Augmentation(view, AppearanceConfig.none(), CompositingConfig(occlude=0, neighbours=1), Bank())
    sample = make_sample(record, 64, NET, augmentation, np.random.default_rng(seed))
    np.testing.assert_allclose(seen[0], sample.joints_px[:2], atol=1e-2)
    without = replace(record, alpha=None)
    make_sample(without, 64, NET, augmentation, np.random.default_rng(seed))
    assert len(seen) == 1


def test_equal_random_state_gives_equal_samples():
    full = Augmentation(GeometricConfig(truncation=0.5), AppearanceConfig(erase=1), CompositingConfig(occlude=1))
    a, b, c = (make_sample(person(1), 48, NET, full, np.random.default_rng(s)) for s in (5, 5, 6))
    assert (a.image == b.image).all()
    assert (a.joints_mm == b.joints_mm).all()
    assert (a.image != c.image).any()
    with pytest.raises(TypeError, match="random generator"):
        make_sample(person(1), 48, NET, full)


def test_prediction_cuts_the_same_crop_as_evaluation():
    record = person(9)
    image, camera = cut_crop(record.image, record.camera, View(record.box_xywh), 64)
    sample = make_sample(record, 64, NET)
    assert (image == sample.image).all()
    assert (camera.K == sample.K).all()


@pytest.mark.parametrize("seed", range(6))
def test_ordinal_labels_follow_flips_and_the_network_skeleton(seed):
    """Of a 17-joint record: the pairs both skeletons have, swapped where the view is mirrored, no others."""
    record = person(seed, skeleton="h36m_17")
    truth = order_of(record.joints_mm[:, 2], 100.0)
    weights = np.random.default_rng(seed).uniform(0.1, 1, len(truth))
    weights[::7], truth[::7] = 0, np.nan
    record = replace(record, order=truth, order_w=weights)
    straight = Augmentation(
        GeometricConfig(shift=0, zoom=(1, 1)), appearance=AppearanceConfig.none(), compositing=CompositingConfig.none()
    )
    sample = make_sample(record, 32, NET, straight, np.random.default_rng(seed))
    flipped = np.linalg.det(sample.R) < 0
    source = catalog.get("h36m_17")
    for place, (a, b) in enumerate(joint_pairs(25)):
        if flipped:
            a, b = NET.mirror[[a, b]]
        names = NET.joints[a], NET.joints[b]
        if not set(names) <= set(source.joints):
            assert (sample.order[place], sample.order_w[place]) == (0, 0)
            continue
        index, sign = pair_index(17, *(source.index(n) for n in names))
        assert sample.order_w[place] == weights[index]
        assert sample.order[place] == (sign * truth[index] if weights[index] else 0)
    assert np.isfinite(sample.order).all()


def test_a_view_that_no_camera_can_take_is_drawn_again():
    """A person who fills most of the view from side to side: shifted a little, their box reaches behind the camera."""
    record = person(0)
    camera = Camera(np.array([[14.5, 0, 8.8], [0, 14.5, 151.6], [0, 0, 1]]), (256, 256))
    near = replace(
        record, image=np.full((256, 256, 3), 90, np.uint8), alpha=None, camera=camera,
        box_xywh=np.array([8.5, 111.9, 227.6, 50.2]),
    )  # fmt: skip
    shifted = replace(PLAIN, geometric=GeometricConfig(shift=0.1))
    refused = 0
    for seed in range(40):
        view = draw_view(near.box_xywh, shifted.geometric, np.random.default_rng(seed))
        try:
            cut_crop(near.image, near.camera, view, 32)
        except InputError:
            refused += 1
        assert make_sample(near, 32, NET, shifted, np.random.default_rng(seed)).image.shape == (32, 32, 3)
    assert refused > 3
    behind = replace(near, box_xywh=np.array([-4000.0, 111.9, 5000.0, 50.2]))
    with pytest.raises(InputError, match="170 degrees"):
        make_sample(behind, 32, NET, shifted, np.random.default_rng(0))
