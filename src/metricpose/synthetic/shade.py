"""Deferred shading in numba: colour and coverage of every pixel from the triangle buffer.

Diffuse light from a shadowed sun, sky and ground ambient with screen-space occlusion, and a fill; a highlight; a
weak rim. Pixels inside a surface shade the diagonal of their samples, pixels on an edge all.
"""

from __future__ import annotations

import math
from typing import NamedTuple, no_type_check

import numpy as np

from metricpose.synthetic.kernel import inlined, kernel
from metricpose.synthetic.lighting import direct_light
from metricpose.synthetic.materials import (
    BLOTCHES,
    BLUE,
    CHECKS,
    FABRIC,
    FOLD,
    FOLD_FREQUENCY,
    FREQUENCY,
    GLOSS,
    INVERSE_LUMINANCE,
    PARAMETER,
    PATTERN,
    PRINT,
    RECOLOUR,
    RED,
    RED2,
    RINGS,
    STRIPES,
    TEXTURE,
    TWO_SIDED,
    YOKE,
)
from metricpose.synthetic.noise import noise3
from metricpose.synthetic.painted import region
from metricpose.synthetic.raster import barycentric

FABRIC_SIDE = 64


class Geometry(NamedTuple):
    """Triangles of a scene, F faces of V vertices in G groups (people, then objects).

    Attributes:
        vertices, normals: (V, 3) float32 world, metres. attributes: (V, 7) float32, see `body.Surface`.
        faces: (F, 3) int32. rows: (F,) int32 material row, or -1 - r for painted skin whose regions start at row r.
        groups: (F,) int32.
    """

    vertices: np.ndarray
    normals: np.ndarray
    attributes: np.ndarray
    faces: np.ndarray
    rows: np.ndarray
    groups: np.ndarray


class Looks(NamedTuple):
    """Materials and pictures.

    Attributes:
        materials: (M, 16) float32. cuts: (G, 12) float32. offsets: (G,) float32 shift of noise.
        fabrics: (G, 64, 64, 3) float32 linear. textures: (T, 512, 512, 4) uint8. to_linear: (256,) float32.
        noise: (32, 32, 32, 3) float32.
    """

    materials: np.ndarray
    cuts: np.ndarray
    offsets: np.ndarray
    fabrics: np.ndarray
    textures: np.ndarray
    to_linear: np.ndarray
    noise: np.ndarray


@inlined
@no_type_check
def _mix(values, a, b, c, w0, w1, w2, k):
    return w0 * values[a, k] + w1 * values[b, k] + w2 * values[c, k]


@kernel
@no_type_check
def _fraction(x):
    return x - math.floor(x)


@kernel
@no_type_check
def _second_share(kind, frequency, parameter, x, y, z, arm, part, noise, offset):
    """Share of the second colour at a template point."""
    along = arm * 0.28 if part < -0.5 else z
    if kind == RINGS:
        return 1.0 if _fraction(along * frequency) < parameter else 0.0
    if kind == STRIPES:
        return 1.0 if _fraction((x + 0.6 * y) * frequency) < parameter else 0.0
    if kind == CHECKS:
        rings = 0.5 if _fraction(along * frequency) < parameter else 0.0
        return rings + (0.5 if _fraction(x * frequency) < parameter else 0.0)
    if kind == BLOTCHES:
        f = frequency * 0.12
        return min(1.0, max(0.0, (noise3(noise, x * f + offset, y * f, z * f)[0] - parameter + 0.5) * 6))
    if kind == YOKE:
        return 1.0 if part < -0.5 or z > parameter else 0.0
    return 0.0


@inlined
@no_type_check
def _pattern(row, colour, x, y, z, arm, part, looks, group):
    """Base colour of a material with its pattern."""
    m, fabrics, offset = looks.materials, looks.fabrics, looks.offsets[group]
    kind, frequency, size = int(m[row, PATTERN]), m[row, FREQUENCY], m[row, PARAMETER]
    if kind == FABRIC:
        f = frequency * 0.12
        across = arm * 0.28 if part < -0.5 else x + 0.6 * y
        u, v = int(_fraction(across * f + offset) * FABRIC_SIDE), int(_fraction(offset - z * f) * FABRIC_SIDE)
        return fabrics[group, v, u, 0], fabrics[group, v, u, 1], fabrics[group, v, u, 2]
    if kind == PRINT:
        if abs(x) < size and 0.22 < z < 0.44 and y < -0.02:
            u, v = int((x / size * 0.5 + 0.5) * (FABRIC_SIDE - 1)), int((0.44 - z) / 0.22 * (FABRIC_SIDE - 1))
            return fabrics[group, v, u, 0], fabrics[group, v, u, 1], fabrics[group, v, u, 2]
        return colour
    t = _second_share(kind, frequency, size, x, y, z, arm, part, looks.noise, offset)
    return (
        colour[0] * (1 - t) + m[row, RED2] * t,
        colour[1] * (1 - t) + m[row, RED2 + 1] * t,
        colour[2] * (1 - t) + m[row, RED2 + 2] * t,
    )


@inlined
@no_type_check
def _texel(looks, index, u, v):
    """Linear colour of a texture at u, v in 0..1."""
    side = looks.textures.shape[1]
    i, j = min(max(int(u * side), 0), side - 1), min(max(int(v * side), 0), side - 1)
    t, table = looks.textures, looks.to_linear
    return table[t[index, j, i, 0]], table[t[index, j, i, 1]], table[t[index, j, i, 2]]


@inlined
@no_type_check
def _mix3(values, a, b, c, w0, w1, w2, k):
    return (
        _mix(values, a, b, c, w0, w1, w2, k),
        _mix(values, a, b, c, w0, w1, w2, k + 1),
        _mix(values, a, b, c, w0, w1, w2, k + 2),
    )


@inlined
@no_type_check
def _unit(x, y, z):
    scale = 1.0 / math.sqrt(x * x + y * y + z * z + 1e-12)
    return x * scale, y * scale, z * scale


@inlined
@no_type_check
def _base_colour(looks, row, group, u, v, x, y, z, arm, part):
    """Colour of a material at a point before light: texture, then pattern."""
    m, shade = looks.materials, 1.0
    red, green, blue = m[row, RED], m[row, RED + 1], m[row, BLUE]
    if m[row, TEXTURE] >= 0:
        t0, t1, t2 = _texel(looks, int(m[row, TEXTURE]), u, v)
        if m[row, RECOLOUR] > 0:
            shade = min(2.5, (0.3 * t0 + 0.59 * t1 + 0.11 * t2) * m[row, INVERSE_LUMINANCE])
        else:
            red, green, blue = red * t0, green * t1, blue * t2
    if m[row, PATTERN] > 0:
        red, green, blue = _pattern(row, (red, green, blue), x, y, z, arm, part, looks, group)
    return red * shade, green * shade, blue * shade


@inlined
@no_type_check
def _reflected(light, colour, gloss, p, n, v, open_sky):
    """Light that leaves point p with normal n towards v; open_sky is 1 minus the ambient occlusion."""
    up, direct = 0.5 + 0.5 * n[2], direct_light(light, p[0], p[1], p[2], n[0], n[1], n[2])
    fd = light.fill_direction
    fill = max(0.0, n[0] * fd[0] + n[1] * fd[1] + n[2] * fd[2])
    if direct > 0:
        h = _unit(v[0] + light.axes[2, 0], v[1] + light.axes[2, 1], v[2] + light.axes[2, 2])
        gloss *= max(0.0, n[0] * h[0] + n[1] * h[1] + n[2] * h[2]) ** 24
    else:
        gloss = 0.0
    rim = 1 - max(0.0, n[0] * v[0] + n[1] * v[1] + n[2] * v[2])
    rim = 0.10 * rim * rim * rim * open_sky
    sun, sky, ground, soft = light.sun, light.sky, light.ground, light.fill
    l0 = (ground[0] * (1 - up) + sky[0] * up + soft[0] * fill) * open_sky + sun[0] * direct
    l1 = (ground[1] * (1 - up) + sky[1] * up + soft[1] * fill) * open_sky + sun[1] * direct
    l2 = (ground[2] * (1 - up) + sky[2] * up + soft[2] * fill) * open_sky + sun[2] * direct
    return (
        colour[0] * l0 + gloss * sun[0] + rim * sky[0],
        colour[1] * l1 + gloss * sun[1] + rim * sky[1],
        colour[2] * l2 + gloss * sun[2] + rim * sky[2],
    )


@inlined
@no_type_check
def _shade_sample(geometry, points, looks, light, camera, open_sky, f, x, y):
    """Linear colour of face f at sample (x, y)."""
    a, b, c = geometry.faces[f, 0], geometry.faces[f, 1], geometry.faces[f, 2]
    w0, w1, w2 = barycentric(points, geometry.faces, f, x, y)
    attributes, m = geometry.attributes, looks.materials
    tx, ty, tz = _mix3(attributes, a, b, c, w0, w1, w2, 0)
    arm, part, u = _mix3(attributes, a, b, c, w0, w1, w2, 3)
    v = _mix(attributes, a, b, c, w0, w1, w2, 6)
    px, py, pz = _mix3(geometry.vertices, a, b, c, w0, w1, w2, 0)
    nx, ny, nz = _mix3(geometry.normals, a, b, c, w0, w1, w2, 0)
    group, row = geometry.groups[f], geometry.rows[f]
    if row < 0:
        row = -1 - row + region(tx, ty, tz, arm, part, looks.cuts, group)
    view = _unit(camera[0] - px, camera[1] - py, camera[2] - pz)
    if m[row, TWO_SIDED] > 0 and nx * view[0] + ny * view[1] + nz * view[2] < 0:
        nx, ny, nz = -nx, -ny, -nz
    red, green, blue = _base_colour(looks, row, group, u, v, tx, ty, tz, arm, part)
    if m[row, FOLD] > 0:  # bump the normal and darken the creases
        k, o, fold = m[row, FOLD_FREQUENCY], looks.offsets[group], m[row, FOLD]
        f0, f1, f2 = noise3(looks.noise, tx * k + o, ty * k + o * 1.3, tz * k * 0.6)
        nx, ny, nz = nx + fold * f0, ny + fold * f1, nz + fold * f2
        crease = 1 + 0.4 * fold * f1
        red, green, blue = red * crease, green * crease, blue * crease
    normal = _unit(nx, ny, nz)
    return _reflected(light, (red, green, blue), m[row, GLOSS], (px, py, pz), normal, view, open_sky)


@kernel
@no_type_check
def shade(depth, triangle, supersample, geometry, points, looks, light, camera, occlusion, colour, coverage):
    """Fill colour (h, w, 3), the mean linear colour of covered samples, where coverage (h, w) uint8 is above 0.

    depth, triangle: (h * supersample, w * supersample) buffers. camera: (3,) position. occlusion: (h, w) 0..1.
    """
    height, width = coverage.shape
    k = supersample
    for j in range(height):
        for i in range(width):
            if coverage[j, i] == 0:
                continue
            inside = coverage[j, i] == 255 and _is_smooth(depth, j * k, i * k, k)
            r = g = b = 0.0
            count = 0
            for y in range(j * k, j * k + k):
                for x in range(i * k, i * k + k):
                    if inside and x - i * k != y - j * k:  # the diagonal is enough
                        continue
                    f = triangle[y, x]
                    if f >= 0:
                        s = _shade_sample(geometry, points, looks, light, camera, 1 - occlusion[j, i], f, x, y)
                        r, g, b, count = r + s[0], g + s[1], b + s[2], count + 1
            colour[j, i, 0], colour[j, i, 1], colour[j, i, 2] = r / count, g / count, b / count


@kernel
@no_type_check
def _is_smooth(depth, top, left, k):
    """Whether the samples of a pixel lie within 2 % of the same distance."""
    near, far = depth[top, left], depth[top, left]
    for y in range(top, top + k):
        for x in range(left, left + k):
            near, far = max(near, depth[y, x]), min(far, depth[y, x])
    return near < far * np.float32(1.02)


@kernel
@no_type_check
def cover(triangle, supersample, own, total, main):
    """Coverage 0..255 by any face, and by the faces for which own[face] is 1."""
    height, width = total.shape
    k = supersample
    samples = k * k
    for j in range(height):
        for i in range(width):
            every = mine = 0
            for y in range(j * k, j * k + k):
                for x in range(i * k, i * k + k):
                    f = triangle[y, x]
                    if f >= 0:
                        every += 1
                        mine += own[f]
            total[j, i] = (every * 255 + samples // 2) // samples
            main[j, i] = (mine * 255 + samples // 2) // samples
