"""Evaluation against truth of one stature, as cascaded dimension lifting trains: people of any size count alike.

The raw error of a network that was trained on targets of standard stature contains how far each person's stature is off
the standard. `evaluate(standardised(predictions), protocol)` is the error without it; the card says so. To be reported
beside the raw numbers, never in their place.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float

from metricpose.evaluation.predictions import Predictions, Truth
from metricpose.models.lifter import STANDARD_STATURE_MM, standard_factor, stature_chains
from metricpose.skeleton import catalog


def standardised(predictions: Predictions, standard_mm: float = STANDARD_STATURE_MM) -> Predictions:
    """The same predictions, every person's truth scaled about the camera to a knee-to-neck length of `standard_mm`.

    Scaled about the camera, it projects to the same pixels. The truth of people whose stature is not known becomes NaN:
    they count nowhere.

    Raises:
        InputError: a skeleton of the truth lacks joints of the chain.
    """
    factors = _factors(predictions.truth, standard_mm)
    truth = replace(predictions.truth, joints_mm=predictions.truth.joints_mm * factors[:, None, None])
    policy = f"{predictions.header.scale_policy}; truth scaled to a stature of {standard_mm:g} mm"
    return replace(predictions, truth=truth, header=replace(predictions.header, scale_policy=policy))


def _factors(truth: Truth, standard_mm: float) -> Float[np.ndarray, " n"]:
    factors = np.full(len(truth), np.nan)
    names = np.array(truth.skeletons)
    for name in set(truth.skeletons):
        rows, net = names == name, catalog.get(name)
        joints = torch.from_numpy(truth.joints_mm[rows][:, : len(net)])
        known = joints.isfinite().all(-1).to(joints.dtype)
        found = standard_factor(joints, known, stature_chains(net), standard_mm).numpy()
        factors[rows] = np.where(found > 0, found, np.nan)
    return factors
