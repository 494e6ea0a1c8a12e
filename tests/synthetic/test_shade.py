from __future__ import annotations

import numpy as np
import pytest

from metricpose.synthetic import materials as m
from metricpose.synthetic.lighting import Light
from metricpose.synthetic.materials import Material, rows_of
from metricpose.synthetic.noise import noise_table
from metricpose.synthetic.painted import HEM, NECK, SLEEVE, TOP, naked
from metricpose.synthetic.pictures import TO_LINEAR
from metricpose.synthetic.raster import project, rasterise
from metricpose.synthetic.shade import Geometry, Looks, cover, shade

SUN, SKY, GROUND = np.array([0.9, 0.8, 0.7]), np.array([0.1, 0.2, 0.3]), np.array([0.05, 0.04, 0.02])
HEIGHT, WIDTH, SUPERSAMPLE = 12, 17, 2


def light(towards: np.ndarray) -> Light:
    """A sun that nothing blocks."""
    axes = np.stack([np.eye(3)[0], np.eye(3)[1], towards])
    empty = np.zeros((8, 8), np.float32)
    return Light(axes, np.full(3, -50.0), 0.01, empty, SUN, SKY, GROUND, np.zeros(3), np.array([0.0, 0.0, 1.0]))


def wall(tilt: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A 2 x 1 m rectangle 4 m in front of a camera at the origin that looks along +y; turned about z by `tilt`."""
    local = np.array([[-1.0, 0.0, -0.5], [1.0, 0.0, -0.5], [1.0, 0.0, 0.5], [-1.0, 0.0, 0.5]])
    turn = np.array([[np.cos(tilt), -np.sin(tilt), 0], [np.sin(tilt), np.cos(tilt), 0], [0, 0, 1]])
    vertices = local @ turn.T + [0.0, 4.0, 0.0]
    return vertices.astype(np.float32), np.array([[0, 1, 2], [0, 2, 3]], np.int32), turn @ [0.0, -1.0, 0.0]


def render(
    material: Material, sun: Light, tilt: float = 0.0, textures: np.ndarray | None = None, row: int = 0, cut=None
):
    vertices, faces, normal = wall(tilt)
    attributes = np.zeros((4, 7), np.float32)
    attributes[:, :3] = wall()[0] - [0.0, 4.0, 0.0]
    attributes[:, 5:] = [[0, 1], [1, 1], [1, 0], [0, 0]]
    normals = np.tile(normal.astype(np.float32), (4, 1))
    rows, groups = np.full(2, row, np.int32), np.zeros(2, np.int32)
    geometry = Geometry(vertices, normals, attributes, faces, rows, groups)
    textures = np.full((1, 4, 4, 4), 255, np.uint8) if textures is None else textures
    fabrics = np.full((1, 64, 64, 3), 0.25, np.float32)
    materials = rows_of([material] * 2 if row >= 0 else [Material(np.full(3, 0.5), gloss=0.0)] + [material] * 6)
    cuts = (naked() if cut is None else cut)[None]
    looks = Looks(materials, cuts, np.zeros(1, np.float32), fabrics, textures, TO_LINEAR, noise_table())
    rotation = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
    k = SUPERSAMPLE
    points = np.empty_like(vertices)
    project(vertices, rotation, np.zeros(3), 20.0 * k, (8.0 + 0.5) * k - 0.5, (5.0 + 0.5) * k - 0.5, points)
    depth, triangle = np.zeros((HEIGHT * k, WIDTH * k), np.float32), np.full((HEIGHT * k, WIDTH * k), -1, np.int32)
    rasterise(points, faces, 0, 2, False, depth, triangle)
    covered, mine = np.zeros((HEIGHT, WIDTH), np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8)
    cover(triangle, k, np.zeros(2, np.uint8), covered, mine)
    colour = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    shade(
        depth,
        triangle,
        k,
        geometry,
        points,
        looks,
        sun,
        np.zeros(3),
        np.zeros((HEIGHT, WIDTH), np.float32),
        colour,
        covered,
    )
    return colour, covered, mine


def test_a_matt_wall_has_the_closed_form_colour() -> None:
    towards = np.array([0.0, -0.8, 0.6])
    albedo = np.array([0.5, 0.3, 0.2])
    colour, covered, mine = render(Material(albedo, gloss=0.0), light(towards))
    inside = covered == 255
    assert 40 < inside.sum() < 60
    assert mine.max() == 0
    expected = albedo * (SUN * 0.8 + 0.5 * SKY + 0.5 * GROUND)
    middle = colour[5, 8]
    assert middle == pytest.approx(expected, abs=2e-3)  # the rim light is nearly zero head on
    assert (colour[covered == 0] == 0).all()


def test_light_from_behind_leaves_the_ambient() -> None:
    colour, _, _ = render(Material(np.full(3, 0.5), gloss=0.0), light(np.array([0.0, 0.8, 0.6])))
    assert colour[5, 8] == pytest.approx(0.25 * (SKY + GROUND), abs=2e-3)


def test_coverage_counts_samples() -> None:
    _, covered, _ = render(Material(np.full(3, 0.5)), light(np.array([0.0, -1.0, 0.0])))
    # 2 x 1 m at 4 m with 20 px focal length: x from 8 - 5 to 8 + 5, y from 5 - 2.5 to 5 + 2.5 pixels.
    assert set(np.unique(covered)) <= {0, 64, 128, 191, 255}
    assert covered.sum() / 255 == pytest.approx(50.0, abs=8.0)
    assert (covered[3:7, 4:13] == 255).all()


def test_a_texture_is_read_upright_and_in_linear_light() -> None:
    texture = np.full((1, 4, 4, 4), 255, np.uint8)
    texture[0, :2, :, :3] = [200, 100, 50]
    colour, _, _ = render(
        Material(np.ones(3), gloss=0.0, texture=0), light(np.array([0.0, -1.0, 0.0])), textures=texture
    )
    incident = SUN + 0.5 * SKY + 0.5 * GROUND
    assert colour[3, 8] == pytest.approx(incident * (np.array([200, 100, 50]) / 255) ** 2.2, rel=0.02)
    assert colour[7, 8] == pytest.approx(incident, rel=0.02)


def test_recolouring_keeps_only_the_luminance() -> None:
    texture = np.full((1, 4, 4, 4), 255, np.uint8)
    texture[0, :, :, :3] = [255, 0, 0]
    material = Material(np.array([0.1, 0.4, 0.2]), gloss=0.0, texture=0, recolour=True, inverse_luminance=2.0)
    colour, _, _ = render(material, light(np.array([0.0, -1.0, 0.0])), textures=texture)
    incident = SUN + 0.5 * SKY + 0.5 * GROUND
    assert colour[5, 8] == pytest.approx(0.6 * np.array([0.1, 0.4, 0.2]) * incident, rel=0.02)


@pytest.mark.parametrize(
    ("pattern", "parameter"), [(m.STRIPES, 0.5), (m.YOKE, 0.0), (m.PRINT, 0.1), (m.FABRIC, 0.5), (m.CHECKS, 0.5)]
)
def test_patterns_mix_two_colours(pattern: int, parameter: float) -> None:
    first, second = np.full(3, 0.8), np.full(3, 0.1)
    material = Material(first, second, pattern, 1.3, parameter, gloss=0.0)
    colour, covered, _ = render(material, light(np.array([0.0, -1.0, 0.0])))
    level = colour[covered == 255] / (SUN + 0.5 * SKY + 0.5 * GROUND)
    if pattern == m.FABRIC:
        assert level == pytest.approx(0.25, abs=0.01)
    elif pattern == m.PRINT:  # the wall's template y is 0: behind the chest
        assert level == pytest.approx(0.8, abs=0.01)
    else:
        assert level.min() < 0.5 < level.max()


def test_painted_skin_takes_the_material_of_its_region() -> None:
    cut = naked()
    cut[SLEEVE], cut[HEM], cut[NECK] = 9.0, 0.0, 0.9
    assert TOP == 1
    colour, _, _ = render(Material(np.full(3, 0.1), gloss=0.0), light(np.array([0.0, -1.0, 0.0])), row=-1, cut=cut)
    incident = SUN + 0.5 * SKY + 0.5 * GROUND
    assert colour[7, 8] == pytest.approx(0.5 * incident, rel=0.02)  # below the hem: skin
    assert colour[3, 8] == pytest.approx(0.1 * incident, rel=0.03)
