"""The focal length that makes the 2D heatmaps and the metric heatmaps agree best.

A model with both heads measures a person twice: where each joint is in the image, and how far apart the joints are in
millimetres. Foreshortening within a person (near limbs look larger) ties the two together through the focal length. The
effect is a few per cent of a person's size at portrait distance and vanishes with distance, so the estimate is weak:
it comes with an interval, and is called undetermined where the interval is wide.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float

from metricpose.errors import InputError
from metricpose.geometry.absolute import reference_point
from metricpose.geometry.camera import Camera
from metricpose.geometry.crop import crop_camera
from metricpose.predict.estimate import Estimates, Up
from metricpose.predict.intrinsics import scale_focal

_GRID = np.geomspace(0.4, 6.0, 41)  # focal length in units of the longer image side: 103 to 9.5 degrees
_BORDER = 24 / 256  # the 2D heatmaps cannot reach the rim of the crop
_DETERMINED = 1.6  # ratio of the interval's ends up to which the estimate is worth something
_INDEPENDENT = 0.5  # neighbouring joints err together: so many joints count as independent


class FocalCheck(NamedTuple):
    """Outcome of the consistency check.

    Attributes:
        focal_px: best horizontal focal length in pixels.
        low_px, high_px: two standard deviations about it, if joint errors are independent.
        determined: whether the interval is narrow enough to mean something.
        people: how many people it rests on.
    """

    focal_px: float
    low_px: float
    high_px: float
    determined: bool
    people: int


def check_focal(found: Estimates, boxes_xywh: Float[np.ndarray, "n 4"], camera: Camera, up: Up) -> FocalCheck | None:
    """Best focal length over all people of one image.

    None for models without both heads, for nobody in view, and where the lens model allows hardly any focal length.

    The crops were cut with `camera`; for every other focal length the same pixels stand for other rays and other turns
    of the crop, both of which are taken into account.
    """
    if found.head_px is None or found.head_mm is None or len(found.joints_mm) == 0:
        return None
    view = _in_crop(found)
    usable = view.sum(1) >= 6
    if not usable.any():
        return None
    boxes, px, mm, view = boxes_xywh[usable], found.head_px[usable], found.head_mm[usable], view[usable]
    here = abs(float(camera.K[0, 0]))
    factors = _GRID * max(camera.size) / here
    costs = np.array([_cost(scale_focal(camera, f), boxes, px, mm, view, up) for f in factors])
    possible = np.isfinite(costs)
    if possible.sum() < 3:
        return None
    factors, costs = factors[possible], costs[possible]
    freedom = max(2.0 * view.sum() - 3 * len(view) - 1, 1.0) * _INDEPENDENT
    best, low, high = _minimum(np.log(factors), costs, 4.0 / freedom)
    inside = low > np.log(factors[0]) and high < np.log(factors[-1])
    best_px, low_px, high_px = (float(np.exp(v) * here) for v in (best, low, high))
    return FocalCheck(best_px, low_px, high_px, bool(inside and high - low < np.log(_DETERMINED)), int(usable.sum()))


def disagreement(check: FocalCheck, camera: Camera, tolerance: float = 0.25) -> str:
    """A warning if the check contradicts the camera by more than the tolerance, else ''."""
    focal = abs(float(camera.K[0, 0]))
    if not check.determined or check.low_px <= focal <= check.high_px or abs(check.focal_px / focal - 1) <= tolerance:
        return ""
    return (
        f"the people look as if taken with a focal length of {check.focal_px:.0f} px ({check.low_px:.0f} to "
        f"{check.high_px:.0f}), the camera says {focal:.0f} px: distances may be off by a factor of "
        f"{check.focal_px / focal:.2f}; check the camera or use the field of view 'auto'"
    )


def _in_crop(found: Estimates) -> Bool[np.ndarray, "n j"]:
    """Joints whose 2D position is known and away from the rim of the crop."""
    assert found.head_px is not None
    inside = []
    for crop, px, joints in zip(found.crops, found.head_px, found.joints_mm):
        here = crop.project(joints)
        margin = _BORDER * crop.size[0]
        with np.errstate(invalid="ignore"):
            inside.append(((here > margin) & (here < crop.size[0] - margin)).all(-1) & np.isfinite(px).all(-1))
    return np.array(inside)


def _cost(
    camera: Camera,
    boxes: Float[np.ndarray, "n 4"],
    px: Float[np.ndarray, "n j 2"],
    mm: Float[np.ndarray, "n j 3"],
    view: Bool[np.ndarray, "n j"],
    up: Up,
) -> float:
    """Sum of squared distances in the image between the 2D joints and the best-placed metric pose, in box sides.

    Infinite for a focal length so short that people lie beyond what the lens model can invert.
    """
    x, y, z = camera.R @ np.array(up)
    try:
        turns = [camera.R @ crop_camera(camera, box, 256, up=(x, y, z)).R.T for box in boxes]
    except InputError:
        return float("inf")
    pose = np.stack([m @ turn.T for m, turn in zip(mm, turns)])
    seen = view & np.isfinite(px).all(-1)
    rays = camera.rays(np.where(seen[..., None], px, camera.K[:2, 2]))
    if not np.isfinite(rays).all():
        return float("inf")
    weights = torch.from_numpy(seen.astype(np.float64))
    moves = reference_point(torch.from_numpy(rays), torch.from_numpy(pose), weights, confidence=weights, ridge=0.0)
    there = camera.project_camera(pose + moves.numpy()[:, None])
    distances = np.square((there - px) / boxes[:, 2:].max(1)[:, None, None]).sum(-1)
    return float(np.where(seen & np.isfinite(distances), distances, 0.0).sum())


def _minimum(x: Float[np.ndarray, " g"], cost: Float[np.ndarray, " g"], rise: float) -> tuple[float, float, float]:
    """Place of the minimum (parabola through the three lowest points), and where the cost is (1 + rise) of it."""
    k = int(np.clip(np.argmin(cost), 1, len(x) - 2))
    a, b, _ = np.polyfit(x[k - 1 : k + 2] - x[k], cost[k - 1 : k + 2], 2)
    step = x[1] - x[0]
    best = x[k] + float(np.clip(-b / (2 * a), -step, step)) if a > 0 else float(x[np.argmin(cost)])
    limit = cost.min() * (1 + rise) + 1e-12
    below = np.flatnonzero(cost <= limit)
    low, high = x[max(below[0] - 1, 0)], x[min(below[-1] + 1, len(x) - 1)]
    return best, min(float(low), best), max(float(high), best)
