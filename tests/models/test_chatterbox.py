"""Chatterbox: shapes of its columns, and what it asks of its settings."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from metricpose.errors import InputError
from metricpose.models.chatterbox import Chatterbox, ChatterboxConfig, SqueezedColumn


@pytest.mark.parametrize(("plane", "left"), [("zy", 3), ("xz", 3), ("zy", 1)])
def test_the_squeezed_axis_is_one_cell_and_grows_again(plane, left):
    column = SqueezedColumn(5, plane, (6, 8), left).eval()
    shapes = []
    column.down_convs.register_forward_hook(lambda m, i, o: shapes.append(tuple(o.shape)))
    side = 4 * left
    out = column(torch.rand(2, 6, side, side))
    assert shapes == [(2, 16, side, 1) if plane == "zy" else (2, 16, 1, side)]
    assert out.shape == (2, 5, side, side)


def test_z_does_not_know_where_along_the_squeezed_axis_it_is():
    """Of the zy maps, every column sees the whole width: a change in any image column reaches all of them."""
    torch.manual_seed(0)
    column = SqueezedColumn(3, "zy", (4, 8), 2).eval()
    x = torch.rand(1, 4, 8, 8)
    changed = x.clone()
    changed[..., 7] += 1
    assert ((column(x) - column(changed)).abs().amax((0, 1, 2)) > 0).all()


def test_sides_must_halve_twice():
    with pytest.raises(InputError, match="make maps of 10 cells a side; Chatterbox needs a multiple of 4,"):
        Chatterbox(ChatterboxConfig(side=80))


@pytest.mark.parametrize(
    "settings", [{"stages": 2}, {"axis_permutation": True}, {"dilated": True}, {"widths": (16, 31)}]
)
def test_it_has_one_stage_and_no_permutation(settings):
    with pytest.raises(ValidationError):
        ChatterboxConfig(**settings)


def test_published_size():
    with torch.device("meta"):
        model = Chatterbox(ChatterboxConfig.published())
    assert sum(p.numel() for p in model.parameters()) == 75_626_560
