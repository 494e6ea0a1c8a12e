"""COCO keypoints: flags, crowds and people without joints; each fault of the file is named."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.readers.photographs import indexed, people, save_picture
from data.scenes import assert_painted, box
from layouts.photographs import COCO_NAMES, coco_content, coco_image, coco_person, write_coco
from metricpose.data.faults import Faults
from metricpose.data.readers import coco
from metricpose.data.readers.contract import load
from metricpose.errors import DataError
from metricpose.types import HIDDEN, UNKNOWN, VISIBLE

SCENES = people("coco_17", 3)


def content() -> dict[str, Any]:
    images, annotations = [], []
    flags = np.full(17, 2)
    flags[5], flags[9] = 1, 0
    for n, (camera, world) in enumerate(SCENES):
        images.append(coco_image(70 - n, camera.size))
        annotations.append(coco_person(900 + n, 70 - n, camera.project(world), box(camera, world), flags))
    crowd = {"id": 990, "image_id": 70, "iscrowd": 1, "num_keypoints": 0, "bbox": [0, 0, 9, 9], "keypoints": [0] * 51,
             "segmentation": {"counts": [3, 4], "size": [160, 200]}}  # fmt: skip
    bare = {**crowd, "id": 991, "iscrowd": 0}
    return coco_content(images, [annotations[2], crowd, annotations[0], bare, annotations[1]])


def write(folder: Path, change: Callable[[dict[str, Any]], object] = lambda data: None, images: str = "") -> None:
    for n, (camera, world) in enumerate(SCENES):
        save_picture(folder / images / "val2017" / f"{70 - n:012d}.jpg", camera, world)
    data = content()
    change(data)
    write_coco(folder, "val2017", data)


@pytest.mark.parametrize("images", ["", "images"])
def test_joints_lie_where_they_are_painted(tmp_path: Path, images: str) -> None:
    write(tmp_path, images=images)
    faults = Faults()
    items = indexed(coco.READER, tmp_path, "val", faults)
    assert [item.id for item in items] == ["000000000070/900", "000000000069/901", "000000000068/902"]
    for item, (camera, world) in zip(pickle.loads(pickle.dumps(items)), SCENES):
        record = load(coco.READER, item)
        assert_painted(record)
        labelled = np.arange(17) != 9
        np.testing.assert_allclose(record.joints_px[labelled], camera.project(world)[labelled], atol=1e-4)
        assert np.isnan(record.joints_px[9]).all()
        assert np.isnan(record.joints_mm).all()
        assert not record.abs_valid
        np.testing.assert_allclose(record.box_xywh, box(camera, world), atol=1e-4)
        assert (record.visibility[5], record.visibility[9], record.visibility[0]) == (HIDDEN, UNKNOWN, VISIBLE)
    assert [entry.why for entry in faults.left_out] == ["1 crowds", "1 people without labelled joints"]
    assert faults.bad == []


def _first(data: dict[str, Any], **changes: Any) -> None:
    data["annotations"][2].update(changes)


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "short": (lambda d: _first(d, keypoints=[1, 2, 2] * 16), "expected 17 times x, y, flag"),
    "flag": (lambda d: _first(d, keypoints=[1, 2, 3] * 17), "expected 17 times x, y, flag 0 to 2 of annotation 900"),
    "count": (lambda d: _first(d, num_keypoints=4), "expected num_keypoints 4 of annotation 900, found 16 labelled"),
    "box": (lambda d: _first(d, bbox=[1, 2, 0, 4]), "positive width and height of annotation 900"),
    "outside": (lambda d: _first(d, bbox=[500, 2, 30, 4]), "expected a box of annotation 900 in its picture"),
    "orphan": (lambda d: _first(d, image_id=5), "expected the image of annotation 900, found none"),
    "instances": (lambda d: d["annotations"][2].pop("keypoints"), "Is it person_keypoints, not instances"),
    "image": (lambda d: d["images"][0].pop("width"), "expected an image with id, file_name, width, height"),
    "size": (lambda d: d["images"][0].update(width=201), "expected a picture of 201 x 160 pixels"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_each_fault_is_named_and_can_be_left_out(tmp_path: Path, fault: str) -> None:
    change, message = BROKEN[fault]
    write(tmp_path, change)
    with pytest.raises(DataError, match=message):
        [load(coco.READER, item) for item in indexed(coco.READER, tmp_path, "val")]
    faults, kept = Faults(skip_bad=True), []
    for item in indexed(coco.READER, tmp_path, "val", faults):
        with faults.catch(item.id):
            kept.append(load(coco.READER, item).info["annotation"])
    assert kept == [901, 902]
    assert faults.bad


def test_other_joints_are_another_set(tmp_path: Path) -> None:
    write(tmp_path, lambda data: data["categories"][0].update(keypoints=COCO_NAMES[::-1]))
    with pytest.raises(DataError, match=r"val2017\.json: expected the category person with .*another set"):
        indexed(coco.READER, tmp_path, "val")


def test_missing_and_truncated_files_are_named(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / "annotations" / "person_keypoints_val2017.json"
    with pytest.raises(DataError, match=r"person_keypoints_train2017\.json: .*no such file. Extract"):
        indexed(coco.READER, tmp_path, "train")
    path.write_text(path.read_text()[:1500])
    with pytest.raises(DataError, match=r"person_keypoints_val2017\.json: expected a whole JSON value"):
        indexed(coco.READER, tmp_path, "val")
    write(tmp_path)
    (tmp_path / "val2017" / "000000000070.jpg").unlink()
    with pytest.raises(DataError, match=r"000000000070\.jpg: expected an image, found no such file"):
        load(coco.READER, indexed(coco.READER, tmp_path, "val")[0])
    (tmp_path / "val2017").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="expected the images of COCO, found no such folder"):
        indexed(coco.READER, tmp_path, "val")
