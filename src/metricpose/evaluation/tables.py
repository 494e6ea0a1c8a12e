"""Reports as tables of text, for the terminal and for Markdown, and side by side where they may be compared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

from metricpose.errors import InputError
from metricpose.evaluation.definition import Layout
from metricpose.evaluation.protocols import PROTOCOLS
from metricpose.evaluation.report import MEASURES, Report, Row, Value

COMPARED = (
    "protocol",
    "data",
    "split",
    "people",
    "joint set",
    "joints from",
    "root",
    "alignment",
    "rescaling",
    "matching",
    "subset",
    "crop source",
    "scale policy",
    "position",
    "views",
)
"""Lines of the protocol card that must agree before two numbers stand in one table; `position` only where it counts."""

_ABSOLUTE = {"a_mpjpe", "a_pck150", "a_auc31", "mrpe"}

BRIEF = ("mpjpe", "pa_mpjpe", "pck150", "pck50", "a_mpjpe", "px", "cover90")
_BREAKDOWNS = {
    "height": "body height",
    "age": "age",
    "distance": "distance from the camera",
    "visibility": "visibility of the joint",
    "joint": "joint",
    "action": "action",
    "scene": "scene",
    "recording": "recording",
    "person": "person",
    "action and person": "action and person",
}


class Table(NamedTuple):
    """Text cells; the first two columns are names, the others numbers."""

    title: str
    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def tables(report: Report, *, brief: bool = False) -> list[Table]:
    """The main table, those as papers print them, then one per breakdown that has rows. Empty columns are left out.

    Args:
        brief: only the most telling measures in the breakdowns and no intervals there, to fit a terminal.
    """
    found = [_table("Results", report.select(), list(MEASURES), intervals=True, first=("group", "joints"))]
    found += as_printed(report)
    for kind, title in _BREAKDOWNS.items():
        rows, names = report.select(kind), [n for n in MEASURES if n in BRIEF or not brief]
        if rows:
            found.append(_table(f"By {title}", rows, names, intervals=not brief, first=("group", kind)))
    return found


def as_printed(report: Report) -> list[Table]:
    """The tables of the report's protocol in the layout of papers: parts of the data in columns, with intervals."""
    protocol = PROTOCOLS.get(report.header.protocol)
    if protocol is None:
        return []
    whole = product(protocol.layouts, report.cards, protocol.subsets)
    found = [_as_printed(report, layout, group, subset) for layout, group, subset in whole]
    return [table for table in found if table.rows]


def _as_printed(report: Report, layout: Layout, group: str, subset: str) -> Table:
    rows = {(r.breakdown, r.part): r for r in report.rows if (r.group, r.subset) == (group, subset)}
    lines = []
    for name in layout.measures:
        values = [_value(rows.get((c.breakdown, c.part)), name) for c in layout.columns]
        if any(values):
            heading = f"{MEASURES[name].title} {MEASURES[name].unit}"
            lines.append((f"{group}, {subset}", heading, *(cell(v, interval=True) for v in values)))
    return Table(layout.title, ("group", "measure", *(c.heading for c in layout.columns)), lines)


def _value(row: Row | None, name: str) -> Value | None:
    return None if row is None else row.values.get(name)


def markdown(report: Report) -> str:
    """Protocol cards and all tables."""
    parts = []
    for name, card in report.cards.items():
        lines = [f"| {key} | {text} |" for key, text in card.items()]
        parts.append("\n".join([f"### Protocol: {name}", "", "| | |", "|---|---|", *lines]))
    parts += [f"Note: {note}" for note in report.notes]
    parts += [_markdown(table) for table in tables(report)]
    return "\n\n".join(parts) + "\n"


def compare(reports: dict[str, Report], *, allow: Sequence[str] = ()) -> Table:
    """Main rows of several reports under each other, by name.

    Args:
        allow: lines of the protocol card that may differ all the same, for example "views".

    Raises:
        InputError: fewer than two reports, or rows that do not measure the same; the message says in what they differ.
    """
    if len(reports) < 2:
        raise InputError(f"a comparison needs at least two reports, got {len(reports)}")
    first, reference = next(iter(reports.items()))
    for name, report in reports.items():
        differing = _unlike(reference, report, [key for key in COMPARED if key not in allow])
        if differing:
            raise InputError(f"'{first}' and '{name}' do not measure the same: {'; '.join(differing)}")
    rows = [(name, row) for row in reference.select() for name in reports]
    found = [(name, _same(reports[name], row)) for name, row in rows]
    table = _table("Comparison", [row for _, row in found], list(MEASURES), intervals=True, first=("group", "joints"))
    named = [(name, *cells) for (name, _), cells in zip(found, table.rows)]
    return Table("Comparison", ("method", *table.headings), named)


def cell(value: Value | None, *, interval: bool) -> str:
    """A mean and, where it has one, its interval: "61.2 [58.0, 64.9]"; NaN is shown as such."""
    if value is None:
        return "–"
    text = f"{value.mean:.1f}"
    if not interval or math.isnan(value.low):
        return text
    return f"{text} [{value.low:.1f}, {value.high:.1f}]"


def _table(title: str, rows: list[Row], names: list[str], *, intervals: bool, first: tuple[str, str]) -> Table:
    present = [name for name in names if any(name in row.values for row in rows)]
    headings = (*first, "people", *(f"{MEASURES[n].title} {MEASURES[n].unit}" for n in present))
    lines = []
    for row in rows:
        values = (cell(row.values.get(n), interval=intervals) for n in present)
        label = row.part if row.breakdown else ", ".join(filter(None, (row.subset, row.part)))
        group = row.group if not row.breakdown or row.subset == "all" else f"{row.group}, {row.subset}"
        lines.append((group, label, str(row.people), *values))
    return Table(title, headings, lines)


def _markdown(table: Table) -> str:
    rule = ["---", "---"] + ["---:"] * (len(table.headings) - 2)
    rows = [table.headings, tuple(rule), *table.rows]
    return "\n".join([f"### {table.title}", "", *("| " + " | ".join(row) + " |" for row in rows)])


def _unlike(a: Report, b: Report, keys: Sequence[str]) -> list[str]:
    if a.cards.keys() != b.cards.keys():
        return [f"groups {', '.join(a.cards)} / {', '.join(b.cards)}"]
    return [
        f"{key}: {mine.get(key)} / {b.cards[group].get(key)}"
        for group, mine in a.cards.items()
        for key in keys
        if _line(mine, key) != _line(b.cards[group], key)
        and (key != "position" or (_has_absolute(a, group) and _has_absolute(b, group)))
    ]


def _line(card: dict[str, str], key: str) -> str | None:
    """A line of a card; of the position only the way, without how many people it had to do with less for."""
    text = card.get(key)
    return text.partition(",")[0] if text is not None and key == "position" else text


def _has_absolute(report: Report, group: str) -> bool:
    """Whether distances from the camera are scored."""
    return any(row.group == group and not _ABSOLUTE.isdisjoint(row.values) for row in report.rows)


def _same(report: Report, row: Row) -> Row:
    wanted = row.group, row.subset, row.part
    return next(r for r in report.select() if (r.group, r.subset, r.part) == wanted)
