"""Results as Markdown: one table per part of the plan, one of the heads' costs."""

from __future__ import annotations

from collections.abc import Sequence

from metricpose.benchmark import plan
from metricpose.benchmark.compare import Estimate, Results, level
from metricpose.benchmark.costs import HeadCost
from metricpose.benchmark.results import Result
from metricpose.benchmark.speed import Costs

COLUMNS: tuple[tuple[str, str, int], ...] = (
    ("whole/mpjpe", "MPJPE", 1),
    ("whole/n_mpjpe", "N-MPJPE", 1),
    ("whole/pa_mpjpe", "PA-MPJPE", 1),
    ("whole/pck150", "PCK@150 %", 1),
    ("whole/a_mpjpe", "A-MPJPE", 0),
    ("truncated/mpjpe", "truncated, all", 1),
    ("truncated-present/mpjpe", "truncated, in view", 1),
)
"""Measure, heading, decimals. Millimetres where no unit is given."""

NOTHING = "–"


def results_table(results: Results) -> str:
    """Every row that was measured: numbers with intervals, size, and time of a training."""
    headings = ["", *(title for _, title, _ in COLUMNS), "parameters", "GMAC", "trainings x minutes"]
    rows = []
    for row in plan.ROWS:
        found = results.get(row.name)
        if found:
            cells = [cell(level(results, row.name, key), digits) for key, _, digits in COLUMNS]
            rows.append([f"**{row.title}**" if row.is_method else row.title, *cells, *_cost_cells(found)])
    return table(headings, rows)


def _cost_cells(found: Sequence[Result]) -> list[str]:
    first = found[0]
    minutes = sum(r.seconds.get("training", 0.0) for r in found) / len(found) / 60
    own = "same weights" if plan.find(first.row).weights_of else f"{len(found)} x {minutes:.1f}"
    return [f"{first.parameters / 1e6:.2f} M", f"{first.gmac:.3f}", own]


def costs_table(costs: Costs, *, published: bool) -> str:
    """Heads on the same features, of the size's networks or of the published ones."""
    headings = [
        "", "parameters", "behind the backbone", "GMAC", "behind it", "features", "training MB", "inference MB",
        "backbone ms", "head ms", "decode ms",
    ]  # fmt: skip
    chosen = {name: c for name, c in costs.heads.items() if (name in costs.published) == published}
    return table(headings, [[_title(name), *_head_cells(c)] for name, c in chosen.items()])


def _title(name: str) -> str:
    return next((row.title for row in plan.ROWS if row.name == name), name)


def _head_cells(c: HeadCost) -> list[str]:
    shape = " x ".join(map(str, c.features))
    return [
        f"{c.parameters / 1e6:.2f} M", f"{c.head_parameters / 1e6:.2f} M", f"{c.gmac:.3f}", f"{c.head_gmac:.3f}", shape,
        f"{c.training_bytes / 1e6:.2f}", f"{c.inference_bytes / 1e6:.2f}", f"{c.backbone_ms:.2f}", f"{c.head_ms:.2f}",
        f"{c.decode_ms:.3f}",
    ]  # fmt: skip


def memory_table(costs: Costs) -> str:
    """Maps against volumes over the resolution."""
    headings = [
        "cells a side", "maps, training MB", "volume, training MB", "ratio", "maps, inference MB",
        "volume, inference MB", "whole MargiPose stage, training MB", "1 x 1 head and volume, training MB",
    ]  # fmt: skip
    rows = [
        [
            str(m.cells), f"{m.maps_training / 1e6:.3f}", f"{m.volume_training / 1e6:.3f}",
            f"{m.maps_training / m.volume_training:.3f}", f"{m.maps_inference / 1e6:.3f}",
            f"{m.volume_inference / 1e6:.3f}", f"{m.stage_training / 1e6:.1f}", f"{m.head_training / 1e6:.1f}",
        ]
        for m in costs.memory
    ]  # fmt: skip
    return table(headings, rows)


def decode_table(costs: Costs) -> str:
    """Decoding against a plain sum."""
    headings = ["logits", "floats", "plain sum ms", "GB/s of the sum", "decoding ms", "ratio", "torch's steps, ratio"]
    rows = [
        [
            d.name,
            f"{d.floats:,}",
            f"{d.sum_ms:.3f}",
            f"{d.gigabytes_per_second:.0f}",
            f"{d.decode_ms:.3f}",
            f"{d.ratio:.2f}",
            f"{d.steps_ms / d.sum_ms:.1f}",
        ]
        for d in costs.decode
    ]
    return table(headings, rows)


def cell(estimate: Estimate, digits: int = 1) -> str:
    """A number and its interval: "61.2 [58.0, 64.9]"."""
    if not estimate.known:
        return NOTHING
    return f"{estimate.value:.{digits}f} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others numbers."""
    rule = ["---", *["---:"] * (len(headings) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in (headings, rule, *rows))
