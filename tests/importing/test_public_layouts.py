"""The public checkpoints' names and shapes: our derivation against the shared tables, our modules against both."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest
import torch

from metricpose.importing import hemlets, margipose, metrabs
from metricpose.models.hemlets import Hemlets, HemletsConfig
from metricpose.models.margipose import Margipose, MargiposeConfig
from metricpose.models.metrabs_points import MetrabsPoints
from reference import checkpoints

RESNETS = ("resnet18", "resnet34", "resnet50")
# Numbers of tensors and of parameters, as counted on the official network classes.
COUNTS = {"inceptionv4": (2278, 57_867_668), "resnet18": (2223, 57_577_844), "resnet34": (2259, 58_242_676)}
COUNTS |= {"resnet50": (2314, 58_405_620), "s": (782, 26_576_083), "l": (1548, 123_632_867)}


def table(name: str) -> checkpoints.Shapes:
    """A shared table; skips where there is none."""
    default = Path(__file__).resolve().parents[3] / "shared" / "specs" / "checkpoints"
    path = Path(os.environ.get("METRICPOSE_CHECKPOINT_TABLES", default)) / f"{name}.tsv"
    if not path.is_file():
        pytest.skip(f"needs METRICPOSE_CHECKPOINT_TABLES or {path}")
    rows = [line.split("\t") for line in path.read_text().splitlines()[1:]]
    return {row[0]: ast.literal_eval(row[1]) for row in rows}


@pytest.mark.parametrize(
    ("name", "derived"),
    [
        ("margipose", checkpoints.margipose()),
        ("hemlets", checkpoints.hemlets()),
        ("metrabs_s256", checkpoints.metrabs("s")),
        ("metrabs_l384", checkpoints.metrabs("l")),
    ],
)
def test_the_derived_names_and_shapes_are_the_public_ones(name: str, derived: checkpoints.Shapes) -> None:
    assert derived == table(name)


@pytest.mark.parametrize("name", RESNETS)
def test_the_derived_resnet_variants_are_the_public_ones(name: str) -> None:
    stem = {k: v for k, v in checkpoints.margipose(name).items() if k.startswith("inner.in_cnn.")}
    assert stem == table(f"margipose_variant_{name}_in_cnn")


def public_shapes(module: torch.nn.Module, public_name: object) -> checkpoints.Shapes:
    """What a module of ours asks of a public file."""
    assert callable(public_name)
    named = {public_name(key): tuple(value.shape) for key, value in module.state_dict().items()}
    named.pop(None, None)
    return named


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("extractor", ["inceptionv4", *RESNETS])
def test_margipose_asks_for_every_public_tensor_and_no_other(extractor: str) -> None:
    with torch.device("meta"):
        module = Margipose(MargiposeConfig.published(backbone=f"{extractor}_stem"))
    named = public_shapes(module, lambda key: margipose.public_name(key, f"{extractor}_stem"))
    assert named == checkpoints.margipose(extractor)
    assert (len(named), parameters(module)) == COUNTS[extractor]


@pytest.mark.parametrize("size", ["s", "l"])
def test_metrabs_asks_for_every_public_tensor_and_no_other(size: str) -> None:
    joints = metrabs.Joints("metrabs_77", tuple(range(100, 177)))
    with torch.device("meta"):
        module = MetrabsPoints(metrabs.model_config(metrabs.PUBLISHED[size], 555, joints))
    named = public_shapes(module, metrabs.public_name)
    assert named == checkpoints.metrabs(size)
    assert (len(named), parameters(module)) == COUNTS[size]


def test_hemlets_asks_for_every_public_tensor_but_the_grid() -> None:
    with torch.device("meta"):
        module = Hemlets(HemletsConfig.published())
    named = public_shapes(module, hemlets.public_name)
    assert {**named, hemlets.GRID: (1, 18, 64)} == checkpoints.hemlets()
    assert parameters(module) == 49_614_844
