"""Weak labels made from full ones: what is taken away, what is left, and that labels say what the pose says."""

from __future__ import annotations

import itertools
import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from metricpose.data.pipeline import make_sample
from metricpose.data.weaken import OrdinalConfig, WeakSource, line_of_sight, make_order, part_lengths, weaken
from metricpose.geometry.camera import Camera
from metricpose.skeleton import catalog
from metricpose.skeleton.core import joint_pairs, pair_count, pair_index
from people import People, person
from reference.ordinal import order_of

NET = catalog.get("metricpose_25")


def labels(record, **settings):
    return make_order(record, OrdinalConfig(**settings), np.random.default_rng(0))


def wide(seed=0, **changes):
    """A person whose joints all lie inside a large picture."""
    return replace(person(seed, size=(400, 380)), **changes)


class Given(list):
    """Records as a source."""

    def refresh(self):
        return len(self)


def test_full_supervision_is_the_source_itself():
    people = People(3)
    assert weaken(people, "full") is people


def test_pixels_alone_are_left():
    joints = person(0).joints_mm + np.array([1200.0, 0, 0])
    full = replace(person(0), joints_mm=joints, joints_px=person(0).camera.project_camera(joints))
    record = WeakSource(Given([full]), "2d")[0]
    assert np.isnan(record.joints_mm).all()
    assert not record.abs_valid
    assert record.order is record.order_w is None
    x, y = full.joints_px.T
    inside = (x >= -0.5) & (x <= full.camera.size[0] - 0.5) & (y >= -0.5) & (y <= full.camera.size[1] - 0.5)
    assert 3 < inside.sum() < 25, inside.sum()
    np.testing.assert_array_equal(record.joints_px[inside], full.joints_px[inside])
    assert np.isnan(record.joints_px[~inside]).all()
    for name in ("image", "camera", "box_xywh", "visibility", "skeleton", "alpha", "info"):
        assert getattr(record, name) is getattr(full, name) or np.array_equal(
            getattr(record, name), getattr(full, name)
        )


def test_pixels_without_label_are_projected_and_joints_behind_the_camera_left_out():
    record = wide()
    joints, pixels = record.joints_mm.copy(), record.joints_px.copy()
    pixels[3:6], joints[4], joints[5, 2] = np.nan, np.nan, -500.0
    found = weaken(Given([replace(record, joints_mm=joints, joints_px=pixels)]), "2d")[0].joints_px
    np.testing.assert_allclose(found[3], record.joints_px[3])
    assert np.isnan(found[4:6]).all()


def test_samples_of_weak_records_have_the_same_pixels_and_no_depth():
    weak, full = (make_sample(r, 48, NET) for r in (WeakSource(Given([wide()]), "ordinal")[0], wide()))
    assert not weak.z_w.any()
    assert weak.abs_w == 0
    np.testing.assert_array_equal(weak.uv_w, 1)
    np.testing.assert_allclose(weak.joints_px, full.joints_px, atol=1e-6)
    assert weak.order.shape == weak.order_w.shape == (300,)
    assert full.order is None


def test_pairs_are_ordered_by_depth_in_the_crop_camera():
    """Far off the optical axis too: the crop camera looks at the person."""
    record = wide(4)
    away = record.joints_mm + np.array([2500.0, -400.0, 0.0])
    camera = Camera(np.array([[300.0, 0, 90], [0, 310, 190], [0, 0, 1]]), (400, 380))
    low, high = (f(camera.project_camera(away), 0) for f in (np.min, np.max))
    record = replace(
        record, camera=camera, joints_mm=away, joints_px=camera.project_camera(away),
        box_xywh=np.concatenate([low, high - low]),
    )  # fmt: skip
    order, weights = labels(record, threshold_mm=150.0)
    z = make_sample(record, 64, NET).joints_mm[:, 2]
    np.testing.assert_array_equal(order, order_of(z, 150.0))
    assert (order != order_of(away[:, 2], 150.0)).any()
    assert (weights == 1).all()
    assert np.linalg.norm(line_of_sight(record)) == pytest.approx(1)


def test_parts_are_ordered_by_half_the_bone():
    record = wide(2)
    order, weights = labels(record, pairs="parts")
    axis = line_of_sight(record)
    bones = {}
    for parent, child in NET.edges:
        bone = record.joints_mm[parent] - record.joints_mm[child]
        steep = math.asin(np.clip(bone @ axis / np.linalg.norm(bone), -1, 1))
        place, sign = pair_index(25, parent, child)
        bones[place] = sign * np.sign(steep) * (abs(steep) > math.radians(30))
    assert set(bones.values()) == {-1, 0, 1}
    assert set(np.flatnonzero(weights)) == set(bones)
    assert all(order[place] == value for place, value in bones.items())
    assert (order[weights == 0] == 0).all()


def test_lengths_of_parts():
    joints = np.random.default_rng(0).normal(size=(25, 3))
    joints[NET.index("l_knee")] = np.nan
    lengths = part_lengths(joints, NET)
    place, _ = pair_index(25, NET.index("r_elbow"), NET.index("r_wrist"))
    assert lengths[place] == pytest.approx(math.dist(joints[NET.index("r_elbow")], joints[NET.index("r_wrist")]))
    assert np.isfinite(lengths).sum() == 24 - 2


def test_unknown_and_unseen_joints_have_no_ordinal_label():
    record = wide()
    joints = record.joints_mm.copy()
    joints[7] = np.nan
    joints[9] += (5000.0, 0, 0)
    pixels = record.camera.project_camera(joints)
    order, weights = labels(replace(record, joints_mm=joints, joints_px=pixels), threshold_mm=0.0)
    touched = np.isin(joint_pairs(25), (7, 9)).any(1)
    assert (weights == ~touched).all()
    assert (order[touched] == 0).all()
    assert (order[~touched] != 0).all()


def test_labels_of_its_own_are_kept():
    own = np.zeros(300), np.zeros(300)
    own[0][5], own[1][5] = -1, 0.5
    source = Given([wide(order=own[0], order_w=own[1])])
    kept = WeakSource(source, "ordinal")[0]
    assert kept.order is own[0]
    assert kept.order_w is own[1]
    assert WeakSource(source, "2d")[0].order is None


def test_share_and_noise():
    record = wide()
    truth, _ = labels(record)
    rare, weights = labels(record, share=0.3)
    assert 0.2 < (weights > 0).mean() < 0.4
    assert (rare[weights > 0] == truth[weights > 0]).all()
    assert (rare[weights == 0] == 0).all()
    spoilt, weights = labels(record, noise=0.4)
    assert (weights == 1).all()
    assert 0.3 < (spoilt != truth).mean() < 0.5
    wrong, _ = labels(record, noise=1.0)
    assert (wrong != truth).all()
    pairs = set(itertools.product((-1, 0, 1), repeat=2))
    assert set(zip(truth.tolist(), wrong.tolist())) == {(a, b) for a, b in pairs if a != b}


def test_a_record_has_the_same_labels_whenever_and_wherever_it_is_read():
    source = WeakSource(People(4), "ordinal", OrdinalConfig(share=0.5, noise=0.3, seed=3))
    again = pickle.loads(pickle.dumps(source))
    first, other = source[1], source[2]
    np.testing.assert_array_equal(first.order, again[1].order)
    np.testing.assert_array_equal(first.order_w, again[1].order_w)
    assert (first.order_w != other.order_w).any()
    changed = WeakSource(People(4), "ordinal", OrdinalConfig(share=0.5, noise=0.3, seed=4))[1]
    assert (first.order_w != changed.order_w).any()


def test_a_growing_source_grows():
    people = People(2)
    source = WeakSource(people, "2d")
    people.length = 5
    assert (source.refresh(), len(source)) == (5, 5)


@pytest.mark.parametrize("settings", [{"noise": 1.5}, {"share": -0.1}, {"threshold_mm": -1.0}, {"pairs": "bones"}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValidationError):
        OrdinalConfig(**settings)


def test_pair_count_of_the_network_skeleton():
    assert pair_count(len(NET)) == 300
