"""Matched people -> scores of every measure that a group asks for and the predictions allow."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float

from metricpose.evaluation import metrics
from metricpose.evaluation.calibration import covered
from metricpose.evaluation.definition import Group, Subset
from metricpose.evaluation.matching import Matched
from metricpose.evaluation.metrics import Scores
from metricpose.evaluation.report import MEASURES
from metricpose.skeleton import catalog


def measure(matched: Matched, group: Group, subset: Subset) -> dict[str, Scores]:
    """Scores by name, in the order of `report.MEASURES`.

    In the subset "annotated" people without a prediction count as wrong in every percentage; errors in millimetres do
    not exist there.
    """
    of = _Measured(matched, group, subset)
    found = {name: _MEASURES[name](of) for name in MEASURES if name in group.measures and name in _allowed(subset)}
    return {name: scores for name, scores in found.items() if scores is not None}


def given(values: Float[np.ndarray, "n j *c"]) -> Bool[np.ndarray, "n j"]:
    """Joints of which every number is finite."""
    return np.isfinite(values.reshape(*values.shape[:2], -1)).all(-1)


def _allowed(subset: Subset) -> set[str]:
    if subset == "annotated":
        return {name for name, m in MEASURES.items() if m.unit == "%" and not name.startswith("cover")}
    return set(MEASURES) - {"recall"}


class _Measured:
    """Errors of one subset, each worked out once and only where a measure asks for it."""

    def __init__(self, matched: Matched, group: Group, subset: Subset) -> None:
        self.matched, self.group, self.subset = matched, group, subset
        people = matched.found[:, None] if subset == "detected" else np.ones((len(matched.found), 1), bool)
        self.counted = matched.counted & people & (matched.present if subset == "present" else True)
        joints = np.arange(self.counted.shape[1])
        self.rooted = self.counted | (matched.with_root & people & np.isin(joints, matched.root))
        fitted = matched.measured & matched.align
        # A part of the joints is aligned by itself, unless the group names what is aligned.
        self.fitted = fitted & self.counted.any(1)[:, None] if group.align else self.counted

    @cached_property
    def relative(self) -> Scores:
        m = self.matched
        return self._scored(metrics.mpjpe(m.predicted_mm, m.true_mm, m.root, self.rooted))

    @cached_property
    def similar(self) -> Scores:
        m = self.matched
        return self._scored(metrics.pa_mpjpe(m.predicted_mm, m.true_mm, self.fitted))

    @cached_property
    def absolute(self) -> Scores | None:
        m = self.matched
        if not self.group.absolute or not _any(m.absolute_mm, self.counted):
            return None
        return self._scored(metrics.distances(m.absolute_mm, m.true_mm, self.counted & m.abs_valid[:, None]))

    def rigid(self) -> Scores:
        m = self.matched
        return self._scored(metrics.rigid_mpjpe(m.predicted_mm, m.true_mm, self.fitted))

    def scaled(self) -> Scores:
        m = self.matched
        return self._scored(metrics.n_mpjpe(m.predicted_mm, m.true_mm, m.root, self.rooted))

    def root_error(self) -> Scores | None:
        m = self.matched
        if self.absolute is None:
            return None
        # Roots are subtracted wherever they are, but scored only where the subset takes them.
        scored = self.rooted & (m.present if self.subset == "present" else True)
        return metrics.mrpe(m.absolute_mm, m.true_mm, m.root, scored & m.abs_valid[:, None])

    def bones(self) -> Scores:
        m = self.matched
        return metrics.bone_errors(m.predicted_mm, m.true_mm, catalog.get(self.group.skeleton).edges, self.counted)

    def pixels(self) -> Scores | None:
        m = self.matched
        if not _any(m.predicted_px, self.counted):
            return None
        seen = self.counted & m.present & np.isfinite(m.true_px).all(-1)
        return metrics.distances(m.predicted_px, m.true_px, seen)

    def covered(self, level: float) -> Scores | None:
        m = self.matched
        if not _any(m.covariance_mm2, self.counted):
            return None
        telling = self.relative.counted.copy()
        telling[:, m.root if len(m.root) == 1 else []] = False  # the root's own error is 0 by construction
        error = _rooted(m.predicted_mm, m.root) - _rooted(m.true_mm, m.root)
        return covered(error, m.covariance_mm2, telling, level)

    def recall(self) -> Scores:
        there = self.counted.any(1)[:, None]
        return Scores(np.where(there & self.matched.found[:, None], 100.0, 0.0), there)

    def _scored(self, scores: Scores) -> Scores:
        """Counted joints alone; people without a prediction are infinitely wrong."""
        scores = metrics.restrict(scores, self.counted)
        if self.subset != "annotated":
            return scores
        missed = scores.counted & ~self.matched.found[:, None]
        return Scores(np.where(missed, np.inf, scores.value), scores.counted)


def _if(scores: Scores | None, share: Callable[[Scores], Scores]) -> Scores | None:
    return None if scores is None else share(scores)


_MEASURES: dict[str, Callable[[_Measured], Scores | None]] = {
    "mpjpe": lambda of: of.relative,
    "pa_mpjpe": lambda of: of.similar,
    "rigid_mpjpe": lambda of: of.rigid(),
    "n_mpjpe": lambda of: of.scaled(),
    "pck150": lambda of: metrics.pck(of.relative),
    "auc": lambda of: metrics.auc_continuous(of.relative),
    "auc31": lambda of: metrics.auc_thresholds(of.relative),
    "pa_pck150": lambda of: metrics.pck(of.similar),
    "pa_auc31": lambda of: metrics.auc_thresholds(of.similar),
    "pck50": lambda of: metrics.pck(of.relative, 50.0, inclusive=True),
    "auc200": lambda of: metrics.auc_trapezoid(of.relative),
    "a_mpjpe": lambda of: of.absolute,
    "a_pck150": lambda of: _if(of.absolute, metrics.pck),
    "a_auc31": lambda of: _if(of.absolute, metrics.auc_thresholds),
    "mrpe": lambda of: of.root_error(),
    "bone": lambda of: of.bones(),
    "px": lambda of: of.pixels(),
    "cover50": lambda of: of.covered(0.5),
    "cover90": lambda of: of.covered(0.9),
    "recall": lambda of: of.recall(),
}


def _rooted(joints: Float[np.ndarray, "n j 3"], root: list[int]) -> Float[np.ndarray, "n j 3"]:
    return joints - joints[:, root].mean(1, keepdims=True)


def _any(values: Float[np.ndarray, "n j *c"], counted: Bool[np.ndarray, "n j"]) -> bool:
    """Whether the system gives this kind of value at all."""
    return bool((given(values) & counted).any())
