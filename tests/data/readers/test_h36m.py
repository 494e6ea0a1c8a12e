"""Human3.6M's official files: joints are where the pictures show them; known faults are mended; damage is named."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from data.readers import dots
from data.readers.h36m_files import FRAMES, Take, eyes
from layouts.damage import cut, remove
from layouts.h36m import TRUE_SHIFT, metadata, recorded, write, write_cdf
from layouts.pictures import write_frames, write_video
from metricpose.data.faults import Faults
from metricpose.data.readers import h36m, h36m_frames, h36m_layout
from metricpose.data.readers.contract import find_items, load
from metricpose.data.readers.h36m_layout import CAMERAS, Split
from metricpose.errors import DataError

CAMERA_SET = eyes()
TAKES = {
    name: Take(subject, name.split("/")[1], CAMERA_SET)
    for name, subject in (("S9/Greeting", 9), ("S11/Directions", 11), ("S1/TakingPhoto 1", 1))
}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each subject one recording, for training one subject, for testing every 8th frame."""
    every = h36m_layout.recordings
    monkeypatch.setattr(h36m_layout, "recordings", lambda s: [r for r in every(s) if f"S{s}/{r.name}" in TAKES])
    monkeypatch.setitem(h36m_layout.SPLITS, "train", Split((1,)))
    for name in ("test", "test_uncorrected"):
        monkeypatch.setitem(h36m_layout.SPLITS, name, h36m_layout.SPLITS[name]._replace(step=8))


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("h36m") / "h36m"
    write(folder, list(TAKES.values()))
    return folder


@pytest.fixture
def copy(official: Path, tmp_path: Path) -> Path:
    """To be damaged."""
    return Path(shutil.copytree(official, tmp_path / "copy"))


def check(folder: Path, split: str, every: int = 1) -> list:
    """Each joint of every so-manieth item, against the picture and against the camera that took it."""
    items = find_items(h36m.READER, folder, split, Faults())
    for item in items[::every]:
        record = load(h36m.READER, item)
        take = TAKES[f"{record.info['subject']}/{record.info['recording']}"]
        eye = CAMERA_SET[take.subject, record.info["view"]]
        assert dots.distances(record.image, record.joints_px).max() < dots.CLOSE, item.id
        np.testing.assert_allclose(record.joints_mm, eye.in_frame(take.world[item.frame]), atol=0.01)
        np.testing.assert_allclose(record.camera.project_camera(record.joints_mm), record.joints_px, atol=0.01)
        np.testing.assert_allclose(record.camera.to_world(record.joints_mm), take.world[item.frame], atol=0.01)
    return list(items)


def test_test_frames(official: Path) -> None:
    items = check(official, "test")
    assert len(items) == (4 + 3) * 3  # one camera has no video
    assert items[0].id == "S9/Greeting.54138969/000000"
    assert items[1].id == "S9/Greeting.54138969/000008"
    assert items[-1].id == "S11/Directions.60457274/000016"
    assert items[1].sequence == "S9/Greeting.54138969"


def test_training_frames_and_names_of_the_first_subject(official: Path) -> None:
    items = check(official, "train", every=13)
    assert len(items) == 4 * FRAMES
    assert [i.frame for i in items[:FRAMES]] == list(range(FRAMES))
    assert items[5].id == "S1/TakingPhoto_1.54138969/000005"
    info = h36m.labels(items[5]).info
    assert (info["subject"], info["action"], info["subaction"], info["view"]) == ("S1", "Photo", 1, "54138969")


@pytest.mark.parametrize(("poses", "pictures"), [("world", "frames"), ("collection", "videos")])
def test_other_files_of_the_same(tmp_path: Path, poses: str, pictures: str) -> None:
    write(tmp_path / "a", [TAKES["S9/Greeting"]], poses=poses, pictures=pictures, boxes=False, pixels=False)
    shutil.copytree(tmp_path / "a" / "S9", tmp_path / "a" / "S11")
    for path in (tmp_path / "a" / "S11").rglob("Greeting*"):
        path.rename(path.with_name(path.name.replace("Greeting", "Directions")))
    faults, reader = Faults(), h36m.READER if pictures == "videos" else h36m_frames.READER
    items = find_items(reader, tmp_path / "a", "test_all", faults)
    of_s9 = [i for i in items if i.sequence.startswith("S9")]
    assert len(of_s9) == 4 * (FRAMES if pictures == "videos" else FRAMES // 2)
    for item in of_s9[::7]:
        record = load(reader, item)
        assert dots.distances(record.image, record.joints_px).max() < dots.CLOSE, item.id
        assert record.info["box"] == "joints"
    if poses == "collection":
        assert len(of_s9) == len(items)
        assert "data_3d_h36m.npz leaves it out" in [e.why for e in faults.left_out]


def test_the_damaged_video_is_left_out_and_listed(official: Path) -> None:
    faults = Faults()
    find_items(h36m.READER, official, "test", faults)
    assert [(e.where, e.known) for e in faults.left_out] == [("S11/Directions.54138969", True)]


def test_labels_beside_the_person_are_moved_or_left(official: Path) -> None:
    """`check` has shown that they are moved to where the person is."""
    moved = find_items(h36m.READER, official, "test", Faults())[5]
    left = find_items(h36m.READER, official, "test_uncorrected", Faults())[5]
    assert moved.id == left.id
    a, b = h36m.labels(moved), h36m.labels(left)
    np.testing.assert_allclose((a.joints_mm - b.joints_mm) @ a.camera.R, np.tile(TRUE_SHIFT, (17, 1)), atol=1e-6)
    assert a.info["moved_mm"] == TRUE_SHIFT.tolist()
    assert "moved_mm" not in b.info
    assert dots.distances(load(h36m.READER, left).image, b.pixels).min() > 5
    assert b.joints_px is not None  # the official 2D labels
    left_edge = TAKES["S9/Greeting"].box(CAMERAS[1], 16)[0]
    assert b.box_xywh[0] == left_edge - 0.5
    np.testing.assert_allclose(a.box_xywh[:2] - b.box_xywh[:2], (a.pixels - b.pixels).mean(0), atol=2.5)


def test_official_boxes(official: Path, copy: Path) -> None:
    item = find_items(h36m.READER, official, "train", Faults())[FRAMES + 4]
    left, right, top, bottom = TAKES["S1/TakingPhoto 1"].box(CAMERAS[1], 4)
    labels = h36m.labels(item)
    assert labels.box_xywh.tolist() == [left - 0.5, top - 0.5, right - left, bottom - top]
    assert labels.info["box"] == "official"

    (copy / "S1" / "BBoxes").mkdir()
    array = np.tile(np.array([3, 5, 40, 60], np.float32), (FRAMES, 1))
    array[4] = 0
    np.save(copy / "S1" / "BBoxes" / f"TakingPhoto 1.{CAMERAS[1]}.npy", array)
    items = find_items(h36m.READER, copy, "train", Faults())
    assert h36m.labels(items[FRAMES + 5]).box_xywh.tolist() == [2.5, 4.5, 40, 60]
    empty = h36m.labels(items[FRAMES + 4])
    assert empty.info["box"] == "joints"
    low, high = empty.pixels.min(0), empty.pixels.max(0)
    assert (empty.box_xywh[:2] < low).all()
    assert (empty.box_xywh[:2] + empty.box_xywh[2:] > high).all()


def test_masks_of_the_person(copy: Path) -> None:
    item = find_items(h36m.READER, copy, "train", Faults())[3]
    assert load(h36m.READER, item).alpha is None
    shutil.copytree(copy / "S1/MySegmentsMat/ground_truth_bb", copy / "S1/MySegmentsMat/ground_truth_bs")
    alpha = load(h36m.READER, item).alpha
    np.testing.assert_array_equal(alpha, 255 * TAKES["S1/TakingPhoto 1"].masks(CAMERAS[0])[3])


def test_items_travel_to_other_processes(official: Path) -> None:
    item = find_items(h36m.READER, official, "train", Faults())[9]
    again = pickle.loads(pickle.dumps(item))
    np.testing.assert_array_equal(h36m.labels(again).joints_mm, h36m.labels(item).joints_mm)


# -- damage ---------------------------------------------------------------------------------------------------------

MONO = "S1/MyPoseFeatures/D3_Positions_mono/TakingPhoto 1.54138969.cdf"
TWO_D = "S1/MyPoseFeatures/D2_Positions/TakingPhoto 1.54138969.cdf"
VIDEO = "S1/Videos/TakingPhoto 1.54138969.mp4"
BOXES = "S1/MySegmentsMat/ground_truth_bb/TakingPhoto 1.54138969.mat"
TAKE = TAKES["S1/TakingPhoto 1"]


def swap(name: str, other: str) -> Callable[[Path], None]:
    return lambda folder: Path(shutil.copy(folder / other, folder / name)) and None


def rewrite(name: str, old: str, new: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return damage


def cdf(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    """The camera-frame poses changed."""
    joints = CAMERA_SET[1, CAMERAS[0]].in_frame(TAKE.world)
    return lambda folder: write_cdf(folder / MONO, recorded(change(joints)))


def with_nan(joints: np.ndarray) -> np.ndarray:
    joints = joints.copy()
    joints[7, 3, 1] = np.nan
    return joints


def short_video(folder: Path) -> None:
    write_video(folder / VIDEO, TAKE.pictures(CAMERAS[0])[:2])


def resized(folder: Path) -> None:
    write_video(folder / VIDEO, [image[::2, ::2] for image in TAKE.pictures(CAMERAS[0])])


def no_masks(folder: Path) -> None:
    with h5py.File(folder / BOXES, "w") as file:
        file["Other"] = np.zeros((3, 1))


def bad_array(folder: Path) -> None:
    (folder / "S1" / "BBoxes").mkdir()
    np.save(folder / "S1" / "BBoxes" / f"{Path(VIDEO).stem}.npy", np.zeros((FRAMES, 3)))


def few_boxes(folder: Path) -> None:
    (folder / "S1" / "BBoxes").mkdir()
    np.save(folder / "S1" / "BBoxes" / f"{Path(VIDEO).stem}.npy", np.ones((2, 4)))


AT_INDEX = {
    "no cameras": (remove("metadata.xml"), r"metadata\.xml: expected the cameras .* found no such file\. It comes"),
    "half an XML": (cut("metadata.xml"), r"metadata\.xml: expected an XML file"),
    "numbers missing": (rewrite("metadata.xml", "<w0>[", "<w0>[1 "), r"expected 300 finite numbers .* found 301"),
    "no numbers": (rewrite("metadata.xml", "<w0>[", "<w0>[what "), r"300 numbers in the element w0, found could not"),
    "other cameras": (rewrite("metadata.xml", "<item>58860488</item>", ""), r"expected the cameras 54138969, 550"),
    "no sizes": (rewrite("metadata.xml", "[362 340", "362 340"), r"expected the sizes of all cameras' pictures"),
    "no subject": (remove("S1"), r"S1: .*S1: expected the folder of subject S1, found no such folder\. Download"),
    "no poses": (remove(MONO), r"S1/TakingPhoto_1\.54138969: .*expected poses .* no such file\. Extract Poses_D3"),
    "half a CDF": (cut(MONO), r"TakingPhoto 1\.54138969\.cdf: expected a CDF file"),
    "no frame": (cut(MONO, 0), r"TakingPhoto 1\.54138969\.cdf: expected a CDF file, found an empty file"),
    "2D for 3D": (swap(MONO, TWO_D), r"expected a variable Pose of 32 joints, 1 x frames x 96 numbers, found .*64"),
    "NaN": (cdf(with_nan), r"finite coordinates of all joints of TakingPhoto 1, found NaN or infinity from frame 7"),
    "metres": (cdf(lambda j: j / 1000), r"expected thighs of 250 to 700 mm in TakingPhoto 1, found 0\.4"),
    "no video": (remove(VIDEO), r"\.mp4: expected a video of Human3.6M, found no such file\. Extract Videos_S1\.tgz"),
}  # fmt: skip

AT_FRAME = {
    "half a video": (cut(VIDEO), r"\.mp4: expected"),
    "short video": (short_video, r"\.mp4: expected frame 5, found 2 frames"),
    "resized video": (resized, r"expected a picture of 340 x 362 pixels, as the labels of S1/.* say, found 170 x 181"),
    "another view": (swap(TWO_D, TWO_D.replace("54138969", "55011271")), r"D2_.*expected 2D labels within 2 pixels of"),
    "another subject": (swap(MONO, MONO.replace("54138969", "55011271")), r"One of the three belongs to another view"),
    "half the boxes": (cut(BOXES), r"\.mat: expected a MAT file of version 7\.3 with the cell array Masks"),
    "no boxes": (no_masks, r"\.mat: expected a MAT file of version 7\.3 with the cell array Masks"),
    "boxes of another view": (swap(BOXES, BOXES.replace("54138969", "55011271")), r"masks of 340 x 362 .* found 350 x"),
    "boxes of another kind": (bad_array, r"\.npy: expected left, top, width, height of every frame, found shape"),
    "too few boxes": (few_boxes, r"\.npy: expected a box of frame 5, found 2 boxes"),
}


@pytest.mark.parametrize("name", AT_INDEX)
def test_faults_of_recordings_are_named(copy: Path, name: str) -> None:
    damage, message = AT_INDEX[name]
    damage(copy)
    with pytest.raises(DataError, match=f"(?s){message}"):
        find_items(h36m.READER, copy, "train", Faults())


@pytest.mark.parametrize("name", AT_FRAME)
def test_faults_of_frames_are_named(copy: Path, name: str) -> None:
    damage, message = AT_FRAME[name]
    damage(copy)
    items = find_items(h36m.READER, copy, "train", Faults())
    with pytest.raises(DataError, match=f"(?s){message}"):
        load(h36m.READER, items[5])


def test_faulty_recordings_are_left_out_and_listed(copy: Path) -> None:
    remove("S9")(copy)
    cut(MONO.replace("S1/", "S11/").replace("TakingPhoto 1", "Directions").replace("54138969", "55011271"))(copy)
    faults = Faults(skip_bad=True)
    items = find_items(h36m.READER, copy, "test", faults)
    assert {i.sequence for i in items} == {"S11/Directions.58860488", "S11/Directions.60457274"}
    assert [e.where for e in faults.bad] == ["S9", "S11/Directions.55011271"]


def test_extracted_frames_that_are_not_there(copy: Path) -> None:
    with pytest.raises(DataError, match=r"TakingPhoto 1\.54138969: expected frames of a video .* found no such folder"):
        find_items(h36m_frames.READER, copy, "train", Faults())
    write_frames(copy / "S1/Images" / Path(VIDEO).stem, [], "")
    with pytest.raises(DataError, match=r"expected frame_000000\.jpg .* that 1 divides, up to 17, found 0 frames"):
        find_items(h36m_frames.READER, copy, "train", Faults())


def test_a_collection_without_the_subject(tmp_path: Path) -> None:
    write(tmp_path / "a", [TAKES["S9/Greeting"]], poses="collection", pictures="frames", boxes=False, pixels=False)
    (tmp_path / "a" / "S9").rename(tmp_path / "a" / "S1")
    with pytest.raises(DataError, match=r"data_3d_h36m\.npz: expected the recording Photo 1 of S1, found no recording"):
        find_items(h36m.READER, tmp_path / "a", "train", Faults())


def test_collections_are_not_executed(tmp_path: Path) -> None:
    (tmp_path / "S1").mkdir()
    (tmp_path / "metadata.xml").write_text(metadata(CAMERA_SET))
    np.savez(tmp_path / "data_3d_h36m.npz", positions_3d=np.array({"S1": print}, object))
    with pytest.raises(DataError, match=r"expected plain values and numpy arrays, found a reference to .*print"):
        find_items(h36m.READER, tmp_path, "train", Faults())
