"""Pose error measures: joints in, one value per person and joint out, and the sums that averages are made of.

Every measure returns `Scores`: a value per person and joint, and which of them count. `update` turns scores into a sum
and a count, `Total`s add up over shards, `compute` divides. So a mean is over all counted joints of all people, as the
Human3.6M protocols have it, and does not depend on how the data were split.

Rules that hold for all of them:

- A masked joint may hold NaN or garbage: moving it changes nothing, alignment included.
- NaN in a counted joint gives NaN out, in percentages too; it is never taken for a miss and never skipped.
- What the ground truth does not determine is not counted (a root-relative error without a measured root or with the
  root alone, an aligned error of fewer than three joints), so its mean is NaN, never 0.

Inputs are numpy arrays or torch tensors; lengths in millimetres; `n` people, `j` joints. Results are numpy float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from metricpose.errors import InputError
from metricpose.geometry.align import Kind, procrustes

Points = Float[np.ndarray, "n j c"] | Float[Tensor, "n j c"]
Mask = Bool[np.ndarray, "n j"] | Bool[Tensor, "n j"] | None
LIMIT_MM = 150.0
"""Threshold of 3D PCK and upper end of its curve (Mehta et al. 2017)."""


class Scores(NamedTuple):
    """One value per person and joint (or bone); values that do not count are 0."""

    value: Float[np.ndarray, "n k"]
    counted: Bool[np.ndarray, "n k"]


@dataclass(frozen=True)
class Total:
    """Sufficient statistics of a mean; totals of parts add up to the total of the whole."""

    sum: float = 0.0
    count: int = 0

    def __add__(self, other: Total) -> Total:
        return Total(self.sum + other.sum, self.count + other.count)


def update(scores: Scores) -> Total:
    """Sum and count of what counts."""
    return Total(float(scores.value.sum()), int(scores.counted.sum()))


def compute(total: Total) -> float:
    """The mean; NaN if nothing was counted."""
    return total.sum / total.count if total.count else float("nan")


def person_means(scores: Scores) -> Float[np.ndarray, " n"]:
    """Mean over each person's joints; NaN where none counts."""
    return _ratio(scores.value.sum(1), scores.counted.sum(1))


def joint_means(scores: Scores) -> Float[np.ndarray, " k"]:
    """Mean over people of each joint; NaN where none counts."""
    return _ratio(scores.value.sum(0), scores.counted.sum(0))


def restrict(scores: Scores, keep: Bool[np.ndarray, "n _"]) -> Scores:
    """The same scores with fewer of them counted: for breakdowns by person (n, 1) or by joint (n, k)."""
    counted = scores.counted & keep
    return Scores(np.where(counted, scores.value, 0.0), counted)


# -- errors ----------------------------------------------------------------------------------------------------


def distances(predicted: Points, true: Points, mask: Mask = None) -> Scores:
    """Euclidean distance of each joint: absolute error (A-MPJPE) in the camera frame, or 2D error in pixels."""
    p, t, counted = _inputs(predicted, true, mask)
    return _scores(np.linalg.norm(p - t, axis=-1), counted)


def mpjpe(predicted: Points, true: Points, root: Sequence[int], mask: Mask = None) -> Scores:
    """Root-relative joint error (Human3.6M protocol 1); the root's own zero counts if the mask says so.

    Args:
        root: indices of the joints whose mean is the root: the pelvis, or both hips.

    Raises:
        InputError: shapes differ, or a root index is not a joint.
    """
    p, t, counted = _rooted(predicted, true, root, mask)
    return _scores(np.linalg.norm(p - t, axis=-1), counted)


def n_mpjpe(predicted: Points, true: Points, root: Sequence[int], mask: Mask = None) -> Scores:
    """Root-relative error after the best positive scale of each person (Rhodin et al. 2018)."""
    p, t, counted = _rooted(predicted, true, root, mask)
    return _scores(np.linalg.norm(_aligned(p, t, counted, "scale") - t, axis=-1), counted)


def pa_mpjpe(predicted: Points, true: Points, mask: Mask = None) -> Scores:
    """Error after the best rotation, translation and scale of each person (Human3.6M protocol 2), no reflection.

    The alignment sees counted joints only. People whose counted true joints are fewer than three or lie on one line
    do not count; a prediction that does (a collapsed pose) gives NaN.
    """
    return _fitted(predicted, true, mask, "similarity")


def rigid_mpjpe(predicted: Points, true: Points, mask: Mask = None) -> Scores:
    """Error after the best rotation and translation of each person, its size kept (Sun et al. 2017, Moon et al. 2019).

    Who counts is as for `pa_mpjpe`.
    """
    return _fitted(predicted, true, mask, "rigid")


def mrpe(predicted: Points, true: Points, root: Sequence[int], mask: Mask = None) -> Scores:
    """Distance of the root positions in the camera frame (Moon et al. 2019), one value per person."""
    p, t, counted = _inputs(predicted, true, mask)
    _check_root(root, p.shape[1])
    index = list(root)
    error = np.linalg.norm(p[:, index].mean(1) - t[:, index].mean(1), axis=-1)
    return _scores(error[:, None], np.all(counted[:, index], axis=1)[:, None])


def bone_errors(predicted: Points, true: Points, edges: Sequence[tuple[int, int]], mask: Mask = None) -> Scores:
    """Absolute difference of bone lengths; a bone counts if both ends do."""
    p, t, counted = _inputs(predicted, true, mask)
    a, b = (np.array([e[i] for e in edges], dtype=int) for i in (0, 1))
    lengths = [np.linalg.norm(x[:, a] - x[:, b], axis=-1) for x in (p, t)]
    return _scores(np.abs(lengths[0] - lengths[1]), counted[:, a] & counted[:, b])


# -- percentages of errors -------------------------------------------------------------------------------------


def pck(errors: Scores, threshold: float = LIMIT_MM, *, inclusive: bool = False) -> Scores:
    """Percentage of correct joints: 100 where the error is strictly below the threshold.

    Args:
        inclusive: an error equal to the threshold is correct too, as in the 3DPW challenge.
    """
    return _percent(errors, (lambda d: d <= threshold) if inclusive else (lambda d: d < threshold))


def auc_continuous(errors: Scores, limit: float = LIMIT_MM) -> Scores:
    """Exact area under the PCK curve up to the limit, per cent: the mean of max(0, 1 - d / limit). Perfect = 100."""
    return _percent(errors, lambda d: np.maximum(0.0, 1.0 - d / limit))


def auc_thresholds(errors: Scores, limit: float = LIMIT_MM, steps: int = 30) -> Scores:
    """MPI-INF-3DHP's area: mean PCK, strict, at the thresholds 0, 5, ..., 150 mm.

    There are steps + 1 thresholds and none passes at 0, so a perfect prediction has 30 / 31 = 96.77 %.
    """
    thresholds = np.linspace(0.0, limit, steps + 1)
    return _percent(errors, lambda d: (d[..., None] < thresholds).mean(-1))


def auc_trapezoid(errors: Scores, limit: int = 199) -> Scores:
    """The 3DPW challenge's area: inclusive PCK at 0, 1, ..., 199 mm, integrated by trapezoids, per cent. Perfect = 100.

    An error between k - 1 (left out) and k is correct from threshold k on, so it has (limit + 1/2 - k) / limit.
    """

    def share(distance: Any) -> Any:
        first = np.ceil(np.maximum(distance, 0.0))
        return np.where(first == 0, 1.0, np.maximum(0.0, limit + 0.5 - first) / limit)

    return _percent(errors, share)


# -- inside ----------------------------------------------------------------------------------------------------


def _percent(errors: Scores, share: Any) -> Scores:
    value = np.where(np.isnan(errors.value), np.nan, 100.0 * share(errors.value))
    return _scores(value, errors.counted)


def _scores(value: Float[np.ndarray, "n k"], counted: Bool[np.ndarray, "n k"]) -> Scores:
    return Scores(np.where(counted, value, 0.0), counted)


def _inputs(
    predicted: Points, true: Points, mask: Mask
) -> tuple[Float[np.ndarray, "n j c"], Float[np.ndarray, "n j c"], Bool[np.ndarray, "n j"]]:
    """As float64 arrays, masked joints set to 0."""
    p, t = (np.asarray(_numpy(x), np.float64) for x in (predicted, true))
    if p.shape != t.shape or p.ndim != 3:
        raise InputError(
            f"metrics: predicted joints have shape {p.shape}, true ones {t.shape}; expected equal (n, j, c)"
        )
    counted = np.ones(p.shape[:2], bool) if mask is None else np.asarray(_numpy(mask), bool)
    if counted.shape != p.shape[:2]:
        raise InputError(f"metrics: the mask has shape {counted.shape}; expected {p.shape[:2]}")
    return np.where(counted[..., None], p, 0.0), np.where(counted[..., None], t, 0.0), counted


def _rooted(
    predicted: Points, true: Points, root: Sequence[int], mask: Mask
) -> tuple[Float[np.ndarray, "n j c"], Float[np.ndarray, "n j c"], Bool[np.ndarray, "n j"]]:
    """Joints relative to the root; people without a measured root, or with nothing but the root, do not count."""
    p, t, counted = _inputs(predicted, true, mask)
    _check_root(root, p.shape[1])
    index = list(root)
    telling = counted.copy()
    if len(index) == 1:
        telling[:, index] = False
    counted = counted & (np.all(counted[:, index], axis=1) & np.any(telling, axis=1))[:, None]
    return p - p[:, index].mean(1, keepdims=True), t - t[:, index].mean(1, keepdims=True), counted


def _fitted(predicted: Points, true: Points, mask: Mask, kind: Kind) -> Scores:
    p, t, counted = _inputs(predicted, true, mask)
    itself = _aligned(t, t, counted, kind)
    determined = np.isfinite(np.where(counted[..., None], itself, 0.0))
    counted = counted & np.all(determined, axis=(1, 2))[:, None]
    return _scores(np.linalg.norm(_aligned(p, t, counted, kind) - t, axis=-1), counted)


def _aligned(
    source: Float[np.ndarray, "n j 3"], target: Float[np.ndarray, "n j 3"], counted: Bool[np.ndarray, "n j"], kind: Kind
) -> Float[np.ndarray, "n j 3"]:
    a, b = torch.from_numpy(source), torch.from_numpy(target)
    return procrustes(a, b, torch.from_numpy(counted), kind).apply(a).numpy()


def _check_root(root: Sequence[int], joints: int) -> None:
    if not root or not all(0 <= i < joints for i in root):
        raise InputError(f"metrics: root {list(root)}; expected one or more indices of the {joints} joints")


def _numpy(x: Any) -> np.ndarray:
    return x.detach().cpu().numpy() if isinstance(x, Tensor) else np.asarray(x)


def _ratio(total: Float[np.ndarray, " k"], count: np.ndarray) -> Float[np.ndarray, " k"]:
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
