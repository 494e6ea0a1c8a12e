"""HumanEva-I: poses of both kinds of converted files meet the official videos; gaps are placed or refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from data.readers import dots
from layouts import humaneva as layouts
from metricpose.data.faults import Faults
from metricpose.data.readers import humaneva, humaneva_layout
from metricpose.data.readers.contract import find_items, load
from metricpose.data.readers.humaneva_layout import CAMERAS, Recording
from metricpose.errors import DataError
from metricpose.geometry.camera import Camera
from metricpose.skeleton.catalog import HUMANEVA_15

WALK = Recording("S1", "Walking", "Validate", 2, 16, (4, 3, 5))
JOG = Recording("S2", "Jog", "Validate", 0, 9, (1, 1, 2))
RADIUS = 5
GAPS = {"Walking": [3, 4, 9]}  # rows without motion capture


def cameras(subject: str) -> dict[str, Camera]:
    rng = np.random.default_rng(int(subject[1:]))
    found = {}
    for view, name in enumerate(CAMERAS):
        angle = 0.1 + view * np.pi / 2
        centre = np.array([4200 * np.cos(angle), 4200 * np.sin(angle), 1500.0])
        R = dots.look(centre, np.array([0, 0, 950.0]))
        fx, fy = 620 + rng.normal(0, 5, 2)
        K = np.array([[fx, 0.001 * fx, 325.5], [0, fy, 236.2], [0, 0, 1]])
        lens = np.array([-0.22, 0.16, 0.0007, -0.0012, 0.01])
        found[name] = Camera(K, (640, 480), lens, R, -R @ centre)
    return found


def world(recording: Recording) -> np.ndarray:
    """Every frame of it."""
    rows = recording.end - recording.start
    return np.stack([dots.pose(HUMANEVA_15.joints, n + 3 * int(recording.subject[1:])) for n in range(rows)])


def measured(recording: Recording) -> np.ndarray:
    joints = world(recording)
    joints[GAPS.get(recording.action, [])] = np.nan
    return joints


def write(folder: Path) -> None:
    """Videos and calibrations."""
    for recording in (WALK, JOG):
        for name, camera in cameras(recording.subject).items():
            shown = [dots.paint((640, 480), camera.project(joints), RADIUS) for joints in world(recording)]
            layouts.write_view(folder, recording, name, camera, shown)


def poses() -> list[tuple[Recording, np.ndarray]]:
    return [(recording, measured(recording)) for recording in (WALK, JOG)]


def write_mat(folder: Path) -> None:
    layouts.write_mat(folder, poses())


def write_collection(folder: Path, *, gaps: bool = True) -> None:
    layouts.write_collection(folder, poses(), gaps=gaps)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(humaneva_layout.SPLITS, "validate", (WALK, JOG))


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("humaneva") / "HumanEva_I"
    write(folder)
    return folder


@pytest.fixture
def folder(videos: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(videos, tmp_path / "copy"))


@pytest.mark.parametrize("write_poses", [write_mat, write_collection])
def test_joints_are_where_the_videos_show_them(folder: Path, write_poses: Callable[[Path], None]) -> None:
    write_poses(folder)
    items = find_items(humaneva.READER, folder, "validate", Faults())
    assert len(items) == 3 * (14 - 3) + 3 * 9
    assert [i.frame for i in items[:11]] == [2, 3, 4, 7, 8, 9, 10, 12, 13, 14, 15]
    assert items[3].id == "Validate/S1/Walking_1.C1/000007"
    assert items[3].picture.frame == 7 + 4 - 1
    for item in items[1::6]:
        record = load(humaneva.READER, item)
        recording = WALK if record.info["subject"] == "S1" else JOG
        camera = cameras(recording.subject)[record.info["view"]]
        assert dots.distances(record.image, record.joints_px, RADIUS).max() < dots.CLOSE, item.id
        expected = camera.to_camera(world(recording)[item.frame - recording.start])
        np.testing.assert_allclose(record.joints_mm, expected, atol=0.01)
        assert record.skeleton == "humaneva_15"
        assert record.info["action"] == recording.action


def test_gaps_of_unknown_length(folder: Path) -> None:
    write_collection(folder, gaps=False)
    message = (
        r"Validate/S1/Walking 1: .*how long the gaps of .* so 8 frames with poses cannot be placed in time\. Put Vi"
    )
    with pytest.raises(DataError, match=message):
        find_items(humaneva.READER, folder, "validate", Faults())
    faults = Faults(skip_bad=True)
    items = find_items(humaneva.READER, folder, "validate", faults)
    assert [i.frame for i in items if i.sequence == "Validate/S1/Walking_1.C2"] == [2, 3, 4]
    assert any("8 frames with poses" in e.why for e in faults.left_out)


def test_the_official_ranges() -> None:
    by_name = {r.name: r for r in humaneva_layout.SPLITS["validate_all"] + humaneva_layout.SPLITS["train_all"]}
    assert len(by_name) == 2 * (3 * 5 - 1)
    assert by_name["Validate/S1/Walking 1"][3:] == (5, 590, (82, 81, 82))
    assert by_name["Train/S3/Jog 1"][3:] == (401, 842, (65, 65, 65))
    assert by_name["Validate/S1/Walking 1"].video_frame(0, "C2") == 85
    assert {r.action for r in humaneva_layout.SPLITS["train"]} == {"Walking", "Jog"}


def damage_mat(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    path = Path("converted_15j/Validate/S1/Walking_1.mat")
    return lambda folder: savemat(folder / path, {"poses_3d": change(measured(WALK))})


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def mirrored(folder: Path) -> None:
    numbers = (folder / CALIBRATION).read_text().split()
    numbers[10:13] = [str(-float(n)) for n in numbers[10:13]]
    (folder / CALIBRATION).write_text(" ".join(numbers))


CALIBRATION = "S1/Calibration_Data/C1.cal"
FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no poses": (
        lambda f: shutil.rmtree(f / "converted_15j"),
        r"humaneva15\.npz: expected poses .* Convert the data set",
    ),
    "half": (lambda f: half(f / "converted_15j/Validate/S1/Walking_1.mat"), r"Walking_1\.mat: expected a MAT file"),
    "too short": (
        damage_mat(lambda j: j[:9]),
        r"expected poses_3d of shape \(14, 15, 3\), found \(9, 15, 3\)\. Convert",
    ),
    "20 joints": (damage_mat(lambda j: np.tile(j, (1, 2, 1))[:, :20]), r"found \(14, 20, 3\)\. Convert with N_JOINTS"),
    "metres": (
        damage_mat(lambda j: j / 1000),
        r"expected thighs of 250 to 700 mm in Validate/S1/Walking 1, found 0\.4",
    ),
    "no video": (
        lambda f: (f / "S1/Image_Data/Walking_1_(C1).avi").unlink(),
        r"avi: expected a video .* Extract the arc",
    ),
    "half a video": (lambda f: half(f / "S1/Image_Data/Walking_1_(C1).avi"), r"Walking_1_\(C1\)\.avi: expected"),
    "no camera": (lambda f: (f / CALIBRATION).unlink(), r"C1\.cal: expected a calibration file .* found no such file"),
    "short camera": (lambda f: (f / CALIBRATION).write_text("1 2 3"), r"C1\.cal: expected 22 finite numbers, found 3"),
    "no numbers": (lambda f: (f / CALIBRATION).write_text("<html>"), r"C1\.cal: expected 22 numbers, found could not"),
    "mirrored": (mirrored, r"C1\.cal: expected a rotation in numbers 11 to 19"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_named(folder: Path, name: str) -> None:
    write_mat(folder)
    damage, message = FAULTS[name]
    damage(folder)
    with pytest.raises(DataError, match=f"(?s){message}"):
        [load(humaneva.READER, item) for item in find_items(humaneva.READER, folder, "validate", Faults())[:11]]


def test_faults_of_collections(folder: Path) -> None:
    path = folder / "data_3d_humaneva15.npz"
    for content, message in (
        ({"Validate/S2": {}}, r"expected the recording Validate/S1/Walking 1, found none of its chunks"),
        ({"Validate/S1": {"Walking 1 chunk0": np.zeros((4, 20, 3))}}, r"frames x 15 x 3 numbers .* found \(4, 20, 3\)"),
        ({"Validate/S1": {"Walking 1 chunk0": world(WALK)[[0] * 15] / 1000}}, r"at most 14 frames of .* found 15"),
    ):
        np.savez(path, positions_3d=np.array(content, object))
        humaneva.poses._read_collection.cache_clear()
        humaneva.poses.read_poses.cache_clear()
        with pytest.raises(DataError, match=message):
            find_items(humaneva.READER, folder, "validate", Faults())
