"""Root recovery against dense least squares, exact data at every distance, and every lack of joints."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from metricpose.geometry.absolute import (
    MIN_DEPTH_MM,
    PRIOR_DEPTH_MM,
    Fallback,
    combine,
    fallback,
    pixel_rays,
    project,
    recover,
    reference_point,
    view_weight,
)
from reference import absolute as reference

J = 17
DISTANCES = [500.0, 1000.0, 2500.0, 6000.0, 10_000.0, 20_000.0, 40_000.0]


def people(distances, seed=0, joints=J, dtype=torch.float64):
    """Exact rays, poses in the metric volume (as the head gives them), and the true translation, one per distance."""
    rng = np.random.default_rng(seed)
    extent = np.minimum(np.array(distances)[:, None, None] / 4, np.array([250.0, 500.0, 150.0]))
    pose = rng.normal(0, 1, (len(distances), joints, 3)) * extent
    centre = np.stack([rng.uniform(-0.1, 0.1, len(distances)) * distances, 0.05 * np.array(distances), distances], -1)
    absolute = pose + centre[:, None]
    offset = rng.uniform(700, 1500, (len(distances), 1, 3))
    rays = absolute[..., :2] / absolute[..., 2:]
    tensors = rays, pose + offset, centre - offset[:, 0], absolute
    return tuple(torch.tensor(x, dtype=dtype) for x in tensors)


@pytest.mark.parametrize("ridge", [0.0, 1e-2, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_exact_input_gives_the_exact_position_at_any_distance(ridge, dtype):
    rays, relative, t, absolute = people(DISTANCES, dtype=dtype)
    found = recover(rays, relative, torch.ones(rays.shape[:2], dtype=dtype), ridge=ridge)
    error = (found.joints_mm - absolute).norm(dim=-1).amax(1) / absolute[..., 2].mean(1)
    assert error.max() < (1e-3 / 20 if dtype is torch.float32 else 1e-7)
    assert found.joints_mm.dtype == dtype
    torch.testing.assert_close(found.translation_mm, t, rtol=1e-3, atol=0.05)


@pytest.mark.parametrize("perspective", ["full", "weak"])
def test_a_person_does_not_depend_on_the_rest_of_the_batch(perspective):
    """The published solver moves a person at 40 m by up to 4 m when others join the batch."""
    rays, relative, _, _ = people(list(np.linspace(1000, 40_000, 32)), seed=3, dtype=torch.float32)
    rays = rays + 0.002 * torch.randn(rays.shape, generator=torch.Generator().manual_seed(0))
    view = (torch.rand(32, J, generator=torch.Generator().manual_seed(1)) > 0.4).float()
    together = recover(rays, relative, view, perspective=perspective).joints_mm
    for i in range(32):
        alone = recover(rays[i : i + 1], relative[i : i + 1], view[i : i + 1], perspective=perspective).joints_mm[0]
        assert ((alone - together[i]).abs().amax() / together[i, :, 2].mean()) < 1e-6


def test_full_perspective_without_ridge_is_weighted_least_squares():
    rays, relative, _, _ = people([900.0, 3000.0, 15_000.0], joints=7)
    rng = np.random.default_rng(5)
    rays = rays + torch.tensor(rng.normal(0, 0.003, rays.shape))
    weights = rng.uniform(0.2, 1.0, rays.shape[:2])
    found = reference_point(rays, relative, torch.ones(3, 7).double(), confidence=torch.tensor(weights), ridge=0.0)
    for i in range(3):
        expected = reference.full_perspective(rays[i].numpy(), relative[i].numpy(), weights[i])
        np.testing.assert_allclose(found[i].numpy(), expected, rtol=1e-5)


def test_joints_out_of_view_do_not_count_where_enough_are_in_view():
    rays, relative, t, _ = people([3000.0, 9000.0], joints=9)
    view = torch.ones(2, 9).double()
    view[:, 5:] = 0
    rays[:, 5:] += 0.3
    found = reference_point(rays, relative, view, ridge=0.0)
    torch.testing.assert_close(found, t, rtol=1e-5, atol=0.1)


def test_weak_perspective_is_the_ratio_of_spreads():
    rays, relative, _, _ = people([2000.0, 12_000.0], joints=8)
    view = torch.ones(2, 8).double()
    view[0, :3] = 0
    found = reference_point(rays, relative, view, perspective="weak", ridge=0.0)
    for i in range(2):
        expected = reference.weak_perspective(rays[i].numpy(), relative[i].numpy(), view[i].numpy() > 0)
        np.testing.assert_allclose(found[i].numpy(), expected, rtol=1e-5, atol=1e-2)


@pytest.mark.parametrize("perspective", ["full", "weak"])
@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_joints_in_view_keep_the_distance_and_are_flagged(perspective, count):
    rays, relative, _, absolute = people([700.0, 3000.0, 25_000.0])
    view = torch.zeros(3, J).double()
    view[:, :count] = 1
    found = recover(rays, relative, view, perspective=perspective)
    expected = [Fallback.NO_JOINTS, Fallback.ONE_JOINT, Fallback.TWO_JOINTS, Fallback.NONE][count]
    assert found.flags.tolist() == [expected] * 3
    tolerance = 1e-4 if perspective == "full" else 0.25  # Weak perspective ignores depth differences.
    torch.testing.assert_close(found.joints_mm.mean(1)[:, 2], absolute.mean(1)[:, 2], rtol=tolerance, atol=1.0)


def test_the_ridge_pulls_two_close_joints_towards_the_solution_of_all():
    """Two joints whose rays are noisy say little about depth; the published ridge would draw them to the camera."""
    rays, relative, _, absolute = people([4000.0], joints=J)
    relative[0, 1] = relative[0, 0] + torch.tensor([3.0, 2.0, 1.0])
    rays = pixel_rays((relative + (absolute - relative)[:, :1])[..., :2], torch.eye(3).double()[None])
    rays = rays / (relative + (absolute - relative)[:, :1])[..., 2:]
    rays[0, 1] += 0.002
    view = torch.zeros(1, J).double()
    view[:, :2] = 1
    depth = {r: recover(rays, relative, view, ridge=r).joints_mm[0, :, 2].mean().item() for r in (0.0, 1e-2)}
    true = absolute[0, :, 2].mean().item()
    assert abs(depth[0.0] / true - 1) > 0.5
    assert abs(depth[1e-2] / true - 1) < 0.05


def test_one_joint_in_view_lies_on_its_ray():
    rays, relative, _, _ = people([5000.0])
    rays = rays + 0.01 * torch.randn(rays.shape, dtype=rays.dtype, generator=torch.Generator().manual_seed(0))
    view = torch.zeros(1, J).double()
    view[0, 4] = 1
    joint = recover(rays, relative, view).joints_mm[0, 4]
    torch.testing.assert_close(joint[:2] / joint[2], rays[0, 4], rtol=1e-5, atol=1e-7)


def test_rays_that_do_not_spread_give_the_stated_distance():
    relative = torch.randn(2, 5, 3) * 300
    for perspective in ("full", "weak"):
        found = recover(torch.full((2, 5, 2), 0.1), relative, torch.ones(2, 5), perspective=perspective)
        torch.testing.assert_close(found.joints_mm[..., 2].mean(1), torch.full((2,), PRIOR_DEPTH_MM), rtol=1e-3, atol=0)
        assert torch.isfinite(found.joints_mm).all()


def test_a_pose_that_contradicts_its_rays_stays_in_front_of_the_camera():
    rays, relative, _, _ = people([4000.0])
    found = recover(-rays, relative, torch.ones(1, J).double())
    assert found.joints_mm[0, :, 2].mean() == pytest.approx(MIN_DEPTH_MM)


def test_joints_without_confidence_may_hold_nan():
    rays, relative, t, _ = people([3000.0, 8000.0], joints=6)
    confidence = torch.ones(2, 6).double()
    confidence[:, 2] = 0
    rays[:, 2], relative[:, 2] = torch.nan, torch.nan
    rays.requires_grad_()
    found = reference_point(rays, relative, torch.ones(2, 6).double(), confidence=confidence)
    torch.testing.assert_close(found, t, rtol=1e-6, atol=1e-2)
    found.sum().backward()
    assert torch.isfinite(rays.grad).all()
    assert (rays.grad[:, 2] == 0).all()
    flags = recover(rays, relative, torch.ones(2, 6).double(), confidence=confidence * (torch.arange(6) > 3)).flags
    assert flags.tolist() == [Fallback.TWO_JOINTS] * 2


def test_no_confidence_anywhere_is_finite():
    rays, relative, _, _ = people([3000.0], joints=4)
    view = torch.ones(1, 4).double()
    assert torch.isfinite(reference_point(rays, relative, view, confidence=torch.zeros_like(view))).all()


@pytest.mark.parametrize("perspective", ["full", "weak"])
@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_gradients(perspective, count):
    rays, relative, _, _ = people([800.0, 5000.0], joints=5)
    noise = torch.randn(rays.shape, dtype=rays.dtype, generator=torch.Generator().manual_seed(0))
    rays = (rays + 0.01 * noise).requires_grad_()
    # Rays and millimetres differ by orders of magnitude; scale so that one step of gradcheck suits both.
    scaled = (relative / 1000).detach().requires_grad_()
    view = torch.zeros(2, 5).double()
    view[:, :count] = 1
    view[:, count // 2] *= 0.3

    def metres(rays, scaled):
        return recover(rays, scaled * 1000, view, perspective=perspective, mix=0.3).joints_mm / 1000

    assert torch.autograd.gradcheck(metres, (rays, scaled), eps=1e-6, atol=1e-4, rtol=1e-3)


def test_gradients_are_finite_at_a_standstill():
    """A fresh network: all joints at one pixel and one point."""
    for perspective in ("full", "weak"):
        rays, relative = torch.zeros(1, 4, 2, requires_grad=True), torch.full((1, 4, 3), 1100.0, requires_grad=True)
        recover(rays, relative, torch.ones(1, 4), perspective=perspective).joints_mm.sum().backward()
        assert torch.isfinite(rays.grad).all()
        assert torch.isfinite(relative.grad).all()


def test_combine_joint_by_joint():
    rng = np.random.default_rng(2)
    rays, relative = rng.normal(0, 0.3, (2, 5, 2)), rng.normal(0, 400, (2, 5, 3))
    t, view = np.array([[10.0, -20, 3000], [5, 6, 700]]), np.array([[1, 0, 0.25, 1, 0], [1, 1, 1, 0, 0.5]])
    for mix in (0.0, 0.5, 1.0):
        found = combine(*map(torch.tensor, (rays, relative, t, view)), mix)
        for i in range(2):
            np.testing.assert_allclose(found[i].numpy(), reference.combine(rays[i], relative[i], t[i], view[i], mix))
    per_sample = combine(*map(torch.tensor, (rays, relative, t, view)), torch.tensor([[0.2], [0.9]]).double())
    np.testing.assert_allclose(per_sample[1].numpy(), reference.combine(rays[1], relative[1], t[1], view[1], 0.9))


def test_pixels_and_rays_invert_each_other_with_skew():
    K = torch.tensor([[700.0, 3.5, 311.0], [0, 650.0, 187.0], [0, 0, 1]]).double().expand(2, 3, 3)
    points = torch.tensor(np.random.default_rng(0).normal(0, 300, (2, 4, 3))) + torch.tensor([0.0, 0, 2000])
    px = project(points, K)
    homogeneous = points @ K.mT
    torch.testing.assert_close(px, homogeneous[..., :2] / homogeneous[..., 2:])
    torch.testing.assert_close(pixel_rays(px, K), points[..., :2] / points[..., 2:])


def test_projection_behind_the_camera_is_finite_and_nan_stays():
    K = torch.eye(3)[None]
    px = project(torch.tensor([[[1.0, 2.0, -5.0], [1.0, torch.nan, 5.0]]]), K)
    assert px[0, 0].tolist() == [1.0, 2.0]
    assert px[0, 1].isnan().any()


def test_field_of_view_is_three_quarters_of_a_training_stride_inside():
    x = torch.tensor([23.9, 24.0, 128.0, 232.0, 232.1])
    px = torch.stack([x, torch.full_like(x, 100.0)], -1)[None]
    assert view_weight(px, 256, 32)[0].tolist() == [0, 1, 1, 1, 0]
    assert view_weight(px.flip(-1), 256, 32)[0].tolist() == [0, 1, 1, 1, 0]
    assert view_weight(px - 16, 256, 32, centred=False)[0].tolist() == [0, 1, 1, 1, 0]
    assert view_weight(px, 256, 32, margin=1.0)[0].tolist() == [0, 0, 1, 0, 0]


def test_soft_border_rises_linearly_without_gradient():
    px = torch.tensor([[[24.0, 99.0], [26.0, 99.0], [32.0, 99.0], [99.0, 230.0], [0.0, 99.0]]], requires_grad=True)
    weight = view_weight(px, 256, 32, softness=0.25)
    torch.testing.assert_close(weight[0], torch.tensor([0.0, 0.25, 1.0, 0.25, 0.0]))
    assert not weight.requires_grad


def test_flags_count_joints():
    counts = torch.tensor([0, 1, 2, 3, 5])
    assert fallback(torch.arange(5) < counts[:, None]).tolist() == [3, 2, 1, 0, 0]
