"""Calibration from predictions files: fitted on one split, scored on another, never on the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metricpose.errors import InputError
from metricpose.evaluation.predictions import Header, Predictions
from metricpose.evaluation.recalibrate import errors_of, recalibrate, table
from metricpose.evaluation.run import predict_records
from oracle import Oracle, records

HEADER = Header("synthetic", "made up", "val", 0, 0, "true boxes", "metricpose_25", "pelvis", "network", system="s")


def split(seed: int, name: str, spread: float) -> Predictions:
    """Twelve people whose joints err by `spread` mm per axis against a root that does not err."""
    known = records(12, lens=False)
    known[3].joints_mm[6] = np.nan
    oracle = Oracle([replace(r, joints_mm=np.nan_to_num(r.joints_mm, nan=2000.0)) for r in known], sigma_mm=10.0)
    noise = np.random.default_rng(seed).normal(0, spread, (12, 25, 3)) * [2.0, 1.0, 1.0]
    noise[:, 0] = 0
    oracle.noise = noise
    return predict_records(oracle, known, replace(HEADER, split=name))


def test_the_factor_is_found_on_one_split_and_good_on_the_other() -> None:
    found = recalibrate(split(0, "val", 30.0), split(1, "test", 30.0))
    assert found.common.factor == pytest.approx(9.0, rel=0.1)  # 30^2 / 10^2, whatever the direction
    scores = found.scores
    assert scores["as stated"].coverage[1] < 0.3
    np.testing.assert_allclose(scores["one factor"].coverage, (0.5, 0.9), atol=0.08)
    assert scores["one factor"].nll < scores["as stated"].nll - 5
    assert scores["one factor"].count == 12 * 24 - 1


def test_the_root_and_unmeasured_joints_do_not_count() -> None:
    found = errors_of(split(0, "val", 30.0))
    assert not found.counted[:, 0].any()
    assert not found.counted[3, 6]
    assert found.counted.sum() == 12 * 24 - 1
    assert np.isfinite(found.error_mm).all()


def test_factors_per_joint_follow_the_network_s_order() -> None:
    val = split(0, "val", 30.0)
    joints = val.joints_mm.copy()
    joints[:, 5] += (joints[:, 5] - (val.truth.joints_mm - val.truth.joints_mm[:, :1])[:, 5]) * 9
    found = recalibrate(replace(val, joints_mm=joints), split(1, "test", 30.0))
    factors = np.array(found.per_joint.factor)
    assert factors.shape == (25,)
    assert factors[5] > 20 * np.median(factors)
    assert factors[0] == pytest.approx(found.common.factor)


def test_the_table_lists_both_levels() -> None:
    shown = table(recalibrate(split(0, "val", 30.0), split(1, "test", 30.0)))
    assert shown.headings == ("covariance", "fitted on", "joints", "NLL", "in 50%", "in 90%")
    assert [row[0] for row in shown.rows] == ["as stated", "one factor", "one factor per joint"]


def test_what_makes_no_sense_is_refused() -> None:
    val, test = split(0, "val", 30.0), split(1, "test", 30.0)
    with pytest.raises(InputError, match="is both fitted and scored on; take two splits"):
        recalibrate(val, val)
    other = replace(test, header=replace(test.header, system="another"))
    with pytest.raises(InputError, match=r"fitted on s .*, scored on another"):
        recalibrate(val, other)
    silent = replace(val, covariance_mm2=np.full_like(val.covariance_mm2, np.nan))
    with pytest.raises(InputError, match="s states no covariances"):
        recalibrate(silent, test)
