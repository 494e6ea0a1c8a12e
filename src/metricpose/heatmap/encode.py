"""Target heatmaps of joints and bones, drawn from coordinates: batched, float32, without loops over samples.

Coordinates are those of `grid.cell_centres` (x, y; any of the three kinds), spreads are in cells, and a map of size
(h, w) has its rows along the second coordinate. To draw another plane, pass its two coordinates: MargiPose's zy map,
whose columns are z, takes (z, y).

What has no label leaves no trace: its map is zero everywhere, and its coordinates, which may be NaN, get a gradient of
exactly zero. Maps of parts with a depth order are in `triplets`, those of depth in `slab`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from metricpose.errors import InputError
from metricpose.heatmap.decode import full_precision
from metricpose.heatmap.grid import GridKind, cell_positions

MASS_EPS = 1e-24
"""Added to a map's sum before division (DSNT, MargiPose)."""
_MIN_SQUARED_LENGTH = 1e-12  # Cells^2: a shorter segment is a point.


def gaussian_maps(
    means: Float[Tensor, "*b j 2"],
    size: tuple[int, int],
    sigma: float,
    kind: GridKind,
    *,
    unit: Literal["peak", "sum"] = "peak",
    valid: Bool[Tensor, "*b j"] | None = None,
) -> Float[Tensor, "*b j h w"]:
    """One Gaussian per joint, ``exp(-|q - mean|^2 / (2 sigma^2))`` at the cell centres q.

    Nothing is clipped to the grid. With "sum", a mean slightly outside piles its mass up on the border cells, so that
    the map's mean is no longer the label; some ten sigma outside the map vanishes, because the sum it is divided by has
    1e-24 added to it (MargiPose's code; with sigma = 1 of 32 cells, 0.65 beyond the last cell of the grid).

    Args:
        means: x, y in coordinates of the grid.
        size: rows and columns of the maps.
        sigma: in cells, along both axes (MargiPose 1; HEMlets and cascaded lifting 2).
        kind: of the grid, both axes.
        unit: "peak": 1 at the mean (HEMlets, cascaded lifting); "sum": the cells sum to 1 (MargiPose).
        valid: joints that are labelled; the others may hold anything. Default: those that are finite.

    Raises:
        InputError: sigma is not positive.
    """
    known = known_points(means, valid)
    x, y = _positions(means, known, size, kind).unbind(-1)
    columns, rows = _bell(x, size[1], sigma), _bell(y, size[0], sigma)
    if unit == "sum":
        columns = columns / (columns.sum(-1, keepdim=True) * rows.sum(-1, keepdim=True) + MASS_EPS)
    # Masked and scaled along one axis only: the map itself is written once.
    columns = torch.where(known[..., None], columns, 0.0)
    return rows[..., :, None] * columns[..., None, :]


def segment_maps(
    points: Float[Tensor, "*b j 2"],
    edges: Sequence[tuple[int, int]],
    size: tuple[int, int],
    sigma: float,
    kind: GridKind,
    *,
    power: float = 2.0,
    valid: Bool[Tensor, "*b j"] | None = None,
) -> Float[Tensor, "*b e h w"]:
    """One map per bone, ``exp(-distance^power / (2 sigma^2))`` with the distance to the segment between its ends.

    1 on the bone; a bone of no length is a joint's Gaussian. Cascaded dimension-lifting, Eq. 1, which has the distance
    unsquared and to the whole line: `power` 1 is the former, the latter is not offered. A bone is zero everywhere
    unless both its ends are labelled. Arguments as `gaussian_maps`.

    Args:
        points: x, y of the joints in coordinates of the grid.
        edges: pairs of joints.
        size: rows and columns of the maps.
        sigma: in cells; the paper lets it fall during training.
        kind: of the grid, both axes.
        power: of the distance, in cells.
        valid: joints that are labelled. Default: those that are finite.

    Raises:
        InputError: sigma is not positive.
    """
    _check_sigma(sigma)
    known = known_points(points, valid)
    ends = _positions(points, known, size, kind)
    first, second = joint_pairs(edges, points.device)
    squared = _squared_distances(ends[..., first, :], ends[..., second, :], size)
    if power != 2:
        off = squared > 0  # The root of 0 has no gradient.
        squared = torch.where(off, torch.where(off, squared, 1.0) ** (power / 2), 0.0)
    maps = torch.exp(squared * (-0.5 / sigma**2))
    return torch.where(both_ends(known, edges)[..., None, None], maps, 0.0)


def both_ends(valid: Bool[Tensor, "*b j"], edges: Sequence[tuple[int, int]]) -> Bool[Tensor, "*b e"]:
    """Whether both joints of each edge are labelled."""
    first, second = joint_pairs(edges, valid.device)
    return valid[..., first] & valid[..., second]


def known_points(points: Float[Tensor, "*b j c"], valid: Bool[Tensor, "*b j"] | None) -> Bool[Tensor, "*b j"]:
    """`valid`, or by default the joints whose coordinates are all finite."""
    return points.isfinite().all(-1) if valid is None else valid


def joint_pairs(edges: Sequence[tuple[int, int]], device: torch.device) -> Int[Tensor, "2 e"]:
    """First and second joints of the edges, as indices."""
    return torch.tensor(list(edges), dtype=torch.long, device=device).reshape(-1, 2).T


def _positions(
    points: Float[Tensor, "*b j 2"], known: Bool[Tensor, "*b j"], size: tuple[int, int], kind: GridKind
) -> Float[Tensor, "*b j 2"]:
    """Fractional column and row of each point; of the unknown ones anything finite."""
    points = torch.where(known[..., None], full_precision(points), 0.0)
    return torch.stack([cell_positions(points[..., i], size[1 - i], kind) for i in range(2)], -1)


def _bell(position: Float[Tensor, "*b j"], n: int, sigma: float) -> Float[Tensor, "*b j n"]:
    _check_sigma(sigma)
    cells = torch.arange(n, dtype=position.dtype, device=position.device)
    return torch.exp(-0.5 * ((cells - position[..., None]) / sigma).square())


def _squared_distances(
    start: Float[Tensor, "*b e 2"], end: Float[Tensor, "*b e 2"], size: tuple[int, int]
) -> Float[Tensor, "*b e h w"]:
    """Squared distance in cells from every cell to the segment."""
    along = end - start
    inverse = 1 / along.square().sum(-1).clamp_min(_MIN_SQUARED_LENGTH)[..., None, None]
    x, y = (torch.arange(n, dtype=start.dtype, device=start.device) for n in (size[1], size[0]))
    dx, dy = x - start[..., 0, None, None], y[:, None] - start[..., 1, None, None]
    ax, ay = along[..., 0, None, None], along[..., 1, None, None]
    t = (dx * (ax * inverse) + dy * (ay * inverse)).clamp(0, 1)
    return torch.addcmul(dx, t, ax, value=-1).square() + torch.addcmul(dy, t, ay, value=-1).square()


def _check_sigma(sigma: float) -> None:
    if not sigma > 0:
        raise InputError(f"the spread of a target heatmap must be positive, in cells, got {sigma}")
