"""metricpose benchmark: all methods and ablations on equal terms, and what their heads cost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metricpose.benchmark.pool import Event, Task
    from metricpose.benchmark.sizes import Size

OUT = Path("out") / "benchmark"


def methods(
    *,
    size: str = "smoke",
    out: Path | None = None,
    data: Path | None = None,
    backbone: Path | None = None,
    only: list[str] | None = None,
    jobs: int | None = None,
    seeds: int | None = None,
    docs: Path | None = None,
    estimate: bool = False,
    report_only: bool = False,
) -> int:
    """Train and measure six methods and their ablations on equal terms; write results, tables, figure and claims.

    Whatever is there already is kept: an interrupted comparison goes on, and a finished one only reports.

    Args:
        size: smoke (minutes; shows that all runs), small (an hour or two of two CPU cores) or paper (one GPU).
        out: folder of results, intermediate files and reports; default out/benchmark/SIZE.
        data: folder with shards in `train` and `test`; else people are rendered into OUT/data first.
        backbone: weights the backbone starts from, or a model file that has them; default the file METRICPOSE_BACKBONE
            names, else random weights.
        only: rows of the plan instead of all.
        jobs: processes at a time; 0 works in this one. Default: 0 for smoke, else one per core.
        seeds: trainings of every row instead of the size's.
        docs: folder for RESULTS.md and images/methods.png instead of OUT.
        estimate: measure a few steps of every training, print how long all will take, and stop.
        report_only: only write the reports of the results that are there.
    """
    from metricpose.benchmark import plan, pool, sizes

    chosen, folder = sizes.get(size), out or OUT / size
    if not report_only:
        people = data or _rendered(chosen, folder)
        weights = backbone or _named_backbone()
        tasks = pool.tasks_of(plan.chosen(only or ()), chosen, people, folder, weights, seeds)
        if estimate:
            return _estimate(tasks)
        failed = _run(
            tasks, 0 if jobs is None and size == "smoke" else jobs if jobs is not None else os.cpu_count() or 1
        )
        if not (folder / "results" / "costs.json").exists() and not only:
            _costs(chosen, folder / "results" / "costs.json")
    else:
        failed = 0
    _report(folder, docs or folder)
    return 1 if failed else 0


def speed(*, size: str = "smoke", out: Path | None = None) -> None:
    """Parameters, operations, memory and time of every head on the same features; strides, maps and decoding.

    Args:
        size: smoke, small or paper; the last two also measure the published networks.
        out: JSON file; default out/benchmark/SIZE/results/costs.json.
    """
    from metricpose.benchmark import report, sizes
    from metricpose.benchmark.speed import Costs

    path = out or OUT / size / "results" / "costs.json"
    _costs(sizes.get(size), path)
    costs = Costs.load(path)
    for text in (
        report.costs_table(costs, published=False),
        report.costs_table(costs, published=True),
        report.memory_table(costs),
        report.decode_table(costs),
    ):
        print(text, end="\n\n")
    for name, value in costs.ratios.items():
        print(f"{name}: {value:.3f}")
    print(f"written: {path}")


def _named_backbone() -> Path | None:
    from metricpose.errors import InputError

    name = os.environ.get("METRICPOSE_BACKBONE")
    if not name:
        print("no --backbone and no METRICPOSE_BACKBONE: backbones start from random weights")
        return None
    if not Path(name).is_file():
        raise InputError(f"METRICPOSE_BACKBONE names {name}, which is no file")
    return Path(name)


def _rendered(size: Size, folder: Path) -> Path:
    """Render the people the size needs; shards that are there are kept."""
    from metricpose.cli.assembly import SceneRenderer
    from metricpose.data.shards import render_shards
    from metricpose.synthetic.generator import SyntheticConfig

    pixels = 64 if size.name == "smoke" else 256
    counts = {"train": size.records, "test": max(size.whole, size.truncated)}
    for split, count in counts.items():
        settings = SyntheticConfig.model_validate({"split": split, "size": pixels})
        with _bar(f"rendering {split}") as move:
            render_shards(
                SceneRenderer(settings), folder / "data" / split, count, per_shard=min(512, count),
                workers=0 if size.name == "smoke" else os.cpu_count() or 1,
                facts={"generator": settings.model_dump_json()}, progress=move,
            )  # fmt: skip
    return folder / "data"


def _estimate(tasks: list[Task]) -> int:
    from metricpose.benchmark.estimate import estimates

    total = 0.0
    for found in estimates(tasks):
        total += found.training + found.measuring
        print(
            f"{found.task:<44} training {found.training / 60:6.1f}  measuring {found.measuring / 60:5.1f} core-minutes"
        )
    print(f"{'all':<44} {total / 60:.0f} core-minutes")
    return 0


def _run(tasks: list[Task], jobs: int) -> int:
    """Do the tasks with a progress bar; the number of failures."""
    from metricpose.benchmark.pool import drain, run_all

    with _bar("runs") as move:
        done = 0

        def show(event: Event) -> None:
            nonlocal done
            done += event.state != "started"
            move(done, len(tasks))
            if event.state in ("done", "failed"):
                print(f"{event.state}: {event.task.name}" + (f": {event.message}" if event.message else ""), flush=True)

        return len(drain(run_all(tasks, jobs), show))


def _costs(size: Size, path: Path) -> None:
    from metricpose.benchmark.speed import measure

    with _bar("costs") as move:
        measure(size, lambda _, done, total: move(done, total)).save(path)


def _report(folder: Path, docs: Path) -> None:
    from metricpose.benchmark import figure, ledger
    from metricpose.files import atomic_path
    from metricpose.formats.picture_file import write_picture

    results, costs = ledger.read_folder(folder / "results")
    page, picture = figure.page_parts(docs)
    picture.parent.mkdir(parents=True, exist_ok=True)
    write_picture(figure.draw(results, costs), picture)
    with atomic_path(page) as path:
        path.write_text(ledger.ledger(results, costs), encoding="utf8")
    print(f"written: {page} and {picture}")


@contextmanager
def _bar(what: str) -> Iterator[Any]:
    try:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:  # a machine for training need not have the command line's packages
        yield lambda done, total: print(f"{what} {done}/{total}", flush=True)
        return
    with Progress(TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
