"""HEMlets against loops over parts; polarity against angles."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from metricpose.heatmap.encode import gaussian_maps
from metricpose.heatmap.triplets import THRESHOLDS, label_polarity, part_polarity, pose_polarity, triplet_maps
from reference import targets as reference

SIZE = (5, 8)
PARTS = [(0, 1), (1, 2), (0, 3), (3, 4), (4, 6)]  # Joint 5 is in no part.
STATES = (2, 3, 5)


def scene(seed=0, batch=12):
    """3D joints and their image points on the corner grid."""
    rng = np.random.default_rng(seed)
    joints = torch.tensor(rng.normal(0, 300, (batch, 7, 3)))
    joints[..., 2] += 3000
    return joints, torch.tensor(rng.uniform(0, 1, (batch, 7, 2)))


@pytest.mark.parametrize("states", STATES)
def test_maps_against_loops(states):
    joints, points = scene()
    polarity = pose_polarity(joints, PARTS, thresholds=THRESHOLDS[states])
    mask = torch.tensor(np.random.default_rng(1).random((12, 5)) < 0.8)
    found = triplet_maps(points, PARTS, polarity.value, SIZE, 1.5, "corner", mask=mask, states=states)
    gaussians = gaussian_maps(points, SIZE, 1.5, "corner").numpy()
    for b in range(12):
        angles = [reference.polarity(joints[b, i].numpy(), joints[b, j].numpy(), states) for i, j in PARTS]
        assert polarity.value[b].tolist() == angles
        expected = reference.triplets(gaussians[b], PARTS, polarity.value[b].numpy(), mask[b].numpy(), states)
        np.testing.assert_allclose(found[b], expected, rtol=1e-12)
    assert set(polarity.value.unique().tolist()) == set(range(-(states // 2), states // 2 + 1))


@pytest.mark.parametrize("degrees", [29.9, 30.1, 59.9, 60.1, 89.0])
@pytest.mark.parametrize("closer", [1, -1])
def test_half_the_length_is_thirty_degrees(degrees, closer):
    parent = torch.tensor([[50.0, -20, 2500]]).double()
    angle = math.radians(degrees)
    child = parent + 431.0 * torch.tensor([[0.6 * math.cos(angle), 0.8 * math.cos(angle), -closer * math.sin(angle)]])
    z, length = (parent[:, 2:], child[:, 2:]), (child - parent).norm(dim=-1, keepdim=True)
    assert part_polarity(*z, length).item() == (closer if degrees > 30 else 0)
    assert part_polarity(*z, length, THRESHOLDS[5]).item() == closer * ((degrees > 30) + (degrees > 60))


def test_equality_is_the_zero_state_and_nan_too():
    z = torch.tensor([[2000.0, 2000, math.nan]])
    assert part_polarity(z, torch.tensor([[1900.0, 2100, 2000]]), torch.full((1, 3), 200.0)).tolist() == [[0, 0, 0]]
    assert part_polarity(z, torch.tensor([[1899.0, 2101, 0]]), torch.full((1, 3), 200.0)).tolist() == [[1, -1, 0]]


def test_each_joint_is_in_its_map_only():
    """The child in exactly one of three, the parent always in the middle."""
    points = torch.tensor([[[1 / 7, 0.0], [6 / 7, 1.0]]]).expand(3, 2, 2)
    maps = triplet_maps(points, [(0, 1)], torch.tensor([[-1], [0], [1]]), SIZE, 0.5, "corner")[:, 0]
    parent, child = maps[..., 0, 1] > 0.99, maps[..., 4, 6] > 0.99
    assert parent.tolist() == [[False, True, False]] * 3
    assert child.equal(torch.eye(3, dtype=torch.bool))
    two = triplet_maps(points, [(0, 1)], torch.tensor([[-1], [0], [1]]), SIZE, 0.5, "corner", states=2)[:, 0]
    assert (two[..., 0, 1] > 0.99).equal(torch.eye(3, dtype=torch.bool).flip(0))
    assert (two[..., 4, 6] > 0.99).equal(child)


@pytest.mark.parametrize("states", STATES)
def test_any_leading_axes_and_no_parts(states):
    joints, points = scene(1)
    polarity = pose_polarity(joints, PARTS).value
    plain = triplet_maps(points, PARTS, polarity, SIZE, 1.0, "corner", states=states)
    assert triplet_maps(points[3], PARTS, polarity[3], SIZE, 1.0, "corner", states=states).equal(plain[3])
    assert triplet_maps(points[None], PARTS, polarity[None], SIZE, 1.0, "corner", states=states)[0].equal(plain)
    assert triplet_maps(points, [], polarity[:, :0], SIZE, 1.0, "corner", states=states).numel() == 0


def test_both_joints_in_one_map_are_their_maximum():
    points = torch.tensor([[[0.4, 0.5], [0.5, 0.5]]])
    middle = triplet_maps(points, [(0, 1)], torch.zeros(1, 1, dtype=torch.long), SIZE, 1.0, "corner")[0, 0, 1]
    assert middle.equal(gaussian_maps(points, SIZE, 1.0, "corner")[0].amax(0))


def test_mirroring_exchanges_parts_and_keeps_polarity():
    joints, points = scene(2)
    mirror, part_mirror = [0, 3, 4, 1, 2, 5, 6], [2, 3, 0, 1]
    parts = [(0, 1), (1, 2), (0, 3), (3, 4)]
    polarity = pose_polarity(joints, parts).value
    flipped = (joints * torch.tensor([-1.0, 1, 1]))[:, mirror]
    assert pose_polarity(flipped, parts).value.equal(polarity[:, part_mirror])
    maps = triplet_maps(points, parts, polarity, SIZE, 1.0, "corner")
    points = torch.stack([1 - points[..., 0], points[..., 1]], -1)[:, mirror]
    turned = triplet_maps(points, parts, polarity[:, part_mirror], SIZE, 1.0, "corner")
    torch.testing.assert_close(turned, maps.flip(-1)[:, part_mirror])


@pytest.mark.parametrize("states", STATES)
def test_masked_parts_leave_no_trace(states):
    joints, points = scene(3)
    joints[0, 2], points[0, 2], points[1, 6], points[2, 5] = math.nan, math.nan, math.inf, math.nan
    polarity = pose_polarity(joints, PARTS, thresholds=THRESHOLDS[states])
    assert polarity.known[0].tolist() == [True, False, True, True, True]
    assert polarity.known[1:].all()
    mask = polarity.known.clone()
    mask[3, 2] = False
    points.requires_grad_()
    maps = triplet_maps(points, PARTS, polarity.value, SIZE, 1.0, "corner", mask=mask, states=states)
    shown = maps.amax((-1, -2, -3)) > 0
    mask[1, 4] = False  # Its point is not finite.
    assert shown.equal(mask)
    prediction = torch.ones_like(maps).requires_grad_()
    ((maps - prediction).square() * mask[..., None, None, None]).sum().backward()
    assert (prediction.grad[~mask] == 0).all()
    assert (prediction.grad[mask].abs().sum() > 0).all()
    assert points.grad.isfinite().all()
    assert (points.grad[0, 2] == 0).all()
    assert (points.grad[1, 6] == 0).all()
    assert (points.grad[:, 5] == 0).all()


def test_polarity_from_labels():
    """Five joints, ten pairs; label +1 says that the second joint of the pair is closer."""
    pairs = [(i, j) for i in range(5) for j in range(i + 1, 5)]
    depths = torch.tensor([[3000.0, 2000, 4000, 3000, 1000]])
    order = torch.stack([(depths[:, i] - depths[:, j]).sign() for i, j in pairs], -1)
    weights = torch.ones(1, 10)
    parts = [(0, 1), (2, 1), (3, 0), (4, 2), (1, 4)]
    numbers = [(pairs.index((p, c)), 1) if p < c else (pairs.index((c, p)), -1) for p, c in parts]
    expected = [int((depths[0, p] - depths[0, c]).sign()) for p, c in parts]
    weights[0, numbers[4][0]], order[0, numbers[4][0]] = 0, math.nan
    found = label_polarity(order, weights, numbers)
    assert found.value.tolist() == [[*expected[:4], 0]]
    assert found.known.tolist() == [[True, True, True, True, False]]
