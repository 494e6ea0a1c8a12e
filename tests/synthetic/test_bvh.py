from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from metricpose.errors import DataError
from metricpose.synthetic.bvh import read_bvh
from reference.clips import MIXAMO, write_bvh

FRAMES = [{}, {"Hips": (10.0, 20.0, -30.0), "LeftArm": (40.0, 5.0, 15.0), "LeftForeArm": (0.0, 0.0, -70.0)}]


def test_names_rate_and_rest_positions(tmp_path: Path) -> None:
    motion, _ = read_bvh(write_bvh(tmp_path / "a.bvh", FRAMES, fps=30.0))
    assert sorted(motion.bones) == sorted(name for name, _, _ in MIXAMO)
    assert motion.fps == pytest.approx(30.0, rel=1e-4)
    hand = motion.bones.index("LeftHand")
    np.testing.assert_allclose(motion.heads[hand], [69, 47, 0])  # sums of offsets from the hips
    np.testing.assert_allclose(motion.tails[hand], [77, 47, 0])  # End Site
    spine2 = motion.bones.index("Spine2")
    np.testing.assert_allclose(motion.tails[spine2], motion.heads[spine2] + np.array([0, 13, 0]))  # children's mean


def test_global_rotations_agree_with_scipy(tmp_path: Path) -> None:
    motion, _ = read_bvh(write_bvh(tmp_path / "a.bvh", FRAMES))
    chain = [Rotation.from_euler("ZXY", FRAMES[1][n], degrees=True) for n in ("Hips", "LeftArm", "LeftForeArm")]
    expected = (chain[0] * chain[1] * chain[2]).as_matrix()
    np.testing.assert_allclose(motion.rotations[1, motion.bones.index("LeftHand")], expected, atol=1e-6)


def test_the_second_candidate_is_relative_to_the_first_frame(tmp_path: Path) -> None:
    frames = [{"Hips": (0.0, 0.0, 90.0)}, {"Hips": (0.0, 0.0, 90.0), "LeftArm": (45.0, 0.0, 0.0)}]
    _, first = read_bvh(write_bvh(tmp_path / "a.bvh", frames))
    np.testing.assert_allclose(first.rotations[0], np.tile(np.eye(3), (22, 1, 1)), atol=1e-6)
    np.testing.assert_allclose(first.heads[first.bones.index("LeftHand")], [0, 47, -69], atol=1e-4)
    turned = first.rotations[1, first.bones.index("LeftArm")]
    np.testing.assert_allclose(turned, Rotation.from_euler("x", 45, degrees=True).as_matrix(), atol=1e-6)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("MOTION", "MOVE"),
        ("Frames: 2", "Frames: 3"),
        ("Frame Time: 0.05", "Frame Time: 0.0 "),
        ("OFFSET 6", "OFFSET six"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, old: str, new: str) -> None:
    path = write_bvh(tmp_path / "a.bvh", FRAMES)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=r"a\.bvh is not a readable BVH"):
        read_bvh(path)


def test_a_file_cut_off_in_the_middle_is_refused(tmp_path: Path) -> None:
    path = write_bvh(tmp_path / "a.bvh", FRAMES)
    path.write_text(path.read_text()[:-40])
    with pytest.raises(DataError, match="announces 2 frames"):
        read_bvh(path)
    with pytest.raises(DataError, match="missing"):
        read_bvh(tmp_path / "missing.bvh")
