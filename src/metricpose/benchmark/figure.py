"""One figure of a comparison: every row's error, every claim's change, and memory over the resolution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from metricpose.benchmark import plan
from metricpose.benchmark.claims import CLAIMS, Finding, Verdict, judge
from metricpose.benchmark.compare import Estimate, Results, level
from metricpose.benchmark.curves import MapMemory
from metricpose.benchmark.speed import Costs
from metricpose.vis.canvas import Canvas, Colour
from metricpose.vis.style import CENTRE, FAINT, INK, LEFT, MEDIUM, PAPER, RIGHT

WIDTH = 1500
_ROW, _TOP, _SIZE, _SMALL = 24.0, 64.0, 9.0, 8.0
_LABELS, _PLOT = 340.0, 380.0
_SECOND = 790.0
_VERDICTS: dict[Verdict, Colour] = {"holds": LEFT, "fails": RIGHT, "not resolved at this scale": CENTRE}


class Axis(NamedTuple):
    """A straight map from values to pixels along one direction; `log` first takes the logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, value = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """Round values within the range."""
        if self.log:
            first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
            return [10.0**k for k in range(first, last + 1)]
        raw = (self.high - self.low) / count
        unit = 10.0 ** math.floor(math.log10(raw))
        step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= raw)
        return [k * step for k in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]


def draw(results: Results, costs: Costs | None) -> UInt8[np.ndarray, "h w 3"]:
    """The picture."""
    rows = [row for row in plan.ROWS if row.name in results]
    findings = [f for f in (judge(claim, results) for claim in CLAIMS) if f.change.known]
    curve = costs.memory if costs is not None else ()
    right = len(findings) + (13 if len(curve) > 1 else 0)
    height = int(_TOP + _ROW * max(len(rows), right, 4) + 90)
    canvas = Canvas.blank(WIDTH, height, PAPER)
    if rows:
        _rows_panel(canvas, rows, results)
    if findings:
        _changes_panel(canvas, findings)
    if len(curve) > 1:
        _memory_panel(canvas, curve, _TOP + _ROW * (len(findings) + 4) if findings else _TOP)
    return canvas.image()


def _rows_panel(canvas: Canvas, rows: Sequence[plan.Row], results: Results) -> None:
    series = (("whole/mpjpe", LEFT, "MPJPE"), ("whole/pa_mpjpe", RIGHT, "PA-MPJPE"))
    found = {(r.name, key): level(results, r.name, key) for r in rows for key, _, _ in series}
    ends = [v for e in found.values() if e.known for v in (e.low, e.high)]
    axis = Axis(*_padded(min(ends), max(ends)), _LABELS + 20, _LABELS + _PLOT)
    _title(canvas, 20.0, "Error of every row, mm (95 % over people and seeds)")
    _legend(canvas, 20.0, [(title, colour) for _, colour, title in series])
    bottom = _TOP + _ROW * len(rows)
    _vertical_grid(canvas, axis, _TOP - 8, bottom)
    for number, row in enumerate(rows):
        y = _TOP + _ROW * (number + 0.4)
        canvas.text(_ascii(row.title), _point(_LABELS, y), _SIZE, INK, "right", bold=row.is_method)
        for key, colour, _ in series:
            _mark(canvas, axis, found[row.name, key], y, colour)


def _changes_panel(canvas: Canvas, findings: Sequence[Finding]) -> None:
    """Changes in per cent of the earlier row, so that different measures share an axis."""
    scaled = [_relative(f) for f in findings]
    ends = [v for e in scaled for v in (e.low, e.high)]
    axis = Axis(*_padded(min([*ends, -1.0]), max([*ends, 1.0])), _SECOND + 310.0, WIDTH - 40.0)
    _title(canvas, _SECOND, "Change along each claim, % of the earlier row")
    _legend(canvas, _SECOND, list(_VERDICTS.items()))
    bottom = _TOP + _ROW * len(findings)
    _vertical_grid(canvas, axis, _TOP - 8, bottom)
    canvas.line(_point(axis(0.0), _TOP - 8), _point(axis(0.0), bottom), MEDIUM, 1.5)
    for number, (finding, estimate) in enumerate(zip(findings, scaled)):
        y = _TOP + _ROW * (number + 0.4)
        text = _ascii(f"{finding.claim.paper}: {finding.claim.text}")
        canvas.text(text if len(text) < 58 else text[:55] + "...", _point(_SECOND + 300, y), _SMALL, INK, "right")
        _mark(canvas, axis, estimate, y, _VERDICTS.get(finding.verdict, CENTRE))


def _memory_panel(canvas: Canvas, curve: Sequence[MapMemory], top: float) -> None:
    bottom, left = top + 190.0, _SECOND + 80
    values = [b for m in curve for b in (m.maps_training, m.volume_training)]
    x = Axis(float(curve[0].cells), float(curve[-1].cells), left, WIDTH - 240.0, log=True)
    y = Axis(min(values) / 2e6, max(values) * 2e-6, bottom, top, log=True)
    canvas.text(
        "Activation memory from logits to coordinates, MB per crop", _point(_SECOND, top - 30), 11.0, INK, bold=True
    )
    for tick in y.ticks():
        canvas.line(_point(left, y(tick)), _point(WIDTH - 240.0, y(tick)), FAINT)
        canvas.text(f"{tick:g}", _point(left - 8, y(tick)), _SMALL, CENTRE, "right")
    for m in curve:
        canvas.text(str(m.cells), _point(x(float(m.cells)), bottom + 14), _SMALL, CENTRE, "centre")
    canvas.text("cells a side", _point((left + WIDTH - 240.0) / 2, bottom + 32), _SMALL, CENTRE, "centre")
    for name, colour, pick in (("one volume", RIGHT, "volume_training"), ("three maps", LEFT, "maps_training")):
        points = [_point(x(float(m.cells)), y(getattr(m, pick) / 1e6)) for m in curve]
        for a, b in pairwise(points):
            canvas.line(a, b, colour, 2.0)
        for p in points:
            canvas.disk(p, 3.5, colour)
        canvas.text(name, points[-1] + np.array([12.0, 0.0]), _SIZE, colour, bold=True)


def _relative(finding: Finding) -> Estimate:
    scale = 100 / finding.before.value
    change = finding.change
    return change._replace(value=change.value * scale, low=change.low * scale, high=change.high * scale)


def _mark(canvas: Canvas, axis: Axis, estimate: Estimate, y: float, colour: Colour) -> None:
    if estimate.known:
        canvas.line(_point(axis(estimate.low), y), _point(axis(estimate.high), y), colour, 2.0)
        canvas.disk(_point(axis(estimate.value), y), 4.0, colour)


def _vertical_grid(canvas: Canvas, axis: Axis, top: float, bottom: float) -> None:
    for tick in axis.ticks():
        canvas.line(_point(axis(tick), top), _point(axis(tick), bottom), FAINT)
        canvas.text(f"{tick:g}", _point(axis(tick), bottom + 14), _SMALL, CENTRE, "centre")


def _title(canvas: Canvas, left: float, text: str) -> None:
    canvas.text(text, _point(left, 18.0), 11.0, INK, bold=True)


def _legend(canvas: Canvas, left: float, entries: Sequence[tuple[str, Colour]]) -> None:
    for name, colour in entries:
        canvas.disk(_point(left + 6, 40.0), 4.0, colour)
        canvas.text(name, _point(left + 16, 40.0), _SMALL, CENTRE)
        left += 40 + 7.0 * len(name)


def _padded(low: float, high: float) -> tuple[float, float]:
    room = 0.06 * max(high - low, 1e-6)
    return low - room, high + room


def _point(x: float, y: float) -> Float[np.ndarray, " 2"]:
    return np.array([x, y])


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode("ascii")


def page_parts(folder: Path) -> tuple[Path, Path]:
    """Where a folder's ledger and figure go."""
    return folder / "RESULTS.md", folder / "images" / "methods.png"
