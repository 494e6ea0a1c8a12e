from __future__ import annotations

import math

from metricpose.benchmark import report
from metricpose.benchmark.compare import NOTHING, Estimate
from reference.comparisons import costs, result, rows


def test_cells_show_numbers_with_their_interval():
    assert report.cell(Estimate(61.23, 58.04, 64.9, (2,))) == "61.2 [58.0, 64.9]"
    assert report.cell(Estimate(61.23, 58.04, 64.9, (2,)), 0) == "61 [58, 65]"
    assert report.cell(NOTHING) == "–"
    assert math.isnan(NOTHING.value)


def test_the_table_has_a_line_for_every_row_that_was_measured():
    errors = rows(0.0)["a"][0].errors["whole/mpjpe"].sums / 17
    made = {
        "metro": [result("metro", s, errors, seconds={"training": 60.0 + s}) for s in (0, 1)],
        "metro-fine": [result("metro-fine", 0, errors)],
    }
    lines = report.results_table(made).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| **MeTRo** | ")
    assert "2 x 1.0 |" in lines[2]
    assert lines[3].startswith("| MeTRo, the same weights at stride 4 |")
    assert "same weights |" in lines[3]
    assert len({line.count("|") for line in lines}) == 1


def test_costs_are_tables_too():
    made = costs()
    ours, published = (report.costs_table(made, published=p).splitlines() for p in (False, True))
    assert [line.split("|")[1].strip() for line in ours[2:]] == ["MeTRo", "HEMlets", "HEMlets' baseline: no maps"]
    assert [line.split("|")[1].strip() for line in published[2:]] == list(made.published)
    assert "| 1280 x 8 x 8 | 1.00 | 2.00 | 10.00 | 8.00 | 2.000 |" in ours[2]
    assert "| 64 | 1.641 | 35.000 | 0.047 |" in report.memory_table(made)
    assert "| volume | 5 | 1.000 | 30 | 4.000 | 4.00 | 9.0 |" in report.decode_table(made)
