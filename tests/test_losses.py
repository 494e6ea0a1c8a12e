"""Losses against plain loops, and the promise that masked labels do not exist."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from metricpose.losses import (
    absolute_l1_losses,
    aligned_l1_losses,
    any_known,
    l1_losses,
    masked_mean,
    relative_l1_losses,
)
from reference import losses as reference

CASES = {
    "l1": (l1_losses, reference.l1),
    "relative to the root": (partial(relative_l1_losses, root=2), partial(reference.relative_l1, root=2)),
    "relative to the mean": (partial(relative_l1_losses, root=None), partial(reference.relative_l1, root=None)),
    "absolute": (absolute_l1_losses, partial(reference.absolute_l1, damp=None)),
    "absolute, damped": (partial(absolute_l1_losses, damp_beyond_mm=2.0), partial(reference.absolute_l1, damp=2.0)),
    "aligned": (aligned_l1_losses, reference.aligned_l1),
}


def labels(seed=0):
    """Predictions, labels in front of the camera, and weights with every kind of gap."""
    rng = np.random.default_rng(seed)
    pred, target = rng.normal(0, 1, (6, 5, 3)), rng.normal(0, 1, (6, 5, 3))
    target[..., 2] = rng.uniform(1, 4, (6, 5))
    weights = rng.uniform(0.2, 2.0, (6, 5))
    weights[1, 2] = 0  # the root
    weights[2, [0, 4]] = 0
    weights[3] = 0
    weights[4, 1:] = 0  # one joint
    weights[5, [0, 1, 4]] = 0  # two joints
    return torch.tensor(pred), torch.tensor(target), torch.tensor(weights)


@pytest.mark.parametrize("name", CASES)
def test_against_loops(name):
    ours, naive = CASES[name]
    pred, target, weights = labels()
    found = ours(pred, target, weights)
    expected = naive(pred.numpy(), target.numpy(), weights.numpy())
    np.testing.assert_allclose(found.numpy() * (weights.numpy() > 0), expected, rtol=1e-7, atol=1e-8)
    assert masked_mean(found, weights).item() == pytest.approx(reference.masked_mean(expected, weights.numpy()))


@pytest.mark.parametrize("garbage", [torch.nan, torch.inf, -1e30])
@pytest.mark.parametrize("name", CASES)
def test_masked_labels_change_neither_value_nor_gradient(name, garbage):
    results = []
    for value in (0.0, garbage):
        pred, target, weights = labels()
        target[weights == 0] = value
        pred.requires_grad_()
        loss = masked_mean(CASES[name][0](pred, target, weights), weights)
        loss.backward()
        results.append((loss.item(), pred.grad))
    assert results[0][0] == results[1][0] > 0
    assert torch.equal(results[0][1], results[1][1])


@pytest.mark.parametrize("name", CASES)
def test_gradients(name):
    pred, target, weights = labels()

    def loss(pred):
        return masked_mean(CASES[name][0](pred, target, weights), weights)

    assert torch.autograd.gradcheck(loss, pred.requires_grad_())


@pytest.mark.parametrize("name", CASES)
def test_nothing_labelled_is_zero_with_zero_gradient(name):
    pred, target, weights = labels()
    pred.requires_grad_()
    loss = masked_mean(CASES[name][0](pred, torch.full_like(target, torch.nan), weights * 0), weights * 0)
    loss.backward()
    assert loss.item() == 0
    assert (pred.grad == 0).all()


def test_a_nan_prediction_gives_nan():
    pred, target, weights = labels()
    pred[0, 0] = torch.nan
    for losses, _ in CASES.values():
        assert masked_mean(losses(pred, target, weights), weights).isnan()


def test_alignment_ignores_position_and_size():
    pred, target, weights = labels()
    found = aligned_l1_losses(pred * 37 + torch.tensor([5.0, -900.0, 3.0]), target, weights)
    torch.testing.assert_close(found, aligned_l1_losses(pred, target, weights))
    assert masked_mean(aligned_l1_losses(target * 0.01 - 4, target, weights), weights).item() < 1e-5


def test_alignment_of_a_collapsed_pose_is_finite():
    pred = torch.full((1, 4, 2), 3.0, requires_grad=True)
    aligned_l1_losses(pred, torch.randn(1, 4, 2), torch.ones(1, 4)).sum().backward()
    assert torch.isfinite(pred.grad).all()


def test_any_known():
    assert any_known(torch.tensor([[0.0, 0.5], [0, 0], [torch.nan, 0]])).tolist() == [[True], [False], [False]]
