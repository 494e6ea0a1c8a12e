"""Reports as text, and the refusal to put unlike numbers side by side."""

from __future__ import annotations

from dataclasses import replace

import pytest

from metricpose.errors import InputError
from metricpose.evaluation.predictions import Header
from metricpose.evaluation.report import Report, Row, Value
from metricpose.evaluation.tables import COMPARED, cell, compare, markdown, tables

NAN = float("nan")
CARD = {key: f"some {key}" for key in COMPARED} | {"checkpoint": "ab", "system": "ours", "note": "few"}


def report(mean: float = 61.24, *, absolute: bool = False, **card: str) -> Report:
    values = {"mpjpe": Value(mean, 58.04, 64.86, 340, 20), "pck150": Value(91.0, NAN, NAN, 340, 1)}
    if absolute:
        values["mrpe"] = Value(200.0, NAN, NAN, 20, 20)
    rows = (
        Row("lab", "all", "", "", 20, values),
        Row("lab", "present", "", "", 19, {"mpjpe": Value(NAN, NAN, NAN, 3, 1)}),
        Row("lab", "all", "height", "< 100 cm", 4, {"mpjpe": values["mpjpe"], "n_mpjpe": values["mpjpe"]}),
        Row("lab", "present", "height", "< 100 cm", 3, {"mpjpe": values["mpjpe"]}),
    )
    header = Header("p", "d", "s", 20, 0, "b", "h36m_17", "pelvis", "network")
    return Report(header, {"lab": CARD | card}, rows, ("one remark",))


def test_cells_show_the_interval_where_there_is_one() -> None:
    assert cell(Value(61.24, 58.04, 64.86, 340, 20), interval=True) == "61.2 [58.0, 64.9]"
    assert cell(Value(61.24, 58.04, 64.86, 340, 20), interval=False) == "61.2"
    assert cell(Value(91.0, NAN, NAN, 340, 1), interval=True) == "91.0"
    assert cell(Value(NAN, NAN, NAN, 340, 1), interval=True) == "nan"
    assert cell(None, interval=True) == "–"


def test_tables_have_one_row_per_subset_and_part_and_only_the_columns_in_use() -> None:
    main, height = tables(report())
    assert main.headings == ("group", "joints", "people", "MPJPE mm", "PCK@150 %")
    assert main.rows == [("lab", "all", "20", "61.2 [58.0, 64.9]", "91.0"), ("lab", "present", "19", "nan", "–")]
    assert height.title == "By body height"
    assert height.headings == ("group", "height", "people", "MPJPE mm", "N-MPJPE mm")
    value = "61.2 [58.0, 64.9]"
    assert height.rows == [("lab", "< 100 cm", "4", value, value), ("lab, present", "< 100 cm", "3", value, "–")]
    brief = tables(report(), brief=True)[1]
    assert brief.headings == ("group", "height", "people", "MPJPE mm")
    assert brief.rows[0] == ("lab", "< 100 cm", "4", "61.2")


def test_markdown_starts_with_the_protocol() -> None:
    text = markdown(report())
    assert text.index("### Protocol: lab") < text.index("### Results") < text.index("### By body height")
    assert "| root | some root |" in text
    assert "| lab | all | 20 | 61.2 [58.0, 64.9] | 91.0 |" in text
    assert "| --- | --- | ---: | ---: | ---: |" in text
    assert "Note: one remark" in text


def test_like_reports_stand_under_each_other() -> None:
    table = compare({"metro": report(), "metrabs": report(55.0, checkpoint="cd", system="other")})
    assert table.headings[:4] == ("method", "group", "joints", "people")
    assert [(*row[:3], row[4]) for row in table.rows] == [
        ("metro", "lab", "all", "61.2 [58.0, 64.9]"),
        ("metrabs", "lab", "all", "55.0 [58.0, 64.9]"),
        ("metro", "lab", "present", "nan"),
        ("metrabs", "lab", "present", "nan"),
    ]


@pytest.mark.parametrize("key", COMPARED)
def test_unlike_rows_are_refused(key: str) -> None:
    one, other = report(absolute=True), report(absolute=True, **{key: "changed"})
    with pytest.raises(InputError, match=f"'a' and 'b' do not measure the same: {key}: some {key} / changed"):
        compare({"a": one, "b": other})
    assert compare({"a": one, "b": other}, allow=[key]).rows


BOX, SOLVED = "from the size of the box: the model gives none", "solved from the heatmaps"


def test_distances_found_in_other_ways_are_not_compared() -> None:
    solved, box = (report(absolute=True, position=text) for text in (SOLVED, BOX))
    with pytest.raises(InputError, match="position: solved from the heatmaps / from the size of the box"):
        compare({"metrabs": solved, "metro": box})
    few = report(absolute=True, position=f"{SOLVED}, 3 from two joint(s) in view")
    assert compare({"metrabs": solved, "other": few}).rows, "found alike, but for how often it had to do with less"


def test_the_distance_does_not_matter_where_none_is_scored() -> None:
    assert compare({"metrabs": report(position=SOLVED), "metro": report(position=BOX)}).rows
    assert compare({"metrabs": report(position=SOLVED, absolute=True), "metro": report(position=BOX)}).rows


def test_reports_on_other_groups_are_refused() -> None:
    other = replace(report(), cards={"street": CARD})
    with pytest.raises(InputError, match="groups lab / street"):
        compare({"a": report(), "b": other})


def test_one_report_is_no_comparison() -> None:
    with pytest.raises(InputError, match="at least two reports, got 1"):
        compare({"a": report()})
