"""Skeletons and conversions between them."""

from __future__ import annotations

import numpy as np
import pytest

from metricpose.errors import InputError
from metricpose.skeleton.core import Skeleton, subset_conversion, weighted_conversion

MIRRORED = Skeleton("pair", ("l_hip", "pelvis", "r_hip", "r_eye", "l_eye"), (1, -1, 1, 1, 1), "test", "a")
TARGET = Skeleton("target", ("pelvis", "head", "l_hip", "tail", "r_hip"), (-1, 0, 0, 0, 0), "test", "b")


def skeleton(joints: tuple[str, ...], parents: tuple[int, ...]) -> Skeleton:
    return Skeleton("odd", joints, parents, "test", "a")


def test_edges_root_sides_and_mirror() -> None:
    assert MIRRORED.edges == ((1, 0), (1, 2), (1, 3), (1, 4))
    assert MIRRORED.root == 1
    assert MIRRORED.sides == ("left", "centre", "right", "right", "left")
    assert MIRRORED.mirror.tolist() == [2, 1, 0, 4, 3]
    assert len(MIRRORED) == 5
    assert MIRRORED.index("r_eye") == 3


def test_root_without_a_pelvis_is_the_root_of_the_tree() -> None:
    assert skeleton(("head", "neck"), (1, -1)).root == 1


def test_mirror_is_its_own_inverse() -> None:
    np.testing.assert_array_equal(MIRRORED.mirror[MIRRORED.mirror], np.arange(5))


@pytest.mark.parametrize(
    ("joints", "parents", "message"),
    [
        (("pelvis", "head"), (-1,), "2 joints but 1 parents"),
        (("pelvis", "pelvis"), (-1, 0), "joint names repeat"),
        (("pelvis", "head"), (-1, 2), "parent 2 of head is not a joint index"),
        (("pelvis", "head"), (-1, -2), "parent -2 of head"),
        (("pelvis", "l_hip"), (-1, 0), r"no mirror partner for \['l_hip'\]"),
        (("pelvis", "head"), (-1, -1), "2 joints have no parent; expected one root"),
        (("pelvis", "head"), (1, 0), "0 joints have no parent"),
        (("pelvis", "head", "neck"), (-1, 2, 1), "run in a circle"),
        (("pelvis", "head"), (-1, 1), "run in a circle"),
    ],
)
def test_bad_skeletons_are_refused(joints: tuple[str, ...], parents: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        skeleton(joints, parents)


def test_unknown_joint_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="has no joint 'tail'; it has l_hip, pelvis"):
        MIRRORED.index("tail")


def test_subset_conversion_picks_equal_names_and_marks_the_rest() -> None:
    joints = np.random.default_rng(0).normal(size=(2, 3, 5, 3))
    conversion = subset_conversion(MIRRORED, TARGET)
    out = conversion.apply(joints)
    assert conversion.valid.tolist() == [True, False, True, False, True]
    np.testing.assert_array_equal(out[..., [0, 2, 4], :], joints[..., [1, 0, 2], :])
    assert np.isnan(out[..., [1, 3], :]).all()


def test_weighted_conversion_is_the_weighted_sum_and_follows_translation() -> None:
    rows = {"pelvis": {"l_hip": 0.5, "r_hip": 0.5}, "head": {"pelvis": -0.25, "r_eye": 1.25}}
    conversion = weighted_conversion(MIRRORED, TARGET, rows)
    joints = np.random.default_rng(1).normal(size=(5, 3))
    out = conversion.apply(joints)
    np.testing.assert_allclose(out[0], (joints[0] + joints[2]) / 2)
    np.testing.assert_allclose(out[1], 1.25 * joints[3] - 0.25 * joints[1])
    assert np.isnan(out[2:]).all()
    np.testing.assert_allclose(conversion.apply(joints + 1000.0)[:2], out[:2] + 1000.0)


def test_weights_rounded_to_three_digits_are_made_to_sum_to_one() -> None:
    conversion = weighted_conversion(MIRRORED, TARGET, {"head": {"r_eye": 0.3333, "l_eye": 0.6669}})
    np.testing.assert_allclose(conversion.matrix[1].sum(), 1.0, atol=1e-15)


def test_a_missing_joint_spoils_only_what_uses_it() -> None:
    rows = {"pelvis": {"l_hip": 0.5, "r_hip": 0.5}, "head": {"r_eye": 1.0}}
    joints = np.random.default_rng(2).normal(size=(2, 5, 3))
    joints[0, 2, 1] = np.nan
    joints[1, 4] = np.inf  # no target uses it
    out = weighted_conversion(MIRRORED, TARGET, rows).apply(joints)
    assert np.isnan(out[0, 0]).all()
    np.testing.assert_array_equal(out[0, 1], joints[0, 3])
    assert np.isfinite(out[1, :2]).all()


def test_marks_follow_single_joints_and_not_mixtures() -> None:
    rows = {"pelvis": {"l_hip": 0.5, "r_hip": 0.5}, "head": {"r_eye": 1.0}}
    marks = np.array([[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]], np.uint8)
    carried = weighted_conversion(MIRRORED, TARGET, rows).carry(marks, otherwise=255)
    assert carried.tolist() == [[255, 4, 255, 255, 255], [255, 9, 255, 255, 255]]
    assert carried.dtype == np.uint8


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"head": {"r_eye": 0.5}}, r"weights of head sum to 0.5000, not 1"),
        ({"ear": {"r_eye": 1.0}}, "target has no joint 'ear'"),
        ({"head": {"ear": 1.0}}, "pair has no joint 'ear'"),
    ],
)
def test_bad_tables_are_refused(rows: dict[str, dict[str, float]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        weighted_conversion(MIRRORED, TARGET, rows)
