"""Public numbers: each belongs to a protocol that has what it measures, and to no other."""

from __future__ import annotations

import numpy as np
import pytest

from metricpose.errors import InputError
from metricpose.evaluation import published
from metricpose.evaluation.protocols import PROTOCOLS
from metricpose.evaluation.published import PUBLISHED, comparable

ALL = pytest.mark.parametrize("name", list(PUBLISHED))


@ALL
def test_a_number_is_of_a_measure_its_protocol_has(name: str) -> None:
    number = PUBLISHED[name]
    protocol = PROTOCOLS[number.protocol]
    groups = {group.name: group for group in protocol.groups}
    assert number.mean in protocol.means
    for cell in number.cells:
        assert cell.measure in groups[cell.group].measures
        assert cell.subset in protocol.subsets
        assert cell.value > 0
    columns = {(c.breakdown, c.part) for layout in protocol.layouts for c in layout.columns}
    for part in number.parts:
        assert part.breakdown in protocol.breakdowns
        assert part.measure in {c.measure for c in number.cells}
        assert {(part.breakdown, value) for value in part.values} <= columns


@ALL
def test_every_number_is_found_by_its_protocol_alone(name: str) -> None:
    holders = [p for p in PROTOCOLS if PUBLISHED[name] in comparable(p)]
    assert holders == [PUBLISHED[name].protocol]


@ALL
def test_parts_average_to_the_mean_that_is_printed(name: str) -> None:
    """A slip in a row would show: the fifteen actions average to within a few per cent of the row's mean."""
    number = PUBLISHED[name]
    whole = {c.measure: c.value for c in number.cells if c.group == number.cells[0].group}
    for part in number.parts:
        mean = np.mean(list(part.values.values()))
        tight = 0.005 if number.mean == "actions" else 0.035
        assert mean == pytest.approx(whole[part.measure], rel=tight)
        if part.breakdown == "action":
            assert len(part.values) == 15


def test_both_orders_of_columns_are_read_as_printed() -> None:
    cdl, hemlets = (PUBLISHED[n].parts[0].values for n in ("cdl-h36m", "hemlets-h36m"))
    assert cdl["Photo"] == 60.1
    assert cdl["WalkDog"] == 51.4
    assert hemlets["Photo"] == 39.8
    assert hemlets["WalkDog"] == 42.0
    assert hemlets["Walking"] == 29.8


def test_frame_means_and_action_means_are_told_apart() -> None:
    """CDL prints 48.7 where its fifteen actions average 48.3: a mean over frames. HEMlets prints the actions' mean."""
    cdl = PUBLISHED["cdl-h36m"]
    assert np.mean(list(cdl.parts[0].values.values())) == pytest.approx(48.27, abs=0.01)
    assert cdl.mean == "pooled"
    assert PUBLISHED["hemlets-h36m"].mean == "actions"


def test_an_unknown_number_lists_the_known() -> None:
    with pytest.raises(InputError, match="unknown public number 'sota'; known: metro-h36m, "):
        published.get("sota")


def test_the_two_definitions_of_auc_are_not_mixed() -> None:
    """MeTRo's of 2020 is the exact area over 17 joints, MargiPose's the 31 thresholds over 14."""
    metro, margipose = (
        {c.measure: c.group for c in PUBLISHED[n].cells} for n in ("metro-3dhp-universal", "margipose-3dhp")
    )
    assert metro["auc"] == "17 joints"
    assert margipose["auc31"] == "14 joints"
    assert "auc31" not in metro
    assert "auc" not in margipose
