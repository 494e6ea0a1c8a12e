"""The deconvolution stack against a transposed convolution written out, its grid, its keys and initial weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from metricpose.models.upsampling import INIT_STD, Deconvolutions, initialise_small


def transposed(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Stride 2, padding 1: every input cell adds its kernel, and one row is cut off all around."""
    channels, h, w = x.shape
    out = np.zeros((weight.shape[1], 2 * h + 2, 2 * w + 2))
    for c, row, column in np.ndindex(channels, h, w):
        out[:, 2 * row : 2 * row + 4, 2 * column : 2 * column + 4] += x[c, row, column] * weight[c]
    return out[:, 1:-1, 1:-1]


def test_against_the_definition():
    torch.manual_seed(0)
    stack = Deconvolutions(3, (5, 2), std=None).eval().double()
    for layer in (stack[1], stack[4]):
        layer.running_mean.normal_()
        layer.running_var.uniform_(0.5, 2)
        nn.init.normal_(layer.weight)
        nn.init.normal_(layer.bias)
    x = torch.randn(2, 3, 4, 7).double()
    found = stack(x)
    assert found.shape == (2, 2, 16, 28)
    for i in range(2):
        y = x[i].numpy()
        for convolution, norm in ((stack[0], stack[1]), (stack[3], stack[4])):
            y = transposed(y, convolution.weight.detach().numpy())
            mean, var, gain, shift = (
                t.detach().numpy()[:, None, None] for t in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
            )
            y = np.maximum((y - mean) / np.sqrt(var + 1e-5) * gain + shift, 0)
        np.testing.assert_allclose(found[i].detach(), y, atol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_where_the_cells_are(count):
    """With kernels symmetric about their middle, what one cell becomes is centred where the module says."""
    stack = Deconvolutions(1, (1,) * count).eval()
    for layer in stack:
        if isinstance(layer, nn.ConvTranspose2d):
            bell = torch.tensor([1.0, 3, 3, 1])
            layer.weight.data[0, 0] = bell[:, None] * bell
    x = torch.zeros(1, 1, 9, 11)
    x[0, 0, 4, 5] = 1
    y = stack(x)[0, 0]
    cells = torch.stack(torch.meshgrid(torch.arange(y.shape[0]), torch.arange(y.shape[1]), indexing="ij"), -1).float()
    centre = (y[..., None] * cells).sum((0, 1)) / y.sum()
    position = torch.tensor([4.0, 5.0])
    for _ in range(count):
        position = 2 * position + 0.5  # Inverse of (o - 1/2) / 2.
    torch.testing.assert_close(centre, position, atol=1e-4, rtol=0)


def test_size_names_and_the_stack_without_layers():
    stack = Deconvolutions(7, (5, 5, 3))
    assert (stack.channels, stack.factor) == (3, 8)
    weights = 7 * 5 * 16 + 5 * 5 * 16 + 5 * 3 * 16
    assert sum(p.numel() for p in stack.parameters()) == weights + 2 * (5 + 5 + 3)
    # The names that published networks have below "conv_body.".
    assert {k.split(".")[0] for k in stack.state_dict()} == {"0", "1", "3", "4", "6", "7"}
    assert "0.bias" not in stack.state_dict()
    nothing = Deconvolutions(7, ())
    x = torch.randn(1, 7, 3, 2)
    assert (nothing.channels, nothing.factor) == (7, 1)
    assert torch.equal(nothing(x), x)


def test_initial_weights():
    torch.manual_seed(0)
    stack = Deconvolutions(64, (32,))
    assert stack[0].weight.std().item() == pytest.approx(INIT_STD, rel=0.02)
    assert stack[0].weight.mean().abs() < INIT_STD / 50
    assert Deconvolutions(64, (32,), std=None)[0].weight.std() > 5 * INIT_STD
    other = nn.Sequential(nn.Conv2d(40, 50, 3), nn.BatchNorm2d(50), nn.Linear(4, 5))
    nn.init.normal_(other[1].weight)
    linear = other[2].weight.clone()
    initialise_small(other, 0.02)
    assert other[0].weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert (other[0].bias == 0).all()
    assert (other[1].weight == 1).all()
    assert (other[1].bias == 0).all()
    assert torch.equal(other[2].weight, linear)
