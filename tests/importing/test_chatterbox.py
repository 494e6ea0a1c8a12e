"""MargiPose's second network: recognised, imported, and its columns written out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from metricpose.errors import CheckpointError
from metricpose.importing import chatterbox
from metricpose.importing.chatterbox import import_chatterbox, is_chatterbox
from metricpose.importing.checkpoint import Checkpoint
from metricpose.importing.description import Description
from metricpose.importing.margipose import import_margipose
from reference import checkpoints

DESCRIPTION = Description("chatterbox", "1.3.0", {"pixelwise_loss": "jsd"})


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return checkpoints.random_state(checkpoints.chatterbox())


@pytest.fixture(scope="module")
def model(state: dict[str, Tensor]) -> Any:
    imported = import_chatterbox(
        Checkpoint(state, {"train_datasets": ["mpi3d-train"]}, "0"), DESCRIPTION, Path("x.pth")
    )
    assert (imported.name, imported.tensors, len(imported.notes)) == ("chatterbox", 483, 1)
    return imported.model.eval()


def norm(x: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    parts = [state[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")]
    return functional.batch_norm(x, *parts, eps=1e-5)


def block(x: Tensor, state: dict[str, Tensor], name: str, dilations: tuple[int, int], stride: int, up: bool) -> Tensor:
    """Along the width; the height is dilated."""
    first, second = dilations
    extra = (0, stride - 1)
    side = x
    if up:
        y = functional.conv_transpose2d(
            x, state[f"{name}.conv1.weight"], None, (1, stride), (first, 1), extra, 1, (first, 1)
        )
    else:
        y = functional.conv2d(x, state[f"{name}.conv1.weight"], None, (1, stride), (first, 1), (first, 1))
    if f"{name}.resample.0.weight" in state:
        weight = state[f"{name}.resample.0.weight"]
        moved = (
            functional.conv_transpose2d(x, weight, None, (1, stride), 0, extra)
            if up
            else functional.conv2d(x, weight, None, (1, stride))
        )
        side = norm(moved, state, f"{name}.resample.1")
    y = functional.relu(norm(y, state, f"{name}.bn1"))
    y = norm(
        functional.conv2d(y, state[f"{name}.conv2.weight"], None, 1, (second, 1), (second, 1)), state, f"{name}.bn2"
    )
    return functional.relu(y + side)


def squeezed(x: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    """The zy column; for xz the features and all kernels are turned."""
    for i, (dilations, stride) in enumerate((((1, 2), 2), ((2, 2), 1), ((2, 4), 2), ((4, 4), 1))):
        x = block(x, state, f"{name}.down_convs.{i}", dilations, stride, up=False)
    x = functional.relu(norm(functional.conv2d(x, state[f"{name}.down_convs.4.weight"]), state, f"{name}.down_convs.5"))
    assert x.shape[2:] == (32, 1)
    x = functional.conv_transpose2d(x, state[f"{name}.up_convs.0.weight"])
    x = functional.relu(norm(x, state, f"{name}.up_convs.1"))
    for i, (dilations, stride) in enumerate((((4, 4), 1), ((4, 2), 2), ((2, 2), 1), ((2, 1), 2)), 3):
        x = block(x, state, f"{name}.up_convs.{i}", dilations, stride, up=True)
    return functional.conv2d(x, state[f"{name}.up_convs.7.weight"])


def test_the_columns_equal_those_written_by_hand(model: Any, state: dict[str, Tensor]) -> None:
    features = torch.randn(1, 128, 32, 32, generator=torch.Generator().manual_seed(1))
    turned = {k: v.transpose(-1, -2) if v.ndim == 4 else v for k, v in state.items() if k.startswith("xz")}
    with torch.inference_mode():
        zy, xz = model.zy_columns[0](features), model.xz_columns[0](features)
        zy_by_hand = squeezed(features, state, "zy_hm_cnn")
        xz_by_hand = squeezed(features.transpose(-1, -2), turned, "xz_hm_cnn").transpose(-1, -2)
    for found, expected in ((zy, zy_by_hand), (xz, xz_by_hand)):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))


def test_the_xy_column_is_a_dilated_resnet(model: Any, state: dict[str, Tensor]) -> None:
    x = torch.randn(1, 128, 16, 16, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        found = model.xy_columns[0](x)
        for stage, (blocks, dilation) in enumerate(((6, 2), (3, 4)), 1):
            for i in range(blocks):
                name, first = f"xy_hm_cnn.layer{stage}.{i}", 1 if i == 0 else dilation
                y = functional.conv2d(x, state[f"{name}.conv1.weight"], None, 1, first, first)
                y = functional.relu(norm(y, state, f"{name}.bn1"))
                y = functional.conv2d(y, state[f"{name}.conv2.weight"], None, 1, dilation, dilation)
                if i == 0:
                    x = functional.conv2d(x, state[f"{name}.downsample.0.weight"])
                    x = norm(x, state, f"{name}.downsample.1")
                x = functional.relu(norm(y, state, f"{name}.bn2") + x)
        expected = functional.conv2d(x, state["xy_hm_cnn.hm_conv.weight"])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))


def test_every_tensor_arrives(model: Any, state: dict[str, Tensor]) -> None:
    named = {chatterbox.public_name(k): v for k, v in model.state_dict().items()}
    named.pop(None)
    assert named.keys() == state.keys()
    assert all(torch.equal(v, state[k]) for k, v in named.items())


def test_it_is_told_by_its_description_or_by_its_names() -> None:
    names = {"in_cnn.conv1.weight": torch.zeros(1)}
    assert is_chatterbox(DESCRIPTION, {})
    assert not is_chatterbox(DESCRIPTION._replace(kind="margipose"), names)
    assert is_chatterbox(None, names)
    assert not is_chatterbox(None, {"inner.in_cnn.0.conv.weight": torch.zeros(1)})


@pytest.mark.parametrize(
    ("version", "settings", "message"),
    [
        ("1.2.9", {}, "is of version 1.2.9; expected 1.3"),
        ("2.0.0", {}, "is of version 2.0.0"),
        ("1.3.0", {"n_stages": 2}, "unknown settings n_stages"),
        ("1.3.0", {"pixelwise_loss": "mse"}, "pixelwise_loss 'mse' is unknown"),
        ("1.3.0", {}, "read as Chatterbox: the file does not fit. missing"),
    ],
)
def test_files_that_do_not_fit_are_refused(
    version: str, settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    desc = {"type": "chatterbox", "version": version, "settings": settings}
    torch.save({"state_dict": {"in_cnn.x": torch.zeros(1)}, "model_desc": desc}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=message):
        import_margipose(tmp_path / "x.pth")
