"""Activation memory counted from tensors, not from an allocator: exact, and the same on every device.

What training keeps is what autograd saves for the backward pass; what inference needs is the largest sum of tensors
alive at one time. Both count each storage once, however many views look at it, and leave out what was there before
(parameters and inputs). Scratch memory inside a library's kernel is not seen.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def saved_bytes(run: Callable[[], Any], known: Iterable[Tensor] = ()) -> int:
    """Bytes that autograd keeps for the backward pass of `run`.

    Args:
        known: tensors that do not count, such as parameters and inputs.
    """
    before = {_key(t) for t in known}
    kept: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        if _key(tensor) not in before:
            kept[_key(tensor)] = tensor  # kept alive, so that its storage's identity is not given to another
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        output = run()
    del output
    return sum(t.untyped_storage().nbytes() for t in kept.values())


def peak_bytes(run: Callable[[], Any]) -> int:
    """Largest sum of bytes of the tensors that `run` makes without gradients and that are alive at one time."""
    counter = _Alive()
    with torch.no_grad(), counter:
        output = run()
    del output
    return counter.peak


class _Alive(TorchDispatchMode):
    """Counts the storages of every operation's results until they are freed."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.peak = 0, 0
        self._seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {_key(t) for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and _key(tensor) not in given | self._seen:
                self._count(tensor)
        return result

    def _count(self, tensor: Tensor) -> None:
        storage, key = tensor.untyped_storage(), _key(tensor)
        size = storage.nbytes()
        self._seen.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._free, key, size)

    def _free(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.now -= size


def _key(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata
