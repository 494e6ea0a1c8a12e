"""The focal length from the consistency of both heads, on exact and on noisy synthetic heads."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from metricpose.geometry.camera import Camera
from metricpose.geometry.crop import crop_camera
from metricpose.predict.estimate import Estimates
from metricpose.predict.focal import FocalCheck, check_focal, disagreement
from reference.dots import body

UP = (0.0, -1.0, 0.0)
TRUE = Camera(np.array([[1100.0, 0, 615], [0, 1100, 340], [0, 0, 1]]), (1201, 703))


def heads(
    true: Camera,
    assumed: Camera,
    centres: list[tuple[float, float, float]],
    noise_px: float = 0.0,
    noise_mm: float = 0.0,
) -> tuple[Estimates, np.ndarray]:
    """What a perfect (or noisy) network answers on crops cut with the assumed camera from a picture of the true one.

    The crop shows the person as the assumed camera's turned axes do; the metric head answers the pose as it looks from
    the true direction of sight, which is how a network sees it: by appearance.
    """
    rng = np.random.default_rng(0)
    crops, boxes, px_all, mm_all, joints = [], [], [], [], []
    for k, centre in enumerate(centres):
        pose = body(k + 1) @ Rotation.from_rotvec([0.1, 0.5 * k, 0.2]).as_matrix().T + np.array(centre)
        px = true.project(pose)
        box = np.concatenate([px.min(0) - 25, np.ptp(px, axis=0) + 50])
        crop, sight = crop_camera(assumed, box, 256, up=UP), crop_camera(true, box, 256, up=UP)
        px_all.append(px + rng.normal(0, noise_px, px.shape))
        mm_all.append((pose - pose.mean(0)) @ sight.R.T + rng.normal(0, noise_mm, pose.shape))
        crops.append(crop)
        boxes.append(box)
        joints.append(np.concatenate([assumed.rays(px), np.ones((len(px), 1))], 1) * 3000)
    n = len(centres)
    zeros = np.zeros((n, 17, 3, 3))
    heads = np.stack(px_all), np.stack(mm_all)
    found = Estimates(np.stack(joints), zeros, np.zeros(n, int), np.zeros((n, 1, 17, 3)), crops, *heads)
    return found, np.stack(boxes)


NEAR = [(0.0, 0.0, 2200.0), (-500.0, 100.0, 2500.0), (600.0, 0.0, 2900.0)]


@pytest.mark.parametrize("factor", [0.6, 1.0, 1.7])
@pytest.mark.parametrize("people", [1, 3])
def test_exact_heads_give_the_true_focal_length_whatever_was_assumed(factor: float, people: int) -> None:
    K = TRUE.K.copy()
    K[0, 0] = K[1, 1] = 1100 * factor
    assumed = replace(TRUE, K=K)
    check = check_focal(*heads(TRUE, assumed, NEAR[:people]), assumed, UP)
    assert check is not None
    assert check.focal_px == pytest.approx(1100, rel=0.03)
    assert check.people == people
    assert check.determined


def test_distortion_and_extrinsics_are_honoured() -> None:
    true = replace(TRUE, distortion=np.array([-0.2, 0.05, 0, 0]))
    turned = replace(true, R=Rotation.from_rotvec([0, 0.4, 0]).as_matrix(), t=np.array([1.0, 2, 3]))
    found, boxes = heads(true, true, NEAR)
    crops = [replace(c, R=c.R @ turned.R, t=c.R @ turned.t) for c in found.crops]
    world = found._replace(crops=crops, joints_mm=turned.to_world(found.joints_mm))
    up = tuple(float(v) for v in turned.R.T @ np.array(UP))
    assert check_focal(world, boxes, turned, up).focal_px == pytest.approx(1100, rel=0.03)


def test_noise_widens_the_interval_around_the_truth() -> None:
    exact = check_focal(*heads(TRUE, TRUE, NEAR), TRUE, UP)
    noisy = check_focal(*heads(TRUE, TRUE, NEAR, 1.5, 15.0), TRUE, UP)
    assert noisy.high_px / noisy.low_px > exact.high_px / exact.low_px
    assert noisy.low_px < 1100 < noisy.high_px


def test_far_people_with_noise_determine_nothing() -> None:
    far = [(0.0, 0.0, 14000.0), (2000.0, 100.0, 16000.0)]
    assert not check_focal(*heads(TRUE, TRUE, far, 1.0, 30.0), TRUE, UP).determined


def test_no_heads_or_nobody_in_view_is_no_check() -> None:
    found, boxes = heads(TRUE, TRUE, NEAR)
    assert check_focal(found._replace(head_px=None), boxes, TRUE, UP) is None
    assert check_focal(found._replace(head_mm=None), boxes, TRUE, UP) is None
    outside = found._replace(joints_mm=found.joints_mm * np.array([-1, -1, -1.0]))
    assert check_focal(outside, boxes, TRUE, UP) is None


def test_warning_only_beyond_a_quarter_and_outside_the_interval() -> None:
    camera = Camera.from_fov((1000, 800), 2 * math.atan(0.5))  # f = 1000
    assert disagreement(FocalCheck(1200.0, 1100.0, 1300.0, True, 2), camera) == ""
    assert disagreement(FocalCheck(1500.0, 900.0, 2000.0, True, 2), camera) == ""
    assert disagreement(FocalCheck(1500.0, 1400.0, 1600.0, False, 2), camera) == ""
    warning = disagreement(FocalCheck(1500.0, 1400.0, 1600.0, True, 2), camera)
    assert "1500 px (1400 to 1600)" in warning
    assert "factor of 1.50" in warning


def test_focal_lengths_that_the_lens_cannot_have_are_left_out() -> None:
    """With so strong a barrel people far from the centre have no ray at short focal lengths: no reason to stop."""
    bent = replace(TRUE, distortion=np.array([-0.2, 0.0, 0.0, 0.0]))
    found, boxes = heads(bent, bent, [(-850.0, 0.0, 2400.0), (900.0, 100.0, 2700.0)])
    check = check_focal(found, boxes, bent, UP)
    assert check is not None
    assert check.focal_px == pytest.approx(1100, rel=0.03)
    hopeless = replace(bent, distortion=np.array([-0.2 * 1100**2 / 60**2, 0.0, 0.0, 0.0]))
    assert check_focal(found, boxes, hopeless, UP) is None


def test_a_mirroring_focal_length_is_checked_by_its_size() -> None:
    found, boxes = heads(TRUE, TRUE, NEAR)
    K = TRUE.K.copy()
    K[0, 0] *= -1
    check = check_focal(found, boxes, replace(TRUE, K=K), UP)
    assert check is not None
    assert 0 < check.low_px <= check.focal_px <= check.high_px
    assert disagreement(FocalCheck(1150.0, 1100.0, 1300.0, True, 2), replace(TRUE, K=K)) == ""
