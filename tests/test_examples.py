"""Every example runs, in an empty folder; without bundled weights a random model takes their place."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
import torch

from metricpose import weights
from metricpose.models.metrabs import Metrabs, MetrabsConfig
from metricpose.weights import save_model

EXAMPLES = sorted((Path(__file__).resolve().parents[1] / "examples").glob("*.py"))
WHOLE_WAY = {"round_trip", "broken_data"}
"""Longer ones, with options and tests of their own below."""
SHORT = [path for path in EXAMPLES if path.stem not in WHOLE_WAY]
WRITES = {"predict_photo": ["astronaut.json"], "pictures": ["overlay.jpg", "page.html", "sheet.png"]}


@pytest.fixture(scope="module", autouse=True)
def model(tmp_path_factory: pytest.TempPathFactory) -> object:
    """The bundled default, or a small random model under its name."""
    if (weights.BUNDLED / f"{weights.DEFAULT}.safetensors").is_file():
        yield
        return
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    save_model(folder / f"{weights.DEFAULT}.safetensors", Metrabs(MetrabsConfig(side=64)), "metrabs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "BUNDLED", folder)
        yield


@pytest.mark.parametrize("path", SHORT, ids=lambda p: p.stem)
def test_example_runs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(path), run_name="__main__")
    for name in WRITES.get(path.stem, []):
        assert (tmp_path / "out" / name).stat().st_size > 100
    assert capsys.readouterr().out or path.stem in WRITES


@pytest.mark.parametrize("path", SHORT, ids=lambda p: p.stem)
def test_example_is_short_and_says_what_it_shows(path: Path) -> None:
    lines = path.read_text(encoding="utf8").splitlines()
    assert 5 <= len(lines) <= 32
    assert lines[0].startswith('"""')


@pytest.mark.slow
def test_the_round_trip_of_two_data_sets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One with videos and a protocol, one of photographs; the script compares with where people were rendered."""
    script = runpy.run_path(str(EXAMPLES[0].with_name("round_trip.py")))
    script["main"](["--only", "humaneva", "coco", "--steps", "3", "--out", str(tmp_path / "out")])
    shown = capsys.readouterr().out
    rows = {line.split()[0]: line.split() for line in shown.splitlines() if line.split()[0] in ("humaneva", "coco")}
    assert rows["humaneva"][1] == rows["humaneva"][5] == "24"
    assert rows["coco"][1] == rows["coco"][5] == "8"
    assert (rows["humaneva"][4], rows["coco"][4]) == ("0", "0*")
    assert re.search(r"humaneva-walking-jog mpjpe \d+", shown)
    assert "These numbers mean nothing" in shown
    assert (tmp_path / "out" / "humaneva" / "humaneva-walking-jog" / "report.md").is_file()


def test_the_round_trip_notices_joints_elsewhere(tmp_path: Path) -> None:
    script = runpy.run_path(str(EXAMPLES[0].with_name("round_trip.py")))
    made = script["EXPORTS"]["coco"](script["Actors"](96), tmp_path / "coco")
    made.truth["val"]["000000000005/504"].px[3] += (0, 0.02)
    with pytest.raises(AssertionError, match=r"coco: 0\.02\d* px"):
        script["compare"](script["Line"](made))


@pytest.mark.slow
def test_every_deliberate_fault_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    script = runpy.run_path(str(EXAMPLES[0].with_name("broken_data.py")))
    assert script["main"]([]) == 0, capsys.readouterr().out
    shown = capsys.readouterr().out
    assert re.search(rf"^{len(script['FAULTS'])} of {len(script['FAULTS'])} faults found", shown, re.MULTILINE)


def test_a_fault_that_is_not_found_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = runpy.run_path(str(EXAMPLES[0].with_name("broken_data.py")))
    nothing = script["Fault"]("coco", "nothing", lambda folder: None, "nonsense")
    lost = next(f for f in script["FAULTS"] if f.data == "coco" and f.what == "a picture is missing")
    assert not script["run"]([lost, nothing], tmp_path)
    shown = capsys.readouterr().out
    assert "1 of 2 faults found and named" in shown
    assert re.search(r"coco +a picture is missing +yes +000000000006/505: readable: .*no such file", shown)
