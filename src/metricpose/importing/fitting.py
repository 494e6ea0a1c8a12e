"""Fits a public state dict onto one of our modules: every tensor used exactly once, or an error that lists the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from metricpose.errors import CheckpointError

COUNTER = "num_batches_tracked"
"""Ending of batch norm's step counter, which files of torch before 0.4.1 lack and which changes no output."""
LISTED = 8
"""So many names of each kind an error lists."""


def fit(module: nn.Module, tensors: Mapping[str, Tensor], public_name: Callable[[str], str], where: str) -> None:
    """Load a public state dict into a module, strictly.

    Args:
        module: receives the tensors; untouched if there is any error.
        tensors: public name -> tensor.
        public_name: of a key of the module's own state dict. No two keys may have one public name.
        where: what the error is about: the file and the layout expected.

    Raises:
        CheckpointError: tensors are missing, extra, misshapen, or hold NaN or infinity; all are listed in public names.
    """
    own = module.state_dict()
    names = {key: public_name(key) for key in own}
    if len(set(names.values())) != len(names):
        raise AssertionError(f"two keys of {type(module).__name__} have one public name")
    found = {
        key: _counter(own[key]) if _absent_counter(name, tensors) else tensors.get(name) for key, name in names.items()
    }
    problems = {
        "missing": [f"{names[k]} {_shape(own[k])}" for k, value in found.items() if value is None],
        "extra": [f"{k} {_shape(v)}" for k, v in tensors.items() if k not in set(names.values())],
        "of another shape": [
            f"{names[k]} {_shape(v)} instead of {_shape(own[k])}"
            for k, v in found.items()
            if v is not None and v.shape != own[k].shape
        ],
        "not finite": [k for k, v in tensors.items() if v.is_floating_point() and not torch.isfinite(v).all()],
    }
    if any(problems.values()):
        raise CheckpointError(f"{where}: the file does not fit. {summary(problems)}")
    module.load_state_dict({key: value for key, value in found.items() if value is not None}, strict=True)


def summary(problems: Mapping[str, list[str]]) -> str:
    """``missing (3): a, b, c; extra (12): d, ... and 4 more``; kinds without entries are left out."""
    return "; ".join(f"{kind} ({len(names)}): {some(names)}" for kind, names in problems.items() if names)


def some(names: list[str], limit: int = LISTED) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def _absent_counter(name: str, tensors: Mapping[str, Tensor]) -> bool:
    return name.endswith(COUNTER) and name not in tensors


def _counter(like: Tensor) -> Tensor:
    return torch.zeros_like(like)


def _shape(value: Tensor) -> str:
    return f"({', '.join(map(str, value.shape))})"
