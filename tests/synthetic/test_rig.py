from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from metricpose.synthetic.body import Body, Shape
from metricpose.synthetic.controls import CONTROL_INDEX, T_DIRECTIONS
from metricpose.synthetic.rig import pose_bones
from metricpose.synthetic.rotations import axis_rotation, rot_z, unit

IDENTITY = np.tile(np.eye(3), (22, 1, 1))


def random_pose(seed: int) -> np.ndarray:
    return Rotation.from_rotvec(np.random.default_rng(seed).normal(0.0, 0.4, (22, 3))).as_matrix()


@pytest.mark.parametrize(
    ("control", "start", "end"),
    [
        ("uarm.L", "upperarm01.L", "lowerarm01.L"),
        ("shin.R", "lowerleg01.R", "foot.R"),
        ("farm.R", "lowerarm01.R", "wrist.R"),
    ],
)
def test_identity_pose_is_the_t_pose(body: Body, adult: Shape, control: str, start: str, end: str) -> None:
    positions = pose_bones(body.rig, adult.heads, IDENTITY).positions
    direction = unit(positions[body.bone_index[end]] - positions[body.bone_index[start]])
    assert direction == pytest.approx(unit(T_DIRECTIONS[control]), abs=1e-9)


def test_bone_lengths_do_not_depend_on_the_pose(body: Body, adult: Shape) -> None:
    rest = np.linalg.norm(adult.heads[1:] - adult.heads[body.parents[1:]], axis=1)
    for seed in range(5):
        posed = pose_bones(body.rig, adult.heads, random_pose(seed), (0.5, 1.2))
        length = np.linalg.norm(posed.positions[1:] - posed.positions[body.parents[1:]], axis=1)
        np.testing.assert_allclose(length, rest, atol=1e-12)
        np.testing.assert_allclose(
            posed.rotations @ np.swapaxes(posed.rotations, 1, 2), np.tile(np.eye(3), (len(rest) + 1, 1, 1)), atol=1e-9
        )
        np.testing.assert_allclose(np.linalg.det(posed.rotations), 1.0, atol=1e-9)


def test_turning_the_pelvis_turns_everything(body: Body, adult: Shape) -> None:
    pose, turn = random_pose(7), rot_z(1.1)
    turned = pose.copy()
    turned[0] = turn @ pose[0]
    before, after = pose_bones(body.rig, adult.heads, pose), pose_bones(body.rig, adult.heads, turned)
    np.testing.assert_allclose(after.positions, before.positions @ turn.T, atol=1e-12)
    np.testing.assert_allclose(after.rotations, turn @ before.rotations, atol=1e-12)


def test_upper_half_takes_half_of_the_twist(body: Body, adult: Shape) -> None:
    pose = IDENTITY.copy()
    axis = unit(T_DIRECTIONS["farm.L"])
    pose[CONTROL_INDEX["farm.L"]] = axis_rotation(axis, 0.8)
    still = pose_bones(body.rig, adult.heads, IDENTITY).rotations
    moved = pose_bones(body.rig, adult.heads, pose).rotations
    for bone, angle in (("upperarm02.L", 0.0), ("lowerarm01.L", 0.4), ("lowerarm02.L", 0.8)):
        i = body.bone_index[bone]
        np.testing.assert_allclose(moved[i] @ still[i].T, axis_rotation(axis, angle), atol=1e-9)


def test_curl_bends_the_fingers_of_one_hand_only(body: Body, adult: Shape) -> None:
    flat = pose_bones(body.rig, adult.heads, IDENTITY).positions
    fist = pose_bones(body.rig, adult.heads, IDENTITY, (1.2, 0.0)).positions
    moved = {name for i, name in enumerate(body.bones) if np.abs(fist[i] - flat[i]).max() > 1e-9}
    assert moved == {f"finger{k}-{j}.L" for k in range(2, 6) for j in (2, 3)}
    # A fist is shorter than a flat hand.
    wrist, tip = body.bone_index["wrist.L"], body.bone_index["finger3-3.L"]
    assert np.linalg.norm(fist[tip] - fist[wrist]) < 0.8 * np.linalg.norm(flat[tip] - flat[wrist])


def test_translations_take_rest_heads_to_positions(body: Body, adult: Shape) -> None:
    posed = pose_bones(body.rig, adult.heads, random_pose(3))
    carried = np.einsum("bij,bj->bi", posed.rotations, adult.heads) + posed.translations(adult.heads)
    np.testing.assert_allclose(carried, posed.positions, atol=1e-12)
