"""Predictions and truth of one group of people, brought into one skeleton and axis order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from metricpose.evaluation.predictions import MISSED, Predictions, Truth
from metricpose.evaluation.protocols import Group, joint_map
from metricpose.evaluation.rescale import rescaled
from metricpose.predict.people import convert_covariance
from metricpose.skeleton import catalog
from metricpose.skeleton.core import Conversion, Skeleton
from metricpose.types import UNKNOWN


@dataclass(frozen=True, eq=False)
class Matched:
    """Predictions and truth of one group's people in the group's skeleton, J joints.

    Attributes:
        rows: the people's places in Predictions.
        predicted_mm, absolute_mm, predicted_px, covariance_mm2: as in Predictions.
        true_mm, true_px: ground truth.
        measured: joints with a true 3D position.
        joints, root: columns that count, and whose mean is the root.
        align: columns that alignments are fitted to.
        found: people that have a prediction.
        present: joints whose true projection lies in the crop's [0, side).
        visibility: as in Record.
        abs_valid: people whose true distance is right.
        height_mm, age_years, distance_mm: facts; NaN where unknown.
        actions, scenes, recordings, persons: facts; "" where unknown.
        units: what the intervals resample.
        labels: how the joints of predictions and truth became the group's.
    """

    rows: Int[np.ndarray, " n"]
    predicted_mm: Float[np.ndarray, "n j 3"]
    absolute_mm: Float[np.ndarray, "n j 3"]
    predicted_px: Float[np.ndarray, "n j 2"]
    covariance_mm2: Float[np.ndarray, "n j 3 3"]
    true_mm: Float[np.ndarray, "n j 3"]
    true_px: Float[np.ndarray, "n j 2"]
    measured: Bool[np.ndarray, "n j"]
    joints: Bool[np.ndarray, " j"]
    root: list[int]
    align: Bool[np.ndarray, " j"]
    found: Bool[np.ndarray, " n"]
    present: Bool[np.ndarray, "n j"]
    visibility: UInt8[np.ndarray, "n j"]
    abs_valid: Bool[np.ndarray, " n"]
    height_mm: Float[np.ndarray, " n"]
    age_years: Float[np.ndarray, " n"]
    distance_mm: Float[np.ndarray, " n"]
    actions: list[str]
    scenes: list[str]
    recordings: list[str]
    persons: list[str]
    units: list[str]
    labels: tuple[str, str]

    @property
    def with_root(self) -> Bool[np.ndarray, "n j"]:
        """Measured joints that count, and the root's."""
        needed = self.joints.copy()
        needed[self.root] = True
        return self.measured & needed

    @property
    def counted(self) -> Bool[np.ndarray, "n j"]:
        """Measured joints that count."""
        return self.measured & self.joints


def match(predictions: Predictions, group: Group, members: Bool[np.ndarray, " n"]) -> Matched:
    """Bring the predictions and truth of some people into a group's skeleton, predictions to the size it asks for.

    Raises:
        InputError: no conversion between the skeletons.
    """
    truth, target, rows = predictions.truth, catalog.get(group.skeleton), np.flatnonzero(members)
    found = joint_map(predictions.header.skeleton, group)
    true_mm, true_px, visibility, label = truth_of(truth, rows, group)
    measured = np.isfinite(true_mm).all(-1)
    in_crop = np.einsum("nij,nkj->nki", truth.crop_rotation[rows], true_mm)

    def sized(joints_mm: np.ndarray) -> np.ndarray:
        return rescaled(found.conversion.apply(joints_mm[rows]), true_mm, target, group.rescale)

    def taken(values: Sequence[str]) -> list[str]:
        return [values[i] for i in rows.tolist()]

    units = {"person": truth.persons, "recording": truth.recordings, "image": truth.images}[group.resample]
    return Matched(
        rows=rows,
        predicted_mm=sized(predictions.joints_mm),
        absolute_mm=sized(predictions.joints_abs_mm),
        predicted_px=found.conversion.apply(predictions.joints_px[rows]),
        covariance_mm2=convert_covariance(found.conversion, predictions.covariance_mm2[rows]),
        true_mm=true_mm,
        true_px=_single(found.conversion, true_px),
        measured=measured,
        joints=_marked(target, group.joints),
        root=[target.index(j) for j in group.root],
        align=_marked(target, group.align or group.joints),
        found=predictions.flags[rows] != MISSED,
        present=_inside(in_crop, truth.crop_intrinsics[rows], truth.crop_side) & measured,
        visibility=visibility,
        abs_valid=truth.abs_valid[rows] | group.as_labelled,
        height_mm=truth.height_mm[rows],
        age_years=truth.age_years[rows],
        distance_mm=_distance(true_mm, measured),
        actions=taken(truth.actions),
        scenes=taken(truth.scenes),
        recordings=taken(truth.recordings),
        persons=taken(truth.persons),
        units=taken(units),
        labels=(found.label, label),
    )


def _marked(skeleton: Skeleton, joints: tuple[str, ...]) -> Bool[np.ndarray, " j"]:
    return np.isin(np.array(skeleton.joints), joints)


def truth_of(
    truth: Truth, rows: Int[np.ndarray, " n"], group: Group
) -> tuple[Float[np.ndarray, "n j 3"], Float[np.ndarray, "n j 2"], UInt8[np.ndarray, "n j"], str]:
    """True joints, pixels and visibility in the group's skeleton, and how they got there."""
    shape = (len(rows), len(catalog.get(group.skeleton)))
    joints, pixels = np.full((*shape, 3), np.nan), np.full((*shape, 2), np.nan)
    visibility = np.full(shape, UNKNOWN, np.uint8)
    labels = []
    for name in sorted({truth.skeletons[i] for i in rows}):
        (own, label), count = joint_map(name, group), len(catalog.get(name))
        here = np.array([truth.skeletons[i] == name for i in rows])
        joints[here] = own.apply(truth.joints_mm[rows[here], :count])
        pixels[here] = _single(own, own.apply(truth.joints_px[rows[here], :count]))
        visibility[here] = own.carry(truth.visibility[rows[here], :count], otherwise=UNKNOWN)
        labels.append(label)
    return joints, pixels, visibility, ", ".join(labels)


def _single(conversion: Conversion, px: Float[np.ndarray, "n t 2"]) -> Float[np.ndarray, "n t 2"]:
    """Pixels of joints that are one joint of the source; the pixel of a mixture is not the mixture of pixels: NaN."""
    return np.where((conversion.matrix == 1).any(axis=1)[:, None], px, np.nan)


def _inside(points: Float[np.ndarray, "n j 3"], K: Float[np.ndarray, "n 3 3"], side: int) -> Bool[np.ndarray, "n j"]:
    """Whether the projection lies in [0, side) both ways; behind the camera is outside."""
    image = np.einsum("nij,nkj->nki", K, points)
    with np.errstate(invalid="ignore", divide="ignore"):
        px = image[..., :2] / image[..., 2:]
        return (points[..., 2] > 0) & ((px >= 0) & (px < side)).all(-1)


def _distance(joints: Float[np.ndarray, "n j 3"], measured: Bool[np.ndarray, "n j"]) -> Float[np.ndarray, " n"]:
    """From the camera to the mean of the measured joints."""
    mean = np.where(measured[..., None], joints, 0.0).sum(1) / np.maximum(measured.sum(1), 1)[:, None]
    return np.where(measured.any(1), np.linalg.norm(mean, axis=-1), np.nan)
