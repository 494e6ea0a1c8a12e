"""The filters on hand-made people: what must go, what must stay, and the closest-joints rule."""

from __future__ import annotations

import math

import numpy as np
import pytest

from metricpose.geometry.camera import Camera
from metricpose.predict.boxes import Boxes
from metricpose.predict.estimate import Estimates
from metricpose.predict.plausible import (
    Rules,
    covered_share,
    disagreeing_views,
    duplicates,
    impossible_bones,
    plausible,
    similarity,
)
from metricpose.skeleton import catalog

SKELETON = catalog.get("h36m_17")
CAMERA = Camera.from_fov((640, 480), math.radians(60))


def person(x: float = 0.0, z: float = 4000.0, size: float = 1.0) -> np.ndarray:
    """A standing figure, (17, 3) millimetres."""
    heights = dict(
        zip(SKELETON.joints, (0, 0, 430, 850, 0, 430, 850, -230, -480, -600, -750, -450, -160, 90, -450, -160, 90))
    )
    sides = {"l_": 150.0, "r_": -150.0}
    joints = [(sides.get(n[:2], 0.0), float(y), 0.0) for n, y in heights.items()]
    return np.array(joints) * size + (x, 0, z)


def estimates(*people: np.ndarray) -> Estimates:
    joints = np.stack(people)
    return Estimates(joints, np.zeros((*joints.shape, 3)), np.zeros(len(people), int), joints[:, None], [], None, None)


def boxes_of(found: Estimates, scores: list[float]) -> Boxes:
    px = CAMERA.project(found.joints_mm)
    low, high = px.min(1) - 10, px.max(1) + 10
    return Boxes(np.concatenate([low, high - low], 1), np.array(scores))


def test_ordinary_people_of_all_sizes_stay() -> None:
    found = estimates(person(-900), person(0, size=0.45), person(900, size=1.2))
    keep, notes = plausible(found, boxes_of(found, [0.9, 0.8, 0.7]), CAMERA, SKELETON, Rules())
    assert keep.all()
    assert notes == []


def test_impossible_bones() -> None:
    long, bad = person(), person()
    long[SKELETON.index("l_wrist"), 1] += 300  # 550 mm: within the ratio
    bad[SKELETON.index("l_wrist"), 1] += 900
    unknown = person()
    unknown[3] = np.nan
    verdict = impossible_bones(np.stack([person(), long, bad, unknown]), SKELETON, Rules())
    assert verdict.tolist() == [False, False, True, True]


def test_a_short_bone_is_impossible_only_beyond_the_slack() -> None:
    folded = person()
    folded[SKELETON.index("l_knee")] = folded[SKELETON.index("l_hip")]
    assert impossible_bones(folded[None], SKELETON, Rules()).tolist() == [True]
    assert impossible_bones(folded[None], SKELETON, Rules(bone_slack_mm=500.0)).tolist() == [False]


def test_views_that_differ_only_in_distance_agree() -> None:
    near = person()
    assert disagreeing_views(np.stack([near, near * 1.4])[None], 200.0).tolist() == [False]
    turned = near * (-1, 1, 1) + np.array([0, 0, 0])
    turned[: 17 // 2, 0] += 900
    assert disagreeing_views(np.stack([near, turned])[None], 200.0).tolist() == [True]
    assert disagreeing_views(near[None, None], 200.0).tolist() == [False]


def test_covered_share_by_hand() -> None:
    px = np.array([[[0.0, 0], [10, 10], [np.nan, np.nan]], [[np.nan] * 2] * 3])
    boxes = np.array([[0.0, 0, 20, 10], [0, 0, 5, 5]])
    np.testing.assert_allclose(covered_share(px, boxes), [10.8 * 10 / 200, 0.0])  # padded by 8 % of 10 px


def test_similarity_uses_the_closest_quarter() -> None:
    """Four of 17 joints equal, the others a metre apart: the most distant quarter would say 0, the closest says 1."""
    a, b = person(), person()
    rng = np.random.default_rng(0)
    b[4:, :2] += rng.choice([-1000.0, 1000.0], (13, 2))
    b *= np.sqrt(np.square(a).sum() / np.square(b).sum())
    a[:4] = b[:4]
    b *= np.sqrt(np.square(a).sum() / np.square(b).sum())
    assert similarity(a, b, 300.0) > 0.8
    assert similarity(person(), person(900), 300.0) == 0.0
    assert similarity(person(), person(150), 300.0) == pytest.approx(0.5, abs=0.01)
    assert similarity(person(), person() * 2.0, 300.0) == pytest.approx(1.0)  # the same picture, twice as far


def test_the_better_of_two_poses_of_one_person_stays() -> None:
    joints = np.stack([person(), person(20), person(1000)])
    boxes, scores = np.array([[0.0, 0, 50, 90]] * 3), np.array([0.5, 0.9, 0.1])
    assert duplicates(joints, boxes, scores, Rules()).tolist() == [True, False, False]
    assert not duplicates(joints, boxes, scores, Rules(duplicate=None)).any()


def test_neighbours_whose_boxes_hardly_overlap_are_two_people_however_alike_their_poses() -> None:
    joints = np.stack([person(), person(20)])
    boxes = np.array([[0.0, 0, 50, 90], [30.0, 0, 40, 90]])  # the smaller box is half covered, and no more
    assert not duplicates(joints, boxes, np.array([0.5, 0.9]), Rules()).any()
    assert duplicates(joints, boxes, np.array([0.5, 0.9]), Rules(duplicate_overlap=0.49)).tolist() == [True, False]


def test_verdicts_are_explained_and_a_bad_pose_does_not_suppress_a_good_one() -> None:
    bad = person()
    bad[SKELETON.index("head_top"), 1] -= 2000
    found = estimates(person(), bad)
    boxes = boxes_of(estimates(person(), person()), [0.5, 0.9])
    boxes.xywh[1] += (0.4, -0.4, 0.3, 0.0)
    keep, notes = plausible(found, boxes, CAMERA, SKELETON, Rules())
    assert keep.tolist() == [True, False]
    x, y, w, h = (round(v) for v in boxes.xywh[1].tolist())
    place = f"at left {x}, top {y}, width {w}, height {h} px"
    assert notes[0].startswith(f"detection {place} (score 0.90) dropped: impossible bone lengths")


def test_a_pose_that_leaves_its_box_goes() -> None:
    found = estimates(person())
    box = Boxes(np.array([[0.0, 0, 600, 400]]), np.ones(1))
    keep, notes = plausible(found, box, CAMERA, SKELETON, Rules())
    assert not keep.any()
    assert "does not fill its box" in notes[0]
    assert plausible(found, box, CAMERA, SKELETON, Rules(box_share=None))[0].all()


def test_nobody_is_no_problem() -> None:
    empty = Estimates(
        np.zeros((0, 17, 3)), np.zeros((0, 17, 3, 3)), np.zeros(0, int), np.zeros((0, 1, 17, 3)), [], None, None
    )
    keep, notes = plausible(empty, Boxes(np.zeros((0, 4)), np.zeros(0)), CAMERA, SKELETON, Rules())
    assert keep.shape == (0,)
    assert notes == []
