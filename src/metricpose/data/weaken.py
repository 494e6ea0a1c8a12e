"""Fully labelled records made into weakly labelled ones: what training on 2D or ordinal labels is measured with.

What an annotator of an ordinary photograph could not know is taken away: the 3D joints, the distance, and joints
outside the photograph. What is left are pixels (`2d`), and which of two joints is closer to the camera (`ordinal`).

Depth is measured along the line of sight to the middle of the person's box, the axis of the crop that `data.pipeline`
cuts without augmentation; so a label does not depend on where in the photograph the person stands. Augmented crops look
a little past the middle, which turns few pairs of joints into another order (docs/METHODS.md).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field

from metricpose.data.mixing import Source
from metricpose.skeleton import catalog
from metricpose.skeleton.core import Skeleton, joint_pairs, pair_count, pair_index
from metricpose.types import Record

Supervision = Literal["full", "2d", "ordinal"]
"""Which labels of a source are kept: all of them, pixels alone, or pixels and ordinal depth labels."""

_NEAREST_MM = 1.0
_Probability = Annotated[float, Field(ge=0, le=1)]


class OrdinalConfig(BaseModel):
    """How ordinal labels are made from 3D labels; `part_ratio` is HEMlets' epsilon, the other values are ours.

    Attributes:
        pairs: `all` pairs of joints, or `parts`, the skeleton's bones, alone.
        threshold_mm: for `all`: a depth difference up to this counts as about equal.
        part_ratio: for `parts`: the same as a fraction of the bone's length. 0.5 is a bone 30 degrees out of the image
            plane.
        share: probability that a pair is labelled at all.
        noise: probability that a label is wrong: one of the other two answers.
        seed: of `share` and `noise`; a record's labels are the same whenever it is read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pairs: Literal["all", "parts"] = "all"
    threshold_mm: Annotated[float, Field(ge=0)] = 100.0
    part_ratio: _Probability = 0.5
    share: _Probability = 1.0
    noise: _Probability = 0.0
    seed: int = 0


class WeakSource:
    """The records of a source with some of their labels.

    Records that bring ordinal labels of their own keep those; for others they are made from the 3D joints.

    Args:
        source: fully labelled records.
        supervision: `2d` or `ordinal`.
        ordinal: how ordinal labels are made.
    """

    def __init__(
        self, source: Source, supervision: Literal["2d", "ordinal"], ordinal: OrdinalConfig | None = None
    ) -> None:
        self._source, self._supervision, self._ordinal = source, supervision, ordinal or OrdinalConfig()

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Record:
        record = self._source[index]
        if self._supervision == "2d":
            return replace(without_3d(record), order=None, order_w=None)
        if record.order is not None:
            return without_3d(record)
        order, weights = make_order(record, self._ordinal, np.random.default_rng([self._ordinal.seed, index]))
        return replace(without_3d(record), order=order, order_w=weights)

    def refresh(self) -> int:
        """Look for new records."""
        return self._source.refresh()


def weaken(source: Source, supervision: Supervision, ordinal: OrdinalConfig | None = None) -> Source:
    """The source with the labels of this supervision; `full` leaves it as it is."""
    return source if supervision == "full" else WeakSource(source, supervision, ordinal)


def without_3d(record: Record) -> Record:
    """A record with pixel labels inside the photograph and no 3D label; ordinal labels stay."""
    joints_mm = np.asarray(record.joints_mm, np.float64)
    near = joints_mm[:, 2:] > _NEAREST_MM
    projected = record.camera.project_camera(np.where(near, joints_mm, np.nan))
    pixels = np.where(np.isfinite(record.joints_px), record.joints_px, projected)
    with np.errstate(invalid="ignore"):
        inside = np.all((pixels >= -0.5) & (pixels <= np.array(record.camera.size) - 0.5), axis=1)
    return replace(
        record,
        joints_mm=np.full_like(joints_mm, np.nan),
        joints_px=np.where(inside[:, None], pixels, np.nan),
        abs_valid=False,
    )


def make_order(
    record: Record, config: OrdinalConfig, rng: np.random.Generator
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Ordinal labels of the pairs of joints that have a 3D label and lie inside the photograph, and their weights."""
    seen = np.isfinite(without_3d(record).joints_px).all(1)
    joints_mm = np.where(seen[:, None], np.asarray(record.joints_mm, np.float64), np.nan)
    if config.pairs == "parts":
        thresholds = config.part_ratio * part_lengths(joints_mm, catalog.get(record.skeleton))
    else:
        thresholds = np.full(pair_count(len(joints_mm)), config.threshold_mm)
    order, weights = order_from_depth(joints_mm @ line_of_sight(record), thresholds)
    return _annotate(order, weights, config.share, config.noise, rng)


def line_of_sight(record: Record) -> Float[np.ndarray, " 3"]:
    """Unit vector from the camera to the middle of the box, in the camera frame."""
    centre = np.asarray(record.box_xywh[:2] + record.box_xywh[2:] / 2, np.float64)
    axis = np.append(record.camera.rays(centre[None])[0], 1.0)
    return axis / np.linalg.norm(axis)


def order_from_depth(
    depth: Float[np.ndarray, " j"], thresholds: Float[np.ndarray, " k"]
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Labels and weights of all pairs (a, b): +1 if b is closer by more than the threshold, -1 if farther, else 0.

    Pairs with a NaN depth or threshold get weight 0.
    """
    a, b = joint_pairs(len(depth)).T
    difference = depth[a] - depth[b]
    known = np.isfinite(difference) & np.isfinite(thresholds)
    with np.errstate(invalid="ignore"):
        ordered = known & (np.abs(difference) > thresholds)
    return np.where(ordered, np.sign(difference), 0.0), known.astype(np.float64)


def part_lengths(joints_mm: Float[np.ndarray, "j 3"], skeleton: Skeleton) -> Float[np.ndarray, " k"]:
    """Length of the bone between the joints of each pair, NaN where they are not joined by one or not known."""
    lengths = np.full(pair_count(len(skeleton)), np.nan)
    for parent, child in skeleton.edges:
        place, _ = pair_index(len(skeleton), parent, child)
        lengths[place] = np.linalg.norm(joints_mm[parent] - joints_mm[child])
    return lengths


def _annotate(
    order: Float[np.ndarray, " k"],
    weights: Float[np.ndarray, " k"],
    share: float,
    noise: float,
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Leave out and spoil labels at random, with the same random numbers whatever the labels are."""
    given, wrong, which = rng.random((3, len(order)))
    other = (order + 2 + (which < 0.5)) % 3 - 1  # one of the other two of -1, 0, 1
    weights = np.where(given < share, weights, 0.0)
    return np.where(weights > 0, np.where(wrong < noise, other, order), 0.0), weights
