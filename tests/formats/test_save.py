"""Every format gives back exactly what went in, and refuses what it did not write."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from metricpose.errors import DataError, InputError
from metricpose.formats import load, save
from metricpose.formats.header import ARRAYS
from metricpose.types import People
from reference.people import people

SUFFIXES = [".json", ".npz", ".csv"]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("skeleton", ["h36m_17", "metricpose_25"])
def test_round_trip_is_exact(tmp_path: Path, suffix: str, count: int, skeleton: str) -> None:
    before = people(count, skeleton)
    before.save(tmp_path / f"a{suffix}")
    after = load(tmp_path / f"a{suffix}")
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name), err_msg=name)
        assert getattr(after, name).dtype == getattr(before, name).dtype, name
    assert after.skeleton == before.skeleton
    for name in ("K", "distortion", "R", "t"):
        np.testing.assert_array_equal(getattr(after.camera, name), getattr(before.camera, name))
    assert after.camera.size == before.camera.size
    assert (after.scale_source, after.info) == (before.scale_source, before.info)


def test_saved_joints_still_project_to_the_saved_pixels(tmp_path: Path) -> None:
    save(people(), tmp_path / "a.json")
    after = load(tmp_path / "a.json")
    np.testing.assert_allclose(after.camera.project(after.joints_mm), after.joints_px, atol=1e-9)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_infinity_is_refused_and_nothing_written(tmp_path: Path, suffix: str) -> None:
    source = people()
    source.joints_mm[0, 2, 1] = np.inf
    with pytest.raises(InputError, match="joints_mm hold infinity"):
        save(source, tmp_path / f"a{suffix}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_info_comes_back_as_json_says_it(tmp_path: Path, suffix: str) -> None:
    save(replace(people(), info={"a": float("nan"), "t": (1, 2), 3: "x"}), tmp_path / f"a{suffix}")
    assert load(tmp_path / f"a{suffix}").info == {"a": None, "t": [1, 2], "3": "x"}


def test_float32_values_survive(tmp_path: Path) -> None:
    wide = people()
    narrow = replace(wide, joints_mm=wide.joints_mm.astype(np.float32))
    for suffix in SUFFIXES:
        save(narrow, tmp_path / f"a{suffix}")
        np.testing.assert_array_equal(load(tmp_path / f"a{suffix}").joints_mm, narrow.joints_mm)


def test_json_describes_itself_by_name(tmp_path: Path) -> None:
    source = people()
    save(source, tmp_path / "a.json")
    document = json.loads((tmp_path / "a.json").read_text())
    assert document["unit"] == "millimetre"
    assert document["frame"] == "world"
    assert document["skeleton"]["joints"][1] == "r_hip"
    assert document["skeleton"]["parents"][1] == 0
    joint = document["people"][1]["joints"]["l_wrist"]
    assert joint["mm"] == source.joints_mm[1, source.skeleton.index("l_wrist")].tolist()
    assert document["people"][0]["joints"]["r_ankle"]["mm"] == [None, None, None]
    assert document["info"]["model"]["sha256"] == "ab" * 32


def test_csv_has_named_columns_under_one_comment(tmp_path: Path) -> None:
    source = people()
    save(source, tmp_path / "a.csv")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0].startswith("# metricpose {")
    columns = lines[1].split(",")
    row = dict(zip(columns, lines[3].split(",")))
    assert float(row["nose_z_mm"]) == source.joints_mm[1, source.skeleton.index("nose"), 2]
    assert row["nose_state"] in {"measured", "inferred", "out_of_frame"}
    assert len(columns) == 7 + 17 * 12
    assert dict(zip(columns, lines[2].split(",")))["r_ankle_x_mm"] == ""


def test_npz_reads_without_this_package(tmp_path: Path) -> None:
    source = people()
    save(source, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["joints_mm"], source.joints_mm)
        assert json.loads(str(archive["header"]))["unit"] == "millimetre"


@pytest.mark.parametrize("suffix", [".txt", "", ".pkl"])
def test_unknown_suffix_names_the_choices(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(InputError, match=r"\.json, \.npz, \.csv"):
        save(people(1), tmp_path / f"a{suffix}")
    with pytest.raises(InputError, match=r"\.json, \.npz, \.csv"):
        load(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_truncated_and_foreign_files_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    with pytest.raises(DataError, match="cannot read"):
        load(path)
    path.write_text("joint,x,y\n1,2,3\n")
    with pytest.raises(DataError, match="a" + suffix):
        load(path)
    save(people(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="a" + suffix):
        load(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"version": 1', '"version": 9', "version 9"),
        ('"unit": "millimetre",\n "frame"', '"unit": "inch",\n "frame"', "unit 'inch'"),
        ('"format": "metricpose.people"', '"format": "other"', "not a result file"),
        ('"l_wrist": {', '"left_wrist": {', "misnamed"),
        ('"scale_source"', '"scale"', "incomplete"),
    ],
)
def test_edited_json_is_refused_by_what_is_wrong(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "a.json"
    save(people(), path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(DataError, match=message):
        load(path)


def test_saving_needs_the_writers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(People, "saver", None)
    with pytest.raises(InputError, match=r"import metricpose\.formats first"):
        people(1).save(tmp_path / "a.json")


def test_info_that_json_cannot_hold_is_named(tmp_path: Path) -> None:
    bad = people(1)
    bad.info["handle"] = {"inner": object()}
    with pytest.raises(InputError, match=r"info\.handle\.inner holds a object"):
        save(bad, tmp_path / "a.npz")
    assert not list(tmp_path.iterdir())


def test_failed_write_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    save(people(1), path)
    before = path.read_bytes()
    bad = people(1)
    bad.info["x"] = object()
    with pytest.raises(InputError):
        save(bad, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
