"""What a head costs: parameters, operations, memory and time behind the backbone, on the features of the same images.

The features are computed once and handed to the model in place of its backbone, so that what is measured is what the
methods differ in. Times are the best of some repeats, on one CPU thread the time of the process alone: other work on
the machine only ever makes a step slower.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from metricpose.benchmark.run import cost
from metricpose.training.memory import peak_bytes, saved_bytes
from metricpose.types import Batch
from metricpose.weights import build_model

Settings = Mapping[str, Any]


class HeadCost(NamedTuple):
    """Costs of one model behind its backbone; times and bytes per crop.

    Attributes:
        parameters, head_parameters: all, and behind the backbone. gmac, head_gmac: likewise, per crop.
        features: channels, rows and columns of what the head takes.
        training_bytes: kept for the backward pass, loss included. inference_bytes: most at one time, decoding included.
        backbone_ms, head_ms, decode_ms: of `forward`'s two parts, and of `decode`.
    """

    parameters: int
    head_parameters: int
    gmac: float
    head_gmac: float
    features: tuple[int, ...]
    training_bytes: int
    inference_bytes: int
    backbone_ms: float
    head_ms: float
    decode_ms: float


class Given(nn.Module):
    """Stands in for a backbone: the same features for every image."""

    def __init__(self, features: Any) -> None:
        super().__init__()
        self.features = features

    def forward(self, images: Tensor) -> Any:
        return self.features


def head_cost(method: str, settings: Settings, device: torch.device, *, batch: int = 8, repeats: int = 5) -> HeadCost:
    """Measure one model.

    Args:
        settings: of the method.
        batch: crops in one pass; memory and operations are divided by it.
    """
    torch.manual_seed(0)
    model: Any = build_model(method, dict(settings))
    model = model.to(device, memory_format=torch.channels_last).eval()
    parameters, gmac = cost(model, model.config.side)
    images = torch.rand(batch, 3, model.config.side, model.config.side, device=device)
    images = images.contiguous(memory_format=torch.channels_last)  # as `predict.network` does
    sample = example(model, images)
    backbone = model.backbone
    with torch.no_grad():
        backbone_ms = best_ms(lambda: backbone(images), device, repeats)
        features = backbone(images)
        model.backbone = Given(features)
        head_parameters, head_gmac = cost(model, model.config.side, batch)
        output = model(images)
        head_ms = best_ms(lambda: model(images), device, repeats)
        decode_ms = best_ms(lambda: model.decode(output, sample.K), device, repeats)
        del output
        inference = peak_bytes(lambda: model.decode(model(images), sample.K))
    return HeadCost(
        parameters, head_parameters, gmac, head_gmac, taken(features, model), training_bytes(model, sample),
        inference // batch, backbone_ms / batch, head_ms / batch, decode_ms / batch,
    )  # fmt: skip


def training_bytes(model: Any, sample: Batch) -> int:
    """Bytes per crop that training keeps for the backward pass behind the features."""
    model.train()
    fixed = [*model.parameters(), *model.buffers(), *(v for v in vars(sample).values() if isinstance(v, Tensor))]
    fixed += model.backbone.features.values()

    def step() -> Tensor:
        return torch.stack(list(model.loss(model(sample.images), sample, 0).values())).sum()

    found = saved_bytes(step, fixed) // len(sample.K)
    model.eval()
    return found


def taken(features: dict[int, Tensor], model: Any) -> tuple[int, ...]:
    """Shape of the feature map that the head takes."""
    stride = getattr(model.config, "stride", None)
    found = features[stride] if stride in features else next(iter(features.values()))
    return tuple(found.shape[1:])


def example(model: Any, images: Tensor) -> Batch:
    """Plausible labels for random images: a person-sized cloud of points three metres away."""
    count, side, joints = len(images), images.shape[-1], len(model.skeleton)
    random = torch.Generator().manual_seed(0)
    spread = torch.tensor([300.0, 600.0, 200.0])
    points = torch.randn(count, joints, 3, generator=random) * spread + torch.tensor([0.0, 0.0, 3000.0])
    middle = (side - 1) / 2
    K = torch.tensor([[1.5 * side, 0, middle], [0, 1.5 * side, middle], [0, 0, 1]]).repeat(count, 1, 1)
    image = points @ K.mT
    one = torch.ones(count, joints)
    return Batch(images.cpu(), K, points, image[..., :2] / image[..., 2:], one, one, torch.ones(count)).to(
        images.device
    )


def best_ms(run: Callable[[], Any], device: torch.device, repeats: int) -> float:
    """Shortest of the repeats after a warm-up, milliseconds; CPU time on a single CPU thread, else wall time."""
    return best_each_ms([run], device, repeats)[0]


def best_each_ms(runs: Sequence[Callable[[], Any]], device: torch.device, repeats: int) -> list[float]:
    """`best_ms` of several that are compared: they take turns, so that what else the machine does meets all alike."""
    clock = time.process_time if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
    for run in runs:
        run()
    best = [float("inf")] * len(runs)
    for _ in range(repeats):
        for i, run in enumerate(runs):
            _wait(device)
            start = clock()
            run()
            _wait(device)
            best[i] = min(best[i], clock() - start)
    return [seconds * 1e3 for seconds in best]


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
