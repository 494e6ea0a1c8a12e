from __future__ import annotations

import numpy as np
import pytest

from metricpose.synthetic import room as rooms
from metricpose.synthetic.surfaces import CEILING, FLOOR, PICTURE, SKY, TILES, WALL_X1, WALL_Y1, Room, _hit, paint_room

LOOK = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])  # along +y
CENTRE = np.array([0.2, 0.0, 1.5])
PINHOLE = (40.0, 31.0, 22.0)
CLEAR = np.zeros((45, 63), np.uint8)


def plain_room(**changes: object) -> Room:
    """Walls at x = -2, 3, y = -1, 6, ceiling at 2.8 m, every surface its own grey."""
    patterns, colours = np.zeros((7, 4)), np.zeros((7, 2, 3))
    colours[:] = (0.1 + 0.1 * np.arange(7))[:, None, None]
    room = Room(
        np.array([-2.0, 3.0, -1.0, 6.0, 2.8]), True, 0.0, patterns, colours, np.zeros((0, 9)), np.zeros((0, 5)),
        np.tile([1.0, 0.0], (7, 1)), np.full((64, 64, 3), 0.9), 0.0, 0.0,
    )  # fmt: skip
    return room._replace(**changes)


def ground_pixel(x: float, y: float, z: float = 0.0) -> tuple[int, int]:
    focal, cx, cy = PINHOLE
    dx, dy, dz = np.array([x, y, z]) - CENTRE
    return round(cy - focal * dz / dy), round(cx + focal * dx / dy)


@pytest.mark.parametrize(
    ("point", "surface"),
    [((0.5, 4.0, 0.0), FLOOR), ((0.5, 5.0, 2.8), CEILING), ((0.4, 6.0, 1.4), WALL_Y1), ((3.0, 4.5, 1.2), WALL_X1)],
)
def test_every_ray_meets_the_surface_it_should(point: tuple[float, ...], surface: int) -> None:
    direction = np.array(point) - CENTRE
    distance, found = _hit(plain_room().limits, True, CENTRE, *direction)
    assert found == surface
    assert distance == pytest.approx(1.0)
    image = paint_room(plain_room(), LOOK, CENTRE, PINHOLE, CLEAR)
    assert image[ground_pixel(*point)] == pytest.approx(0.1 + 0.1 * surface)


def test_tiles_lie_where_perspective_puts_them() -> None:
    patterns, colours = np.zeros((7, 4)), np.zeros((7, 2, 3))
    patterns[FLOOR] = TILES, 1.0, 0.5, 0.0
    colours[FLOOR] = [[0.1] * 3, [0.8] * 3]
    image = paint_room(plain_room(patterns=patterns, colours=colours), LOOK, CENTRE, PINHOLE, CLEAR)
    for x, y in ((0.5, 3.5), (1.5, 3.5), (-0.5, 3.5), (0.5, 4.5)):
        even = (int(np.floor(x)) + int(np.floor(y))) % 2 == 0
        assert image[ground_pixel(x, y)] == pytest.approx(0.8 if even else 0.1)


def test_patches_lamps_pictures_and_covered_pixels() -> None:
    patches = np.array([[WALL_Y1, -1.0, 1.0, 1.0, 2.0, 0.7, 0.6, 0.5, -1], [WALL_Y1, 0.0, 1.0, 1.0, 2.0, 0, 0, 0, 0]])
    lamps = np.array([[WALL_Y1, -0.5, 1.5, 0.5, 1.0]])
    covered = CLEAR.copy()
    covered[:, :10] = 255
    image = paint_room(plain_room(patches=patches, lamps=lamps), LOOK, CENTRE, PINHOLE, covered)
    plain = paint_room(plain_room(patches=patches), LOOK, CENTRE, PINHOLE, covered)
    left, right = ground_pixel(-0.5, 6.0, 1.5), ground_pixel(0.5, 6.0, 1.5)
    assert plain[left] == pytest.approx([0.7, 0.6, 0.5])
    assert plain[right] == pytest.approx(0.9)  # the picture lies on top
    assert image[left] == pytest.approx(2 * plain[left], rel=0.05)
    assert (image[:, :10] == 0).all()
    patterns = np.zeros((7, 4))
    patterns[:, :2] = PICTURE, 1.0
    assert paint_room(plain_room(patterns=patterns), LOOK, CENTRE, PINHOLE, CLEAR) == pytest.approx(0.9)


def test_outdoors_has_sky_above_and_ground_below() -> None:
    image = paint_room(plain_room(indoor=False, ridge=0.01), LOOK, CENTRE, PINHOLE, CLEAR)
    assert image[0].mean() == pytest.approx(0.1 + 0.1 * SKY, rel=0.6)
    assert image[44] == pytest.approx(0.1)


@pytest.mark.parametrize("make", [rooms.sample_room, rooms.sample_studio, rooms.sample_outdoors])
def test_random_surroundings_hold_camera_and_person(make) -> None:
    low, high = np.array([-1.0, -3.0, 0.0]), np.array([0.5, 0.5, 1.9])
    for seed in range(20):
        room = make(np.random.default_rng(seed), low, high, np.random.default_rng(seed).random((64, 64, 3)))
        assert room.limits[0] < low[0] < high[0] < room.limits[1]
        assert room.limits[2] < low[1] < high[1] < room.limits[3]
        assert room.limits[4] > high[2]
        image = paint_room(room, LOOK, np.array([0.0, -3.0, 1.5]), PINHOLE, CLEAR)
        assert np.isfinite(image).all()
        assert image.min() >= 0.0
        assert image.std() > 0.005
