"""The surfaces of procedural surroundings, ray by ray: rooms with patches and lamps, open ground under a sky."""

from __future__ import annotations

import math
from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float32

from metricpose.synthetic.kernel import inlined, kernel
from metricpose.synthetic.noise import noise2, noise3, noise_table

# Surfaces.
FLOOR, CEILING, WALL_X0, WALL_X1, WALL_Y0, WALL_Y1, SKY = range(7)
SURFACES = 7
# Patterns.
PLAIN, TILES, BARS, PLANKS, BLOTCHES, RAMP, CURTAIN, PICTURE = range(8)


class Room(NamedTuple):
    """What the kernel paints.

    Attributes:
        limits: (5,) x0, x1, y0, y1 of the walls and the ceiling height, metres. indoor: else open sky above `ridge`.
        patterns: (7, 3) kind, repeats per metre, parameter; turns: (7, 2) cosine and sine of their direction;
            colours: (7, 2, 3) linear.
        patches: (n, 9) surface, u0, u1, v0, v1, red, green, blue, picture (-1: none), the last on top; u is x or y and
            v is y or z of the surface.
        lamps: (m, 5) surface, u, v, radius, added brightness.
        picture: (64, 64, 3) linear. corner: how dark corners are. dirt: strength of uneven paint, 0..1.
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
    dirt: float


def paint_room(
    room: Room, R: np.ndarray, centre: np.ndarray, pinhole: tuple[float, float, float], covered: np.ndarray
) -> Float32[np.ndarray, "h w 3"]:
    """The room as this camera sees it, linear; pixels where `covered` is 255 stay black.

    Args:
        R: world -> camera. centre: camera position, metres, inside the room. pinhole: focal, cx, cy.
    """
    out = np.zeros((*covered.shape, 3), np.float32)
    _paint(*room, np.ascontiguousarray(R), centre, *pinhole, noise_table(), covered, out)
    return out


@inlined
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


@inlined
@no_type_check
def _texture_share(patterns, turns, surface, u, v, noise):
    """Share of the second colour of a surface at its coordinates in metres."""
    kind, frequency, parameter = int(patterns[surface, 0]), patterns[surface, 1], patterns[surface, 2]
    if kind in (PLAIN, CURTAIN, PICTURE):
        return 0.0
    cos, sin = turns[surface, 0], turns[surface, 1]
    a, b = (u * cos - v * sin) * frequency, (u * sin + v * cos) * frequency
    if kind == TILES:
        return 1.0 if (math.floor(a) + math.floor(b)) & 1 == 0 else 0.0
    if kind == BARS:
        return 1.0 if _fraction(a) < parameter else 0.0
    if kind == PLANKS:
        return 1.0 if _fraction(a) < 0.06 or _fraction(b * 0.3 + 0.37 * math.floor(a)) < 0.02 else 0.0
    if kind == BLOTCHES:
        return min(1.0, max(0.0, 0.5 + 3 * noise3(noise, a * 0.2, b * 0.2, parameter)[0]))
    return _fraction(b * 0.2)


@inlined
@no_type_check
def _brightness(limits, patterns, lamps, corner, dirt, surface, u, v, noise):
    """Uneven dirt and light on a surface, lamp pools, darker corners, folds of curtains."""
    p = patterns[surface, 2]
    if surface == SKY:
        return 1 + 0.3 * noise2(noise, u * 3.1, v * 3.1 + p, 16, 0)
    light = 1 + dirt * 0.30 * noise2(noise, u * 0.09 + p, v * 0.09, 3 * surface, 0)
    light += dirt * 0.2 * noise2(noise, u * 0.71, v * 0.71 + p, 5 * surface, 1)
    light += dirt * 0.12 * noise2(noise, u * 3.1, v * 3.1 + p, 16, 2)
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


@inlined
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


@inlined
@no_type_check
def _ridge_at(ridge, x, y, noise):
    """Height of the hills that end the ground, metres."""
    return max(0.0, ridge * (1 + 1.2 * noise3(noise, x * 0.02, y * 0.02, 0.3)[0]))


@kernel
@no_type_check
def _paint(
    limits,
    indoor,
    ridge,
    patterns,
    colours,
    patches,
    lamps,
    turns,
    picture,
    corner,
    dirt,
    R,
    c,
    focal,
    cx,
    cy,
    noise,
    covered,
    out,
):
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
            if not indoor and surface >= WALL_X0 and pz > _ridge_at(ridge, px, py, noise):
                surface = SKY
            u, v = px, py
            if surface == SKY:
                u, v = d0 * 3, d2 * 3
            elif surface in (WALL_X0, WALL_X1):
                u, v = py, pz
            elif surface in (WALL_Y0, WALL_Y1):
                v = pz
            light = _brightness(limits, patterns, lamps, corner, dirt, surface, u, v, noise)
            r, g, b = _colour(patterns, turns, colours, patches, picture, surface, u, v, noise)
            out[j, i, 0], out[j, i, 1], out[j, i, 2] = r * light, g * light, b * light
