"""Softmax, expectations and covariances against loops over the cells, on axes of different lengths."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from metricpose.heatmap.decode import covariance, full_precision, marginal, marginals_1d, soft_argmax, softmax_nd
from reference import heatmaps as reference

SIZES = {1: (5,), 2: (4, 7), 3: (3, 5, 2)}


def heatmaps(k, batch=(2, 3), dtype=torch.float64, seed=0):
    """Logits with leading axes `batch` and heatmaps of k unequal axes, and each axis's coordinates."""
    rng = np.random.default_rng(seed)
    coords = [np.sort(rng.normal(0, 1, n)) for n in SIZES[k]]
    logits = torch.tensor(rng.normal(0, 2, (*batch, *SIZES[k])), dtype=dtype)
    return logits, [torch.tensor(c, dtype=dtype) for c in coords]


@pytest.mark.parametrize("k", [1, 2, 3])
def test_against_loops(k):
    logits, coords = heatmaps(k)
    dims = tuple(range(-1, -k - 1, -1))  # x first, as the models ask for it.
    prob = softmax_nd(logits, dims)
    means, spread = (f(prob, dims, coords[::-1]) for f in (soft_argmax, covariance))
    for index in np.ndindex(2, 3):
        expected = reference.softmax(logits[index].numpy())
        np.testing.assert_allclose(prob[index], expected)
        axes = [c.numpy() for c in coords]
        np.testing.assert_allclose(means[index], reference.mean(expected, axes)[::-1])
        np.testing.assert_allclose(spread[index], reference.covariance(expected, axes)[::-1, ::-1], atol=1e-14)


def test_axes_in_any_position_and_order():
    logits, (zs, ys, xs) = heatmaps(3, batch=(2,))
    usual = soft_argmax(softmax_nd(logits, (-1, -2, -3)), (-1, -2, -3), [xs, ys, zs])
    moved = logits.permute(3, 1, 0, 2)  # x, z, batch, y
    prob = softmax_nd(moved, (3, 0, 1))
    torch.testing.assert_close(soft_argmax(prob, (3, 0, 1), [ys, xs, zs]), usual[:, [1, 0, 2]])
    usual_spread = covariance(softmax_nd(logits, (1, 2, 3)), (-1, -2, -3), [xs, ys, zs])
    torch.testing.assert_close(covariance(prob, (1, -1, 0), [zs, ys, xs]), usual_spread[:, [2, 1, 0]][..., [2, 1, 0]])


@pytest.mark.parametrize("memory", [(0, 1, 2, 3, 4), (0, 3, 4, 1, 2), (4, 2, 0, 1, 3)])
def test_any_memory_layout(memory):
    """Channels-last networks give volumes whose depth lies innermost in memory: same numbers, dense in memory again."""
    logits, (zs, ys, xs) = heatmaps(3)
    shuffled = logits.permute(memory).contiguous().permute([memory.index(i) for i in range(5)])
    dims, coords = (-1, -3, -2), [xs, zs, ys]
    usual, other = softmax_nd(logits, dims), softmax_nd(shuffled, dims)
    torch.testing.assert_close(other, usual)
    assert other.stride(1) == 3 * 5 * 2  # the cells of a joint lie together: what follows reads whole rows
    for a, b in zip(marginals_1d(other, dims), marginals_1d(usual, dims)):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(soft_argmax(other, dims, coords), soft_argmax(usual, dims, coords))
    torch.testing.assert_close(covariance(other, dims, coords), covariance(usual, dims, coords))


def test_marginals():
    logits, _ = heatmaps(3)
    prob = softmax_nd(logits, (-1, -2, -3))
    torch.testing.assert_close(marginal(prob, (-1, -2, -3), (-3, -1)), prob.sum(-2))
    torch.testing.assert_close(marginal(prob, (2, 3, 4), (-2,)), prob.sum(2).sum(-1))
    assert marginal(prob, (-1, -2, -3), (2, 3, 4)) is prob
    zs, xs, ys = marginals_1d(prob, (-3, -1, -2))
    torch.testing.assert_close(xs, prob.sum((2, 3)))
    torch.testing.assert_close(ys, prob.sum((2, 4)))
    torch.testing.assert_close(zs, prob.sum((3, 4)))


def test_huge_logits_and_permuted_memory():
    logits = torch.full((1, 6, 5, 4), -1e30).transpose(1, 2)
    logits[0, 3, 2, 1] = 3e30
    prob = softmax_nd(logits, (-1, -2))
    assert prob[0, 3, 2, 1] == 1
    torch.testing.assert_close(prob.sum((-1, -2)), torch.ones(1, 5))


def test_half_precision_is_raised_to_float32_and_autocast_changes_nothing():
    logits, (zs, ys, xs) = heatmaps(3, dtype=torch.float32)
    dims, coords = (-1, -2, -3), [xs, ys, zs]
    for dtype in (torch.bfloat16, torch.float16):
        assert full_precision(logits.to(dtype)).dtype == torch.float32
        with torch.autocast("cpu", dtype=torch.bfloat16):
            prob = softmax_nd(logits.to(dtype), dims)
            found = [f(prob, dims, coords) for f in (soft_argmax, covariance)]
        plain = softmax_nd(logits.to(dtype).float(), dims)
        for result, f in zip(found, (soft_argmax, covariance)):
            assert result.dtype == torch.float32
            assert torch.equal(result, f(plain, dims, coords))
    assert full_precision(logits.double()).dtype == torch.float64


def test_a_sharp_heatmap_keeps_its_small_variance_in_float32():
    """E[x^2] - E[x]^2 would be lost in rounding here."""
    logits = torch.full((1, 3, 5, 2), -60.0)
    logits[0, 1, 3, 0], logits[0, 1, 4, 0] = 0.0, -20.0
    coords = [torch.linspace(0, 1, n) for n in (2, 5, 3)]
    spread = covariance(softmax_nd(logits, (-1, -2, -3)), (-1, -2, -3), coords)
    assert spread[0, 1, 1].item() == pytest.approx(np.exp(-20) / 16, rel=1e-3)


def test_nan_logits_give_nan():
    logits = torch.zeros(2, 3, 4)
    logits[1, 0, 0] = torch.nan
    means = soft_argmax(softmax_nd(logits, (-1, -2)), (-1, -2), [torch.arange(4.0), torch.arange(3.0)])
    assert torch.isfinite(means[0]).all()
    assert means[1].isnan().all()


@pytest.mark.parametrize("k", [1, 2, 3])
def test_gradients(k):
    logits, coords = heatmaps(k, batch=(2,))
    dims = tuple(range(-1, -k - 1, -1))

    def decode(logits):
        prob = softmax_nd(logits, dims)
        return soft_argmax(prob, dims, coords[::-1]), covariance(prob, dims, coords[::-1])

    assert torch.autograd.gradcheck(decode, logits.requires_grad_())


def test_coordinates_must_match_the_axes():
    logits, coords = heatmaps(2)
    with pytest.raises(ValueError, match="shorter"):
        soft_argmax(softmax_nd(logits, (-1, -2)), (-1, -2), coords[1:])
