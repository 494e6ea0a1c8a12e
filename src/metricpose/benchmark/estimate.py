"""How long a plan will take, measured from a few steps of every different training before any is started."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import torch

from metricpose.benchmark import plan
from metricpose.benchmark.costs import example
from metricpose.benchmark.environment import pick_device
from metricpose.benchmark.pool import Task
from metricpose.benchmark.run import Job, initial_model
from metricpose.training.distributed import Place
from metricpose.training.loop import build_optimizer

CROP_MS = 4.0
"""Of reading a test image and cutting a crop; of a training crop it is about twice that (docs/LOG.md)."""
_STEPS = 3
_BOXES = {"whole": 1, "truncated": 4}


class Estimate(NamedTuple):
    """Core-seconds that a task will take."""

    task: str
    training: float
    measuring: float


def estimates(tasks: Sequence[Task]) -> Iterator[Estimate]:
    """One per task that is not done; trainings that differ by seed or data alone are measured once."""
    known: dict[str, tuple[float, float]] = {}
    for task in tasks:
        if task.job.is_done():
            continue
        if task.job.kind == "stream":
            yield Estimate(task.name, 2 * CROP_MS / 1e3 * task.job.size.steps * task.job.size.batch, 0.0)
            continue
        key = f"{task.job.line.method}{plan.settings_of(task.job.line, task.job.size)}"
        if key not in known:
            known[key] = _measured(task.job)
        training, crop = known[key]
        crops = sum(task.job.images(t) * _BOXES[t] for t in task.job.line.tests) * task.job.line.views
        yield Estimate(task.name, 0.0 if task.job.line.weights_of else training, crops * (crop + CROP_MS / 1e3))


def _measured(job: Job) -> tuple[float, float]:
    """(seconds of the whole training, seconds of a crop in evaluation)."""
    torch.set_num_threads(job.size.threads)
    training = 0.0 if job.line.weights_of else job.size.steps * _step_seconds(job)
    model: Any = initial_model(job).eval()
    device = pick_device(job.size.device)
    images = torch.rand(32, 3, job.size.side, job.size.side, device=device)
    sample = example(model, images.contiguous(memory_format=torch.channels_last))
    model = model.to(device, memory_format=torch.channels_last)
    with torch.inference_mode():
        return training, _best(lambda: model.decode(model(sample.images), sample.K), device) / len(images)


def _step_seconds(job: Job) -> float:
    device = pick_device(job.size.device)
    model: Any = initial_model(job)
    model = model.to(device, memory_format=torch.channels_last)
    config = job.size.training(job.seed, (), job.source.method)
    frozen = job.size.freeze if job.backbone else ()
    for name, parameter in model.named_parameters():
        if any(fnmatchcase(name, pattern) for pattern in frozen):
            parameter.requires_grad_(False)
    optimizer = build_optimizer(model, config, Place(0, 1, device))
    images = torch.rand(job.size.batch, 3, job.size.side, job.size.side, device=device)
    sample = example(model, images.contiguous(memory_format=torch.channels_last))
    model.train()

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            output = model(sample.images)
        torch.stack(list(model.loss(output, sample, job.size.steps).values())).sum().backward()
        optimizer.step()

    return _best(step, device)


def _best(run: Callable[[], object], device: torch.device) -> float:
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    run()
    best = float("inf")
    for _ in range(_STEPS):
        start = clock()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, clock() - start)
    return best
