import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from metricpose.synthetic import rotations as r


@pytest.mark.parametrize("axis", "xyz")
def test_single_axes_agree_with_scipy(axis: str) -> None:
    ours = {"x": r.rot_x, "y": r.rot_y, "z": r.rot_z}[axis](0.7)
    np.testing.assert_allclose(ours, Rotation.from_euler(axis, 0.7).as_matrix(), atol=1e-12)


def test_axis_rotation_agrees_with_scipy() -> None:
    axis = np.array([0.3, -2.0, 1.1])
    expected = Rotation.from_rotvec(1.9 * axis / np.linalg.norm(axis)).as_matrix()
    np.testing.assert_allclose(r.axis_rotation(axis, 1.9), expected, atol=1e-12)


@pytest.mark.parametrize("target", [(0.2, -3.0, 1.0), (-1.0, -2.0, 0.5), (1.0, 2.0, -0.4999)])
def test_minimal_rotation_reaches_the_target_by_the_smallest_angle(target: tuple[float, float, float]) -> None:
    source = (1.0, 2.0, -0.5)
    matrix = r.minimal_rotation(source, target)
    np.testing.assert_allclose(matrix @ r.unit(source), r.unit(target), atol=1e-9)
    between = np.arccos(np.clip(r.unit(source) @ r.unit(target), -1, 1))
    assert Rotation.from_matrix(matrix).magnitude() == pytest.approx(between, abs=1e-6)


@pytest.mark.parametrize("source", [(0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 2.0)])
def test_opposite_directions_turn_half_way_round(source: tuple[float, float, float]) -> None:
    matrix = r.minimal_rotation(source, [-x for x in source])
    np.testing.assert_allclose(matrix @ source, [-x for x in source], atol=1e-9)
    assert np.linalg.det(matrix) == pytest.approx(1.0)


@pytest.mark.parametrize("order", ["ZXY", "XYZ", "ZYX", "YZ"])
def test_euler_products_agree_with_scipy(order: str) -> None:
    angles = np.random.default_rng(0).uniform(-3, 3, (5, len(order)))
    expected = Rotation.from_euler(order, angles).as_matrix()  # upper case: intrinsic, as files list them
    np.testing.assert_allclose(r.euler_matrices(order, angles), expected, atol=1e-12)


def test_quaternions_agree_with_scipy_and_come_back() -> None:
    q = np.random.default_rng(1).normal(size=(7, 3, 4))
    matrices = r.quaternions_to_matrices(3.0 * q)
    np.testing.assert_allclose(matrices.reshape(-1, 3, 3), Rotation.from_quat(q.reshape(-1, 4)).as_matrix(), atol=1e-12)
    back = r.matrices_to_quaternions(matrices)
    assert (back[..., 3] >= 0).all()
    np.testing.assert_allclose(r.quaternions_to_matrices(back), matrices, atol=1e-12)


def test_half_turns_have_exact_quaternions() -> None:
    matrices = np.stack([np.diag([1.0, -1, -1]), np.diag([-1.0, 1, -1]), np.diag([-1.0, -1, 1])])
    np.testing.assert_allclose(np.abs(r.matrices_to_quaternions(matrices)), np.eye(4)[:3], atol=1e-12)
