"""Predictions and a protocol -> a report. Nothing here knows a model: numbers come from the predictions file alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Int

from metricpose.errors import InputError
from metricpose.evaluation import metrics
from metricpose.evaluation.association import Crowd, associate, one_per_box
from metricpose.evaluation.bootstrap import LEVEL, ROUNDS, Resampler, mean_of_groups
from metricpose.evaluation.definition import MEANS, RESCALED, Mean
from metricpose.evaluation.matching import Matched, match
from metricpose.evaluation.measuring import given, measure
from metricpose.evaluation.metrics import Scores
from metricpose.evaluation.predictions import MISSED, Predictions
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
from metricpose.evaluation.published import comparable
from metricpose.evaluation.report import Report, Row, Value
from metricpose.geometry.absolute import Fallback
from metricpose.predict.network import FROM_BOX
from metricpose.skeleton import catalog
from metricpose.types import HIDDEN, OUTSIDE, UNKNOWN, VISIBLE

__all__ = ["evaluate", "measure"]

_ALIGNMENT = (
    "MPJPE: root subtracted; N-MPJPE: root and scale; PA-MPJPE: similarity; rigid: without scale; "
    "fitted to {joints}, no reflection"
)
_SUBSETS = {
    "all": "all measured joints",
    "present": "measured joints whose true projection lies inside the crop",
    "detected": "people that a prediction was matched to",
    "annotated": "all annotated people, those not found counted as wrong",
}
_VISIBILITY = {"visible": VISIBLE, "hidden": HIDDEN, "outside the image": OUTSIDE, "unknown": UNKNOWN}


def evaluate(predictions: Predictions | Crowd, protocol: Protocol, *, seed: int = 0) -> Report:
    """Score cached predictions.

    Args:
        predictions: one for each true box; where the protocol matches the people of an image, a crowd too.
        seed: of the bootstrap.

    Raises:
        InputError: the predictions were made for another protocol, nobody belongs to any of its groups, or joints
            cannot be converted.
    """
    if predictions.header.protocol != protocol.name:
        raise InputError(f"these predictions were made for '{predictions.header.protocol}', not for '{protocol.name}'")
    predictions, notes = _assigned(predictions, protocol)
    cards: dict[str, dict[str, str]] = {}
    main: list[Row] = []
    details: list[Row] = []
    claimed: dict[str, Bool[np.ndarray, " n"]] = {}
    for group in protocol.groups:
        members = _members(predictions, group, claimed)
        if not members.any():
            continue
        matched = match(predictions, group, members)
        cards[group.name] = _card(predictions, protocol, group, matched)
        notes += [f"{group.name}: {text}; means over them are NaN" for text in _unpredicted(matched)]
        resampler = Resampler(matched.units, seed)
        for subset in protocol.subsets:
            scores = measure(matched, group, subset)
            main += [_row(group, subset, mean, scores, matched, resampler) for mean in protocol.means]
            for kind in protocol.breakdowns:
                details += list(_broken_down(group, subset, kind, scores, matched, resampler))
    taken = np.any([np.zeros(len(predictions.truth), bool), *claimed.values()], axis=0)
    if not main:
        raise InputError(f"none of the {len(taken)} people belongs to protocol {protocol.name}: {_known(protocol)}")
    if not taken.all():
        notes.append(f"{int((~taken).sum())} people belong to no group and are left out")
    return Report(predictions.header, cards, (*main, *details), tuple(dict.fromkeys(notes)))


def _assigned(predictions: Predictions | Crowd, protocol: Protocol) -> tuple[Predictions, list[str]]:
    """One prediction for each annotated person, and what there is to say about the others."""
    if protocol.matching_px is None:
        if isinstance(predictions, Crowd):
            raise InputError(f"{protocol.name} takes one prediction for each true box, not the people of an image")
        return predictions, []
    crowd = predictions if isinstance(predictions, Crowd) else one_per_box(predictions)
    found, extra = associate(crowd, protocol.groups[0], protocol.matching_px)
    missed = int((found.flags == MISSED).sum())
    text = f"{missed} of {len(found.flags)} annotated people were not found; {extra} people matched nobody"
    return found, [f"{text}, which costs nothing"]


def _members(
    predictions: Predictions, group: Group, claimed: dict[str, Bool[np.ndarray, " n"]]
) -> Bool[np.ndarray, " n"]:
    """People of the group's source that no group of another source took before; they are noted in `claimed`."""
    if group.source not in claimed:
        own = np.array([source.startswith(group.source) for source in predictions.truth.sources])
        claimed[group.source] = own & ~np.any([np.zeros_like(own), *claimed.values()], axis=0)
    return claimed[group.source]


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
        values = {name: value for name, s in kept.items() if (value := _value(s, resampler)) is not None}
        if people := _people(kept):
            yield Row(group.name, subset, kind, part, people, values)


def _parts(group: Group, kind: Breakdown, matched: Matched) -> Iterator[tuple[str, Bool[np.ndarray, "n _"]]]:
    if kind == "joint":
        names = catalog.get(group.skeleton).joints
        for joint in group.joints:
            yield joint, np.tile(np.array([name == joint for name in names]), (len(matched.units), 1))
    elif kind == "visibility":
        for name, state in _VISIBILITY.items():
            yield name, matched.visibility == state
    elif kind in ("height", "age", "distance"):
        values, edges, unit, scale = {
            "height": (matched.height_mm, HEIGHTS_MM, "cm", 10.0),
            "age": (matched.age_years, AGES_YEARS, "years", 1.0),
            "distance": (matched.distance_mm, DISTANCES_MM, "m", 1000.0),
        }[kind]
        for name, members in bins(values, edges, unit, scale):
            yield name, members[:, None]
    else:
        tags = np.array(_tags(matched, kind))
        for name in dict.fromkeys(tags.tolist()):
            if name.strip():
                yield name, (tags == name)[:, None]


def _tags(matched: Matched, kind: Breakdown) -> list[str]:
    """The part each person belongs to, "" for none."""
    if kind == "action and person":
        return [f"{a} {p}" if a else "" for a, p in zip(matched.actions, matched.persons)]
    found = {"action": matched.actions, "scene": matched.scenes, "recording": matched.recordings}
    return {**found, "person": matched.persons}[kind]


def _row(
    group: Group, subset: Subset, mean: Mean, scores: dict[str, Scores], matched: Matched, resampler: Resampler
) -> Row:
    """A row of the main table."""
    groups = {"pooled": None, "actions": matched.actions, "recordings": matched.recordings}[mean]
    values = {name: value for name, s in scores.items() if (value := _value(s, resampler, groups)) is not None}
    return Row(group.name, subset, "", MEANS[mean], _people(scores), values)


def _value(scores: Scores, resampler: Resampler, groups: list[str] | None = None) -> Value | None:
    """Mean and interval; None where nothing counts."""
    total = metrics.update(scores)
    if not total.count:
        return None
    mean = metrics.compute(total) if groups is None else mean_of_groups(scores, groups)
    low, high, units = resampler.interval(scores, groups)
    return Value(mean, low, high, total.count, units)


def _people(scores: dict[str, Scores]) -> int:
    return max((int(s.counted.any(1).sum()) for s in scores.values()), default=0)


def _card(predictions: Predictions, protocol: Protocol, group: Group, matched: Matched) -> dict[str, str]:
    header = predictions.header
    card = {
        "protocol": f"{protocol.name}: {protocol.title}",
        "data": header.data,
        "split": header.split + (f", {header.part}" if header.part else ""),
        "people": str(len(matched.units)),
        "joint set": f"{len(group.joints)} joints of {group.skeleton}: {', '.join(group.joints)}",
        "joints from": f"{matched.labels[0]}; truth: {matched.labels[1]}",
        "root": " and ".join(group.root) + (" (mean)" if len(group.root) > 1 else ""),
        "alignment": _ALIGNMENT.format(joints=_fitted_to(group)),
        "rescaling": RESCALED[group.rescale],
        "matching": protocol.matching,
        "subset": "; ".join(f"{name}: {_SUBSETS[name]}" for name in protocol.subsets),
        "means": _means(protocol, matched),
        "crop source": header.crop_source,
        "scale policy": header.scale_policy,
        "position": _position(predictions.flags[matched.rows]),
        "views": header.views,
        "system": header.system,
        "checkpoint": header.checkpoint_sha256,
        "config": header.config_sha256,
        "intervals": f"{LEVEL:.0%}, {ROUNDS} bootstrap rounds over {len(set(matched.units))} {group.resample}s",
    }
    if protocol.data == "reader":
        card["compares with"] = _compares_with(protocol, group)
    if protocol.trained_on:
        card["these were trained on"] = protocol.trained_on
    return card | ({"note": group.note} if group.note else {})


def _compares_with(protocol: Protocol, group: Group) -> str:
    """The public numbers of this protocol and group, all others being of another."""
    named = [n for n in comparable(protocol.name) if any(c.group == group.name for c in n.cells)]
    return f"{', '.join(n.name for n in named)}; nothing else" if named else "no public number"


def _fitted_to(group: Group) -> str:
    return f"{len(group.align)} joints" if group.align else "the counted joints"


def _means(protocol: Protocol, matched: Matched) -> str:
    words = {
        "pooled": "over all counted joints of all people",
        "actions": f"of {len(set(matched.actions))} actions, unweighted",
        "recordings": f"of {len(set(matched.recordings))} recordings, unweighted",
    }
    return "; ".join(words[mean] for mean in protocol.means)


def _position(flags: Int[np.ndarray, " n"]) -> str:
    """How the distances from the camera were found."""
    flags = flags[flags != MISSED]
    if (flags < 0).all():
        return "as given"
    if (flags == FROM_BOX).all():
        return "from the size of the box: the model gives none"
    names = {Fallback.TWO_JOINTS: "two", Fallback.ONE_JOINT: "one", Fallback.NO_JOINTS: "no"}
    few = [f"{int((flags == f).sum())} from {name} joint(s) in view" for f, name in names.items() if (flags == f).any()]
    return ", ".join(["solved from the heatmaps", *few])


def _unpredicted(matched: Matched) -> list[str]:
    """Remarks on counted joints without a finite prediction: they make means NaN."""
    found = matched.found[:, None]
    lacking = {
        "no finite prediction": matched.with_root & ~given(matched.predicted_mm) & found,
        "no projection (behind the camera or outside the lens model)": matched.counted
        & matched.present
        & found
        & np.isfinite(matched.true_px).all(-1)
        & ~given(matched.predicted_px)
        & given(matched.predicted_px).any(),
    }
    return [f"{int(where.sum())} measured joints have {what}" for what, where in lacking.items() if where.any()]


def _known(protocol: Protocol) -> str:
    return "their 'source' must begin with " + " or ".join(repr(g.source) for g in protocol.groups)
