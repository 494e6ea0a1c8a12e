"""Throw out poses that cannot be people and second poses of one person (MeTRAbs's filters, for detected boxes only)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from metricpose.geometry.camera import Camera
from metricpose.predict.boxes import Boxes, intersection
from metricpose.predict.estimate import Estimates
from metricpose.skeleton.core import Skeleton

# Rough adult means, millimetres. The bounds are so wide that children and giants pass.
_ADULT_BONES_MM = {
    "hip": 130.0,
    "knee": 430.0,
    "ankle": 420.0,
    "spine": 230.0,
    "thorax": 250.0,
    "nose": 190.0,
    "head_top": 160.0,
    "shoulder": 170.0,
    "elbow": 290.0,
    "wrist": 250.0,
    "eye": 60.0,
    "ear": 110.0,
    "toe": 190.0,
    "heel": 90.0,
}
_OTHER_BONE_MM = 250.0
_FLESH = 0.08  # of the joints' longer extent, on each side


@dataclass(frozen=True)
class Rules:
    """Bounds of the filters; None switches one off.

    Attributes:
        bone_ratio: a bone is impossible if it is shorter or longer than the adult mean by these factors, and
        bone_slack_mm: by more than this.
        view_spread_mm: views disagree if more than a quarter of the joints scatter more than this between them.
        box_share: least part of the detected box that the pose's own box must cover.
        duplicate: similarity in [0, 1] above which the pose of lower score is a second one of the same person.
        duplicate_scale_mm: distance at which two joints count as having nothing in common.
        duplicate_overlap: two detections are of one person only if this part of the smaller box lies in the other.
            Without it a crowd suppresses itself: a network easily answers with the neighbour of whom it was asked.
    """

    bone_ratio: tuple[float, float] | None = (0.1, 3.0)
    bone_slack_mm: float = 300.0
    view_spread_mm: float | None = 200.0
    box_share: float | None = 0.5
    duplicate: float | None = 0.4
    duplicate_scale_mm: float = 300.0
    duplicate_overlap: float = 0.5


def plausible(
    found: Estimates, boxes: Boxes, camera: Camera, skeleton: Skeleton, rules: Rules
) -> tuple[Bool[np.ndarray, " n"], list[str]]:
    """Which people to keep, and a sentence for each one dropped."""
    origin = camera.position
    verdicts: list[tuple[str, Bool[np.ndarray, " n"]]] = []
    if rules.bone_ratio is not None:
        verdicts.append(("impossible bone lengths", impossible_bones(found.joints_mm, skeleton, rules)))
    if rules.view_spread_mm is not None:
        verdicts.append(("its views disagree", disagreeing_views(found.views_mm - origin, rules.view_spread_mm)))
    if rules.box_share is not None:
        share = covered_share(camera.project(found.joints_mm), boxes.xywh)
        verdicts.append(("the pose does not fill its box", ~(share > rules.box_share)))
    bad = np.zeros(len(boxes.xywh), bool)
    for _, verdict in verdicts:
        bad |= verdict
    if rules.duplicate is not None:
        second = duplicates(found.joints_mm - origin, boxes.xywh, np.where(bad, -np.inf, boxes.scores), rules)
        verdicts.append(("second pose of one person", second & ~bad))
        bad |= second
    notes = [
        f"detection {named_box(boxes.xywh[i])} (score {boxes.scores[i]:.2f}) dropped: "
        + ", ".join(why for why, v in verdicts if v[i])
        for i in np.flatnonzero(bad)
    ]
    return ~bad, notes


def named_box(box_xywh: Float[np.ndarray, " 4"]) -> str:
    """A box in words. A number would be taken for that of a person, and people are counted after this."""
    left, top, width, height = (f"{v:.0f}" for v in box_xywh)
    return f"at left {left}, top {top}, width {width}, height {height} px"


def impossible_bones(joints_mm: Float[np.ndarray, "n j 3"], skeleton: Skeleton, rules: Rules) -> Bool[np.ndarray, " n"]:
    """Whether any bone is out of proportion by ratio and by difference; NaN counts as impossible."""
    if rules.bone_ratio is None or not skeleton.edges:
        return np.zeros(len(joints_mm), bool)
    parents, children = (np.array(side) for side in zip(*skeleton.edges))
    names = [skeleton.joints[c] for c in children]
    usual = np.array([_ADULT_BONES_MM.get(n.removeprefix("l_").removeprefix("r_"), _OTHER_BONE_MM) for n in names])
    length = np.linalg.norm(joints_mm[:, children] - joints_mm[:, parents], axis=-1)
    low, high = rules.bone_ratio
    fine = (length >= low * usual) & (length <= high * usual) | (np.abs(length - usual) <= rules.bone_slack_mm)
    return ~fine.all(1)


def disagreeing_views(views_mm: Float[np.ndarray, "n v j 3"], limit_mm: float) -> Bool[np.ndarray, " n"]:
    """Whether more than a quarter of the joints scatter more than the limit, each view scaled to one size.

    `views_mm` is relative to the camera: scaling about it changes a view's distance and size but not its picture.
    """
    if views_mm.shape[1] < 2:
        return np.zeros(len(views_mm), bool)
    size = np.sqrt(np.square(views_mm).mean((2, 3), keepdims=True))
    scaled = views_mm / size * size.mean(1, keepdims=True)
    deviation = np.sqrt(np.square(scaled - scaled.mean(1, keepdims=True)).sum(-1).mean(1))
    return (deviation > limit_mm).sum(1) > views_mm.shape[2] // 4


def covered_share(
    joints_px: Float[np.ndarray, "n j 2"], boxes_xywh: Float[np.ndarray, "n 4"]
) -> Float[np.ndarray, " n"]:
    """Part of each box's area that the bounding box of its pose covers; joints without a pixel are left out.

    The joints' box is padded by the flesh around them, without which a person seen from the side would not count.
    """
    seen = np.isfinite(joints_px)
    low = np.where(seen, joints_px, np.inf).min(1)
    high = np.where(seen, joints_px, -np.inf).max(1)
    pad = _FLESH * (high - low).max(1, keepdims=True)
    own = np.concatenate([low - pad, np.maximum(high - low + 2 * pad, 0)], 1)
    own[~np.isfinite(own).all(1)] = 0.0
    return np.diagonal(intersection(own, boxes_xywh)) / boxes_xywh[:, 2:].prod(1)


def duplicates(
    joints_mm: Float[np.ndarray, "n j 3"],
    boxes_xywh: Float[np.ndarray, "n 4"],
    scores: Float[np.ndarray, " n"],
    rules: Rules,
) -> Bool[np.ndarray, " n"]:
    """Greedy by score: whether a pose is too similar to a better one that is kept, in a box that overlaps its own.

    Scores of -inf take no part.
    """
    dropped = np.zeros(len(scores), bool)
    area = boxes_xywh[:, 2:].prod(1)
    overlap = intersection(boxes_xywh, boxes_xywh) / np.minimum(area[:, None], area[None])
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        if np.isneginf(scores[index]):
            continue
        near = [k for k in kept if overlap[k, index] > rules.duplicate_overlap]
        alike = [similarity(joints_mm[k], joints_mm[index], rules.duplicate_scale_mm) for k in near]
        if rules.duplicate is not None and max(alike, default=0.0) > rules.duplicate:
            dropped[index] = True
        else:
            kept.append(int(index))
    return dropped


def similarity(a: Float[np.ndarray, "j 3"], b: Float[np.ndarray, "j 3"], scale_mm: float) -> float:
    """1 for equal poses, 0 for unrelated ones: mean of ``max(0, 1 - d / scale)`` over the closest quarter of joints.

    `b` is scaled about the camera to the size of `a` first, since a wrong distance is no other person. The **closest**
    quarter is meant, as in the 2020 code; the later graph version takes the most distant and hardly ever suppresses.
    """
    factor = np.sqrt(np.square(a).sum() / np.square(b).sum())
    distances = np.sort(np.linalg.norm(a - factor * b, axis=-1))[: max(1, len(a) // 4)]
    return float(np.clip(1 - distances / scale_mm, 0, None).mean())
