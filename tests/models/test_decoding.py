"""Every method decodes the same poses whether the kernel or torch finds means and covariances."""

from __future__ import annotations

import math

import pytest
import torch

from metricpose.heatmap import moments
from metricpose.models import MODELS

SIDE = 64


def decoded(model, images, monkeypatch, fewest):
    monkeypatch.setattr(moments, "FEWEST", fewest)
    K = torch.tensor([[90.0, 0, SIDE / 2 - 0.5], [0, 90.0, SIDE / 2 - 0.5], [0, 0, 1]]).repeat(len(images), 1, 1)
    with torch.inference_mode():
        output = model(images)
        return output, model.decode(output, K)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_poses_do_not_depend_on_who_found_the_moments(name, monkeypatch):
    config, kind = MODELS[name]
    torch.manual_seed(0)
    model = kind(config(side=SIDE)).eval()
    images = torch.rand(2, 3, SIDE, SIDE)
    output, pose = decoded(model, images, monkeypatch, 0)
    steps, expected = decoded(model, images, monkeypatch, math.inf)
    assert output.spread is not None
    assert steps.spread is None
    assert pose.covariance_mm2 is not None
    for field in ("px", "volume_mm", "depth_mm", "u"):
        if hasattr(output, field):
            torch.testing.assert_close(getattr(output, field), getattr(steps, field), rtol=1e-6, atol=2e-3)
    # An untrained network's distances are enormous, and what finds them makes much of small differences.
    torch.testing.assert_close(pose.joints_mm, expected.joints_mm, rtol=1e-3, atol=1e-3 * spread_of(expected.joints_mm))
    deviation = expected.covariance_mm2.diagonal(dim1=-2, dim2=-1).sqrt()
    error = (pose.covariance_mm2 - expected.covariance_mm2).abs() / (deviation[..., None] * deviation[..., None, :])
    assert error.max() < 1e-2


def spread_of(points):
    return points.std().item()
