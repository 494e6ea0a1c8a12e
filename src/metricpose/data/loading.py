"""Batches of samples made by worker processes, in order, the same whatever their number."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from metricpose.augment.compositing import Bank, cut_out
from metricpose.data.mixing import Draw, Source, Stream
from metricpose.data.pipeline import Augmentation, make_sample
from metricpose.skeleton.core import Skeleton
from metricpose.types import Batch, Sample, stack_order

_LABELS = ("K", "joints_mm", "joints_px", "z_w", "uv_w", "abs_w")
Packed = dict[str, Tensor]
"""A batch as tensors: `images` (b, s, s, 3) uint8, the rest as in Batch (`order`, `order_w` only if there are any);
small enough to pass between processes."""


@dataclass(frozen=True, eq=False)
class SampleMaker(Dataset):
    """Turns draws into packed batches; this is what the worker processes run."""

    sources: Sequence[Source]
    side: int
    skeleton: Skeleton
    augmentation: Augmentation | None

    def __getitem__(self, draws: list[Draw]) -> Packed:
        return pack([self.sample(draw) for draw in draws])

    def sample(self, draw: Draw) -> Sample:
        """The sample of one draw."""
        source = self.sources[draw.source]
        if draw.record >= len(source):
            source.refresh()
        record = source[draw.record]
        return make_sample(record, self.side, self.skeleton, self.augmentation, np.random.default_rng(draw.seed))


def pack(samples: list[Sample]) -> Packed:
    """Stack samples, images still uint8."""
    packed = {n: torch.from_numpy(np.stack([np.asarray(getattr(s, n), np.float32) for s in samples])) for n in _LABELS}
    return {"images": torch.from_numpy(np.stack([s.image for s in samples])), **packed, **stack_order(samples)}


def unpack(packed: Packed, device: torch.device | str = "cpu") -> Batch:
    """To a Batch on a device; the images become float in [0, 1], channels last in memory."""
    moved = {name: value.to(device, non_blocking=True) for name, value in packed.items()}
    images = _to_unit(moved.pop("images"))
    return Batch(images=images, **moved)


def _to_unit(images: UInt8[Tensor, "b s s 3"]) -> Tensor:
    return images.permute(0, 3, 1, 2).to(torch.float32).div_(255.0)


def train_batches(
    maker: SampleMaker,
    stream: Stream,
    first_step: int,
    steps: int,
    *,
    rank: int = 0,
    world: int = 1,
    workers: int = 0,
    before_step: Callable[[int], None] | None = None,
    pin: bool = False,
) -> Iterator[Packed]:
    """Packed batches of steps `first_step` ... `steps - 1`.

    Args:
        workers: processes; 0 works in this one. Two batches per process are prepared ahead.
        before_step: called in this process before a step's draws are made, possibly several steps ahead of its use.
        pin: page-locked memory, for a GPU.
    """

    def requests() -> Iterator[list[Draw]]:
        for step in range(first_step, steps):
            if before_step is not None:
                before_step(step)
            yield stream.batch(step, rank, world)

    loader = DataLoader(
        maker,
        batch_size=None,
        sampler=_Requests(requests),
        num_workers=workers,
        prefetch_factor=2 if workers else None,
        pin_memory=pin,
        worker_init_fn=_leave_signals_to_the_main_process,
    )
    yield from loader


def _leave_signals_to_the_main_process(worker: int) -> None:
    """Ctrl-C reaches the whole process group; the main process finishes its step and then ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


class _Requests:
    """A sampler: what the loader iterates over in the main process."""

    def __init__(self, make: Callable[[], Iterator[list[Draw]]]) -> None:
        self._make = make

    def __iter__(self) -> Iterator[list[Draw]]:
        return self._make()


def fixed_batches(
    source: Source, indices: Sequence[int], side: int, skeleton: Skeleton, batch_size: int
) -> list[Packed]:
    """Unaugmented packed batches of these records, for validation; held in memory."""
    samples = [make_sample(source[i], side, skeleton) for i in indices]
    return [pack(samples[i : i + batch_size]) for i in range(0, len(samples), batch_size)]


def with_cutouts(augmentation: Augmentation, sources: Sequence[Source], count: int = 128) -> Augmentation:
    """Add people cut out of the first records of each source to what may be pasted.

    Always the first ones, so that every run and every process has the same set however far a folder has grown.
    """
    cutouts = []
    for source in sources:
        for index in range(min(count, len(source))):
            record = source[index]
            if record.alpha is None:
                break
            piece = cut_out(record.image, record.alpha)
            cutouts += [piece] if piece is not None else []
    return replace(augmentation, bank=Bank(augmentation.bank.photos, cutouts))
