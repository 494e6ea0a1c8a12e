"""Cost of everything behind the backbone (head, soft-argmax, decoding, absolute position), next to the bare backbone.

    python bench/heads.py --model metrabs --batch 8 32 --stride 32 16 8 4 --threads 1 --out heads.json

The goal is at most 5 % over the backbone. Decoding meets it everywhere. The method's own 1 x 1 convolution from
MobileNetV2's 1280 channels cannot at fine strides: it is 10.5 % (stride 16) to 13 % (stride 4) of the multiply-adds,
against 4.7 % at 32, and already runs at the processor's peak. With a last layer of 384 channels, as the bundled model
has it (`--last-layer 384`; `last_layer: 384` in a recipe), it is a third of that, and the goal is met.
Each number is the best of the repeats: other work on the machine only ever makes a run slower.

Roofline. With J joints, D bins and h x w cells the head writes J(1 + D) h w floats per crop: 14,400 at stride 32 and
J = 25 (58 KB), 921,600 at stride 4 (3.7 MB). On a CPU without gradients everything behind it, the covariance included,
is one pass over them (`heatmap.fused`: 1 read per logit, some 17 vector operations for 16 of them; from 65,536 logits
on), of which `soft_argmax_ms` holds all and `decode_ms` nothing but geometry. Otherwise it is torch's steps, bound by
memory: softmax 1-2 reads and 1 write, 2 reads for the means, and in `decode` softmax again and 3 reads for the
covariance; 2 more where a joint's cells do not lie together. At stride 32 the fixed cost of launching some 100 small
operations per batch is what is seen. Measured rooflines: docs/LOG.md, "Decoding".
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from metricpose.files import atomic_path
from metricpose.models import MODELS
from metricpose.models.base import VolumeConfig, VolumeModel

GOAL = 0.05
LAYOUTS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    volumetric = [name for name, (config, _) in MODELS.items() if issubclass(config, VolumeConfig)]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=volumetric, default="metrabs")
    parser.add_argument("--backbone", default="mobilenetv2")
    parser.add_argument(
        "--last-layer", type=json.loads, default=True, metavar="{true,false,N}", help="mobilenetv2's: 1280, none, N"
    )
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--skeleton", default="metricpose_25", help="h36m_17 for the papers' joints")
    parser.add_argument("--stride", type=int, nargs="+", default=[32, 16, 8, 4])
    parser.add_argument("--batch", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--layout", choices=LAYOUTS, default="channels_last", help="channels_last is what predict uses")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="JSON file; printed to the screen as well")
    return parser.parse_args(argv)


def best_ms(run: Callable[[], Any], repeats: int, device: torch.device) -> float:
    """Shortest of `repeats` runs after one warm-up, in milliseconds."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times[1:]) * 1000


def measure(model: VolumeModel, config: Any, images: Tensor, repeats: int) -> dict[str, float]:
    """Milliseconds per batch of each part, and how much they add to the backbone."""
    batch, device = len(images), images.device
    K = torch.tensor([[600.0, 0, config.side / 2], [0, 600, config.side / 2], [0, 0, 1]], device=device)
    intrinsics = K.repeat(batch, 1, 1)
    with torch.inference_mode():
        backbone = best_ms(lambda: model.backbone(images), repeats, device)
        features: Tensor = model.backbone(images)[config.stride]
        head = best_ms(lambda: model.head(features), repeats, device)
        logits = model.head(features)
        after_logits = _tail(model, logits)
        means = best_ms(lambda: after_logits(images), repeats, device)
        output = after_logits(images)
        decode = best_ms(lambda: model.decode(output, intrinsics), repeats, device)
    over = (head + means + decode) / backbone
    return {
        "backbone_ms": backbone,
        "head_convolution_ms": head,
        "soft_argmax_ms": means,
        "decode_ms": decode,
        "over_backbone": over,
        "over_backbone_without_convolution": (means + decode) / backbone,
    }


def _tail(model: VolumeModel, logits: Tensor) -> Callable[[Tensor], Any]:
    """The model's forward with the head's channels already there."""

    def forward(images: Tensor) -> Any:
        model.raw_logits = lambda _: logits  # type: ignore[method-assign]
        try:
            return model(images)
        finally:
            del model.raw_logits

    return forward


def describe(device: torch.device, threads: int) -> dict[str, Any]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout
    return {
        "device": name, "threads": threads, "torch": torch.__version__, "python": platform.python_version(),
        "commit": commit.strip(),
    }  # fmt: skip


def main(argv: list[str]) -> int:
    arguments = parse_arguments(argv)
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    config_type, model_type = MODELS[arguments.model]
    rows = []
    for stride in arguments.stride:
        config = config_type(
            backbone=arguments.backbone, last_layer=arguments.last_layer, side=arguments.side, stride=stride,
            skeleton=arguments.skeleton,
        )  # fmt: skip
        layout = LAYOUTS[arguments.layout]
        model: Any = model_type(config).eval()
        model = model.to(device, memory_format=layout)
        for batch in arguments.batch:
            images = torch.rand(batch, 3, config.side, config.side, device=device).contiguous(memory_format=layout)
            row = {"stride": stride, "batch": batch, **measure(model, config, images, arguments.repeats)}
            rows.append(row)
            print({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}, flush=True)
    told = ("model", "backbone", "last_layer", "side", "skeleton", "layout")
    report = {key: getattr(arguments, key) for key in told}
    report |= {"goal": GOAL, "rows": rows, **describe(device, arguments.threads)}
    if arguments.out:
        with atomic_path(arguments.out) as temporary:
            temporary.write_text(json.dumps(report, indent=1) + "\n", encoding="utf8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
