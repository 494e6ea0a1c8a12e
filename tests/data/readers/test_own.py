"""Your own photographs as a data set: what they become, and every fault of an item told at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from data.scenes import assert_painted, write_own
from layouts.photographs import save_labels
from metricpose.data.faults import Faults
from metricpose.data.readers import own
from metricpose.data.readers.contract import find_items, load
from metricpose.errors import DataError


@pytest.fixture(autouse=True)
def forget() -> None:
    own._open.cache_clear()
    own._record.cache_clear()


def test_joints_lie_where_they_are_painted(tmp_path: Path) -> None:
    items = write_own(tmp_path, 4)
    found = find_items(own.READER, tmp_path, "all", Faults())
    assert [item.id for item in found] == ["p000", "p001", "p002", "p003"]
    for item, wanted in zip(found, items):
        record = load(own.READER, item)
        assert_painted(record)
        np.testing.assert_allclose(record.joints_mm, wanted["joints_mm"])
        assert record.info["subject"] == "A"
        assert record.info["id"] == item.id


def test_items_of_one_skeleton_are_neighbours(tmp_path: Path) -> None:
    items = [*write_own(tmp_path / "x", 2), *write_own(tmp_path / "y", 2, skeleton="coco_17")]
    for item, part in zip(items, "xxyy"):
        item.update(file=f"{part}/{item['file']}", id=f"{part}{item['id']}")
    save_labels(tmp_path, [items[0], items[2], items[1], items[3]])
    found = find_items(own.READER, tmp_path, "all", Faults())
    assert [item.skeleton for item in found] == ["coco_17"] * 2 + ["h36m_17"] * 2
    for item in found:
        assert_painted(load(own.READER, item))


def test_the_exif_orientation_turns_the_picture(tmp_path: Path) -> None:
    items = write_own(tmp_path, 1)
    upright = cv2.imread(str(tmp_path / "images" / "000.png"))
    done, data = cv2.imencode(".jpg", np.rot90(upright, 1), [cv2.IMWRITE_JPEG_QUALITY, 100])
    assert done
    turned = b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    (tmp_path / "images" / "000.jpg").write_bytes(data.tobytes()[:2] + turned + data.tobytes()[2:])
    save_labels(tmp_path, [{**items[0], "file": "images/000.jpg"}])
    record = load(own.READER, find_items(own.READER, tmp_path, "all", Faults())[0])
    assert record.image.shape == upright.shape
    assert_painted(record, tolerance=120)


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "no image": ({"file": "images/none.png"}, r"no image .*none\.png; mend its name"),
    "no box": ({"box_xywh": ...}, "missing box_xywh; an item needs file, skeleton, K, joints_mm, box_xywh"),
    "skeleton": ({"skeleton": "h36m"}, "unknown skeleton 'h36m'; known: .*h36m_17"),
    "skeleton number": ({"skeleton": 17}, "unknown skeleton '17'"),
    "joints": ({"joints_mm": [[0, 0, 3000]] * 16}, "joints_mm has 16 joints, skeleton h36m_17 has 17"),
    "joint text": ({"joints_mm": [["0", 0, 3000]] * 17}, r"joint 0 of joints_mm is \['0', 0, 3000\]; expected 3 num"),
    "metres": ({"joints_mm": (np.random.default_rng(0).normal((0, 0, 3), 0.4, (17, 3))).tolist()}, "millimetres"),
    "behind": ({"joints_mm": (np.random.default_rng(0).normal((0, 0, -3e3), 400, (17, 3))).tolist()}, "z forward"),
    "nothing": ({"joints_mm": [None] * 17}, "no joint of joints_mm is measured; give at least one"),
    "box": ({"box_xywh": [3, 4, 0, 10]}, r"box_xywh is \[3.0, 4.0, 0.0, 10.0\]; expected left, top and positive"),
    "box NaN": ({"box_xywh": [3, 4, float("nan"), 10]}, "box_xywh holds null, NaN or infinity"),
    "box text": ({"box_xywh": "large"}, "box_xywh must hold numbers only"),
    "K": ({"K": [[1, 2], [3, 4]]}, r"K has shape \(2, 2\), expected \(3, 3\)"),
    "singular K": ({"K": [[0, 0, 1], [0, 1, 1], [0, 0, 1]]}, "K is singular"),
    "lens": ({"distortion": [0.1, 0.2]}, "distortion has 2 values, expected 0, 4, 5, 8 or 12"),
    "lens number": ({"distortion": 0.1}, "distortion is 0.1; expected a list"),
    "visibility": ({"visibility": [3] * 17}, "visibility is .*; expected 17 values out of"),
    "visibility lists": ({"visibility": [[2]] * 17}, "visibility is .*; expected 17 values out of"),
    "order": ({"order": [["pelvis", "elbow", 1]]}, "order holds .*has no joint 'elbow'"),
    "pixels": ({"joints_px": [[5, 5]] * 17}, r"joints_px lie \d+ px \(median\) from the projection of joints_mm"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_each_fault_is_explained_and_can_be_left_out(tmp_path: Path, fault: str) -> None:
    changes, message = BROKEN[fault]
    items = write_own(tmp_path, 3)
    items[1] = {k: v for k, v in {**items[1], **changes}.items() if v is not ...}
    save_labels(tmp_path, items)
    with pytest.raises(DataError, match=rf"labels\.json, item 1 \(p001\): .*{message}"):
        [load(own.READER, item) for item in find_items(own.READER, tmp_path, "all", Faults())]
    faults = Faults(skip_bad=True)
    kept = []
    for item in find_items(own.READER, tmp_path, "all", faults):
        with faults.catch(item.id):
            kept.append(load(own.READER, item).info["id"])
    assert kept == ["p000", "p002"]
    assert [entry.where for entry in faults.bad] == ["p001"]


def test_all_faults_of_an_item_are_told_at_once(tmp_path: Path) -> None:
    items = write_own(tmp_path, 1, box_xywh=[1, 2, 3], K=[[None] * 3] * 3, visibility=[2], file="images/x.png")
    save_labels(tmp_path, items)
    with pytest.raises(DataError) as caught:
        find_items(own.READER, tmp_path, "all", Faults())
    for part in ("no image", "box_xywh has shape (3,)", "K holds null", "visibility is [2]"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", 'expected {"items"'),
        ('{"items": []}', "at least one item"),
        ('{"items": [3]}', "missing file, skeleton"),
        ('{"items": [{"id": "a"}, {"id": "a"}]}', r"the ids \['a'\] occur twice"),
        ('{"items": [{}], "skeletons": {"h36m_17": ["pelvis"]}}', "has 17 joints, the file lists"),
    ],
)
def test_a_faulty_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(DataError, match=message):
        find_items(own.READER, tmp_path, "all", Faults())


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"labels\.json"):
        find_items(own.READER, tmp_path, "all", Faults())


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    write_own(tmp_path, 1)
    path = tmp_path / "images" / "000.png"
    path.write_bytes(path.read_bytes()[:200])
    (item,) = find_items(own.READER, tmp_path, "all", Faults())
    with pytest.raises(DataError, match=r"p000.*000\.png is a truncated or damaged PNG"):
        load(own.READER, item)
