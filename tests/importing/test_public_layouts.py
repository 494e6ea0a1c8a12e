"""The public checkpoints' names and shapes: our derivation against the shared tables, our modules against both."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest
import torch

from metricpose.importing import chatterbox, hemlets, margipose, metrabs
from metricpose.models.chatterbox import Chatterbox, ChatterboxConfig
from metricpose.models.hemlets import Hemlets, HemletsConfig
from metricpose.models.margipose import Margipose, MargiposeConfig
from metricpose.models.metrabs_points import MetrabsPoints
from reference import checkpoints

RESNETS = ("resnet18", "resnet34", "resnet50")
# Numbers of tensors and of parameters, as counted on the official network classes.
COUNTS = {"inceptionv4": (2278, 57_867_668), "resnet18": (2223, 57_577_844), "resnet34": (2259, 58_242_676)}
COUNTS |= {"resnet50": (2314, 58_405_620), "s": (782, 26_576_083), "l": (1548, 123_632_867)}


def rows(name: str) -> list[dict[str, str]]:
    """A shared table; skips where there is none."""
    default = Path(__file__).resolve().parents[3] / "shared" / "specs" / "checkpoints"
    path = Path(os.environ.get("METRICPOSE_CHECKPOINT_TABLES", default)) / f"{name}.tsv"
    if not path.is_file():
        pytest.skip("needs METRICPOSE_CHECKPOINT_TABLES or ../shared/specs/checkpoints")
    head, *lines = [line.split("\t") for line in path.read_text().splitlines()]
    return [dict(zip(head, line)) for line in lines]


def table(name: str) -> checkpoints.Shapes:
    """Names and shapes of a shared table."""
    return {row["key"]: ast.literal_eval(row["shape"]) for row in rows(name)}


@pytest.mark.parametrize(
    ("name", "derived"),
    [
        ("margipose", checkpoints.margipose()),
        ("margipose_chatterbox", checkpoints.chatterbox()),
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


def test_chatterbox_asks_for_every_public_tensor_and_no_other() -> None:
    with torch.device("meta"):
        module = Chatterbox(ChatterboxConfig.published())
    named = public_shapes(module, chatterbox.public_name)
    assert named == checkpoints.chatterbox()
    assert (len(named), parameters(module)) == (483, 75_626_560)


NETWORKS = {
    "margipose_modules": (
        lambda: Margipose(MargiposeConfig.published()),
        lambda key: margipose.public_name(key, "inceptionv4_stem"),
    ),
    "margipose_chatterbox_modules": (lambda: Chatterbox(ChatterboxConfig.published()), chatterbox.public_name),
    "hemlets_modules": (lambda: Hemlets(HemletsConfig.published()), hemlets.public_name),
    "metrabs_s256_modules": (lambda: _metrabs("s"), metrabs.public_name),
    "metrabs_l384_modules": (lambda: _metrabs("l"), metrabs.public_name),
}


def _metrabs(size: str) -> MetrabsPoints:
    return MetrabsPoints(metrabs.model_config(metrabs.PUBLISHED[size], 555, metrabs.Joints("points_555", ())))


def described(module: torch.nn.Module, row: dict[str, str]) -> dict[str, str]:
    """Settings of a layer, as the tables write them; empty where a table has nothing."""

    def pair(value: object) -> str:
        return str(value).replace(" ", "")

    if isinstance(module, torch.nn.BatchNorm2d):
        return {"type": "BatchNorm2d", "eps": str(module.eps)}
    assert isinstance(module, (torch.nn.Conv2d, torch.nn.ConvTranspose2d))
    found = {name: pair(getattr(module, f"{name}_size" if name == "kernel" else name)) for name in ("kernel", "stride")}
    found |= {"dilation": pair(module.dilation), "groups": str(module.groups), "bias": str(module.bias is not None)}
    if isinstance(module, torch.nn.ConvTranspose2d):
        return found | {"type": "ConvTranspose2d", "output_padding": pair(module.output_padding)}
    return found | {"type": "Conv2d"}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_moves_as_the_public_one(name: str) -> None:
    """Kernel, stride, dilation, padding, groups, bias and epsilon, which no tensor shows."""
    build, public_name = NETWORKS[name]
    with torch.device("meta"):
        network = build()
    layers = {
        public_name(f"{key}.weight"): module for key, module in network.named_modules() if hasattr(module, "weight")
    }
    expected = {f"{row['module']}.weight": row for row in rows(name) if row["type"].startswith(("Conv", "BatchNorm"))}
    assert layers.keys() == expected.keys()
    for key, row in expected.items():
        found = described(layers[key], row)
        # The shortcut of a ResNet picks its samples itself (`strides.subsample`) before a layer that moves by one.
        if "downsample.0" in key and row["stride"] == "(2,2)":
            found["stride"] = "(2,2)"
        assert found == {name: row[name] for name in found}, key
        padding = getattr(layers[key], "padding", None)
        if row["padding"] != "(0,0)" and isinstance(padding, tuple):
            assert str(padding).replace(" ", "") == row["padding"], key
