"""Worker processes: all jobs are done once; a killed one is reported; none outlives the main process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from metricpose.data.processes import run_jobs
from metricpose.errors import DataError, InputError, MissingExtraError


@pytest.mark.parametrize("workers", [0, 2])
def test_every_job_is_done_once_with_a_tool_made_once_per_process(workers):
    done = list(run_jobs(list, _note, range(9), workers))
    assert sorted(job for job, _, _ in done) == list(range(9))
    by_process: dict[int, list[int]] = {}
    for _, process, nth in done:
        by_process.setdefault(process, []).append(nth)
    for counts in by_process.values():
        assert sorted(counts) == list(range(1, len(counts) + 1))
    assert (os.getpid() in by_process) == (workers == 0)


def _note(tool, job):
    tool.append(job)
    return job, os.getpid(), len(tool)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_fault_in_a_job_comes_out(workers):
    with pytest.raises(DataError, match="job 3"):
        list(run_jobs(list, _fail, range(5), workers))


def _fail(tool, job):
    if job == 3:
        raise DataError("job 3")
    return job


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("error", [InputError, MissingExtraError, ValueError], ids=lambda error: error.__name__)
def test_a_fault_in_making_the_tool_comes_out(workers, error, capfd):
    make = {InputError: _bad_setting, MissingExtraError: _lacks_a_package, ValueError: _not_a_number}[error]
    with pytest.raises(error, match=r"pose family|not installed|invalid literal"):
        list(run_jobs(make, _note, range(3), workers))
    assert "Traceback" not in capfd.readouterr().err


def _bad_setting():
    raise InputError("pose family 'foo' is unknown")


def _lacks_a_package():
    raise MissingExtraError("anny", "synth", "Baking a body")


def _not_a_number():
    return int("nothing")


def test_a_killed_process_is_reported_not_waited_for():
    with pytest.raises(DataError, match=r"worker process was killed.*fewer --workers"):
        list(run_jobs(list, _die, range(3), 1))


def _die(tool, job):
    os.kill(os.getpid(), signal.SIGKILL)


PROGRAM = """
import os, time
from metricpose.data.processes import run_jobs
def work(tool, job):
    print(os.getpid(), flush=True)
    time.sleep(600)
if __name__ == "__main__":
    list(run_jobs(list, work, range(2), 1))
"""


def test_workers_end_when_the_main_process_is_killed(tmp_path):
    (tmp_path / "main.py").write_text(PROGRAM)
    program = [sys.executable, str(tmp_path / "main.py")]
    main = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert main.stdout is not None
    worker = int(main.stdout.readline())
    main.kill()
    main.wait()
    main.stdout.close()
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        if _state(worker) == "Z":  # ended, and not yet collected by whoever adopted it
            return
        time.sleep(0.1)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("the worker went on")


def _state(process: int) -> str:
    try:
        with open(f"/proc/{process}/stat") as stream:
            return stream.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"
