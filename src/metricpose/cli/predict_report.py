"""metricpose predict: what became of the images, as a file and as a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from metricpose.cli.predict_inputs import SUMMARY

if TYPE_CHECKING:
    from metricpose.types import People


class Outcome(NamedTuple):
    """What became of one image: its result and the files written, or why not."""

    image: Path
    people: People | None
    files: list[Path]
    error: str


def write_summary(outcomes: list[Outcome], out: Path) -> None:
    """Write summary.json: what became of each image."""
    from metricpose.files import atomic_path

    rows = [
        {
            "image": str(o.image),
            "error": o.error or None,
            "people": None if o.people is None else len(o.people),
            "files": [f.name for f in o.files],
            "warnings": [] if o.people is None else o.people.info["warnings"],
        }
        for o in outcomes
    ]
    with atomic_path(out / f"{SUMMARY}.json") as path:
        path.write_text(json.dumps(rows, indent=1), encoding="utf8")


def show_table(outcomes: list[Outcome], out: Path, left_out: list[Path]) -> None:
    """Print a line for each image, then every note once, the files that were passed over, and the failures."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from metricpose.vis.overlay import distances_m

    table = Table(title=f"{len(outcomes)} images, results in {escape(str(out))}", title_justify="left")
    for column in ("image", "people", "distance", "boxes", "focal length"):
        table.add_column(column, overflow="fold")
    failed = [o for o in outcomes if o.error]
    for o in outcomes:
        if o.people is None:
            table.add_row(escape(o.image.name), "failed", "", "", "", style="red")
            continue
        metres = ", ".join(f"{d:.2f} m" for d in distances_m(o.people)[:6]) + (" ..." if len(o.people) > 6 else "")
        info = o.people.info
        source = f"{o.people.camera.K[0, 0]:.0f} px, {info['camera_origin']}"
        table.add_row(escape(o.image.name), str(len(o.people)), metres, info["box_source"].split()[0], escape(source))
    console = Console()
    console.print(table)
    for warning, count in _counted(outcomes).items():
        console.print(f"note ({count} x): {escape(warning)}", highlight=False)
    if left_out:
        names = ", ".join(escape(p.name) for p in left_out[:5]) + (" ..." if len(left_out) > 5 else "")
        console.print(
            f"left out, of a kind not read here or written by this program ({len(left_out)} x): {names}",
            highlight=False,
        )
    for o in failed:
        console.print(f"[red]failed:[/red] {escape(o.error)}", highlight=False)


def _counted(outcomes: list[Outcome]) -> dict[str, int]:
    """Warnings of all images, each once; the dropped detections of all together are one."""
    counts: dict[str, int] = {}
    for o in outcomes:
        for warning in o.people.info["warnings"] if o.people is not None else []:
            dropped = warning.startswith("detection ")
            text = "detections dropped as implausible or double; summary.json says why" if dropped else warning
            counts[text] = counts.get(text, 0) + 1
    return counts
