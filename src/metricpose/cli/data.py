"""metricpose data: the data sets that can be read; make shards of one, look at it, check it."""

from __future__ import annotations

import sys
from pathlib import Path

_LISTED = 20


def show_sets(name: str | None = None) -> None:
    """List the data sets that can be read, or all there is to know about one: files, joints, camera, licence, traps.

    Args:
        name: of a data set.
    """
    from rich.console import Console
    from rich.table import Table

    from metricpose.data.readers import READERS, get

    console = Console()
    if name is not None:
        console.print("\n".join(description(get(name))), markup=False, highlight=False, soft_wrap=True)
        return
    found = [reader.about for reader in READERS.values()]
    table = Table(title="data sets", title_justify="left", show_lines=True)
    # What one must type stays whole however narrow the terminal: names, and splits up to their commas.
    table.add_column("name", no_wrap=True, min_width=max(len(about.name) for about in found))
    table.add_column("data set: labels; joints; to be had at", overflow="fold")
    longest = max(len(split) for about in found for split in about.splits)
    table.add_column("splits (items)", width=max(longest + 1, console.width // 3))
    for about in found:
        splits = ", ".join(s if n is None else f"{s} ({n:,})" for s, n in about.splits.items())
        what = f"{about.title}: {about.labels}; {about.skeleton}; {about.source}"
        table.add_row(about.name, what, splits)
    console.print(table)
    console.print("metricpose data list NAME tells more; nothing that needs a signature is downloaded")


def description(reader: object) -> list[str]:
    """A data set's description, line by line."""
    from metricpose.data.readers.contract import Reader

    assert isinstance(reader, Reader)
    about = reader.about
    splits = (f"{split}: {'not stated' if n is None else f'{n:,} items'}" for split, n in about.splits.items())
    rows = {
        "labels": about.labels,
        "licence": about.licence,
        "to be had at": about.source,
        "cite": about.citation,
        "skeleton": about.skeleton,
        "joints": about.joints,
        "units": about.units,
        "camera": about.camera,
        "left out": about.skips,
        "splits": "; ".join(splits),
        "files": "; ".join(f"{pattern} ({what})" for pattern, what in about.layout.items()),
    }
    lines = [f"{about.name}: {about.title}", *(f"  {key}: {value}" for key, value in rows.items() if value)]
    return [*lines, *(f"  note: {note}" for note in about.notes)]


def prepare(
    name: str,
    folder: Path,
    *,
    out: Path | None = None,
    split: str | None = None,
    sample: str = "all",
    workers: int = 1,
    skip_bad: bool = False,
    resume: bool = False,
    side: int = 384,
    margin: float = 1.05,
    quality: int = 90,
    per_shard: int = 512,
) -> None:
    """Make shards for training of a data set as its owners distribute it: people cut out with a margin, and labels.

    Args:
        name: of the data set: see metricpose data list.
        folder: of its files.
        out: folder of the shards; default shards/NAME-SPLIT.
        split: of the data set; default the first that data list shows.
        sample: which frames of recordings: all, every:5, motion:100 (millimetres), or every:5,motion:100.
        workers: processes.
        skip_bad: leave faulty items out and list them, rather than stop at the first.
        resume: go on with what an earlier run has written.
        side: pixels of a box's longer side.
        margin: kept around the box's centre, in longer box sides.
        quality: of the JPEG images.
        per_shard: people in a file.
    """
    from metricpose.cli.progress import progress_bar
    from metricpose.data.prepare import LEFT_OUT, Settings
    from metricpose.data.prepare import prepare as write
    from metricpose.data.readers import get

    reader = get(name)
    settings = Settings(split or next(iter(reader.about.splits)), sample, side, margin, quality, per_shard)
    target = out or Path("shards") / f"{name}-{settings.split}"
    with progress_bar("people") as show:
        made = write(
            reader, folder, target, settings,
            workers=_other_processes(workers), skip_bad=skip_bad, resume=resume, progress=show,
        )  # fmt: skip
    print(f"{reader.about.title}, {settings.split}: {made.records:,} people in {made.shards:,} shards: {target}")
    for known, title in ((True, "left out as documented"), (False, "left out as faulty")):
        _list_left_out([(e.where, e.why) for e in made.left_out if e.known is known], title, target / LEFT_OUT)


def _other_processes(workers: int) -> int:
    """How many to start: none for one worker, which is this process."""
    from metricpose.errors import InputError

    if workers < 1:
        raise InputError(f"--workers: expected at least 1 process, got {workers}")
    return workers if workers > 1 else 0


def _list_left_out(entries: list[tuple[str, str]], title: str, path: Path) -> None:
    if not entries:
        return
    print(f"{len(entries):,} {title}; all in {path}:")
    for where, why in entries[:_LISTED]:
        print(f"  {where}: {why}")
    if len(entries) > _LISTED:
        print(f"  ... and {len(entries) - _LISTED:,} more")


def preview(
    name: str,
    folder: Path,
    *,
    out: Path = Path("preview.jpg"),
    split: str | None = None,
    count: int = 24,
    columns: int = 6,
    seed: int | None = None,
    skip_bad: bool = False,
) -> None:
    """Draw a sheet of people with their joints projected: left blue, right vermillion.

    Args:
        name: of the data set: see metricpose data list.
        folder: of its files.
        out: picture to write, .png or .jpg.
        split: of the data set; default the first that data list shows.
        count: people, spread evenly over the split.
        columns: people side by side.
        seed: draw people at random instead.
        skip_bad: leave faulty items out rather than stop at the first.
    """
    import numpy as np

    from metricpose.data.checks import spread
    from metricpose.data.faults import Faults
    from metricpose.data.readers import get
    from metricpose.data.readers.contract import find_items, load
    from metricpose.errors import DataError, InputError
    from metricpose.formats.picture_file import write_picture
    from metricpose.vis.contact import draw_contact_sheet

    if count < 1 or columns < 1:
        raise InputError(f"preview: expected at least one person and one column, got {count} and {columns}")
    reader, faults = get(name), Faults(skip_bad)
    items = find_items(reader, folder, split or next(iter(reader.about.splits)), faults)
    chosen = spread(len(items), count)
    if seed is not None:
        chosen = np.random.default_rng(seed).permutation(len(items))[:count].tolist()
    records = []
    for index in chosen:
        with faults.catch(items[index].id):
            records.append(load(reader, items[index]))
    if not records:
        raise DataError(f"none of {len(chosen)} items could be read; the first: {faults.bad[0].why}")
    write_picture(draw_contact_sheet(records, columns=columns), out)
    print(f"{len(records)} of {len(items):,} people: {out}")
    for entry in faults.bad:
        print(f"  left out {entry.where}: {entry.why}", file=sys.stderr)


def check(
    name: str,
    folder: Path,
    *,
    split: str | None = None,
    count: int = 2000,
    tolerate: float | int = 0,
    workers: int = 1,
    show: int = _LISTED,
) -> int:
    """Check counts, reprojection, bone lengths, left and right, boxes and values; exit code 1 if a fault is found.

    Args:
        name: of the data set: see metricpose data list.
        folder: of its files.
        split: of the data set; default the first that data list shows.
        count: items to look at, spread evenly; 0 for all.
        tolerate: share of the items in which a kind of fault does not count, such as 0.001 for noisy annotations.
        workers: processes.
        show: faults to list.
    """
    from rich.console import Console
    from rich.table import Table

    from metricpose.cli.progress import progress_bar
    from metricpose.data.checks import check as look
    from metricpose.data.readers import get

    reader = get(name)
    with progress_bar("items") as bar:
        report = look(
            reader, folder, split or next(iter(reader.about.splits)),
            count=count, tolerate=float(tolerate), workers=_other_processes(workers), progress=bar,
        )  # fmt: skip
    table = Table(title=report.title, title_justify="left")
    for column in ("check", "measured", "expected", "faults"):
        table.add_column(column, justify="right" if column == "faults" else "left")
    for row in report.rows:
        table.add_row(row.check, row.measured, row.limit, str(row.faults) if row.faults else "-")
    Console().print(table)
    for place in report.faults[:show]:
        print(f"{place.item}: {place.finding.check}: {place.finding.text}")
    if len(report.faults) > show:
        print(f"... and {len(report.faults) - show:,} more (--show N)")
    for text in report.left_out[:show]:
        print(f"left out as documented: {text}")
    verdict = "passed" if report.passed else "failed"
    print(f"{verdict}: {len(report.faults):,} faults" if report.faults else "passed: no fault found")
    return 0 if report.passed else 1
