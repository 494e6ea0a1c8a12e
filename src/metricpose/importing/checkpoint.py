"""Opens other people's checkpoints without running anything in them.

A pickle can call any function while it is being opened. Checkpoints are therefore read by
``torch.load(weights_only=True)`` alone, which knows tensors and plain containers and refuses everything else; both
containers of torch are understood (the zip of 1.6 and later, the legacy one before).
"""

from __future__ import annotations

import pickle
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from metricpose.errors import CheckpointError
from metricpose.files import sha256
from metricpose.weights import read_tensors

STATE_KEYS = ("state_dict", "model_state_dict", "model")
"""Keys under which a checkpoint may hold its state dict."""
_WRAPPER = "module."  # torch's parallel wrappers put this in front of every key
_UNREADABLE = (RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError, AttributeError, AssertionError)
"""What torch and pickle raise on damaged files besides `pickle.UnpicklingError`."""


class Checkpoint(NamedTuple):
    """What a file holds.

    Attributes:
        tensors: its state dict; floating-point tensors as float32, on the CPU.
        extras: what lies beside the state dict, such as the settings of the model.
        sha256: of the file.
    """

    tensors: dict[str, Tensor]
    extras: dict[str, Any]
    sha256: str


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a state dict from a .safetensors file or from what torch.save wrote.

    The state dict may be the whole file or lie under one of `STATE_KEYS`; "module." before every key is taken off.

    Raises:
        CheckpointError: missing or damaged, needs code to be opened, or holds no state dict.
    """
    if not path.is_file():
        raise CheckpointError(f"no file {path}" + ("; it is a folder" if path.is_dir() else ""))
    if path.suffix == ".safetensors":
        return Checkpoint(without_wrapper(read_tensors(path)), {}, sha256(path))
    state, extras = _split(_load(path), path)
    return Checkpoint(without_wrapper({k: _plain(v) for k, v in state.items()}), extras, sha256(path))


def without_wrapper(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take "module." off, as often as every key starts with it."""
    found = dict(tensors)
    while found and all(key.startswith(_WRAPPER) for key in found):
        found = {key.removeprefix(_WRAPPER): value for key, value in found.items()}
    return found


def _load(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        needs = _needed_name(str(error))
        raise CheckpointError(_needs_code(path, needs) if needs else _damaged(path, "no checkpoint")) from error
    except _UNREADABLE as error:
        raise CheckpointError(_damaged(path, str(error) or type(error).__name__)) from error


def _needed_name(message: str) -> str:
    """The function or class that torch refused to look up; '' if it gave up for another reason."""
    found = re.search(r"GLOBAL (\S+)|must be imported|Can only (?:create|build) .*got (.+)", message)
    return (found.group(1) or found.group(2) or "an extension of torch") if found else ""


def _needs_code(path: Path, needs: str) -> str:
    return (
        f"{path} cannot be opened without running code in it (it asks for {needs}), which is never done here. "
        "If you trust the file, open it once where its own project is installed and save its tensors alone: "
        "x = torch.load(FILE, weights_only=False); x = x.get('state_dict', x); "
        "torch.save({k: v.clone() for k, v in x.items()}, 'tensors.pt'); then import tensors.pt"
    )


def _damaged(path: Path, reason: str) -> str:
    if tarfile.is_tarfile(path):
        return f"{path} is an archive; unpack it and give the folder or the checkpoint inside"
    short = reason.strip().splitlines()[0][:160]
    return f"cannot read {path}: {short}. Expected a complete file as torch.save writes it, or .safetensors"


def _split(loaded: Any, path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The state dict and what lies beside it."""
    if not isinstance(loaded, dict):
        raise CheckpointError(f"{path} holds a {type(loaded).__name__}; expected a state dict (names to tensors)")
    for key in STATE_KEYS:
        if isinstance(loaded.get(key), dict):
            return _tensors_only(loaded[key], path), {str(k): v for k, v in loaded.items() if k != key}
    return _tensors_only(loaded, path), {}


def _tensors_only(state: dict[Any, Any], path: Path) -> dict[str, Tensor]:
    other = [str(k) for k, v in state.items() if not isinstance(k, str) or not isinstance(v, Tensor)]
    if other or not state:
        names = ", ".join(other[:5]) + (" ..." if len(other) > 5 else "")
        what = f"entries that are no tensors: {names}" if other else "nothing"
        raise CheckpointError(
            f"{path}: expected a state dict, bare or under {' or '.join(STATE_KEYS)}; it holds {what}"
        )
    return state


def _plain(value: Tensor) -> Tensor:
    """Dense, without history, float32 where it is floating-point."""
    value = value.detach()
    return value.float().contiguous() if value.is_floating_point() else value.contiguous()
