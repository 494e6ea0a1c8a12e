"""Research data sets as records of a protocol: ids, recordings, which reader, how much, with and without pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import toy_reader as toy
from metricpose.data.readers import READERS
from metricpose.errors import DataError, InputError
from metricpose.evaluation.protocols import get
from metricpose.evaluation.sources import open_items

H36M, ALL, CUT, MUPOTS = (get(n) for n in ("h36m-s9s11-every64", "h36m-s9s11-all", "h36m-truncated", "mupots-metric"))


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(READERS, "h36m", toy.h36m())
    monkeypatch.setitem(READERS, "mupots", toy.mupots())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return toy.write_picture(tmp_path / "data")


def test_items_keep_their_ids_and_hold_no_path(data: Path) -> None:
    items = open_items(H36M, data)
    found = list(items)
    assert len(items) == len(found) == 16
    assert [r.info["id"] for r in found] == [name for name, _ in toy.H36M_ITEMS]
    assert found[5].info["image"] == found[5].info["id"] == "S9/Photo_1.51/000064"
    assert str(data) not in items.data
    np.testing.assert_allclose(found[5].joints_mm, toy.joints(5, "h36m_17"))
    assert found[5].image.std() > 1


def test_a_recording_is_one_for_all_its_cameras_and_the_action_is_named(data: Path) -> None:
    found = list(open_items(H36M, data))
    assert [r.info["recording"] for r in found] == [
        *["S9/Directions 1"] * 4, *["S9/Photo 1"] * 4, *["S11/Directions 1"] * 4, *["S11/Photo 1"] * 4,
    ]  # fmt: skip
    assert {r.info["action"] for r in found} == {"Directions", "Photo"}


def test_people_of_one_image_share_it(data: Path) -> None:
    found = list(open_items(MUPOTS, data))
    assert [r.info["image"] for r in found] == ["TS1/000000", "TS1/000001", *["TS2/000000"] * 2, *["TS2/000001"] * 2]
    assert [r.info["recording"] for r in found] == ["TS1"] * 2 + ["TS2"] * 4


def test_without_pictures_labels_are_the_same(data: Path) -> None:
    whole, bare = (list(open_items(H36M, data, pictures=p)) for p in (True, False))
    for a, b in zip(whole, bare):
        assert not b.image.any()
        assert a.image.shape == b.image.shape
        np.testing.assert_array_equal(a.joints_px, b.joints_px)
        np.testing.assert_array_equal(a.box_xywh, b.box_xywh)
        assert a.info == b.info
    assert open_items(H36M, data).data == open_items(H36M, data, pictures=False).data


def test_some_items_are_taken_evenly_and_it_is_said(data: Path) -> None:
    items = open_items(H36M, data, 4)
    names = [name for name, _ in toy.H36M_ITEMS]
    assert [r.info["id"] for r in items] == [names[i] for i in (0, 5, 10, 15)]
    assert items.part == "4 of 16 items, evenly"
    assert items.data != open_items(H36M, data).data
    assert open_items(H36M, data).part == ""
    with pytest.raises(DataError, match=r"asked for 17 items, .* holds 16; use --count"):
        open_items(H36M, data, 17)


def test_a_set_that_is_not_whole_is_told(data: Path) -> None:
    assert open_items(ALL, data).part == "16 of the full set's 20 items"


def test_truncated_boxes_belong_to_the_item_however_many_are_taken(data: Path) -> None:
    whole, some = (list(open_items(CUT, data, count, pictures=False)) for count in (None, 4))
    assert len(whole) == 64
    assert [r.info["id"] for r in some[:5]] == [
        *(f"S9/Directions_1.51/000000#{k}" for k in range(4)),
        "S9/Photo_1.51/000064#0",
    ]
    boxes = {r.info["id"]: r.box_xywh for r in whole}
    for record in some:
        np.testing.assert_array_equal(record.box_xywh, boxes[record.info["id"]])
    assert some[0].info["image"] == some[3].info["image"] == "S9/Directions_1.51/000000"


def test_the_first_reader_whose_files_are_there_is_taken(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(READERS, "h36m_moon", toy.h36m("h36m_moon"))
    assert "h36m_moon" in open_items(H36M, data, reader="h36m_moon").data
    assert "(h36m)" in open_items(H36M, data).data
    with pytest.raises(
        InputError,
        match="protocol h36m-s9s11-every64 reads h36m or h36m_frames or h36m_fetch or h36m_moon, not 'mupots'",
    ):
        open_items(H36M, data, reader="mupots")
    with pytest.raises(
        DataError, match=r"does not hold what protocol .* needs\.\n  h36m: .*picture.png(.|\n)*h36m_moon: "
    ):
        open_items(H36M, tmp_path)


def test_a_folder_is_needed() -> None:
    with pytest.raises(DataError, match="protocol mupots-metric needs --data: the folder of mupots"):
        open_items(MUPOTS, None)


def test_splits_are_joined_and_items_without_the_fact_are_left_out(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = [("a/0", {"detected": 12}), ("a/1", {"detected": 0}), ("b/0", {"detected": 1}), ("b/1", {})]
    joined = toy.make("3dpw", "smpl_24", {"train": 4, "validation": 4, "test": 4}, facts)
    monkeypatch.setitem(READERS, "3dpw", joined)
    items = open_items(replace(get("3dpw-all"), split="test"), data)
    assert [r.info["id"] for r in items] == ["a/0", "b/0"]
    assert items.part == ""
    assert len(open_items(replace(get("3dpw-all"), split="validation+test"), data)) == 4
    nobody = toy.make("3dpw", "smpl_24", {"test": 1}, [("a/0", {})])
    monkeypatch.setitem(READERS, "3dpw", nobody)
    with pytest.raises(DataError, match="none of 1 items has a 'detected' above 0"):
        open_items(get("3dpw-test"), data)
