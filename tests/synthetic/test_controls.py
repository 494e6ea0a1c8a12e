import numpy as np
from scipy.spatial.transform import Rotation

from metricpose.synthetic.controls import (
    CONTROL_INDEX,
    CONTROL_PARENTS,
    CONTROLS,
    PIVOTS,
    T_DIRECTIONS,
    global_rotations,
    local_rotations,
    mirrored,
    pivot_positions,
)


def random_pose(seed: int, frames: int = 3) -> np.ndarray:
    rotvec = 0.6 * np.random.default_rng(seed).normal(size=(frames * 22, 3))
    return Rotation.from_rotvec(rotvec).as_matrix().reshape(frames, 22, 3, 3)


def test_parents_come_before_children() -> None:
    assert len(CONTROLS) == len(CONTROL_PARENTS) == len(set(CONTROLS)) == 22
    assert all(parent < i for i, parent in enumerate(CONTROL_PARENTS))


def test_local_and_global_rotations_are_inverse() -> None:
    local = random_pose(0)
    np.testing.assert_allclose(local_rotations(global_rotations(local)), local, atol=1e-12)


def test_global_rotation_of_a_hand_is_the_product_down_its_chain() -> None:
    local = random_pose(1)[0]
    chain = ("pelvis", "spine", "spine2", "chest", "clav.R", "uarm.R", "farm.R", "hand.R")
    expected = np.linalg.multi_dot([local[CONTROL_INDEX[name]] for name in chain])
    np.testing.assert_allclose(global_rotations(local)[CONTROL_INDEX["hand.R"]], expected, atol=1e-12)


def test_mirroring_reflects_the_joints() -> None:
    local = random_pose(2)
    there, here = (pivot_positions(global_rotations(p)) for p in (mirrored(local), local))
    swap = [CONTROL_INDEX[c.replace(".L", ".X").replace(".R", ".L").replace(".X", ".R")] for c in CONTROLS]
    np.testing.assert_allclose(there, (here * [-1, 1, 1])[:, swap], atol=1e-12)
    np.testing.assert_allclose(mirrored(mirrored(local)), local, atol=1e-12)


def test_pivots_of_the_t_pose_lie_along_the_t_directions() -> None:
    positions = pivot_positions(np.tile(np.eye(3), (22, 1, 1)))
    for start, end in (("uarm.L", "farm.L"), ("farm.R", "hand.R"), ("thigh.R", "shin.R"), ("shin.L", "foot.L")):
        bone = positions[CONTROL_INDEX[end]] - positions[CONTROL_INDEX[start]]
        direction = np.array(T_DIRECTIONS[start])
        np.testing.assert_allclose(bone / np.linalg.norm(bone), direction / np.linalg.norm(direction), atol=1e-3)
    assert PIVOTS[CONTROL_INDEX["uarm.L"]][0] > 0 > PIVOTS[CONTROL_INDEX["uarm.R"]][0]
