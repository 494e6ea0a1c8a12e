"""Jobs spread over worker processes that neither hang when one of them dies nor outlive the main process."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait as wait_for_end
from typing import Any, TypeVar

import cv2

from metricpose.errors import DataError

Tool = TypeVar("Tool")
Job = TypeVar("Job")
Result = TypeVar("Result")


def run_jobs(
    make_tool: Callable[[], Tool], work: Callable[[Tool, Job], Result], jobs: Iterable[Job], workers: int
) -> Iterator[Result]:
    """``work(tool, job)`` for every job, in any order, as they get done.

    Args:
        make_tool: makes what a process needs, once in each; picklable, as `work` and the jobs must be.
        workers: processes; 0 works in this one.

    Raises:
        DataError: a process was killed. Jobs done before stay done.
        Exception: whatever `make_tool` or `work` raises, in this process too.
    """
    if workers == 0:
        tools: list[Tool] = []
        for job in jobs:
            tools = tools or [make_tool()]
            yield work(tools[0], job)
        return
    queue = iter(jobs)
    # spawn: a forked child of a process that has used numba's or torch's threads can hang.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _start, (make_tool,))
    try:
        running = {pool.submit(_work, work, job) for job in islice(queue, 2 * workers)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from map(_result, done)
            running |= {pool.submit(_work, work, job) for job in islice(queue, len(done))}
    finally:
        pool.shutdown(cancel_futures=True)


def _result(future: Future) -> Any:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise DataError(
            "a worker process was killed, perhaps for want of memory. What is done stays done: run the same again, "
            "with fewer --workers"
        ) from error


_TOOL: list[Any] = []
_FAULT: list[Exception] = []


def _start(make_tool: Callable[[], Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the main process, which lets running jobs end
    threading.Thread(target=_end_with_the_main_process, daemon=True).start()
    cv2.setNumThreads(1)
    try:
        _TOOL.append(make_tool())
    except MemoryError:
        raise
    except Exception as error:  # the pool would report it as a process that was killed: the first job raises it instead
        _FAULT.append(error)


def _end_with_the_main_process() -> None:
    parent = parent_process()
    if parent is not None:
        wait_for_end([parent.sentinel])
        os._exit(1)


def _work(work: Callable[[Any, Any], Any], job: Any) -> Any:
    if _FAULT:
        raise _FAULT[0]
    return work(_TOOL[0], job)
