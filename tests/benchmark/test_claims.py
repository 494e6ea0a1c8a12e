from __future__ import annotations

from dataclasses import replace

import pytest

from metricpose.benchmark.claims import CLAIMS, COST_CLAIMS, Claim, judge
from reference.comparisons import rows

CLAIM = Claim("paper", "text", "a", "b", "whole/mpjpe", "2 -> 1 mm")


@pytest.mark.parametrize(
    ("shift", "noise", "kind", "verdict"),
    [
        (-3.0, 0.1, "lower", "holds"),
        (3.0, 0.1, "lower", "fails"),
        (-0.1, 2.0, "lower", "not resolved at this scale"),
        (3.0, 0.1, "higher", "holds"),
        (-3.0, 0.1, "higher", "fails"),
        (0.5, 0.1, "matches", "holds"),  # of about 100 mm: within 2 %
        (-30.0, 0.1, "matches", "holds"),
        (5.0, 0.1, "matches", "fails"),
        (2.0, 0.5, "matches", "not resolved at this scale"),
    ],
)
def test_verdicts(shift, noise, kind, verdict):
    found = judge(replace(CLAIM, kind=kind), rows(0.0, shift, noise=noise))
    assert found.verdict == verdict
    assert found.change.value == pytest.approx(shift)
    assert found.after.value - found.before.value == pytest.approx(shift)


def test_rows_that_are_missing_are_not_measured():
    assert judge(CLAIM, rows(0.0)).verdict == "not measured"


def test_every_claim_of_the_papers_is_there():
    papers = [c.paper for c in CLAIMS]
    assert {p: papers.count(p) for p in set(papers)} == {
        "MeTRo": 4, "MeTRAbs": 2, "MargiPose": 5, "HEMlets": 7, "CDL": 3
    }  # fmt: skip
    assert {c.key for c in COST_CLAIMS} == {"stride_speed", "hemlets_time", "maps_memory", "decode_time"}
