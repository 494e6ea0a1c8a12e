"""The training loop, top to bottom: prepare, maybe resume, step, log, validate, save.

A run is a pure function of its settings and data: data order, augmentation and dropout follow from (seed, step), so a
run killed at any moment and started again ends with the same weights, bit for bit on one machine.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from metricpose.data.loading import Packed, SampleMaker, train_batches, unpack
from metricpose.data.mixing import Phase, Stream
from metricpose.errors import DataError, InputError
from metricpose.training.averaging import Average
from metricpose.training.checkpoint import Progress, load_state, save_state
from metricpose.training.distributed import Place, any_rank, joined, lowest, mean_over_ranks
from metricpose.training.freezing import freeze
from metricpose.training.logs import RunLog
from metricpose.training.muon import Muon
from metricpose.training.resume import Described, check_same, describe, find_progress
from metricpose.training.settings import TrainingConfig
from metricpose.training.stopping import stop_signals
from metricpose.training.validation import validate
from metricpose.types import Batch
from metricpose.weights import save_model

_BAD_STEPS_IN_A_ROW = 20


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What a run learns from and is watched on.

    Attributes:
        maker: sources, crop, augmentation.
        counts: records of each source per batch.
        validation: packed batches, may be empty.
    """

    maker: SampleMaker
    counts: tuple[int, ...]
    validation: Sequence[Packed] = ()


@dataclass(eq=False)
class Run:
    """Everything that changes while a run goes on."""

    model: nn.Module
    average: Average
    optimizer: torch.optim.Optimizer
    stream: Stream
    step: int = 0
    bad_steps: int = 0
    started: float = field(default_factory=time.monotonic)
    saved: float = field(default_factory=time.monotonic)


def train(
    model: nn.Module,
    name: str,
    data: TrainingData,
    config: TrainingConfig,
    out: str | Path,
    *,
    facts: dict[str, Any] | None = None,
    described: Described | None = None,
    accepted: Callable[[], None] | None = None,
) -> dict[str, float]:
    """Train `model` in the folder `out`, going on from `out/state.safetensors` if it is there.

    Writes `state.safetensors` (to resume), `model.safetensors` (averaged weights, float16, for use), `train.csv`,
    `validation.csv` and TensorBoard events. SIGINT and SIGTERM finish the step, save, and return.

    Of several processes (torchrun) each takes an equal part of every batch, all need the same settings, and `out` must
    be on a disk they share. A process averages each loss term over its own labels, and then the processes' gradients
    are averaged: the same as in one process exactly where every process has as many labels of the term.

    Args:
        name: of the model in `models.MODELS`.
        facts: stored in the model file.
        described: settings of data and augmentation by their full names, which a run is only continued with.
        accepted: called by the first process before anything is written, when nothing keeps the run from beginning.

    Returns:
        The last validation measures and `step`.

    Raises:
        CheckpointError: `out` holds a run with other settings, model, data or augmentation; or not every process finds
            the same state there.
        InputError: a pattern of `freeze` names no parameter, or all; the device is not available; a `batch_size` that
            the number of processes does not divide.
        DataError: a source has become shorter; or the loss was not finite for 20 steps in a row.
    """
    folder = Path(out)
    with joined(config.device) as place, stop_signals() as stopped:
        if config.threads:
            torch.set_num_threads(config.threads)
        known = describe(model, name, data.counts, described or {})
        run = prepare_run(model, data, config, place, folder / "state.safetensors", known)
        if accepted is not None and place.is_first:
            accepted()
        log = RunLog(folder, config.steps, run.step, enabled=place.is_first)
        save = _saver(run, name, config, folder, facts or {}, known, enabled=place.is_first)
        try:
            return _steps(run, data, config, place, log, save, stopped)
        finally:
            log.close()


def prepare_run(
    model: nn.Module,
    data: TrainingData,
    config: TrainingConfig,
    place: Place,
    state: Path | None = None,
    described: Described | None = None,
) -> Run:
    """Model on its device, average, optimiser and data stream; as in the file `state`, if there is one.

    Raises:
        CheckpointError, InputError, DataError: as `train`.
    """
    if config.batch_size % place.world:
        raise InputError(
            f"training.batch_size of {config.batch_size}: expected a number divisible by the {place.world} processes, "
            "which take equal parts of every batch"
        )
    model = model.to(place.device)
    if config.channels_last:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    freeze(model, config.freeze)
    # While a renderer writes, processes may find different lengths.
    lengths = lowest([len(source) for source in data.maker.sources], place)
    stream = Stream(config.seed, data.counts, [[Phase(0, n)] for n in lengths])
    run = Run(model, Average(model, config.ema), build_optimizer(model, config, place), stream)
    progress = find_progress(state, place)
    if state is not None and progress is not None:
        check_same(progress, config, described or {}, state)
        load_state(state, run.model, run.average.model, run.optimizer)
        run.step, run.stream = progress.step, Stream(config.seed, data.counts, progress.phases)
        short = [n for n, h in zip(lengths, run.stream.phases) if n < h[-1].length]
        if short:
            raise DataError(f"{state}: a data source has {short[0]} records now, fewer than when the run was saved")
    return run


def build_optimizer(model: nn.Module, config: TrainingConfig, place: Place) -> torch.optim.Optimizer:
    """AdamW, Muon or SGD with one group for the backbone and one for the rest.

    AdamW and Muon: torch multiplies decay by the learning rate; c / (sqrt(T) lr0) makes the step's factor
    1 - c / sqrt(T) * lr / lr0.
    """
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    backbone = [p for n, p in named if n.startswith("backbone.")]
    rest = [p for n, p in named if not n.startswith("backbone.")]
    groups = [{"params": p, "factor": f} for p, f in ((backbone, config.backbone_lr), (rest, 1.0)) if p]
    fused = place.device.type in ("cpu", "cuda")
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, config.lr, config.momentum, weight_decay=config.decay, fused=fused)
    decay = config.decay / (math.sqrt(config.steps) * config.lr)
    if config.optimizer == "muon":
        return Muon(groups, config.lr, weight_decay=decay)
    return torch.optim.AdamW(groups, lr=config.lr, weight_decay=decay, fused=fused)


def _steps(
    run: Run,
    data: TrainingData,
    config: TrainingConfig,
    place: Place,
    log: RunLog,
    save: Callable[[], None],
    stopped: list[int],
) -> dict[str, float]:
    network = DistributedDataParallel(run.model) if place.world > 1 else run.model
    measures: dict[str, float] = {}
    batches = train_batches(
        data.maker, run.stream, run.step, config.steps, rank=place.rank, world=place.world, workers=config.workers,
        before_step=refresher(run, data, config, place), pin=place.device.type == "cuda",
    )  # fmt: skip
    window: list[dict[str, Tensor]] = []
    since = time.monotonic()
    for packed in batches:
        window.append(take_step(run, network, unpack(packed, place.device), config, place))
        if run.step % config.log_every == 0:
            log.train(run.step, _summary(window, config, run, time.monotonic() - since, place))
            window, since = [], time.monotonic()
        if data.validation and _validation_due(run, config):
            measures = validate(run.average.model, data.validation, place.device, config.precision)
            log.validation(run.step, measures)
        stop = any_rank(bool(stopped) or _out_of_time(run, config), place)
        if stop or _save_due(run, config):
            save()
        if stop:
            log.say(f"stopped at step {run.step}; start the same command again to go on")
            break
    return {**measures, "step": float(run.step)}


def take_step(run: Run, network: nn.Module, batch: Batch, config: TrainingConfig, place: Place) -> dict[str, Tensor]:
    """One optimiser step; returns the loss terms."""
    torch.manual_seed((config.seed * 1_000_003 + run.step) * 4099 + place.rank)
    factor = config.schedule.factor(run.step, config.steps)
    for group in run.optimizer.param_groups:
        group["lr"] = config.lr * factor * group["factor"]
        if "momentum" in group:
            group["momentum"] = config.schedule.momentum(run.step, config.steps, config.momentum)
    run.model.train()
    run.optimizer.zero_grad(set_to_none=True)
    with torch.autocast(place.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
        output = network(batch.images)
    terms = run.model.loss(output, batch, run.step)  # type: ignore[operator]
    loss = torch.stack(list(terms.values())).sum()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(run.model.parameters(), config.clip or math.inf)
    _update(run, bool(torch.isfinite(norm)))
    run.step += 1
    return {"loss": loss.detach(), **{k: v.detach() for k, v in terms.items()}, "gradient": norm.detach()}


def _update(run: Run, finite: bool) -> None:
    """Apply the gradients, or, if they are not finite, leave this step out."""
    run.bad_steps = 0 if finite else run.bad_steps + 1
    if run.bad_steps >= _BAD_STEPS_IN_A_ROW:
        raise DataError(
            f"the loss was not finite for {run.bad_steps} steps up to {run.step}: "
            "lower the learning rate, or check the labels"
        )
    if finite:
        run.optimizer.step()
        run.average.update(run.model, run.step)


def refresher(run: Run, data: TrainingData, config: TrainingConfig, place: Place) -> Callable[[int], None]:
    """Looks for new records at fixed steps; all processes use as many as each of them has found."""

    def before_step(step: int) -> None:
        if config.refresh_every and step % config.refresh_every == 0:
            run.stream.grow(step, lowest([source.refresh() for source in data.maker.sources], place))

    return before_step


def _summary(
    window: list[dict[str, Tensor]], config: TrainingConfig, run: Run, seconds: float, place: Place
) -> dict[str, float]:
    values = torch.stack([torch.stack([row[k].float() for k in row]) for row in window]).mean(0)
    means = dict(zip(window[0], mean_over_ranks(values, place.world).tolist()))
    rate = config.lr * config.schedule.factor(run.step - 1, config.steps)
    return {**means, "lr": rate, "images_per_s": len(window) * config.batch_size / seconds}


def _out_of_time(run: Run, config: TrainingConfig) -> bool:
    return config.max_minutes > 0 and time.monotonic() - run.started > 60 * config.max_minutes


def _validation_due(run: Run, config: TrainingConfig) -> bool:
    return config.validate_every > 0 and (run.step % config.validate_every == 0 or run.step == config.steps)


def _save_due(run: Run, config: TrainingConfig) -> bool:
    late = config.checkpoint_minutes > 0 and time.monotonic() - run.saved > 60 * config.checkpoint_minutes
    return late or run.step % config.checkpoint_every == 0 or run.step == config.steps


def _saver(
    run: Run,
    name: str,
    config: TrainingConfig,
    folder: Path,
    facts: dict[str, Any],
    described: Described,
    *,
    enabled: bool,
) -> Callable[[], None]:
    def save() -> None:
        run.saved = time.monotonic()
        if not enabled:
            return
        phases = [[list(phase) for phase in history] for history in run.stream.phases]
        progress = Progress(run.step, phases, config.model_dump(mode="json"), dict(described))
        save_state(folder / "state.safetensors", progress, run.model, run.average.model, run.optimizer)
        known = {**facts, "step": run.step, "steps": config.steps, "samples": run.step * config.batch_size}
        save_model(folder / "model.safetensors", run.average.model, name, facts=known)

    return save
