"""A report beside public numbers, and every pair that must be refused."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import protocol_people as made
from metricpose.errors import InputError
from metricpose.evaluation.comparison import beside, require_protocol
from metricpose.evaluation.official import OFFICIAL
from metricpose.evaluation.protocols import get
from metricpose.evaluation.published import PUBLISHED, comparable
from metricpose.evaluation.report import Report
from metricpose.evaluation.scoring import evaluate
from metricpose.evaluation.tables import compare

ORACLE = "ORACLE: true depth of the root"


@cache
def report(protocol: str, scale_policy: str = "network") -> Report:
    """Two people, 30 mm off in one direction but for the root."""
    skeleton = get(protocol).groups[0].skeleton
    joints = made.poses(2, skeleton, np.random.default_rng(0), 150.0)
    off = joints + np.random.default_rng(1).normal(0, 30, joints.shape)
    true = made.truth(joints, skeleton, recordings=["a", "b"], actions=["Directions", "Photo"])
    return evaluate(made.predictions(protocol, true, off, scale_policy=scale_policy, system="ours"), get(protocol))


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_a_number_stands_beside_a_report_of_its_protocol(name: str) -> None:
    number = PUBLISHED[name]
    table = beside(report(number.protocol, ORACLE if number.oracle else "network"), number)
    ours, theirs = table.rows
    assert ours[:2] == ("ours", "here")
    assert theirs[:2] == (number.system, number.source)
    assert len(table.headings) == len(ours) == len(theirs)
    assert theirs[2] == f"{number.cells[0].value:g}"
    assert ours[2] != "–"


@pytest.mark.parametrize("protocol", [p.name for p in OFFICIAL])
def test_every_number_of_another_protocol_is_refused(protocol: str) -> None:
    refused = 0
    for number in PUBLISHED.values():
        if number.protocol != protocol:
            with pytest.raises(InputError, match=f"was measured by {number.protocol} .* not by {protocol} "):
                beside(report(protocol), number)
            with pytest.raises(InputError, match=f"use --protocol {number.protocol}"):
                require_protocol(number, protocol)
            refused += 1
        else:
            require_protocol(number, protocol)
    assert refused == len(PUBLISHED) - len(comparable(protocol))


def test_our_numbers_are_those_of_the_report() -> None:
    found = report("h36m-s9s11-all")
    table = beside(found, PUBLISHED["hemlets-h36m"])
    actions = next(r for r in found.select() if r.part == "mean of actions").values
    shown = dict(zip(table.headings, table.rows[0]))
    assert shown["MPJPE mm, 17 joints, all"].startswith(f"{actions['mpjpe'].mean:.1f} [")
    photo = next(r for r in found.select("action") if r.part == "Photo").values
    assert shown["MPJPE, Photo"] == f"{photo['mpjpe'].mean:.1f}"
    assert shown["PA-MPJPE, Photo"] == f"{photo['pa_mpjpe'].mean:.1f}"
    assert shown["MPJPE, Sitting"] == "–"
    assert dict(zip(table.headings, table.rows[1]))["MPJPE, Photo"] == "39.8"
    assert "mean of actions" in table.title


def test_truth_that_only_one_was_given_is_refused_unless_allowed() -> None:
    with pytest.raises(InputError, match="it was given true depth of the root, this has the scale policy 'network'"):
        beside(report("h36m-s9s11-every64"), PUBLISHED["margipose-h36m"])
    with pytest.raises(InputError, match="it was given nothing but the box, this has the scale policy 'ORACLE"):
        beside(report("h36m-s9s11-every64", ORACLE), PUBLISHED["metro-h36m"])
    assert beside(report("h36m-s9s11-every64"), PUBLISHED["margipose-h36m"], allow=("oracle",)).rows


def test_a_part_of_the_data_compares_with_nothing() -> None:
    whole = report("h36m-s9s11-every64")
    some = replace(whole, header=replace(whole.header, part="20 of 8000 items, evenly"))
    with pytest.raises(InputError, match="it is of all the data, this of 20 of 8000 items, evenly"):
        beside(some, PUBLISHED["metro-h36m"])


def test_a_report_without_the_measure_is_refused() -> None:
    whole = report("mupots-metric")
    rows = tuple(replace(r, values={k: v for k, v in r.values.items() if k != "a_mpjpe"}) for r in whole.rows)
    with pytest.raises(InputError, match="this report has no A-MPJPE mm, 14 joints, detected"):
        beside(replace(whole, rows=rows), PUBLISHED["metrabs-mupots"])


def test_reports_of_two_protocols_do_not_stand_in_one_table() -> None:
    with pytest.raises(InputError, match=r"do not measure the same: .*protocol: h36m-s9s11-every64"):
        compare({"a": report("h36m-s9s11-every64"), "b": report("h36m-s9s11-all")})
    with pytest.raises(InputError, match="rescaling: predictions scaled to 920 mm"):
        compare({"a": report("3dhp-universal-920mm"), "b": report("3dhp-universal")}, allow=["protocol", "split"])
    table = compare({"a": report("h36m-s9s11-all"), "b": report("h36m-s9s11-all")})
    assert [row[2] for row in table.rows] == ["all", "all", "all, mean of actions", "all, mean of actions"]
