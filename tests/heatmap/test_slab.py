"""The depth slab, ordinal targets and their loss against loops over joints and pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from metricpose.heatmap.encode import gaussian_maps
from metricpose.heatmap.slab import depth_bins, depth_slab, ordinal_losses, ordinal_targets
from reference import targets as reference

SIZE, CHANNELS = (7, 10), 6


def scene(seed=0, batch=3, joints=9):
    rng = np.random.default_rng(seed)
    means = torch.tensor(rng.uniform(0, 1, (batch, joints, 2)))
    z = torch.tensor(rng.normal(0, 700, (batch, joints)))
    valid = torch.tensor(rng.random((batch, joints)) < 0.8)
    return gaussian_maps(means, SIZE, 1.3, "index"), z, valid


def test_bins():
    z = torch.tensor([[-1500.0, -1000, -667, -666, -1, 0, 999, 1000, 1001, math.nan, math.inf]])
    assert depth_bins(z, 6, 1000.0).tolist() == [[0, 0, 0, 1, 2, 3, 5, 5, 5, 0, 5]]


def test_slab_against_loops():
    maps, z, valid = scene()
    found = depth_slab(maps, depth_bins(z, CHANNELS, 1000.0), CHANNELS, valid)
    assert found.shape == (3, CHANNELS, *SIZE)
    for b in range(3):
        expected = reference.slab(maps[b].numpy(), z[b].numpy(), valid[b].numpy(), CHANNELS, 1000.0)
        np.testing.assert_array_equal(found[b], expected)
    assert (found.amax((-1, -2)) == 0).any()


def test_maximum_over_channels_is_that_over_joints():
    maps, z, _ = scene(1)
    slab = depth_slab(maps, depth_bins(z, CHANNELS, 1000.0), CHANNELS)
    assert slab.amax(-3).equal(maps.amax(-3))


def test_ordinal_targets_against_loops():
    maps, z, valid = scene(2)
    bins = depth_bins(z, CHANNELS, 1000.0)
    found = ordinal_targets(maps, bins, valid)
    for b in range(3):
        label, mask = reference.ordinal(maps[b].numpy(), bins[b].numpy(), valid[b].numpy())
        np.testing.assert_array_equal(found.label[b], label)
        np.testing.assert_array_equal(found.mask[b], mask)
    assert 0 < found.mask.double().mean() < 1


def test_mask_is_one_sigma_and_ties_go_to_the_closest_joint():
    means = torch.tensor([[[0.5, 0.5], [0.5, 0.5], [0.9, 0.9]]])
    maps = gaussian_maps(means, (10, 10), 2.0, "index")
    found = ordinal_targets(maps[:, :2], torch.tensor([[4, 2]]))
    i = torch.arange(10)
    assert found.mask[0].equal((i - 5).square()[:, None] + (i - 5).square() <= 4)
    assert found.label[0].equal(torch.where(found.mask[0], 2, 0))
    assert ordinal_targets(maps, torch.tensor([[4, 2, 0]])).label[0, 5, 5] == 2


def test_any_leading_axes():
    maps, z, valid = scene(5)
    bins = depth_bins(z, CHANNELS, 1000.0)
    logits = torch.randn(3, CHANNELS, *SIZE, generator=torch.manual_seed(0))

    def everything(pick):
        targets = ordinal_targets(pick(maps), pick(bins), pick(valid))
        slab = depth_slab(pick(maps), pick(bins), CHANNELS, pick(valid))
        return slab, *targets, ordinal_losses(pick(logits), targets)

    plain = everything(lambda x: x)
    for one, two, three in zip(plain, everything(lambda x: x[0]), everything(lambda x: x[None])):
        torch.testing.assert_close(two, one[0])
        torch.testing.assert_close(three[0], one)


@pytest.mark.parametrize("garbage", [math.nan, 3.0])
def test_joints_without_depth_leave_no_trace(garbage):
    maps, z, valid = scene(3)
    bins = depth_bins(z, CHANNELS, 1000.0)
    plain = depth_slab(maps, bins, CHANNELS, valid), *ordinal_targets(maps, bins, valid)
    bins = torch.where(valid, bins, 1)
    maps = torch.where(valid[..., None, None], maps, garbage).requires_grad_()
    slab = depth_slab(maps, bins, CHANNELS, valid)
    assert all(a.equal(b) for a, b in zip((slab, *ordinal_targets(maps, bins, valid)), plain))
    slab.sum().backward()
    assert (maps.grad[~valid] == 0).all()
    assert (maps.grad[valid].sum((-1, -2)) > 0).any()
    nobody = ordinal_targets(maps.detach(), bins, torch.zeros_like(valid))
    assert not nobody.mask.any()
    assert not depth_slab(maps, bins, CHANNELS, torch.zeros_like(valid)).any()


def test_ordinal_loss_against_loops():
    maps, z, valid = scene(4)
    valid[2] = False
    targets = ordinal_targets(maps, depth_bins(z, CHANNELS, 1000.0), valid)
    logits = torch.tensor(np.random.default_rng(5).normal(0, 3, (3, CHANNELS, *SIZE)))
    found = ordinal_losses(logits, targets)
    for b in range(3):
        expected = reference.ordinal_loss(logits[b].numpy(), targets.label[b].numpy(), targets.mask[b].numpy())
        assert found[b].item() == pytest.approx(expected, rel=1e-9)
    assert found[2] == 0


@pytest.mark.parametrize("right", range(CHANNELS))
def test_ordinal_loss_is_least_at_the_right_bin_and_grows_with_the_error(right):
    targets = ordinal_targets(torch.ones(1, 1, 1, 1), torch.tensor([[right]]))
    losses = []
    for guess in range(CHANNELS):
        confident = torch.where(torch.arange(CHANNELS) < guess, 2.0, -2.0)
        losses.append(ordinal_losses(confident.view(1, -1, 1, 1), targets).item())
    assert np.argmin(losses) == right
    assert min(losses) == pytest.approx(CHANNELS * math.log1p(math.exp(-2)))
    assert (np.diff(losses[right:]) > 0.1).all()
    assert (np.diff(losses[: right + 1]) < -0.1).all()


def test_ordinal_loss_has_no_gradient_off_the_joints_and_survives_huge_logits():
    maps, z, valid = scene(6)
    targets = ordinal_targets(maps, depth_bins(z, CHANNELS, 1000.0), valid)
    logits = torch.full((3, CHANNELS, *SIZE), 1e4).bfloat16()
    logits[:, ::2] *= -1
    logits.requires_grad_()
    losses = ordinal_losses(logits, targets)
    assert losses.dtype == torch.float32
    losses.sum().backward()
    assert logits.grad.isfinite().all()
    off = ~targets.mask[:, None].expand_as(logits)
    assert (logits.grad[off] == 0).all()
    assert (logits.grad[~off] != 0).any()
