"""Going on with a run: every process from one step, and only with what the run was begun with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python
from torch import nn

from metricpose.errors import CheckpointError
from metricpose.training.checkpoint import Progress, read_progress
from metricpose.training.distributed import Place, lowest
from metricpose.training.settings import FREE_TO_CHANGE, TrainingConfig

Described = Mapping[str, Any]
"""Settings by their full names, such as ``model.side``; values as JSON has them."""


def find_progress(state: Path | None, place: Place) -> Progress | None:
    """Where the run of the file `state` is; None without such a file. All processes must call it together.

    Raises:
        CheckpointError: the file cannot be read; or another process has another one, or none.
    """
    progress = read_progress(state) if state is not None and state.exists() else None
    here = progress.step if progress else 0
    first, last = lowest([here, -here], place)
    if first != -last:
        raise CheckpointError(
            f"{state}: process {place.rank} of {place.world} would begin at step {here}, the others between step "
            f"{first} and step {-last}; expected the same state for all: put `out` on a disk that all processes share, "
            "or copy the state file to each machine"
        )
    return progress


def check_same(progress: Progress, config: TrainingConfig, described: Described, state: Path) -> None:
    """Refuse to go on with other settings than the run was begun with.

    What the file does not know, because it is older, had its default among the training settings and is not compared
    elsewhere.

    Raises:
        CheckpointError: a setting differs; the message names it with both values.
    """
    settings = TrainingConfig(steps=config.steps).model_dump(mode="json") | progress.settings
    pairs = {k: (settings.get(k), v) for k, v in config.model_dump(mode="json").items() if k not in FREE_TO_CHANGE}
    now = json.loads(json.dumps(dict(described)))
    pairs |= {k: (v, now[k]) for k, v in (progress.described or {}).items() if k in now}
    changes = ", ".join(f"{name} {before} -> {after}" for name, (before, after) in pairs.items() if before != after)
    if changes:
        raise CheckpointError(
            f"{state} belongs to a run with other settings ({changes}): go on with those, or use another folder, "
            f"where init_from: {state.parent / 'model.safetensors'} starts from this run's weights"
        )


def describe(model: nn.Module, name: str, counts: tuple[int, ...], described: Described) -> dict[str, Any]:
    """What a run is continued with besides its training settings: the model's settings, the batch, and `described`."""
    config = getattr(model, "config", None)
    settings = flat(config, "model") if isinstance(config, BaseModel) else {}
    return {"model.name": name, **settings, "data.counts": list(counts), **described}


def flat(settings: BaseModel, place: str) -> dict[str, Any]:
    """Settings by their full names under `place`, as JSON has them, with defaults. A mapping or list is one value."""
    found: dict[str, Any] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        full = f"{place}.{name}"
        found |= flat(value, full) if isinstance(value, BaseModel) else {full: to_jsonable_python(value)}
    return found
