"""From predictions files to a covariance calibration: fitted on one split, scored on another."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from metricpose.errors import InputError
from metricpose.evaluation.calibration import LEVELS, Calibration, CalibrationScore, fit, score
from metricpose.evaluation.matching import match
from metricpose.evaluation.predictions import Predictions
from metricpose.evaluation.protocols import Group
from metricpose.evaluation.tables import Table
from metricpose.skeleton import catalog


class Errors(NamedTuple):
    """Root-relative errors of the network's own joints, their covariances, and which count."""

    error_mm: Float[np.ndarray, "n j 3"]
    covariance_mm2: Float[np.ndarray, "n j 3 3"]
    counted: Bool[np.ndarray, "n j"]


class Recalibration(NamedTuple):
    """Fitted factors, and what covariances are worth on the other split with and without them."""

    common: Calibration
    per_joint: Calibration
    scores: dict[str, CalibrationScore]


def errors_of(predictions: Predictions) -> Errors:
    """Errors in the predictions' own skeleton; the root, whose relative error is 0 by construction, does not count.

    Raises:
        InputError: the predictions state no covariances, or the truth has no such joints.
    """
    skeleton = catalog.get(predictions.header.skeleton)
    root = skeleton.joints[skeleton.root]
    group = Group("calibration", skeleton.name, skeleton.joints, (root,))
    if not np.isfinite(predictions.covariance_mm2).any():
        raise InputError(f"{predictions.header.system} states no covariances: nothing to calibrate")
    matched = match(predictions, group, np.ones(len(predictions.truth), bool))
    true = matched.true_mm - matched.true_mm[:, [skeleton.root]]
    counted = matched.counted & matched.measured[:, [skeleton.root]]
    counted[:, skeleton.root] = False
    predicted = matched.predicted_mm - matched.predicted_mm[:, [skeleton.root]]
    return Errors(np.where(counted[..., None], predicted - true, 0.0), matched.covariance_mm2, counted)


def recalibrate(validation: Predictions, test: Predictions) -> Recalibration:
    """Fit on `validation`, score on `test`.

    Raises:
        InputError: they share people or images, the systems differ, or there is nothing to fit.
    """
    a, b = validation.header, test.header
    if (a.system, a.checkpoint_sha256, a.views) != (b.system, b.checkpoint_sha256, b.views):
        raise InputError(f"calibration: fitted on {a.system} {a.checkpoint_sha256}, scored on {b.system}")
    _require_others(validation, test)
    fitted, held_out = errors_of(validation), errors_of(test)
    common, per_joint = fit(*fitted), fit(*fitted, per_joint=True)
    named = {"as stated": None, "one factor": common, "one factor per joint": per_joint}
    return Recalibration(common, per_joint, {name: score(*held_out, c) for name, c in named.items()})


def _require_others(validation: Predictions, test: Predictions) -> None:
    """Refuse people to score that were fitted on, under whatever name, and others of the same images."""
    fitted, images = set(_people(validation)), set(_images(validation))
    pairs = zip(_people(test), _images(test))
    shared = sum(person in fitted or image in images for person, image in pairs)
    if shared:
        raise InputError(
            f"calibration: {shared} of the people of {test.header.data} ({test.header.split}), or their images, are "
            f"both fitted and scored on; fit on another split than {validation.header.data}"
        )


def _people(predictions: Predictions) -> list[bytes]:
    """Labels that tell people, whatever their data, protocol and box; in whole millimetres and pixels."""
    truth = predictions.truth
    labels = [np.concatenate([np.ravel(p), np.ravel(k)]) for p, k in zip(truth.joints_mm, truth.K)]
    return [np.rint(values[np.isfinite(values)]).astype(np.int64).tobytes() for values in labels]


def _images(predictions: Predictions) -> list[tuple[str, str]]:
    """The data without how much of it was taken, and the image in it."""
    data = re.split(r", (?:first \d+$|items and labels )", predictions.header.data)[0]
    return [(data, image) for image in predictions.truth.images]


def table(found: Recalibration) -> Table:
    """The scores as text."""
    headings = ("covariance", "fitted on", "joints", "NLL", *(f"in {level:.0%}" for level in LEVELS))
    rows = [
        (name, "-" if name == "as stated" else "other split", str(s.count), f"{s.nll:.3f}",
         *(f"{100 * share:.1f} %" for share in s.coverage))
        for name, s in found.scores.items()
    ]  # fmt: skip
    return Table("Calibration of the covariances", headings, rows)
