"""What is wrong with one record, seen from its labels; and that nothing is wrong with right ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from data.scenes import body, box, look_at, walk
from metricpose.data.plausibility import LIMBS, facing_agreement, limb_lengths, measure
from metricpose.skeleton import catalog
from metricpose.types import HIDDEN, VISIBLE, Record

CAMERA = look_at((0, -4000, 1300), lens=(-0.2, 0.1, 0.001, -0.002, 0.01))


def record(skeleton: str = "metricpose_25", scale: float = 1.0, frame: int = 0) -> Record:
    world = walk(skeleton, frame + 1, scale=scale, turn=0.4)[frame]
    return Record(
        image=np.zeros((CAMERA.size[1], CAMERA.size[0], 3), np.uint8),
        camera=CAMERA,
        box_xywh=box(CAMERA, world),
        joints_mm=CAMERA.to_camera(world),
        joints_px=CAMERA.project(world),
        visibility=np.full(len(world), VISIBLE, np.uint8),
        skeleton=skeleton,
    )


def kinds(made: Record) -> list[str]:
    return sorted({finding.check for finding in measure(made).findings})


def told(made: Record) -> str:
    return "; ".join(finding.text for finding in measure(made).findings)


@pytest.mark.parametrize("skeleton", sorted(catalog.SKELETONS))
@pytest.mark.parametrize("scale", [0.5, 1.0, 1.15])
def test_right_people_of_any_size_and_skeleton_pass(skeleton: str, scale: float) -> None:
    for frame in (0, 3, 7):
        made = record(skeleton, scale, frame)
        px = made.joints_px
        inside = ((px >= 0) & (px <= np.array(CAMERA.size) - 1)).all(1)
        assert kinds(replace(made, visibility=np.where(inside, VISIBLE, 0).astype(np.uint8))) == []


def test_measures_against_hand_worked_values() -> None:
    measures = measure(record("h36m_17", 2 / 3))
    expected = []
    for a, b, _, _ in LIMBS.values():
        for side in "lr":
            joints, skeleton = body("h36m_17"), catalog.H36M_17
            ends = joints[[skeleton.index(f"{side}_{n}") for n in (a, b)]]
            expected.append(2 / 3 * np.linalg.norm(ends[0] - ends[1]))
    np.testing.assert_allclose(measures.limbs, expected)
    assert measures.reprojection == pytest.approx((0, 0), abs=1e-6)
    assert measures.facing > 0.9
    moved = record()
    moved = replace(moved, joints_px=moved.joints_px + np.array([3.0, 4.0]))
    assert measure(moved).reprojection == pytest.approx((5, 5 / moved.box_xywh[2:].max()))


def change(joint: str, value: tuple[float, float, float]) -> Callable[[Record], Record]:
    def apply(made: Record) -> Record:
        joints = made.joints_mm.copy()
        joints[catalog.METRICPOSE_25.index(joint)] = value
        return replace(made, joints_mm=joints)

    return apply


def change_px(joint: str, value: tuple[float, float]) -> Callable[[Record], Record]:
    def apply(made: Record) -> Record:
        pixels = made.joints_px.copy()
        pixels[catalog.METRICPOSE_25.index(joint)] = value
        return replace(made, joints_px=pixels)

    return apply


def corners(made: Record) -> Record:
    x, y, w, h = made.box_xywh
    return replace(made, box_xywh=np.array([x, y, x + w, y + h]))


def swap(*names: str) -> Callable[[Record], Record]:
    """Exchange left and right of these joints, in 3D and 2D alike."""

    def apply(made: Record) -> Record:
        order = np.arange(25)
        for name in names:
            left, right = (catalog.METRICPOSE_25.index(f"{side}_{name}") for side in "lr")
            order[[left, right]] = right, left
        return replace(made, joints_mm=made.joints_mm[order], joints_px=made.joints_px[order])

    return apply


ALL_SIDES = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist", "eye", "ear", "toe", "heel")
FAULTS: dict[str, tuple[Callable[[Record], Record], str, str]] = {
    "half NaN": (change("l_knee", (1.0, np.nan, 3000)), "values", "of l_knee: expected finite numbers, or NaN"),
    "infinite": (change("nose", (np.inf, 0, 3000)), "values", "joints_mm of nose"),
    "no labels": (
        lambda r: replace(r, joints_mm=r.joints_mm * np.nan, joints_px=r.joints_px * np.nan), "values", "no joint"),
    "behind": (lambda r: replace(r, joints_mm=r.joints_mm * (1, 1, -1)), "camera frame", "pelvis, .* 21 more: z <= 0"),
    "y up": (lambda r: replace(r, joints_mm=r.joints_mm * (1, -1, 1)), "reprojection", "camera, unit, axes or joint"),
    "other joint order": (lambda r: replace(r, joints_px=r.joints_px[::-1]), "reprojection", "of the box"),
    "other K": (
        lambda r: replace(r, camera=replace(r.camera, K=r.camera.K * [[0.8], [0.8], [1]])), "reprojection", "camera"),
    "metres": (lambda r: replace(r, joints_mm=r.joints_mm / 1000), "bone lengths", "look like metres, expected milli"),
    "centimetres": (lambda r: replace(r, joints_mm=r.joints_mm / 10), "bone lengths", "look like centimetres"),
    "giant": (lambda r: replace(r, joints_mm=r.joints_mm * 2), "bone lengths", r"thigh 8[\d.]+ mm \(expected 120-650"),
    "long shin": (change("l_ankle", (100, 3000, 4000)), "symmetry", r"shin: left \d+, right \d+ mm"),
    "swapped legs": (swap("hip", "knee", "ankle", "toe", "heel"), "left and right", "of the legs or of the arms"),
    "swapped arms": (swap("shoulder", "elbow", "wrist"), "left and right", "of the legs or of the arms"),
    "all swapped": (swap(*ALL_SIDES), "left and right", "knees, feet or nose point backward"),
    "xyxy box": (
        lambda r: replace(r, box_xywh=np.array([r.box_xywh[0] + 80, r.box_xywh[1] + 90, 100, 100])), "box", "w, h?"),
    "corners": (corners, "box", "fits the joints if read as left, top, right, bottom"),
    "one joint elsewhere": (
        lambda r: change_px("l_wrist", tuple((r.joints_px[13] + (0.13 * r.box_xywh[2:].max(), 0)).tolist()))(r),
        "reprojection", "^l_wrist: 2D labels lie up to 1[0-9.]+ px from the projected"),
    "zeros for a missing joint": (change_px("r_ear", (0.0, 0.0)), "values", "joints_px of r_ear are exactly 0, 0 or"),
    "-1 for a missing joint": (change_px("r_ear", (-1.0, -1.0)), "values", "joints_px of r_ear are exactly 0, 0 or"),
    "box outside": (lambda r: replace(r, box_xywh=np.array([500.0, 5, 10, 10])), "box", "outside the picture of 200"),
    "large box": (lambda r: replace(r, box_xywh=np.array([-300.0, -300, 800, 800])), "box", "times as large"),
    "visible outside": (
        lambda r: replace(r, joints_px=np.where(np.arange(25)[:, None] == 3, -9.0, r.joints_px)), "visibility",
        "r_ankle: marked visible, but outside"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_named(name: str) -> None:
    spoil, check, text = FAULTS[name]
    made = spoil(record())
    assert check in kinds(made), measure(made).findings
    assert re.search(text, told(made)), told(made)


def test_noise_and_joints_outside_the_picture_are_no_faults() -> None:
    made = record()
    largest = made.box_xywh[2:].max()
    near = change_px("l_wrist", tuple((made.joints_px[13] + (0.11 * largest, 0)).tolist()))(made)
    assert kinds(near) == []
    outside = change_px("l_wrist", (-0.3 * largest, 80.0))(made)
    marks = np.where(np.arange(25) == 13, HIDDEN, VISIBLE).astype(np.uint8)
    assert kinds(replace(outside, visibility=marks)) == []


def test_a_hidden_joint_may_lie_outside() -> None:
    made = record()
    marks = np.where(np.arange(25) == 3, HIDDEN, VISIBLE).astype(np.uint8)
    pixels = np.where(np.arange(25)[:, None] == 3, -5.0, made.joints_px)
    assert "visibility" not in kinds(replace(made, joints_px=pixels, visibility=marks))


def test_2d_labels_alone_are_not_measured_in_3d() -> None:
    made = record()
    measures = measure(replace(made, joints_mm=np.full((25, 3), np.nan)))
    assert measures.findings == []
    assert np.isnan([*measures.reprojection, *measures.limbs, measures.facing]).all()


def test_straight_legs_tell_nothing_about_left_and_right() -> None:
    joints = body("lsp_14")
    skeleton = catalog.get("lsp_14")
    for side in "lr":
        hip, knee, ankle = (skeleton.index(f"{side}_{n}") for n in ("hip", "knee", "ankle"))
        joints[knee] = (joints[hip] + joints[ankle]) / 2
    facing, evidence = facing_agreement(joints, skeleton)
    assert np.isnan(facing)
    assert evidence == 0
    assert np.isfinite(limb_lengths(joints, skeleton)).all()
