"""metricpose models: sizes against counting by hand, and the table."""

from __future__ import annotations

import pytest

from metricpose.cli.main import main
from metricpose.cli.models import paper, size
from metricpose.models import MODELS
from metricpose.models.metrabs import Metrabs, MetrabsConfig


def test_parameters_and_operations() -> None:
    parameters, gmac = size("metrabs", {"backbone": "resnet18", "side": 64})
    assert parameters == sum(p.numel() for p in Metrabs(MetrabsConfig(backbone="resnet18", side=64)).parameters())
    # A ResNet-18 needs 1.81 GMAC on 224 x 224 with its classifier; convolutions scale with the area.
    assert gmac == pytest.approx(1.81 * (64 / 224) ** 2, rel=0.03)


def test_every_method_names_its_paper() -> None:
    for name in MODELS:
        assert len(paper(name)) > 10


def test_the_table_lists_all_methods(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    printed = capsys.readouterr().out
    for name in MODELS:
        assert name in printed
    assert "GMAC" in printed
    assert "57,867,668" in printed  # MargiPose as published
