from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from metricpose.synthetic.materials import Material
from metricpose.synthetic.person import Cast, Part, make_person
from metricpose.synthetic.props import Prop, clutter, held_object, seat_under
from metricpose.synthetic.rotations import rot_z


def volume(part: Part) -> float:
    """Signed volume by the divergence theorem: positive if all faces look outwards."""
    a, b, c = (part.vertices[part.faces[:, k]].astype(float) for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def empty() -> Prop:
    return Prop(Material(np.ones(3)))


def test_solids_are_closed_and_face_outwards() -> None:
    box = empty().box(np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.4, 0.3]), rot_z(0.4)).part()
    assert volume(box) == pytest.approx(0.06, rel=1e-4)
    rod = empty().rod(np.array([0.2, 0.1, 0.0]), np.array([0.5, -0.3, 1.2]), 0.1, sides=12).part()
    length = np.linalg.norm([0.3, -0.4, 1.2])
    assert volume(rod) == pytest.approx(12 / 2 * np.sin(2 * np.pi / 12) * 0.01 * length, rel=1e-3)
    ball = empty().ball(np.array([0.3, 0.2, 0.1]), np.array([0.2, 0.3, 0.4])).part()
    assert volume(ball) == pytest.approx(ConvexHull(ball.vertices).volume, rel=1e-3)
    np.testing.assert_allclose(np.linalg.norm(box.normals, axis=1), 1.0, atol=1e-5)


def test_boxes_in_a_mirrored_frame_face_outwards_too() -> None:
    size, frame = np.array([0.5, 0.4, 0.3]), rot_z(0.4)
    right = empty().box(np.zeros(3), size, frame).part()
    left = empty().box(np.zeros(3), size, frame * [-1.0, 1.0, 1.0]).part()
    assert volume(left) == pytest.approx(volume(right), rel=1e-4)
    middle = left.vertices[left.faces].mean(1)
    assert ((left.normals[left.faces[:, 0]] * middle).sum(1) > 0).all()


@pytest.mark.parametrize("side", ["L", "R"])
def test_held_things_face_outwards_in_either_hand(cast: Cast, side: str) -> None:
    phones = 0
    for seed in range(80):
        person = make_person(np.random.default_rng(seed), cast)
        if "LR"[int(np.random.default_rng(seed).integers(2))] != side:
            continue
        prop = held_object(np.random.default_rng(seed), cast.body, person)
        part = prop.part()
        assert volume(part) > 0
        phones += len(part.vertices) == 24
    assert phones > 3


def test_parts_of_a_prop_are_gathered() -> None:
    prop = empty().box(np.zeros(3), np.ones(3)).ball(np.array([3.0, 0, 0]), np.ones(3))
    part = prop.part()
    assert part.faces.max() == len(part.vertices) - 1
    assert (part.controls == -1).all()
    assert (part.rows == 0).all()


def test_sitting_people_get_a_seat_that_ends_below_them(cast: Cast) -> None:
    seats = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        person = make_person(rng, cast)
        if not person.pose.seated:
            continue
        seat = seat_under(rng, cast.body, person)
        assert seat is not None
        seats += 1
        part = seat.part()
        pelvis = person.head(cast.body, "root")
        assert part.vertices[:, 2].min() == pytest.approx(0.0, abs=1e-5)
        assert 0.5 * pelvis[2] < part.vertices[:, 2].max() < pelvis[2] + 0.7
    assert seats > 8


def test_held_things_are_near_a_hand_and_above_the_ground(cast: Cast) -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        person = make_person(rng, cast)
        part = held_object(rng, cast.body, person).part()
        hands = np.stack([person.head(cast.body, f"wrist.{s}") for s in "LR"])
        distance = np.linalg.norm(part.vertices[:, None] - hands, axis=2).min()
        assert distance < 0.45
        if (hands[:, 2] > 0.15).all():
            assert part.vertices[:, 2].min() > -0.25


def test_clutter_stands_on_the_ground() -> None:
    for seed in range(30):
        part = clutter(np.random.default_rng(seed), np.array([4.0, -2.0]), 1.0).part()
        assert part.vertices[:, 2].min() == pytest.approx(0.0, abs=0.05)
        assert np.abs(part.vertices[:, :2].mean(0) - [4.0, -2.0]).max() < 0.3
