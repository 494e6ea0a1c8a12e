"""Cell coordinates, and the published table of what MeTRAbs volumes can reach."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from metricpose.errors import InputError
from metricpose.heatmap.decode import soft_argmax, softmax_nd
from metricpose.heatmap.grid import (
    cell_centres,
    cell_positions,
    crop_pixels,
    metric_scale,
    metric_xy,
    metric_z,
    pixel_map,
)
from reference import heatmaps as reference

# Side, stride, cells, C, then the pixels and millimetres of the first and last cell.
TABLE = [
    (256, 32, 8, 224, (16, 240), (137.5, 2062.5)),
    (256, 16, 16, 240, (8, 248), (68.8, 2131.2)),
    (256, 8, 32, 248, (4, 252), (34.4, 2165.6)),
    (256, 4, 64, 252, (2, 254), (17.2, 2182.8)),
    (384, 32, 12, 352, (16, 368), (91.7, 2108.3)),
]


def test_the_three_grids_by_their_formulas():
    for n in (2, 5, 64):
        i = np.arange(n)
        np.testing.assert_allclose(cell_centres(n, "corner", dtype=torch.float64), i / (n - 1))
        np.testing.assert_allclose(cell_centres(n, "centre", dtype=torch.float64), (2 * i + 1) / n - 1)
        np.testing.assert_allclose(cell_centres(n, "index", dtype=torch.float64), i / n)


def test_one_cell():
    assert [cell_centres(1, kind).item() for kind in ("corner", "centre", "index")] == [0.5, 0.0, 0.0]


def test_bad_grids_are_refused():
    with pytest.raises(InputError, match="at least 1"):
        cell_centres(0, "corner")
    with pytest.raises((InputError, TypeError), match="edge"):
        cell_centres(4, "edge")
    with pytest.raises(InputError, match="at least 1"):
        cell_positions(torch.zeros(2), 0, "index")
    with pytest.raises((InputError, TypeError), match="edge"):
        cell_positions(torch.zeros(2), 4, "edge")


@pytest.mark.parametrize("kind", ["corner", "centre", "index"])
def test_positions_are_the_inverse_of_centres(kind):
    for n in (1, 2, 7):
        centres = cell_centres(n, kind, dtype=torch.float64)
        torch.testing.assert_close(cell_positions(centres, n, kind), torch.arange(n, dtype=torch.float64))
    beyond = cell_positions(2 * centres[-1:] - centres[-2:-1], 7, kind)
    assert beyond.item() == pytest.approx(7)


@pytest.mark.parametrize(("side", "stride", "n", "factor", "px", "mm"), TABLE)
def test_first_and_last_cell_reach_what_the_table_says(side, stride, n, factor, px, mm):
    assert reference.cells(side, stride) == n
    assert pixel_map(side, stride)[0] == factor
    for corner in (0, 1):
        logits = torch.full((1, 8, n, n), -1e9)
        logits[0, 7 * corner, (n - 1) * corner, (n - 1) * (1 - corner)] = 0
        dims, grids = (-1, -2, -3), [cell_centres(k, "corner") for k in (n, n, 8)]
        u = soft_argmax(softmax_nd(logits, dims), dims, grids)
        xy = crop_pixels(u[..., :2], side, stride)
        assert xy[0].tolist() == [px[1 - corner], px[corner]]
        assert metric_xy(xy, side, 2200.0)[0].tolist() == pytest.approx([mm[1 - corner], mm[corner]], abs=0.06)
        assert metric_z(u[..., 2], 2200.0).item() == 2200.0 * corner


@pytest.mark.parametrize(("side", "stride", "n"), [row[:3] for row in TABLE if row[0] == 256])
def test_uniform_logits_point_at_the_centre(side, stride, n):
    dims = (-1, -2, -3)
    u = soft_argmax(softmax_nd(torch.zeros(1, 8, n, n), dims), dims, [cell_centres(k, "corner") for k in (n, n, 8)])
    xy = crop_pixels(u[..., :2], side, stride)
    assert xy[0].tolist() == pytest.approx([128, 128], abs=1e-4)
    assert metric_xy(xy, side, 2200.0)[0].tolist() == pytest.approx([1100, 1100], abs=1e-3)
    assert metric_z(u[..., 2], 2200.0).item() == pytest.approx(1100, abs=1e-3)


def test_cells_fall_on_multiples_of_the_stride_without_centring():
    for side, stride in ((100, 8), (97, 32), (256, 16)):
        u = cell_centres(reference.cells(side, stride), "corner")
        np.testing.assert_allclose(crop_pixels(u, side, stride, False), stride * np.arange(len(u)), atol=1e-4)
        centred = stride * np.arange(len(u)) + stride // 2
        np.testing.assert_allclose(crop_pixels(u, side, stride, True), centred, atol=1e-4)


def test_metric_scale_is_the_slope_of_the_coordinate_maps():
    low, high = (metric_xy(crop_pixels(torch.tensor(float(u)), 200, 16), 200, 1900.0) for u in (0, 1))
    assert metric_scale(200, 16, 1900.0) == pytest.approx((float(high - low), float(high - low), 1900.0))
