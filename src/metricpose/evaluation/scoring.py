"""Predictions and a protocol -> a report. Nothing here knows a model: numbers come from the predictions file alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int

from metricpose.errors import InputError
from metricpose.evaluation import metrics
from metricpose.evaluation.bootstrap import LEVEL, ROUNDS, Resampler
from metricpose.evaluation.calibration import covered
from metricpose.evaluation.matching import Matched, match
from metricpose.evaluation.metrics import Scores
from metricpose.evaluation.predictions import Predictions
from metricpose.evaluation.protocols import (
    AGES_YEARS,
    DISTANCES_MM,
    HEIGHTS_MM,
    Breakdown,
    Group,
    Protocol,
    Subset,
    bins,
)
from metricpose.evaluation.report import MEASURES, Report, Row, Value
from metricpose.geometry.absolute import Fallback
from metricpose.predict.network import FROM_BOX
from metricpose.skeleton import catalog
from metricpose.types import HIDDEN, OUTSIDE, UNKNOWN, VISIBLE

_ALIGNMENT = (
    "MPJPE: root subtracted; N-MPJPE: root and scale; PA-MPJPE: similarity over the counted joints, no reflection"
)
_SUBSETS = {
    "all": "all measured joints",
    "present": "measured joints whose true projection lies inside the crop",
}
_VISIBILITY = {"visible": VISIBLE, "hidden": HIDDEN, "outside the image": OUTSIDE, "unknown": UNKNOWN}


def evaluate(predictions: Predictions, protocol: Protocol, *, seed: int = 0) -> Report:
    """Score cached predictions.

    Args:
        seed: of the bootstrap.

    Raises:
        InputError: the predictions were made for another protocol, nobody belongs to any of its groups, or joints
            cannot be converted.
    """
    if predictions.header.protocol != protocol.name:
        raise InputError(f"these predictions were made for '{predictions.header.protocol}', not for '{protocol.name}'")
    cards: dict[str, dict[str, str]] = {}
    main: list[Row] = []
    details: list[Row] = []
    notes: list[str] = []
    taken = np.zeros(len(predictions.truth), bool)
    for group in protocol.groups:
        members = _members(predictions, group) & ~taken
        taken |= members
        if not members.any():
            continue
        matched = match(predictions, group, members)
        cards[group.name] = _card(predictions, protocol, group, matched)
        notes += [f"{group.name}: {text}; means over them are NaN" for text in _unpredicted(matched)]
        resampler = Resampler(matched.units, seed)
        for subset in protocol.subsets:
            scores = measure(matched, group, subset)
            main.append(_row(group, subset, "", "", scores, resampler))
            for kind in protocol.breakdowns:
                details += list(_broken_down(group, subset, kind, scores, matched, resampler))
    if not main:
        raise InputError(f"none of the {len(taken)} people belongs to protocol {protocol.name}: {_known(protocol)}")
    if not taken.all():
        notes.append(f"{int((~taken).sum())} people belong to no group and are left out")
    return Report(predictions.header, cards, (*main, *details), tuple(notes))


def measure(matched: Matched, group: Group, subset: Subset) -> dict[str, Scores]:
    """Scores of every measure that the predictions and the group allow."""
    counted = matched.counted if subset == "all" else matched.counted & matched.present
    rooted = counted | (matched.with_root & np.isin(np.arange(counted.shape[1]), matched.root))
    relative = metrics.restrict(metrics.mpjpe(matched.predicted_mm, matched.true_mm, matched.root, rooted), counted)
    scaled = metrics.n_mpjpe(matched.predicted_mm, matched.true_mm, matched.root, rooted)
    scores = {
        "mpjpe": relative,
        "pa_mpjpe": metrics.pa_mpjpe(matched.predicted_mm, matched.true_mm, counted),
        "n_mpjpe": metrics.restrict(scaled, counted),
        "pck150": metrics.pck(relative),
        "auc": metrics.auc_continuous(relative),
        "auc31": metrics.auc_thresholds(relative),
        "bone": metrics.bone_errors(matched.predicted_mm, matched.true_mm, catalog.get(group.skeleton).edges, counted),
    }
    if group.absolute and _any(matched.absolute_mm, counted):
        known = matched.abs_valid[:, None]
        absolute = metrics.distances(matched.absolute_mm, matched.true_mm, counted & known)
        scores |= {"a_mpjpe": absolute, "a_pck150": metrics.pck(absolute)}
        scores["mrpe"] = metrics.mrpe(matched.absolute_mm, matched.true_mm, matched.root, rooted & known)
    if _any(matched.predicted_px, counted):
        pixels = counted & matched.present & np.isfinite(matched.true_px).all(-1)
        scores["px"] = metrics.distances(matched.predicted_px, matched.true_px, pixels)
    if _any(matched.covariance_mm2, counted):
        error = _rooted(matched.predicted_mm, matched.root) - _rooted(matched.true_mm, matched.root)
        telling = relative.counted.copy()
        telling[:, matched.root if len(matched.root) == 1 else []] = False  # the root's own error is 0 by construction
        for level in (50, 90):
            scores[f"cover{level}"] = covered(error, matched.covariance_mm2, telling, level / 100)
    return {name: scores[name] for name in MEASURES if name in scores}


def _broken_down(
    group: Group,
    subset: Subset,
    kind: Breakdown,
    scores: dict[str, Scores],
    matched: Matched,
    resampler: Resampler,
) -> Iterator[Row]:
    """Rows of one breakdown; parts without anyone are left out."""
    joints = matched.joints.shape[0]
    for part, keep in _parts(group, kind, matched):
        by_joint = keep.shape[1] > 1
        kept = {
            name: metrics.restrict(s, keep)
            for name, s in scores.items()
            if not by_joint or (s.value.shape[1] == joints and name != "bone")
        }
        row = _row(group, subset, kind, part, kept, resampler)
        if row.people:
            yield row


def _parts(group: Group, kind: Breakdown, matched: Matched) -> Iterator[tuple[str, Bool[np.ndarray, "n _"]]]:
    if kind == "joint":
        names = catalog.get(group.skeleton).joints
        for joint in group.joints:
            yield joint, np.tile(np.array([name == joint for name in names]), (len(matched.units), 1))
    elif kind == "visibility":
        for name, state in _VISIBILITY.items():
            yield name, matched.visibility == state
    else:
        values, edges, unit, scale = {
            "height": (matched.height_mm, HEIGHTS_MM, "cm", 10.0),
            "age": (matched.age_years, AGES_YEARS, "years", 1.0),
            "distance": (matched.distance_mm, DISTANCES_MM, "m", 1000.0),
        }[kind]
        for name, members in bins(values, edges, unit, scale):
            yield name, members[:, None]


def _row(group: Group, subset: str, kind: str, part: str, scores: dict[str, Scores], resampler: Resampler) -> Row:
    values = {}
    for name, s in scores.items():
        total = metrics.update(s)
        if total.count:
            low, high, units = resampler.interval(s)
            values[name] = Value(metrics.compute(total), low, high, total.count, units)
    people = max((int(s.counted.any(1).sum()) for s in scores.values()), default=0)
    return Row(group.name, subset, kind, part, people, values)


def _card(predictions: Predictions, protocol: Protocol, group: Group, matched: Matched) -> dict[str, str]:
    header = predictions.header
    unit = "persons" if group.resample == "person" else "images"
    card = {
        "protocol": f"{protocol.name}: {protocol.title}",
        "data": header.data,
        "split": header.split,
        "people": str(len(matched.units)),
        "joint set": f"{len(group.joints)} joints of {group.skeleton}: {', '.join(group.joints)}",
        "joints from": f"{matched.labels[0]}; truth: {matched.labels[1]}",
        "root": " and ".join(group.root) + (" (mean)" if len(group.root) > 1 else ""),
        "alignment": _ALIGNMENT,
        "matching": protocol.matching,
        "subset": "; ".join(f"{name}: {_SUBSETS[name]}" for name in protocol.subsets),
        "crop source": header.crop_source,
        "scale policy": header.scale_policy,
        "position": _position(predictions.flags[matched.rows]),
        "views": header.views,
        "system": header.system,
        "checkpoint": header.checkpoint_sha256,
        "config": header.config_sha256,
        "intervals": f"{LEVEL:.0%}, {ROUNDS} bootstrap rounds over {len(set(matched.units))} {unit}",
    }
    return card | ({"note": group.note} if group.note else {})


def _position(flags: Int[np.ndarray, " n"]) -> str:
    """How the distances from the camera were found."""
    if (flags < 0).all():
        return "as given"
    if (flags == FROM_BOX).all():
        return "from the size of the box: the model gives none"
    names = {Fallback.TWO_JOINTS: "two", Fallback.ONE_JOINT: "one", Fallback.NO_JOINTS: "no"}
    few = [f"{int((flags == f).sum())} from {name} joint(s) in view" for f, name in names.items() if (flags == f).any()]
    return ", ".join(["solved from the heatmaps", *few])


def _unpredicted(matched: Matched) -> list[str]:
    """Remarks on counted joints without a finite prediction: they make means NaN."""
    lacking = {
        "no finite prediction": matched.with_root & ~_given(matched.predicted_mm),
        "no projection (behind the camera or outside the lens model)": matched.counted
        & matched.present
        & np.isfinite(matched.true_px).all(-1)
        & ~_given(matched.predicted_px)
        & _given(matched.predicted_px).any(),
    }
    return [f"{int(where.sum())} measured joints have {what}" for what, where in lacking.items() if where.any()]


def _members(predictions: Predictions, group: Group) -> Bool[np.ndarray, " n"]:
    return np.array([source.startswith(group.source) for source in predictions.truth.sources])


def _known(protocol: Protocol) -> str:
    return "their 'source' must begin with " + " or ".join(repr(g.source) for g in protocol.groups)


def _rooted(joints: Float[np.ndarray, "n j 3"], root: list[int]) -> Float[np.ndarray, "n j 3"]:
    return joints - joints[:, root].mean(1, keepdims=True)


def _given(values: Float[np.ndarray, "n j *c"]) -> Bool[np.ndarray, "n j"]:
    return np.isfinite(values.reshape(*values.shape[:2], -1)).all(-1)


def _any(values: Float[np.ndarray, "n j *c"], counted: Bool[np.ndarray, "n j"]) -> bool:
    """Whether the system gives this kind of value at all."""
    return bool((_given(values) & counted).any())
