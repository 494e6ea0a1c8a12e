"""Step-by-step heatmap transformation: sizes counted exactly, shapes, and which step sees which."""

from __future__ import annotations

import pytest
import torch

from metricpose.models.resnet import ResNet
from metricpose.models.s3ht import DilatedContext, StepByStep, Widths

NARROW = Widths((6, 7), fusion=5, dilated=3, depth=8, encoder=4, join=9)


@pytest.mark.parametrize(
    ("variant", "shared", "parameters"),
    [
        ("baseline", False, 34_291_392),  # PoseNet
        ("joint_maps", False, 47_153_874),
        ("bone_joint_maps", False, 47_194_850),
        ("full", False, 48_490_850),
        ("full", True, 38_003_554),
    ],
)
def test_sizes_with_resnet50(variant, shared, parameters):
    """18 joints, 16 bones, 64 bins; the lifter comes on top."""
    with torch.device("meta"):
        network = ResNet("resnet50"), StepByStep(2048, 18, 16, variant=variant, shared=shared)
    assert sum(p.numel() for part in network for p in part.parameters()) == parameters


def test_the_full_size_by_hand():
    def conv(inputs, outputs, kernel):
        return inputs * outputs * kernel**2

    stack = conv(2048, 256, 4) + 2 * conv(256, 256, 4) + 3 * 512
    bones = conv(256, 16, 1) + 16
    fusion = conv(256 + 256 + 16, 256, 3) + conv(256, 256, 3) + 2 * 512 + conv(256, 18, 1) + 18
    dilated = conv(256, 64, 1) + 3 * conv(256, 64, 3) + 4 * 128 + conv(256, 256, 1) + 512
    depth = dilated + conv(256 + 18, 256, 3) + 512 + 2 * (conv(256, 64, 1) + 64)
    volumes = conv(64, 256, 3) + 512 + conv(512, 512, 1) + 1024 + conv(512, 18 * 64, 1) + 18 * 64
    with torch.device("meta"):
        found = StepByStep(2048, 18, 16)
    assert sum(p.numel() for p in found.parameters()) == 2 * stack + bones + fusion + depth + volumes


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("variant", ["baseline", "joint_maps", "bone_joint_maps", "full"])
def test_shapes(variant, shared):
    network = StepByStep(10, 5, 3, depth_bins=6, slab_bins=11, variant=variant, shared=shared, widths=NARROW).eval()
    maps = network(torch.randn(2, 10, 3, 5))
    expected = {"joints": (2, 5, 12, 20), "bones": (2, 3, 12, 20), "slab": (2, 11, 12, 20), "order": (2, 11, 12, 20)}
    has = {"baseline": 0, "joint_maps": 1, "bone_joint_maps": 2, "full": 4}[variant]
    for i, (name, shape) in enumerate(expected.items()):
        value = getattr(maps, name)
        assert (value is None) if i >= has else (value.shape == shape), name
    assert maps.volumes.shape == (2, 30, 12, 20)


def reads(value, weights):
    gradients = torch.autograd.grad(
        (value * torch.randn_like(value)).sum(), weights, retain_graph=True, allow_unused=True
    )
    return [g is not None and bool((g != 0).any()) for g in gradients]


def test_each_step_feeds_the_next():
    torch.manual_seed(0)
    network = StepByStep(10, 5, 3, depth_bins=6, slab_bins=11, widths=NARROW)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0.1, 0.1)
    maps = network(torch.randn(2, 10, 3, 5))
    bone_joint, depth = network.bone_joint, network.depth
    weights = [bone_joint.bones.weight, bone_joint.joints.weight, depth.slab.weight, depth.order.weight]
    assert reads(maps.bones, weights) == [True, False, False, False]
    assert reads(maps.joints, weights) == [True, True, False, False]
    assert reads(maps.slab, weights) == [True, True, True, False]
    assert reads(maps.order, weights) == [True, True, False, True]
    assert reads(maps.volumes, weights) == [True, True, True, False]  # nothing reads the ordinal output
    for stack, users in (("branch", "bones joints slab order volumes"), ("context", "joints slab order volumes")):
        for name in maps._fields:
            value = next(iter(getattr(network, stack).parameters()))
            assert reads(getattr(maps, name), [value]) == [name in users.split()], (stack, name)


def test_shared_deconvolutions_are_one_stack():
    names = {name.split(".")[0] for name, _ in StepByStep(10, 5, 3, shared=True, widths=NARROW).named_parameters()}
    assert names == {"context", "bone_joint", "depth", "volumes"}


def test_the_dilated_context_looks_two_four_and_eight_cells_far():
    block = DilatedContext(1, 1, 1).eval()
    for parameter in block.parameters():
        torch.nn.init.ones_(parameter)
    for module in block.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.bias.data.zero_()
    impulse = torch.zeros(1, 1, 21, 23)
    impulse[0, 0, 10, 11] = 1
    reached = block(impulse)[0, 0].nonzero() - torch.tensor([10, 11])
    expected = {(0, 0)} | {(r * a, r * b) for r in (2, 4, 8) for a in (-1, 0, 1) for b in (-1, 0, 1)}
    assert {tuple(cell) for cell in reached.tolist()} == expected
