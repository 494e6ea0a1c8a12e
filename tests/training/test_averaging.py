from __future__ import annotations

import pytest
import torch
from torch import nn

from metricpose.training.averaging import Average


def net():
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def test_average_follows_the_closed_form_with_warm_up():
    model = net()
    average = Average(model, 0.5)
    value = model[0].weight[0, 0].item()
    for step in range(20):
        with torch.no_grad():
            model[0].weight += 1
        decay = min(0.5, (1 + step) / (10 + step))
        value = decay * value + (1 - decay) * model[0].weight[0, 0].item()
        average.update(model, step)
    assert float(average.model[0].weight[0, 0]) == pytest.approx(value, rel=1e-6)


def test_statistics_are_averaged_counts_copied_and_the_model_is_left_alone():
    model = net().train()
    average = Average(model, 0.9)
    model(torch.randn(8, 3) + 5)
    before = model[1].running_mean.clone()
    average.update(model, 0)
    assert torch.equal(model[1].running_mean, before)
    assert torch.allclose(average.model[1].running_mean, before * 0.9)  # decay 1 / 10 at step 0, from 0
    assert int(average.model[1].num_batches_tracked) == 1
    assert not average.model.training
    assert not any(p.requires_grad for p in average.model.parameters())


def test_decay_zero_is_the_model_itself():
    model = net()
    average = Average(model, 0.0)
    with torch.no_grad():
        model[0].bias += 3
    average.update(model, 1000)
    assert torch.equal(average.model[0].bias, model[0].bias)
