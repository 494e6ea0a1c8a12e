from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from metricpose.errors import CheckpointError
from metricpose.training.checkpoint import Progress, load_state, read_progress, save_state

PROGRESS = Progress(7, [[[0, 5], [14, 9]]], {"lr": 0.1})


def setup(seed=0):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 9, 2))
    model = model.to(memory_format=torch.channels_last)
    average = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 9, 2))
    return model, average, torch.optim.AdamW(model.parameters(), lr=0.01, fused=True)


def step(model, optimizer, seed):
    torch.manual_seed(seed)
    optimizer.zero_grad()
    model(torch.randn(5, 3, 5, 5)).square().sum().backward()
    optimizer.step()


def test_training_goes_on_bit_for_bit(tmp_path):
    path = tmp_path / "state.safetensors"
    model, average, optimizer = setup()
    for i in range(3):
        step(model, optimizer, i)
    save_state(path, PROGRESS, model, average, optimizer)
    other_model, other_average, other_optimizer = setup(1)
    assert load_state(path, other_model, other_average, other_optimizer) == PROGRESS == read_progress(path)
    for m, o in ((model, optimizer), (other_model, other_optimizer)):
        for i in range(3, 6):
            step(m, o, i)
    for a, b in ((model, other_model), (average, other_average)):
        assert all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))
    assert other_model[0].weight.is_contiguous(memory_format=torch.channels_last)
    moment = other_optimizer.state[other_model[0].weight]["exp_avg"]
    assert moment.is_contiguous(memory_format=torch.channels_last)
    assert float(other_optimizer.state[other_model[0].weight]["step"]) == 6


def test_damaged_foreign_and_unfitting_files_are_refused(tmp_path):
    path = tmp_path / "state.safetensors"
    with pytest.raises(CheckpointError, match="cannot read"):
        read_progress(path)
    model, average, optimizer = setup()
    save_state(path, PROGRESS, model, average, optimizer)
    other = nn.Sequential(nn.Conv2d(3, 4, 3))
    with pytest.raises(CheckpointError, match=r"extra: 1\.bias"):
        load_state(path, other, average, torch.optim.AdamW(other.parameters()))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match="cannot read"):
        load_state(path, model, average, optimizer)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="metricpose-training-1"):
        read_progress(path)
