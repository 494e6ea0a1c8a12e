"""Fitting: all tensors used once, or everything that is wrong listed in public names."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from metricpose.errors import CheckpointError
from metricpose.importing.fitting import LISTED, fit, some, summary


class Own(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.norm = nn.BatchNorm1d(2)
        self.register_buffer("scale", torch.tensor(4.0))


def name(key: str) -> str | None:
    return None if key == "scale" else f"net.{key}"


def public(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"net.layer.weight": (2, 3), "net.layer.bias": (2,)}
    shapes |= {f"net.norm.{k}": (2,) for k in ("weight", "bias", "running_mean", "running_var")}
    found = {key: torch.rand(shape, generator=generator) for key, shape in shapes.items()}
    return {**found, "net.norm.num_batches_tracked": torch.tensor(9)}


def test_every_tensor_arrives_and_what_is_ours_stays() -> None:
    module, tensors = Own(), public()
    fit(module, tensors, name, "x.pth")
    state = module.state_dict()
    assert all(torch.equal(state[key.removeprefix("net.")], value) for key, value in tensors.items())
    assert state["scale"] == 4


def test_step_counters_may_be_absent() -> None:
    module, tensors = Own(), public()
    del tensors["net.norm.num_batches_tracked"]
    fit(module, tensors, name, "x.pth")
    assert module.norm.num_batches_tracked == 0
    assert torch.equal(module.norm.running_var, tensors["net.norm.running_var"])


def test_everything_wrong_is_listed_at_once_and_nothing_is_changed() -> None:
    module, tensors = Own(), public()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    del tensors["net.layer.bias"], tensors["net.norm.weight"]
    tensors["net.layer.weight"] = torch.zeros(3, 2)
    tensors["net.norm.bias"] = torch.tensor([1.0, torch.nan])
    tensors["head.weight"] = torch.zeros(4, 1)
    with pytest.raises(CheckpointError) as caught:
        fit(module, tensors, name, "x.pth, read as a test")
    message = str(caught.value)
    assert message.startswith("x.pth, read as a test: the file does not fit. ")
    assert "missing (2): net.layer.bias (2), net.norm.weight (2)" in message
    assert "extra (1): head.weight (4, 1)" in message
    assert "of another shape (1): net.layer.weight (3, 2) instead of (2, 3)" in message
    assert "not finite (1): net.norm.bias" in message
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())


def test_long_lists_are_cut() -> None:
    names = [f"n{i}" for i in range(LISTED + 3)]
    assert some(names).endswith(f"n{LISTED - 1} and 3 more")
    assert some(names[:LISTED]).endswith(f"n{LISTED - 1}")
    assert summary({"missing": [], "extra": ["a", "b"]}) == "extra (2): a, b"


def test_two_keys_of_one_name_are_a_fault_of_the_importer() -> None:
    with pytest.raises(AssertionError, match="one public name"):
        fit(Own(), public(), lambda key: "same", "x.pth")
