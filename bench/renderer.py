"""Speed of the synthetic-people renderer on one core: images per second and time per stage, as JSON.

    python bench/renderer.py --assets ../assets --size 256 --count 200 --out renderer.json

Times are CPU time of this process (other processes may share the core), after a warm-up that compiles or loads the
kernels. The rate is that of the best repeat: other work on the machine only ever makes rendering slower.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numba
import numpy as np

from metricpose.files import atomic_path
from metricpose.synthetic import scene
from metricpose.synthetic.generator import Generator, SyntheticConfig

STAGES = ("make_person", "_company", "assemble", "draw", "coverage", "make_backdrop", "matching_light", "ground_shadow",
          "make_looks", "paint", "develop", "joint_visibility")  # fmt: skip


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=Path, help="folder of rich assets; default: what comes with the package")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--supersample", type=int, default=2)
    parser.add_argument("--count", type=int, default=100, help="images per repeat")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, help="JSON file; printed to the screen as well")
    return parser.parse_args(argv)


def timed_stages() -> dict[str, list[float]]:
    """Wrap the functions a scene is made of; returns the CPU milliseconds of their calls, filled as scenes are made."""
    times: dict[str, list[float]] = defaultdict(list)

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            start = time.process_time()
            result = function(*arguments, **named)
            times[name].append(1e3 * (time.process_time() - start))
            return result

        return call

    for name in STAGES:
        setattr(scene, name, timed(name, getattr(scene, name)))
    return times


def commit() -> str:
    here = Path(__file__).parent
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=here, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    config = SyntheticConfig(size=arguments.size, supersample=arguments.supersample, assets=arguments.assets)
    generator = Generator(config)
    for index in range(30):  # every kind of backdrop and prop compiles once
        generator.scene(10**6 + index)
    rates = []
    for _ in range(arguments.repeats):
        start = time.process_time()
        for index in range(arguments.count):
            generator.scene(index)
        rates.append(arguments.count / (time.process_time() - start))
    stages = timed_stages()
    for index in range(arguments.count):
        generator.scene(index)
    return {
        "images_per_second_per_core": round(max(rates), 1),
        "rates": [round(rate, 1) for rate in rates],
        # _company contains make_person of second people.
        "milliseconds_per_image": {name: round(sum(stages[name]) / arguments.count, 2) for name in STAGES},
        "size": arguments.size,
        "supersample": arguments.supersample,
        "count": arguments.count,
        "assets": "rich" if arguments.assets else "packaged",
        "machine": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "opencv": cv2.__version__,
        "commit": commit(),
    }


def main(argv: list[str]) -> None:
    arguments = parse_arguments(argv)
    cv2.setNumThreads(1)
    report = json.dumps(measure(arguments), indent=2)
    print(report)
    if arguments.out:
        with atomic_path(arguments.out) as path:
            path.write_text(report + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
