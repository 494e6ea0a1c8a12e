"""The training state: what a run needs to go on exactly where it stopped.

One safetensors file, replaced atomically: tensors `model.*`, `average.*`, Adam's `step.*`, `exp_avg.*` and
`exp_avg_sq.*` or SGD's and Muon's `momentum_buffer.*`, and, as JSON metadata, the step, the history of the data
lengths, the settings, and what describes model, data and augmentation. No pickle. The random state is not stored,
because every random number of a run follows from its seed and step. Files for using a model are `metricpose.weights`'s
business.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from metricpose.errors import CheckpointError
from metricpose.files import atomic_path, sort_metadata
from metricpose.weights import load_weights

FORMAT = "metricpose-training-1"
_MOMENTS = ("step", "exp_avg", "exp_avg_sq", "momentum_buffer")


class Progress(NamedTuple):
    """Where a run is.

    Attributes:
        step: optimiser steps done.
        phases: per data source, its (since, length) history: see `data.mixing.Stream`.
        settings: what the run was started with; a run is only resumed with the same.
        described: model, data and augmentation it was started with, likewise (`training.resume`); None in files
            written before these were recorded.
    """

    step: int
    phases: list[list[list[int]]]
    settings: dict[str, Any]
    described: dict[str, Any] | None = None


def save_state(
    path: str | Path, progress: Progress, model: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Write the training state."""
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.state_dict().items()}
    for name, parameter in model.named_parameters():
        state = optimizer.state.get(parameter, {})
        tensors |= {f"{moment}.{name}": state[moment] for moment in _MOMENTS if moment in state}
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(tensors, str(temporary), {"format": FORMAT, "progress": json.dumps(progress._asdict())})
        sort_metadata(temporary)


def load_state(path: str | Path, model: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Fill model, average and optimiser from a file of `save_state`; the models keep their memory layout.

    Raises:
        CheckpointError: missing, truncated, another format, or weights that do not fit.
    """
    progress, tensors = _read(path)
    load_weights(model, _part(tensors, "model."), str(path))
    load_weights(average, _part(tensors, "average."), str(path))
    for name, parameter in model.named_parameters():
        moments = {m: tensors[f"{m}.{name}"] for m in _MOMENTS if f"{m}.{name}" in tensors}
        if moments:
            optimizer.state[parameter] = {m: _like(v, parameter) for m, v in moments.items()}
    return progress


def read_progress(path: str | Path) -> Progress:
    """Only the progress of a state file.

    Raises:
        CheckpointError: as `load_state`.
    """
    return _read(path, with_tensors=False)[0]


def _read(path: str | Path, with_tensors: bool = True) -> tuple[Progress, dict[str, Tensor]]:
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            keys = list(file.keys()) if with_tensors else []
            tensors = {key: file.get_tensor(key) for key in keys}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"cannot read training state {path}: {error}. Delete it to start afresh.") from error
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"{path}: expected a {FORMAT} file, found {metadata.get('format')!r}")
    return Progress(**json.loads(metadata["progress"])), tensors


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _like(value: Tensor, parameter: Tensor) -> Tensor:
    """On the parameter's device and in its memory layout; Adam's count of steps is a scalar."""
    if value.ndim == 0 and parameter.ndim != 0:
        return value.to(parameter.device)
    return torch.empty_like(parameter).copy_(value)
