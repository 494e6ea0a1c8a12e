"""MargiPose's loss against the equations written out in numpy, and what it leaves untouched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from metricpose.geometry.depthcodec import LinearCodec, ProjectiveCodec
from metricpose.models.margipose_loss import Labels, divergences, labels_of, ordinal, stage_losses
from metricpose.types import Batch
from reference import margipose as reference

T, B, J, N, SIDE = 2, 3, 4, 8, 96
PLAIN = {"sigma": 1.0, "weight": 1.0, "weight_ordinal": 0.0, "ordinal_scale": 0.1}
ROOT = 1


def batch(seed=0):
    """People in view; the second without depth labels, single labels missing elsewhere, garbage in their place."""
    rng = np.random.default_rng(seed)
    K = np.array([[210.0, 0, 44], [0, 190, 51], [0, 0, 1]])
    depth = np.array([3000.0, 4000, 5500])[:, None]
    uv = rng.uniform(-0.7, 0.7, (B, J, 2))
    z = depth * rng.uniform(0.95, 1.08, (B, J))
    px = ((uv + 1) * SIDE - 1) / 2
    mm = np.concatenate([px, np.ones((B, J, 1))], -1) @ np.linalg.inv(K).T * z[..., None]
    uv_w, z_w = np.ones((B, J)), np.ones((B, J))
    z_w[1], z_w[0, 2], uv_w[2, 3], z_w[2, 0], uv_w[2, 0] = 0, 0, 0, 0, 0
    mm[z_w == 0], px[uv_w == 0] = np.nan, np.nan
    as_float = {"K": np.tile(K, (B, 1, 1)), "joints_mm": mm, "joints_px": px, "z_w": z_w, "uv_w": uv_w}
    return Batch(
        images=torch.zeros(B, 3, 2, 2),
        abs_w=torch.ones(B),
        **{k: torch.tensor(v, dtype=torch.float32) for k, v in as_float.items()},
    )


def maps(seed=0):
    logits = torch.randn(T, B, 3, J, N, N, generator=torch.Generator().manual_seed(seed))
    return logits.flatten(-2).softmax(-1).view_as(logits)


def coordinates(found):
    return torch.tensor(np.stack([[reference.coordinates(m) for m in stage] for stage in found.numpy()])).float()


def labels(data, outside="mask", codec=ProjectiveCodec):
    return labels_of(data, codec(data.K, (SIDE, SIDE)), ROOT, SIDE, outside)


def test_labels_are_the_normalised_joints():
    data = batch()
    found = labels(data)
    K, mm = data.K[0].double().numpy(), data.joints_mm.double().numpy()
    for b in range(B):
        for j in range(J):
            if data.uv_w[b, j] > 0:
                expected = (2 * data.joints_px[b, j].numpy() + 1) / SIDE - 1
                np.testing.assert_allclose(found.u[b, j, :2], expected, atol=1e-5)
            if data.z_w[b, j] > 0:
                z = (1 - mm[b, ROOT, 2] / mm[b, j, 2]) / reference.kappa(K, SIDE)
                assert found.u[b, j, 2].item() == pytest.approx(z, abs=1e-5)
    assert torch.equal(found.weights[..., 0], data.uv_w)
    assert torch.equal(found.weights[..., 2], data.z_w)
    assert found.u[:, ROOT, 2].abs().max() < 1e-6
    assert found.u.isfinite().all()


def test_depth_labels_need_the_root():
    data = batch()
    data.z_w[0, ROOT] = 0
    assert labels(data).weights[0, :, 2].tolist() == [0] * J
    assert labels(data).weights[2, :, 2].tolist() == data.z_w[2].tolist()


def test_scaling_the_scene_about_the_camera_changes_no_label():
    data = batch()
    larger = replace(data, joints_mm=data.joints_mm * 1.7)
    torch.testing.assert_close(labels(data).u, labels(larger).u, atol=1e-5, rtol=0)
    torch.testing.assert_close(
        labels(data, codec=LinearCodec).u, labels(larger, codec=LinearCodec).u, atol=1e-5, rtol=0
    )


def test_terms_equal_the_equations():
    data, found = batch(), maps()
    target = labels(data)
    terms = stage_losses(found, coordinates(found), target, data, "jsd", **PLAIN)
    expected = reference.losses(found.double().numpy(), target.u.double().numpy(), target.weights.numpy())
    assert terms.keys() == expected.keys()
    for name, value in terms.items():
        assert value.item() == pytest.approx(expected[name], rel=1e-4), name
    wide = stage_losses(found, coordinates(found), target, data, "jsd", **(PLAIN | {"sigma": 1.7, "weight": 0.3}))
    expected = reference.losses(found.double().numpy(), target.u.double().numpy(), target.weights.numpy(), 1.7)
    assert wide["map_zy"].item() == pytest.approx(0.3 * expected["map_zy"], rel=1e-4)
    assert wide["coordinates"] == terms["coordinates"]


def test_ideal_maps_have_no_loss_but_a_finite_gradient():
    data = batch()
    target = labels(data)
    ideal = np.zeros((T, B, 3, J, N, N))
    for b in range(B):
        for j in range(J):
            for plane, axes in enumerate(((0, 1), (2, 1), (0, 2))):
                ideal[:, b, plane, j] = reference.gaussian(*target.u[b, j, list(axes)].double().numpy(), N, 1.0)
    found = torch.tensor(ideal, dtype=torch.float32).requires_grad_()
    u = target.u.expand(T, -1, -1, -1).clone().requires_grad_()
    terms = stage_losses(found, u, target, data, "jsd", **PLAIN)
    assert sum(terms.values()).item() == pytest.approx(0, abs=1e-4)
    sum(terms.values()).backward()
    assert found.grad.isfinite().all()
    assert u.grad.isfinite().all()


def test_each_label_trains_its_own_maps_and_axes_alone():
    data = batch()
    found, target = maps().requires_grad_(), labels(data)
    u = torch.randn(T, B, J, 3).requires_grad_()
    sum(stage_losses(found, u, target, data, "jsd", **PLAIN).values()).backward()
    trained = (found.grad != 0).flatten(-2).any(-1)
    for stage in range(T):
        assert torch.equal(trained[stage, :, 0], data.uv_w > 0)
        both = (data.uv_w > 0) & (data.z_w > 0)
        assert torch.equal(trained[stage, :, 1], both)
        assert torch.equal(trained[stage, :, 2], both)
        assert torch.equal(u.grad[stage] != 0, target.weights > 0)
    assert not trained[:, 1, 1:].any()  # The sample of 2D labels.


@pytest.mark.parametrize("outside", ["mask", "clamp", "keep"])
def test_labels_no_expectation_reaches(outside):
    """x beyond the crop, y beyond it, and a joint behind the depth box, of a person labelled in full."""
    data = batch()
    data = replace(data, joints_px=data.joints_px.clone(), joints_mm=data.joints_mm.clone())
    data.joints_px[0, 0, 0], data.joints_px[0, 1, 1] = 1.2 * SIDE, -0.1 * SIDE
    data.joints_mm[0, 3, 2] *= 2
    target = labels(data, outside)
    assert (target.u.abs() > 1).sum().item() == (0 if outside == "clamp" else 3)
    away = torch.zeros(J, 3, dtype=torch.bool)
    away[0, 0] = away[1, 1] = away[3, 2] = True
    known = torch.stack([data.uv_w[0], data.uv_w[0], data.z_w[0]], -1) > 0
    assert torch.equal(target.weights[0] > 0, known & ~away if outside == "mask" else known)
    assert torch.equal(target.map_weights[0] > 0, known if outside == "keep" else known & ~away)
    found, u = maps().requires_grad_(), torch.zeros(T, B, J, 3).requires_grad_()
    sum(stage_losses(found, u, target, data, "jsd", **PLAIN).values()).backward()
    trained = (found.grad[0, 0] != 0).flatten(-2).any(-1)
    if outside == "keep":
        assert trained[:, [0, 1, 3]].all()
    else:
        assert trained[:, [0, 1, 3]].tolist() == [[False, False, True], [True, False, False], [False, True, False]]
    moves = u.grad[0, 0, 0, 0].item()
    assert (moves == 0) == (outside == "mask")


def test_a_joint_counts_once_however_much_is_known_of_it():
    """Per-joint mean over the batch: a fourth of the joints out of three samples, never a mean per sample."""
    data, found = batch(), maps()
    target = labels(data)
    whole = stage_losses(found, coordinates(found), target, data, "jsd", **PLAIN)
    joints = (target.weights > 0).any(-1).sum().item()
    assert joints == B * J - 1
    halves = []
    for part in (slice(0, 1), slice(1, 3)):
        some = Labels(*(x[part] for x in target))
        terms = stage_losses(found[:, part], coordinates(found[:, part]), some, data, "jsd", **PLAIN)
        halves.append((terms, (some.weights > 0).any(-1).sum().item()))
    for name in whole:
        merged = sum(terms[name] * n for terms, n in halves) / joints
        torch.testing.assert_close(whole[name], merged, rtol=1e-5, atol=1e-6)


def test_other_regularisers():
    data, found = batch(), maps()
    target = labels(data)
    terms = stage_losses(found, coordinates(found), target, data, "none", **PLAIN)
    assert terms.keys() == {"coordinates"}
    b, j, p = 0, 0, found[:, 0, 2, 0].double().numpy()
    ideal = reference.gaussian(*target.u[b, j, [0, 2]].double().numpy(), N, 1.0)
    kl = sum((p[t] * (np.log(p[t] + 1e-24) - np.log(ideal + 1e-24))).sum() for t in range(T))
    assert divergences(found, target, "kl", 1.0)[b, 2, j].item() == pytest.approx(kl, rel=1e-4)
    cells = (2 * np.arange(N) + 1) / N - 1
    expected = 0.0
    for t in range(T):
        for marginal in (p[t].sum(0), p[t].sum(1)):
            variance = (marginal * cells**2).sum() - (marginal * cells).sum() ** 2
            expected += (variance - (2 * 1.5 / N) ** 2) ** 2
    assert divergences(found, target, "variance", 1.5)[b, 2, j].item() == pytest.approx(expected, rel=1e-4)


def test_ordinal_labels_train_depth_alone_and_only_where_there_are_any():
    data = batch()
    z = torch.randn(T, B, J, generator=torch.Generator().manual_seed(2))
    assert ordinal(z, data, 0.1) == 0
    pairs = J * (J - 1) // 2
    order, weights = torch.zeros(B, pairs), torch.zeros(B, pairs)
    order[1, 4], weights[1, 4] = 1, 1  # Pair (1, 3): joint 3 is closer.
    order[0, 0] = float("nan")
    u = torch.randn(T, B, J, 3, generator=torch.Generator().manual_seed(3)).requires_grad_()
    none = replace(data, z_w=data.z_w * 0, uv_w=data.uv_w * 0, order=order, order_w=weights)
    terms = stage_losses(maps(), u, labels(none), none, "jsd", **(PLAIN | {"weight_ordinal": 2.0}))
    expected = 2 * sum(0.1 * np.log1p(np.exp(-(s[1, 1, 2] - s[1, 3, 2]).item() / 0.1)) for s in u.detach())
    assert terms["ordinal"].item() == pytest.approx(expected, rel=1e-5)
    assert terms["coordinates"] == 0
    terms["ordinal"].backward()
    touched = torch.zeros(T, B, J, 3, dtype=torch.bool)
    touched[:, 1, [1, 3], 2] = True
    assert torch.equal(u.grad != 0, touched)
