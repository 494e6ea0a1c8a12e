"""Speed of the bare backbones: images per second at several strides, batch sizes and precisions, as JSON.

    python bench/backbone.py --name mobilenetv2 --side 256 --threads 1 --out backbone.json

A training step is forward, mean square of the features, backward and AdamW. Each number is the best of the repeats:
other work on the machine only ever makes a step slower. With --keep-heap glibc keeps freed memory instead of returning
it to the system, which spares large tensors their page faults.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from metricpose.files import atomic_path
from metricpose.models.backbone import BACKBONES, AnyBackbone, build_backbone

PRECISIONS = ("float32", "bfloat16")


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", choices=BACKBONES, default="mobilenetv2")
    parser.add_argument("--norm", choices=("folded", "batch"), help="mobilenetv2 only")
    parser.add_argument("--side", type=int, nargs="+", default=[256], help="side of the square crops, in pixels")
    parser.add_argument("--stride", type=int, nargs="+", default=[32, 16, 8, 4])
    parser.add_argument("--batch", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--mode", choices=("inference", "training"), nargs="+", default=["inference", "training"])
    parser.add_argument("--precision", choices=PRECISIONS, nargs="+", default=list(PRECISIONS))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--keep-heap", action="store_true")
    parser.add_argument("--out", type=Path, help="JSON file; printed to the screen as well")
    return parser.parse_args(argv)


def keep_heap() -> bool:
    """Never give freed memory back: no separate mappings, no trimming, growth in steps of 256 MiB (glibc only)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    trim_threshold, top_pad, mmap_max = -1, -2, -4
    settings = ((mmap_max, 0), (trim_threshold, 2**31 - 1), (top_pad, 256 << 20))
    return mallopt is not None and all(mallopt(*setting) for setting in settings)


def precision_context(precision: str, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else contextlib.nullcontext()


def inference_step(model: AnyBackbone, images: torch.Tensor, precision: str) -> Callable[[], None]:
    model.eval()

    def step() -> None:
        with torch.inference_mode(), precision_context(precision, images.device):
            model(images)

    return step


def training_step(model: AnyBackbone, images: torch.Tensor, precision: str) -> Callable[[], None]:
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), 1e-6)

    def step() -> None:
        with precision_context(precision, images.device):
            features = model(images)[model.stride]
        features.float().square().mean().backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return step


def best_seconds(step: Callable[[], None], device: torch.device, repeats: int) -> float:
    step()
    best = float("inf")
    for _ in range(repeats):
        synchronise(device)
        start = time.perf_counter()
        step()
        synchronise(device)
        best = min(best, time.perf_counter() - start)
    return best


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    device = torch.device(arguments.device)
    for mode in arguments.mode:
        for precision in arguments.precision:
            for side in arguments.side:
                for stride in arguments.stride:
                    for batch in arguments.batch:
                        torch.manual_seed(0)
                        model = build_backbone(arguments.name, stride=stride, norm=arguments.norm)
                        model = model.to(device, memory_format=torch.channels_last)
                        images = torch.rand(batch, 3, side, side, device=device).to(memory_format=torch.channels_last)
                        make = inference_step if mode == "inference" else training_step
                        seconds = best_seconds(make(model, images, precision), device, arguments.repeats)
                        yield {
                            "mode": mode,
                            "precision": precision,
                            "side": side,
                            "stride": stride,
                            "batch": batch,
                            "images_per_second": round(batch / seconds, 2),
                        }


def surroundings(arguments: argparse.Namespace) -> dict[str, Any]:
    on_gpu = torch.device(arguments.device).type == "cuda"
    return {
        "device": torch.cuda.get_device_name(arguments.device) if on_gpu else processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "commit": commit(),
        "memory_format": "channels_last",
    }


def processor() -> str:
    """The processor's marketing name where Linux tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def commit() -> str:
    """Hash of the checked-out commit, with a plus sign if files differ from it."""
    here = Path(__file__).parent
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        run = [
            subprocess.run(["git", *command], cwd=here, capture_output=True, text=True, check=True).stdout.strip()
            for command in (("rev-parse", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
        ]
        return run[0] + ("+" if run[1] else "")
    return "unknown"


def main(argv: list[str]) -> None:
    arguments = parse_arguments(argv)
    torch.set_num_threads(arguments.threads)
    kept = keep_heap() if arguments.keep_heap else False
    report: dict[str, Any] = {"backbone": arguments.name, "norm": arguments.norm, "heap_kept": kept}
    report |= surroundings(arguments) | {"results": []}
    for row in measure(arguments):
        print(json.dumps(row), flush=True)
        report["results"].append(row)
    if arguments.out:
        with atomic_path(arguments.out) as path:
            path.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
