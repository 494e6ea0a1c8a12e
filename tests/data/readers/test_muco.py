"""MuCo-3DHP, of Moon et al. and of the official scripts: everyone is where the image shows them; damage is named."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from data.readers import mpi_files as files
from data.scenes import assert_painted
from layouts import muco as muco_layout
from metricpose.data.faults import Faults
from metricpose.data.readers import muco, muco_matlab
from metricpose.data.readers.contract import Item, find_items, load
from metricpose.errors import DataError
from metricpose.types import HIDDEN, UNKNOWN

FILE = "data/MuCo-3DHP.json"


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("muco") / "muco"
    files.write_muco(folder)
    return folder


@pytest.fixture
def copy(parsed: Path, tmp_path: Path) -> Path:
    """To be damaged."""
    return Path(shutil.copytree(parsed, tmp_path / "copy"))


def items(folder: Path, split: str = "train") -> list[Item]:
    return list(find_items(muco.READER, folder, split, Faults()))


def test_who_is_trained_on(parsed: Path) -> None:
    """The nearest, and those that are 500 mm from everyone: the third stands 424 mm beside the second."""
    faults = Faults()
    found = find_items(muco.READER, parsed, "train", faults)
    names = "unaugmented_set/1/000070", "augmented_set/0/000012"
    assert [i.id for i in found] == [f"{names[0]}/{700 + p}" for p in (0, 3)] + [
        f"{names[1]}/{120 + p}" for p in (0, 3)
    ]
    assert faults.left_out[0].why == "4 of 8 people, who stand within 500 mm of others"
    assert [i.id for i in items(parsed, "augmented")] == [f"{names[1]}/{120 + p}" for p in (0, 3)]
    assert [i.id for i in items(parsed, "unaugmented")] == [f"{names[0]}/{700 + p}" for p in (0, 3)]
    assert [i.id for i in items(parsed, "everyone")] == [i for n, k in zip(names, (700, 120)) for i in
                                                         (f"{n}/{k + p}" for p in range(4))]  # fmt: skip


def test_the_nearest_is_used_whoever_stands_beside(copy: Path) -> None:
    content = json.loads((copy / FILE).read_text(encoding="utf8"))
    for annotation in content["annotations"]:
        annotation["keypoints_cam"] = (np.array(annotation["keypoints_cam"]) * (0, 0, 1) + (1, 2, 0)).tolist()
    muco_layout.save(copy, content)
    assert [i.id[-3:] for i in items(copy)] == ["700", "120"]


def test_labels(parsed: Path) -> None:
    content = json.loads((parsed / FILE).read_text(encoding="utf8"))
    people = {a["id"]: a for a in content["annotations"]}
    for item in items(parsed, "everyone"):
        record = load(muco.READER, pickle.loads(pickle.dumps(item)))
        person = people[int(item.id.rpartition("/")[2])]
        np.testing.assert_allclose(record.joints_mm, person["keypoints_cam"])
        np.testing.assert_allclose(record.joints_px, person["keypoints_img"])
        np.testing.assert_allclose(record.camera.project_camera(record.joints_mm), record.joints_px, atol=1e-6)
        np.testing.assert_allclose(record.box_xywh, person["bbox"])
        assert np.flatnonzero(record.visibility == HIDDEN).tolist() == [4]
        assert (record.visibility == UNKNOWN).sum() == 20
        assert record.skeleton == "muco_21"
        if person["id"] % 10 == 0:
            assert_painted(record, least=12)


def test_people_outside_the_picture(copy: Path) -> None:
    content = json.loads((copy / FILE).read_text(encoding="utf8"))
    content["annotations"][3]["bbox"] = [490, 20, 50, 60]
    content["annotations"][0]["bbox"] = [-10.5, 20, 50, 60]
    muco_layout.save(copy, content)
    faults = Faults()
    found = find_items(muco.READER, copy, "unaugmented", faults)
    assert [i.id[-3:] for i in found] == ["700"]
    assert faults.left_out[0].why == "1 of 8 people, whose box has no part in the picture"
    assert muco.labels(found[0]).box_xywh.tolist() == [-0.5, 20, 40, 60]


def edit(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = json.loads((folder / FILE).read_text(encoding="utf8"))
        change(content)
        muco_layout.save(folder, content)

    return damage


def cut(folder: Path) -> None:
    (folder / FILE).write_bytes((folder / FILE).read_bytes()[:-2000])


def person(name: str, value: Any) -> Callable[[Path], None]:
    return edit(lambda c: c["annotations"][0].update({name: value}))


def image(name: str, value: Any) -> Callable[[Path], None]:
    return edit(lambda c: c["images"][0].update({name: value}))


AT_INDEX = {
    "no file": (lambda f: (f / FILE).unlink(), r"MuCo-3DHP\.json: expected the annotations .* no such file\. Download"),
    "half of it": (cut, r"MuCo-3DHP\.json: expected a whole JSON value at byte \d+"),
    "another file": (lambda f: (f / FILE).write_text("[]"), r"expected '\{' at byte 0"),
    "no images": (edit(lambda c: c.pop("images")), r"expected images, each with an id of its own, found 0 images"),
    "no camera": (edit(lambda c: c["images"][1].pop("f")), r"images at byte \d+: .*with id, file_name.* KeyError"),
    "no size": (image("width", 0), r"expected images with a size, focal lengths"),
    "a file elsewhere": (image("file_name", "../a.jpg"), r"and a file below this folder, found \.\./a\.jpg"),
    "one id twice": (image("id", 12), r"images, each with an id of its own"),
    "no such image": (person("image_id", 71), r"expected the image 71, of which there are annotations, found no such"),
    "no joints": (edit(lambda c: c["annotations"][2].pop("keypoints_cam")), r"annotations with id, ima.* KeyError"),
    "17 joints": (person("keypoints_cam", [[0, 0, 1]] * 17), r"21 x 3 numbers in keypoints_cam of annotation 700"),
    "behind": (person("keypoints_cam", [[0, 0, -1]] * 21), r"before the camera"),
    "half a box": (person("bbox", [1, 2]), r"and 4 in bbox, found shapes \(21, 3\) and \(2,\)"),
}  # fmt: skip


@pytest.mark.parametrize("name", AT_INDEX)
def test_faults_of_the_file_are_named(copy: Path, name: str) -> None:
    damage, message = AT_INDEX[name]
    damage(copy)
    with pytest.raises(DataError, match=f"(?s){message}"):
        items(copy)


def test_faults_of_an_item_are_named(copy: Path) -> None:
    person("keypoints_img", [[1, 2]] * 20)(copy)
    with pytest.raises(DataError, match=r"expected 21 joints in keypoints_cam, keypoints_img .* found shapes"):
        muco.labels(items(copy)[0])
    item = items(copy)[1]
    item.picture.path.unlink()
    with pytest.raises(DataError, match=r"000070\.jpg: expected an image, found no such file"):
        load(muco.READER, item)


def test_faulty_people_and_images_are_left_out_and_listed(copy: Path) -> None:
    person("bbox", "none")(copy)
    edit(lambda c: c["images"][1].pop("f"))(copy)
    faults = Faults(skip_bad=True)
    assert [i.id[-3:] for i in find_items(muco.READER, copy, "everyone", faults)] == ["701", "702", "703"]
    assert len(faults.bad) == 3
    assert faults.bad[2].where == "MuCo-3DHP.json, 4 annotations"


# -- the official composites -----------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(muco_matlab, "SIZE", (480, 360))


def composites(folder: Path) -> list[Item]:
    return list(find_items(muco_matlab.READER, folder, "train", Faults()))


@pytest.mark.parametrize("joints", [17, 21])
def test_composites(tmp_path: Path, joints: int) -> None:
    """Camera and distance are in no file; they come out of the labels."""
    camera, poses = files.write_composites(tmp_path, joints)
    found = composites(tmp_path)
    assert [i.id for i in found] == [f"unaugmented_set_001/{n:06d}/{p}" for n in (1, 2, 3) for p in (0, 1)]
    for item in found:
        record = load(muco_matlab.READER, pickle.loads(pickle.dumps(item)))
        assert record.skeleton == {17: "mpi_inf_3dhp_17", 21: "muco_21"}[joints]
        np.testing.assert_allclose(record.camera.K, camera.K, rtol=1e-5)
        np.testing.assert_allclose(record.joints_mm, poses[record.info["person"]], atol=0.1)
        if record.info["person"] == 0:
            assert_painted(record, least=10)


CHUNK = "unaugmented_set_001/chunk_00001_annot.mat"
VALUES = {"joint_loc3": np.zeros((3, 17, 2, 2)), "joint_loc2": np.zeros((2, 17, 2, 2))}
NAMES = files.cells(["000001.jpg", "000002.jpg"], (1, 2))


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"x": 1}, r"found no img_names, joint_loc3, joint_loc2"),
        ({**VALUES, "img_names": NAMES[:, :1]}, r"and names of the images, found .*\(2, 17, 2, 2\), 1 names"),
        ({**VALUES, "img_names": NAMES, "joint_loc2": np.zeros((2, 28, 2, 2))}, r"x 17 or 21 joints x people x images"),
    ],
)
def test_faults_of_composites_are_named(tmp_path: Path, variables: dict[str, Any], message: str) -> None:
    files.write_composites(tmp_path)
    savemat(str(tmp_path / CHUNK), variables)
    with pytest.raises(DataError, match=f"(?s)chunk_00001_annot\\.mat: .*{message}"):
        composites(tmp_path)


def test_composites_whose_labels_do_not_belong_together(tmp_path: Path) -> None:
    camera, poses = files.write_composites(tmp_path, 17)
    pixels = camera.project_camera(poses)
    pixels[0] += 5 * np.sin(np.arange(34)).reshape(17, 2)
    variables = {
        "img_names": NAMES[:, :1], "joint_loc3": (poses - poses[:, 14:15]).transpose(2, 1, 0),
        "joint_loc2": pixels.transpose(2, 1, 0),
    }  # fmt: skip
    savemat(str(tmp_path / CHUNK), variables)
    found = composites(tmp_path)
    with pytest.raises(DataError, match=r"joint_loc3 and joint_loc2 of 000001\.jpg, person 0, .*"):
        muco_matlab.labels(found[0])
    muco_matlab.labels(found[1])


def test_a_folder_without_composites(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected items of the split train of MuCo-3DHP.* found none"):
        composites(tmp_path)
