from __future__ import annotations

import numpy as np
import pytest

from metricpose.synthetic import painted
from metricpose.synthetic.body import Body, Shape
from metricpose.synthetic.noise import noise_table
from metricpose.synthetic.painted import naked, region, thicken
from metricpose.synthetic.raster import vertex_normals


def dressed() -> np.ndarray:
    """T-shirt, shorts, shoes, short hair."""
    cut = naked()
    cut[painted.SLEEVE], cut[painted.HEM], cut[painted.NECK], cut[painted.NECK_SLOPE] = 0.5, 0.05, 0.55, 0.2
    cut[painted.LEG_END], cut[painted.WAIST], cut[painted.SHOE_TOP] = -0.3, 0.15, -0.74
    cut[painted.HAIR_FRONT], cut[painted.HAIR_BACK] = 0.79, 0.66
    return cut[None]


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ((0.05, -0.1, 0.3, 0.1, 0.0), painted.TOP),
        ((0.1, 0.0, -0.2, -1.0, 0.0), painted.BOTTOM),
        ((0.1, 0.0, -0.5, -1.0, 0.0), painted.SKIN),
        ((0.1, -0.1, -0.78, -1.0, 0.0), painted.SHOE),
        ((0.1, -0.1, -0.83, -1.0, 0.0), painted.SOLE),
        ((0.3, 0.0, 0.4, 0.3, -1.0), painted.TOP),
        ((0.4, 0.0, 0.3, 1.2, -1.0), painted.SKIN),
        ((0.0, 0.0, 0.84, 0.0, 1.0), painted.HAIR),
        ((0.0, -0.12, 0.7, 0.0, 1.0), painted.SKIN),
    ],
)
def test_regions_of_a_dressed_person(point: tuple[float, ...], expected: int) -> None:
    assert region(*point, dressed(), 0) == expected
    assert region(*point, naked()[None], 0) == painted.SKIN


def test_left_and_right_are_dressed_alike() -> None:
    rng = np.random.default_rng(0)
    for x, y, z in rng.uniform([-0.3, -0.15, -0.84], [0.3, 0.1, 0.55], (200, 3)):
        assert region(x, y, z, 0.0, 0.0, dressed(), 0) == region(-x, y, z, 0.0, 0.0, dressed(), 0)


def test_only_painted_vertices_are_thickened(body: Body, adult: Shape) -> None:
    rest = np.ascontiguousarray(adult.vertices[body.surface_vertices])
    attributes = body.surface.welded_attributes
    normals, out = np.empty_like(rest), np.empty_like(rest)
    vertex_normals(rest, body.surface.welded_faces, normals)
    thickness = np.array([0.01, 0.02, 0.015, 0.006])
    thicken(attributes, rest, normals, dressed(), thickness, 0.0, noise_table(), 0.3, out)
    moved = np.linalg.norm(out - rest, axis=1)
    bare = np.array([region(*a[:5], dressed(), 0) == painted.SKIN for a in attributes])
    assert moved[bare].max() == 0.0
    shoe = np.array([region(*a[:5], dressed(), 0) in (painted.SHOE, painted.SOLE) for a in attributes])
    np.testing.assert_allclose(moved[shoe], 0.006, atol=1e-6)
