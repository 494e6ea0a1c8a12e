"""Model files: one safetensors file holds the weights and everything needed to use them.

Metadata of a model file (all strings, as safetensors asks): `format`, `model` (name in `models.MODELS`),
`config` (JSON of its settings), `skeleton`, `joints` (JSON list of names), `unit` ("mm"), and `facts` (JSON: how it
was trained).
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from metricpose.errors import CheckpointError
from metricpose.files import atomic_path, sha256, sort_metadata
from metricpose.models import MODELS

FORMAT = "metricpose-model-1"
BUNDLED = Path(__file__).parent / "weights_data"
DEFAULT = "metrabs-s"
Metadata = dict[str, Any]


def save_model(
    path: str | Path, model: nn.Module, name: str, *, half: bool = True, facts: Metadata | None = None
) -> str:
    """Write a model file atomically.

    Args:
        model: one of `MODELS`, with `config` and `skeleton` attributes.
        name: its name in `MODELS`.
        half: store floating-point weights as float16 (half the size; they are loaded back as float32).
        facts: what is worth knowing about its training, JSON-like.

    Returns:
        SHA-256 of the file.

    Raises:
        CheckpointError: a weight is NaN, infinite, or beyond float16 with `half`.
    """
    known: Any = model
    metadata = {
        "format": FORMAT,
        "model": name,
        "config": known.config.model_dump_json(),
        "skeleton": known.skeleton.name,
        "joints": json.dumps(known.skeleton.joints),
        "unit": "mm",
        "facts": json.dumps(facts or {}),
    }
    tensors = {key: _stored(key, value, half) for key, value in model.state_dict().items()}
    with atomic_path(path) as temporary:
        save_file(tensors, str(temporary), metadata)
        sort_metadata(temporary)
    return sha256(path)


def _stored(key: str, value: Tensor, half: bool) -> Tensor:
    value = value.detach().cpu().contiguous().clone()
    if not value.is_floating_point():
        return value
    stored = value.half() if half else value.float()
    if not torch.isfinite(stored).all():
        raise CheckpointError(f"weight {key} holds NaN or infinity{' as float16; try half=False' if half else ''}")
    return stored


def read_metadata(path: str | Path) -> Metadata:
    """Decoded metadata of a model file, with `sha256` added.

    Raises:
        CheckpointError: missing, truncated, not a safetensors file, or not a model file of this package.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            raw = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"cannot read model file {path}: {error}; expected a complete .safetensors") from error
    if raw.get("format") != FORMAT:
        raise CheckpointError(f"{path} is no model file: expected format {FORMAT}, found {raw.get('format')!r}")
    decoded = {key: json.loads(raw[key]) for key in ("config", "joints", "facts")}
    return {**raw, **decoded, "sha256": sha256(path)}


def load_model(path_or_name: str | Path = DEFAULT, *, offline: bool = False) -> tuple[nn.Module, Metadata]:
    """Build the model a file describes and load its weights strictly, in float32 and evaluation mode.

    Args:
        path_or_name: a model file, or the name of a bundled or downloadable one.
        offline: never use the network.

    Raises:
        CheckpointError: unknown name, unreadable file, unknown model, settings that no longer fit, joints in another
            order, or missing, extra or misshapen weights.
    """
    path = resolve(path_or_name, offline=offline)
    metadata = read_metadata(path)
    model: Any = build_model(metadata["model"], metadata["config"], str(path))
    if list(model.skeleton.joints) != metadata["joints"]:
        raise CheckpointError(f"{path}: {metadata['skeleton']} has another order now than its {metadata['joints']}")
    load_weights(model, read_tensors(path), str(path))
    return model.eval(), metadata


def build_model(name: str, config: Metadata, where: str = "settings", **options: Any) -> nn.Module:
    """A model with random weights, from its name and settings; `options` go to its constructor.

    Raises:
        CheckpointError: the name is unknown or the settings are refused.
    """
    if name not in MODELS:
        raise CheckpointError(f"{where}: unknown model '{name}'; known: {', '.join(MODELS)}")
    config_type, model_type = MODELS[name]
    try:
        settings = config_type.model_validate(config)
    except ValidationError as error:
        raise CheckpointError(f"{where}: settings of {name} do not fit this version: {error}") from error
    return model_type(settings, **options)


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file; floating-point ones as float32.

    Raises:
        CheckpointError: missing or damaged.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (safe_open is no dict)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"cannot read {path}: {error}. Expected a complete .safetensors file.") from error
    return {key: value.float() if value.is_floating_point() else value for key, value in tensors.items()}


def read_backbone(path: str | Path) -> dict[str, Tensor]:
    """Weights for a backbone: a file of nothing else, or a model file, of which the backbone's are taken.

    Raises:
        CheckpointError: missing or damaged.
    """
    tensors = read_tensors(path)
    prefix = "backbone."
    own = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    return own or tensors


def load_weights(model: nn.Module, tensors: dict[str, Tensor], where: str) -> None:
    """`load_state_dict`, strict, with an error that lists what is missing, extra or of another shape."""
    expected = model.state_dict()
    missing, extra = sorted(expected.keys() - tensors.keys()), sorted(tensors.keys() - expected.keys())
    shapes = [
        f"{k} {tuple(tensors[k].shape)} instead of {tuple(v.shape)}"
        for k, v in expected.items()
        if k in tensors and tensors[k].shape != v.shape
    ]
    problems = {"missing": missing, "extra": extra, "shape": shapes}
    if any(problems.values()):
        text = "; ".join(f"{what}: {_some(keys)}" for what, keys in problems.items() if keys)
        raise CheckpointError(f"{where}: the weights do not fit the model; {text}")
    model.load_state_dict(tensors, strict=True)


def _some(names: list[str], limit: int = 5) -> str:
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def resolve(path_or_name: str | Path, *, offline: bool = False) -> Path:
    """The file meant by a path, by the name of a bundled model, or by that of a downloadable one.

    Downloadable models are listed in `weights_data/index.json`: name -> {"url", "sha256"}; they are kept in
    `cache_folder()` and checked against their hash whenever they are fetched.

    Raises:
        CheckpointError: nothing of that name, a failed or forbidden download, or a hash that does not match.
    """
    path = Path(path_or_name)
    if path.is_file():
        return path
    name = str(path_or_name)
    if path.suffix or len(path.parts) > 1:
        raise CheckpointError(f"no model file {path}")
    if (bundled := _bundled(name)).is_file():
        return bundled
    index = _index()
    if name not in index:
        names = ", ".join(known_names()) or "none"
        raise CheckpointError(f"no model file or model named '{name}'; known names: {names}")
    return _fetch(name, index[name]["url"], index[name]["sha256"], offline)


def known_names() -> list[str]:
    """Names `resolve` understands: bundled and downloadable."""
    return sorted({p.stem for p in BUNDLED.glob("*.safetensors")} | set(_index()))


class Known(NamedTuple):
    """A model that has a name: whether it is here, where it is or would be kept, its bytes and SHA-256.

    `size` is 0 where it is not here; the hash of a downloadable model is the one it must have.
    """

    name: str
    state: Literal["bundled", "downloaded", "not downloaded", "damaged"]
    path: Path
    size: int
    sha256: str


def listing() -> list[Known]:
    """Every model of `known_names`, without fetching any."""
    index = _index()
    return [_downloadable(n, index[n]["sha256"]) if not _bundled(n).is_file() else _here(n) for n in known_names()]


def cache_folder() -> Path:
    """Where downloads are kept: $METRICPOSE_CACHE, else $XDG_CACHE_HOME/metricpose, else ~/.cache/metricpose."""
    if folder := os.environ.get("METRICPOSE_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "metricpose"


def _index() -> dict[str, dict[str, str]]:
    path = BUNDLED / "index.json"
    return json.loads(path.read_text(encoding="utf8")) if path.is_file() else {}


def _bundled(name: str) -> Path:
    return BUNDLED / f"{name}.safetensors"


def _cached(name: str, digest: str) -> Path:
    return cache_folder() / f"{name}-{digest[:12]}.safetensors"


def _here(name: str) -> Known:
    path = _bundled(name)
    return Known(name, "bundled", path, path.stat().st_size, sha256(path))


def _downloadable(name: str, digest: str) -> Known:
    path = _cached(name, digest)
    if not path.is_file():
        return Known(name, "not downloaded", path, 0, digest)
    return Known(name, "downloaded" if sha256(path) == digest else "damaged", path, path.stat().st_size, digest)


def _fetch(name: str, url: str, digest: str, offline: bool) -> Path:
    target = _cached(name, digest)
    if target.is_file() and sha256(target) == digest:
        return target
    if offline:
        raise CheckpointError(f"model '{name}' is not there and offline=True; put {url} at {target}")
    with atomic_path(target) as temporary:
        try:
            urllib.request.urlretrieve(url, temporary)
        except (urllib.error.URLError, TimeoutError) as error:
            raise CheckpointError(f"cannot download model '{name}' from {url}: {error}") from error
        if (found := sha256(temporary)) != digest:
            raise CheckpointError(f"{url}: expected SHA-256 {digest}, got {found}; damaged or replaced")
    return target
