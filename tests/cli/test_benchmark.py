"""metricpose benchmark: from people to results, page and picture; estimates; costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from metricpose.benchmark import estimate, sizes, speed
from metricpose.benchmark.results import read_results
from metricpose.cli import benchmark
from metricpose.errors import InputError
from reference.comparisons import TINY, costs, write_people


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sizes.SIZES, "smoke", TINY.model_copy(update={"method_seeds": 1}))
    monkeypatch.setattr(speed, "measure", lambda size, progress: costs())
    monkeypatch.delenv("METRICPOSE_BACKBONE", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def people(tmp_path: Path) -> Path:
    return write_people(tmp_path / "people")


def test_rows_are_trained_measured_and_reported(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark.methods(data=people, only=["metro", "metro-fine"]) == 0
    out = Path("out/benchmark/smoke")
    assert sorted(p.name for p in (out / "results").iterdir()) == [
        "metro-coarse-s0.json", "metro-fine-s0.json", "metro-s0.json"
    ]  # fmt: skip
    shown = capsys.readouterr().out
    assert "random weights" in shown
    assert "done: metro-fine-s0" in shown
    page = (out / "RESULTS.md").read_text()
    assert "| **MeTRo** |" in page
    assert (out / "images" / "methods.png").exists()
    # Everything is there now: nothing is trained again, and the page may go elsewhere.
    assert benchmark.methods(data=people, only=["metro", "metro-fine"], docs=Path("docs")) == 0
    assert "done:" not in capsys.readouterr().out
    assert Path("docs/RESULTS.md").read_text() == page
    assert set(read_results(out / "results")) == {"metro", "metro-coarse", "metro-fine"}


def test_reports_need_neither_people_nor_networks(capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark.methods(out=Path("o"), report_only=True) == 0
    assert "no comparison has been run yet" in Path("o/RESULTS.md").read_text()


def test_failures_are_shown_and_fail_the_command(
    people: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = {"metro": {"side": 32, "stride": 16, "stride_train": 16, "skeleton": "nobody"}}
    monkeypatch.setitem(sizes.SIZES, "smoke", sizes.SIZES["smoke"].model_copy(update={"methods": refused}))
    assert benchmark.methods(data=people, only=["metro"]) == 1
    assert "failed: metro-s0" in capsys.readouterr().out


def test_an_estimate_starts_nothing(
    people: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(estimate, "_measured", lambda job: (600.0, 0.01))
    assert benchmark.methods(data=people, only=["metro"], seeds=2, estimate=True) == 0
    shown = capsys.readouterr().out
    assert shown.count("training   10.0") == 2
    assert "20 core-minutes" in shown
    assert not Path("out/benchmark/smoke/results").exists()


def test_people_are_rendered_where_none_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int, str]] = []

    def render(make: Any, out: Path, count: int, **options: Any) -> int:
        asked.append((str(out), count, make.config.split))
        return count

    monkeypatch.setattr("metricpose.data.shards.render_shards", render)
    assert benchmark._rendered(TINY, Path("o")) == Path("o/data")
    assert asked == [("o/data/train", 6, "train"), ("o/data/test", 4, "test")]


def test_costs_are_printed_and_kept(capsys: pytest.CaptureFixture[str]) -> None:
    benchmark.speed(out=Path("c.json"))
    assert speed.Costs.load(Path("c.json")) == costs()
    shown = capsys.readouterr().out
    assert "| MeTRo |" in shown
    assert "hemlets_time: 1.500" in shown


def test_bad_names_are_refused(people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="unknown size"):
        benchmark.methods(size="huge")
    with pytest.raises(InputError, match="unknown row"):
        benchmark.methods(data=people, only=["metro9"])
    monkeypatch.setenv("METRICPOSE_BACKBONE", "nowhere.safetensors")
    with pytest.raises(InputError, match="METRICPOSE_BACKBONE names nowhere"):
        benchmark.methods(data=people)
