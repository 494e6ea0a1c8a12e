"""A training run before it is started: a few real steps, and what they say about memory, time and disk.

The steps are those of the loop. On CUDA the recipe's batch is taken, and the allocator says how much memory it needed.
On a CPU, time and memory of two small parts of the batch are measured first, and of the whole batch only if they say
that it will fit and not take too long; else they are extrapolated, for both grow in proportion to the people. Memory
on a CPU is counted from tensors (`training.memory`): weights, gradients, optimiser, average and what is kept for the
backward pass; scratch memory inside a kernel is not seen.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from metricpose.data.loading import Packed, unpack
from metricpose.errors import DataError, InputError
from metricpose.training.distributed import Place
from metricpose.training.loop import Run, TrainingData, prepare_run, take_step
from metricpose.training.memory import saved_bytes
from metricpose.training.settings import TrainingConfig
from metricpose.training.validation import validate
from metricpose.types import Batch

SECONDS = 60.0
"""What a whole batch may take on a CPU, so that it is measured rather than extrapolated."""
_SMALL = 2
_MEMORY_SHARE = 0.8  # Of the free memory that the whole batch may take.


class Rehearsal(NamedTuple):
    """What a few steps showed.

    Attributes:
        people: in a batch.
        measured: people of the largest batch that was really taken.
        outputs: field of the network's output -> shape, for that batch.
        terms: loss terms of the last step.
        parameters, trained: number of all, and of those that are trained.
        load_s: to make a batch in one process. compute_s: of the network and the optimiser, for a batch.
        validation_s: of one validation; 0 without one.
        memory_bytes: for a batch; None if it did not fit. allocator: whether CUDA's allocator said so.
        state_bytes, model_bytes: of the two files that a run writes.
    """

    people: int
    measured: int
    outputs: dict[str, tuple[int, ...]]
    terms: dict[str, float]
    parameters: int
    trained: int
    load_s: float
    compute_s: float
    validation_s: float
    memory_bytes: int | None
    allocator: bool
    state_bytes: int
    model_bytes: int


class Forecast(NamedTuple):
    """Time of a whole run, seconds.

    Attributes:
        step_s: from one step to the next.
        load_s: of making the batches, by all processes together; compute_s: of the network.
        validation_s: of all validations. total_s: of the run.
        bottleneck: "loading" or "computing".
    """

    step_s: float
    load_s: float
    compute_s: float
    validation_s: float
    total_s: float
    bottleneck: str


def rehearse(
    model: nn.Module, data: TrainingData, config: TrainingConfig, place: Place, *, seconds: float | int = SECONDS
) -> Rehearsal:
    """Take the first and the last step of a run, and measure.

    The model's weights are changed.

    Args:
        seconds: a whole batch on a CPU is taken if it should not take longer.

    Raises:
        DataError: a loss or gradient that is not finite.
        InputError: `decode` needs ground truth, which validation does not give it.
    """
    run = prepare_run(model, data, config, place)
    packed, load_s = _timed_batch(run, data)
    people = len(packed["images"])
    measure = _on_gpu if place.device.type == "cuda" else _on_cpu
    stage = _Stage(run, config, place)
    measured, compute_s, memory = measure(stage, packed, seconds)
    validation_s = _validation_seconds(run, data, config, place) if data.validation and config.validate_every else 0.0
    parameters = list(run.model.parameters())
    return Rehearsal(
        people, measured, stage.outputs(part(packed, min(measured, people))), stage.terms,
        sum(p.numel() for p in parameters), sum(p.numel() for p in parameters if p.requires_grad),
        load_s, compute_s, validation_s, memory, place.device.type == "cuda",
        _bytes([*_state(run.model), *_state(run.average.model), *_moments(run)]),
        sum(2 * t.numel() for t in _state(run.average.model)),
    )  # fmt: skip


def forecast(found: Rehearsal, config: TrainingConfig, cores: int | None = None) -> Forecast:
    """The run that the recipe means, at the speed of the rehearsal.

    Args:
        cores: of this machine; more worker processes than these make nothing faster.
    """
    workers = min(config.workers, cores or os.cpu_count() or 1)
    load_s = found.load_s / max(1, workers)
    step_s = max(load_s, found.compute_s) if workers else load_s + found.compute_s
    validations = math.ceil(config.steps / config.validate_every) if config.validate_every else 0
    validation_s = validations * found.validation_s
    return Forecast(
        step_s, config.steps * load_s, config.steps * found.compute_s, validation_s,
        config.steps * step_s + validation_s, "loading" if load_s > found.compute_s else "computing",
    )  # fmt: skip


def part(packed: Packed, people: int) -> Packed:
    """So many people of a batch, evenly spread, so that the first and the last source take part."""
    rows = np.linspace(0, len(packed["images"]) - 1, people).round().astype(int)
    return {name: value[torch.from_numpy(rows)] for name, value in packed.items()}


class _Stage:
    """Takes steps of a run, and remembers the loss terms."""

    def __init__(self, run: Run, config: TrainingConfig, place: Place) -> None:
        self.run, self.config, self.place = run, config, place
        self.terms: dict[str, float] = {}

    def step(self, packed: Packed, number: int) -> float:
        """Take step `number` with these people; returns its seconds."""
        batch = unpack(packed, self.place.device)
        self._wait()
        start = time.perf_counter()
        self.run.step = number
        terms = take_step(self.run, self.run.model, batch, self.config, self.place)
        self._wait()
        taken = time.perf_counter() - start
        self.terms = {name: float(value) for name, value in terms.items()}
        bad = [f"{name} {value}" for name, value in self.terms.items() if not math.isfinite(value)]
        if bad:
            raise DataError(f"step {number} is not finite ({', '.join(bad)}): check the labels with `data check`")
        return taken

    def kept_bytes(self, packed: Packed) -> int:
        """Bytes for the backward pass of a step, and the batch's own."""
        batch = unpack(packed, self.place.device)
        given = [value for value in vars(batch).values() if isinstance(value, Tensor)]
        return _bytes(given) + saved_bytes(lambda: self._loss(batch), [*given, *_state(self.run.model)])

    def outputs(self, packed: Packed) -> dict[str, tuple[int, ...]]:
        """Shapes of what the network says."""
        batch = unpack(part(packed, 1), self.place.device)
        self.run.model.eval()
        with torch.no_grad():
            found = dict(shapes(self.run.model(batch.images)))
        people = len(packed["images"])
        return {name: (people, *shape[1:]) if shape[:1] == (1,) else shape for name, shape in found.items()}

    def _loss(self, batch: Batch) -> Tensor:
        self.run.model.train()
        model: Any = self.run.model
        with torch.autocast(self.place.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            output = model(batch.images)
        return torch.stack(list(model.loss(output, batch, self.config.steps - 1).values())).sum()

    def _wait(self) -> None:
        if self.place.device.type == "cuda":
            torch.cuda.synchronize(self.place.device)


def shapes(output: Any, name: str = "") -> Iterable[tuple[str, tuple[int, ...]]]:
    """Names and shapes of the tensors of an output; of equal stages the first, with their number."""
    if isinstance(output, Tensor):
        yield name, tuple(output.shape)
    elif hasattr(output, "_asdict"):
        for field, value in output._asdict().items():
            yield from shapes(value, f"{name}.{field}".strip("."))
    elif isinstance(output, (list, tuple)) and output:
        yield from shapes(output[0], f"{name} (1 of {len(output)})")


def _timed_batch(run: Run, data: TrainingData) -> tuple[Packed, float]:
    """The first batch, and the seconds of making the second, when files and compiled code are warm."""
    packed = data.maker[run.stream.batch(0)]
    start = time.perf_counter()
    data.maker[run.stream.batch(1)]
    return packed, time.perf_counter() - start


def _on_cpu(stage: _Stage, packed: Packed, seconds: float | int) -> tuple[int, float, int]:
    """(people measured, seconds and bytes of a whole batch)."""
    whole, last = len(packed["images"]), stage.config.steps - 1
    sizes = [n for n in (_SMALL, 2 * _SMALL) if n < whole]
    stage.step(part(packed, min(_SMALL, whole)), 0)
    times = [stage.step(part(packed, n), last) for n in sizes]
    fixed = _fixed_bytes(stage.run)
    kept = [stage.kept_bytes(part(packed, n)) for n in sizes]
    fits = len(sizes) < 2 or (
        extrapolated(sizes, times, whole) <= seconds
        and fixed + extrapolated(sizes, kept, whole) <= _MEMORY_SHARE * free_memory()
    )
    if fits:
        return whole, stage.step(packed, last), fixed + stage.kept_bytes(packed)
    return sizes[-1], extrapolated(sizes, times, whole), fixed + int(extrapolated(sizes, kept, whole))


def _on_gpu(stage: _Stage, packed: Packed, seconds: float | int) -> tuple[int, float, int | None]:
    """The same on CUDA: the whole batch, and if it does not fit, the time that two parts of it say."""
    device, whole, last = stage.place.device, len(packed["images"]), stage.config.steps - 1
    try:
        stage.step(packed, 0)
        torch.cuda.reset_peak_memory_stats(device)
        best = min(stage.step(packed, last) for _ in range(3))
        return whole, best, torch.cuda.max_memory_allocated(device)
    except torch.cuda.OutOfMemoryError:
        pass  # What the step held is only let go of when the exception is.
    stage.run.optimizer.zero_grad(set_to_none=True)
    torch.cuda.empty_cache()
    sizes = [min(_SMALL, whole), min(2 * _SMALL, whole)]
    times = [min(stage.step(part(packed, n), last) for _ in range(3)) for n in sizes]
    return sizes[-1], extrapolated(sizes, times, whole), None


def extrapolated(sizes: list[int], values: list[float] | list[int], wanted: int) -> float:
    """The straight line through the values of two batch sizes, at a third; never falling."""
    slope = max(0.0, (values[1] - values[0]) / max(1, sizes[1] - sizes[0]))
    return values[1] + slope * (wanted - sizes[1])


def free_memory() -> float:
    """Bytes of memory that are free, as far as the system says; else without limit."""
    try:
        with open("/proc/meminfo", encoding="utf8") as lines:
            found = next(line for line in lines if line.startswith("MemAvailable"))
        return 1024.0 * float(found.split()[1])
    except (OSError, StopIteration, ValueError):
        return math.inf


def _validation_seconds(run: Run, data: TrainingData, config: TrainingConfig, place: Place) -> float:
    """Of one validation, from a few people of the set."""
    needs = getattr(run.model, "needs_gt", ())
    if needs:
        raise InputError(f"this model needs the truth ({', '.join(needs)}): train with another `recovery`, or set "
                         "data.validation=null")  # fmt: skip
    first = data.validation[0]
    few = part(first, min(2 * _SMALL, len(first["images"])))
    people = sum(len(batch["images"]) for batch in data.validation)
    validate(run.average.model, [few], place.device, config.precision)
    start = time.perf_counter()
    validate(run.average.model, [few], place.device, config.precision)
    return (time.perf_counter() - start) * people / len(few["images"])


def _fixed_bytes(run: Run) -> int:
    """Weights and their gradients, the average, the optimiser's moments."""
    gradients = [p.grad for p in run.model.parameters() if p.grad is not None]
    return _bytes([*_state(run.model), *_state(run.average.model), *gradients, *_moments(run)])


def _state(model: nn.Module) -> list[Tensor]:
    return list(model.state_dict().values())


def _moments(run: Run) -> list[Tensor]:
    return [v for state in run.optimizer.state.values() for v in state.values() if isinstance(v, Tensor)]


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(t.numel() * t.element_size() for t in tensors)
