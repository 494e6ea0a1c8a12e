from __future__ import annotations

import numpy as np
import pytest

from metricpose.synthetic.raster import barycentric, bounds, project, rasterise, rasterise_cards, vertex_normals
from reference.rendering import z_buffer


def random_triangles(seed: int, count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Screen points around a 23 x 31 picture, some outside it, some behind the camera."""
    rng = np.random.default_rng(seed)
    points = np.stack(
        [rng.uniform(-12, 43, 3 * count), rng.uniform(-12, 35, 3 * count), rng.uniform(-0.1, 1.0, 3 * count)], 1
    )
    return points.astype(np.float32), np.arange(3 * count, dtype=np.int32).reshape(-1, 3)


@pytest.mark.parametrize("two_sided", [False, True])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_z_buffer_equals_the_naive_one(seed: int, two_sided: bool) -> None:
    points, faces = random_triangles(seed)
    depth, triangle = np.zeros((23, 31), np.float32), np.full((23, 31), -1, np.int32)
    rasterise(points, faces, 0, len(faces), two_sided, depth, triangle)
    naive_depth, naive_triangle = z_buffer(points, faces, 23, 31, two_sided)
    # Sums along a row differ from direct evaluation in the last bits: edge pixels may fall either way.
    same = triangle == naive_triangle
    assert same.mean() > 0.99
    np.testing.assert_allclose(depth[same], naive_depth[same], atol=2e-5)
    assert (triangle >= 0).mean() > 0.5


def test_only_the_asked_faces_are_drawn() -> None:
    points, faces = random_triangles(5)
    depth, triangle = np.zeros((23, 31), np.float32), np.full((23, 31), -1, np.int32)
    rasterise(points, faces, 20, 40, True, depth, triangle)
    drawn = triangle[triangle >= 0]
    assert drawn.min() >= 20
    assert drawn.max() < 40


def test_barycentric_weights_are_perspective_correct() -> None:
    rng = np.random.default_rng(3)
    corners = np.array([[-0.4, -0.3, 2.0], [0.9, -0.2, 5.0], [0.1, 0.8, 3.0]])
    weights = rng.dirichlet(np.ones(3))
    x, y, z = weights @ corners
    screen = np.stack([100 * corners[:, 0] / corners[:, 2], 100 * corners[:, 1] / corners[:, 2], 1 / corners[:, 2]], 1)
    found = barycentric(screen, np.array([[0, 1, 2]]), 0, 100 * x / z, 100 * y / z)
    assert found == pytest.approx(weights, abs=1e-9)


def test_projection_and_what_lies_behind() -> None:
    rotation = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]])
    world = np.array([[-2.0, 0.5, 0.25], [3.0, 0.0, 0.0]], np.float32)
    out = np.empty_like(world)
    project(world, rotation, np.array([0.1, 0.2, 0.3]), 50.0, 7.0, 9.0, out)
    x, y, z = rotation @ world[0] + [0.1, 0.2, 0.3]
    assert out[0] == pytest.approx([50 * x / z + 7, 50 * y / z + 9, 1 / z], rel=1e-6)
    assert out[1, 2] <= 0


def test_normals_of_a_tetrahedron_point_outwards() -> None:
    vertices = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], np.float32)
    faces = np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]], np.int32)
    normals = np.empty_like(vertices)
    vertex_normals(vertices, faces, normals)
    np.testing.assert_allclose(normals, vertices / np.sqrt(3), atol=1e-6)


def test_bounds_equal_numpys() -> None:
    points = np.random.default_rng(0).normal(size=(101, 3)).astype(np.float32)
    low, high = bounds(points)
    np.testing.assert_array_equal(low, points.min(0))
    np.testing.assert_array_equal(high, points.max(0))


def test_cards_have_holes_where_the_texture_is_clear() -> None:
    points = np.array([[0, 0, 1], [15, 0, 1], [15, 15, 1], [0, 15, 1]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    attributes = np.zeros((4, 7), np.float32)
    attributes[:, 5:] = [[0, 0], [1, 0], [1, 1], [0, 1]]
    texture = np.zeros((8, 8, 4), np.uint8)
    texture[:, :4, 3] = 255
    depth, triangle = np.zeros((16, 16), np.float32), np.full((16, 16), -1, np.int32)
    rasterise_cards(points, faces, 0, 2, attributes, texture, depth, triangle)
    assert (triangle[1:15, 1:7] >= 0).all()
    assert (triangle[:, 8:] < 0).all()
