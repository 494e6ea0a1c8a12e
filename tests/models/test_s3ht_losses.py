"""Losses of the heatmap steps against cell-by-cell twins, with joints that are unknown, hidden or out of the volume."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from metricpose.errors import InputError
from metricpose.models.s3ht_losses import (
    bone_losses,
    bone_pairs,
    bone_sigma,
    coordinate_losses,
    joint_maps,
    map_losses,
    slab_losses,
    step_labels,
)
from metricpose.skeleton import catalog
from metricpose.types import Batch
from reference import lifting as reference

B, J, N, C, CELL, BOX = 5, 6, 11, 7, 3, 1600.0
ROOT, EXTENT = 2, N * CELL
PAIRS = ((0, 1), (1, 2), (4, 3), (5, 5))


def batch(garbage=None):
    """Everything known (but joint 3 too far off, 4 outside); gaps; the root unknown; 2D only; 3D only."""
    rng = np.random.default_rng(0)
    px = rng.uniform(1, EXTENT - 4, (B, J, 2))
    mm = rng.normal((100, -50, 3000), 250, (B, J, 3))
    mm[0, 3, 2] = mm[0, ROOT, 2] + 801
    px[0, 4] = EXTENT + 0.5, 8
    px[1, 5] = px[1, 0]  # two joints on one spot
    uv_w, z_w = np.ones((B, J)), np.ones((B, J))
    uv_w[1, 1], z_w[1, 3] = 0, 0
    z_w[2, ROOT] = 0
    z_w[3], uv_w[4] = 0, 0
    if garbage is not None:
        px[uv_w == 0], mm[z_w == 0] = garbage, garbage
    mm_t, px_t, z_t, uv_t = (torch.tensor(x, dtype=torch.float32) for x in (mm, px, z_w, uv_w))
    return Batch(torch.zeros(B, 3, 2, 2), torch.eye(3).repeat(B, 1, 1), mm_t, px_t, z_t, uv_t, z_t[:, 0])


def labels(garbage=None):
    return step_labels(batch(garbage), ROOT, EXTENT, BOX)


def plain():
    """Cells, root-relative depths and what is known, in numpy; 0 where unknown."""
    data = batch()
    at, z = data.joints_px.numpy() / CELL, data.joints_mm[..., 2].numpy()
    known_2d = (data.uv_w.numpy() > 0) & ((at >= 0) & (at < N)).all(-1)
    known_z = (data.z_w.numpy() > 0) & (data.z_w.numpy()[:, ROOT, None] > 0)
    return at, z - z[:, ROOT, None], known_2d, known_z


def maps(channels, seed=1):
    return torch.randn(B, channels, N, N, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def test_labels_say_what_is_known():
    at, z, known_2d, known_z = plain()
    found = labels(math.nan)
    assert all(value.isfinite().all() for value in found)
    np.testing.assert_array_equal(found.u_w.numpy() > 0, known_2d)
    np.testing.assert_array_equal(found.z_w.numpy() > 0, known_z)
    np.testing.assert_allclose(found.u.numpy()[known_2d], (at / N)[known_2d], rtol=1e-5)
    np.testing.assert_allclose(found.z.numpy()[known_z], z[known_z], atol=1e-3)
    # In the volume a joint counts if nothing that is known of it lies outside.
    assert found.box_u_w[0].tolist() == [1, 1, 1, 0, 0, 1]
    assert found.box_z_w[0].tolist() == [1, 1, 1, 0, 0, 1]
    assert found.u_w[0].tolist() == [1, 1, 1, 1, 0, 1]
    assert found.box_z_w[4].tolist() == [1] * J
    assert found.box_u_w[3].tolist() == [1] * J


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_bones(power):
    at, _, known, _ = plain()
    pred = maps(len(PAIRS))
    found = bone_losses(pred, labels(math.nan), PAIRS, 1.7, power)
    for i in range(B):
        expected = reference.bones(pred[i].detach().double().numpy(), at[i], known[i], list(PAIRS), 1.7, power)
        assert found[i].item() == pytest.approx(expected, rel=1e-4, abs=1e-6), i
    found.sum().backward()
    touched = (pred.grad != 0).any(-1).any(-1)
    assert touched.tolist() == [[bool(known[i][a] and known[i][b]) for a, b in PAIRS] for i in range(B)]


def test_joints():
    at, _, known, _ = plain()
    pred, found = maps(J), labels(math.nan)
    losses = map_losses(pred, joint_maps(found, (N, N), 1.3), found.u_w)
    for i in range(B):
        expected = reference.joints(pred[i].detach().double().numpy(), at[i], known[i], 1.3)
        assert losses[i].item() == pytest.approx(expected, rel=1e-4, abs=1e-6), i
    losses.sum().backward()
    np.testing.assert_array_equal((pred.grad != 0).any(-1).any(-1).numpy(), known)


def test_slab_and_ordinal_depth():
    at, z, known_2d, known_z = plain()
    pred, logits, found = maps(C), maps(C, 2), labels(math.nan)
    slab, order = slab_losses(pred, logits, joint_maps(found, (N, N), 1.3), found, BOX)
    for i in range(B):
        shown = known_2d[i] & known_z[i]
        arguments = at[i], z[i], shown, 1.3, BOX
        expected = reference.slab(pred[i].detach().double().numpy(), *arguments)
        assert slab[i].item() == pytest.approx(expected, rel=1e-4, abs=1e-6), i
        expected = reference.slab_order(logits[i].detach().double().numpy(), *arguments)
        assert order[i].item() == pytest.approx(expected, rel=1e-4, abs=1e-6), i
    (slab.sum() + order.sum()).backward()
    for gradient in (pred.grad, logits.grad):
        assert (gradient != 0).flatten(1).any(1).tolist() == [True, True, False, False, False]


def test_ordinal_depth_costs_more_the_farther_the_bin_is_off():
    found = labels()
    target = joint_maps(found, (N, N), 1.3)
    bins = torch.arange(C)[:, None, None]
    costs = []
    for at in range(C + 1):  # Sure that every joint lies behind exactly the first `at` bins.
        logits = torch.where(bins < at, 6.0, -6.0).expand(B, C, N, N)
        one = found._replace(z=torch.full_like(found.z, -BOX / 2 + 3.5 * BOX / C))  # all in bin 3
        costs.append(slab_losses(logits, logits, target, one, BOX)[1][0].item())
    steps = np.diff(costs)
    assert (steps[:3] < 0).all()
    assert (steps[3:] > 0).all()


def test_coordinates():
    at, z, _, _ = plain()
    generator = torch.Generator().manual_seed(3)
    u, depth = torch.rand(B, J, 2, generator=generator), 300 * torch.randn(B, J, generator=generator)
    found = labels(math.nan)
    losses = coordinate_losses(u, depth, found, BOX, 0.5)
    for i in range(B):
        total = 0.0
        for j in range(J):
            if found.box_u_w[i, j] > 0:
                total += np.abs(u[i, j].numpy() - at[i, j] / N).sum()
            if found.box_z_w[i, j] > 0:
                total += 0.5 * abs(depth[i, j].item() - z[i, j]) / BOX
        assert losses[i].item() == pytest.approx(total, rel=1e-4), i


@pytest.mark.parametrize("garbage", [math.nan, 1e20])
def test_unknown_labels_leave_no_trace(garbage):
    for clean, dirty in zip(labels(), labels(garbage)):
        assert torch.equal(clean, dirty)


def test_bones_by_name():
    """The list of the base network in H36M order (joint 8 is called thorax there), the same bones elsewhere."""
    by_index = [
        (0, 7), (7, 8), (8, 9), (9, 10), (8, 11), (11, 12), (12, 13), (8, 14), (14, 15), (15, 16),
        (0, 1), (1, 2), (2, 3), (0, 4), (4, 5), (5, 6),
    ]  # fmt: skip
    assert bone_pairs(catalog.H36M_17) == bone_pairs(catalog.METRICPOSE_25) == tuple(by_index)
    net = catalog.MPI_INF_3DHP_17
    names = [(net.joints[a], net.joints[b]) for a, b in bone_pairs(net)]
    assert len(names) == 16
    assert ("neck", "head") in names
    assert ("pelvis", "r_hip") in names
    with pytest.raises(InputError, match=r"joint 'pelvis'.*bones=\"tree\""):
        bone_pairs(catalog.COCO_17)
    assert bone_pairs(catalog.COCO_17, "tree") == catalog.COCO_17.edges


def test_the_spread_of_bones_falls_to_two_thirds_of_the_run_and_stays():
    found = [bone_sigma(step, 4.0, 1.5, 2 / 3 * 300) for step in (0, 50, 100, 200, 250, 10_000)]
    assert found == pytest.approx([4.0, 3.375, 2.75, 1.5, 1.5, 1.5])
