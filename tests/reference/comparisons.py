"""Made-up people to compare methods on, and made-up results whose differences are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from metricpose.benchmark.costs import HeadCost
from metricpose.benchmark.curves import DecodeTime, MapMemory
from metricpose.benchmark.results import Errors, Result
from metricpose.benchmark.sizes import SMOKE
from metricpose.benchmark.speed import Costs
from metricpose.data.shards import shard_path, write_shard
from people import person

TRAIN, TEST = 6, 5
TINY = SMOKE.model_copy(update={"records": TRAIN, "whole": 4, "truncated": 2, "side": 32})
KEY = "whole/mpjpe"


def result(row: str, seed: int, errors: np.ndarray, counts: np.ndarray | None = None, **changes: object) -> Result:
    values = {
        "row": row, "seed": seed, "size": "small", "settings": {"trained": row}, "environment": {}, "seconds": {},
        "samples": 1, "parameters": 1, "gmac": 0.1, "scale": "", "units": {"whole": "a"},
    }  # fmt: skip
    counts = np.full(len(errors), 17.0) if counts is None else counts
    return Result(**{**values, **changes}, errors={KEY: Errors(errors * counts, counts)})  # type: ignore[arg-type]


def rows(*shifts: float, noise: float = 0.0, people: int = 400) -> dict[str, list[Result]]:
    """Rows a, b, ... whose errors are the same people's plus a shift; two trainings each, `noise` apart."""
    rng = np.random.default_rng(0)
    people_errors = rng.gamma(4, 25, people)
    return {
        name: [result(name, s, people_errors + shift + sign * noise / 2) for s, sign in ((0, 1), (1, -1))]
        for name, shift in zip("abc", shifts)
    }


def costs() -> Costs:
    """Costs with ratios that are easy to tell."""
    head = HeadCost(2_000_000, 300_000, 0.2, 0.02, (1280, 8, 8), 1_000_000, 2_000_000, 10.0, 8.0, 2.0)
    volume = 35_000_000
    return Costs(
        size="small",
        environment={"device": "a processor", "threads": 1, "commit": "abc"},
        heads={
            "metro": head,
            "hemlets": head._replace(head_ms=12.0),
            "hemlets-none": head,
            "HEMlets, ResNet-50": head._replace(head_ms=18.0),
            "HEMlets' baseline, ResNet-50": head,
        },
        published=("HEMlets, ResNet-50", "HEMlets' baseline, ResNet-50"),
        memory=tuple(MapMemory(n, volume * 3 // n, volume, 100, 200, 900, 400) for n in (32, 64)),
        decode=(
            DecodeTime("planes", (3, 4), 12, 1.0, 2.0, 30.0, 9.0),
            DecodeTime("volume", (5,), 5, 1.0, 4.0, 30.0, 9.0),
        ),
        strides={32: 80.0, 16: 50.0, 8: 20.0, 4: 10.0},
    )


def write_people(folder: Path) -> Path:
    """Shards `train` and `test` of made-up people, every other one dancing."""
    for name, first, count in (("train", 100, TRAIN), ("test", 0, TEST)):
        made = [person(first + i, size=(96, 80)) for i in range(count)]
        records = [replace(r, info={**r.info, "pose": ("walking", "dance")[i % 2]}) for i, r in enumerate(made)]
        write_shard(shard_path(folder / name, 0), records)
    return folder
