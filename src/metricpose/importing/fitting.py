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


def fit(module: nn.Module, tensors: Mapping[str, Tensor], public_name: Callable[[str], str | None], where: str) -> None:
    """Load a public state dict into a module, strictly.

    Args:
        module: receives the tensors; untouched if there is any error.
        tensors: public name -> tensor.
        public_name: of a key of the module's own state dict; None for what the module has of its own and keeps. No two
            keys may have one public name.
        where: what the error is about: the file and the layout expected.

    Raises:
        CheckpointError: tensors are missing, extra, misshapen, or hold NaN or infinity; all are listed in public names.
    """
    own = module.state_dict()
    expected = {name: key for key in own if (name := public_name(key)) is not None}
    if len(expected) + sum(public_name(key) is None for key in own) != len(own):
        raise AssertionError(f"two keys of {type(module).__name__} have one public name")
    found = {name: tensors[name] for name in expected if name in tensors}
    problems = {
        "missing": [
            f"{name} {_shape(own[key])}"
            for name, key in expected.items()
            if name not in tensors and not name.endswith(COUNTER)
        ],
        "extra": [f"{name} {_shape(value)}" for name, value in tensors.items() if name not in expected],
        "of another shape": [
            f"{name} {_shape(value)} instead of {_shape(own[expected[name]])}"
            for name, value in found.items()
            if value.shape != own[expected[name]].shape
        ],
        "not finite": [n for n, v in found.items() if v.is_floating_point() and not torch.isfinite(v).all()],
    }
    if any(problems.values()):
        raise CheckpointError(f"{where}: the file does not fit. {summary(problems)}")
    module.load_state_dict({**own, **{expected[name]: value for name, value in found.items()}}, strict=True)


def summary(problems: Mapping[str, list[str]]) -> str:
    """``missing (3): a, b, c; extra (12): d, ... and 4 more``; kinds without entries are left out."""
    return "; ".join(f"{kind} ({len(names)}): {some(names)}" for kind, names in problems.items() if names)


def some(names: list[str], limit: int = LISTED) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def _shape(value: Tensor) -> str:
    return f"({', '.join(map(str, value.shape))})"
