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
    ordinal_ranking_losses,
    relative_l1_losses,
)
from metricpose.skeleton.core import pair_index
from reference import losses as reference
from reference.ordinal import order_of, ranking_loss

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


def ordinal_labels(garbage=torch.nan):
    """Depths, labels of their pairs by other depths, and weights with gaps; the last person has no labels."""
    rng = np.random.default_rng(3)
    z = rng.normal(0, 2, (4, 5))
    order = torch.tensor(np.stack([order_of(row, 0.7) for row in rng.normal(0, 1, (4, 5))]))
    weights = torch.tensor(rng.uniform(0.2, 2.0, (4, 10)))
    weights[0, [1, 8]], weights[3] = 0, 0
    order[weights == 0] = garbage
    return torch.tensor(z), order, weights


@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_ordinal_ranking_against_loops(scale):
    z, order, weights = ordinal_labels()
    assert {-1.0, 0.0, 1.0} <= set(order[:3].flatten().tolist())
    found = ordinal_ranking_losses(z, order, weights, scale)
    expected = [ranking_loss(*(x.numpy() for x in row), scale) for row in zip(z, order, weights)]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9)


def test_ordinal_ranking_by_hand():
    """Joint 1 labelled closer than joint 0: log 2 when equal, small when far closer, growing when behind."""
    for z1, expected in ((0.0, 0.693147), (-5.0, 0.006715), (5.0, 5.006715)):
        found = ordinal_ranking_losses(torch.tensor([[0.0, z1]]), torch.ones(1, 1), torch.ones(1, 1), 1.0)
        assert found.item() == pytest.approx(expected, abs=1e-5)
    assert ordinal_ranking_losses(torch.tensor([[1.0, 4]]), torch.zeros(1, 1), torch.ones(1, 1), 2.0).item() == 4.5


def test_ordinal_ranking_ignores_position_and_is_finite_for_huge_depths():
    z, order, weights = ordinal_labels()
    torch.testing.assert_close(
        ordinal_ranking_losses(z + 30, order, weights, 1.0), ordinal_ranking_losses(z, order, weights, 1.0)
    )
    far = (1e6 * z.float()).requires_grad_()
    ordinal_ranking_losses(far, order.float(), weights.float(), 100.0).sum().backward()
    assert torch.isfinite(far.grad).all()


@pytest.mark.parametrize("garbage", [0.0, torch.inf, -1e30, 1.0])
def test_pairs_without_label_change_neither_value_nor_gradient(garbage):
    results = []
    for value in (torch.nan, garbage):
        z, order, weights = ordinal_labels(value)
        z.requires_grad_()
        loss = masked_mean(ordinal_ranking_losses(z, order, weights, 1.0), weights)
        loss.backward()
        results.append((loss.item(), z.grad))
    assert results[0][0] == results[1][0] > 0
    assert torch.equal(results[0][1], results[1][1])
    assert (results[0][1][3] == 0).all()


def test_only_joints_of_labelled_pairs_feel_ordinal_labels():
    z = torch.randn(2, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    order, weights = torch.full((2, 10), torch.nan), torch.zeros(2, 10)
    place, sign = pair_index(5, 4, 1)
    order[0, place], weights[0, place] = -sign, 0.5  # joint 1 is farther than joint 4
    masked_mean(ordinal_ranking_losses(z, order, weights, 1.0), weights).backward()
    assert (z.grad != 0).nonzero().tolist() == [[0, 1], [0, 4]]
    assert z.grad[0, 1] < 0 < z.grad[0, 4]


def test_gradient_of_ordinal_ranking():
    z, order, weights = ordinal_labels()
    assert torch.autograd.gradcheck(lambda z: ordinal_ranking_losses(z, order, weights, 0.5), z.requires_grad_())
