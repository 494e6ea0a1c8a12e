"""From estimates to the result: projection, joint states, skeleton conversion."""

from __future__ import annotations

import math

import numpy as np
import pytest

from metricpose.errors import InputError
from metricpose.geometry.camera import Camera
from metricpose.geometry.crop import crop_camera
from metricpose.predict.boxes import Boxes
from metricpose.predict.estimate import Estimates
from metricpose.predict.people import convert_covariance, doubts, joint_states, to_people
from metricpose.skeleton import catalog
from metricpose.skeleton.core import Conversion
from metricpose.types import INFERRED, MEASURED, NOT_GIVEN, OUT_OF_FRAME

CAMERA = Camera.from_fov((640, 480), math.radians(60))
BOX = np.array([270.0, 190, 100, 100])
CROP = crop_camera(CAMERA, BOX, 256)


def at(u: float, v: float, z: float = 3000.0) -> np.ndarray:
    ray = CAMERA.rays(np.array([u, v], np.float64))
    return np.append(ray, 1.0) * z


def test_states_by_place_and_by_spread() -> None:
    joints = np.array([[at(320, 240), at(320, 240), at(100, 100), at(-50, 240), at(320, 240) * -1]])
    covariance = np.zeros((1, 5, 3, 3))
    covariance[0, 1] = np.eye(3) * 200.0**2
    states = joint_states(joints, CAMERA.project(joints), covariance, [CROP], CAMERA.size)
    assert states.tolist() == [[MEASURED, INFERRED, INFERRED, OUT_OF_FRAME, OUT_OF_FRAME]]


def test_models_without_covariance_are_judged_by_place() -> None:
    joints = np.array([[at(320, 240), at(100, 100)]])
    states = joint_states(joints, CAMERA.project(joints), np.full((1, 2, 3, 3), np.nan), [CROP], CAMERA.size)
    assert states.tolist() == [[MEASURED, INFERRED]]


def test_people_who_cannot_be_there_are_named() -> None:
    here, behind, far = np.array([[0.0, 0, 3000]]), np.array([[0.0, 0, -3000]]), np.array([[0.0, 40_000, 40_000]])
    states = np.array([[MEASURED], [MEASURED], [MEASURED]], np.uint8)
    notes = doubts(np.stack([here, behind, far]), states)
    assert [n.split(":")[0] for n in notes] == ["person 1 lies behind the camera", "person 2 is 57 m away"]
    assert "no joint in the photograph" in doubts(here[None], np.array([[OUT_OF_FRAME]], np.uint8))[0]


def test_covariance_of_a_copy_and_of_a_mean() -> None:
    covariance = np.stack([np.diag([1.0, 4, 9]), np.diag([25.0, 1, 1]), np.full((3, 3), np.nan)])[None]
    matrix = np.array([[0, 1, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0, 0.0]])
    out = convert_covariance(Conversion(matrix, np.array([True, True, True, False])), covariance)
    np.testing.assert_array_equal(out[0, 0], covariance[0, 1])
    np.testing.assert_allclose(out[0, 1], np.diag([13.0, 2.5, 5]))
    assert np.isnan(out[0, 2:]).all()


def test_bound_holds_for_errors_that_go_together() -> None:
    """Fully correlated errors of a mean have the mean of the deviations: never above the bound."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, (2, 4000, 3)) * np.array([[[3.0]], [[1.0]]])
    joint = np.stack([a, a / 3 + 0.01 * b], 1)
    weights = np.array([[1.5, -0.5]])
    single = np.stack([np.cov(joint[:, k].T) for k in range(2)])[None]
    bound = convert_covariance(Conversion(weights, np.array([True])), single)[0, 0]
    actual = np.cov((weights[0, 0] * joint[:, 0] + weights[0, 1] * joint[:, 1]).T)
    assert np.linalg.eigvalsh(bound - actual).min() > -1e-6


def estimates(count: int, skeleton: str) -> Estimates:
    rng = np.random.default_rng(1)
    joints = rng.uniform(-500, 500, (count, len(catalog.get(skeleton)), 3)) + np.array([0, 0, 3000.0])
    covariance = np.broadcast_to(np.eye(3) * 100.0, (*joints.shape, 3)).copy()
    return Estimates(joints, covariance, np.zeros(count, int), joints[:, None], [CROP] * count, None, None)


def build(found: Estimates, native: str, target: str, info: dict | None = None):
    n = len(found.joints_mm)
    boxes = Boxes(np.tile(BOX, (n, 1)), np.ones(n))
    return to_people(
        found, catalog.get(native), catalog.get(target), boxes, CAMERA, "scale", info or {"warnings": ["a"]}
    )


@pytest.mark.parametrize("count", [0, 2])
def test_conversion_picks_joints_by_name(count: int) -> None:
    found = estimates(count, "metricpose_25")
    people = build(found, "metricpose_25", "h36m_17")
    np.testing.assert_array_equal(people.joints_mm, found.joints_mm[:, :17])
    np.testing.assert_array_equal(people.joints_px, CAMERA.project(people.joints_mm))
    np.testing.assert_array_equal(people.covariance_mm2, found.covariance_mm2[:, :17])
    assert people.track_id.tolist() == [-1] * count
    assert people.info["warnings"] == ["a"]


def test_joints_that_cannot_be_given_are_nan_and_named() -> None:
    people = build(estimates(1, "h36m_17"), "h36m_17", "metricpose_25")
    assert (people.state[0, 17:] == NOT_GIVEN).all()
    assert (people.state[0, :17] != NOT_GIVEN).all()
    assert np.isnan(people.joints_mm[0, 17:]).all()
    assert np.isfinite(people.joints_mm[0, :17]).all()
    assert "l_eye" in people.info["warnings"][1]


def test_families_without_a_table_are_refused() -> None:
    unknown = catalog.get("h36m_17").__class__("odd", ("pelvis",), (-1,), "nowhere", "another family")
    found = estimates(1, "h36m_17")
    with pytest.raises(InputError, match="no conversion from h36m_17"):
        to_people(found, catalog.get("h36m_17"), unknown, Boxes(BOX[None], np.ones(1)), CAMERA, "", {})
