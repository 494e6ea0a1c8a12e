from __future__ import annotations

import numpy as np
import pytest

from metricpose.synthetic.camera_sampler import View
from metricpose.synthetic.lighting import Light
from metricpose.synthetic.materials import Material
from metricpose.synthetic.person import Cast, Person, make_person
from metricpose.synthetic.props import Prop
from metricpose.synthetic.render import Assembly, Drawing, assemble, coverage, draw, make_looks, paint

LOOK = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
VIEW = View(LOOK, np.array([0.0, 1.0, 4.0]), 70.0, 30.0, 33.0, 64, 64)
BLANK = np.full((1, 512, 512, 4), 255, np.uint8)


@pytest.fixture(scope="module")
def person(cast: Cast) -> Person:
    return make_person(np.random.default_rng(4), cast)


@pytest.fixture(scope="module")
def scene(person: Person) -> tuple[Assembly, Drawing]:
    box = Prop(Material(np.full(3, 0.5))).box(np.array([0.5, 0.8, 0.5]), np.array([0.6, 0.6, 1.0]))
    assembly = assemble([person], [box])
    return assembly, draw(assembly, VIEW, 2, BLANK)


def test_rows_and_groups_follow_the_order(person: Person, scene: tuple[Assembly, Drawing]) -> None:
    assembly, _ = scene
    count = len(person.outfit.materials)
    assert len(assembly.materials) == count + 1
    props = assembly.geometry.groups == 1
    assert props.sum() == 12
    assert (assembly.geometry.rows[props] == count).all()
    assert (assembly.controls[props] == -1).all()
    body_rows = assembly.geometry.rows[~props]
    assert (body_rows[body_rows < 0] == -1).all()
    assert assembly.main == len(person.parts[0].vertices)
    assert assembly.solid == len(assembly.geometry.faces)


def test_painted_rows_of_a_second_person_start_after_the_first(person: Person) -> None:
    assembly = assemble([person, person], [])
    second = assembly.geometry.rows[assembly.geometry.groups == 1]
    assert second.min() == -1 - len(person.outfit.materials)


def test_drawing_agrees_with_the_projection(scene: tuple[Assembly, Drawing]) -> None:
    assembly, drawing = scene
    corner = np.array([[0.2, 0.5, 1.0]])  # front top left corner of the box: the triangle there is the box's
    column, row = drawing.sample_index(VIEW.project(corner) + 1.0)[0]
    assert assembly.geometry.groups[drawing.triangle[row, column]] == 1
    assert 1 / drawing.depth[row, column] == pytest.approx(4.5, abs=1e-3)
    column, row = drawing.sample_index(VIEW.project(corner) + np.array([1.0, -1.5]))[0]
    face = drawing.triangle[row, column]
    assert face < 0 or assembly.geometry.groups[face] == 0 or 1 / drawing.depth[row, column] > 4.5


def test_sample_positions_are_those_of_the_pixel_grid(scene: tuple[Assembly, Drawing]) -> None:
    _, drawing = scene
    # Pixel 3 spans [2.5, 3.5]: its two samples along x are 6 and 7.
    assert drawing.sample_index(np.array([[2.6, 3.4]])).tolist() == [[6, 7]]


def test_coverage_and_colour(person: Person, scene: tuple[Assembly, Drawing]) -> None:
    assembly, drawing = scene
    covered, mine = coverage(assembly, drawing, np.array([True, False]))
    assert (mine <= covered).all()
    assert 0 < mine.sum() < covered.sum()
    fabrics = [np.full((64, 64, 3), 0.3, np.float32)] * 2
    looks = make_looks([person], assembly, fabrics, np.zeros(2), BLANK)
    half, dark = np.full(3, 0.5), np.zeros(3)
    light = Light(
        np.eye(3), np.full(3, -50.0), 0.01, np.zeros((8, 8), np.float32), half, half, half, dark, np.eye(3)[2]
    )
    colour = paint(assembly, drawing, looks, light, covered, person.scale)
    assert (colour[covered == 0] == 0).all()
    assert (colour[covered > 0].max(1) > 0).all()
    assert np.isfinite(colour).all()
    # The box's front wall is vertical: half sky, half ground, no sun.
    column, row = np.round(VIEW.project(np.array([[0.6, 0.5, 0.6]]))[0]).astype(int)
    assert colour[row, column] == pytest.approx(0.25, abs=0.08)
