"""Bones told to point forward or backward, beside the community's file of MPII."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.readers.photographs import indexed, people, save_picture
from data.scenes import assert_painted
from layouts.photographs import mpii_json_person, write_mpii_bones, write_mpii_json
from metricpose.data.faults import Faults
from metricpose.data.readers import mpii_bones
from metricpose.data.readers.contract import load
from metricpose.errors import DataError
from metricpose.skeleton.catalog import MPII_16
from metricpose.skeleton.core import joint_pairs

SCENES = people("mpii_16", 3)
BONES = {"r_knee": "forward", "l_wrist": "backward", "head_top": "neither", "l_ankle": "forward"}


def write(folder: Path, told: Any) -> Path:
    found = []
    for number, (camera, world) in enumerate(SCENES):
        save_picture(folder / "images" / f"{number:09d}.jpg", camera, world)
        found.append(mpii_json_person(f"{number:09d}.jpg", camera.project(world)))
    write_mpii_json(folder, "train", found)
    write_mpii_bones(folder, "train", told)
    return folder


def test_bones_become_the_order_of_their_ends(tmp_path: Path) -> None:
    faults = Faults()
    items = indexed(mpii_bones.READER, write(tmp_path, {"1": BONES}), "train", faults)
    assert [item.id for item in items] == ["000000001/1"]
    assert [entry.why for entry in faults.left_out] == ["2 people of whom no bone is told"]
    record = load(mpii_bones.READER, items[0])
    assert_painted(record)
    camera, world = SCENES[1]
    np.testing.assert_allclose(record.joints_px, camera.project(world), atol=1e-9)
    # By hand: +1 means that the second joint of a pair is closer. r_ankle 0, r_knee 1, r_hip 2, l_hip 3, l_knee 4,
    # l_ankle 5, neck 8, head_top 9, l_elbow 14, l_wrist 15: the parent of the knee comes after it in this order.
    expected = {(1, 2): -1.0, (14, 15): -1.0, (8, 9): 0.0, (4, 5): 1.0}
    known = {tuple(p): o for p, o, w in zip(joint_pairs(16).tolist(), record.order, record.order_w) if w > 0}
    assert known == expected
    assert set(record.order_w.tolist()) == {0.0, 1.0}
    assert MPII_16.parents[MPII_16.index("r_knee")] == MPII_16.index("r_hip")


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ([], r"train_bones\.json: expected a mapping of people to bones, found list"),
        ({"7": BONES}, r"expected numbers of labelled people of the other file, found '7'"),
        ({"1": {"r_knee": "up"}}, r"expected forward, backward, neither for some of r_ankle, .*'up'"),
        ({"1": {"pelvis": "forward"}}, r"found .*pelvis.* of person 1"),
        ({"1": ["forward"]}, r"found \['forward'\] of person 1"),
    ],
)
def test_labels_that_say_something_else_are_refused(tmp_path: Path, told: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        indexed(mpii_bones.READER, write(tmp_path, told), "train")


def test_faulty_people_are_left_out_if_wished(tmp_path: Path) -> None:
    faults = Faults(skip_bad=True)
    items = indexed(mpii_bones.READER, write(tmp_path, {"0": {"r_knee": "up"}, "2": BONES}), "train", faults)
    assert [item.id for item in items] == ["000000002/2"]
    assert [entry.where for entry in faults.bad] == ["train_bones.json, person 0"]


@pytest.mark.parametrize(("text", "message"), [("{", "expected a JSON file"), (None, "expected the bones' labels")])
def test_a_damaged_or_missing_file_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    path = write(tmp_path, {"1": BONES}) / "annot" / "train_bones.json"
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(DataError, match=rf"train_bones\.json: {message}"):
        indexed(mpii_bones.READER, tmp_path, "train")
