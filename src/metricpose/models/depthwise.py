"""Depthwise convolution with a fast backward pass on CPU; forward and gradients equal `conv2d`'s.

oneDNN has no fast kernel for three gradients of a depthwise convolution and falls back to one that is 10 to 100 times
slower than the forward pass: with respect to the input of a strided one in bfloat16, and with respect to both the input
and the weights of a dilated one. In MobileNetV2 at stride 16 they are nearly half of a training step. Each is
the result of another convolution that is fast:

* input gradient: the output gradient, with zeros between its samples where the stride is 2, correlated with the
  mirrored kernel;
* weight gradient under dilation d: rows and columns equal modulo d never meet, so they are d*d separate images, over
  which the convolution is not dilated.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

_CHUNK_BYTES = 4 << 20


def has_slow_gradient(x: Float[Tensor, "b c h w"], stride: int, dilation: int) -> bool:
    """Whether the ordinary backward pass of this depthwise convolution would meet one of the slow kernels.

    False while the network is traced: a graph without gradients must hold the ordinary convolution.
    """
    if x.device.type != "cpu" or not torch.is_grad_enabled() or torch.jit.is_tracing():
        return False
    reduced = torch.is_autocast_enabled("cpu") or x.dtype == torch.bfloat16
    return dilation > 1 or (stride > 1 and reduced)


def depthwise_conv2d(
    x: Float[Tensor, "b c h w"],
    weight: Float[Tensor, "c 1 k k"],
    bias: Float[Tensor, " c"] | None,
    stride: int,
    padding: int,
    dilation: int,
) -> Float[Tensor, "b c h2 w2"]:
    """`conv2d` with `groups=c`; a dilated one must have stride 1 and padding `dilation * (k - 1) / 2`."""
    if torch.is_autocast_enabled("cpu"):
        dtype = torch.get_autocast_dtype("cpu")
        x, weight, bias = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
    return _Depthwise.apply(x, weight, bias, stride, padding, dilation)


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int, dilation: int
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.moves = (stride, padding, dilation)
        return functional.conv2d(x, weight, bias, stride, padding, dilation, groups=x.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        stride, padding, dilation = ctx.moves
        if x.is_contiguous(memory_format=torch.channels_last):
            grad = grad.contiguous(memory_format=torch.channels_last)
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad[:3]
        grad_x = _input_gradient(grad, x, weight, stride, padding, dilation) if needs_x else None
        grad_weight = _weight_gradient(grad, x, weight, stride, padding, dilation) if needs_weight else None
        grad_bias = grad.sum((0, 2, 3)) if needs_bias else None
        return grad_x, grad_weight, grad_bias, None, None, None


def _input_gradient(grad: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int, dilation: int) -> Tensor:
    mirrored, reach, channels = weight.flip(2, 3), dilation * (weight.shape[2] - 1), x.shape[1]
    if stride == 1:
        return functional.conv2d(grad, mirrored, None, 1, reach - padding, dilation, groups=channels)
    # A few images at a time, so that the spread gradient, mostly zeros, stays in the cache.
    images = max(1, _CHUNK_BYTES // (x[0].numel() * x.element_size()))
    rows, columns = (size + 2 * padding - reach for size in x.shape[2:])
    spread = grad.new_empty((images, channels, rows, columns)).to(memory_format=_layout(x)).zero_()
    result = torch.empty_like(x)
    for start in range(0, len(x), images):
        part = grad[start : start + images]
        spread[: len(part), :, ::stride, ::stride] = part
        result[start : start + images] = functional.conv2d(
            spread[: len(part)], mirrored, None, 1, reach - padding, groups=channels
        )
    return result


def _weight_gradient(grad: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int, dilation: int) -> Tensor:
    if dilation > 1:
        grad, x, padding = _phases(grad, dilation), _phases(x, dilation), padding // dilation
    moves = ([stride] * 2, [padding] * 2, [1, 1])
    channels = x.shape[1]
    backward = torch.ops.aten.convolution_backward
    return backward(grad, x, weight, None, *moves, False, [0, 0], channels, [False, True, False])[1]


def _phases(x: Tensor, count: int) -> Tensor:
    """(b, c, h, w) -> (b * count**2, c, ceil(h / count), ceil(w / count)), channels last; zeros fill the ends."""
    b, c, h, w = x.shape
    x = functional.pad(x, (0, -w % count, 0, -h % count)) if h % count or w % count else x
    rows, columns = x.shape[2] // count, x.shape[3] // count
    cells = x.permute(0, 2, 3, 1).reshape(b, rows, count, columns, count, c)
    return cells.permute(0, 2, 4, 1, 3, 5).reshape(b * count**2, rows, columns, c).permute(0, 3, 1, 2)


def _layout(x: Tensor) -> torch.memory_format:
    last = x.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format
