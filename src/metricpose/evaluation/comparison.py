"""A report beside public numbers: only those measured by the same protocol, else the reasons why not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from metricpose.errors import InputError
from metricpose.evaluation.definition import MEANS
from metricpose.evaluation.protocols import PROTOCOLS
from metricpose.evaluation.published import Cell, PublicNumber
from metricpose.evaluation.report import MEASURES, Report, Row, Value
from metricpose.evaluation.tables import Table, cell

ORACLE = "ORACLE"
"""How scale policies begin that use the truth."""


def beside(report: Report, number: PublicNumber, *, allow: Sequence[str] = ()) -> Table:
    """The numbers of a public system under ours, with its title saying what is known of it.

    Args:
        allow: "oracle" to compare although one of the two was given truth that the other was not.

    Raises:
        InputError: the two do not measure the same; the message says in what they differ and which protocol would do.
    """
    require_protocol(number, report.header.protocol)
    reasons = [text for key, text in _differences(report, number) if key not in allow]
    if reasons:
        raise InputError(f"'{number.name}' ({number.system}) cannot be compared with this report: {'; '.join(reasons)}")
    ours = [_ours(report, number, c) for c in number.cells]
    columns = [(_heading(c), cell(v, interval=True), f"{c.value:g}") for c, v in zip(number.cells, ours)]
    columns += list(_parts(report, number))
    headings, mine, theirs = zip(*columns)
    rows = [(report.header.system, "here", *mine), (number.system, number.source, *theirs)]
    facts = "; ".join(filter(None, (f"trained on {number.trained_on}" if number.trained_on else "", number.note)))
    mean = MEANS[number.mean] or "mean over everything"
    return Table(f"{number.name}, {number.protocol}, {mean} ({facts})", ("system", "source", *headings), rows)


def require_protocol(number: PublicNumber, protocol: str) -> None:
    """Refuse a number of another protocol before any work is done.

    Raises:
        InputError: it was measured by another protocol, which the message names.
    """
    if number.protocol != protocol:
        raise InputError(
            f"'{number.name}' ({number.system}) was measured by {number.protocol} ({_title(number.protocol)}), not by "
            f"{protocol} ({_title(protocol)}): these cannot be compared; use --protocol {number.protocol}"
        )


def _differences(report: Report, number: PublicNumber) -> Iterator[tuple[str, str]]:
    """What keeps the two from being compared: a key and the reason in words."""
    if report.header.part:
        yield "part", f"it is of all the data, this of {report.header.part}; leave --count out"
    policy = report.header.scale_policy
    if policy.startswith(ORACLE) != bool(number.oracle):
        given = number.oracle or "nothing but the box"
        yield "oracle", f"it was given {given}, this has the scale policy '{policy}'; --allow-oracle compares anyway"
    lacking = [_heading(c) for c in number.cells if _ours(report, number, c) is None]
    if lacking:
        yield "measures", f"this report has no {', '.join(lacking)}"


def _title(protocol: str) -> str:
    return PROTOCOLS[protocol].title if protocol in PROTOCOLS else "unknown"


def _ours(report: Report, number: PublicNumber, wanted: Cell) -> Value | None:
    for row in report.select():
        if (row.group, row.subset, row.part) == (wanted.group, wanted.subset, MEANS[number.mean]):
            return row.values.get(wanted.measure)
    return None


def _heading(wanted: Cell) -> str:
    return f"{MEASURES[wanted.measure].title} {MEASURES[wanted.measure].unit}, {wanted.group}, {wanted.subset}"


def _parts(report: Report, number: PublicNumber) -> Iterator[tuple[str, str, str]]:
    """Columns of the parts: heading, ours, theirs."""
    group, subset = number.cells[0][:2]
    rows: dict[tuple[str, str], Row] = {
        (r.breakdown, r.part): r for r in report.rows if (r.group, r.subset) == (group, subset)
    }
    for breakdown, measure, values in number.parts:
        for part, value in values.items():
            row = rows.get((breakdown, part))
            mine = None if row is None else row.values.get(measure)
            yield f"{MEASURES[measure].title}, {part}", cell(mine, interval=False), f"{value:g}"
