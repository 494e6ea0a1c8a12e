"""MeTRo: the loss by its formula, and what it does not claim to know."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from metricpose.models.metro import Metro, MetroConfig, MetroOutput
from metricpose.types import Batch
from reference import losses as reference

SIDE, J = 128, 17


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Metro(MetroConfig(side=SIDE, skeleton="h36m_17")).eval()


def labels(b=3):
    """Predicted volume coordinates, and a batch whose last sample has 2D labels only."""
    rng = np.random.default_rng(0)
    volume = torch.tensor(rng.uniform(200, 2000, (b, J, 3)), dtype=torch.float32)
    mm = torch.tensor(rng.normal((0, 0, 5000), 400, (b, J, 3)), dtype=torch.float32)
    px = torch.tensor(rng.uniform(0, SIDE, (b, J, 2)), dtype=torch.float32)
    z_w, uv_w = torch.ones(b, J), torch.ones(b, J)
    z_w[0, 5], z_w[1, 0], z_w[-1], uv_w[-1, 6:9] = 0, 0, 0, 0
    output = MetroOutput(torch.zeros(b, J, 8, 4, 4), volume)
    return output, Batch(torch.zeros(b, 3, 2, 2), torch.eye(3).expand(b, 3, 3), mm, px, z_w, uv_w, torch.ones(b))


def test_losses(model):
    output, batch = labels()
    terms = model.loss(output, batch, 0)
    volume, mm, px, z_w, uv_w = (
        x.double().numpy() for x in (output.volume_mm, batch.joints_mm, batch.joints_px, batch.z_w, batch.uv_w)
    )
    uv_w[:2] = 0
    relative = reference.masked_mean(reference.relative_l1(volume, mm, z_w, 0), z_w) / 1000
    aligned = reference.masked_mean(reference.aligned_l1(volume[..., :2] * SIDE / 2200, px, uv_w), uv_w)
    assert terms["relative"].item() == pytest.approx(relative, rel=1e-5)
    assert terms["aligned_2d_only"].item() == pytest.approx(0.1 * 2.2 / SIDE * aligned, rel=1e-4)


def test_where_the_pose_lies_in_the_volume_does_not_matter(model):
    output, batch = labels()
    moved = output._replace(volume_mm=output.volume_mm + torch.tensor([100.0, -50.0, 30.0]))
    for a, b in zip(model.loss(output, batch, 0).values(), model.loss(moved, batch, 0).values()):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(model.decode(moved, batch.K).joints_mm, model.decode(output, batch.K).joints_mm)


def test_decode_is_relative_and_admits_what_it_does_not_know(model):
    output, batch = labels()
    pose = model.decode(output, batch.K)
    torch.testing.assert_close(pose.joints_mm, output.volume_mm - output.volume_mm[:, :1])
    assert pose.joints_abs_mm is None
    assert pose.flags is None
    assert pose.joints_px.isnan().all()


def test_channels_are_depth_major(model):
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.zero_()
        model.head.bias[2 * J + 11] = 100.0
    volume = model(torch.rand(1, 3, SIDE, SIDE)).volume_mm
    torch.testing.assert_close(volume[0, [11, 12], 2], torch.tensor([2200 * 2 / 7, 1100.0]))
