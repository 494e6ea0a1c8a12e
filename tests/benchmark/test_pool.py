"""Tasks in order, done once, with failures that stop only what needs them."""

from __future__ import annotations

import pytest

from metricpose.benchmark import plan, pool
from metricpose.benchmark.pool import Event, Task, drain, run_all, tasks_of
from metricpose.benchmark.run import Job
from metricpose.errors import DataError


@pytest.fixture
def tasks(tiny, people_folder, tmp_path):
    rows = plan.chosen(["metro", "metro-whole", "margipose-5-views"])
    size = tiny.model_copy(update={"ablation_seeds": 1})
    return tasks_of(rows, size, people_folder, tmp_path, None)


def test_crops_come_first_and_seeds_one_after_the_other(tasks):
    names = [t.name for t in tasks if t.job.kind == "run"]
    assert names == [
        "metro-s0", "margipose-s0", "metro-whole-s0", "margipose-5-views-s0", "metro-s1", "margipose-s1",
        "margipose-5-views-s1",
    ]  # fmt: skip
    crops = [t.name for t in tasks if t.job.kind == "stream"]
    assert len(crops) == 3  # truncated with two seeds, whole with one
    by_name = {t.name: t for t in tasks}
    for task in tasks:
        assert task.needs <= set(by_name)
        assert all(tasks.index(by_name[n]) < tasks.index(task) for n in task.needs)
    assert "margipose-s1" in by_name["margipose-5-views-s1"].needs


def record(monkeypatch, fail=()):
    """Replace the work by notes; done jobs are those noted."""
    noted: list[str] = []

    def do(job: Job) -> None:
        if job.row in fail and job.kind == "run":
            raise DataError("broken")
        noted.append(f"{job.kind} {job.row} {job.seed}")

    monkeypatch.setattr(pool, "do", do)
    return noted


def test_everything_is_done_here(tasks, monkeypatch):
    noted = record(monkeypatch)
    events = list(run_all(tasks, 0))
    assert len(noted) == len(tasks)
    assert [e.state for e in events] == ["started", "done"] * len(tasks)


def test_a_failure_stops_only_what_needs_it(tasks, monkeypatch):
    record(monkeypatch, fail={"margipose"})
    shown: list[Event] = []
    failed = drain(run_all(tasks, 0), shown.append)
    assert [e.task.name for e in failed] == [
        "margipose-s0", "margipose-5-views-s0", "margipose-s1", "margipose-5-views-s1"
    ]  # fmt: skip
    assert failed[0].message == "broken"
    assert failed[1].message == "needs margipose-s0"
    assert {e.task.name for e in shown if e.state == "done"} >= {"metro-s0", "metro-s1", "metro-whole-s0"}


def test_what_is_there_is_not_done_again(tasks, monkeypatch):
    monkeypatch.setattr(Job, "is_done", lambda job: job.kind == "run" and job.row != "metro")
    noted = record(monkeypatch)
    events = list(run_all(tasks, 0))
    assert {e.task.name for e in events if e.state == "there"} == {
        "margipose-s0", "metro-whole-s0", "margipose-5-views-s0", "margipose-s1", "margipose-5-views-s1"
    }  # fmt: skip
    # The crops of `metro-whole` are gone and nobody needs them.
    assert [n for n in noted if n.startswith("run")] == ["run metro 0", "run metro 1"]
    assert len([n for n in noted if n.startswith("stream")]) == 2


def test_jobs_run_in_processes_of_their_own(tasks, people_folder):
    crops = next(t for t in tasks if t.job.kind == "stream")
    lost = Job(**{**vars(crops.job), "kind": "run", "row": "twofive", "seed": 5})
    broken = Task("broken", lost, frozenset({crops.name}))
    after = Task("after", lost, frozenset({"broken"}))
    events = list(run_all([crops, broken, after], 2))
    states = {e.task.name: e for e in events if e.state != "started"}
    assert states[crops.name].state == "done"
    assert crops.job.is_done()
    assert states["broken"].state == "failed"
    assert "cannot read the stream" in states["broken"].message
    assert states["after"].message == "needs broken"
