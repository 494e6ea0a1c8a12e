"""Deliberate faults in data sets as their owners distribute them and in shards; how `data check` must name each."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy.io import loadmat, savemat

from layouts.damage import Change, cut, flip, remove, resize, text
from layouts.h36m import write_cdf
from metricpose.data.readers import h36m_layout
from metricpose.data.scientific import read_cdf

TS = "MultiPersonTestSet/TS1"


def mupots(change: Callable[[np.ndarray], object]) -> Change:
    """annot.mat is changed: a cell of frames x people."""

    def make(folder: Path) -> None:
        path = folder / TS / "annot.mat"
        cells = loadmat(str(path))["annotations"]
        change(cells)
        savemat(str(path), {"annotations": cells})

    return make


def field(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Change:
    """A field of everyone in annot.mat is changed."""

    def of_all(cells: np.ndarray) -> None:
        for one in cells.reshape(-1):
            one[name][0, 0] = change(one[name][0, 0])

    return mupots(of_all)


def one_field(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Change:
    """A field of one person in one frame is changed."""

    def of_one(cells: np.ndarray) -> None:
        cells[1, 0][name][0, 0] = change(cells[1, 0][name][0, 0])

    return mupots(of_one)


def damaged_mat(folder: Path) -> None:
    """A byte of a compressed MAT file is another one; the uncompressed have no checksum."""
    path = folder / TS / "annot.mat"
    savemat(str(path), {"annotations": loadmat(str(path))["annotations"]}, do_compression=True)
    flip(f"{TS}/annot.mat", 0.6)(folder)


def exchange(*pairs: tuple[int, int]) -> Callable[[np.ndarray], np.ndarray]:
    """Joints of axes x joints are exchanged."""

    def change(values: np.ndarray) -> np.ndarray:
        out = values.copy()
        for a, b in pairs:
            out[:, [a, b]] = values[:, [b, a]]
        return out

    return change


def both(change: Callable[[np.ndarray], np.ndarray], make: Callable[[str, Any], Change]) -> Change:
    """annot2 and annot3 are changed alike."""
    return lambda folder: [make(name, change)(folder) for name in ("annot2", "annot3")]


LEGS, ARMS = ((8, 11), (9, 12), (10, 13)), ((2, 5), (3, 6), (4, 7))


def hdf5(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Change:
    """A variable of annot_data.mat is changed."""

    def make(folder: Path) -> None:
        with h5py.File(folder / "mpi_inf_3dhp_test_set/TS5/annot_data.mat", "r+") as file:
            file[name][...] = change(file[name][()])

    return make


def frame_of_nan(values: np.ndarray) -> np.ndarray:
    """As HDF5 has it: frames, 1, joints, axes."""
    return np.where(np.arange(len(values))[:, None, None, None] == 1, np.nan, values)


def as_universal(folder: Path) -> None:
    """annot3 is univ_annot3."""
    with h5py.File(folder / "mpi_inf_3dhp_test_set/TS5/annot_data.mat", "r+") as file:
        file["annot3"][...] = file["univ_annot3"][()]


MUPOTS = [
    ("a recording is missing", remove("MultiPersonTestSet/TS2"), r"TS2.*no such folder"),
    ("a picture is missing", remove(f"{TS}/img_000001.jpg"), r"img_000001\.jpg.*no such file"),
    ("a JPEG is cut off", cut(f"{TS}/img_000001.jpg"), r"img_000001\.jpg"),
    ("a picture of another size", resize(f"{TS}/img_000001.jpg", 0.5), r"img_000001\.jpg.*2048 x 2048"),
    ("a MAT file is cut off", cut(f"{TS}/annot.mat"), r"annot\.mat: expected a MAT file"),
    ("a damaged MAT file", damaged_mat, r"annot\.mat: expected"),
    ("no occlusion.mat", remove(f"{TS}/occlusion.mat"), r"occlusion\.mat: .*no such file"),
    ("NaN", one_field("annot3", lambda v: v * np.where(np.arange(17) == 4, np.nan, 1)), r"finite numbers in annot3"),
    ("metres", field("annot3", lambda v: v / 1000), r"thighs of 250 to 700 mm"),
    ("2D labels mirrored", field("annot2", lambda v: 2048 - v), r"annot2 and annot3 of a camera"),
    (
        "2D labels of a resized picture",
        field("annot2", lambda v: v / 2),
        r"principal point lies near",
    ),
    ("2D labels moved by 90 px", one_field("annot2", lambda v: v + 90), r"reprojection: "),
    ("legs exchanged in a picture", both(exchange(*LEGS), one_field), r"left and right: "),
    ("left and right exchanged", both(exchange(*LEGS, *ARMS), field), r"left and right: "),
    ("left and right of the knees", both(exchange((9, 12)), one_field), r"(steady bones|symmetry|left and right): "),
]
MPI = [
    ("a damaged HDF5 file", cut("mpi_inf_3dhp_test_set/TS5/annot_data.mat"), r"annot_data\.mat: expected"),
    ("no annot_data.mat", remove("mpi_inf_3dhp_test_set/TS1/annot_data.mat"), r"annot_data\.mat: .*no such file"),
    ("a picture is missing", remove("mpi_inf_3dhp_test_set/TS5/imageSequence/img_000002.jpg"), r"img_000002\.jpg"),
    (
        "a frame of NaN",
        hdf5("annot3", frame_of_nan),
        r"finite numbers in annot3",
    ),
    ("metres", hdf5("annot3", lambda v: v / 1000), r"thighs of 250 to 700 mm"),
    ("universal poses as annot3", as_universal, r"annot3 other than univ_annot3"),
    ("y up", hdf5("annot3", lambda v: v * np.array([1, -1, 1])), r"annot2 and annot3|focal"),
    ("fewer items than the full set", lambda folder: None, r"the set: items: 8 items, the full set has 2929"),
]
TRAIN = [
    ("a damaged video", cut("S1/Seq1/imageSequence/video_1.avi", 0.2), r"video_1\.avi"),
    ("a video is missing", remove("S1/Seq1/imageSequence/video_1.avi"), r"video_1\.avi: .*no such file"),
    ("no calibration", remove("S1/Seq1/camera.calibration"), r"camera\.calibration: .*no such file"),
    (
        "a focal length of another camera",
        text("S1/Seq1/camera.calibration", "2682.88", "2603.1"),
        r"annot2 within 2 pixels",
    ),
    ("a principal point moved", text("S1/Seq1/camera.calibration", "983.04", "1023.5"), r"annot2 within 2 pixels"),
    ("a MAT file is cut off", cut("S1/Seq1/annot.mat"), r"annot\.mat: expected"),
]
SHARDS = [
    ("a byte of a picture", flip("shard-000001.safetensors", 0.8), r"shard-000001.*(checksum|SHA-256)"),
    ("a byte of the labels", flip("shard-000001.safetensors", 0.985), r"shard-000001.*(checksum|SHA-256)"),
    ("a shard is cut off", cut("shard-000001.safetensors"), r"shard-000001"),
    ("a shard in between is missing", remove("shard-000001.safetensors"), r"shard-000001.*no such file"),
    ("the last shard is missing", remove("shard-000002.safetensors"), r"shard-000002.*no such file"),
    ("an index that is no index", lambda f: (f / "index.json").write_text("{}"), r"index\.json: expected an index"),
]
COCO = "annotations/person_keypoints_val2017.json"
PHOTOGRAPHS = [
    ("no annotations", remove(COCO), r"person_keypoints_val2017\.json: .*no such file"),
    ("annotations are cut off", cut(COCO), r"expected a whole JSON value"),
    ("joints in another order", text(COCO, '"nose", "left_eye"', '"left_eye", "nose"'), r"another set"),
    ("a picture is missing", remove("val2017/000000000006.jpg"), r"000000000006\.jpg: expected an image, found no"),
    ("a picture of another size", resize("val2017/000000000006.jpg", 0.7), r"000000000006\.jpg: expected a picture of"),
    ("fewer items than the full set", lambda folder: None, r"the set: items: 4 items, the full set has 6352"),
]
TAKE = "Walking 1"
_MONO, _D2 = "D3_Positions_mono", "D2_Positions"
_CAMERAS = h36m_layout.CAMERAS


def other_view(kind: str, name: str) -> Change:
    """The file of a camera is that of the next one."""

    def change(folder: Path) -> None:
        one, other = (folder / f"S9/MyPoseFeatures/{kind}/{name}.{camera}.cdf" for camera in _CAMERAS[:2])
        shutil.copyfile(other, one)

    return change


def h36m_metres(folder: Path) -> None:
    """D3_Positions_mono in metres."""
    for path in (folder / "S9" / "MyPoseFeatures" / _MONO).iterdir():
        values = read_cdf(path, "Pose")
        write_cdf(path, values / 1000)


HUMAN36M = [
    ("no metadata.xml", remove("metadata.xml"), r"metadata\.xml: .*no such file"),
    ("a CDF file is cut off", cut(f"S9/MyPoseFeatures/{_MONO}/{TAKE}.{_CAMERAS[0]}.cdf"), r"\.cdf: expected"),
    ("3D labels of another camera", other_view(_MONO, TAKE), r"2D labels within 2 pixels"),
    ("2D labels of another camera", other_view(_D2, TAKE), r"2D labels within 2 pixels"),
    ("metres", h36m_metres, r"thighs? "),
    ("a video is missing", remove(f"S9/Videos/{TAKE}.{_CAMERAS[1]}.mp4"), r"mp4: expected .*no such file"),
    ("a video is cut off", cut(f"S9/Videos/{TAKE}.{_CAMERAS[1]}.mp4"), r"\.mp4"),
    (
        "a file of boxes is cut off",
        cut(f"S9/MySegmentsMat/ground_truth_bb/{TAKE}.{_CAMERAS[0]}.mat"),
        r"\.mat: expected",
    ),
]
