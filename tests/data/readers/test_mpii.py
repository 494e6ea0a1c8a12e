"""MPII Human Pose: the MAT file with all its ways to leave something out, and the community's JSON files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from data.readers.photographs import indexed, people, save_picture
from data.scenes import assert_painted
from layouts.photographs import EMPTY, mpii_json_person, mpii_points, mpii_rect, write_mpii, write_mpii_json
from metricpose.data.faults import Faults
from metricpose.data.readers import mpii, mpii_json
from metricpose.data.readers.contract import load
from metricpose.errors import DataError
from metricpose.types import HIDDEN, UNKNOWN, VISIBLE

SCENES = people("mpii_16", 4)
ORDER = [6, 7, 0, 1, 2, 3, 4, 5, 8, 9, 15, 14, 13, 12, 11, 10]
FLAGS: tuple[Any, ...] = (1.0, 0.0, EMPTY, "1", "0")
HEAD = (10.0, 20.0, 40.0, 60.0)


def points(number: int) -> list[dict[str, Any]]:
    """Of a person, in another order, one left out."""
    camera, world = SCENES[number]
    return mpii_points(camera.project(world), [j for j in ORDER if j != 4], lambda j: FLAGS[j % 5])


def write(folder: Path, first: list[dict[str, Any]] | None = None, **more: Any) -> None:
    """Four images: one person; one apart and one without joints; nobody in the test image; one person alone."""
    for number, (camera, world) in enumerate(SCENES):
        save_picture(folder / "images" / f"{number:09d}.jpg", camera, world)
    people_of = [
        [mpii_rect(first or points(0), HEAD)],
        [mpii_rect(points(1), HEAD), mpii_rect(None, HEAD)],
        [],
        [mpii_rect(points(3), HEAD)],
    ]
    names = [f"{n:09d}.jpg" for n in range(4)]
    write_mpii(folder, names, people_of, [[], [1, 2], [], [1]], [1, 1, 0, 1], **more)


def test_joints_lie_where_they_are_painted(tmp_path: Path) -> None:
    write(tmp_path)
    faults = Faults()
    items = indexed(mpii.READER, tmp_path, "train", faults)
    assert [item.id for item in items] == ["000000000/1", "000000001/1", "000000003/1"]
    for item, number in zip(items, (0, 1, 3)):
        record = load(mpii.READER, item)
        assert_painted(record)
        camera, world = SCENES[number]
        labelled = np.arange(16) != 4
        np.testing.assert_allclose(record.joints_px[labelled], camera.project(world)[labelled], atol=1e-9)
        assert np.isnan(record.joints_px[4]).all()
        assert record.visibility[:6].tolist() == [VISIBLE, HIDDEN, UNKNOWN, VISIBLE, UNKNOWN, VISIBLE]
        assert record.info["head_px"] == pytest.approx(30)
        assert record.info["scale"] == 1.5
        low, high = record.box_xywh[:2], record.box_xywh[:2] + record.box_xywh[2:]
        assert (record.joints_px[labelled] > low).all()
        assert (record.joints_px[labelled] < high).all()
    assert [entry.why for entry in faults.left_out] == ["1 people without joints"]


def test_people_who_stand_apart(tmp_path: Path) -> None:
    write(tmp_path)
    assert [item.id for item in indexed(mpii.READER, tmp_path, "single")] == ["000000001/1", "000000003/1"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": 16.0}, r"expected points of person 1 of 000000000\.jpg with id 0 to 15, x and y"),
        ({"x": EMPTY}, "with id 0 to 15, x and y"),
        ({"id": 7.0}, "each joint of person 1 of 000000000.jpg once, found joint 7 twice"),
        ({"x": 900.0}, r"000000000\.jpg: expected joints of 000000000/1 in or near its picture of 200 x 160"),
    ],
)
def test_a_damaged_person_is_named_and_can_be_left_out(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    damaged = points(0)
    damaged[0].update(change)
    write(tmp_path, damaged)
    with pytest.raises(DataError, match=message):
        [load(mpii.READER, item) for item in indexed(mpii.READER, tmp_path, "train")]
    faults, kept = Faults(skip_bad=True), []
    for item in indexed(mpii.READER, tmp_path, "train", faults):
        with faults.catch(item.id):
            kept.append(load(mpii.READER, item).info["id"])
    assert kept == ["000000001/1", "000000003/1"]
    assert len(faults.bad) == 1


def test_damaged_files_are_named(tmp_path: Path) -> None:
    write(tmp_path, img_train=np.ones((1, 3)))
    with pytest.raises(DataError, match="as many entries of annolist, img_train and single_person, found 4, 3 and 4"):
        indexed(mpii.READER, tmp_path, "train")
    savemat(tmp_path / mpii.FILE, {"RELEASE": {"annolist": EMPTY}})
    with pytest.raises(DataError, match=r"found no img_train, single_person\. Extract"):
        indexed(mpii.READER, tmp_path, "train")
    (tmp_path / mpii.FILE).write_bytes((tmp_path / mpii.FILE).read_bytes()[:150])
    with pytest.raises(DataError, match=r"u12_1\.mat: expected a MAT file"):
        indexed(mpii.READER, tmp_path, "train")
    (tmp_path / mpii.FILE).unlink()
    with pytest.raises(DataError, match=r"u12_1\.mat: expected MPII's annotations, found no such file"):
        indexed(mpii.READER, tmp_path, "train")


def write_json(folder: Path, **first: Any) -> None:
    found = []
    for number, (camera, world) in enumerate(SCENES[:2]):
        name = f"{9 - number:09d}.jpg"
        save_picture(folder / "images" / name, camera, world)
        found.append(mpii_json_person(name, camera.project(world), (4,)))
    found[0].update(first)
    write_mpii_json(folder, "valid", found)


def test_the_community_s_files(tmp_path: Path) -> None:
    write_json(tmp_path)
    items = indexed(mpii_json.READER, tmp_path, "val")
    assert [item.id for item in items] == ["000000008/1", "000000009/0"]
    for item, (camera, world) in zip(items, SCENES[1::-1]):
        record = load(mpii_json.READER, item)
        assert_painted(record)
        np.testing.assert_allclose(record.joints_px[5:], camera.project(world)[5:], atol=1e-9)
        assert np.isnan(record.joints_px[4]).all()
        assert (record.visibility == UNKNOWN).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"joints": [[1, 2]] * 15}, r"valid\.json: expected 16 joints x, y and 16 times 0 or 1 of person 0"),
        ({"joints_vis": [2] * 16}, "16 times 0 or 1"),
        ({"joints": "none"}, r"expected image, scale, joints, joints_vis of person 0.*Is it test\.json"),
    ],
)
def test_faults_of_the_community_s_files(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    write_json(tmp_path, **change)
    with pytest.raises(DataError, match=message):
        indexed(mpii_json.READER, tmp_path, "val")
    assert len(indexed(mpii_json.READER, tmp_path, "val", Faults(skip_bad=True))) == 1
    (tmp_path / "annot" / "valid.json").write_text("{}")
    with pytest.raises(DataError, match="expected a list of people, found dict"):
        indexed(mpii_json.READER, tmp_path, "val")
