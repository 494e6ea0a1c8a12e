"""Procedural surroundings, exact in perspective: rooms, motion-capture studios, open ground under a sky."""

from __future__ import annotations

import math
from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Float32

from metricpose.synthetic.kernel import kernel
from metricpose.synthetic.materials import hsv, linear, surface_colour
from metricpose.synthetic.noise import noise2, noise3, noise_table

# Surfaces.
FLOOR, CEILING, WALL_X0, WALL_X1, WALL_Y0, WALL_Y1, SKY = range(7)
_SURFACES = 7
# Patterns.
PLAIN, TILES, BARS, PLANKS, BLOTCHES, RAMP, CURTAIN, PICTURE = range(8)


class Room(NamedTuple):
    """What the kernel paints.

    Attributes:
        limits: (5,) x0, x1, y0, y1 of the walls and the ceiling height, metres. indoor: else open sky above `ridge`.
        patterns: (7, 3) kind, repeats per metre, parameter; turns: (7, 2) cosine and sine of their direction;
            colours: (7, 2, 3) linear.
        patches: (n, 9) surface, u0, u1, v0, v1, red, green, blue, picture (-1: none), drawn in order; u is x or y and v is
            y or z of the surface.
        lamps: (m, 5) surface, u, v, radius, added brightness.
        picture: (64, 64, 3) linear. corner: how dark corners are.
    """

    limits: np.ndarray
    indoor: bool
    ridge: float
    patterns: np.ndarray
    colours: np.ndarray
    patches: np.ndarray
    lamps: np.ndarray
    turns: np.ndarray
    picture: np.ndarray
    corner: float


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
    patterns, colours = np.zeros((_SURFACES, 4)), np.zeros((_SURFACES, 2, 3))
    for s in range(_SURFACES):
        kind = wall_kind if s >= WALL_X0 and rng.random() < 0.8 else rng.choice(kinds)
        patterns[s] = kind, rng.uniform(0.5, 6.0), rng.uniform(0.1, 0.9), rng.choice([0.0, 0.0, rng.uniform(0.0, 1.6)])
        colours[s] = wall if s >= WALL_X0 and rng.random() < 0.8 else _two_tones(rng)
    patterns[CEILING, 0] = PLAIN
    colours[CEILING] = 0.6 + 0.2 * rng.random()
    patches = _skirting(rng, limits) + _wall_patches(rng, limits, int(rng.integers(0, 9)))
    lamps = _lamps(rng, limits, int(rng.integers(0, 5)))
    return Room(limits, True, 0.0, patterns, colours, _rows(patches, 9), _rows(lamps, 5), _turns(patterns), picture, rng.uniform(0.0, 0.4))


def sample_studio(rng: np.random.Generator, low: np.ndarray, high: np.ndarray, picture: np.ndarray) -> Room:
    """A motion-capture hall: large, bare, one-colour floor or carpet, pale or curtained walls, pools of lamp light."""
    limits = _limits(rng, low, high, (0.8, 3.0))
    limits[4] = max(limits[4], rng.uniform(2.6, 4.0))
    patterns, colours = np.zeros((_SURFACES, 4)), np.zeros((_SURFACES, 2, 3))
    pale = linear(np.clip(rng.uniform(0.55, 0.9) * np.exp(rng.normal(0.0, [0.07, 0.04, 0.07])), 0.1, 0.95))
    curtain = hsv(rng.random(), rng.uniform(0.0, 0.7), rng.uniform(0.08, 0.6)) if rng.random() < 0.45 else None
    for s in range(WALL_X0, SKY):
        hung = curtain is not None and rng.random() < 0.6
        patterns[s] = CURTAIN if hung else PLAIN, rng.uniform(1.5, 5.0), rng.uniform(0.1, 0.9), 0.0
        colours[s] = (curtain if hung else pale) * np.ones((2, 3))
    colours[CEILING] = 0.5 + 0.4 * rng.random()
    if rng.random() < 0.4:
        floor = surface_colour(rng)
    else:
        floor = hsv(rng.choice([0.0, 0.02, 0.33, 0.6, rng.random()]), rng.uniform(0.2, 0.8), rng.uniform(0.15, 0.6))
    wood = linear(np.array([0.62, 0.45, 0.30]) * rng.uniform(0.6, 1.2))
    patterns[FLOOR] = rng.choice([PLAIN, PLAIN, PLANKS, TILES, BLOTCHES]), rng.uniform(0.5, 4.0), 0.5, rng.uniform(0.0, 1.6)
    colours[FLOOR] = np.stack([floor, floor * rng.uniform(0.8, 1.1)])
    patches = []
    if rng.random() < 0.5:  # a carpet on a wooden floor
        edge = rng.uniform(0.2, 1.2, 4)
        colours[FLOOR], patterns[FLOOR, 0] = np.stack([wood, wood * 0.8]), PLANKS
        box = (limits[0] + edge[0], limits[1] - edge[1], limits[2] + edge[2], limits[3] - edge[3])
        patches.append([FLOOR, *box, *floor, -1])
    for _ in range(int(rng.integers(0, 6))):  # strips of tape
        x, y = rng.uniform(limits[0], limits[1]), rng.uniform(limits[2], limits[3])
        length, across = rng.uniform(0.1, 0.5), rng.uniform(0.02, 0.05)
        size = (length, across) if rng.random() < 0.5 else (across, length)
        patches.append([FLOOR, x, x + size[0], y, y + size[1], *np.full(3, rng.uniform(0.5, 0.9)), -1])
    patches += _skirting(rng, limits) + _fittings(rng, limits)
    lamps = _lamps(rng, limits, int(rng.integers(2, 9)))
    return Room(limits, True, 0.0, patterns, colours, _rows(patches, 9), _rows(lamps, 5), _turns(patterns), picture, rng.uniform(0.1, 0.4))


def sample_outdoors(rng: np.random.Generator, low: np.ndarray, high: np.ndarray, picture: np.ndarray) -> Room:
    """Open ground, a ragged line of hills, trees or houses, and a sky."""
    limits = _limits(rng, low, high, (8.0, 60.0))
    patterns, colours = np.zeros((_SURFACES, 4)), np.zeros((_SURFACES, 2, 3))
    for s in range(_SURFACES):
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
    return Room(limits, False, rng.uniform(0.5, 6.0), patterns, colours, *empty, _turns(patterns), picture, 0.0)


def _turns(patterns: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 2"]:
    """Cosine and sine of the direction (last column) of each surface's pattern."""
    return np.stack([np.cos(patterns[:, 3]), np.sin(patterns[:, 3])], 1)


def _two_tones(rng: np.random.Generator) -> Float[np.ndarray, "2 3"]:
    first = surface_colour(rng)
    return np.stack([first, first * rng.uniform(0.5, 1.25) if rng.random() < 0.75 else surface_colour(rng)])


def _rows(rows: list[list[float]], columns: int) -> Float[np.ndarray, "n c"]:
    return np.array(rows, np.float64).reshape(-1, columns)


def _wall_span(limits: np.ndarray, wall: int) -> tuple[float, float]:
    return (limits[2], limits[3]) if wall in (WALL_X0, WALL_X1) else (limits[0], limits[1])


def _skirting(rng: np.random.Generator, limits: np.ndarray) -> list[list[float]]:
    """A strip along the foot of all walls, in most rooms."""
    if rng.random() < 0.3:
        return []
    colour, height = surface_colour(rng), rng.uniform(0.05, 0.2)
    return [[wall, *_wall_span(limits, wall), 0.0, height, *colour, -1] for wall in range(WALL_X0, SKY)]


def _wall_patches(rng: np.random.Generator, limits: np.ndarray, count: int) -> list[list[float]]:
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


def _fittings(rng: np.random.Generator, limits: np.ndarray) -> list[list[float]]:
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


def _lamps(rng: np.random.Generator, limits: np.ndarray, count: int) -> list[list[float]]:
    lamps = []
    for _ in range(count):
        wall = int(rng.integers(FLOOR, SKY))
        low, high = _wall_span(limits, wall)
        lamps.append([wall, rng.uniform(low, high), rng.uniform(0.5, limits[4]), rng.uniform(0.5, 2.0), rng.uniform(0.2, 1.2)])
    return lamps


def paint_room(
    room: Room, R: np.ndarray, centre: np.ndarray, pinhole: tuple[float, float, float], covered: np.ndarray
) -> Float32[np.ndarray, "s s 3"]:
    """The room as this camera sees it, linear; pixels where `covered` is 255 stay black.

    Args:
        R: world -> camera. centre: camera position, metres, inside the room. pinhole: focal, cx, cy.
    """
    out = np.zeros((*covered.shape, 3), np.float32)
    _paint(*room, np.ascontiguousarray(R), centre, *pinhole, noise_table(), covered, out)
    return out


@kernel
@no_type_check
def _hit(limits, indoor, c, d0, d1, d2):
    """Distance along the ray and surface it meets first."""
    t, surface = 1e9, SKY
    if d2 < 0:
        t, surface = -c[2] / d2, FLOOR
    elif indoor:
        t, surface = (limits[4] - c[2]) / max(d2, 1e-9), CEILING
    if d0 != 0:
        wall = (limits[1] - c[0]) / d0 if d0 > 0 else (limits[0] - c[0]) / d0
        if wall < t:
            t, surface = wall, WALL_X1 if d0 > 0 else WALL_X0
    if d1 != 0:
        wall = (limits[3] - c[1]) / d1 if d1 > 0 else (limits[2] - c[1]) / d1
        if wall < t:
            t, surface = wall, WALL_Y1 if d1 > 0 else WALL_Y0
    return t, surface


@kernel
@no_type_check
def _fraction(x):
    return x - math.floor(x)


@kernel
@no_type_check
def _texture_share(patterns, turns, surface, u, v, noise):
    """Share of the second colour of a surface at its coordinates in metres."""
    kind, frequency, parameter = int(patterns[surface, 0]), patterns[surface, 1], patterns[surface, 2]
    if kind == PLAIN or kind == CURTAIN or kind == PICTURE:
        return 0.0
    cos, sin = turns[surface, 0], turns[surface, 1]
    a, b = (u * cos - v * sin) * frequency, (u * sin + v * cos) * frequency
    if kind == TILES:
        return 1.0 if (int(math.floor(a)) + int(math.floor(b))) & 1 == 0 else 0.0
    if kind == BARS:
        return 1.0 if _fraction(a) < parameter else 0.0
    if kind == PLANKS:
        return 1.0 if _fraction(a) < 0.06 or _fraction(b * 0.3 + 0.37 * math.floor(a)) < 0.02 else 0.0
    if kind == BLOTCHES:
        return min(1.0, max(0.0, 0.5 + 3 * noise3(noise, a * 0.2, b * 0.2, parameter)[0]))
    return _fraction(b * 0.2)


@kernel
@no_type_check
def _brightness(limits, patterns, lamps, corner, surface, u, v, noise):
    """Uneven dirt and light on a surface, lamp pools, darker corners, folds of curtains."""
    p = patterns[surface, 2]
    if surface == SKY:
        return 1 + 0.3 * noise2(noise, u * 3.1, v * 3.1 + p, 16, 0)
    light = 1 + 0.30 * noise2(noise, u * 0.09 + p, v * 0.09, 3 * surface, 0)
    light += 0.2 * noise2(noise, u * 0.71, v * 0.71 + p, 5 * surface, 1)
    light += 0.12 * noise2(noise, u * 3.1, v * 3.1 + p, 16, 2)
    if int(patterns[surface, 0]) == CURTAIN:
        fold = patterns[surface, 1]
        light += 0.35 * math.sin(6.28 * fold * (u + 0.25 * noise2(noise, u * 0.4, v * 0.05, 7, 1)))
        light += 0.8 * noise2(noise, u * fold * 0.3, v * 0.03, 9, 2)
    for k in range(len(lamps)):
        if int(lamps[k, 0]) == surface:
            du, dv, radius = u - lamps[k, 1], v - lamps[k, 2], lamps[k, 3]
            d2 = (du * du + dv * dv) / (radius * radius)
            light += lamps[k, 4] / (1 + d2 * d2)
    if corner > 0:
        edge = v
        if surface < WALL_X0:
            edge = min(min(u - limits[0], limits[1] - u), min(v - limits[2], limits[3] - v))
        if edge < 1.5:
            light *= 1 - corner * math.exp(-max(edge, 0.0) * 4)
    return max(light, 0.02)


@kernel
@no_type_check
def _colour(patterns, turns, colours, patches, picture, surface, u, v, noise):
    """Paint of a surface: its pattern, then the last patch that covers the point."""
    n = picture.shape[0]
    for q in range(len(patches) - 1, -1, -1):
        if patches[q, 1] < u < patches[q, 2] and patches[q, 3] < v < patches[q, 4]:
            if int(patches[q, 0]) != surface:
                continue
            if patches[q, 8] < 0:
                return patches[q, 5], patches[q, 6], patches[q, 7]
            across = (u - patches[q, 1]) / (patches[q, 2] - patches[q, 1])
            down = (patches[q, 4] - v) / (patches[q, 4] - patches[q, 3])
            j, i = int(down * (n - 1)), int(across * (n - 1))
            return picture[j, i, 0], picture[j, i, 1], picture[j, i, 2]
    if int(patterns[surface, 0]) == PICTURE:
        f = patterns[surface, 1] * 0.3
        j, i = int(_fraction(-v * f) * n), int(_fraction(u * f) * n)
        return picture[j, i, 0], picture[j, i, 1], picture[j, i, 2]
    k = _texture_share(patterns, turns, surface, u, v, noise)
    return (
        colours[surface, 0, 0] * (1 - k) + colours[surface, 1, 0] * k,
        colours[surface, 0, 1] * (1 - k) + colours[surface, 1, 1] * k,
        colours[surface, 0, 2] * (1 - k) + colours[surface, 1, 2] * k,
    )


@kernel
@no_type_check
def _paint(limits, indoor, ridge, patterns, colours, patches, lamps, turns, picture, corner, R, c, focal, cx, cy, noise, covered, out):
    height, width = covered.shape
    for j in range(height):
        y = (j - cy) / focal
        for i in range(width):
            if covered[j, i] == 255:
                continue
            x = (i - cx) / focal
            d0 = R[0, 0] * x + R[1, 0] * y + R[2, 0]
            d1 = R[0, 1] * x + R[1, 1] * y + R[2, 1]
            d2 = R[0, 2] * x + R[1, 2] * y + R[2, 2]
            t, surface = _hit(limits, indoor, c, d0, d1, d2)
            px, py, pz = c[0] + t * d0, c[1] + t * d1, c[2] + t * d2
            if not indoor and surface >= WALL_X0 and pz > 0:
                if pz > ridge * (1 + 1.2 * noise3(noise, px * 0.02, py * 0.02, 0.3)[0]):
                    surface = SKY
            u, v = px, py
            if surface == SKY:
                u, v = d0 * 3, d2 * 3
            elif surface == WALL_X0 or surface == WALL_X1:
                u, v = py, pz
            elif surface == WALL_Y0 or surface == WALL_Y1:
                v = pz
            light = _brightness(limits, patterns, lamps, corner, surface, u, v, noise)
            r, g, b = _colour(patterns, turns, colours, patches, picture, surface, u, v, noise)
            out[j, i, 0], out[j, i, 1], out[j, i, 2] = r * light, g * light, b * light
