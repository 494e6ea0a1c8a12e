"""Deliberate faults in correct little data sets: each a change of the files, and how `data check` must name it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import h5py
import numpy as np
from scipy.io import loadmat, savemat

from layouts.photographs import save_labels
from metricpose.skeleton.catalog import H36M_17

Change = Callable[[Path], object]
TURN = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""Camera frame -> a world whose y axis points up, seen from the front."""


class Fault(NamedTuple):
    """A fault.

    Attributes:
        data: which data set it is made in.
        what: in words.
        make: changes a copy of it.
        named: regular expression that the fault's line must match.
    """

    data: str
    what: str
    make: Change
    named: str


# -- files -----------------------------------------------------------------------------------------------------------


def remove(name: str) -> Change:
    """A file or folder is missing."""

    def change(folder: Path) -> None:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def cut(name: str, share: float = 0.5) -> Change:
    """A file ends too early."""

    def change(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: int(share * len(data))])

    return change


def flip(name: str, share: float) -> Change:
    """A byte of a file is another one."""

    def change(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[int(share * len(data))] ^= 0xFF
        (folder / name).write_bytes(bytes(data))

    return change


def resize(name: str, factor: float) -> Change:
    """A picture has another size."""

    def change(folder: Path) -> None:
        image = cv2.imread(str(folder / name))
        assert image is not None, name
        cv2.imwrite(str(folder / name), cv2.resize(image, None, fx=factor, fy=factor))

    return change


def text(name: str, old: str, new: str) -> Change:
    """A text in a file is another one."""

    def change(folder: Path) -> None:
        content = (folder / name).read_text()
        assert old in content, f"no {old} in {name}"
        (folder / name).write_text(content.replace(old, new, 1))

    return change


# -- one's own -------------------------------------------------------------------------------------------------------

Item = dict[str, Any]


def items(change: Callable[[list[Item]], object]) -> Change:
    """labels.json is changed."""

    def make(folder: Path) -> None:
        found = json.loads((folder / "labels.json").read_text())["items"]
        change(found)
        save_labels(folder, found)

    return make


def each(change: Callable[[Item], object]) -> Change:
    """Every item is changed."""
    return items(lambda found: [change(item) for item in found])


def first(change: Callable[[Item], object]) -> Change:
    """The second item is changed."""
    return items(lambda found: change(found[1]))


def put(key: str, joint: str, value: Any, axis: int | None = None) -> Callable[[Item], None]:
    """A joint, or one of its coordinates, is another one."""

    def change(item: Item) -> None:
        if axis is None:
            item[key][H36M_17.index(joint)] = value
        else:
            item[key][H36M_17.index(joint)][axis] = value

    return change


def missing_as(mm: list[float], px: list[float]) -> Callable[[Item], None]:
    """A joint that is not labelled has these numbers."""

    def change(item: Item) -> None:
        put("joints_mm", "l_wrist", mm)(item)
        put("joints_px", "l_wrist", px)(item)

    return change


def points(change: Callable[[np.ndarray], np.ndarray], *, pixels: bool = False) -> Callable[[Item], None]:
    """All 3D points, or all pixels, are changed."""
    key = "joints_px" if pixels else "joints_mm"
    return lambda item: item.update({key: change(np.array(item[key])).tolist()})


def swapped(*names: str, only: tuple[str, ...] = ("joints_mm", "joints_px")) -> Callable[[Item], None]:
    """Left and right of these joints are exchanged."""
    order = np.arange(len(H36M_17))
    for name in names:
        left, right = H36M_17.index(f"l_{name}"), H36M_17.index(f"r_{name}")
        order[[left, right]] = right, left

    def change(item: Item) -> None:
        for key in only:
            item[key] = [item[key][i] for i in order]

    return change


def mirrored(item: Item) -> None:
    """Labels of the mirrored picture without an exchange of names."""
    K = np.array(item["K"])
    item["joints_mm"] = (np.array(item["joints_mm"]) * (-1, 1, 1)).tolist()
    item["joints_px"] = (np.array(item["joints_px"]) * (-1, 1) + (2 * K[0, 2], 0)).tolist()
    item["box_xywh"][0] = 2 * K[0, 2] - item["box_xywh"][0] - item["box_xywh"][2]
    item["distortion"] = [v * s for v, s in zip(item["distortion"], (1, 1, 1, -1, 1))]


def corners(item: Item) -> None:
    """x1 y1 x2 y2 instead of x y w h."""
    x, y, w, h = item["box_xywh"]
    item["box_xywh"] = [x, y, x + w, y + h]


def visible_outside(item: Item) -> None:
    """A joint that is outside the picture is marked as visible."""
    item["joints_mm"], item["joints_px"] = item["joints_mm"], item["joints_px"]
    place = item["joints_px"][H36M_17.index("l_wrist")]
    put("joints_px", "l_wrist", [-60.0, place[1]])(item)
    item["visibility"] = [2] * len(H36M_17)


ALL_LIMBS = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
OWN = [
    ("a picture is missing", remove("images/001.jpg"), r"p1\b.*no image .*001\.jpg"),
    ("a JPEG is cut off", cut("images/001.jpg"), r"001\.jpg is a truncated or damaged JPEG"),
    ("a picture is an HTML page", lambda f: (f / "images/001.jpg").write_text("<html>"), r"001\.jpg"),
    ("labels.json is cut off", cut("labels.json"), r"labels\.json is not JSON"),
    ("labels.json is missing", remove("labels.json"), r"cannot read .*labels\.json"),
    ("NaN in one coordinate", first(put("joints_mm", "l_knee", float("nan"), 1)), r"values: joints_mm of l_knee"),
    ("infinity in a pixel", first(put("joints_px", "nose", float("inf"), 0)), r"values: joints_px of nose"),
    ("no joint has a label", first(points(lambda p: p * np.nan)), r"no joint of joints_mm is measured"),
    ("missing joint as 0 0 0", first(missing_as([0, 0, 0], [0, 0])), r"l_wrist.*z <= 0|z <= 0"),
    ("missing joint as pixel 0 0", first(put("joints_px", "l_wrist", [0.0, 0.0])), r"values: joints_px of l_wrist"),
    ("missing joint as pixel -1 -1", first(put("joints_px", "l_wrist", [-1, -1])), r"values: joints_px of l_wrist"),
    ("metres", each(points(lambda p: p / 1000)), r"must be millimetres"),
    ("centimetres", each(points(lambda p: p / 10)), r"bone lengths: .*look like centimetres"),
    ("world frame, y up", each(points(lambda p: p * (1, -1, -1))), r"z <= 0; expected the camera frame"),
    ("another world frame", each(points(lambda p: p @ TURN.T + (0, 0, 6000))), r"px \(median\)"),
    ("y up, z forward", each(points(lambda p: p * (1, -1, 1))), r"px \(median\)"),
    ("left and right exchanged", each(swapped(*ALL_LIMBS)), r"left and right: .*(backward|opposite)"),
    ("mirrored labels, names kept", each(mirrored), r"left and right: .*backward"),
    ("left and right of the legs", first(swapped("hip", "knee", "ankle")), r"left and right: hips and shoulders"),
    ("left and right of the knees", first(swapped("knee")), r"(steady bones|symmetry|left and right): "),
    ("left and right of the elbows", first(swapped("elbow")), r"(steady bones|symmetry): "),
    ("knees exchanged in 2D alone", first(swapped("knee", only=("joints_px",))), r"reprojection: .*knee"),
    ("joint order of another skeleton", each(lambda i: i["joints_mm"].reverse()), r"px \(median\)|bone lengths"),
    (
        "both in another joint order",
        each(lambda i: (i["joints_mm"].reverse(), i["joints_px"].reverse())),
        r"bone lengths|left and right|symmetry",
    ),  # fmt: skip
    ("skeleton with fewer joints", first(lambda i: i.update(skeleton="coco_19")), r"has 17 joints, .*has 19"),
    ("unknown skeleton", first(lambda i: i.update(skeleton="h36m")), r"unknown skeleton 'h36m'"),
    (
        "one bone too long",
        first(put("joints_mm", "l_wrist", 900.0, 0)),
        r"(bone lengths|steady bones|symmetry): .*forearm",
    ),  # fmt: skip
    ("another person's pose", first(points(lambda p: 0.8 * p)), r"steady bones: "),
    ("boxes as x1 y1 x2 y2", each(corners), r"box: "),
    ("box outside the picture", first(lambda i: i.update(box_xywh=[900, 10, 50, 90])), r"box: .*outside the picture"),
    ("box beside the person", first(lambda i: i.update(box_xywh=[0, 0, 40, 90])), r"box: .*holds"),
    ("box without extent", first(lambda i: i.update(box_xywh=[9, 9, 0, 50])), r"box_xywh is .*positive width"),
    (
        "principal point of another camera",
        each(lambda i: i["K"][0].__setitem__(2, i["K"][0][2] + 30)),
        r"px \(median\)",
    ),  # fmt: skip
    ("focal length of another camera", each(lambda i: i["K"][1].__setitem__(1, i["K"][1][1] * 1.3)), r"px \(median\)"),
    ("K is singular", first(lambda i: i["K"][0].__setitem__(0, 0.0)), r"K is singular"),
    ("a lens of two numbers", first(lambda i: i.update(distortion=[0.1, 0.2])), r"distortion has 2 values"),
    ("a picture of half the size", resize("images/001.jpg", 0.5), r"p1: .*(outside the picture|picture)"),
    ("a picture of twice the size", resize("images/001.jpg", 2.0), r"p1: .*principal point"),
    ("an id twice", items(lambda found: found[1].update(id="p0")), r"ids \['p0'\] occur twice"),
    ("visible outside the picture", first(visible_outside), r"visibility: l_wrist: marked visible, but outside"),
    ("a wrong mark of visibility", first(lambda i: i.update(visibility=[3] * 17)), r"expected 17 values out of"),
]

# -- official files --------------------------------------------------------------------------------------------------

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


def camera_name(folder: Path) -> None:
    """The calibration has the cameras' numbers exchanged."""
    path = folder / "S1/Seq1/camera.calibration"
    changed = (
        path.read_text().replace("name          0", "name          X").replace("name          1", "name          0")
    )
    path.write_text(changed.replace("name          X", "name          1"))


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
    ("a damaged MAT file", flip(f"{TS}/annot.mat", 0.3), r"annot\.mat: expected"),
    ("no occlusion.mat", remove(f"{TS}/occlusion.mat"), r"occlusion\.mat: .*no such file"),
    ("NaN", one_field("annot3", lambda v: v * np.where(np.arange(17) == 4, np.nan, 1)), r"finite numbers in annot3"),
    ("metres", field("annot3", lambda v: v / 1000), r"thighs of 250 to 700 mm"),
    ("2D labels mirrored", field("annot2", lambda v: 2048 - v), r"annot2 and annot3 of a camera"),
    (
        "2D labels of a resized picture",
        field("annot2", lambda v: v / 2),
        r"annot2 and annot3 .*principal point|principal point",
    ),  # fmt: skip
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
        hdf5("annot3", lambda v: np.where(np.arange(len(v))[:, None, None, None] == 1, np.nan, v)),
        r"finite numbers in annot3",
    ),  # fmt: skip
    ("metres", hdf5("annot3", lambda v: v / 1000), r"thighs of 250 to 700 mm"),
    ("universal poses as annot3", as_universal, r"annot2 and annot3|principal point|thighs"),
    ("y up", hdf5("annot3", lambda v: v * np.array([1, -1, 1])), r"annot2 and annot3|focal"),
    ("fewer items than the full set", lambda folder: None, r"the set: items: 8 items, the full set has 2929"),
]
TRAIN = [
    ("a damaged video", cut("S1/Seq1/imageSequence/video_1.avi", 0.2), r"video_1\.avi"),
    ("a video is missing", remove("S1/Seq1/imageSequence/video_1.avi"), r"video_1\.avi: .*no such file"),
    ("no calibration", remove("S1/Seq1/camera.calibration"), r"camera\.calibration: .*no such file"),
    ("cameras exchanged", camera_name, r"annot2 within 2 pixels of where camera\.calibration"),
    ("a principal point moved", text("S1/Seq1/camera.calibration", "983.04", "1023.5"), r"annot2 within 2 pixels"),
    ("a MAT file is cut off", cut("S1/Seq1/annot.mat"), r"annot\.mat: expected a MAT file"),
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
FAULTS: list[Fault] = [
    Fault(data, *fault)
    for data, faults in (
        ("own", OWN), ("mupots", MUPOTS), ("mpi test", MPI), ("mpi train", TRAIN), ("coco", PHOTOGRAPHS),
        ("shards", SHARDS),
    )
    for fault in faults
]  # fmt: skip
