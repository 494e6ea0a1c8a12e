"""MuPoTS-3D's official files: everyone of an image is where it shows them, in both scales; damage is named."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from data.readers import mpi_files as files
from data.readers.mpi_files import CAMERAS, SCALE
from data.scenes import assert_painted
from metricpose.data.faults import Faults
from metricpose.data.readers import mupots
from metricpose.data.readers.contract import Item, find_items, load
from metricpose.errors import DataError
from metricpose.types import HIDDEN, VISIBLE

HOME = "MultiPersonTestSet/TS2"


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two recordings, small pictures; nothing kept of another test's files."""
    monkeypatch.setattr(mupots, "RECORDINGS", range(1, 3))
    monkeypatch.setattr(mupots, "picture_size", lambda recording: CAMERAS[0].size)
    mupots.read_recording.cache_clear()


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mupots") / "mupots"
    files.write_mupots(folder)
    return folder


@pytest.fixture
def copy(official: Path, tmp_path: Path) -> Path:
    """To be damaged."""
    return Path(shutil.copytree(official, tmp_path / "copy"))


def items(folder: Path, split: str = "test") -> list[Item]:
    return list(find_items(mupots.READER, folder, split, Faults()))


def test_everyone_of_every_image(official: Path) -> None:
    faults = Faults()
    found = find_items(mupots.READER, official, "test", faults)
    expected = [f"TS1/{f:06d}/{p}" for f in range(4) for p in range(2) if (f, p) != (1, 1)]
    assert [i.id for i in found][:7] == expected
    assert len(found) == 14
    assert [(e.where, e.why) for e in faults.left_out] == [
        (f"TS{n}", "1 of 8 annotations, not marked as valid") for n in (1, 2)
    ]
    poses = files.pair(CAMERAS[0], 4)
    for item in found:
        record = load(mupots.READER, item)
        frame, person = record.info["frame"], record.info["person"]
        assert record.info["sequence"] == item.id.split("/")[0]
        np.testing.assert_allclose(record.joints_mm, poses[frame, person], atol=1e-6)
        np.testing.assert_allclose(record.info["univ_annot3"], files.universal(poses[frame, person]), atol=1e-3)
        assert record.info["universal_scale"] == pytest.approx(SCALE)
        if person == 0:
            assert_painted(record, least=9)


def test_the_camera_is_recovered_in_spite_of_the_hips(official: Path) -> None:
    labels = mupots.labels(items(official)[0])
    np.testing.assert_allclose(labels.camera.K, CAMERAS[0].K, rtol=1e-6)
    assert labels.info["intrinsics_residual_px"] < 1e-6
    apart = np.linalg.norm(labels.camera.project_camera(labels.joints_mm) - labels.pixels, axis=1)
    np.testing.assert_allclose(apart[[8, 11]], np.hypot(4, 7), atol=1e-3)
    np.testing.assert_allclose(np.delete(apart, [8, 11]), 0, atol=1e-3)


def test_occlusion(official: Path) -> None:
    first, second = (mupots.labels(i).visibility for i in items(official)[:2])
    assert first is not None
    assert second is not None
    assert np.flatnonzero(first == HIDDEN).tolist() == [3]
    assert np.flatnonzero(second == HIDDEN).tolist() == [4]
    assert (first == VISIBLE).sum() == 16


def test_universal_poses_are_as_distributed(official: Path) -> None:
    """Absolute errors are measured on them."""
    metric = files.pair(CAMERAS[0], 4)[2, 1]
    item = next(i for i in items(official, "test_universal") if i.id == "TS2/000002/1")
    labels = mupots.labels(pickle.loads(pickle.dumps(item)))
    np.testing.assert_allclose(labels.joints_mm, files.universal(metric))
    np.testing.assert_allclose(labels.info["annot3"], metric, atol=1e-3)
    assert labels.info["annotation"] == "univ_annot3"
    assert not labels.abs_valid


def annotated(change: Callable[[np.ndarray], None]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / HOME / "annot.mat"
        cells = loadmat(str(path))["annotations"]
        change(cells)
        savemat(str(path), {"annotations": cells})

    return damage


def field(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    """A field of everyone changed."""

    def change_all(cells: np.ndarray) -> None:
        for cell in cells.reshape(-1):
            cell[name][0, 0] = change(cell[name][0, 0])

    return annotated(change_all)


def one_joint_less(cells: np.ndarray) -> None:
    cells[2, 1]["annot3"][0, 0] = cells[2, 1]["annot3"][0, 0][:, :16]


def no_struct(cells: np.ndarray) -> None:
    cells[2, 1] = np.zeros((3, 17))


def remove(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / HOME / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return damage


def cut(folder: Path) -> None:
    path = folder / HOME / "annot.mat"
    path.write_bytes(path.read_bytes()[:3000])


def other_occlusion(folder: Path) -> None:
    path = folder / HOME / "occlusion.mat"
    savemat(str(path), {"occlusion_labels": loadmat(str(path))["occlusion_labels"][:3]})


FAULTS = {
    "no recording": (remove("."), r"TS2: expected the folder of a recording of MuPoTS-3D, found no such folder"),
    "no annotations": (remove("annot.mat"), r"annot\.mat: expected a MAT file, found no such file"),
    "half of them": (cut, r"annot\.mat: expected a MAT file of version 5"),
    "no occlusion": (remove("occlusion.mat"), r"occlusion\.mat: expected a MAT file, found no such file"),
    "another's occlusion": (other_occlusion, r"occlusion_labels of 4 frames x 2 people with 17 numbers each, .* \(3"),
    "an image less": (remove("img_000002.jpg"), r"TS2/000002: .*expected an image of MuPoTS-3D, found no such"),
    "no struct": (annotated(no_struct), r"expected annotations, a cell of frames x people of structs"),
    "16 joints": (annotated(one_joint_less), r"3 x 17 finite numbers in annot3 of frame 2, person 1, found shape"),
    "NaN": (field("annot2", lambda v: v * np.nan), r"2 x 17 finite numbers in annot2 of frame 0, person 0"),
    "metres": (field("annot3", lambda v: v / 1000), r"expected thighs of 250 to 700 mm, found 0\.4"),
    "mirrored": (field("annot2", lambda v: 400 - v), r"annot2 and annot3 of a camera .* found focal lengths of -"),
    "nobody": (field("isValidFrame", lambda v: v * 0), r"expected thighs of 250 to 700 mm, found nan"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_named(copy: Path, name: str) -> None:
    damage, message = FAULTS[name]
    damage(copy)
    with pytest.raises(DataError, match=f"(?s){message}"):
        items(copy)


def test_faulty_parts_are_left_out_and_listed(copy: Path) -> None:
    remove("img_000002.jpg")(copy)
    shutil.rmtree(copy / "MultiPersonTestSet/TS1")
    faults = Faults(skip_bad=True)
    found = find_items(mupots.READER, copy, "test", faults)
    assert [i.id for i in found] == [f"TS2/{f:06d}/{p}" for f, p in ((0, 0), (0, 1), (1, 0), (3, 0), (3, 1))]
    assert [e.where for e in faults.bad] == ["TS1", "TS2/000002"]
