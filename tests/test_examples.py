"""Every example runs as it stands, in an empty folder; without bundled weights a random model takes their place."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import torch

from metricpose import weights
from metricpose.models.metrabs import Metrabs, MetrabsConfig
from metricpose.weights import save_model

EXAMPLES = sorted((Path(__file__).resolve().parents[1] / "examples").glob("*.py"))
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


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example_runs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(path), run_name="__main__")
    for name in WRITES.get(path.stem, []):
        assert (tmp_path / "out" / name).stat().st_size > 100
    assert capsys.readouterr().out or path.stem in WRITES


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example_is_short_and_says_what_it_shows(path: Path) -> None:
    lines = path.read_text(encoding="utf8").splitlines()
    assert 5 <= len(lines) <= 32
    assert lines[0].startswith('"""')
