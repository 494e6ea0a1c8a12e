"""Light of a scene: one directional light with a shadow map, sky and ground ambient, a soft fill light.

All intensities are linear RGB irradiance over pi: a white surface facing a light of 1 has radiance 1.
"""

from __future__ import annotations

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Float32, Int32

from metricpose.synthetic.kernel import inlined, kernel
from metricpose.synthetic.raster import bounds, rasterise
from metricpose.synthetic.rotations import unit

SHADOW_SIDE = 256
_BIAS = 0.008  # metres


class Light(NamedTuple):
    """What the shading kernel needs.

    Attributes:
        axes: (3, 3) rows: two axes of the shadow map and the direction to the light.
        origin: (3,) metres, scale: texels per metre.
        shadow: (256, 256) height towards the light above the origin, 0 empty.
        sun, sky, ground, fill: (3,) intensities; fill_direction: (3,) unit.
    """

    axes: np.ndarray
    origin: np.ndarray
    scale: float
    shadow: np.ndarray
    sun: np.ndarray
    sky: np.ndarray
    ground: np.ndarray
    fill: np.ndarray
    fill_direction: np.ndarray


class Ambience(NamedTuple):
    """Colours of light around the person, before the sun's direction is known (see `sample_light`)."""

    above: Float[np.ndarray, " 3"]
    below: Float[np.ndarray, " 3"]
    level: float  # linear radiance of a mid-grey surface
    sunny: float  # sun over ambient, 0 overcast .. 4 hard


def sample_light(
    rng: np.random.Generator,
    ambience: Ambience,
    vertices: Float32[np.ndarray, "n 3"],
    faces: Int32[np.ndarray, "m 3"],
    caster_vertices: int,
    caster_faces: int,
) -> Light:
    """Choose a sun direction and render its shadow map.

    The map covers the first `caster_vertices` vertices (the main person); shadows fall from the first
    `caster_faces` faces. Intensities are set so that 18 % grey under open sky comes out near `ambience.level`.
    """
    elevation, azimuth = np.deg2rad(rng.uniform(25.0, 80.0)), rng.uniform(-np.pi, np.pi)
    horizontal = np.cos(elevation)
    towards = np.array([np.cos(azimuth) * horizontal, np.sin(azimuth) * horizontal, np.sin(elevation)])
    first = unit(np.cross(towards, [0.0, 0.0, 1.0]))
    # Second axis downwards as in images, so that faces that see the light are front faces.
    axes = np.stack([first, np.cross(first, towards), towards])
    screen = np.empty_like(vertices)
    _turn(vertices, axes, screen)
    low, high = bounds(screen[:caster_vertices])
    scale = SHADOW_SIDE / float(max((high - low)[:2]) + 0.1)
    origin = np.array([low[0] - 0.05, low[1] - 0.05, bounds(screen)[0][2] - 2.0])
    _shift(screen, origin, scale)
    shadow = np.zeros((SHADOW_SIDE, SHADOW_SIDE), np.float32)
    rasterise(screen, faces, 0, caster_faces, False, shadow, np.empty(shadow.shape, np.int32))
    return Light(axes, origin, scale, shadow, *_intensities(rng, ambience), unit(rng.normal(size=3)))


def _intensities(rng: np.random.Generator, ambience: Ambience) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    total = ambience.level / 0.18
    share = ambience.sunny / (1.0 + ambience.sunny)
    white = np.exp(rng.normal(0.0, 0.06, 3)) * [1.0, 0.97, 0.92]
    tint = ambience.above / ambience.above.mean()
    sun = total * share * 1.5 * white * (0.6 + 0.4 * tint)  # 1.5: surfaces face the sun at 48 degrees on average
    sky = total * (1.0 - share) * tint
    ground = total * (0.35 + 0.65 * (1.0 - share)) * ambience.below / ambience.below.mean() * rng.uniform(0.3, 0.7)
    fill = np.full(3, total * rng.uniform(0.0, 0.3))
    return sun, sky, ground, fill


@kernel
@no_type_check
def _turn(points, rotation, out):
    for i in range(len(points)):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        for k in range(3):
            out[i, k] = rotation[k, 0] * x + rotation[k, 1] * y + rotation[k, 2] * z


@kernel
@no_type_check
def _shift(points, origin, scale):
    """Light coordinates, metres, to texels and height above the origin, in place."""
    for i in range(len(points)):
        points[i, 0] = (points[i, 0] - origin[0]) * scale
        points[i, 1] = (points[i, 1] - origin[1]) * scale
        points[i, 2] = points[i, 2] - origin[2]


@inlined
@no_type_check
def shadowed(light, x, y, z, bias):
    """Share (0..1) of the direct light that is blocked at a world point; bilinear between four texels."""
    axes, origin, shadow = light.axes, light.origin, light.shadow
    u = (axes[0, 0] * x + axes[0, 1] * y + axes[0, 2] * z - origin[0]) * light.scale
    v = (axes[1, 0] * x + axes[1, 1] * y + axes[1, 2] * z - origin[1]) * light.scale
    n = shadow.shape[0]
    if u < 0 or v < 0 or u >= n - 1 or v >= n - 1:
        return 0.0
    height = axes[2, 0] * x + axes[2, 1] * y + axes[2, 2] * z - origin[2] + bias
    i, j = int(u), int(v)
    fu, fv = u - i, v - j
    blocked = 0.0
    if shadow[j, i] > height:
        blocked += (1 - fu) * (1 - fv)
    if shadow[j, i + 1] > height:
        blocked += fu * (1 - fv)
    if shadow[j + 1, i] > height:
        blocked += (1 - fu) * fv
    if shadow[j + 1, i + 1] > height:
        blocked += fu * fv
    return blocked


@inlined
@no_type_check
def direct_light(light, x, y, z, nx, ny, nz):
    """Cosine times visibility of the directional light at a surface point."""
    cosine = nx * light.axes[2, 0] + ny * light.axes[2, 1] + nz * light.axes[2, 2]
    if cosine <= 0:
        return 0.0
    return cosine * (1 - shadowed(light, x + nx * 0.012, y + ny * 0.012, z + nz * 0.012, _BIAS))


@kernel
@no_type_check
def shade_ground(image, rotation, centre, focal, cx, cy, light, darkness, contacts, contact_darkness, reach, covered):
    """Darken the pixels that see the ground plane z = 0 in shadow, within `reach` metres of contacts[0].

    contacts: (n, 4) x, y, 1/radius^2, strength of soft dark spots under what stands on the ground.
    covered: (h, w) pixels with coverage 255 are left alone.
    """
    height, width = covered.shape
    for j in range(height):
        y = (j - cy) / focal
        for i in range(width):
            if covered[j, i] == 255:
                continue
            x = (i - cx) / focal
            dz = rotation[0, 2] * x + rotation[1, 2] * y + rotation[2, 2]
            if dz > -0.02:
                continue
            t = -centre[2] / dz
            gx = centre[0] + t * (rotation[0, 0] * x + rotation[1, 0] * y + rotation[2, 0])
            gy = centre[1] + t * (rotation[0, 1] * x + rotation[1, 1] * y + rotation[2, 1])
            if (gx - contacts[0, 0]) ** 2 + (gy - contacts[0, 1]) ** 2 > reach * reach:
                continue
            blocked = 0.0
            for q in range(4):
                blocked += 0.25 * shadowed(light, gx + 0.012 * (q % 2) * t, gy + 0.012 * (q // 2) * t, 0.01, 0.0)
            spot = 0.0
            for b in range(len(contacts)):
                d2 = ((gx - contacts[b, 0]) ** 2 + (gy - contacts[b, 1]) ** 2) * contacts[b, 2]
                if d2 < 6:
                    spot += contacts[b, 3] / (1 + d2 * d2)
            k = np.float32((1 - darkness * blocked) * (1 - contact_darkness * min(1.0, spot)))
            image[j, i, 0] *= k
            image[j, i, 1] *= k
            image[j, i, 2] *= k
