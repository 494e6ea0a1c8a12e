from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from metricpose.errors import DataError
from metricpose.synthetic.asf import read_asf_amc
from metricpose.synthetic.bvh import read_bvh
from metricpose.synthetic.controls import CONTROL_INDEX, T_DIRECTIONS, global_rotations, mirrored
from metricpose.synthetic.mocap import (
    bake_poses,
    farthest_points,
    features,
    held_out,
    plausible,
    retarget,
)
from metricpose.synthetic.poses import PoseLibrary
from metricpose.synthetic.rotations import rot_x, rot_y, rot_z, unit
from reference.clips import write_amc, write_asf, write_bvh

# Zrotation, Xrotation, Yrotation in a file that is y up and faces +z.
LEFT_KNEE = {"LeftLeg": (0.0, 80.0, 0.0)}
LEFT_ELBOW = {"LeftForeArm": (0.0, 0.0, -70.0)}


def limb(local: np.ndarray, control: str) -> np.ndarray:
    """Direction of a limb, our frame."""
    return global_rotations(local)[..., CONTROL_INDEX[control], :, :] @ unit(T_DIRECTIONS[control])


def clip(folder: Path, *frames: dict[str, tuple[float, float, float]], **options: object) -> np.ndarray:
    return retarget(*read_bvh(write_bvh(folder / "a.bvh", [{}, *frames], **options)))  # type: ignore[arg-type]


def test_a_t_pose_gives_the_t_pose(tmp_path: Path) -> None:
    local = clip(tmp_path)
    for control, direction in T_DIRECTIONS.items():
        if control.split(".")[0] not in ("clav", "foot"):
            np.testing.assert_allclose(limb(local, control)[0], unit(direction), atol=1e-5)
    np.testing.assert_allclose(
        limb(local, "foot.L")[0], unit([0.0, -13.0, -6.0]), atol=1e-5
    )  # as it stands in the file
    np.testing.assert_allclose(local[0, CONTROL_INDEX["chest"]], np.eye(3), atol=1e-6)


def test_known_turns_come_out_as_local_rotations(tmp_path: Path) -> None:
    local = clip(tmp_path, LEFT_KNEE, LEFT_ELBOW, {"Spine1": (0.0, 30.0, 0.0)}, prefix="mixamorig:")
    # A turn about the file's left axis bends forwards: Rx in both frames. About its up axis: our z.
    np.testing.assert_allclose(local[1, CONTROL_INDEX["shin.L"]], rot_x(np.deg2rad(80)), atol=1e-5)
    np.testing.assert_allclose(local[2, CONTROL_INDEX["farm.L"]], rot_z(np.deg2rad(-70)), atol=1e-5)
    np.testing.assert_allclose(local[3, CONTROL_INDEX["spine2"]], rot_x(np.deg2rad(30)), atol=1e-5)
    np.testing.assert_allclose(limb(local, "farm.L")[2], [np.cos(1.2217), -np.sin(1.2217), 0], atol=1e-3)
    np.testing.assert_allclose(limb(local, "shin.L")[1], [0, np.sin(1.3963), -np.cos(1.3963)], atol=1e-3)


def test_turning_the_hips_turns_the_body(tmp_path: Path) -> None:
    local = clip(tmp_path, {"Hips": (0.0, 0.0, 90.0)})
    np.testing.assert_allclose(local[1, 0], rot_z(np.pi / 2), atol=1e-5)
    np.testing.assert_allclose(limb(local, "uarm.L")[1], [0, 1, 0], atol=1e-5)


def test_left_and_right_files_give_mirrored_poses(tmp_path: Path) -> None:
    left = clip(tmp_path, {"LeftArm": (25.0, 10.0, -40.0)})
    right = clip(tmp_path, {"RightArm": (-25.0, 10.0, 40.0)})
    np.testing.assert_allclose(mirrored(left), right, atol=1e-5)


def test_hanging_arms_in_the_neutral_pose_are_taken_up(tmp_path: Path) -> None:
    down = {
        "LeftForeArm": (9, -26, 0),
        "LeftHand": (8, -24, 0),
        "RightForeArm": (-9, -26, 0),
        "RightHand": (-8, -24, 0),
    }
    local = clip(tmp_path, offsets=down)
    np.testing.assert_allclose(limb(local, "uarm.L")[0], unit([9.0, 0.0, -26.0]), atol=1e-5)
    np.testing.assert_allclose(limb(local, "farm.R")[0], unit([-8.0, 0.0, -24.0]), atol=1e-5)


def test_where_the_offsets_do_not_stand_the_first_frame_is_neutral(tmp_path: Path) -> None:
    bones = ("Leg", "Foot")
    flat = {f"{s}{b}": (0, 0, 42) for s in ("Left", "Right") for b in bones}  # legs stretched forwards in the offsets
    up = {f"{s}UpLeg": (0.0, 90.0, 0.0) for s in ("Left", "Right")} | {
        f"{s}Foot": (0.0, -90.0, 0.0) for s in ("Left", "Right")
    }
    bent = up | {"LeftLeg": (0.0, 60.0, 0.0)}
    path = write_bvh(tmp_path / "a.bvh", [up, bent], offsets=flat)
    local = retarget(*read_bvh(path))
    np.testing.assert_allclose(limb(local, "shin.L")[0], [0, 0, -1], atol=1e-5)
    np.testing.assert_allclose(local[1, CONTROL_INDEX["shin.L"]], rot_x(np.deg2rad(60)), atol=1e-5)


def test_without_a_neutral_pose_the_clip_is_refused(tmp_path: Path) -> None:
    flat = {f"{s}{b}": (0, 0, 42) for s in ("Left", "Right") for b in ("Leg", "Foot")}
    with pytest.raises(DataError, match="T pose"):
        clip(tmp_path, offsets=flat)


def test_acclaim_files_give_known_directions(tmp_path: Path) -> None:
    frames = [{}, {"root": (0, 90, 0)}, {"ltibia": (50,)}, {"rradius": (60,)}]
    motion = read_asf_amc(write_asf(tmp_path / "01.asf"), write_amc(tmp_path / "01_01.amc", frames))
    local = retarget(motion)
    splay = unit([0.34, 0.0, -0.94])
    np.testing.assert_allclose(limb(local, "thigh.L")[0], splay, atol=1e-5)
    np.testing.assert_allclose(limb(local, "uarm.R")[0], [-1, 0, 0], atol=1e-5)
    np.testing.assert_allclose(local[1, 0], rot_z(np.pi / 2), atol=1e-5)
    for frame, control, angle in ((2, "shin.L", 50), (3, "farm.R", 60)):
        turned = limb(local, control)[frame] @ limb(local, control)[0]
        assert np.rad2deg(np.arccos(turned)) == pytest.approx(angle, abs=0.01)


def test_broken_wrists_and_knees_are_dropped() -> None:
    local = np.tile(np.eye(3), (5, 22, 1, 1))
    local[1, CONTROL_INDEX["hand.L"]] = rot_y(2.0)
    local[2, CONTROL_INDEX["shin.R"]] = rot_x(-0.7)
    local[3, CONTROL_INDEX["shin.R"]] = rot_x(2.3)
    local[4, CONTROL_INDEX["head"]] = rot_x(1.5)
    np.testing.assert_array_equal(plausible(local), [True, False, False, True, False])


def test_features_ignore_heading_and_measure_joints() -> None:
    rotvec = 0.4 * np.random.default_rng(0).normal(size=(22, 3))
    pose = Rotation.from_rotvec(rotvec).as_matrix()
    turned = pose.copy()
    turned[0] = rot_z(2.1) @ pose[0]
    bent = pose.copy()
    bent[CONTROL_INDEX["farm.L"]] = pose[CONTROL_INDEX["farm.L"]] @ rot_z(-0.5)
    rows = features(np.stack([pose, turned, bent]))
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-6)
    # Only the wrist moves: by 2 sin(angle / 2) of the forearm.
    assert np.linalg.norm(rows[2] - rows[0]) == pytest.approx(2 * np.sin(0.25) * 230 / np.sqrt(22), rel=1e-6)


def test_farthest_points_cover_with_the_asked_spacing() -> None:
    points = np.random.default_rng(1).uniform(size=(400, 3))
    kept = farthest_points(points, 0.2)
    distance = np.linalg.norm(points[:, None] - points[kept], axis=2)
    assert distance.min(1).max() <= 0.2 + 1e-3
    between = distance[kept] + 9.0 * np.eye(len(kept))
    assert between.min() > 0.2 - 1e-3
    assert len(kept) < 200


def test_held_out_clips_do_not_depend_on_order() -> None:
    clips = [f"clip{i}" for i in range(30)]
    assert held_out(clips) == held_out(clips[::-1])
    assert len(held_out(clips)) == 3
    assert held_out(["one"]) == set()


def test_a_folder_becomes_a_library(tmp_path: Path) -> None:
    source = tmp_path / "clips"
    (source / "wave").mkdir(parents=True)
    wave = [{"LeftArm": (3.0 * i, 0.0, 0.0), "LeftForeArm": (2.0 * i, 0.0, 0.0)} for i in range(20)]
    squat = [
        {f"{s}{b}": (0.0, a * i, 0.0) for s in ("Left", "Right") for b, a in (("UpLeg", -3), ("Leg", 5))}
        for i in range(20)
    ]
    write_bvh(source / "wave" / "one.bvh", wave, fps=20)
    write_bvh(source / "squat_01.bvh", squat, fps=40)
    write_asf(source / "02.asf")
    write_amc(source / "02_01.amc", [{"lfemur": (-0.5 * i, 0, 0)} for i in range(120)])
    (source / "broken.bvh").write_text("HIERARCHY")
    lines: list[str] = []
    count = bake_poses(source, tmp_path / "poses.npz", spacing_mm=10.0, progress=lines.append)
    assert any("left out broken" in line for line in lines)
    with np.load(tmp_path / "poses.npz") as file:
        assert len(file["Q"]) == count
        assert set(file["act"]) == {"wave", "squat", "02"}
        assert set(file["src"]) == {"wave/one", "squat_01", "02_01"}
        assert len(set(file["src"][file["split"] == 1])) == 1
        assert (file["Q"][..., 3] >= 0).all()
    train = PoseLibrary.load(tmp_path / "poses.npz")
    test = PoseLibrary.load(tmp_path / "poses.npz", "test")
    assert len(train) + len(test) == count < 20 + 10 + 20 + 1


def test_a_folder_without_motion_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no usable motion among 0"):
        bake_poses(tmp_path, tmp_path / "poses.npz")
