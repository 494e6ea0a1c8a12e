"""Find one person with the pose model alone, where there are neither boxes nor a detector.

From several starting boxes the model's own joints give the next box, until it stays. Which end is the person is decided
by how sure and how consistent the model is there. It finds one person, and always some: a detector is better.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from metricpose.errors import InputError
from metricpose.geometry.camera import Camera
from metricpose.predict.boxes import Boxes, iou, suppress
from metricpose.predict.estimate import Estimates, Up, estimate
from metricpose.predict.network import CropNetwork
from metricpose.predict.views import View, can_be_seen

ROUNDS = 6
SETTLED = 0.9
_MARGIN = 0.1  # of the joints' extent: flesh and hair beyond the joints
_SHARP_MM, _AGREE = 120.0, 0.04  # scales of the score: heatmap deviation, and head disagreement in crop sides


class Look(NamedTuple):
    """What the model makes of each box: the box its own joints span, and how far it may be believed."""

    next_xywh: Float[np.ndarray, "n 4"]
    scores: Float[np.ndarray, " n"]


def find_person(
    network: CropNetwork, image: UInt8[np.ndarray, "h w 3"], camera: Camera, up: Up = (0.0, -1.0, 0.0)
) -> Boxes:
    """The box of the most convincing person, and its score in [0, 1].

    Raises:
        InputError: the camera allows none of the boxes that the search starts from.
    """
    boxes = starting_boxes((image.shape[1], image.shape[0]))
    boxes = boxes[can_be_seen(camera, boxes, up)]
    if len(boxes) == 0:
        raise InputError(
            "no part of the image can be looked at through this camera: its view is too wide or its lens model cannot "
            "be inverted there; expected another focal length or distortion, or give boxes"
        )
    settled = np.zeros(len(boxes), bool)
    scores = np.zeros(len(boxes))
    for _ in range(ROUNDS):
        active = np.flatnonzero(~settled)
        seen = look(network, image, camera, boxes[active], up)
        scores[active] = seen.scores
        stays = np.diagonal(iou(boxes[active], seen.next_xywh)) > SETTLED
        stays |= ~can_be_seen(camera, seen.next_xywh, up)  # nowhere to go on to
        settled[active] = stays
        boxes[active[~stays]] = seen.next_xywh[~stays]
        kept = suppress(Boxes(boxes, scores), SETTLED)
        boxes, scores, settled = boxes[kept], scores[kept], settled[kept]
        if settled.all():
            break
    if not settled.all():  # the boxes have moved since they were scored
        scores = np.where(settled, scores, look(network, image, camera, boxes, up).scores)
    best = int(np.argmax(scores))
    return Boxes(boxes[best : best + 1], scores[best : best + 1])


def starting_boxes(size: tuple[int, int]) -> Float[np.ndarray, "n 4"]:
    """Whole image, upper and lower half, centre, left, middle and right third."""
    parts = np.array(
        [
            (0.0, 0.0, 1.0, 1.0),
            (0.0, 0.0, 1.0, 0.5),
            (0.0, 0.5, 1.0, 0.5),
            (0.2, 0.2, 0.6, 0.6),
            (0.0, 0.0, 1 / 3, 1.0),
            (1 / 3, 0.0, 1 / 3, 1.0),
            (2 / 3, 0.0, 1 / 3, 1.0),
        ]
    )
    boxes = parts * np.array([*size, *size])
    boxes[:, :2] -= 0.5
    return boxes


def look(
    network: CropNetwork,
    image: UInt8[np.ndarray, "h w 3"],
    camera: Camera,
    boxes_xywh: Float[np.ndarray, "n 4"],
    up: Up,
) -> Look:
    """Run the model on the boxes; a pose that has no joint in the image keeps its box and scores 0."""
    found = estimate(network, image, camera, boxes_xywh, [View()], up=up)
    px = camera.project(found.joints_mm)
    inside = np.isfinite(px).all(-1) & (px >= -0.5).all(-1) & (px <= np.array(camera.size) - 0.5).all(-1)
    following = np.stack([_box_around(p, camera.size, box) for p, box in zip(px, boxes_xywh)])
    share = inside.mean(1)
    return Look(following, np.where(inside.sum(1) >= 2, share * _sharpness(found) * _agreement(found, boxes_xywh), 0.0))


def _box_around(
    px: Float[np.ndarray, "j 2"], size: tuple[int, int], fallback: Float[np.ndarray, " 4"]
) -> Float[np.ndarray, " 4"]:
    """The joints' bounding box with a margin, cut to the image; `fallback` if less than 8 pixels are left."""
    known = px[np.isfinite(px).all(-1)]
    if len(known) < 2:
        return fallback
    low, high = known.min(0), known.max(0)
    margin = _MARGIN * (high - low).max()
    low = np.clip(low - margin, -0.5, np.array(size) - 0.5)
    high = np.clip(high + margin, -0.5, np.array(size) - 0.5)
    return np.concatenate([low, high - low]) if (high - low).min() >= 8 else fallback


def _sharpness(found: Estimates) -> Float[np.ndarray, " n"]:
    """1 for heatmaps of no spread, falling with the median deviation of the joints; 1 where the model gives none."""
    variance = np.trace(found.covariance_mm2, axis1=-2, axis2=-1) / 3
    deviation = np.sqrt(np.median(np.nan_to_num(variance), axis=1))
    return np.exp(-deviation / _SHARP_MM)


def _agreement(found: Estimates, boxes_xywh: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, " n"]:
    """1 where the 2D heatmaps lie on the placed metric pose, less with their median distance; 1 without two heads."""
    if found.head_px is None or found.head_mm is None:
        return np.ones(len(boxes_xywh))
    distances = []
    for crop, joints, metric in zip(found.crops, found.joints_mm, found.head_mm):
        placed = crop.to_camera(joints)
        moved = metric + np.median(placed - metric, axis=0)
        apart = np.linalg.norm(crop.project_camera(moved) - crop.project(joints), axis=-1) / crop.size[0]
        distances.append(np.nanmedian(apart) if np.isfinite(apart).any() else np.inf)
    return np.exp(-np.array(distances) / _AGREE)
