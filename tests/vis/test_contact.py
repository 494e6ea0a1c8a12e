"""Contact sheets: joints where the labels are, left and right in their colours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.scenes import box, look_at, walk
from metricpose.skeleton import catalog
from metricpose.types import HIDDEN, VISIBLE, Record
from metricpose.vis.contact import draw_contact_sheet, draw_tile
from metricpose.vis.style import CENTRE, LEFT, RIGHT

SKELETON = catalog.H36M_17


def record(size=(900, 700), lens=(-0.2, 0.1, 0.001, -0.002, 0.01)) -> Record:
    camera = look_at((1500, -3800, 1300), size=size, lens=lens, target=(500, 0, 900))
    world = walk("h36m_17", 1)[0]
    return Record(
        image=np.full((size[1], size[0], 3), 128, np.uint8),
        camera=camera,
        box_xywh=box(camera, world),
        joints_mm=camera.to_camera(world),
        joints_px=camera.project(world),
        visibility=np.full(17, VISIBLE, np.uint8),
        skeleton="h36m_17",
        info={"id": "S1/Walking/000001"},
    )


def place(made: Record, joint: str, tile: int) -> tuple[int, int]:
    """Row and column of a joint in its tile: the box with an eighth of its longer side around it fills the tile."""
    side = 1.25 * made.box_xywh[2:].max()
    low = made.box_xywh[:2] + made.box_xywh[2:] / 2 - side / 2
    x, y = (made.joints_px[SKELETON.index(joint)] - low + 0.5) * tile / side - 0.5
    return round(y), round(x)


@pytest.mark.parametrize("tile", [160, 300])
@pytest.mark.parametrize("lens", [(), (-0.2, 0.1, 0.001, -0.002, 0.01)])
def test_joints_are_drawn_where_they_project_in_the_colour_of_their_side(tile: int, lens: tuple[float, ...]) -> None:
    made = record(lens=lens)
    for labels in (made, replace(made, joints_mm=np.full((17, 3), np.nan))):  # 2D labels alone are drawn too
        drawn = draw_tile(labels, tile)
        assert drawn.shape == (tile, tile, 3)
        for joint, colour in (("l_wrist", LEFT), ("r_wrist", RIGHT), ("l_ankle", LEFT), ("head_top", CENTRE)):
            row, column = place(made, joint, tile)
            patch = drawn[row - 1 : row + 2, column - 1 : column + 2].reshape(-1, 3).astype(int)
            assert np.abs(patch - colour).sum(1).min() < 60, joint


def test_the_photograph_lies_under_the_joints() -> None:
    made = record()
    image = made.image.copy()
    x, y = np.rint(made.joints_px[SKELETON.index("r_wrist")]).astype(int)
    image[y - 40 : y - 12, x - 40 : x - 12] = (250, 250, 0)
    row, column = place(made, "r_wrist", 200)
    scale = 200 / (1.25 * made.box_xywh[2:].max())
    at = draw_tile(replace(made, image=image), 200)[round(row - 26 * scale), round(column - 26 * scale)]
    assert np.abs(at.astype(int) - (250, 250, 0)).max() < 12


def test_hidden_joints_are_hollow() -> None:
    made = record()
    marks = made.visibility.copy()
    marks[SKELETON.index("l_wrist")] = HIDDEN
    row, column = place(made, "l_wrist", 300)
    filled, hollow = (draw_tile(r, 300)[row, column].astype(int) for r in (made, replace(made, visibility=marks)))
    assert filled.sum() < 400 < 600 < hollow.sum()


def test_a_2d_label_apart_from_the_projection_is_a_cross() -> None:
    made = record()
    pixels = made.joints_px.copy()
    pixels[SKELETON.index("r_wrist")] += (60, -60)
    moved = replace(made, joints_px=pixels)
    row, column = place(moved, "r_wrist", 300)
    assert np.abs(draw_tile(moved, 300)[row, column].astype(int) - RIGHT).sum() < 90
    assert np.abs(draw_tile(made, 300)[row, column].astype(int) - RIGHT).sum() > 90


def test_sheets_have_rows_of_tiles() -> None:
    sheet = draw_contact_sheet([record()] * 5, columns=3, tile=150)
    assert sheet.shape == (2 * 156 + 6 + 30, 3 * 156 + 6, 3)
    tile = draw_tile(record(), 150)
    np.testing.assert_array_equal(sheet[162:312, 162:312], tile)
    assert (sheet[162:312, 318:468] == sheet[-1, -1]).all()  # no sixth
    assert draw_contact_sheet([record()], columns=6, tile=100).shape[1] == 420  # room for the legend


def test_small_pictures_and_boxes_over_the_edge_are_drawn() -> None:
    made = record(size=(60, 40))
    assert draw_tile(replace(made, box_xywh=np.array([-30.0, -20, 50, 90])), 200).shape == (200, 200, 3)
