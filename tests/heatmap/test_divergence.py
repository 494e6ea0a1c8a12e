"""Divergences against scipy, their bounds, and their behaviour at zeros and in low precision."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr

from metricpose.heatmap.decode import covariance, softmax_nd
from metricpose.heatmap.divergence import jensen_shannon, kullback_leibler, variance_penalty
from metricpose.heatmap.encode import gaussian_maps

DIMS = (-1, -2)
LN2 = math.log(2)


def pair(dtype=torch.float64, seed=0, spread=3.0):
    """Two sets of maps (2, 3, 5, 7), the second with exact zeros."""
    rng = np.random.default_rng(seed)
    logits = torch.tensor(rng.normal(0, spread, (2, 2, 3, 5, 7)), dtype=dtype)
    p, q = (softmax_nd(x, DIMS) for x in logits)
    q = torch.where(q > 0.002, q, 0)
    return p, q / q.sum(DIMS, keepdim=True)


def one_hot(index):
    maps = torch.zeros(1, 1, 5, 7)
    maps[0, 0, index // 7, index % 7] = 1
    return maps


def test_against_scipy():
    p, q = pair()
    jsd, kl = jensen_shannon(p, q, DIMS), kullback_leibler(q, p, DIMS)
    for index in np.ndindex(2, 3):
        a, b = p[index].flatten().numpy(), q[index].flatten().numpy()
        assert jsd[index].item() == pytest.approx(jensenshannon(a, b) ** 2, rel=1e-9)
        assert kl[index].item() == pytest.approx(rel_entr(b, a).sum(), rel=1e-9)
    torch.testing.assert_close(jensen_shannon(q, p, DIMS), jsd)


def test_any_axes():
    p, q = pair()
    moved = jensen_shannon(p.permute(2, 0, 3, 1), q.permute(2, 0, 3, 1), (0, 2))
    torch.testing.assert_close(moved, jensen_shannon(p, q, DIMS))


def test_bounds():
    """0 exactly for equal maps, ln 2 for disjoint ones, in between else."""
    p, q = pair(torch.float32)
    assert jensen_shannon(p, p, DIMS).abs().max() == 0
    assert jensen_shannon(q, q.clone(), DIMS).abs().max() == 0
    disjoint = jensen_shannon(one_hot(3), one_hot(20), DIMS)
    assert disjoint.item() == pytest.approx(LN2, abs=1e-6)
    between = jensen_shannon(p, q, DIMS)
    assert ((between > 1e-3) & (between < LN2)).all()
    nearly = jensen_shannon(p, p * (1 + 1e-3 * torch.tensor([1, -1, 0, 1, -1, 0, 0.0])), DIMS)
    assert ((nearly > 0) & (nearly < 1e-6)).all()


@pytest.mark.parametrize("divergence", [jensen_shannon, kullback_leibler])
def test_gradients_are_finite_at_zeros(divergence):
    for p, q in [(one_hot(3), one_hot(20)), (one_hot(3), one_hot(3)), (one_hot(3), torch.zeros(1, 1, 5, 7))]:
        for first, second in ((p, q), (q, p)):
            first, second = first.clone().requires_grad_(), second.clone().requires_grad_()
            value = divergence(first, second, DIMS)
            value.sum().backward()
            for x in (value, first.grad, second.grad):
                assert x.isfinite().all()


def test_a_zero_target_gives_half_of_ln2_and_hardly_any_gradient():
    logits = torch.randn(1, 2, 5, 7, generator=torch.Generator().manual_seed(0)).requires_grad_()
    value = jensen_shannon(softmax_nd(logits, DIMS), torch.zeros(1, 2, 5, 7), DIMS)
    torch.testing.assert_close(value.detach(), torch.full((1, 2), LN2 / 2))
    value.sum().backward()
    assert logits.grad.abs().max() < 1e-6


def test_far_away_maps_still_pull():
    """Where the prediction has almost no mass at the target, its logit there still gets the largest push."""
    logits = torch.zeros(1, 1, 5, 7)
    logits[0, 0, 0, 0] = 8.0
    logits.requires_grad_()
    target = gaussian_maps(torch.tensor([[[0.8, 0.8]]]), (5, 7), 0.5, "corner", unit="sum")
    jensen_shannon(softmax_nd(logits, DIMS), target, DIMS).sum().backward()
    assert logits.grad.flatten().argmin() == target.flatten().argmax()
    assert logits.grad[0, 0, 0, 0] > 0


@pytest.mark.parametrize("divergence", [jensen_shannon, kullback_leibler])
def test_gradients(divergence):
    p, q = (softmax_nd(torch.tensor(np.random.default_rng(i).normal(0, 1, (2, 3, 4))), DIMS) for i in range(2))
    inputs = p.requires_grad_(), q.requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: divergence(a, b, DIMS), inputs)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_always_float32(dtype):
    """In half precision 1e-24 is 0 and exact zeros would give NaN."""
    p, q = (x.to(dtype) for x in pair(torch.float32))
    coords = [torch.arange(7.0), torch.arange(5.0)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = [
            jensen_shannon(p, q, DIMS),
            kullback_leibler(p, q, DIMS),
            variance_penalty(p, DIMS, coords, [1.0, 1.0]),
        ]
    p, q = p.float(), q.float()
    plain = [
        jensen_shannon(p, q, DIMS),
        kullback_leibler(p, q, DIMS),
        variance_penalty(p, DIMS, coords, [1.0, 1.0]),
    ]
    assert all(a.dtype == torch.float32 and a.isfinite().all() and a.equal(b) for a, b in zip(found, plain))


def test_variance_penalty_against_the_covariance():
    p, _ = pair()
    coords = [torch.linspace(0, 2, 7).double(), torch.linspace(-1, 1, 5).double()]
    spread = covariance(p, DIMS, coords)
    expected = (spread[..., 0, 0] - 0.3**2) ** 2 + (spread[..., 1, 1] - 0.2**2) ** 2
    torch.testing.assert_close(variance_penalty(p, DIMS, coords, [0.3, 0.2]), expected)


def test_variance_penalty_vanishes_at_the_wanted_spread():
    maps = gaussian_maps(torch.tensor([[[0.1, -0.2]]]).double(), (24, 30), 1.5, "centre", unit="sum")
    coords = [(2 * torch.arange(n).double() + 1) / n - 1 for n in (30, 24)]
    sigmas = [1.5 * 2 / 30, 1.5 * 2 / 24]
    assert variance_penalty(maps, DIMS, coords, sigmas).item() < 1e-12
    wrong = variance_penalty(maps, DIMS, coords, [2 * s for s in sigmas]).item()
    assert wrong == pytest.approx(9 * sum(s**4 for s in sigmas), rel=1e-4)
