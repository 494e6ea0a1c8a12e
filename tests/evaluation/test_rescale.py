"""Sizes of predictions: hand-worked lengths, the naive twin of the bone traversal, degenerate poses."""

from __future__ import annotations

import numpy as np
import pytest

from metricpose.errors import InputError
from metricpose.evaluation.rescale import knee_neck, rescaled, with_bones_of
from metricpose.skeleton.catalog import COCO_17, MPI_INF_3DHP_17
from reference import protocols as naive

RNG = np.random.default_rng(0)
TRUE, PREDICTED = (RNG.normal(0, 300, (4, 17, 3)) + np.array([[[0, 0, 4000.0]]]) for _ in range(2))


def pose() -> np.ndarray:
    """Left thigh 400, pelvis to spine 200, spine to neck 320 mm: 920; hips 100 mm from the pelvis, which count not."""
    joints = np.zeros((1, 17, 3))
    places = {"l_hip": (100, 0, 0), "l_knee": (100, 400, 0), "spine": (0, -200, 0), "neck": (0, -520, 0)}
    places |= {"r_hip": (-100, 0, 0), "r_knee": (-100, 900, 0)}
    for name, place in places.items():
        joints[0, MPI_INF_3DHP_17.index(name)] = place
    return joints


def test_knee_to_neck_by_hand() -> None:
    assert knee_neck(pose(), MPI_INF_3DHP_17).tolist() == [920.0]
    assert knee_neck(TRUE, MPI_INF_3DHP_17).tolist() == pytest.approx([naive.knee_neck(p) for p in TRUE])
    with pytest.raises(InputError, match="coco_17 has no joint 'pelvis'"):
        knee_neck(np.zeros((1, 17, 3)), COCO_17)


def test_a_pose_of_the_nominal_size_is_left_and_another_is_scaled_about_the_camera() -> None:
    standard = pose() + np.array([0, 0, 4000.0])
    np.testing.assert_allclose(rescaled(standard, TRUE[:1], MPI_INF_3DHP_17, "knee-neck 920 mm"), standard)
    np.testing.assert_allclose(rescaled(standard * 1.25, TRUE[:1], MPI_INF_3DHP_17, "knee-neck 920 mm"), standard)


def test_the_true_size() -> None:
    out = rescaled(PREDICTED, TRUE, MPI_INF_3DHP_17, "knee-neck of the truth")
    np.testing.assert_allclose(knee_neck(out, MPI_INF_3DHP_17), knee_neck(TRUE, MPI_INF_3DHP_17))
    ratio = out / PREDICTED
    np.testing.assert_allclose(ratio, ratio[:, :1, :1] * np.ones((1, 17, 3)))


def test_bones_equal_the_naive_twin() -> None:
    out = rescaled(PREDICTED, TRUE, MPI_INF_3DHP_17, "bones of the truth")
    for index in range(4):
        np.testing.assert_allclose(out[index], naive.with_true_bones(PREDICTED[index], TRUE[index]))
    np.testing.assert_array_equal(out[:, 14], PREDICTED[:, 14])
    for child, parent in enumerate(naive.PARENTS):
        np.testing.assert_allclose(*(np.linalg.norm(x[:, child] - x[:, parent], axis=-1) for x in (out, TRUE)))


def test_the_tree_is_the_official_one() -> None:
    assert [p if p >= 0 else 14 for p in MPI_INF_3DHP_17.parents] == list(naive.PARENTS)


def test_a_perfect_pose_of_another_size_becomes_perfect() -> None:
    centred = TRUE - TRUE[:, 14:15]
    np.testing.assert_allclose(with_bones_of(centred * 0.7, centred, MPI_INF_3DHP_17), centred, atol=1e-9)


def test_a_collapsed_pose_stays_in_one_point() -> None:
    point = np.full((1, 17, 3), 7.0)
    np.testing.assert_array_equal(with_bones_of(point, TRUE[:1], MPI_INF_3DHP_17), point)
    np.testing.assert_array_equal(rescaled(point, TRUE[:1], MPI_INF_3DHP_17, "knee-neck 920 mm"), point)


def test_a_true_joint_that_is_not_known_leaves_its_bones_as_predicted() -> None:
    true = TRUE.copy()
    elbow, wrist = MPI_INF_3DHP_17.index("r_elbow"), MPI_INF_3DHP_17.index("r_wrist")
    true[:, elbow] = np.nan
    out = with_bones_of(PREDICTED, true, MPI_INF_3DHP_17)
    whole = with_bones_of(PREDICTED, TRUE, MPI_INF_3DHP_17)
    others = [j for j in range(17) if j not in (elbow, wrist)]
    np.testing.assert_allclose(out[:, others], whole[:, others])
    for child in (elbow, wrist):
        parent = MPI_INF_3DHP_17.parents[child]
        np.testing.assert_allclose(out[:, child] - out[:, parent], PREDICTED[:, child] - PREDICTED[:, parent])


def test_people_who_lack_a_joint_have_no_size() -> None:
    lacking = PREDICTED.copy()
    lacking[1, MPI_INF_3DHP_17.index("neck")] = np.nan
    out = rescaled(lacking, TRUE, MPI_INF_3DHP_17, "knee-neck 920 mm")
    assert np.isnan(out[1]).all()
    assert np.isfinite(out[[0, 2, 3]]).all()


def test_no_rule_and_an_unknown_one() -> None:
    assert rescaled(PREDICTED, TRUE, MPI_INF_3DHP_17, "none") is PREDICTED
    with pytest.raises(Exception, match="shoe size"):  # refused by the types where these are enforced
        rescaled(PREDICTED, TRUE, MPI_INF_3DHP_17, "shoe size")  # type: ignore[arg-type]
