"""Where a heatmap cell is: the only place that turns cell numbers into coordinates, pixels and millimetres.

Three grids are in use for the n cells of one axis:

========  ==============  ===========  ==============================================
kind      cell i is at    interval     used by
========  ==============  ===========  ==============================================
corner    i / (n - 1)     [0, 1]       MeTRo, MeTRAbs, the 2.5D baseline, HEMlets
centre    (2i + 1)/n - 1  (-1, 1)      MargiPose (the DSNT convention)
index     i / n           [0, 1)       cascaded dimension lifting (PoseNet style)
========  ==============  ===========  ==============================================

MeTRo and MeTRAbs read the corner grid as receptive-field centres: a network of output stride s whose last strided layer
is shifted by half a cell (`centred`) looks at pixel ``s*k + s//2`` in cell k, any other at ``s*k``.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from metricpose.errors import InputError

GridKind = Literal["corner", "centre", "index"]


def cell_centres(
    n: int, kind: GridKind, *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
) -> Float[Tensor, " n"]:
    """Coordinates of the n cells of one axis, in the interval of the module's table.

    A single cell of the corner grid, where the formula is 0/0, is at the middle, 0.5.

    Raises:
        InputError: n is not positive, or the kind is unknown.
    """
    if n < 1:
        raise InputError(f"a heatmap axis needs at least 1 cell, got {n}")
    cells = torch.arange(n, dtype=dtype, device=device)
    if kind == "corner":
        return cells / (n - 1) if n > 1 else cells + 0.5
    if kind == "centre":
        return (2 * cells + 1) / n - 1
    if kind == "index":
        return cells / n
    raise InputError(f"grid kind '{kind}' is unknown; choose corner, centre or index")


def cell_positions(u: Float[Tensor, " ..."], n: int, kind: GridKind) -> Float[Tensor, " ..."]:
    """Inverse of `cell_centres`: coordinates on one axis to fractional cell numbers; linear beyond the grid too.

    Raises:
        InputError: n is not positive, or the kind is unknown.
    """
    if n < 1:
        raise InputError(f"a heatmap axis needs at least 1 cell, got {n}")
    if kind == "corner":
        return u * (n - 1) if n > 1 else u - 0.5
    if kind == "centre":
        return ((u + 1) * n - 1) / 2
    if kind == "index":
        return u * n
    raise InputError(f"grid kind '{kind}' is unknown; choose corner, centre or index")


def pixel_map(side: int, stride: int, centred: bool = True) -> tuple[int, int]:
    """Factor C and offset o of ``px = u*C + o`` for corner-grid u in [0, 1] on a crop of `side` pixels.

    ``C = (side - 1) - (side - 1) % stride`` is (cells - 1)*stride, so cell k falls on pixel stride*k + o exactly;
    o is stride//2 for centred striding, else 0.
    """
    return (side - 1) - (side - 1) % stride, stride // 2 if centred else 0


def crop_pixels(u: Float[Tensor, " ..."], side: int, stride: int, centred: bool = True) -> Float[Tensor, " ..."]:
    """Corner-grid x or y coordinates in [0, 1] to pixels of a crop of `side` pixels."""
    scale, offset = pixel_map(side, stride, centred)
    return u * scale + offset


def metric_xy(px: Float[Tensor, " ..."], side: int, box_mm: float) -> Float[Tensor, " ..."]:
    """Pixels of the metric volume's x or y axis to millimetres: `side` pixels are `box_mm`."""
    return px * (box_mm / side)


def metric_z(u: Float[Tensor, " ..."], box_mm: float) -> Float[Tensor, " ..."]:
    """Corner-grid z coordinates in [0, 1] to millimetres, [0, box_mm]; unlike x and y without a half-cell offset."""
    return u * box_mm


def metric_scale(side: int, stride: int, box_mm: float) -> tuple[float, float, float]:
    """Millimetres per unit of corner-grid x, y and z: what standard deviations are multiplied with."""
    scale, _ = pixel_map(side, stride)
    return scale * box_mm / side, scale * box_mm / side, box_mm
