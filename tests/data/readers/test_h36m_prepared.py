"""Human3.6M as h36m-fetch and Moon et al. prepare it: same ids, joints where the pictures show them, damage named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from data.readers import dots
from data.readers.h36m_files import Take, eyes
from layouts.h36m import TRUE_SHIFT, Eyes, metadata, write_fetch, write_moon
from metricpose.data.faults import Faults
from metricpose.data.readers import h36m_fetch, h36m_layout, h36m_moon
from metricpose.data.readers.contract import Reader, find_items, load
from metricpose.data.readers.h36m_layout import CAMERAS, JOINTS, Split
from metricpose.errors import DataError

ALL = eyes()
TAKES = [Take(9, "Greeting", ALL), Take(11, "Directions", ALL)]
PLACES = {9: (5, 2, "Greeting"), 11: (2, 2, "Directions")}
STEP = 8


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    every = h36m_layout.recordings
    names = {(t.subject, t.name) for t in TAKES}
    monkeypatch.setattr(h36m_layout, "recordings", lambda s: [r for r in every(s) if (s, r.name) in names])
    monkeypatch.setitem(h36m_layout.SPLITS, "test", Split((9, 11), STEP))


@pytest.fixture(scope="module")
def fetch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fetch") / "h36m-fetch"
    write_fetch(folder / "processed", TAKES, PLACES)
    return folder


@pytest.fixture(scope="module")
def moon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("moon") / "Human36M"
    write_moon(folder, TAKES, PLACES)
    return folder


def check(reader: Reader, folder: Path, cameras: Eyes = ALL) -> None:
    faults = Faults()
    items = find_items(reader, folder, "test", faults)
    assert [i.id for i in items[:3]] == [f"S9/Greeting.54138969/{f:06d}" for f in (0, 8, 16)]
    assert len(items) == 7 * 3
    assert ("S11/Directions.54138969", True) in [(e.where, e.known) for e in faults.left_out]
    for item in items[1::3]:
        record = load(reader, item)
        take = next(t for t in TAKES if f"S{t.subject}" == record.info["subject"])
        eye = cameras[take.subject, record.info["view"]]
        assert dots.distances(record.image, record.joints_px).max() < dots.CLOSE, item.id
        np.testing.assert_allclose(record.joints_mm, eye.in_frame(take.world[item.frame]), atol=0.01)
        low, high = record.box_xywh[:2], record.box_xywh[:2] + record.box_xywh[2:]
        assert ((record.joints_px > low) & (record.joints_px < high)).all()


# -- h36m-fetch -----------------------------------------------------------------------------------------------------


def test_fetch(fetch: Path) -> None:
    check(h36m_fetch.READER, fetch)
    same = find_items(h36m_fetch.READER, fetch / "processed", "test", Faults())
    assert [i.id for i in same] == [i.id for i in find_items(h36m_fetch.READER, fetch, "test", Faults())]


def test_fetch_with_universal_poses_only(tmp_path: Path) -> None:
    write_fetch(tmp_path / "processed", TAKES, PLACES, metric=None, every=8)
    items = find_items(h36m_fetch.READER, tmp_path, "test", Faults())
    labels = h36m_fetch.labels(items[20])
    assert not labels.abs_valid
    eye = ALL[11, CAMERAS[3]]
    np.testing.assert_allclose(labels.joints_mm, 1.1 * eye.in_frame(TAKES[1].world[16]), atol=1e-6)
    np.testing.assert_allclose(labels.pixels, eye.project(TAKES[1].world[16]), atol=1e-6)


def edit(change: Callable[[h5py.File], None]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            change(file)

    return damage


def drop(name: str) -> Callable[[h5py.File], None]:
    return lambda file: file.__delitem__(name)


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def scaled(file: h5py.File) -> None:
    file["pose/3d"][...] *= np.array([1.2, 1, 1])


def other_subject(file: h5py.File) -> None:
    file["subject"][3] = 8


def with_nan(file: h5py.File) -> None:
    file["pose/2d"][2, JOINTS[4], 1] = np.nan


def without_camera(file: h5py.File) -> None:
    file["camera"][...] = np.where(file["camera"][()] == int(CAMERAS[1]), 1, file["camera"][()])


FETCH_FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "none": (lambda path: path.unlink(), r"annot\.h5: expected labels of S9/Greeting, found no such file\. Run h36m-f"),
    "half": (half, r"annot\.h5: expected an HDF5 file"),
    "no poses": (
        edit(drop("pose/2d")),
        r"annot\.h5: expected frame, camera, .* pose/2d and pose/3d or pose/3d-univ, fo",
    ),
    "other": (edit(other_subject), r"annot\.h5: expected subject 9 in all rows, found \[8\]\. Is it another folder's"),
    "NaN": (edit(with_nan), r"annot\.h5: expected finite coordinates, found NaN or infinity for the camera 54138969"),
    "no camera": (edit(without_camera), r"annot\.h5: expected frames of the camera 55011271, found none"),
    "moved": (edit(scaled), r"annot\.h5: expected 2D labels within 2 pixels of where metadata\.xml projects"),
}


@pytest.mark.parametrize("name", FETCH_FAULTS)
def test_faults_of_fetch_are_named(fetch: Path, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(fetch, tmp_path / "copy"))
    damage, message = FETCH_FAULTS[name]
    damage(folder / "processed" / "S9" / "Greeting-2" / "annot.h5")
    with pytest.raises(DataError, match=f"(?s){message}"):
        list(map(h36m_fetch.labels, find_items(h36m_fetch.READER, folder, "test", Faults())))


def test_fetch_needs_the_cameras(fetch: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(fetch / "processed", tmp_path / "alone" / "processed"))
    with pytest.raises(DataError, match=r"metadata\.xml: expected the cameras of Human3\.6M, found no such file"):
        find_items(h36m_fetch.READER, folder, "test", Faults())


# -- Moon et al. ----------------------------------------------------------------------------------------------------


def test_moon_with_the_lens_of_metadata(moon: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(moon, tmp_path / "copy"))
    (folder / "metadata.xml").write_text(metadata(ALL))
    check(h36m_moon.READER, folder)


@pytest.mark.parametrize("centre", [True, False])
def test_both_meanings_of_t(tmp_path: Path, centre: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures without lens distortion, so that the files' own cameras are exact."""
    ideal = eyes(lens=0)
    sizes = {(f"S{s}", c): eye.size for (s, c), eye in ideal.items()}
    monkeypatch.setattr(h36m_layout, "picture_size", lambda subject, camera: sizes[subject, camera])
    write_moon(tmp_path / "a", [Take(t.subject, t.name, ideal) for t in TAKES], PLACES, centre=centre)
    check(h36m_moon.READER, tmp_path / "a", ideal)


def test_frames_without_an_image_are_listed(moon: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(h36m_layout.SPLITS, "test_all", Split((11,)))
    faults = Faults()
    items = find_items(h36m_moon.READER, moon, "test_all", faults)
    assert [i.frame for i in items[:5]] == [0, 4, 8, 12, 16]
    assert "13 of 18 annotated frames have no image" in [e.why for e in faults.left_out if e.known]


def test_uncorrected_labels_of_moon(moon: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(h36m_layout.SPLITS, "test_uncorrected", Split((9,), STEP, mended=False))
    sizes = {(f"S{s}", c): eye.size for (s, c), eye in ALL.items()}
    monkeypatch.setattr(h36m_layout, "picture_size", lambda subject, camera: sizes[subject, camera])
    item = find_items(h36m_moon.READER, moon, "test_uncorrected", Faults())[1]
    expected = ALL[9, CAMERAS[0]].in_frame(TAKES[0].world[8] - TRUE_SHIFT)
    np.testing.assert_allclose(h36m_moon.labels(item).joints_mm, expected, atol=1e-6)


def change_json(kind: str, change: Callable[[dict], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / "annotations" / f"Human36M_subject9_{kind}.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return damage


def no_box(content: dict) -> None:
    content["annotations"].pop()


def cut_joints(content: dict) -> None:
    content["5"]["2"]["8"] = content["5"]["2"]["8"][:12]


def stray_camera(content: dict) -> None:
    content["1"]["t"] = [10.0, 20.0, 30.0]


MOON_FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no folder": (
        lambda f: shutil.rmtree(f / "annotations"),
        r"annotations: expected the annotations, found no such fo",
    ),
    "no file": (
        lambda f: (f / "annotations/Human36M_subject9_data.json").unlink(),
        r"subject9_data\.json: expected annotations of Human3\.6M, found no such file\. Download Moon",
    ),
    "half": (
        lambda f: half(f / "annotations/Human36M_subject9_joint_3d.json"),
        r"joint_3d\.json: expected a whole JSON",
    ),
    "no box": (change_json("data", no_box), r"data\.json: expected images with action_idx, .* KeyError"),
    "no recording": (
        change_json("data", lambda c: c["images"].clear()),
        r"frames of action 5, subaction 2, camera 1, fo",
    ),
    "no joints": (
        change_json("joint_3d", lambda c: c["5"].clear()),
        r"joints of action 5, subaction 2, frame \d+, found K",
    ),
    "12 joints": (change_json("joint_3d", cut_joints), r"joint_3d\.json: expected 17 joints .* found shape \(12, 3\)"),
    "no camera": (
        change_json("camera", lambda c: c.pop("1")),
        r"camera\.json: expected R, t, f, c of cameras 1 to 4, fo",
    ),
    "stray camera": (change_json("camera", stray_camera), r"camera\.json: expected t or -R t to put .* neither does"),
    "no images": (
        lambda f: shutil.rmtree(f / "images/s_09_act_05_subact_02_ca_01"),
        r"ca_01: expected frames of a rec",
    ),
    "no pictures": (
        lambda f: [p.unlink() for p in (f / "images/s_09_act_05_subact_02_ca_01").iterdir()],
        r"ca_01: expected images of 3 annotated frames, found none of them",
    ),
}


@pytest.mark.parametrize("name", MOON_FAULTS)
def test_faults_of_moon_are_named(moon: Path, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(moon, tmp_path / "copy"))
    damage, message = MOON_FAULTS[name]
    damage(folder)
    with pytest.raises(DataError, match=f"(?s){message}"):
        list(map(h36m_moon.labels, find_items(h36m_moon.READER, folder, "test", Faults())))
