"""metricpose data: what is printed, what is written, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from data.scenes import write_own
from layouts.photographs import save_labels
from metricpose.cli.main import main
from metricpose.data.readers import READERS, own
from metricpose.data.shards import ShardFolder


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    own._open.cache_clear()
    own._record.cache_clear()


def test_the_data_sets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list"]) == 0
    printed = capsys.readouterr().out
    for name in READERS:
        assert name in printed
    assert main(["data", "list", "own"]) == 0
    printed = capsys.readouterr().out
    assert "own: your own photographs" in printed
    assert "files: labels.json (the labels)" in printed
    assert main(["data", "list", "onw"]) == 1
    assert "unknown data set 'onw'; known:" in capsys.readouterr().err


@pytest.mark.parametrize("width", [70, 80, 200])
def test_what_must_be_typed_is_whole_at_every_width(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["data", "list"]) == 0
    rows = [line.split("\u2502") for line in capsys.readouterr().out.splitlines() if line.startswith("\u2502")]
    assert {row[1].strip() for row in rows} - {""} == set(READERS)
    splits = {word.strip(",") for row in rows for word in row[3].split()}
    assert {split for reader in READERS.values() for split in reader.about.splits} <= splits
    if width >= 80:
        words = {word.strip(";") for row in rows for word in row[2].split()}
        assert {reader.about.skeleton for reader in READERS.values()} <= words


def test_from_photographs_to_shards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_own(tmp_path / "mine", 5)
    out = tmp_path / "shards"
    arguments = ["data", "prepare", "own", str(tmp_path / "mine"), "--out", str(out), "--per-shard", "2"]
    assert main(arguments) == 0
    assert "5 people in 3 shards" in capsys.readouterr().out
    assert len(ShardFolder(out)) == 5
    assert main(arguments) == 1
    assert "--resume" in capsys.readouterr().err
    assert main([*arguments, "--resume"]) == 0
    (tmp_path / "mine" / "images" / "001.png").unlink()
    own._open.cache_clear()
    other = [*arguments[:-3], str(tmp_path / "other")]
    assert main(other) == 1
    assert "p001: " in capsys.readouterr().err
    assert main([*other, "--skip-bad"]) == 0
    printed = capsys.readouterr().out
    assert "4 people in 1 shards" in printed
    assert "1 left out as faulty" in printed
    assert "  p001: " in printed
    assert [e["where"] for e in json.loads((tmp_path / "other" / "left_out.json").read_text())] == ["p001"]


def test_previews_are_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_own(tmp_path, 5)
    arguments = ["data", "preview", "own", str(tmp_path), "--out", str(tmp_path / "sheet.png"), "--columns", "2"]
    assert main(arguments) == 0
    assert "5 of 5 people" in capsys.readouterr().out
    assert cv2.imread(str(tmp_path / "sheet.png")).shape[0] > 3 * 220
    assert main([*arguments, "--count", "2", "--seed", "1"]) == 0
    assert "2 of 5 people" in capsys.readouterr().out
    assert main([*arguments, "--count", "0"]) == 1
    for number in range(5):
        (tmp_path / "images" / f"{number:03d}.png").write_bytes(b"x")
    own._record.cache_clear()
    assert main([*arguments, "--skip-bad"]) == 1
    assert "none of 5 items could be read; the first: " in capsys.readouterr().err


def test_a_check_is_a_table_and_an_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    items = write_own(tmp_path, 4)
    assert main(["data", "check", "own", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "4 of 4 items" in printed
    assert "passed: no fault found" in printed
    for name in ("reprojection", "bone lengths", "left and right", "steady bones"):
        assert name in printed
    items[2]["box_xywh"] = [150, 100, 40, 40]
    save_labels(tmp_path, items)
    own._open.cache_clear()
    own._record.cache_clear()
    assert main(["data", "check", "own", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "p002: box: box [150.0, 100.0, 40.0, 40.0] holds" in printed
    assert "failed: 1 faults" in printed
    assert main(["data", "check", "own", str(tmp_path), "--tolerate", "0.25"]) == 0
    assert main(["data", "check", "own", str(tmp_path), "--split", "val"]) == 1
    assert main(["data", "check", "own", str(tmp_path), "--count", "many"]) == 2
    capsys.readouterr()
    for option, value, said in (
        ("--count", "-3", "count"),
        ("--tolerate", "7", "share"),
        ("--workers", "0", "--workers"),
    ):
        assert main(["data", "check", "own", str(tmp_path), option, value]) == 1
        assert f"{said}" in capsys.readouterr().err
