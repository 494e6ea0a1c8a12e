"""One process or several started by torchrun; everything else asks here."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor


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
        device: 'auto' takes the local rank's GPU where there is one, else the CPU.
    """
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    if device == "auto":
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else "cpu"
    chosen = torch.device(device)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    if world > 1:
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Place(rank, world, chosen)
    finally:
        if world > 1:
            dist.destroy_process_group()


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
