"""metricpose evaluate: the files it writes, predictions it uses again, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from metricpose.cli.evaluate import default_folder, fitted, run, show
from metricpose.cli.main import main
from metricpose.data.shards import shard_path, write_shard
from metricpose.errors import DataError, InputError
from metricpose.evaluation.predictions import load
from metricpose.evaluation.report import Report
from metricpose.evaluation.tables import Table
from metricpose.weights import build_model, save_model
from people import person

COUNT = 3


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three labelled images of two of the groups of real-dev."""
    folder = tmp_path_factory.mktemp("data")
    items = []
    for index in range(COUNT):
        record = person(index, skeleton="h36m_17")
        cv2.imwrite(str(folder / f"{index}.png"), record.image[..., ::-1])
        item = {"K": record.camera.K, "joints_mm": record.joints_mm, "box_xywh": record.box_xywh}
        items.append(
            {
                **{k: v.tolist() for k, v in item.items()},
                "file": f"{index}.png",
                "skeleton": "h36m_17",
                "source": "Human3.6M" if index else "elsewhere",
            }
        )
    (folder / "labels.json").write_text(json.dumps({"items": items}))
    return folder


def model(path: Path, seed: int) -> str:
    torch.manual_seed(seed)
    save_model(path, build_model("metrabs", {"side": 64}).eval(), "metrabs")
    return str(path)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    return model(tmp_path_factory.mktemp("model") / "small.safetensors", 0)


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


def test_it_writes_predictions_report_and_tables(
    checkpoint: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run(checkpoint, protocol="real-dev", data=data, out=tmp_path / "o")
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == ["predictions.npz", "report.json", "report.md"]
    assert report is not None
    assert Report.load(tmp_path / "o" / "report.json").to_json() == report.to_json()
    assert "### Protocol: Human3.6M" in (tmp_path / "o" / "report.md").read_text()
    assert report.header.checkpoint_sha256 in (tmp_path / "o" / "report.md").read_text()
    shown = capsys.readouterr().out
    assert "Protocol: Human3.6M" in shown
    assert shown.index("crop source") < shown.index("MPJPE mm")
    assert "1 people belong to no group" in shown


def test_the_card_counts_what_was_measured_not_what_there_is(checkpoint: str, data: Path) -> None:
    """Two of the three images are of this group."""
    report = run(checkpoint, protocol="real-dev", data=data)
    assert report is not None
    card = report.cards["Human3.6M"]
    assert card["people"] == "2"
    assert re.findall(r"(\d+) images", " ".join(card.values())) == ["2"]


def test_the_default_folder_names_protocol_and_model(checkpoint: str, data: Path, tmp_path: Path) -> None:
    run(checkpoint, protocol="real-dev", data=data, count=2)
    assert (tmp_path / "out" / "evaluate" / "real-dev-small" / "predictions.npz").exists()


def test_runs_of_training_get_a_folder_each(checkpoint: str, data: Path, tmp_path: Path) -> None:
    """Every training writes model.safetensors; the folder it lies in tells them apart."""
    for name in ("first", "second"):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        other = model(folder / "model.safetensors", seed=len(name))
        run(other, protocol="real-dev", data=data, count=2)
        assert (tmp_path / "out" / "evaluate" / f"real-dev-{name}" / "predictions.npz").exists()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("metrabs-s", "metrabs-s"),
        ("runs/a/model.safetensors", "a"),
        ("model.safetensors", "here"),
        ("theirs.json", "theirs"),
        ("out/evaluate/synthetic-a/predictions.npz", "a"),
        ("b/predictions.npz", "b"),
        ("/model.safetensors", "model"),
    ],
)
def test_folders_are_called_after_the_model(
    path: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert default_folder("synthetic", path) == Path("out") / "evaluate" / f"synthetic-{name}"


def test_predictions_are_used_again_for_the_same_and_flagged_for_anything_else(
    checkpoint: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = run(checkpoint, protocol="real-dev", data=data, predictions=tmp_path / "p.npz")
    written = (tmp_path / "p.npz").stat().st_mtime_ns
    again = run(checkpoint, protocol="real-dev", data=data, predictions=tmp_path / "p.npz")
    assert "using the predictions in" in capsys.readouterr().out
    assert (tmp_path / "p.npz").stat().st_mtime_ns == written
    assert first is not None
    assert again is not None
    assert first.to_json() == again.to_json()
    with pytest.raises(DataError, match=r"people: 3 / 2"):
        run(checkpoint, protocol="real-dev", data=data, predictions=tmp_path / "p.npz", count=2)
    with pytest.raises(DataError, match=r"views: 1 / 2"):
        run(checkpoint, protocol="real-dev", data=data, predictions=tmp_path / "p.npz", views=2)
    other = model(tmp_path / "other.safetensors", 1)
    with pytest.raises(DataError, match=r"checkpoint_sha256: "):
        run(other, protocol="real-dev", data=data, predictions=tmp_path / "p.npz")
    # The file alone, without the model, gives the same numbers.
    alone = run(protocol="real-dev", predictions=tmp_path / "p.npz")
    assert alone is not None
    assert alone.to_json() == first.to_json()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"data": Path("nowhere"), "count": 1}, "--data, --count"),
        ({"views": 5, "device": "cpu"}, "--views, --device"),
        ({"reader": "h36m"}, "--reader"),
        ({"views": "margipose-5"}, "--views"),
    ],
)
def test_options_that_predictions_leave_no_choice_of_are_refused(
    checkpoint: str, data: Path, tmp_path: Path, options: dict[str, Any], named: str
) -> None:
    run(checkpoint, protocol="real-dev", data=data, count=2, predictions=tmp_path / "p.npz")
    told = rf"p.npz holds predictions .*, which {named} cannot change; leave {named} out, or give a CHECKPOINT"
    with pytest.raises(InputError, match=told):
        run(protocol="real-dev", predictions=tmp_path / "p.npz", **options)


@pytest.mark.parametrize(("options", "named"), [({"device": "cpu"}, "--device"), ({"views": 5}, "--views")])
def test_another_systems_file_is_not_predicted_again(
    data: Path, tmp_path: Path, options: dict[str, Any], named: str
) -> None:
    (tmp_path / "theirs.json").write_text("{}")
    with pytest.raises(InputError, match=f"leave {named} out"):
        run(protocol="real-dev", data=data, predictions=tmp_path / "theirs.json", **options)


def test_a_device_that_is_not_there_is_refused_before_any_work(checkpoint: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="device 'banana' is not available here"):
        run(checkpoint, protocol="real-dev", data=tmp_path / "nowhere", device="banana")


def test_rendered_people_are_called_by_their_split(checkpoint: str, tmp_path: Path) -> None:
    for split in ("val", "train"):
        facts = {"generator": json.dumps({"split": split})}
        write_shard(shard_path(tmp_path / split, 0), [person(i) for i in range(2)], facts=facts)
    report = run(checkpoint, protocol="synthetic", data=tmp_path / "val", count=2)
    assert report is not None
    assert report.header.split == "val"
    assert report.cards["synthetic"]["split"] == "val"
    with pytest.raises(DataError, match="holds rendered people of the train split"):
        run(checkpoint, protocol="synthetic", data=tmp_path / "train", count=2)


def test_another_system_is_scored_from_its_file(data: Path, tmp_path: Path) -> None:
    people = [person(i, skeleton="h36m_17").joints_mm + np.array([0.0, 0, 30]) for i in range(COUNT)]
    values = {
        "ids": [f"{i}.png" for i in range(COUNT)],
        "joints_mm": [p.tolist() for p in people],
        "skeleton": "h36m_17",
        "unit": "mm",
        "position": "absolute",
    }
    (tmp_path / "theirs.json").write_text(json.dumps(values))
    report = run(protocol="real-dev", data=data, predictions=tmp_path / "theirs.json")
    assert report is not None
    row = report.select()[0]
    assert row.values["mpjpe"].mean == pytest.approx(0, abs=1e-6)
    assert row.values["a_mpjpe"].mean == pytest.approx(30, abs=1e-6)
    (tmp_path / "theirs.json").write_text(json.dumps({**values, "unit": "m"}))
    with pytest.raises(DataError, match="unit is 'm', expected 'mm'"):
        run(protocol="real-dev", data=data, predictions=tmp_path / "theirs.json")


def test_calibration_is_fitted_on_one_file_and_scored_on_the_other(
    checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, start in (("val", 10), ("test", 0)):
        write_shard(shard_path(tmp_path / name, 0), [person(start + i) for i in range(4)])
        run(checkpoint, protocol="synthetic", data=tmp_path / name, count=4, out=tmp_path / f"o-{name}")
    val = tmp_path / "o-val" / "predictions.npz"
    capsys.readouterr()
    test = tmp_path / "o-test" / "predictions.npz"
    run(protocol="synthetic", predictions=test, calibrate_on=val)
    shown = capsys.readouterr().out
    assert "calibration factor of the variances" in shown
    assert "Calibration of the covariances" in shown
    assert "one factor per joint" in shown
    with pytest.raises(InputError, match="both fitted and scored on"):
        run(protocol="synthetic", predictions=val, calibrate_on=val)
    assert np.isfinite(load(test).covariance_mm2).all()


def test_list_shows_the_protocols(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(list=True) is None
    shown = capsys.readouterr().out
    for name in ("synthetic", "synthetic-truncated", "real-dev"):
        assert name in shown


@pytest.mark.parametrize("arguments", [["model"], ["--protocol", "synthetic"], ["--data", "x"]])
def test_missing_arguments_are_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", *arguments]) == 2
    told = capsys.readouterr().err
    assert told.startswith("metricpose evaluate: expected --protocol NAME (see --list) and a CHECKPOINT or ")


def test_an_unknown_protocol_is_an_error() -> None:
    with pytest.raises(InputError, match="unknown protocol 'h36m'"):
        run("model", protocol="h36m")


TABLE = Table(
    "t", ("who", "what", "aa", "bb", "cc"), [("x", "y", "1", "2", "3"), ("long name", "z", "44444", "5", "6")]
)


def test_wide_tables_are_cut_into_parts_that_keep_the_names() -> None:
    assert fitted(TABLE, 80) == [TABLE]
    parts = fitted(TABLE, 34)
    assert [p.headings for p in parts] == [("who", "what", "aa", "bb"), ("who", "what", "cc")]
    assert parts[1].rows == [("x", "y", "3"), ("long name", "z", "6")]
    assert [len(p.headings) for p in fitted(TABLE, 5)] == [3, 3, 3]


def test_a_narrow_terminal_loses_no_cell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "34")
    show([TABLE], ("a remark",))
    shown = capsys.readouterr().out
    assert shown.count("long name") == 2
    assert "44444" in shown
    assert "Note: a remark" in shown
