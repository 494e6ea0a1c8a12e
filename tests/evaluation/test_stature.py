"""Truth of one stature: a prediction of the right shape and standard size is then without error."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from metricpose.evaluation.predictions import Header, Predictions
from metricpose.evaluation.protocols import Group, Protocol
from metricpose.evaluation.run import predict_records
from metricpose.evaluation.scoring import evaluate
from metricpose.evaluation.stature import standardised
from metricpose.geometry.crop import crop_camera
from metricpose.skeleton import catalog
from oracle import SIDE, Oracle, records

COUNT, STANDARD = 4, 1000.0
GROUP = Group("made up", "h36m_17", catalog.H36M_17.joints, ("pelvis",))
PROTOCOL = Protocol("test", "made up people", "labels", (GROUP,), "test")
HEADER = Header("test", "made up", "test", 0, 0, "true boxes", "metricpose_25", "pelvis", "network")


def stature(joints: np.ndarray) -> float:
    net = catalog.METRICPOSE_25
    sides = [[f"{s}_knee", f"{s}_hip", "pelvis", "spine", "thorax"] for s in "lr"]
    chains = [[joints[net.index(name)] for name in side] for side in sides]
    return float(np.mean([sum(math.dist(a, b) for a, b in pairwise(c)) for c in chains]))


class OneSize(Oracle):
    """Predicts the truth at the standard stature."""

    def _pose(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        joints, covariance = super()._pose(index)
        return joints * (STANDARD / stature(self.known[index].joints_mm)), covariance


@pytest.fixture(scope="module")
def made() -> Predictions:
    return predict_records(OneSize(records(COUNT)), records(COUNT), HEADER)


def test_raw_and_standardised_errors(made: Predictions) -> None:
    raw = evaluate(made, PROTOCOL).select()[0].values
    factors = [STANDARD / stature(r.joints_mm) for r in records(COUNT)]
    off = [
        np.linalg.norm((f - 1) * (r.joints_mm - r.joints_mm[0])[:17], axis=-1).mean()
        for f, r in zip(factors, records(COUNT))
    ]
    assert raw["mpjpe"].mean == pytest.approx(np.mean(off), rel=1e-3)
    scaled = standardised(made, STANDARD)
    values = evaluate(scaled, PROTOCOL).select()[0].values
    assert values["mpjpe"].mean < 0.01
    assert values["a_mpjpe"].mean < 0.05
    assert scaled.header.scale_policy == "network; truth scaled to a stature of 1000 mm"
    assert made.header.scale_policy == "network"


def test_the_truth_stays_on_its_pixels(made: Predictions) -> None:
    scaled = standardised(made, STANDARD).truth.joints_mm
    for i, record in enumerate(records(COUNT)):
        crop = crop_camera(record.camera, record.box_xywh, SIDE)
        seen = [crop.project_camera(crop.R @ joints[4]) for joints in (scaled[i], made.truth.joints_mm[i])]
        np.testing.assert_allclose(seen[0], seen[1], atol=1e-6)
        assert stature(scaled[i]) == pytest.approx(STANDARD)


def test_people_of_unknown_stature_do_not_count(made: Predictions) -> None:
    joints = made.truth.joints_mm.copy()
    joints[1, catalog.METRICPOSE_25.index("spine")] = np.nan
    joints[2, catalog.METRICPOSE_25.index("l_knee")] = np.nan  # the right side is enough
    truth = type(made.truth)(**{**vars(made.truth), "joints_mm": joints})
    scaled = standardised(Predictions(**{**vars(made), "truth": truth})).truth.joints_mm
    assert np.isnan(scaled[1]).all()
    assert np.isfinite(scaled[[0, 3]]).all()
    assert np.isfinite(scaled[2]).sum() == joints[2].size - 3
