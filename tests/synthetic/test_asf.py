import re
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from metricpose.errors import DataError
from metricpose.synthetic.asf import read_asf_amc
from reference.clips import CMU, write_amc, write_asf

FRAMES = [{}, {"root": (10, 20, 30), "lfemur": (-40, 12, 7), "ltibia": (55,), "lfoot": (-10, 25)}]


def read(folder: Path, frames: list[dict[str, tuple[float, ...]]] = FRAMES):
    return read_asf_amc(write_asf(folder / "01.asf"), write_amc(folder / "01_01.amc", frames))


def extrinsic(angles: tuple[float, ...], axes: str = "xyz") -> np.ndarray:
    """Rotation about fixed x first, then y, then z."""
    return Rotation.from_euler(axes, angles, degrees=True).as_matrix()


def test_the_zero_pose_is_the_identity_and_heads_chain_tails(tmp_path: Path) -> None:
    motion = read(tmp_path)
    np.testing.assert_allclose(motion.rotations[0], np.tile(np.eye(3), (len(CMU) + 1, 1, 1)), atol=1e-9)
    tibia, femur = motion.bones.index("ltibia"), motion.bones.index("lfemur")
    np.testing.assert_allclose(motion.heads[tibia], motion.tails[femur])
    assert np.linalg.norm(motion.tails[femur] - motion.heads[femur]) == pytest.approx(7.0, rel=1e-4)


def test_angles_turn_about_the_axes_of_each_bone(tmp_path: Path) -> None:
    motion = read(tmp_path)
    root, frame = extrinsic((10, 20, 30)), extrinsic((0, 0, 20))
    femur = root @ frame @ extrinsic((-40, 12, 7)) @ frame.T
    tibia = femur @ frame @ extrinsic((55,), "x") @ frame.T
    foot_frame = extrinsic((-90, 0, 20))
    foot = tibia @ foot_frame @ extrinsic((-10, 25), "xz") @ foot_frame.T
    for bone, expected in (("root", root), ("lhipjoint", root), ("lfemur", femur), ("ltibia", tibia), ("lfoot", foot)):
        np.testing.assert_allclose(motion.rotations[1, motion.bones.index(bone)], expected, atol=1e-9)


def test_radians_are_read_where_the_skeleton_says_so(tmp_path: Path) -> None:
    degrees = read(tmp_path).rotations
    text = (tmp_path / "01.asf").read_text().replace("angle deg", "angle rad")

    def in_radians(match: re.Match[str]) -> str:
        return "    axis " + " ".join(str(np.deg2rad(float(word))) for word in match.group(1).split()) + " XYZ"

    (tmp_path / "01.asf").write_text(re.sub(r"    axis (.*) XYZ", in_radians, text))
    radians = [{k: tuple(np.deg2rad(v)) for k, v in frame.items()} for frame in FRAMES]
    write_amc(tmp_path / "01_01.amc", radians)
    np.testing.assert_allclose(read_asf_amc(tmp_path / "01.asf", tmp_path / "01_01.amc").rotations, degrees, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("01.asf", ":bonedata", ":bones", "not a readable ASF"),
        ("01.asf", "    lfemur ltibia\n", "", "not connect|not a readable"),
        ("01.asf", "length 7", "length seven", "not a readable ASF"),
        ("01_01.amc", "ltibia 55", "", "not a readable AMC"),
        ("01_01.amc", "ltibia 55", "ltibia x", "not a readable AMC"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, name: str, old: str, new: str, message: str) -> None:
    read(tmp_path)
    text = (tmp_path / name).read_text()
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        read_asf_amc(tmp_path / "01.asf", tmp_path / "01_01.amc")


def test_an_empty_motion_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no frames"):
        read(tmp_path, [])
