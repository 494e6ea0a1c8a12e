"""A broken data set: every fault is found, and named with its item; a whole one passes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from data.scenes import write_own
from layouts.photographs import save_labels
from metricpose.data.checks import Report, check, spread
from metricpose.data.readers import own
from metricpose.errors import InputError
from metricpose.skeleton import catalog

SKELETON = catalog.H36M_17


@pytest.fixture(autouse=True)
def forget() -> None:
    own._open.cache_clear()
    own._record.cache_clear()


def faults(report: Report) -> set[tuple[str, str]]:
    return {(place.item, place.finding.check) for place in report.faults}


def test_a_sound_set_passes(tmp_path: Path) -> None:
    write_own(tmp_path, 8)
    seen: list[tuple[int, int]] = []
    report = check(own.READER, tmp_path, "all", progress=lambda *a: seen.append(a))
    assert report.passed
    assert report.faults == []
    assert {row.faults for row in report.rows} == {0}
    rows = {row.check: row.measured for row in report.rows}
    assert rows["items"] == "8"
    assert rows["reprojection"].startswith("median 0.0 px")
    assert rows["bone lengths"].startswith("thigh 4")
    assert rows["left and right"] == "100% face forward"
    assert rows["steady bones"] == "1 people or recordings"
    assert seen[-1] == (8, 8)


def swapped(item: dict[str, Any], *names: str) -> dict[str, Any]:
    """Left and right of these joints exchanged."""
    order = np.arange(17)
    for name in names:
        left, right = SKELETON.index(f"l_{name}"), SKELETON.index(f"r_{name}")
        order[[left, right]] = right, left
    return {**item, **{k: np.array(item[k])[order].tolist() for k in ("joints_mm", "joints_px")}}


def moved(item: dict[str, Any], joint: str, by: tuple[float, float, float]) -> dict[str, Any]:
    joints = np.array(item["joints_mm"])
    joints[SKELETON.index(joint)] += by
    return {**item, "joints_mm": joints.tolist(), "joints_px": ...}


def test_every_fault_of_a_broken_set_is_found_and_named(tmp_path: Path) -> None:
    items = write_own(tmp_path, 20)
    everything = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
    box = items[2]["box_xywh"]
    pixels = np.array(items[11]["joints_px"])
    broken: dict[int, tuple[dict[str, Any], set[str]]] = {
        2: ({**items[2], "box_xywh": [box[0] + 90, box[1] + 90, box[2], box[3]]}, {"box"}),
        3: ({**items[3], "joints_mm": [[x / 1000 for x in row] for row in items[3]["joints_mm"]]}, {"readable"}),
        4: (swapped(items[4], "hip", "knee", "ankle"), {"left and right"}),
        5: (swapped(items[5], *everything), {"left and right", "steady bones"}),
        6: (swapped(items[6], "knee"), {"steady bones"}),
        7: ({**items[7], "file": "images/none.png"}, {"readable"}),
        8: ({**items[8], "skeleton": "coco_17"}, {"bone lengths", "left and right", "steady bones", "symmetry"}),
        9: (moved(items[9], "l_wrist", (0, 300, 0)), {"steady bones", "symmetry", "bone lengths"}),
        11: ({**items[11], "joints_px": (pixels + 2.9).tolist(), "K": items[11]["K"]}, set()),
        12: ({**items[12], "joints_px": np.flip(items[12]["joints_px"], 0).tolist()}, {"readable"}),
        13: ({**items[13], "visibility": [2] * 17, "joints_px": [[-9.0, 5.0], *items[13]["joints_px"][1:]]},
             {"visibility"}),
    }  # fmt: skip
    for number, (item, _) in broken.items():
        items[number] = {k: v for k, v in item.items() if v is not ...}
    (tmp_path / "images" / "010.png").write_bytes((tmp_path / "images" / "010.png").read_bytes()[:99])
    save_labels(tmp_path, items)
    report = check(own.READER, tmp_path, "all")
    assert not report.passed
    found: dict[str, set[str]] = {}
    for item, kind in faults(report):
        found.setdefault(item, set()).add(kind)
    for number, (_, kinds) in broken.items():
        got = found.pop(f"p{number:03d}", set())
        assert bool(got) == bool(kinds), f"item {number}: {got}"
        assert got <= kinds, f"item {number}: {got}"
    assert found.pop("p010") == {"readable"}
    assert found == {}
    rows = {row.check: row.faults for row in report.rows}
    assert rows["readable"] == 4
    assert rows["visibility"] == rows["box"] == 1
    assert sum(rows.values()) == len(report.faults)
    assert not check(own.READER, tmp_path, "all", tolerate=0.1).passed
    assert check(own.READER, tmp_path, "all", tolerate=0.3).passed


def test_a_swapped_joint_order_of_the_whole_set_is_told(tmp_path: Path) -> None:
    items = write_own(tmp_path, 6)
    save_labels(tmp_path, [swapped(i, "hip", "knee", "ankle", "shoulder", "elbow", "wrist") for i in items])
    report = check(own.READER, tmp_path, "all")
    assert ("the set", "left and right") in faults(report)
    assert next(row.measured for row in report.rows if row.check == "left and right") == "0% face forward"


def test_counts_are_those_of_the_full_set(tmp_path: Path) -> None:
    write_own(tmp_path, 3)
    reader = replace(own.READER, about=replace(own.ABOUT, splits={"all": 4}))
    report = check(reader, tmp_path, "all")
    assert [(p.item, p.finding.text) for p in report.faults] == [("the set", "3 items, the full set has 4")]
    with pytest.raises(InputError, match="no split 'val'"):
        check(reader, tmp_path, "val")


def test_ids_must_differ_and_known_gaps_are_no_faults(tmp_path: Path) -> None:
    write_own(tmp_path, 3)

    def index(folder: Path, split: str, noted: Any) -> Any:
        noted.omit("camera 3", "it hangs from the ceiling")
        items = own.index(folder, split, noted)
        return [items[0], items[1], items[0]]

    report = check(replace(own.READER, index=index), tmp_path, "all")
    assert [(p.item, p.finding.text) for p in report.faults] == [("p000", "its id occurs more than once")]
    assert report.left_out == ["camera 3: it hangs from the ceiling"]


def test_a_part_of_the_items_and_several_processes(tmp_path: Path) -> None:
    write_own(tmp_path, 7)
    cv2.imwrite(str(tmp_path / "images" / "003.png"), np.zeros((9, 9, 3), np.uint8))
    report = check(own.READER, tmp_path, "all", count=3, workers=2)
    assert report.title.endswith("3 of 7 items")
    assert [(p.item, p.finding.check) for p in report.faults] == [("p003", "readable")]
    assert spread(7, 3) == [0, 3, 6]
    assert spread(3, 9) == [0, 1, 2]
    assert spread(5, 1) == [0]


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_resized_picture_is_found_by_those_of_the_same_camera(tmp_path: Path, factor: float) -> None:
    write_own(tmp_path, 8)
    path = tmp_path / "images" / "002.png"
    image = cv2.imread(str(path))
    assert image is not None
    cv2.imwrite(str(path), cv2.resize(image, None, fx=factor, fy=factor))
    report = check(own.READER, tmp_path, "all")
    assert ("p002", "readable") in faults(report)
    size = f"{round(200 * factor)} x {round(160 * factor)}, of 7 others with the same K 200 x 160"
    assert any(size in place.finding.text for place in report.faults)
    cv2.imwrite(str(path), image[:, :-40])  # cut off, as Human3.6M's cameras do by two rows and shards at edges
    own._open.cache_clear()
    own._record.cache_clear()
    assert check(own.READER, tmp_path, "all").passed
