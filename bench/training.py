"""Speed of the data path and of a training step, as JSON: CPU milliseconds per sample, images per second.

    python bench/training.py --shards SHARDS --recipe recipes/metrabs-s.yaml --out training.json

`read` decodes a record, `sample` turns it into an augmented crop, `plain` into an unaugmented one; times are CPU times
of one core, medians over the repeats. `step` is forward, loss, backward, AdamW and averaging on one ready batch, in
wall time, best of the repeats: other work on the machine only ever makes a step slower.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from metricpose.cli.assembly import build_data, build_network
from metricpose.config import Recipe, load_recipe
from metricpose.data.loading import unpack
from metricpose.data.mixing import Draw
from metricpose.data.pipeline import make_sample
from metricpose.files import atomic_path
from metricpose.training.averaging import Average
from metricpose.training.distributed import Place
from metricpose.training.loop import TrainingData, build_optimizer


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", required=True, help="folder of shards")
    parser.add_argument("--recipe", default="recipes/metrabs-s.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, help="JSON file; printed to the screen as well")
    return parser.parse_args(argv)


def cpu_ms(work: Callable[[int], Any], count: int, repeats: int = 5) -> float:
    """Median over the repeats of the mean CPU time per call, milliseconds."""
    work(0)
    times = []
    for repeat in range(repeats):
        start = time.process_time()
        for i in range(count // repeats):
            work(repeat * (count // repeats) + i)
        times.append((time.process_time() - start) / (count // repeats) * 1e3)
    return statistics.median(times)


def measure_data(data: TrainingData, samples: int) -> dict[str, float]:
    maker, source = data.maker, data.maker.sources[0]
    records = [source[i] for i in range(min(64, len(source)))]

    def sample(i: int, augmented: bool) -> Any:
        augmentation = maker.augmentation if augmented else None
        return make_sample(
            records[i % len(records)], maker.side, maker.skeleton, augmentation, np.random.default_rng(i)
        )

    return {
        "read_ms": cpu_ms(lambda i: source[i % len(source)], samples),
        "plain_ms": cpu_ms(lambda i: sample(i, False), samples),
        "sample_ms": cpu_ms(lambda i: sample(i, True), samples),
        "record_to_sample_ms": cpu_ms(lambda i: maker.sample(Draw(0, i % len(source), (i,))), samples),
    }


def measure_step(recipe: Recipe, data: TrainingData, steps: int) -> dict[str, float]:
    model: Any = build_network(recipe).to(memory_format=torch.channels_last).train()
    optimizer = build_optimizer(model, recipe.training, Place(0, 1, torch.device("cpu")))
    average = Average(model, recipe.training.ema)
    size = recipe.training.batch_size
    batch = unpack(data.maker[[Draw(0, i % len(data.maker.sources[0]), (i,)) for i in range(size)]])
    times = []
    for step in range(steps):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.training.precision == "bf16"):
            output = model(batch.images)
        torch.stack(list(model.loss(output, batch, step).values())).sum().backward()
        optimizer.step()
        average.update(model, step)
        times.append(time.perf_counter() - start)
    return {"step_ms": min(times) * 1e3, "images_per_s": size / min(times)}


def main(argv: list[str]) -> None:
    arguments = parse_arguments(argv)
    torch.set_num_threads(arguments.threads)
    # Only crops and step are measured: the backbone may start from random weights, and nothing is validated.
    overrides = [
        f"data.train=[{{kind: shards, path: {arguments.shards}}}]",
        "data.validation=null",
        "init_backbone=null",
    ]
    recipe = load_recipe(arguments.recipe, overrides + arguments.set)
    data = build_data(recipe)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    report = {
        "machine": platform.processor() or platform.machine(),
        "threads": arguments.threads,
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "opencv": cv2.__version__},
        "commit": commit,
        "recipe": recipe.name,
        "side": data.maker.side,
        **{k: round(v, 3) for k, v in measure_data(data, arguments.samples).items()},
        **{k: round(v, 1) for k, v in measure_step(recipe, data, arguments.steps).items()},
    }
    print(json.dumps(report, indent=2))
    if arguments.out:
        with atomic_path(arguments.out) as path:
            path.write_text(json.dumps(report, indent=2), encoding="utf8")


if __name__ == "__main__":
    main(sys.argv[1:])
