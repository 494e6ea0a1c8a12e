"""What can be seen of a single record to be wrong: values, boxes, cameras, units, joint order, left and right.

Limits are wide: children and adults of any build and real annotation noise pass; another unit, axis, joint order or
camera does not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from metricpose.skeleton import catalog
from metricpose.skeleton.core import Skeleton
from metricpose.types import VISIBLE, Record

LIMBS: dict[str, tuple[str, str, float, float]] = {
    "thigh": ("hip", "knee", 120, 650),
    "shin": ("knee", "ankle", 120, 650),
    "upper arm": ("shoulder", "elbow", 80, 450),
    "forearm": ("elbow", "wrist", 70, 420),
}
"""Bones that every skeleton has on both sides: their ends, and the shortest and longest that pass, millimetres."""
_WIDTHS = {"shoulders": ("shoulder", 80.0, 600.0), "hips": ("hip", 30.0, 500.0)}
_TORSO_MM = (150.0, 850.0)
ASYMMETRY, REPROJECTION, FARTHEST = 0.35, 0.05, 0.12
_OUTSIDE_PX = 2.0
_BOX_SLACK, _IN_BOX, _LARGEST_BOX = 0.15, 0.5, 4.0
_CORNERS_FIT, _BOX_FITS_WORSE = 0.5, 0.6  # overlap of a box, read as corners, with the joints' box
_STAND_INS = ((0.0, 0.0), (-1.0, -1.0))  # pixels that files put where nothing was labelled
_BENT, _AGAINST, _AGAINST_ALONE = 0.12, -0.3, -0.5
_OPPOSITE = -0.5  # cosine between the axes of hips and shoulders: people twist by less than 120 degrees


class Finding(NamedTuple):
    """Something wrong: the kind of check, and what was found and expected."""

    check: str
    text: str


class Measures(NamedTuple):
    """What is compared between records.

    Attributes:
        findings: what is wrong with this one.
        reprojection: median distance of 2D labels from the projected 3D labels, pixels and shares of the box; NaN.
        limbs: (8,) lengths of `LIMBS`, left and right in turn, millimetres; NaN where not known.
        facing: mean cosine between the forward direction that left and right give and the one that knees, feet and
            nose give; NaN where there is no telling.
    """

    findings: list[Finding]
    reprojection: tuple[float, float]
    limbs: Float[np.ndarray, " 8"]
    facing: float


def measure(record: Record) -> Measures:
    """All checks of one record."""
    skeleton = catalog.get(record.skeleton)
    joints, pixels = np.asarray(record.joints_mm, np.float64), np.asarray(record.joints_px, np.float64)
    found = [*_values(record, skeleton), *_marks(record, skeleton), *_box(record)]
    joints, pixels = _whole_rows(joints), _whole_rows(pixels)
    apart = np.linalg.norm(record.camera.project_camera(joints) - pixels, axis=1)
    reprojection = _reprojection(apart, record)
    found += _apart(apart, reprojection, record, skeleton)
    limbs = limb_lengths(joints, skeleton)
    found += [*_lengths(joints, limbs, skeleton), *_symmetry(limbs)]
    facing, evidence = facing_agreement(joints, skeleton)
    found += _sides(joints, skeleton, facing, evidence)
    return Measures(found, reprojection, limbs, facing)


def _whole_rows(points: Float[np.ndarray, "j c"]) -> Float[np.ndarray, "j c"]:
    return np.where(np.isfinite(points).all(1, keepdims=True), points, np.nan)


def _values(record: Record, skeleton: Skeleton) -> list[Finding]:
    found = []
    for name, points in (("joints_mm", record.joints_mm), ("joints_px", record.joints_px)):
        known = ~np.isnan(points)
        odd = np.isinf(points).any(1) | (known.any(1) & ~known.all(1))
        if odd.any():
            text = f"{name} of {_names(skeleton, odd)}: expected finite numbers, or NaN in all places of the joint"
            found.append(Finding("values", text))
    unlabelled = np.any([(record.joints_px == place).all(1) for place in _STAND_INS], axis=0)
    if unlabelled.any():
        text = f"joints_px of {_names(skeleton, unlabelled)} are exactly 0, 0 or -1, -1: a joint without label is NaN"
        found.append(Finding("values", text))
    with np.errstate(invalid="ignore"):
        behind = record.joints_mm[:, 2] <= 0
    if behind.any():
        text = f"{_names(skeleton, behind)}: z <= 0; expected the camera frame, x right, y down, z forward"
        found.append(Finding("camera frame", text))
    if not np.isfinite(record.joints_px).all(1).any():
        found.append(Finding("values", "no joint has a label"))
    return found


def _names(skeleton: Skeleton, which: np.ndarray) -> str:
    names = [skeleton.joints[i] for i in np.flatnonzero(which)]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _marks(record: Record, skeleton: Skeleton) -> list[Finding]:
    size = np.array(record.camera.size)
    with np.errstate(invalid="ignore"):
        outside = ((record.joints_px < -_OUTSIDE_PX) | (record.joints_px > size - 1 + _OUTSIDE_PX)).any(1)
    wrong = outside & (record.visibility == VISIBLE)
    return (
        [Finding("visibility", f"{_names(skeleton, wrong)}: marked visible, but outside the picture")]
        if wrong.any()
        else []
    )


def _box(record: Record) -> list[Finding]:
    box, size = np.asarray(record.box_xywh, np.float64), np.array(record.camera.size)
    low, high = box[:2], box[:2] + box[2:]
    shown = f"box {np.round(box, 1).tolist()}"
    if (low >= size).any() or (high <= 0).any():
        return [Finding("box", f"{shown} lies outside the picture of {size[0]} x {size[1]}")]
    points = record.joints_px[_inside(record.joints_px, record.camera.size)]
    if len(points) < 4:
        return []
    if len(points) > len(record.joints_px) // 2 and _fits_as_corners(box, points):
        return [Finding("box", f"{shown} fits the joints if read as left, top, right, bottom; expected width, height")]
    slack = _BOX_SLACK * box[2:].max()
    inside = float(((points >= low - slack) & (points <= high + slack)).all(1).mean())
    if inside < _IN_BOX:
        return [Finding("box", f"{shown} holds {inside:.0%} of the joints in the picture; is it left, top, w, h?")]
    extent = float(np.ptp(points, axis=0).max())
    if box[2:].max() > _LARGEST_BOX * max(extent, 8.0) and len(points) > len(record.joints_px) // 2:
        return [Finding("box", f"{shown} is {box[2:].max() / extent:.1f} times as large as the joints in it")]
    return []


def _fits_as_corners(box: Float[np.ndarray, " 4"], points: Float[np.ndarray, "n 2"]) -> bool:
    """Whether the last two numbers are rather the right and lower edge than width and height."""
    tight = np.concatenate([points.min(0), points.max(0)])
    given, read = (_overlap(np.concatenate([box[:2], end]), tight) for end in (box[:2] + box[2:], box[2:]))
    return read > _CORNERS_FIT and given < _BOX_FITS_WORSE * read


def _overlap(a: Float[np.ndarray, " 4"], b: Float[np.ndarray, " 4"]) -> float:
    """Intersection over union of two boxes given by corners."""
    both = float(np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)))
    areas = [float(np.prod(np.maximum(c[2:] - c[:2], 0))) for c in (a, b)]
    return both / max(sum(areas) - both, 1e-9)


def _reprojection(apart: Float[np.ndarray, " j"], record: Record) -> tuple[float, float]:
    known = apart[np.isfinite(apart)]
    if not len(known):
        return np.nan, np.nan
    middle = float(np.median(known))
    return middle, middle / float(record.box_xywh[2:].max())


def _apart(
    apart: Float[np.ndarray, " j"], middle: tuple[float, float], record: Record, skeleton: Skeleton
) -> list[Finding]:
    """2D labels far from the projected 3D labels: most of them, or single ones that lie in the picture."""
    if middle[1] > REPROJECTION:
        text = f"2D labels lie {middle[0]:.1f} px (median), {middle[1]:.0%} of the box, from the projected 3D labels"
        return [Finding("reprojection", f"{text}: camera, unit, axes or joint order of one is wrong")]
    with np.errstate(invalid="ignore"):
        far = (apart > FARTHEST * record.box_xywh[2:].max()) & _inside(record.joints_px, record.camera.size)
    if not far.any():
        return []
    text = f"{_names(skeleton, far)}: 2D labels lie up to {apart[far].max():.1f} px from the projected 3D labels"
    return [Finding("reprojection", f"{text}: exchanged in one of them, or the camera is wrong")]


def _inside(pixels: Float[np.ndarray, "j 2"], size: tuple[int, int]) -> Bool[np.ndarray, " j"]:
    with np.errstate(invalid="ignore"):
        return np.asarray(((pixels >= -0.5) & (pixels <= np.array(size) - 0.5)).all(1))


def _at(joints: Float[np.ndarray, "j 3"], skeleton: Skeleton, name: str) -> Float[np.ndarray, " 3"]:
    """A joint by name; NaN where the skeleton has none."""
    return joints[skeleton.joints.index(name)] if name in skeleton.joints else np.full(3, np.nan)


def limb_lengths(joints: Float[np.ndarray, "j 3"], skeleton: Skeleton) -> Float[np.ndarray, " 8"]:
    """Lengths of `LIMBS`, left and right in turn, millimetres; NaN where not known."""
    ends = [(f"{side}_{a}", f"{side}_{b}") for a, b, _, _ in LIMBS.values() for side in "lr"]
    return np.array([np.linalg.norm(_at(joints, skeleton, a) - _at(joints, skeleton, b)) for a, b in ends])


def _lengths(joints: Float[np.ndarray, "j 3"], limbs: Float[np.ndarray, " 8"], skeleton: Skeleton) -> list[Finding]:
    """Bones and widths no person has."""
    rows = [
        (f"{side} {name}", float(limbs[2 * row + column]), low, high)
        for row, (name, (_, _, low, high)) in enumerate(LIMBS.items())
        for column, side in enumerate(("left", "right"))
    ]
    for name, (end, low, high) in _WIDTHS.items():
        width = _at(joints, skeleton, f"l_{end}") - _at(joints, skeleton, f"r_{end}")
        rows.append((name, float(np.linalg.norm(width)), low, high))
    torso = _middle(joints, skeleton, "shoulder") - _middle(joints, skeleton, "hip")
    rows.append(("torso", float(np.linalg.norm(torso)), *_TORSO_MM))
    wrong = [row for row in rows if not np.isnan(row[1]) and not row[2] <= row[1] <= row[3]]
    if not wrong:
        return []
    text = ", ".join(f"{name} {length:.4g} mm (expected {low:g}-{high:g})" for name, length, low, high in wrong[:3])
    return [Finding("bone lengths", f"{text}{_unit(rows)}")]


def _unit(rows: list[tuple]) -> str:
    """A hint if all lengths are wrong by the factor of another unit."""
    ratios = [length / np.sqrt(low * high) for _, length, low, high in rows if length > 0]
    ratio = float(np.median(ratios)) if ratios else 1.0
    for factor, unit in ((1e-3, "metres"), (1e-1, "centimetres"), (1e3, "micrometres")):
        if 0.4 < ratio / factor < 2.5:
            return f"; these look like {unit}, expected millimetres"
    return ""


def _symmetry(limbs: Float[np.ndarray, " 8"]) -> list[Finding]:
    pairs = limbs.reshape(4, 2)
    with np.errstate(invalid="ignore"):
        wrong = asymmetry(limbs) > ASYMMETRY
    parts = [f"{name}: left {pairs[i, 0]:.0f}, right {pairs[i, 1]:.0f} mm" for i, name in enumerate(LIMBS) if wrong[i]]
    return [Finding("symmetry", "; ".join(parts))] if parts else []


def asymmetry(limbs: Float[np.ndarray, "*n 8"]) -> Float[np.ndarray, "*n 4"]:
    """Difference of left and right as a share of the longer one."""
    pairs = limbs.reshape(*limbs.shape[:-1], 4, 2)
    return np.abs(pairs[..., 0] - pairs[..., 1]) / np.maximum(pairs.max(-1), 1e-9)


def _middle(joints: Float[np.ndarray, "j 3"], skeleton: Skeleton, name: str) -> Float[np.ndarray, " 3"]:
    return (_at(joints, skeleton, f"l_{name}") + _at(joints, skeleton, f"r_{name}")) / 2


def facing_agreement(joints: Float[np.ndarray, "j 3"], skeleton: Skeleton) -> tuple[float, int]:
    """Whether left and right fit the body: mean cosine, and number of signs it is the mean of; NaN and 0 for none.

    Hips and trunk say which way is forward if left is left; bent knees point forward, feet point forward, and the nose
    lies before the ears. With left and right exchanged all of them point backward.
    """
    across = _at(joints, skeleton, "l_hip") - _at(joints, skeleton, "r_hip")
    forward = np.cross(across, _middle(joints, skeleton, "shoulder") - _middle(joints, skeleton, "hip"))
    signs = []
    for side in "lr":
        hip, knee, ankle, toe, heel = (
            _at(joints, skeleton, f"{side}_{name}") for name in ("hip", "knee", "ankle", "toe", "heel")
        )
        bend = _bend(hip, knee, ankle)
        signs += [bend, toe - (ankle if np.isnan(heel).any() else heel)]
    signs.append(_at(joints, skeleton, "nose") - _middle(joints, skeleton, "ear"))
    cosines = np.array([_cosine(sign, forward) for sign in signs])
    cosines = cosines[np.isfinite(cosines)]
    return (float(cosines.mean()), len(cosines)) if len(cosines) else (float("nan"), 0)


def _bend(
    hip: Float[np.ndarray, " 3"], knee: Float[np.ndarray, " 3"], ankle: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, " 3"]:
    """From the line between hip and ankle to the knee; NaN for a straight leg."""
    line = ankle - hip
    length = np.linalg.norm(knee - hip) + np.linalg.norm(ankle - knee)
    off = knee - hip - line * ((knee - hip) @ line) / max(line @ line, 1e-9)
    return off if np.linalg.norm(off) > _BENT * length else np.full(3, np.nan)


def _cosine(a: Float[np.ndarray, " 3"], b: Float[np.ndarray, " 3"]) -> float:
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-9))


def _sides(joints: Float[np.ndarray, "j 3"], skeleton: Skeleton, facing: float, evidence: int) -> list[Finding]:
    hips, shoulders = (_at(joints, skeleton, f"l_{n}") - _at(joints, skeleton, f"r_{n}") for n in ("hip", "shoulder"))
    if _cosine(hips, shoulders) < _OPPOSITE:
        text = "hips and shoulders face opposite ways: left and right of the legs or of the arms are exchanged"
        return [Finding("left and right", text)]
    if facing < (_AGAINST if evidence >= 2 else _AGAINST_ALONE):
        text = "knees, feet or nose point backward: left and right are exchanged, or the picture is mirrored"
        return [Finding("left and right", text)]
    return []
