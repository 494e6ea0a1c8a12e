"""Many jobs in processes of their own, a few at a time, each after what it needs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from metricpose.benchmark import plan
from metricpose.benchmark.environment import QUIET_PROCESS
from metricpose.benchmark.run import Job, do
from metricpose.benchmark.sizes import Size
from metricpose.errors import DataError, MetricposeError
from metricpose.files import atomic_path

_POLL_SECONDS = 0.5
_TAIL = 12


@dataclass(frozen=True)
class Task:
    """A job, its name, and the names of those that must be done before it."""

    name: str
    job: Job
    needs: frozenset[str] = frozenset()


class Event(NamedTuple):
    """What happened to a task: it was there already, began, ended well, or failed with a message."""

    task: Task
    state: Literal["there", "started", "done", "failed"]
    message: str = ""


@dataclass
class _Running:
    task: Task
    process: subprocess.Popen[bytes]
    log: Path
    since: float = field(default_factory=time.monotonic)


def tasks_of(
    rows: Sequence[plan.Row], size: Size, data: Path, out: Path, backbone: Path | None, seeds: int | None = None
) -> list[Task]:
    """Tasks in a good order: seed by seed, so that an interrupted comparison is complete for the first seeds."""
    found: dict[str, Task] = {}
    wanted = [(seed, row) for row in rows for seed in row.seeds(size, seeds)]
    for seed, row in sorted(wanted, key=lambda pair: pair[0]):
        job = Job(kind="run", row=row.name, seed=seed, size=size, data=data, out=out, backbone=backbone)
        crops = job.stream().name
        if crops not in found:
            found[crops] = Task(crops, job.model_copy(update={"kind": "stream"}))
        needs = {crops} | ({f"{row.weights_of}-s{seed}"} if row.weights_of else set())
        found[f"{row.name}-s{seed}"] = Task(f"{row.name}-s{seed}", job, frozenset(needs))
    return list(found.values())


def run_all(tasks: Sequence[Task], workers: int) -> Iterator[Event]:
    """Do the tasks that are not done, and say what happens as it happens.

    Args:
        workers: processes at a time; 0 works in this one, without the processes' environment.

    Yields:
        Events; a failed task fails those that need it and no others.
    """
    missing = []
    for task in tasks:
        if task.job.is_done():
            yield Event(task, "there")
        else:
            missing.append(task)
    # What a finished task left behind may be gone: its crops are needed only by tasks that are still to do.
    needed = {name for task in missing if task.job.kind == "run" for name in task.needs}
    missing = [t for t in missing if t.job.kind == "run" or t.name in needed]
    yield from _here(missing) if workers == 0 else _beside(missing, workers)


def _here(tasks: Sequence[Task]) -> Iterator[Event]:
    failed: set[str] = set()
    for task in tasks:
        if broken := task.needs & failed:
            failed.add(task.name)
            yield Event(task, "failed", f"needs {', '.join(sorted(broken))}")
            continue
        yield Event(task, "started")
        try:
            do(task.job)
        except MetricposeError as error:
            failed.add(task.name)
            yield Event(task, "failed", str(error))
        else:
            yield Event(task, "done")


def _beside(tasks: Sequence[Task], workers: int) -> Iterator[Event]:
    waiting, running, failed = list(tasks), list[_Running](), set[str]()
    try:
        while waiting or running:
            for task in [t for t in waiting if t.needs & failed]:
                waiting.remove(task)
                failed.add(task.name)
                yield Event(task, "failed", f"needs {', '.join(sorted(task.needs & failed))}")
            open_names = {t.name for t in waiting} | {r.task.name for r in running}
            for task in [t for t in waiting if not t.needs & open_names][: workers - len(running)]:
                waiting.remove(task)
                running.append(_start(task))
                yield Event(task, "started")
            time.sleep(_POLL_SECONDS)
            for one in [r for r in running if r.process.poll() is not None]:
                running.remove(one)
                if one.process.returncode == 0:
                    yield Event(one.task, "done")
                else:
                    failed.add(one.task.name)
                    yield Event(one.task, "failed", _last_lines(one.log))
    finally:
        for one in running:
            one.process.terminate()  # the training loop saves its state and ends
        for one in running:
            one.process.wait()


def _start(task: Task) -> _Running:
    folder = task.job.out / "work" / "jobs"
    with atomic_path(folder / f"{task.name}.json") as path:
        path.write_text(task.job.model_dump_json(indent=1), encoding="utf8")
    log = folder / f"{task.name}.log"
    command = [sys.executable, "-m", "metricpose.benchmark.run", str(folder / f"{task.name}.json")]
    try:
        with log.open("ab") as stream:
            process = subprocess.Popen(
                command,
                stdout=stream,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=os.environ | QUIET_PROCESS,
            )
    except OSError as error:
        raise DataError(f"cannot start {task.name}: {error.strerror or error}") from error
    return _Running(task, process, log)


def _last_lines(log: Path) -> str:
    lines = log.read_text(encoding="utf8", errors="replace").splitlines()
    return "\n".join([f"see {log}", *lines[-_TAIL:]])


def drain(events: Iterator[Event], show: Callable[[Event], None]) -> list[Event]:
    """Show every event; returns those that failed."""
    failed = []
    for event in events:
        show(event)
        if event.state == "failed":
            failed.append(event)
    return failed
