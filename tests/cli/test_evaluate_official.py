"""metricpose evaluate on research data sets: from a folder to the paper's table, refusals before any work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import toy_reader as toy
from metricpose.cli.evaluate import run
from metricpose.data.readers import READERS
from metricpose.errors import DataError, InputError
from metricpose.evaluation.report import Report
from metricpose.weights import build_model, save_model

H36M = "h36m-s9s11-every64"


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(READERS, "h36m", toy.h36m())
    monkeypatch.setitem(READERS, "mupots", toy.mupots())
    monkeypatch.setenv("COLUMNS", "240")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return toy.write_picture(tmp_path / "data")


def theirs(path: Path, **changes: Any) -> Path:
    """A system that is 17 mm off along the optical axis, in all joints but the root."""
    people = [toy.joints(i, "h36m_17") + np.where(np.arange(17) == 0, 0, 17)[:, None] * [0, 0, 1] for i in range(16)]
    values = {
        "ids": [name for name, _ in toy.H36M_ITEMS],
        "joints_mm": [p.tolist() for p in people],
        "skeleton": "h36m_17",
        "unit": "mm",
        "position": "absolute",
        "system": "theirs",
    }
    path.write_text(json.dumps({**values, **changes}))
    return path


def test_another_systems_file_gives_the_papers_table(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run(
        protocol=H36M, data=data, predictions=theirs(tmp_path / "p.json"), out=tmp_path / "o", compare=("cdl-h36m",)
    )
    assert report is not None
    pooled, actions = report.select()
    assert pooled.values["mpjpe"].mean == pytest.approx(16.0)
    assert (actions.part, actions.values["mpjpe"].mean) == ("mean of actions", pytest.approx(16.0))
    assert pooled.values["mpjpe"].units == 4
    shown = capsys.readouterr().out
    for text in (
        "Protocol: 17 joints",
        "compares with",
        "By action, columns as Martinez 2017",
        "WalkT.",
        "16.0 [16.0, 16.0]",
    ):
        assert text in shown
    assert shown.index("theirs") < shown.index("table 1")
    written = (tmp_path / "o" / "report.md").read_text()
    assert "| 17 joints, all | MPJPE mm | 16.0 [16.0, 16.0] |" in written
    assert "### By joint" in written
    assert Report.load(tmp_path / "o" / "report.json").rows == report.rows


def test_a_number_of_another_protocol_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"measured by h36m-s9s11-all .* not by {H36M}"):
        run("no-such-model", protocol=H36M, data=tmp_path / "nothing", compare=("hemlets-h36m",))
    with pytest.raises(InputError, match="unknown public number 'x'"):
        run("no-such-model", protocol=H36M, data=tmp_path / "nothing", compare=("x",))


def test_an_oracle_is_compared_only_if_allowed(data: Path, tmp_path: Path) -> None:
    path = theirs(tmp_path / "p.json")
    with pytest.raises(InputError, match="--allow-oracle compares anyway"):
        run(protocol=H36M, data=data, predictions=path, compare=("margipose-h36m",))
    assert run(protocol=H36M, data=data, predictions=path, compare=("margipose-h36m",), allow_oracle=True) is not None


def test_a_part_of_the_data_is_marked_and_not_compared(data: Path, tmp_path: Path) -> None:
    names = [toy.H36M_ITEMS[i][0] for i in (0, 5, 10, 15)]
    people = [toy.joints(i, "h36m_17").tolist() for i in (0, 5, 10, 15)]
    path = theirs(tmp_path / "p.json", ids=names, joints_mm=people)
    report = run(protocol=H36M, data=data, predictions=path, count=4)
    assert report is not None
    assert report.cards["17 joints"]["split"] == "test, 4 of 16 items, evenly"
    with pytest.raises(InputError, match="it is of all the data, this of 4 of 16 items"):
        run(protocol=H36M, data=data, predictions=path, count=4, compare=("metro-h36m",))


def test_ids_of_another_set_are_refused(data: Path, tmp_path: Path) -> None:
    path = theirs(tmp_path / "p.json", ids=[f"{i}.png" for i in range(16)])
    with pytest.raises(
        DataError, match=r"ids do not match the protocol's 16 items; missing 16 \(S11/Directions_1.51/000000"
    ):
        run(protocol=H36M, data=data, predictions=path)


def test_a_model_is_measured_on_several_people_and_its_predictions_are_kept(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    checkpoint = tmp_path / "small.safetensors"
    save_model(checkpoint, build_model("metrabs", {"side": 64}).eval(), "metrabs")
    first = run(str(checkpoint), protocol="mupots-metric", data=data, predictions=tmp_path / "p.npz")
    again = run(protocol="mupots-metric", predictions=tmp_path / "p.npz")
    assert first is not None
    assert again is not None
    assert first.to_json() == again.to_json()
    assert first.cards["14 joints"]["joints from"].startswith("metricpose_25, fitted to mpi_inf_3dhp joints")
    assert "annotated people were not found" in first.notes[0]
    assert {r.part for r in first.select()} == {"", "mean of recordings"}
    assert "people of an image" not in capsys.readouterr().out


def test_people_of_images_are_scored_from_a_file(data: Path, tmp_path: Path) -> None:
    people = [toy.joints(i, "mpi_inf_3dhp_17").tolist() for i in range(6)]
    values = {
        "images": [name.rpartition("/")[0] for name, _ in toy.MUPOTS_ITEMS], "joints_mm": people,
        "skeleton": "mpi_inf_3dhp_17", "unit": "mm", "position": "absolute",
    }  # fmt: skip
    (tmp_path / "p.json").write_text(json.dumps(values))
    report = run(protocol="mupots-metric", data=data, predictions=tmp_path / "p.json", compare=("metrabs-mupots",))
    assert report is not None
    detected = next(r for r in report.select() if (r.subset, r.part) == ("detected", "mean of recordings"))
    assert detected.values["a_mpjpe"].mean == pytest.approx(0, abs=1e-6)
    assert detected.people == 6


def test_the_list_shows_each_public_number_with_its_protocol(capsys: pytest.CaptureFixture[str]) -> None:
    run(list=True)
    shown = capsys.readouterr().out
    line = next(line for line in shown.splitlines() if "margipose-3dhp" in line and "10crop" not in line)
    assert "3dhp-universal-920mm" in line
    assert "mupots-universal" in shown
