"""Calibration from predictions files: fitted on one split, scored on another, never on the same."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from metricpose.errors import InputError
from metricpose.evaluation.predictions import Header, Predictions, Truth
from metricpose.evaluation.recalibrate import errors_of, recalibrate, table
from metricpose.evaluation.run import predict_records
from oracle import Oracle, records

HEADER = Header("synthetic", "made up", "val", 0, 0, "true boxes", "metricpose_25", "pelvis", "network", system="s")


def split(seed: int, name: str, spread: float) -> Predictions:
    """Twelve people whose joints err by `spread` mm per axis against a root that does not err; others for each seed."""
    known = [replace(r, joints_mm=r.joints_mm + np.array([0, 0, 5.0 * seed])) for r in records(12, lens=False)]
    known[3].joints_mm[6] = np.nan
    oracle = Oracle([replace(r, joints_mm=np.nan_to_num(r.joints_mm, nan=2000.0)) for r in known], sigma_mm=10.0)
    noise = np.random.default_rng(seed).normal(0, spread, (12, 25, 3)) * [2.0, 1.0, 1.0]
    noise[:, 0] = 0
    oracle.noise = noise
    return predict_records(oracle, known, replace(HEADER, split=name, data=f"made up {name}, first 12"))


def part(of: Predictions, rows: slice, **header: str) -> Predictions:
    """Some of the people, as if fewer had been asked for."""
    truth = {f.name: getattr(of.truth, f.name) for f in fields(of.truth)}
    taken = Truth(**{k: v if k == "crop_side" else v[rows] for k, v in truth.items()})
    values = {f.name: getattr(of, f.name)[rows] for f in fields(of) if f.name not in ("header", "truth")}
    return Predictions(replace(of.header, people=len(taken), **header), taken, **values)


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
    with pytest.raises(InputError, match=r"12 of the people .*are both fitted and scored on"):
        recalibrate(val, val)
    other = replace(test, header=replace(test.header, system="another"))
    with pytest.raises(InputError, match=r"fitted on s .*, scored on another"):
        recalibrate(val, other)
    silent = replace(val, covariance_mm2=np.full_like(val.covariance_mm2, np.nan))
    with pytest.raises(InputError, match="s states no covariances"):
        recalibrate(silent, test)


@pytest.mark.parametrize(
    "header",
    [
        {"data": "made up val, first 3"},
        {"data": "another hash of more files, first 3", "split": "test"},
        {"protocol": "synthetic-truncated", "crop_source": "random parts"},
    ],
)
def test_people_that_are_scored_are_not_fitted_on(header: dict[str, str]) -> None:
    val = split(0, "val", 30.0)
    message = r"3 of the people .*are both fitted and scored on.*fit on another split than"
    with pytest.raises(InputError, match=message):
        recalibrate(part(val, slice(3), **header), val)
    with pytest.raises(InputError, match=message):
        recalibrate(val, part(val, slice(9, 12), **header))
    assert recalibrate(part(val, slice(6), **header), part(val, slice(6, 12))).common.factor > 1


@pytest.mark.parametrize("end", [", first 4", ", items and labels 02cd"])
def test_other_people_of_the_same_images_are_not_fitted_on_either(end: str) -> None:
    val, others = split(0, "val", 30.0), split(1, "val", 30.0)
    others = replace(others, header=replace(val.header, data=f"made up val{end}"))
    with pytest.raises(InputError, match="both fitted and scored on"):
        recalibrate(val, others)


@pytest.mark.parametrize(
    "data", ["Human3.6M (h36m), items and labels 01ab", "labels 01ab, first 12", "rendered, settings 0, first 12"]
)
def test_images_of_equal_name_are_others_in_other_data(data: str) -> None:
    val, test = split(0, "val", 30.0), split(1, "test", 30.0)
    assert recalibrate(val, replace(test, header=replace(test.header, data=data))).common.factor > 1
