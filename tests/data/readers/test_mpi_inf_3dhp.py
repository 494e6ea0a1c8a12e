"""MPI-INF-3DHP's official files: joints are where the pictures show them, in both scales; damage is named."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from data.readers import mpi_files as files
from data.readers.mpi_files import CAMERAS, FRAMES, SCALE, VALID
from data.scenes import assert_painted
from layouts.damage import cut, remove
from layouts.mat73 import save_mat73
from layouts.pictures import write_video
from metricpose.data.faults import Faults
from metricpose.data.readers import mpi_inf_3dhp as reader
from metricpose.data.readers import mpi_inf_3dhp_layout as layout
from metricpose.data.readers.contract import Item, find_items, load, world_joints
from metricpose.data.readers.mpi_inf_3dhp_cameras import read_cameras
from metricpose.data.readers.mpi_inf_3dhp_layout import Recording, Split
from metricpose.data.readers.mpi_inf_3dhp_train import read_annotations
from metricpose.errors import DataError
from metricpose.types import OUTSIDE, UNKNOWN

ONE = Split((Recording(1, 1),), cameras=(0, 1, 2))
HOME = "S1/Seq1"


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """One recording, small pictures; nothing kept of another test's files."""
    splits = {"train": ONE, "train_universal": ONE._replace(universal=True), "train_full": ONE._replace(inside=1 / 3)}
    for name, split in splits.items():
        monkeypatch.setitem(layout.TRAIN_SPLITS, name, split)
    monkeypatch.setattr(layout, "TEST_SIZES", {n: c.size for n, c in files.TEST_CAMERAS.items()})
    read_annotations.cache_clear()
    read_cameras.cache_clear()


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("3dhp") / "3dhp"
    files.write_training(folder)
    files.write_test(folder)
    return folder


@pytest.fixture
def copy(official: Path, tmp_path: Path) -> Path:
    """To be damaged."""
    return Path(shutil.copytree(official, tmp_path / "copy"))


def items(folder: Path, split: str) -> list[Item]:
    return list(find_items(reader.READER, folder, split, Faults()))


# -- training --------------------------------------------------------------------------------------------------------


def test_training_frames(official: Path) -> None:
    found = items(official, "train")
    assert len(found) == 3 * FRAMES
    assert [i.id for i in found[FRAMES : FRAMES + 2]] == ["S1/Seq1.1/000000", "S1/Seq1.1/000001"]
    for item in found[::4]:
        record = load(reader.READER, item)
        eye = CAMERAS[record.info["view"]]
        assert_painted(record, least=12)
        np.testing.assert_allclose(record.joints_mm, files.people(eye)[item.frame], atol=0.01)
        np.testing.assert_allclose(record.camera.project_camera(record.joints_mm), record.joints_px, atol=0.01)
        np.testing.assert_allclose(world_joints(reader.labels(item)), eye.to_world(record.joints_mm), atol=1.0)
        assert (record.visibility == UNKNOWN).all()
        assert record.abs_valid
        assert record.info["annotation"] == "annot3"
        assert record.info["universal_scale"] == pytest.approx(SCALE, rel=1e-4)
        low, high = record.joints_px.min(0), record.joints_px.max(0)
        pad = 0.1 * (high - low).max()
        clipped = np.maximum(low - pad, -0.5), np.minimum(high + pad, np.array(eye.size) - 0.5)
        np.testing.assert_allclose(record.box_xywh, [*clipped[0], *(clipped[1] - clipped[0])])


def test_universal_poses_project_onto_the_picture(official: Path) -> None:
    for item in items(official, "train_universal")[::5]:
        record = load(reader.READER, item)
        metric = files.people(CAMERAS[record.info["view"]])[item.frame]
        expected = files.universal(metric)
        root = files.ROOT
        np.testing.assert_allclose(record.joints_mm - record.joints_mm[root], expected - expected[root], atol=0.01)
        np.testing.assert_allclose(record.joints_mm, metric / SCALE, atol=0.1)
        np.testing.assert_allclose(record.camera.project_camera(record.joints_mm), record.joints_px, atol=0.05)
        assert not record.abs_valid
        assert record.info["annotation"] == "univ_annot3"


@pytest.mark.parametrize(
    "place",
    [
        "imageSequence/img_{}_{:06d}.jpg",
        "imageSequence/video_{}/img_{:06d}.png",
        "imageFrames/video_{}/frame_{:06d}.jpg",
    ],
)  # fmt: skip
def test_extracted_frames(tmp_path: Path, place: str) -> None:
    files.write_training(tmp_path / "a", with_masks="imageSequence" in place, place=place)
    (tmp_path / "a" / HOME / place.format(2, 4)).unlink()
    found = items(tmp_path / "a", "train")
    assert [i.frame for i in found if i.sequence == "S1/Seq1.2"] == [0, 1, 2, 4, 5, 6]
    for item in found[:: FRAMES - 1]:
        assert_painted(load(reader.READER, item), least=12)


def test_masks_are_the_person_and_the_chair(official: Path, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    item = items(official, "train")[3]
    alpha = load(reader.READER, item).alpha
    assert alpha is not None
    person, chair = files.masks(CAMERAS[0], files.people(CAMERAS[0])[3])
    assert (alpha[person[..., 1] == 200] > 200).mean() > 0.98
    assert alpha[files.CHAIR].min() > 200
    assert alpha[:, -8:].max() < 60  # beside the green screen, far from the person
    assert (alpha > 128).mean() == pytest.approx(((person[..., 1] == 200) | (chair[..., 0] == 0)).mean(), abs=0.02)
    shutil.rmtree(copy / HOME / "ChairMasks")
    assert load(reader.READER, items(copy, "train")[3]).alpha is None
    monkeypatch.setattr(layout, "WITHOUT_MASKS", {(1, 1)})
    assert load(reader.READER, item).alpha is None


def write_annotations(folder: Path, metric: dict[int, np.ndarray] | None = None, **changes: object) -> None:
    metric = {c: files.people(CAMERAS[c]) for c in (2, 0, 1)} if metric is None else metric
    savemat(str(folder / HOME / "annot.mat"), files.annotations(metric, **changes))


def test_frames_that_cut_the_person_off(copy: Path) -> None:
    """A step of 300 mm leads out of the picture of camera 0."""
    metric = {c: files.people(CAMERAS[c], step=300) for c in (0, 1, 2)}
    write_annotations(copy, metric)
    faults = Faults()
    whole = find_items(reader.READER, copy, "train", faults)
    some = items(copy, "train_full")
    inside = {c: (np.abs(CAMERAS[c].project_camera(metric[c]) + 0.5 - np.array(CAMERAS[c].size) / 2)
                  <= np.array(CAMERAS[c].size) / 2).all(-1) for c in metric}  # fmt: skip
    assert len(whole) == sum(i.all(1).sum() for i in inside.values())
    assert len(some) == sum((i.mean(1) > 0.33).sum() for i in inside.values())
    assert len(whole) < len(some) < 3 * FRAMES
    assert any("frames, without all joints in the picture" in e.why and e.known for e in faults.left_out)
    item = next(i for i in some if i.id not in {w.id for w in whole})
    labels = reader.labels(item)
    np.testing.assert_array_equal(labels.visibility == OUTSIDE, ~inside[int(item.sequence[-1])][item.frame])
    assert (labels.box_xywh[:2] + labels.box_xywh[2:] <= np.array(labels.camera.size) - 0.5).all()


def test_frames_beyond_the_official_count_are_not_used(official: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(layout.FRAMES, (1, 1), 5)
    monkeypatch.setitem(layout.SHORT, (1, 1, 2), 3)
    assert [i.sequence for i in items(official, "train")].count("S1/Seq1.0") == 5
    assert [i.sequence for i in items(official, "train")].count("S1/Seq1.2") == 3
    monkeypatch.setitem(layout.TRAIN_SPLITS, "train", ONE._replace(blacklist=((1, 1, 2),)))
    faults = Faults()
    assert {i.sequence for i in find_items(reader.READER, official, "train", faults)} == {"S1/Seq1.0", "S1/Seq1.1"}
    assert ("S1/Seq1.2", True) in [(e.where, e.known) for e in faults.left_out]


def test_the_papers_parts() -> None:
    splits = layout.TRAIN_SPLITS
    frames = sum(r.frames(c) for r in splits["metrabs_train"].recordings for c in splits["metrabs_train"].cameras)
    assert frames == 8 * (131592 - 6468 - 6054) - (6145 - 3911)
    parts = [set(splits[f"margipose_{n}"].recordings) for n in ("train", "val")]
    assert parts[1] == {Recording(4, 1), Recording(8, 2)}
    assert not parts[0] & parts[1]
    assert len(parts[0] | parts[1]) == 16
    assert splits["margipose_train_universal"].universal
    assert splits["margipose_train"].blacklist == ((6, 2, 2),)
    assert layout.COUNTS["test_universal"] == 2929


# -- test ------------------------------------------------------------------------------------------------------------


def test_test_frames_and_their_recovered_camera(official: Path) -> None:
    faults = Faults()
    found = find_items(reader.READER, official, "test", faults)
    frames = np.flatnonzero(VALID).tolist()
    assert [i.id for i in found] == [f"TS{n}/{f:06d}" for n in (1, 5) for f in frames]
    assert faults.left_out[0].why == "2 of 7 frames, which are not marked as valid"
    for item in found:
        record = load(reader.READER, item)
        eye = files.TEST_CAMERAS[int(item.sequence[2:])]
        assert_painted(record, least=10)
        np.testing.assert_allclose(record.camera.K, eye.K, rtol=1e-6)
        np.testing.assert_allclose(record.joints_mm, files.people(eye)[item.frame], atol=1e-6)
        np.testing.assert_allclose(record.info["univ_annot3"], files.universal(record.joints_mm), atol=1e-3)
        assert record.info["intrinsics_residual_px"] < 1e-6
        assert record.alpha is None
    assert [reader.labels(i).info["activity"] for i in found[:3]] == ["Stand/Walk", "Exercise", "Misc."]
    assert reader.labels(found[-1]).info["scene"] == "outdoor"


def test_test_frames_on_the_universal_scale(official: Path) -> None:
    item = items(official, "test_universal")[2]
    labels = reader.labels(item)
    metric = files.people(CAMERAS[0])[item.frame]
    np.testing.assert_allclose(labels.joints_mm, metric / SCALE, atol=1e-6)
    np.testing.assert_allclose(labels.info["annot3"], metric, atol=1e-3)
    assert labels.info["universal_scale"] == pytest.approx(SCALE)
    assert not labels.abs_valid


def test_wrong_legs_do_not_change_the_scale(copy: Path) -> None:
    """As in TS6: they are left as they are, because published numbers have them."""
    metric = files.people(CAMERAS[0])
    variables = files.tested(metric, CAMERAS[0])
    variables["univ_annot3"][:, [9, 10, 12, 13]] += 80
    save_mat73(copy / "mpi_inf_3dhp_test_set/TS1/annot_data.mat", variables)
    item = items(copy, "test_universal")[0]
    labels = reader.labels(item)
    assert labels.info["universal_scale"] == pytest.approx(SCALE)
    off = np.linalg.norm(labels.joints_mm - metric[0] / SCALE, axis=1)
    np.testing.assert_allclose(off, [80 * np.sqrt(3) if j in (9, 10, 12, 13) else 0 for j in range(17)], atol=1e-6)


def test_items_travel_to_other_processes(official: Path) -> None:
    for split in ("train", "test"):
        found = find_items(reader.READER, official, split, Faults())
        item = pickle.loads(pickle.dumps(found))[2]
        np.testing.assert_array_equal(reader.labels(item).joints_mm, reader.labels(found[2]).joints_mm)


# -- damage ----------------------------------------------------------------------------------------------------------

VIDEO, MASKS = f"{HOME}/imageSequence/video_1.avi", f"{HOME}/FGmasks/video_1.avi"
TEST = "mpi_inf_3dhp_test_set/TS5"


def calibration(old: str, new: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / HOME / "camera.calibration"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    return damage


def annotated(**changes: object) -> Callable[[Path], None]:
    return lambda folder: write_annotations(folder, **changes)


def scaled(factor: float) -> Callable[[Path], None]:
    return lambda folder: write_annotations(folder, {c: factor * files.people(CAMERAS[c]) for c in CAMERAS})


def of_test(**changes: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        variables = files.tested(files.people(CAMERAS[1]), CAMERAS[1])
        save_mat73(folder / TEST / "annot_data.mat", variables | changes)

    return damage


def with_values(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    values = files.tested(files.people(CAMERAS[1]), CAMERAS[1])[name]
    return of_test(**{name: change(values)})


ALL = {c: files.people(CAMERAS[c]) for c in CAMERAS}
MOVED = {c: p + np.array([60, 0, 0]) for c, p in ALL.items()}
PAIR = {c: ALL[c] for c in (0, 1)}
SHORT_CELLS = files.cells([np.zeros((FRAMES, 55))] * 3, (3, 1))

AT_INDEX = {
    "no recording": (remove(HOME), r"S1/Seq1: .*expected the folder of a recording .* found no such folder\. Download"),
    "no annotations": (remove(f"{HOME}/annot.mat"), r"annot\.mat: expected a MAT file, found no such file"),
    "half of them": (cut(f"{HOME}/annot.mat", 0.1), r"annot\.mat: expected a MAT file of version 5"),
    "other variables": (lambda f: savemat(str(f / HOME / "annot.mat"), {"x": 1}), r"found no annot2, cameras, frames"),
    "other joints": (annotated(annot2=SHORT_CELLS), r"annot2 with a cell for each of 3 cameras, of 7 frames x 56 numb"),
    "too few cells": (annotated(annot2=SHORT_CELLS[:2]), r"annot2 with a cell for each of 3 cameras.*found 2 of shape"),
    "frames in disorder": (annotated(frames=np.array([0, 1, 2, 3, 4, 6, 5])), r"expected increasing numbers in frames"),
    "a camera less": (lambda f: write_annotations(f, PAIR), r"S1/Seq1\.2: .*of camera 2, found those of \[0, 1"),
    "no calibration": (remove(f"{HOME}/camera.calibration"), r"camera\.calibration: expected the cameras of a record"),
    "another text": (calibration("Skeletool", "Skull"), r"expected a text that begins with Skeletool Camera Calibrati"),
    "no camera 2": (calibration("name          2", "name          9"), r"expected camera 2, which annot\.mat has"),
    "a nameless camera": (calibration("name          2", "name"), r"expected cameras named by numbers, found 'name '"),
    "short intrinsics": (calibration("  intrinsic   ", "  intrinsic   1 "), r"'intrinsic' with 16 numbers for camera"),
    "no size": (calibration("  size", "  measure"), r"expected a line 'size' with 2 numbers for camera 0, found none"),
    "a lens": (calibration("radial      0", "radial      1"), r"camera 0 without motion and lens distortion"),
    "no rotation": (calibration("  extrinsic   ", "  extrinsic   7"), r"expected a rotation of camera 0"),
    "no video": (remove(VIDEO), r"S1/Seq1\.1: .*video_1\.avi: expected a video .* found no such file\. Download"),
}  # fmt: skip

AT_LABELS = {
    "metres": (scaled(1e-3), r"annot\.mat: expected thighs of 250 to 700 mm, found 0\.4"),
    "half a video": (cut(VIDEO), r"video_1\.avi: expected"),
    "a short video": (
        lambda f: write_video(f / VIDEO, files.pictures(CAMERAS[1], files.people(CAMERAS[1])[:2]), "mpeg4"),
        r"video_1\.avi: expected frame 4, found 2 frames",
    ),
    "a small video": (
        lambda f: write_video(f / VIDEO, [np.zeros((110, 90, 3), np.uint8)] * FRAMES, "mpeg4"),
        r"expected a picture of 360 x 440 pixels, as the labels of S1/Seq1\.1/000004 say, found 90 x 110",
    ),
    "another size of masks": (
        lambda f: write_video(f / MASKS, [np.zeros((100, 60, 3), np.uint8)] * FRAMES, "mpeg4"),
        r"FGmasks/video_1\.avi: expected masks of 360 x 440 pixels, .* found 60 x 100",
    ),
    "annotations of another": (
        lambda f: write_annotations(f, MOVED, annot2=files.annotations(ALL)["annot2"]),
        r"expected annot2 within 2 pixels of where camera\.calibration projects annot3, found \d",
    ),
}  # fmt: skip

AT_TEST = {
    "no recording": (remove(TEST), r"TS5: expected the folder of a test recording .* found no such folder\. "),
    "half of it": (cut(f"{TEST}/annot_data.mat"), r"annot_data\.mat: expected a MAT file of version 7\.3"),
    "an image less": (remove(f"{TEST}/imageSequence/img_000004.jpg"), r"TS5/000003: .*expected an image of the test"),
    "28 joints": (of_test(annot3=np.zeros((3, 28, 1, FRAMES))), r"annot3 of 3 x 17 x 1 x 7 real numbers, found shape"),
    "NaN": (with_values("annot2", lambda v: v * np.nan), r"finite numbers in annot2 of valid frames, found NaN"),
    "another's pixels": (with_values("annot2", lambda v: v + 40 * np.sin(9 * v)), r"annot2 and annot3 within 10 "),
    "mirrored": (with_values("annot2", lambda v: 400 - v), r"annot2 and annot3 of a camera .* focal lengths of -"),
    "the other scale": (
        of_test(annot3=files.tested(files.people(CAMERAS[1]), CAMERAS[1])["univ_annot3"]),
        r"expected annot3 other than univ_annot3, found the same numbers",
    ),
    "metres": (with_values("annot3", lambda v: v / 1000), r"expected thighs of 250 to 700 mm, found 0\.4"),
}  # fmt: skip


@pytest.mark.parametrize("name", AT_INDEX)
def test_faults_of_recordings_are_named(copy: Path, name: str) -> None:
    damage, message = AT_INDEX[name]
    damage(copy)
    with pytest.raises(DataError, match=f"(?s){message}"):
        items(copy, "train")


@pytest.mark.parametrize("name", AT_LABELS)
def test_faults_of_frames_are_named(copy: Path, name: str) -> None:
    damage, message = AT_LABELS[name]
    damage(copy)
    item = next(i for i in items(copy, "train") if i.id == "S1/Seq1.1/000004")
    with pytest.raises(DataError, match=f"(?s){message}"):
        load(reader.READER, item)


@pytest.mark.parametrize("name", AT_TEST)
def test_faults_of_the_test_set_are_named(copy: Path, name: str) -> None:
    damage, message = AT_TEST[name]
    damage(copy)
    with pytest.raises(DataError, match=f"(?s){message}"):
        items(copy, "test")


def test_poses_that_are_not_one_pose_in_two_scales(copy: Path) -> None:
    metric = {c: files.people(CAMERAS[c]) for c in CAMERAS}
    cells = files.annotations(metric)["univ_annot3"]
    cells[1, 0][4] *= 1.2
    write_annotations(copy, metric, univ_annot3=cells)
    found = items(copy, "train_universal")
    reader.labels(found[FRAMES + 3])
    with pytest.raises(DataError, match=r"univ_annot3 to be annot3 divided by 1\.07.* row 4 of camera 1"):
        reader.labels(found[FRAMES + 4])
    reader.labels(items(copy, "train")[FRAMES + 4])


def test_faulty_parts_are_left_out_and_listed(copy: Path) -> None:
    remove(VIDEO)(copy)
    remove(f"{TEST}/imageSequence/img_000004.jpg")(copy)
    faults = Faults(skip_bad=True)
    assert {i.sequence for i in find_items(reader.READER, copy, "train", faults)} == {"S1/Seq1.0", "S1/Seq1.2"}
    assert len(find_items(reader.READER, copy, "test", faults)) == 2 * VALID.sum() - 1
    assert [e.where for e in faults.bad] == ["S1/Seq1.1", "TS5/000003"]


def test_resized_pictures_are_refused(tmp_path: Path) -> None:
    """As MargiPose's scripts make them."""
    place = "imageSequence/video_{}/img_{:06d}.jpg"
    files.write_training(tmp_path, with_masks=False, place=place)
    path = tmp_path / HOME / place.format(0, 1)
    cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), (100, 80)))
    with pytest.raises(DataError, match=r"picture of 400 x 320 .* found 100 x 80"):
        load(reader.READER, items(tmp_path, "train")[0])
