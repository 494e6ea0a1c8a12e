"""Skeletons and conversions between them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from metricpose.errors import InputError
from metricpose.skeleton import catalog
from metricpose.skeleton.core import (
    Skeleton,
    joint_pairs,
    mirror_pairs,
    pair_conversion,
    pair_count,
    pair_index,
    pair_map,
    subset_conversion,
    weighted_conversion,
)
from reference.ordinal import order_of

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


def test_pairs_are_the_combinations_in_order() -> None:
    for joints in (2, 5, 17):
        expected = list(itertools.combinations(range(joints), 2))
        assert [tuple(p) for p in joint_pairs(joints).tolist()] == expected
        assert pair_count(joints) == len(expected)
        for place, (a, b) in enumerate(expected):
            assert pair_index(joints, a, b) == (place, 1)
            assert pair_index(joints, b, a) == (place, -1)


@pytest.mark.parametrize(("a", "b"), [(1, 1), (-1, 2), (0, 5)])
def test_no_pair_is_refused(a: int, b: int) -> None:
    with pytest.raises(InputError, match=f"joints {a} and {b} are no pair: expected two different indices below 5"):
        pair_index(5, a, b)


@pytest.mark.parametrize("name", ["metricpose_25", "h36m_17", "coco_17", "lsp_14"])
def test_labels_of_the_mirrored_person_are_the_mirrored_labels(name: str) -> None:
    skeleton = catalog.get(name)
    z = np.random.default_rng(0).normal(0, 300, len(skeleton))
    ones = np.ones(pair_count(len(skeleton)))
    mirrored = mirror_pairs(skeleton)
    order, weights = mirrored.apply(order_of(z, 150.0), ones)
    np.testing.assert_array_equal(order, order_of(z[skeleton.mirror], 150.0))
    np.testing.assert_array_equal(weights, ones)
    np.testing.assert_array_equal(mirrored.apply(order, weights)[0], order_of(z, 150.0))
    assert set(mirrored.sign) == {1, -1}


def test_mirroring_by_hand() -> None:
    """Left hip behind the right one: in the mirror image the left hip is the closer one."""
    place, sign = pair_index(5, MIRRORED.index("l_hip"), MIRRORED.index("r_hip"))
    order, weights = np.zeros(10), np.zeros(10)
    order[place], weights[place] = sign, 0.7
    turned, kept = mirror_pairs(MIRRORED).apply(order, weights)
    assert turned[place] == -sign
    assert kept.tolist() == weights.tolist()


def test_pair_labels_follow_joint_names() -> None:
    source, target = catalog.get("lsp_14"), catalog.get("metricpose_25")
    z = dict(zip(target.joints, np.random.default_rng(1).normal(0, 300, len(target))))
    z["neck"] = 77.0
    given = order_of(np.array([z[j] for j in source.joints]), 100.0)
    weights = np.random.default_rng(2).uniform(0.1, 1, len(given))
    weights[3] = 0
    given[3] = np.nan
    order, carried = pair_conversion(source, target).apply(given, weights)
    expected = order_of(np.array([z[j] for j in target.joints]), 100.0)
    unlabelled = {source.joints[i] for i in joint_pairs(len(source))[3]}
    for place, (a, b) in enumerate(joint_pairs(len(target))):
        names = {target.joints[a], target.joints[b]}
        if names <= set(source.joints) and names != unlabelled:
            index, _ = pair_index(len(source), *(source.index(target.joints[i]) for i in (a, b)))
            assert (order[place], carried[place]) == (expected[place], weights[index])
        else:
            assert (order[place], carried[place]) == (0, 0)
    assert (carried > 0).sum() == pair_count(12 + 1) - 1  # all but the neck, which metricpose_25 lacks, less one label


def test_a_joint_taken_twice_is_no_pair_with_itself() -> None:
    found = pair_map(np.array([1, 1, 0]), 2)
    assert found.sign.tolist() == [0, -1, -1]
