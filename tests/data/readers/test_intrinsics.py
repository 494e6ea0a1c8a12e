"""Cameras recovered from labels: exact for exact labels, in spite of some that do not belong together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.scenes import body, look_at, walk
from metricpose.data.readers.intrinsics import Fit, fit_intrinsics, fit_unrooted, need_fit
from metricpose.errors import DataError

CAMERA = look_at((0, -4000, 1300))
POSES = CAMERA.to_camera(walk("mpi_inf_3dhp_17", 9))


def test_exact_labels() -> None:
    fit = fit_intrinsics(POSES.reshape(-1, 3), CAMERA.project_camera(POSES).reshape(-1, 2))
    assert fit is not None
    np.testing.assert_allclose(fit.K, CAMERA.K, rtol=1e-9)
    assert fit.residual_px < 1e-6


def test_labels_that_do_not_belong_together_do_not_count() -> None:
    pixels = CAMERA.project_camera(POSES)
    pixels += np.random.default_rng(0).normal(0, 0.02, pixels.shape)
    pixels[:, [8, 11, 15]] += (9, -14)
    pixels[3, 2] = np.nan
    fit = fit_intrinsics(POSES.reshape(-1, 3), pixels.reshape(-1, 2))
    assert fit is not None
    np.testing.assert_allclose(fit.K, CAMERA.K, atol=0.1)
    assert 0.01 < fit.residual_px < 0.1


@pytest.mark.parametrize("joints", [17, 21])
def test_the_place_of_the_root_is_found_too(joints: int) -> None:
    pose = CAMERA.to_camera(body("muco_21")[:joints] + np.array([300, 100, 0]))
    found = fit_unrooted(pose - pose[14], CAMERA.project_camera(pose))
    assert found is not None
    np.testing.assert_allclose(found[0].K, CAMERA.K, rtol=1e-6)
    np.testing.assert_allclose(found[1], pose[14], rtol=1e-6)
    assert found[0].residual_px < 1e-6


def test_what_determines_no_camera() -> None:
    few = POSES[0, :3]
    assert fit_intrinsics(few, CAMERA.project_camera(few)) is None
    one_ray = np.array([[0.1, 0.2, 1.0]]) * np.linspace(1000, 3000, 40)[:, None]
    assert fit_intrinsics(one_ray, CAMERA.project_camera(one_ray)) is None
    flat = POSES[0] * (1, 1, 0) - (0, 900, 0)  # all at one depth: a larger camera farther away sees the same
    assert fit_unrooted(flat, 0.06 * flat[:, :2]) is None
    assert fit_unrooted(np.full((17, 3), np.nan), np.zeros((17, 2))) is None


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        (None, r"expected labels that determine the camera, found too few points"),
        (Fit(np.diag([3.0, 260, 1]), 0.0), r"labels of a camera with .*200 x 160.* found focal lengths of 3, 260"),
        (Fit(np.diag([260.0, -260, 1]), 0.0), r"found focal lengths of 260, -260"),
        (Fit(np.diag([260.0, 260, 1]), 7.5), r"expected labels within 5 pixels of each other.* found 7\.5"),
        (Fit(np.diag([260.0, 260, 1]), np.nan), r"found nan"),
        (Fit(np.diag([260.0, 260, 1]), 0.0), r"principal point lies near the centre of 200 x 160 .* found 0, 0\. Were"),
    ],
)  # fmt: skip
def test_impossible_cameras_are_refused(fit: Fit | None, message: str) -> None:
    with pytest.raises(DataError, match=rf"annot\.mat: .*{message}"):
        need_fit(fit, (200, 160), Path("annot.mat"), "labels", residual_px=5.0)
    assert need_fit(Fit(CAMERA.K, 1.0), (200, 160), Path("annot.mat"), "labels", residual_px=5.0).K is CAMERA.K
