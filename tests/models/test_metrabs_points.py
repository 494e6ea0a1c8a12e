"""MeTRAbs with more points than joints: reading joints out of points, and the plain network as a special case."""

from __future__ import annotations

import pytest
import torch

from metricpose.errors import InputError
from metricpose.models.metrabs import Metrabs, MetrabsConfig
from metricpose.models.metrabs_points import MetrabsPoints, MetrabsPointsConfig

SIDE, POINTS = 96, 31
READOUT = (30, 4, 11, 0, 7, 29, 3, 2, 1, 28, 27, 5, 6, 8, 9, 10, 12)


def build(**settings):
    torch.manual_seed(0)
    config = {"side": SIDE, "skeleton": "h36m_17", "points": POINTS, "readout": READOUT, "norm": "batch"} | settings
    return MetrabsPoints(MetrabsPointsConfig(**config)).eval()


K = torch.tensor([[210.0, 0, 47.5], [0, 230, 46.0], [0, 0, 1]]).repeat(2, 1, 1)


def test_joints_are_the_points_that_the_readout_names():
    model = build()
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.zero_()
        # Of point 4, which is joint 1: the last depth slice; of point 13, no joint: the first.
        model.head.bias[POINTS + 7 * POINTS + 4] = 100.0
        model.head.bias[POINTS + 13] = 100.0
    output = model(torch.rand(2, 3, SIDE, SIDE))
    assert output.logits_2d.shape == (2, POINTS, 3, 3)
    assert output.logits_3d.shape == (2, POINTS, 8, 3, 3)
    assert output.points_mm.shape == (2, POINTS, 3)
    z = torch.full((17,), 1100.0)
    z[1] = 2200
    torch.testing.assert_close(output.volume_mm[0, :, 2], z)
    torch.testing.assert_close(output.points_mm[0, 13, 2], torch.tensor(0.0))
    assert torch.equal(output.px, output.points_px[:, list(READOUT)])
    spread = model.decode(output, K).covariance_mm2[0, :, 2, 2]
    assert spread[1] < 10
    assert (torch.cat([spread[:1], spread[2:]]) > 1e5).all()


def test_without_more_points_it_is_the_plain_network():
    model = build(skeleton="metricpose_25", points=25, readout=())
    plain = Metrabs(MetrabsConfig(side=SIDE, norm="batch")).eval()
    plain.load_state_dict(model.state_dict())
    images = torch.rand(2, 3, SIDE, SIDE)
    ours, theirs = model(images), plain(images)
    assert all(a is b is None or torch.equal(a, b) for a, b in zip(ours, theirs))
    assert all(torch.equal(a, b) for a, b in zip(model.decode(ours, K), plain.decode(theirs, K)))


def test_points_that_are_no_joints_help_to_find_the_position():
    model = build()
    images = torch.rand(2, 3, SIDE, SIDE)
    output = model(images)
    moved = output._replace(
        points_mm=output.points_mm + torch.tensor([0.0, 0, 1]) * (torch.arange(POINTS) == 13)[:, None] * 500
    )
    a, b = model.decode(output, K).joints_abs_mm, model.decode(moved, K).joints_abs_mm
    assert (a - b).abs().max() > 0.1


@pytest.mark.parametrize(("centred", "pixels", "offset"), [(True, None, 16), (False, None, 0), (False, True, 16)])
def test_pixels_may_be_those_of_a_centred_network(centred, pixels, offset):
    model = build(centred=centred, centred_pixels=pixels)
    assert model.pixels(torch.tensor([[[0.0, 0.5]]])).tolist() == [[[offset, offset + 32]]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"readout": READOUT[:-1]}, "readout names 16 points; skeleton h36m_17 has 17 joints"),
        ({"readout": (*READOUT[:-1], POINTS)}, r"readout names points \[31\]; there are 31, from 0"),
        ({"readout": (), "points": 16}, r"points \[16\]; there are 16"),
    ],
)
def test_readouts_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        build(**settings)


def test_outputs_of_another_model_are_refused():
    model = build()
    output = model(torch.rand(2, 3, SIDE, SIDE))
    with pytest.raises(InputError, match="no points"):
        model.decode(output._replace(points_px=None), K)
