"""One process or several started by torchrun; everything else asks here."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from metricpose.errors import InputError


class Place(NamedTuple):
    """This process among all: its number, how many there are, and its device."""

    rank: int
    world: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0


@contextlib.contextmanager
def joined(device: str = "auto") -> Iterator[Place]:
    """Join the process group torchrun describes in the environment, if any, and leave it at the end.

    Args:
        device: a name of `named`.

    Raises:
        InputError: the device is not available here.
    """
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    chosen = _available(device)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    if world > 1:
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Place(rank, world, chosen)
    finally:
        if world > 1:
            dist.destroy_process_group()


def named(device: str) -> torch.device:
    """The device that a recipe's name means in this process, whether it is there or not.

    Args:
        device: 'cuda' is the GPU of the local rank; 'auto' the same where CUDA is available, else the CPU; any other
            name is torch's.

    Raises:
        RuntimeError: torch knows no such device.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if device == "cuda" else torch.device(device)


def _available(device: str) -> torch.device:
    try:
        chosen = named(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:  # the latter: torch was built without CUDA
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(
            f"training.device: '{device}' is not available in this process: expected auto, cpu, cuda or cuda:N with N "
            f"below {torch.cuda.device_count()}, the number of GPUs here ({reason})"
        ) from error
    return chosen


def lowest(values: Sequence[int], place: Place) -> list[int]:
    """Of each number, the lowest that any process has; of negated numbers, so, the highest."""
    if place.world == 1:
        return list(values)
    table = torch.tensor(list(values), dtype=torch.int64, device=place.device)
    dist.all_reduce(table, op=dist.ReduceOp.MIN)
    return [int(value) for value in table.tolist()]


def mean_over_ranks(value: Tensor, world: int) -> Tensor:
    """The mean of a tensor over all processes."""
    if world > 1:
        dist.all_reduce(value)
        value = value / world
    return value


def any_rank(flag: bool, place: Place) -> bool:
    """Whether any process says yes, so that all stop at one step."""
    if place.world == 1:
        return flag
    value = torch.tensor([float(flag)], device=place.device)
    dist.all_reduce(value, op=dist.ReduceOp.MAX)
    return bool(value.item() > 0)
