"""Who is who in an image: hand-worked cases of the official rule, and the naive twin on random crowds."""

from __future__ import annotations

import numpy as np
import pytest

import protocol_people as made
from metricpose.errors import InputError
from metricpose.evaluation.association import NOBODY, associate, one_per_box, pick
from metricpose.evaluation.predictions import MISSED
from metricpose.evaluation.protocols import get
from metricpose.skeleton.catalog import MPI_INF_3DHP_17
from reference import protocols as naive

MUPOTS = get("mupots-universal")
GROUP, RULE = MUPOTS.groups[0], MUPOTS.matching_px
assert RULE is not None


def person(x: float, y: float = 300.0) -> np.ndarray:
    """Thirteen joints in a column."""
    return np.stack([np.full(13, x), y + 20.0 * np.arange(13)], -1)


def found(*people: np.ndarray) -> np.ndarray:
    return np.stack(people) if people else np.zeros((0, 13, 2))


def choices(true: np.ndarray, seen: np.ndarray) -> list[int]:
    return pick(true, seen, 40.0).tolist()


def test_the_rule_is_the_official_one() -> None:
    assert RULE.within_px == 40
    assert [MPI_INF_3DHP_17.index(j) for j in RULE.joints] == list(range(1, 14))


def test_everybody_finds_themselves_in_any_order() -> None:
    true = found(person(100), person(500), person(900))
    assert choices(true, true[[2, 0, 1]]) == [1, 2, 0]


def test_extra_people_are_left_and_missed_people_find_nobody() -> None:
    assert choices(found(person(100)), found(person(700), person(100))) == [1]
    assert choices(found(person(100), person(500)), found(person(500))) == [NOBODY, 0]
    assert choices(found(person(100), person(500)), found()) == [NOBODY, NOBODY]
    assert choices(found(), found(person(1))) == []


def test_forty_pixels_are_too_many_in_either_direction() -> None:
    true = found(person(100))
    assert choices(true, found(person(139.9))) == [0]
    assert choices(true, found(person(140))) == [NOBODY]
    # 39 pixels in both directions are 55 pixels, and close enough: the rule is a square.
    assert choices(true, found(person(139, 339))) == [0]
    assert choices(true, found(person(100, 340))) == [NOBODY]


def test_one_joint_is_enough_and_more_joints_win() -> None:
    true, far, near = person(100), person(800), person(800)
    far[4] = true[4]
    assert choices(found(true), found(far)) == [0]
    near[3:6] = true[3:6]
    assert choices(found(true), found(far, near)) == [1]


def test_of_equals_the_first_is_taken() -> None:
    assert choices(found(person(100)), found(person(110), person(100))) == [0]


def test_the_first_annotated_person_chooses_first() -> None:
    """The only prediction is nearer to the second, but as many joints of the first are close."""
    assert choices(found(person(100), person(110)), found(person(110))) == [0, NOBODY]


def test_joints_at_the_origin_or_not_given_do_not_count() -> None:
    origin = np.zeros((13, 2))
    true = found(np.full((13, 2), 10.0))
    assert choices(true, found(origin)) == [NOBODY]
    assert choices(true, found(np.full((13, 2), np.nan))) == [NOBODY]
    only_x = origin.copy()
    only_x[:, 0] = 5.0
    assert choices(true, found(only_x)) == [0]
    lacking = np.full((1, 13, 2), np.nan)
    assert choices(lacking, found(person(1))) == [NOBODY]


def test_the_naive_twin_agrees_on_crowds() -> None:
    rng = np.random.default_rng(0)
    agreed = set()
    for _ in range(60):
        true = rng.uniform(0, 220, (rng.integers(0, 5), 17, 2))
        seen = rng.uniform(0, 220, (rng.integers(0, 6), 17, 2))
        seen[rng.random(seen.shape[:2]) < 0.1] = 0
        expected = [NOBODY if c is None else c for c in naive.matched(list(true), list(seen))]
        assert choices(true[:, 1:14], seen[:, 1:14]) == expected
        agreed.update(expected)
    assert {NOBODY, 0, 3} <= agreed


def test_predictions_follow_their_people_and_the_missed_hold_nothing() -> None:
    joints = made.poses(3, "mpi_inf_3dhp_17", np.random.default_rng(1), 120.0)
    images = ("TS1/0", "TS1/0", "TS2/0")
    true = made.truth(joints, "mpi_inf_3dhp_17", images=images)
    people = made.crowd("mupots-universal", true, ("TS1/0", "TS2/0", "TS1/0"), joints[[1, 2, 1]] + [0, 0, 20.0])
    result = associate(people, GROUP, RULE)
    assert result.extra == 1
    assert result.predictions.flags.tolist() == [MISSED, 0, 0]
    assert np.isnan(result.predictions.joints_abs_mm[0]).all()
    np.testing.assert_allclose(result.predictions.joints_abs_mm[1:], joints[1:] + np.array([0, 0, 20.0]))
    assert result.predictions.truth is true
    assert result.predictions.header.people == 3


def test_people_are_sought_in_their_own_image_only() -> None:
    joints = made.poses(2, "mpi_inf_3dhp_17", np.random.default_rng(2), 120.0)
    true = made.truth(joints, "mpi_inf_3dhp_17", images=("a", "b"))
    people = made.crowd("mupots-universal", true, ("b", "a"), joints)
    assert associate(people, GROUP, RULE).predictions.flags.tolist() == [MISSED, MISSED]


def test_predictions_of_true_boxes_forget_whose_they_were() -> None:
    """The second box holds the first person: the official script cannot know, and gives each their own."""
    joints = made.poses(2, "mpi_inf_3dhp_17", np.random.default_rng(3), 120.0)
    true = made.truth(joints, "mpi_inf_3dhp_17", images=("a", "a"))
    swapped = made.predictions("mupots-universal", true, joints[::-1])
    np.testing.assert_allclose(associate(one_per_box(swapped), GROUP, RULE).predictions.joints_abs_mm, joints)


def test_images_that_the_protocol_does_not_have_are_refused() -> None:
    joints = made.poses(1, "mpi_inf_3dhp_17", np.random.default_rng(4))
    true = made.truth(joints, "mpi_inf_3dhp_17", images=("a",))
    with pytest.raises(InputError, match="images that the protocol does not have: z"):
        made.crowd("mupots-universal", true, ("z",), joints)
