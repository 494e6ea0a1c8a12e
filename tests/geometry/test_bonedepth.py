"""Scale recovery from bone lengths against scipy, on exact and on noisy poses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from metricpose.geometry.bonedepth import MIN_DEPTH_MM, PRIOR_DEPTH_MM, bone_lengths, mean_bone_lengths, root_depth
from reference import bonedepth as reference

EDGES = ((0, 1), (1, 2), (0, 3), (3, 4), (4, 5), (0, 6))
DEPTHS = (600.0, 2000.0, 8000.0, 40_000.0)


def people(noise=0.0, seed=0, dtype=torch.float64):
    """Rays, root-relative depths, bone lengths and weights of poses at four distances."""
    rng = np.random.default_rng(seed)
    joints = np.cumsum(rng.normal(0, 60, (len(DEPTHS), 7, 3)), 1)
    joints += np.stack([0.05 * np.array(DEPTHS), np.zeros(4), DEPTHS], -1)[:, None] - joints[:, :1]
    lengths = bone_lengths(torch.tensor(joints), EDGES).numpy() + noise * rng.normal(0, 15, (4, len(EDGES)))
    rays = joints[..., :2] / joints[..., 2:] + noise * rng.normal(0, 0.01, (4, 7, 2)) * 1000 / joints[..., 2:]
    depths = joints[..., 2] - joints[:, :1, 2] + noise * rng.normal(0, 20, (4, 7)) * (np.arange(7) > 0)
    weights = rng.uniform(0.2, 1, (4, len(EDGES)))
    return tuple(torch.tensor(x, dtype=dtype) for x in (rays, depths, lengths, weights))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_exact_poses_give_the_exact_depth(dtype):
    rays, depths, lengths, weights = people(dtype=dtype)
    found = root_depth(rays, depths, EDGES, lengths, weights)
    torch.testing.assert_close(found.depth_mm, torch.tensor(DEPTHS, dtype=dtype), rtol=1e-4, atol=0)
    if dtype is torch.float64:
        assert (found.variance_mm2 < 1e-2).all()


def test_noisy_poses_against_scipy():
    rays, depths, lengths, weights = people(noise=1.0)
    found = root_depth(rays, depths, EDGES, lengths, weights, iterations=30)
    for i, start in enumerate(DEPTHS):
        arguments = (x[i].numpy() for x in (rays, depths))
        expected = reference.root_depth(*arguments, EDGES, lengths[i].numpy(), weights[i].numpy(), start)
        assert found.depth_mm[i].item() == pytest.approx(expected, rel=1e-4)
    ten = root_depth(rays, depths, EDGES, lengths, weights).depth_mm
    torch.testing.assert_close(ten, found.depth_mm, rtol=2e-3, atol=0)


def test_variance_is_that_of_a_linear_fit():
    """Bones parallel to the image at the root's depth are linear in Z: ordinary least squares has the answer."""
    rays = torch.zeros(1, 7, 2).double()
    rays[0, 1:, 0] = torch.tensor([0.1, 0.25, 0.2, 0.32, 0.5, 0.15])
    slopes = bone_lengths(torch.cat([rays, torch.ones(1, 7, 1)], -1), EDGES)[0].numpy()
    lengths = 3000 * slopes + np.array([5.0, -8, 3, 12, -6, 1])
    found = root_depth(rays, torch.zeros(1, 7).double(), EDGES, torch.tensor(lengths)[None], torch.ones(1, 6).double())
    depth = slopes @ lengths / (slopes @ slopes)
    assert found.depth_mm.item() == pytest.approx(depth, rel=1e-6)
    variance = ((slopes * depth - lengths) ** 2).sum() / 5 / (slopes @ slopes)
    assert found.variance_mm2.item() == pytest.approx(variance, rel=1e-4)


def test_bones_without_weight_may_hold_anything():
    rays, depths, lengths, weights = people(noise=1.0)
    weights[:, 2] = 0
    plain = root_depth(rays, depths, EDGES, lengths, weights)
    lengths[:, 2] = torch.nan
    assert torch.equal(root_depth(rays, depths, EDGES, lengths, weights).depth_mm, plain.depth_mm)


def test_hopeless_cases_are_finite():
    nothing = root_depth(torch.zeros(2, 7, 2), torch.zeros(2, 7), EDGES, torch.full((2, 6), 200.0), torch.ones(2, 6))
    assert nothing.depth_mm.tolist() == [PRIOR_DEPTH_MM] * 2
    rays, depths, lengths, _ = people(dtype=torch.float32)
    unweighted = root_depth(rays, depths, EDGES, lengths, torch.zeros(4, 6))
    assert torch.isfinite(unweighted.depth_mm).all()
    too_long_in_depth = root_depth(rays, depths * 1000, EDGES, lengths, torch.ones(4, 6))
    assert (too_long_in_depth.depth_mm >= MIN_DEPTH_MM).all()


def test_gradients_of_lengths_and_depths():
    rays, depths, lengths, weights = people(noise=0.3)
    inputs = depths[:2].requires_grad_(), lengths[:2].requires_grad_()

    def depth(depths, lengths):
        return root_depth(rays[:2], depths, EDGES, lengths, weights[:2], iterations=40).depth_mm / 1000

    assert torch.autograd.gradcheck(depth, inputs, eps=1e-3, atol=1e-4, rtol=1e-2)


def test_mean_lengths_skip_what_is_not_labelled():
    joints = torch.tensor(np.random.default_rng(0).normal(0, 100, (3, 7, 3)))
    expected = bone_lengths(joints, EDGES)
    weights = torch.ones(3, 7)
    weights[1, 2], weights[2] = 0, 0
    joints[1, 2], joints[2] = torch.nan, torch.inf
    mean, count = mean_bone_lengths(joints, weights, EDGES)
    assert count.tolist() == [2, 1, 2, 2, 2, 2]
    torch.testing.assert_close(mean[0], expected[:2, 0].mean())
    torch.testing.assert_close(mean[1], expected[0, 1])
    empty, none = mean_bone_lengths(joints, weights * 0, EDGES)
    assert none.tolist() == [0] * 6
    assert empty.tolist() == [0] * 6
