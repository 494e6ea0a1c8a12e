"""Gaussians and bones against loops over cells, on all three grids, and what masks and borders do."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from metricpose.errors import InputError
from metricpose.heatmap.decode import soft_argmax
from metricpose.heatmap.divergence import jensen_shannon
from metricpose.heatmap.encode import both_ends, gaussian_maps, segment_maps
from metricpose.heatmap.grid import cell_centres
from reference import targets as reference

KINDS = ("corner", "centre", "index")
SIZE = (6, 9)
EDGES = ((0, 1), (3, 1), (2, 4))


def points(kind, batch=2, joints=5, seed=0, margin=-0.2, dtype=torch.float64):
    """Points in the grid's coordinates, from a fraction `margin` inside its interval; negative: also outside."""
    rng = np.random.default_rng(seed)
    u = rng.uniform(margin, 1 - margin, (batch, joints, 2))
    return torch.tensor(2 * u - 1 if kind == "centre" else u, dtype=dtype)


@pytest.mark.parametrize("kind", KINDS)
def test_gaussians_against_loops(kind):
    means = points(kind)
    peaks = gaussian_maps(means, SIZE, 1.3, kind)
    masses = gaussian_maps(means, SIZE, 1.3, kind, unit="sum")
    for index in np.ndindex(2, 5):
        expected = reference.gaussian(means[index].numpy(), SIZE, 1.3, kind)
        np.testing.assert_allclose(peaks[index], expected, rtol=1e-9)
        np.testing.assert_allclose(masses[index], expected / expected.sum(), rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sigma", [1.0, 2.0])
def test_soft_argmax_returns_the_mean(kind, sigma):
    """To a thousandth of a cell, well inside the grid."""
    size = (40, 33)
    means = points(kind, margin=0.3, dtype=torch.float32)
    prob = gaussian_maps(means, size, sigma, kind, unit="sum")
    coords = [cell_centres(n, kind) for n in (33, 40)]
    error = (soft_argmax(prob, (-1, -2), coords) - means).abs()
    assert (error / torch.tensor([c[1] - c[0] for c in coords])).max() < 1e-3


def test_peak_is_one_and_falls_to_its_root_at_sigma():
    means = torch.tensor([[[3 / 8, 2 / 5]]])
    peak = gaussian_maps(means, SIZE, 2.0, "corner")[0, 0]
    assert peak[2, 3].item() == pytest.approx(1)
    assert peak[2, 5].item() == pytest.approx(math.exp(-0.5))
    assert peak[4, 3].item() == pytest.approx(math.exp(-0.5))


def test_means_outside_pile_up_on_the_border_then_vanish():
    n = 32
    last = 1 - 1 / n
    x = torch.tensor([last + 0.2, last + 0.6, last + 0.75, 40.0])
    means = torch.stack([x, torch.zeros(4)], -1)[None]
    maps = gaussian_maps(means, (n, n), 1.0, "centre", unit="sum")[0]
    sums = maps.sum((-1, -2))
    torch.testing.assert_close(sums[:2], torch.ones(2), rtol=1e-4, atol=0)
    assert sums[2] < 1e-6
    assert sums[3] == 0
    assert maps[0, :, -1].sum() > 0.95
    found = soft_argmax(maps[:1], (-1, -2), [cell_centres(n, "centre")] * 2)
    assert found[0, 0].item() == pytest.approx(last, abs=0.01)
    flat = torch.full_like(maps, 1 / n**2)
    far = jensen_shannon(flat[2:], maps[2:], (-1, -2))
    torch.testing.assert_close(far, torch.full((2,), math.log(2) / 2))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("power", [2.0, 1.0])
def test_bones_against_loops(kind, power):
    ends = points(kind, seed=1)
    maps = segment_maps(ends, EDGES, SIZE, 1.2, kind, power=power)
    assert maps.shape == (2, 3, *SIZE)
    for b in range(2):
        for e, (i, j) in enumerate(EDGES):
            expected = reference.segment(ends[b, i].numpy(), ends[b, j].numpy(), SIZE, 1.2, kind, power)
            np.testing.assert_allclose(maps[b, e], expected, rtol=1e-9)


def test_bone_is_one_on_the_segment_and_falls_to_its_root_at_sigma():
    ends = torch.tensor([[[2 / 8, 3 / 6], [6 / 8, 3 / 6]]])
    bone = segment_maps(ends, [(0, 1)], (7, 9), 2.0, "corner")[0, 0]
    torch.testing.assert_close(bone[3, 2:7], torch.ones(5))
    for row, column in ((1, 4), (5, 2), (3, 0), (3, 8)):
        assert bone[row, column].item() == pytest.approx(math.exp(-0.5), rel=1e-5)


@pytest.mark.parametrize("power", [2.0, 1.0])
def test_bones_do_not_know_their_direction(power):
    ends = points("index", seed=2, dtype=torch.float32)
    there, back = (segment_maps(ends, e, SIZE, 1.5, "index", power=power) for e in (EDGES, [(j, i) for i, j in EDGES]))
    torch.testing.assert_close(there, back, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("apart", [0.0, 1e-7])
def test_a_bone_of_no_length_is_a_gaussian(kind, apart):
    ends = points(kind, joints=1, dtype=torch.float32)
    ends = torch.cat([ends, ends + apart], 1).requires_grad_()
    maps = segment_maps(ends, [(0, 1)], SIZE, 1.7, kind)
    torch.testing.assert_close(maps, gaussian_maps(ends[:, :1], SIZE, 1.7, kind), rtol=1e-4, atol=1e-6)
    maps.sum().backward()
    assert ends.grad.isfinite().all()


def build(name, means, valid):
    if name == "segment":
        return segment_maps(means, EDGES, SIZE, 1.1, "corner", power=1.0, valid=valid)
    return gaussian_maps(means, SIZE, 1.1, "corner", unit=name, valid=valid)


@pytest.mark.parametrize("name", ["peak", "sum", "segment"])
@pytest.mark.parametrize("garbage", [math.nan, math.inf, 0.4])
@pytest.mark.parametrize("given", [True, False])
def test_joints_without_label_leave_no_trace(name, garbage, given):
    means = points("corner", margin=0.1)
    valid = torch.ones(2, 5, dtype=torch.bool)
    valid[0, 1], valid[1, 3], valid[1, 4] = False, False, False
    plain = build(name, means, valid)
    shown = both_ends(valid, EDGES) if name == "segment" else valid
    assert (plain.amax((-1, -2)) > 0).equal(shown)
    if not given and math.isfinite(garbage):
        return  # Nothing says that these are no labels.
    means = torch.where(valid[..., None], means, garbage).requires_grad_()
    maps = build(name, means, valid if given else None)
    assert maps.equal(plain)
    (maps * torch.arange(1.0, 1 + maps.numel()).view_as(maps)).sum().backward()
    assert means.grad.isfinite().all()
    assert (means.grad[~valid] == 0).all()
    assert (means.grad[0, 0] != 0).all() or name == "segment"


@pytest.mark.parametrize("name", ["peak", "sum", "segment"])
def test_gradients(name):
    means = points("corner", seed=3).requires_grad_()
    assert torch.autograd.gradcheck(lambda m: build(name, m, None), means)


def test_half_precision_is_raised_and_autocast_changes_nothing():
    means = points("centre", dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        maps = [gaussian_maps(means, SIZE, 1.0, "centre", unit="sum"), segment_maps(means, EDGES, SIZE, 1.0, "centre")]
    assert maps[0].equal(gaussian_maps(means.float(), SIZE, 1.0, "centre", unit="sum"))
    assert maps[1].equal(segment_maps(means.float(), EDGES, SIZE, 1.0, "centre"))


def test_any_leading_axes_and_no_edges():
    means = points("index")
    torch.testing.assert_close(
        gaussian_maps(means[None], SIZE, 1.0, "index")[0], gaussian_maps(means, SIZE, 1.0, "index")
    )
    torch.testing.assert_close(gaussian_maps(means[0], SIZE, 1.0, "index"), gaussian_maps(means, SIZE, 1.0, "index")[0])
    assert segment_maps(means, [], SIZE, 1.0, "index").shape == (2, 0, *SIZE)


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan])
def test_spread_must_be_positive(sigma):
    for build_it in (
        lambda m: gaussian_maps(m, SIZE, sigma, "index"),
        lambda m: segment_maps(m, EDGES, SIZE, sigma, "index"),
    ):
        with pytest.raises(InputError, match="positive"):
            build_it(points("index"))
