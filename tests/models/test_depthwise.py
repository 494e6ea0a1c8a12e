"""The depthwise convolution's own backward pass against autograd's, and numerically."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from metricpose.models import depthwise
from metricpose.models.depthwise import depthwise_conv2d, has_slow_gradient

# stride, padding, dilation, kernel
MOVES = [(2, 0, 1, 3), (2, 1, 1, 3), (1, 1, 1, 3), (1, 2, 2, 3), (1, 4, 4, 3), (1, 4, 2, 5), (2, 2, 1, 5)]


def inputs(size: tuple[int, int], kernel: int, layout: torch.memory_format) -> list[torch.Tensor]:
    torch.manual_seed(0)
    x = torch.randn(2, 4, *size, dtype=torch.float64).to(memory_format=layout)
    weight = torch.randn(4, 1, kernel, kernel, dtype=torch.float64)
    return [t.requires_grad_() for t in (x, weight, torch.randn(4, dtype=torch.float64))]


@pytest.mark.parametrize("size", [(8, 12), (9, 7), (11, 6)])
@pytest.mark.parametrize("moves", MOVES)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_value_and_gradients_equal_the_ordinary_convolution(size, moves, layout):
    stride, padding, dilation, kernel = moves
    tensors = inputs(size, kernel, layout)
    ours = depthwise_conv2d(*tensors, stride, padding, dilation)
    theirs = functional.conv2d(*tensors, stride, padding, dilation, groups=4)
    torch.testing.assert_close(ours, theirs)
    grad = torch.randn_like(theirs)
    for got, expected in zip(torch.autograd.grad(ours, tensors, grad), torch.autograd.grad(theirs, tensors, grad)):
        torch.testing.assert_close(got, expected)


def test_a_batch_larger_than_one_chunk_gives_the_same_gradient(monkeypatch):
    tensors = inputs((9, 6), 3, torch.channels_last)
    expected = torch.autograd.grad(functional.conv2d(*tensors, 2, 1, 1, groups=4).square().sum(), tensors)
    monkeypatch.setattr(depthwise, "_CHUNK_BYTES", 1)
    got = torch.autograd.grad(depthwise_conv2d(*tensors, 2, 1, 1).square().sum(), tensors)
    torch.testing.assert_close(got, expected)


def test_gradients_of_a_part_of_the_inputs():
    x, weight, bias = inputs((8, 12), 3, torch.channels_last)
    for wanted in ([x], [weight], [bias]):
        tensors = [t if any(t is u for u in wanted) else t.detach() for t in (x, weight, bias)]
        got = torch.autograd.grad(depthwise_conv2d(*tensors, 2, 1, 1).square().sum(), wanted)
        expected = torch.autograd.grad(functional.conv2d(*tensors, 2, 1, 1, groups=4).square().sum(), wanted)
        torch.testing.assert_close(got, expected)


def test_autocast_runs_in_bfloat16_and_returns_float32_gradients():
    x, weight, bias = (t.detach().float().requires_grad_() for t in inputs((10, 14), 3, torch.channels_last))
    with torch.autocast("cpu", torch.bfloat16):
        assert has_slow_gradient(x, 2, 1)
        y = depthwise_conv2d(x, weight, bias, 2, 1, 1)
    assert y.dtype == torch.bfloat16
    expected = functional.conv2d(x, weight, bias, 2, 1, groups=4)
    for got, want in zip(
        torch.autograd.grad(y.float().square().sum(), [x, weight, bias]),
        torch.autograd.grad(expected.square().sum(), [x, weight, bias]),
    ):
        assert got.dtype == torch.float32
        assert (got - want).abs().max() < 0.03 * want.abs().max()


def test_the_ordinary_convolution_is_kept_where_it_is_fast():
    x = torch.zeros(1, 2, 4, 4)
    assert not has_slow_gradient(x, 2, 1)
    assert not has_slow_gradient(x.bfloat16(), 1, 1)
    assert has_slow_gradient(x.bfloat16(), 2, 1)
    assert has_slow_gradient(x, 1, 2)
    with torch.no_grad():
        assert not has_slow_gradient(x, 1, 2)


def test_a_traced_network_holds_the_ordinary_convolution(monkeypatch):
    # Shape annotations cannot be checked while tracing, so only the switch is tested here.
    x = torch.zeros(1, 4, 8, 8)
    assert has_slow_gradient(x, 1, 2)
    monkeypatch.setattr(torch.jit, "is_tracing", lambda: True)
    assert not has_slow_gradient(x, 1, 2)
