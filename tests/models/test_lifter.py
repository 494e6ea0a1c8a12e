"""The lifter: its size, its layers one by one, what it is told about the camera, and the standard stature."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from metricpose.errors import InputError
from metricpose.models.lifter import (
    STANDARD_STATURE_MM,
    Lifter,
    standard_factor,
    stature,
    stature_chains,
    view_facts,
)
from metricpose.skeleton import catalog
from reference import lifting as reference


def test_the_published_size():
    """FC 54 -> 1024, ten FC 1024 -> 1024, FC 1024 -> 54 with biases, and eleven batch norms."""
    with torch.device("meta"):
        lifter = Lifter(18)
    by_hand = 54 * 1024 + 1024 + 10 * (1024 * 1024 + 1024) + 1024 * 54 + 54 + 11 * 2 * 1024
    assert sum(p.numel() for p in lifter.parameters()) == by_hand == 10_630_198


def small(**settings):
    torch.manual_seed(0)
    lifter = Lifter(5, **{"width": 12, "blocks": 3, **settings})
    torch.nn.init.normal_(lifter.last.weight, std=0.3)
    for module in lifter.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean):
                tensor.normal_()
            module.running_var.uniform_(0.5, 2)
    return lifter


def test_layer_by_layer():
    lifter = small(extra=3).eval()
    points, facts = torch.randn(4, 5, 3), torch.randn(4, 3)
    state = {k: v.double().numpy() for k, v in lifter.state_dict().items()}
    found = lifter(points, facts)
    for i in range(4):
        inputs = np.concatenate([points[i].flatten().numpy(), facts[i].numpy()])
        np.testing.assert_allclose(found[i].detach().numpy(), reference.lifter(state, inputs, 3), rtol=1e-4, atol=0.05)


def test_blocks_begin_near_the_identity_and_the_pose_near_the_root():
    torch.manual_seed(0)
    lifter, points = Lifter(5, width=64, dropout=0.0).train(), torch.randn(16, 5, 3)
    first = lifter.first(points.flatten(1))
    x = first
    for block in lifter.blocks:
        x = block(x)
    assert 0.02 < (x - first).norm() / first.norm() < 0.5
    assert 0 < lifter(points).norm(dim=-1).max() < 100
    lifter(points).square().sum().backward()
    assert all(p.grad.any() for p in lifter.parameters())  # none is shut off by its own start


def test_dropout_in_training_alone():
    points = torch.randn(6, 5, 3)
    lifter = small(dropout=0.5).train()
    assert not torch.equal(lifter(points), lifter(points))
    lifter.eval()
    assert torch.equal(lifter(points), lifter(points))
    certain = small(dropout=0.0).train()
    assert torch.equal(certain(points), certain(points))


def test_millimetres_in_float32_under_autocast():
    lifter, points = small().eval(), torch.randn(3, 5, 3)
    with torch.autocast("cpu", torch.bfloat16):
        lowered = lifter(points)
        rounded = lifter(points.bfloat16())
    assert lowered.dtype == rounded.dtype == torch.float32
    assert torch.equal(lowered, lifter(points))
    assert torch.equal(rounded, lifter(points.bfloat16().float()))


def test_view_facts_are_the_middle_ray_and_the_focal_length():
    K = torch.tensor([[[310.0, 2.5, 61.0], [0, 290, 70], [0, 0, 1]], [[900, 0, 63.5], [0, 900, 63.5], [0, 0, 1]]])
    found = view_facts(K, 128)
    for i in range(2):
        ray = np.linalg.solve(K[i].double().numpy(), [63.5, 63.5, 1])
        focal = math.log(math.sqrt(float(K[i, 0, 0] * K[i, 1, 1])) / 128)
        np.testing.assert_allclose(found[i].numpy(), [ray[0], ray[1], focal], rtol=1e-5, atol=1e-7)
    assert found[1, :2].abs().max() == 0


def test_stature_follows_the_chain_through_hip_and_pelvis():
    net = catalog.H36M_17
    chains = stature_chains(net)
    assert [tuple(net.joints[i] for i in c) for c in chains] == [
        (f"{s}_knee", f"{s}_hip", "pelvis", "spine", "thorax") for s in "lr"
    ]
    assert stature_chains(catalog.MPI_INF_3DHP_17)[0][-1] == catalog.MPI_INF_3DHP_17.index("neck")
    joints = torch.zeros(1, 17, 3)
    for name, place in {
        "r_hip": (-130, 0, 0), "l_hip": (130, 0, 0), "r_knee": (-130, 440, 0), "l_knee": (130, 0, 444),
        "spine": (0, -230, 0), "thorax": (0, -230, 250),
    }.items():  # fmt: skip
        joints[0, net.index(name)] = torch.tensor(place, dtype=torch.float32)
    length, known = stature(joints, torch.ones(1, 17), chains)
    assert length.item() == pytest.approx((440 + 444) / 2 + 130 + 230 + 250)
    assert known.item()


def test_stature_with_unknown_joints():
    generator = torch.Generator().manual_seed(0)
    joints, weights = 300 * torch.randn(4, 17, 3, generator=generator), torch.ones(4, 17)
    weights[1, 2], weights[2, 5], weights[2, 1], weights[3, 7] = 0, 0, 0, 0
    clean = joints.clone()
    joints[weights == 0] = math.nan
    chains = stature_chains(catalog.H36M_17)
    length, known = stature(joints, weights, chains)
    sides = [sum(math.dist(p[a], p[b]) for a, b in pairwise(c)) for p in clean.tolist() for c in chains]
    assert length[0].item() == pytest.approx((sides[0] + sides[1]) / 2, rel=1e-5)
    assert length[1].item() == pytest.approx(sides[2], rel=1e-5)  # the right knee is unknown
    assert known.tolist() == [True, True, False, False]
    factor = standard_factor(joints, weights, chains)
    assert factor[2:].tolist() == [0, 0]
    scaled, _ = stature(joints * factor[:, None, None], weights, chains)
    torch.testing.assert_close(scaled[:2], torch.full((2,), STANDARD_STATURE_MM))
    assert STANDARD_STATURE_MM == 1077


def test_stature_needs_its_joints():
    with pytest.raises(InputError, match="pelvis"):
        stature_chains(catalog.COCO_17)
