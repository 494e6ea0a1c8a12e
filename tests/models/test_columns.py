"""Residual block, axis permutation and column, against loops and functional twins."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from metricpose.errors import InputError
from metricpose.models.columns import PLANES, Column, ResidualBlock, permute_axes


def test_permutation_equals_its_definition():
    x = torch.randn(2, 12, 4, 4)  # Three groups of four channels.
    for plane in ("zy", "xz"):
        y = permute_axes(x, plane)
        expected = torch.empty_like(x)
        for group in range(3):
            for i in range(4):
                for h in range(4):
                    for w in range(4):
                        source = (group * 4 + w, h, i) if plane == "zy" else (group * 4 + h, i, w)
                        expected[:, group * 4 + i, h, w] = x[:, source[0], source[1], source[2]]
        assert torch.equal(y, expected)
        assert not torch.equal(y, x)
        assert torch.equal(permute_axes(y, plane), x)
    assert permute_axes(x, "xy") is x


def test_permutation_leaves_the_shared_axis_alone():
    """Rows stay rows in zy, columns stay columns in xz: shuffling them before or after is the same."""
    x, shuffled = torch.randn(1, 10, 5, 5), torch.tensor([3, 0, 4, 1, 2])
    assert torch.equal(permute_axes(x[:, :, shuffled], "zy"), permute_axes(x, "zy")[:, :, shuffled])
    assert torch.equal(permute_axes(x[..., shuffled], "xz"), permute_axes(x, "xz")[..., shuffled])
    assert not torch.equal(permute_axes(x[..., shuffled], "zy"), permute_axes(x, "zy")[..., shuffled])


def test_permutation_needs_whole_groups():
    with pytest.raises(InputError, match=r"multiple of the middle map's side \(4\).*got 10"):
        permute_axes(torch.zeros(1, 10, 4, 4), "zy")


def norm(x, state, name):
    scale, shift, mean, var = (
        state[f"{name}.{k}"][:, None, None] for k in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / torch.sqrt(var + 1e-5) * scale + shift


@pytest.mark.parametrize(("move", "size"), [("keep", (6, 10)), ("down", (3, 5)), ("up", (12, 20))])
def test_block_equals_its_twin(move, size):
    torch.manual_seed(0)
    block = ResidualBlock(5, 7, move).eval()
    for part in block.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
            torch.nn.init.normal_(part.bias)
    state, x = block.state_dict(), torch.randn(3, 5, 6, 10)
    first, shortcut = state["main.0.weight"], state["shortcut.0.weight"]
    if move == "up":
        assert first.shape == (5, 7, 3, 3)
        y = functional.conv_transpose2d(x, first, None, 2, 1, 1)
        side = torch.zeros(3, 7, 12, 20)  # Only even cells are filled.
        side[..., ::2, ::2] = torch.einsum("bchw,cdij->bdhw", x, shortcut)
    else:
        stride = 2 if move == "down" else 1
        y = functional.conv2d(x, first, None, stride, 1)
        side = torch.einsum("bchw,dcij->bdhw", x[..., ::stride, ::stride], shortcut)
    y = functional.conv2d(norm(y, state, "main.1").relu(), state["main.3.weight"], None, 1, 1)
    expected = norm(y, state, "main.4").relu() + norm(side, state, "shortcut.1")
    found = block(x)
    assert found.shape == (3, 7, *size)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert (found < 0).any()  # No activation after the sum.


def test_blocks_start_he_normal_by_fan_out():
    torch.manual_seed(0)
    block = ResidualBlock(64, 96)
    assert block.main[0].weight.std().item() == pytest.approx((2 / (96 * 9)) ** 0.5, rel=0.05)
    assert block.shortcut[0].weight.std().item() == pytest.approx((2 / 96) ** 0.5, rel=0.05)
    assert all(not name.endswith("bias") or "1." in name or "4." in name for name, _ in block.named_parameters())


def test_published_column_size_in_every_variant():
    for plane in PLANES:
        for dilated in (False, True):
            with torch.device("meta"):
                column = Column(17, plane, dilated=dilated)
            assert sum(p.numel() for p in column.parameters()) == 4_739_599
            assert column(torch.zeros(2, 128, 32, 32, device="meta")).shape == (2, 17, 32, 32)


def test_column_blocks_are_the_published_ones():
    with torch.device("meta"):
        column = Column(17, "zy")
    shapes = {k: tuple(v.shape) for k, v in column.state_dict().items() if k.endswith("main.0.weight")}
    assert shapes == {
        "down.0.main.0.weight": (128, 128, 3, 3),
        "down.1.main.0.weight": (128, 128, 3, 3),
        "down.2.main.0.weight": (192, 128, 3, 3),
        "down.3.main.0.weight": (192, 192, 3, 3),
        "down.4.main.0.weight": (192, 192, 3, 3),
        "up.0.main.0.weight": (192, 192, 3, 3),
        "up.1.main.0.weight": (192, 192, 3, 3),
        "up.2.main.0.weight": (192, 128, 3, 3),
        "up.3.main.0.weight": (128, 128, 3, 3),
        "up.4.main.0.weight": (17, 128, 3, 3),
    }


def test_column_permutes_between_its_halves():
    torch.manual_seed(0)
    column = Column(3, "xz", (4, 6)).eval()
    x = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(column(x), column.up(permute_axes(column.down(x), "xz")))
    plain = Column(3, "xy", (4, 6)).eval()
    plain.load_state_dict(column.state_dict(), strict=True)
    assert not torch.allclose(plain(x), column(x))


def test_dilations_follow_the_older_public_code():
    column = Column(3, "xy", (4, 6), dilated=True)
    layers = [(b.main[0].dilation[0], b.main[3].dilation[0]) for half in (column.down, column.up) for b in half]
    assert layers == [(1, 2), (2, 4), (4, 4), (4, 8), (8, 16), (16, 8), (8, 4), (4, 4), (4, 2), (2, 1)]
    assert column(torch.zeros(1, 4, 8, 8)).shape == (1, 3, 8, 8)
