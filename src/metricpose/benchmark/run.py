"""One job of the comparison in one process: make a stream of crops, or train and measure one row with one seed.

`python -m metricpose.benchmark.run JOB.json` does a job; `pool` starts many of them.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from metricpose.benchmark import plan
from metricpose.benchmark.environment import describe, pick_device
from metricpose.benchmark.measure import Measured, run_test
from metricpose.benchmark.results import Result, is_current, result_name, settings_hash
from metricpose.benchmark.sizes import Size
from metricpose.benchmark.stream import StreamPlan, open_stream, write_stream
from metricpose.data.shards import Shard, shard_path
from metricpose.errors import DataError
from metricpose.files import sha256
from metricpose.training.checkpoint import read_progress
from metricpose.training.loop import TrainingData, train
from metricpose.weights import build_model, load_model, load_weights, read_backbone

HARNESS = 1
"""Raised when the benchmark itself changes what a result means, so that older results are measured again."""

Report = Callable[[str, int, int], None]
"""Told (what, done, in all)."""


class Job(BaseModel):
    """What one process is to do.

    Attributes:
        kind: "stream" only makes the row's crops.
        row, seed, size: which training.
        data: folder with the shards `train` and `test`. out: where everything is written.
        backbone: weights file the backbone starts from; random weights if None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["stream", "run"]
    row: str
    seed: int
    size: Size
    data: Path
    out: Path
    backbone: Path | None = None

    @property
    def line(self) -> plan.Row:
        """The row."""
        return plan.find(self.row)

    @property
    def source(self) -> plan.Row:
        """The row whose weights are measured: itself, or the one it names."""
        return plan.find(self.line.weights_of) if self.line.weights_of else self.line

    @property
    def result(self) -> Path:
        """The result's file."""
        return self.out / "results" / f"{result_name(self.row, self.seed)}.json"

    def stream(self) -> StreamPlan:
        """The crops it learns from."""
        size = self.size
        return StreamPlan(
            data=fingerprint(self.data / "train", size.records), records=size.records, samples=size.steps * size.batch,
            batch=size.batch, side=size.side, skeleton="metricpose_25", seed=self.seed,
            truncation=self.source.truncation,
        )  # fmt: skip

    def settings(self) -> dict[str, Any]:
        """Everything the result depends on but the code."""
        size, row = self.size, self.line
        return {
            "harness": HARNESS,
            "method": row.method,
            "model": plan.settings_of(row, size),
            "trained": self.training_settings(),
            "views": row.views,
            "tests": {test: self.images(test) for test in row.tests},
            "test_data": fingerprint(self.data / "test", max(self.images(test) for test in row.tests)),
        }

    def training_settings(self) -> dict[str, Any]:
        """Everything the weights depend on but the code: shared by rows that measure the same weights."""
        size, row = self.size, self.source
        keep = ("steps", "batch", "optimizer", "lr", "backbone_lr", "ema", "precision", "freeze")
        return {
            "method": row.method,
            "model": plan.settings_of(row, size),
            "labels": row.labels,
            "stream": asdict(self.stream()),
            "size": {name: getattr(size, name) for name in keep} | size.learning_rates(row.method),
            "backbone": sha256(self.backbone)[:16] if self.backbone else "random",
        }

    def images(self, test: plan.Test) -> int:
        """Test images."""
        return self.size.whole if test == "whole" else self.size.truncated

    def folder(self) -> Path:
        """Where the training of these weights keeps its state."""
        digest = settings_hash(self.training_settings())[:8]
        return self.out / "work" / f"{result_name(self.source.name, self.seed)}-{digest}"

    def is_done(self) -> bool:
        """Whether there is nothing left to do."""
        if self.kind == "stream":
            return (self.out / "work" / self.stream().name / "stream.json").exists()
        return is_current(self.result, self.settings())


@lru_cache(maxsize=16)
def fingerprint(folder: Path, records: int) -> str:
    """Hash of the shards that hold the first records.

    Raises:
        DataError: missing shards, or fewer records.
    """
    digests: list[str] = []
    held = 0
    while held < records:
        path = shard_path(folder, len(digests))
        if not path.exists():
            raise DataError(f"{folder} holds {held} people in shards; the comparison needs {records}")
        digests.append(sha256(path))
        held += len(Shard(path))
    return settings_hash({"shards": digests})[:16]


def do(job: Job, report: Report | None = None) -> None:
    """Do the job, unless it is done already.

    Raises:
        DataError, CheckpointError, InputError: as making the stream, training and measuring do.
    """
    if job.is_done():
        return
    report = report or (lambda *_: None)
    crops = job.out / "work" / job.stream().name
    if job.kind == "stream":
        write_stream(job.stream(), job.data / "train", crops, lambda done, total: report("crops", done, total))
        return
    started = time.monotonic()
    weights = train_row(job, crops)
    trained = time.monotonic()
    found, model = measure_row(job, weights, report)
    seconds = {"training": trained - started, "measuring": time.monotonic() - trained}
    known = weights.with_name("seconds.txt")
    if not job.line.weights_of and not known.exists():  # a resumed job would count only its last part
        known.write_text(str(seconds["training"]), encoding="utf8")
    _write(job, found, model, seconds)


def train_row(job: Job, crops: Path) -> Path:
    """Train the row, going on where an earlier process stopped; returns the model file."""
    size, row, folder = job.size, job.source, job.folder()
    state, weights = folder / "state.safetensors", folder / "model.safetensors"
    if weights.exists() and state.exists() and read_progress(state).step == size.steps:
        return weights
    data = TrainingData(open_stream(crops, labels=row.labels), (size.batch,))
    freeze = size.freeze if job.backbone else ()
    done = train(initial_model(job), row.method, data, size.training(job.seed, freeze, row.method), folder)
    if done["step"] < size.steps:
        raise DataError(f"the training in {folder} was stopped at step {done['step']:.0f}; start again to go on")
    return weights


def initial_model(job: Job) -> nn.Module:
    """The model at the start: random by its seed, but for the backbone's given weights."""
    torch.manual_seed(job.seed)
    start = read_backbone(job.backbone) if job.backbone else None
    settings = plan.settings_of(job.source, job.size)
    return build_model(job.source.method, settings, f"row {job.source.name}", backbone_weights=start)


def measure_row(job: Job, weights: Path, report: Report) -> tuple[dict[str, Measured], nn.Module]:
    """Test -> what was measured; the model in the row's own settings."""
    row, device = job.line, pick_device(job.size.device)
    torch.set_num_threads(job.size.threads)
    trained, _ = load_model(weights)
    model = build_model(row.method, plan.settings_of(row, job.size), f"row {row.name}")
    load_weights(model, trained.state_dict(), str(weights))
    found: dict[str, Measured] = {}
    for test in row.tests:
        cache = job.folder() / f"{row.name}-{test}.npz"
        count = job.images(test)
        found[test] = run_test(
            model.eval(), test, job.data / "test", count, cache, views=row.views, device=device,
            progress=lambda done, test=test, count=count: report(test, done, count),
        )  # fmt: skip
    return found, model


def cost(model: nn.Module, side: int, batch: int = 1) -> tuple[int, float]:
    """(parameters, GMAC per crop)."""
    counter = FlopCounterMode(display=False)
    images = torch.zeros(batch, 3, side, side, device=next(model.parameters()).device)
    with counter, torch.no_grad():
        model.eval()(images)
    return sum(p.numel() for p in model.parameters()), counter.get_total_flops() / 2e9 / batch


def _write(job: Job, found: dict[str, Measured], model: nn.Module, seconds: dict[str, float]) -> None:
    parameters, gmac = cost(model, job.size.side)
    known = job.folder() / "seconds.txt"
    if known.exists():
        seconds["training"] = float(known.read_text(encoding="utf8"))
    Result(
        row=job.row,
        seed=job.seed,
        size=job.size.name,
        settings=job.settings(),
        environment=describe(pick_device(job.size.device)),
        seconds={name: round(value, 1) for name, value in seconds.items()},
        samples=job.size.steps * job.size.batch,
        parameters=parameters,
        gmac=round(gmac, 4),
        scale="; ".join(sorted({m.scale for m in found.values()})),
        units={test: m.units for test, m in found.items()},
        errors={key: e for m in found.values() for key, e in m.errors.items()},
    ).save(job.result)


def main(arguments: list[str]) -> None:
    """Do the job a file describes."""
    job = Job.model_validate_json(Path(arguments[0]).read_text(encoding="utf8"))
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    do(job, lambda what, done, total: print(f"{what} {done}/{total}", flush=True))


if __name__ == "__main__":
    main(sys.argv[1:])
