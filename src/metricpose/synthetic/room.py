"""Procedural surroundings drawn at random, exact in perspective: rooms, motion-capture studios, open ground."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from metricpose.synthetic.materials import hsv, linear, surface_colour
from metricpose.synthetic.surfaces import (
    BARS,
    BLOTCHES,
    CEILING,
    CURTAIN,
    FLOOR,
    PICTURE,
    PLAIN,
    PLANKS,
    SKY,
    SURFACES,
    TILES,
    WALL_X0,
    WALL_X1,
    Room,
)

Rows = list[list[float | int]]


def _limits(rng: np.random.Generator, low: np.ndarray, high: np.ndarray, margin: tuple[float, float]) -> np.ndarray:
    """Walls around the box [low, high], which holds person and camera."""
    m = rng.uniform(*margin, 4)
    ceiling = max(2.3, float(high[2]) + 0.25) + rng.uniform(0.0, 1.2)
    return np.array([low[0] - m[0], high[0] + m[1], low[1] - m[2], high[1] + m[3], ceiling])


def sample_room(rng: np.random.Generator, low: np.ndarray, high: np.ndarray, picture: np.ndarray) -> Room:
    """A furnished-looking room: patterned surfaces, skirting, pictures, doors and windows as flat patches."""
    limits = _limits(rng, low, high, (0.6, 4.0))
    kinds = [PLAIN, PLAIN, PLAIN, TILES, BARS, PLANKS, BLOTCHES, PICTURE]
    wall_kind, wall = rng.choice(kinds), _two_tones(rng)
    patterns, colours = np.zeros((SURFACES, 4)), np.zeros((SURFACES, 2, 3))
    for s in range(SURFACES):
        kind = wall_kind if s >= WALL_X0 and rng.random() < 0.8 else rng.choice(kinds)
        patterns[s] = kind, rng.uniform(0.5, 6.0), rng.uniform(0.1, 0.9), rng.choice([0.0, 0.0, rng.uniform(0.0, 1.6)])
        colours[s] = wall if s >= WALL_X0 and rng.random() < 0.8 else _two_tones(rng)
    patterns[CEILING, 0] = PLAIN
    colours[CEILING] = 0.6 + 0.2 * rng.random()
    patches = _skirting(rng, limits) + _wall_patches(rng, limits, int(rng.integers(0, 9)))
    lamps = _lamps(rng, limits, int(rng.integers(0, 5)))
    return Room(limits, True, 0.0, patterns, colours, _rows(patches, 9), _rows(lamps, 5), _turns(patterns), picture,
                rng.uniform(0.0, 0.4), rng.uniform(0.3, 1.0))  # fmt: skip


def sample_studio(rng: np.random.Generator, low: np.ndarray, high: np.ndarray, picture: np.ndarray) -> Room:
    """A motion-capture hall: large, bare, one-colour floor or carpet, pale or curtained walls, pools of lamp light."""
    limits = _limits(rng, low, high, (0.8, 3.0))
    limits[4] = max(limits[4], rng.uniform(2.6, 4.0))
    patterns, colours = np.zeros((SURFACES, 4)), np.zeros((SURFACES, 2, 3))
    screen = rng.random() < 0.12  # all in one colour, as for keying
    _studio_walls(rng, patterns, colours, screen)
    patches = _studio_floor(rng, limits, patterns, colours)
    if screen:
        colours[FLOOR], patches = colours[WALL_X0] * rng.uniform(0.7, 1.2), []
    patches += _tape(rng, limits) + _skirting(rng, limits) + _fittings(rng, limits)
    lamps = _lamps(rng, limits, int(rng.integers(2, 9)), rng.choice([0.7, 1.5, 3.0]))
    return Room(limits, True, 0.0, patterns, colours, _rows(patches, 9), _rows(lamps, 5), _turns(patterns), picture,
                rng.uniform(0.1, 0.4), rng.uniform(0.1, 0.5))  # fmt: skip


def _studio_walls(rng: np.random.Generator, patterns: np.ndarray, colours: np.ndarray, screen: bool) -> None:
    """Pale plaster, some of it behind curtains; a screen is hung everywhere in green or blue."""
    pale = linear(np.clip(rng.uniform(0.55, 0.9) * np.exp(rng.normal(0.0, [0.07, 0.04, 0.07])), 0.1, 0.95))
    curtain = hsv(rng.random(), rng.uniform(0.0, 0.7), rng.uniform(0.08, 0.6))
    hung_share = 0.6 if rng.random() < 0.45 else 0.0
    if screen:
        curtain, hung_share = hsv(rng.choice([0.33, 0.36, 0.6]), rng.uniform(0.6, 0.95), rng.uniform(0.25, 0.7)), 1.0
    for s in range(WALL_X0, SKY):
        hung = rng.random() < hung_share
        patterns[s] = CURTAIN if hung else PLAIN, rng.uniform(1.5, 5.0), rng.uniform(0.1, 0.9), 0.0
        colours[s] = (curtain if hung else pale) * np.ones((2, 3))
    colours[CEILING] = 0.5 + 0.4 * rng.random()


def _studio_floor(rng: np.random.Generator, limits: np.ndarray, patterns: np.ndarray, colours: np.ndarray) -> Rows:
    """One colour all over, or a carpet of that colour on wood (returned as a patch)."""
    floor = surface_colour(rng)
    if rng.random() < 0.6:
        floor = hsv(rng.choice([0.0, 0.02, 0.33, 0.6, rng.random()]), rng.uniform(0.2, 0.8), rng.uniform(0.15, 0.6))
    patterns[FLOOR, 0] = rng.choice([PLAIN, PLAIN, PLANKS, TILES, BLOTCHES])
    patterns[FLOOR, 1:] = rng.uniform(0.5, 4.0), 0.5, rng.uniform(0.0, 1.6)
    colours[FLOOR] = np.stack([floor, floor * rng.uniform(0.8, 1.1)])
    if rng.random() < 0.5:
        return []
    wood = linear(np.array([0.62, 0.45, 0.30]) * rng.uniform(0.6, 1.2))
    colours[FLOOR], patterns[FLOOR, 0] = np.stack([wood, wood * 0.8]), PLANKS
    edge = rng.uniform(0.2, 1.2, 4) * [1, -1, 1, -1]
    return [[FLOOR, *(limits[:4] + edge), *floor, -1]]


def _tape(rng: np.random.Generator, limits: np.ndarray) -> Rows:
    """Short strips on the floor."""
    strips: Rows = []
    for _ in range(int(rng.integers(0, 6))):
        x, y = rng.uniform(limits[0], limits[1]), rng.uniform(limits[2], limits[3])
        length, across = rng.uniform(0.1, 0.5), rng.uniform(0.02, 0.05)
        size = (length, across) if rng.random() < 0.5 else (across, length)
        strips.append([FLOOR, x, x + size[0], y, y + size[1], *np.full(3, rng.uniform(0.5, 0.9)), -1])
    return strips


def sample_outdoors(rng: np.random.Generator, low: np.ndarray, high: np.ndarray, picture: np.ndarray) -> Room:
    """Open ground, a ragged line of hills, trees or houses, and a sky."""
    limits = _limits(rng, low, high, (8.0, 60.0))
    patterns, colours = np.zeros((SURFACES, 4)), np.zeros((SURFACES, 2, 3))
    for s in range(SURFACES):
        kind = rng.choice([PLAIN, TILES, PLANKS, BLOTCHES, BLOTCHES, PICTURE])
        patterns[s] = kind, rng.uniform(0.3, 4.0), rng.uniform(0.1, 0.9), rng.uniform(0.0, 1.6)
        colours[s] = _two_tones(rng)
    if rng.random() < 0.5:  # grass, earth, asphalt
        ground = np.array([[0.10, 0.16, 0.05], [0.20, 0.15, 0.09], [0.13, 0.13, 0.14], [0.42, 0.36, 0.26]])
        colours[FLOOR] = ground[rng.integers(4)] * rng.uniform(0.6, 1.5) * np.array([[1.0], [rng.uniform(0.6, 1.2)]])
        patterns[FLOOR, :2] = BLOTCHES, rng.uniform(1.0, 8.0)
    bright = rng.uniform(0.4, 0.95)
    colours[SKY] = linear(np.array([[0.75 * bright, 0.85 * bright, bright], [bright] * 3]))
    patterns[SKY] = BLOTCHES, 0.6, rng.random(), 0.0
    empty = np.zeros((0, 9)), np.zeros((0, 5))
    return Room(limits, False, rng.uniform(0.5, 6.0), patterns, colours, *empty, _turns(patterns), picture, 0.0, 1.0)


def _turns(patterns: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 2"]:
    """Cosine and sine of the direction (last column) of each surface's pattern."""
    return np.stack([np.cos(patterns[:, 3]), np.sin(patterns[:, 3])], 1)


def _two_tones(rng: np.random.Generator) -> Float[np.ndarray, "2 3"]:
    first = surface_colour(rng)
    return np.stack([first, first * rng.uniform(0.5, 1.25) if rng.random() < 0.75 else surface_colour(rng)])


def _rows(rows: Rows, columns: int) -> Float[np.ndarray, "n c"]:
    return np.array(rows, np.float64).reshape(-1, columns)


def _wall_span(limits: np.ndarray, wall: int) -> tuple[float, float]:
    return (limits[2], limits[3]) if wall in (WALL_X0, WALL_X1) else (limits[0], limits[1])


def _skirting(rng: np.random.Generator, limits: np.ndarray) -> Rows:
    """A strip along the foot of all walls, in most rooms."""
    if rng.random() < 0.3:
        return []
    colour, height = surface_colour(rng), rng.uniform(0.05, 0.2)
    return [[wall, *_wall_span(limits, wall), 0.0, height, *colour, -1] for wall in range(WALL_X0, SKY)]


def _wall_patches(rng: np.random.Generator, limits: np.ndarray, count: int) -> Rows:
    """Doors, windows, posters, cupboards: a frame and an inside."""
    patches = []
    for _ in range(count):
        wall = int(rng.integers(WALL_X0, SKY))
        low, high = _wall_span(limits, wall)
        kind = rng.choice(["door", "window", "poster", "cupboard"])
        width = {"door": 0.9, "window": 1.4, "poster": 0.7, "cupboard": 1.2}[kind] * rng.uniform(0.7, 1.5)
        height = {"door": 2.0, "window": 1.2, "poster": 0.6, "cupboard": 1.4}[kind] * rng.uniform(0.8, 1.2)
        bottom = {"door": 0.0, "window": 0.9, "poster": 1.2, "cupboard": 0.0}[kind] * rng.uniform(0.8, 1.2)
        u, rim = rng.uniform(low, max(low + 0.1, high - width)), rng.uniform(0.02, 0.08)
        bright = kind == "window" and rng.random() < 0.7
        inside = linear(rng.uniform(0.8, 1.0) * np.array([0.95, 0.98, 1.0])) * 1.3 if bright else surface_colour(rng)
        patches.append([wall, u, u + width, bottom, bottom + height, *surface_colour(rng), -1])
        shown = 0 if kind == "poster" or (kind == "window" and rng.random() < 0.4) else -1
        box = (u + rim, u + width - rim, bottom + rim, bottom + height - rim)
        patches.append([wall, *box, *inside, shown])
    return patches


def _fittings(rng: np.random.Generator, limits: np.ndarray) -> Rows:
    """Radiators, cables, rails, lamp boxes and a door on studio walls; lamps on the ceiling."""
    patches = []
    for wall in range(WALL_X0, SKY):
        low, high = _wall_span(limits, wall)
        for _ in range(int(rng.integers(0, 3))):  # radiator: ribs
            u, grey = rng.uniform(low, high - 1.0), rng.uniform(0.3, 0.7)
            for k in range(8):
                left = u + 0.1 * k
                patches.append([wall, left, left + 0.07, 0.15, 0.75, *np.full(3, grey * rng.uniform(0.8, 1.1)), -1])
        for _ in range(int(rng.integers(0, 4))):  # thin things
            u, dark = rng.uniform(low, high), linear(np.full(3, rng.uniform(0.05, 0.5)))
            if rng.random() < 0.5:
                patches.append([wall, u, u + 0.03, 0.0, rng.uniform(1.0, limits[4]), *dark, -1])
            else:
                v = rng.uniform(1.5, limits[4])
                patches.append([wall, u, u + rng.uniform(0.3, 2.0), v, v + 0.04, *dark, -1])
        for _ in range(int(rng.integers(0, 3))):  # small boxes high up
            u, v = rng.uniform(low, high), rng.uniform(1.6, limits[4])
            patches.append([wall, u, u + rng.uniform(0.1, 0.3), v, v + rng.uniform(0.1, 0.3), *surface_colour(rng), -1])
    for _ in range(int(rng.integers(0, 6))):
        x, y = rng.uniform(limits[0], limits[1]), rng.uniform(limits[2], limits[3])
        patches.append([CEILING, x, x + rng.uniform(0.3, 1.5), y, y + rng.uniform(0.1, 0.5), 1.4, 1.4, 1.35, -1])
    return patches


def _lamps(rng: np.random.Generator, limits: np.ndarray, count: int, strength: float = 1.0) -> Rows:
    lamps = []
    for _ in range(count):
        wall = int(rng.integers(FLOOR, SKY))
        low, high = _wall_span(limits, wall)
        lamps.append(
            [
                wall,
                rng.uniform(low, high),
                rng.uniform(0.5, limits[4]),
                rng.uniform(0.4, 2.0),
                strength * rng.uniform(0.2, 1.2),
            ]
        )
    return lamps
