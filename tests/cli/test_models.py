"""metricpose models: sizes against counting by hand, and the table."""

from __future__ import annotations

import re

import pytest

from metricpose.cli.main import main
from metricpose.cli.models import paper, size
from metricpose.errors import CheckpointError
from metricpose.models import MODELS
from metricpose.models.metrabs import Metrabs, MetrabsConfig
from metricpose.weights import known_names


def test_parameters_and_operations() -> None:
    parameters, gmac = size("metrabs", {"backbone": "resnet18", "side": 64})
    assert parameters == sum(p.numel() for p in Metrabs(MetrabsConfig(backbone="resnet18", side=64)).parameters())
    # A ResNet-18 needs 1.81 GMAC on 224 x 224 with its classifier; convolutions scale with the area.
    assert gmac == pytest.approx(1.81 * (64 / 224) ** 2, rel=0.03)


def test_every_method_names_its_paper() -> None:
    for name in MODELS:
        assert len(paper(name)) > 10


def test_the_tables_fit_80_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["models"]) == 0
    printed = capsys.readouterr().out
    assert names_in(printed) >= {*MODELS, *known_names()}
    assert "GMAC" in printed
    assert "57,867,668" in printed  # MargiPose as published
    assert re.search(r"metrabs-s .* 2,0\d\d,\d{3} .* metricpose_25 ", printed)
    assert "\u2026" not in printed
    assert max(map(len, printed.splitlines())) <= 80


@pytest.mark.parametrize("width", [60, 200])
def test_names_are_whole_at_every_width(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("metricpose.cli.models.size", lambda name, config: (123_632_867, 36.82))
    assert main(["models"]) == 0
    assert names_in(capsys.readouterr().out) >= {*MODELS, *known_names()}


def names_in(printed: str) -> set[str]:
    """What the first columns of tables hold."""
    return {line.split("\u2502")[1].strip() for line in printed.splitlines() if line.startswith("\u2502")}


def test_a_model_that_cannot_be_read_is_listed_and_explained(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str, offline: bool) -> None:
        raise CheckpointError(f"no file of {name} [here]; fetch it")

    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("metricpose.weights.resolve", refuse)
    monkeypatch.setattr("metricpose.cli.models.size", lambda name, config: (1_000, 0.5))
    assert main(["models"]) == 0
    printed = capsys.readouterr().out
    for name in known_names():
        assert f"{name}: no file of {name} [here]; fetch it" in printed
