from __future__ import annotations

import numpy as np
import pytest

from metricpose.synthetic.person import Cast, Person, make_person
from metricpose.synthetic.raster import bounds


@pytest.fixture(scope="module")
def people(cast: Cast) -> list[Person]:
    return [make_person(np.random.default_rng(seed), cast, (1.5, -0.7)) for seed in range(15)]


def test_everybody_stands_on_the_ground_at_their_place(people: list[Person], cast: Cast) -> None:
    for person in people:
        lowest = min(bounds(part.vertices)[0][2] for part in person.parts)
        assert lowest == pytest.approx(0.0, abs=1e-5) or person.pose.kind == "jump" or lowest > 0
        assert person.head(cast.body, "root")[:2] == pytest.approx([1.5, -0.7])
    on_ground = [min(bounds(p.parts[0].vertices)[0][2], 1.0) < 1e-5 for p in people]
    assert np.mean(on_ground) > 0.7


def test_joints_lie_inside_the_skin_box(people: list[Person]) -> None:
    for person in people:
        low, high = bounds(person.parts[0].vertices)
        margin = 0.06 * person.scale  # the crown joint of Human3.6M sits above some skulls
        assert (person.joints > low - margin).all()
        assert (person.joints < high + margin).all()


def test_normals_are_unit_and_mostly_outward(people: list[Person]) -> None:
    for person in people[:5]:
        for part in person.parts:
            np.testing.assert_allclose(np.linalg.norm(part.normals, axis=1), 1.0, atol=1e-4)
        part = person.parts[0]
        a, b, c = (part.vertices[part.faces[:, k]] for k in range(3))
        flat = np.cross(b - a, c - a)
        assert ((flat * part.normals[part.faces[:, 0]]).sum(1) > 0).mean() > 0.95


def test_material_rows_exist(people: list[Person]) -> None:
    for person in people:
        for part in person.parts:
            assert part.rows.max() < len(person.outfit.materials)
            assert part.rows.min() >= -1
            assert len(part.rows) == len(part.faces) == len(part.controls)


def test_shape_and_pose_vary(people: list[Person]) -> None:
    assert np.ptp([p.stature for p in people]) > 0.3
    assert len({p.pose.kind for p in people}) > 4
