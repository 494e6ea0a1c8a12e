"""The kernel behind `expectation` against torch's steps and float64, and where it must not be used."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from metricpose.heatmap import moments
from metricpose.heatmap.decode import covariance, soft_argmax, softmax_nd
from metricpose.heatmap.grid import cell_centres
from metricpose.heatmap.moments import expectation, probabilities, spread
from reference import heatmap_moments as reference

XYZ = (-1, -2, -3)
UGLY = [(2, 3, 5, 7, 11), (1, 2, 9, 17, 33), (2, 1, 64, 3, 5), (1, 1, 1, 1, 2), (3, 2, 2, 1, 300), (1, 1, 3, 16, 16)]


@pytest.fixture(autouse=True)
def always(monkeypatch):
    """The kernel for small heatmaps too."""
    monkeypatch.setattr(moments, "FEWEST", 0)


def random(shape, seed=0, scale=3.0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * scale


def in_steps(logits, dims, grid):
    """What is computed with gradients."""
    coords = [cell_centres(logits.shape[d], grid) for d in dims]
    prob = softmax_nd(logits, dims)
    return soft_argmax(prob, dims, coords), covariance(prob, dims, coords)


def cells(logits, dims, grid):
    """Cells per unit of the grid, along each of `dims`."""
    per = {"corner": lambda n: max(n - 1, 1), "centre": lambda n: n / 2, "index": lambda n: n}[grid]
    return np.array([per(logits.shape[d]) for d in dims], np.float64)


def assert_close_in_cells(found, expected, scale, tolerance=1e-5, rtol=1e-7):
    mean, second = (np.asarray(x, np.float64) for x in found)
    np.testing.assert_allclose(mean * scale, np.asarray(expected[0]) * scale, atol=tolerance, rtol=rtol)
    want = np.asarray(expected[1], np.float64) * scale[:, None] * scale
    # A covariance of 1e-6 relative to the spread of its two axes.
    deviation = np.sqrt(np.maximum(np.diagonal(want, axis1=-2, axis2=-1), 0))
    allowed = tolerance * (deviation[..., :, None] * deviation[..., None, :] + 1e-4)
    assert (np.abs(second * scale[:, None] * scale - want) <= allowed).all()


@pytest.mark.parametrize("grid", ["corner", "centre", "index"])
@pytest.mark.parametrize("shape", UGLY, ids=str)
def test_against_float64_and_torch(shape, grid):
    logits = random(shape)
    found = expectation(logits, XYZ, grid)
    assert found.covariance is not None
    assert found.mean.dtype == found.covariance.dtype == torch.float32
    scale = cells(logits, XYZ, grid)
    assert_close_in_cells(found, reference.moments(logits.numpy(), 3, grid), scale)
    assert_close_in_cells(found, in_steps(logits, XYZ, grid), scale, rtol=3e-7)  # torch's own, at cell 300
    assert torch.equal(spread(logits, XYZ, grid), found.covariance)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_one_two_and_three_axes_in_any_order(k):
    logits = random((3, 4, 5, 6))
    dims = tuple(range(-1, -k - 1, -1))
    usual = expectation(logits, dims, "corner")
    assert_close_in_cells(usual, reference.moments(logits.numpy(), k, "corner"), cells(logits, dims, "corner"))
    turned = expectation(logits, dims[::-1], "corner")
    assert torch.equal(turned.mean, usual.mean.flip(-1))
    assert torch.equal(turned.covariance, usual.covariance.flip(-1, -2))


@pytest.mark.parametrize(
    "memory", [(0, 2, 1, 3, 4), (0, 3, 4, 1, 2), (0, 3, 4, 2, 1), (4, 2, 0, 1, 3), (1, 0, 2, 3, 4)]
)
def test_any_memory_layout(memory):
    """(0, 2, 1, 3, 4) is what depth-major channels give, (0, 3, 4, 2, 1) the same of a channels-last network."""
    logits = random((2, 3, 5, 6, 7))
    shuffled = logits.permute(memory).contiguous().permute([memory.index(i) for i in range(5)])
    assert_close_in_cells(
        expectation(shuffled, XYZ, "corner"),
        reference.moments(logits.numpy(), 3, "corner"),
        cells(logits, XYZ, "corner"),
    )


def test_depth_major_channels_are_read_where_they_lie(monkeypatch):
    """No copy of the network's output: what reaches the kernel is its memory."""
    channels = random((2, 5 * 3 + 4, 6, 7))
    seen = []
    monkeypatch.setattr(
        moments, "_run", lambda flat, *rest: seen.append(flat) or (np.zeros((6, 3)), np.zeros((6, 3, 3)))
    )
    logits = channels[:, 4:].unflatten(1, (5, 3)).transpose(1, 2)
    expectation(logits, XYZ, "corner")
    assert seen[0].__array_interface__["data"][0] == logits.data_ptr()
    assert np.shares_memory(seen[0], channels.numpy())


@pytest.mark.parametrize("height", [1e4, -1e4, 1e30])
def test_huge_logits(height):
    logits = random((2, 3, 4, 5, 6))
    logits[0, 1] = height + 100 * random((4, 5, 6), 1)
    logits[1, 0, 3, 4, 5] = abs(height)  # in the last cells: far above the reference the kernel starts from
    logits[1, 1, 0, 0] = -abs(height)
    assert_close_in_cells(
        expectation(logits, XYZ, "corner"),
        reference.moments(logits.numpy(), 3, "corner"),
        cells(logits, XYZ, "corner"),
    )


def test_a_peak_behind_the_cells_that_the_reference_comes_from():
    """More than 256 cells a plane, so that the reference is not the maximum; a little and far above it."""
    logits = random((4, 1, 3, 20, 30))
    for i, height in enumerate((20.0, 59.0, 61.0, 300.0)):
        logits[i, 0, 2, 19, 28] += height
    assert_close_in_cells(
        expectation(logits, XYZ, "corner"),
        reference.moments(logits.numpy(), 3, "corner"),
        cells(logits, XYZ, "corner"),
    )


@pytest.mark.parametrize("shape", [(1, 2, 8, 8, 8), (1, 1, 5, 40, 24)], ids=str)
def test_equal_logits_lie_in_the_middle(shape):
    found = expectation(torch.full(shape, -7.25), XYZ, "corner")
    torch.testing.assert_close(found.mean, torch.full(found.mean.shape, 0.5), atol=1e-7, rtol=0)
    off = found.covariance - torch.diag_embed(found.covariance.diagonal(dim1=-2, dim2=-1))
    assert off.abs().max() < 1e-8


def test_masked_cells_and_masked_joints():
    logits = random((1, 4, 3, 20, 30))
    logits[0, 0, 0] = -torch.inf  # the whole plane the reference comes from
    logits[0, 1, 1:, 3:] = -torch.inf
    logits[0, 2] = -torch.inf
    found, expected = expectation(logits, XYZ, "corner"), in_steps(logits, XYZ, "corner")
    assert expected[0][0, 2].isnan().all()
    assert found.mean[0, 2].isnan().all()
    assert found.covariance[0, 2].isnan().all()
    keep = [0, 1, 3]
    assert_close_in_cells([x[:, keep] for x in found], [x[:, keep] for x in expected], cells(logits, XYZ, "corner"))


@pytest.mark.parametrize("place", [(0, 0, 0), (2, 19, 29), (1, 7, 3)])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_nan_and_infinity_make_a_joint_nan_and_no_other(place, value):
    logits = random((1, 3, 3, 20, 30))
    logits[(0, 1, *place)] = value
    found = expectation(logits, XYZ, "corner")
    for result in found:
        assert result[0, 1].isnan().all()
        assert result[0, [0, 2]].isfinite().all()


def test_a_nan_of_any_bits_stays_nan():
    logits = random((1, 1, 2, 4, 8))
    logits.view(torch.int32)[0, 0, 1, 2, 3] = 0x7FC00123
    assert expectation(logits, XYZ, "corner").mean.isnan().all()


def test_a_sharp_heatmap_keeps_its_small_variance():
    logits = torch.full((1, 3, 5, 2), -60.0)
    logits[0, 1, 3, 0], logits[0, 1, 4, 0] = 0.0, -20.0
    assert spread(logits, XYZ, "corner")[0, 1, 1].item() == pytest.approx(np.exp(-20) / 16, rel=1e-3)


def test_half_precision_is_read_as_float32():
    for dtype in (torch.bfloat16, torch.float16):
        logits = random((2, 3, 5, 6, 7)).to(dtype)
        found, plain = expectation(logits, XYZ, "corner"), expectation(logits.float(), XYZ, "corner")
        assert all(torch.equal(a, b) for a, b in zip(found, plain))
        assert found.mean.dtype == torch.float32


def test_probabilities_with_their_moments():
    logits = random((2, 3, 4, 9, 17))
    logits[1, 2, 3, 8, 16] = torch.nan
    logits[0, 0, 0] = -torch.inf
    prob, found = probabilities(logits.transpose(1, 2), (-1, -2), "centre")
    torch.testing.assert_close(prob, softmax_nd(logits, (-1, -2)).transpose(1, 2), equal_nan=True)
    alone = expectation(logits.transpose(1, 2), (-1, -2), "centre")
    for a, b in zip(found, alone):
        torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)
    learning, without = probabilities(logits.requires_grad_(), (-1, -2), "centre")
    assert learning.requires_grad
    assert without.covariance is None


def test_no_samples():
    mean, second = expectation(torch.zeros(0, 4, 3, 5, 6), XYZ, "corner")
    assert mean.shape == (0, 4, 3)
    assert second is not None
    assert second.shape == (0, 4, 3, 3)


def test_threads_share_the_joints(monkeypatch):
    logits = random((2, 5, 3, 6, 7))
    usual = expectation(logits, XYZ, "corner")
    monkeypatch.setattr(moments, "_PARALLEL", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    for a, b in zip(expectation(logits, XYZ, "corner"), usual):
        assert torch.equal(a, b)


class TestTorchIsUsed:
    """Where the kernel cannot follow: the covariance does not come along, and gradients and graphs are whole."""

    @pytest.fixture(autouse=True)
    def no_kernel(self, monkeypatch):
        def refuse(*_):
            raise AssertionError("the kernel was used")

        monkeypatch.setattr(moments, "_fused", refuse)

    def test_with_gradients(self):
        logits = random((1, 2, 3, 4, 5)).requires_grad_()
        found = expectation(logits, XYZ, "corner")
        assert found.covariance is None
        found.mean.sum().backward()
        spread(logits, XYZ, "corner").sum().backward()
        assert logits.grad is not None

    def test_in_float64_with_few_cells_and_on_other_devices(self, monkeypatch):
        expectation(random((1, 2, 3, 4, 5)).double(), XYZ, "corner")
        expectation(torch.zeros(1, 2, 3, 4, 5, device="meta"), XYZ, "corner")
        monkeypatch.setattr(moments, "FEWEST", 121)
        expectation(random((1, 2, 3, 4, 5)), XYZ, "corner")

    def test_while_a_graph_is_made(self, monkeypatch):
        logits = random((1, 2, 3, 4, 5))
        with torch.no_grad():
            exported = torch.export.export(Decode(), (logits,))
        torch.testing.assert_close(exported.module()(logits * 2), in_steps(logits * 2, XYZ, "corner")[0])
        monkeypatch.setattr(torch.jit, "is_tracing", lambda: True)  # the shape checks of the tests do not trace
        assert expectation(logits, XYZ, "corner").covariance is None


class Decode(torch.nn.Module):
    def forward(self, logits):
        return expectation(logits, XYZ, "corner").mean


def test_without_gradients_a_parameter_of_the_graph_may_be_read():
    logits = random((1, 2, 3, 4, 5)).requires_grad_()
    with torch.no_grad():
        assert expectation(logits, XYZ, "corner").covariance is not None
    with torch.inference_mode():
        assert expectation(logits * 1, XYZ, "corner").covariance is not None
