"""Recipes: everything a training run needs, as one YAML file, checked before anything starts."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from metricpose.augment.appearance import AppearanceConfig
from metricpose.augment.compositing import CompositingConfig
from metricpose.augment.geometric import GeometricConfig
from metricpose.data.weaken import OrdinalConfig, Supervision
from metricpose.errors import InputError
from metricpose.models import MODELS
from metricpose.models.base import presets
from metricpose.synthetic.generator import SyntheticConfig
from metricpose.training.settings import TrainingConfig


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Bounds = dict[str, tuple[float | None, float | None]]
"""Smallest and largest value by name; None is no bound."""


class _Source(_Settings):
    """What every source of records has.

    Attributes:
        share: of every batch, relative to the other sources'.
        start, length: which of its records; all from `start` on if no length is given.
        where: smallest and largest value of numbers in the records' info, such as {height_mm: [1450, null]}; every
            other record is replaced by a neighbour (`data.selecting`).
        supervision: labels that are kept: all (`full`), pixels (`2d`), or pixels and ordinal depth labels (`ordinal`).
        ordinal: how ordinal labels are made for records that bring none (`data.weaken`).
    """

    share: float = Field(default=1.0, ge=0)
    start: int = Field(default=0, ge=0)
    length: int | None = Field(default=None, gt=0)
    where: Bounds = Field(default_factory=dict)
    supervision: Supervision = "full"
    ordinal: OrdinalConfig = OrdinalConfig()

    @field_validator("where")
    @classmethod
    def _bounds_in_order(cls, value: Bounds) -> Bounds:
        for name, (low, high) in value.items():
            if low is not None and high is not None and low > high:
                raise ValueError(f"{name}: expected the smallest, then the largest value, got [{low:g}, {high:g}]")
        return value

    @model_validator(mode="after")
    def _ordinal_is_used(self) -> _Source:
        if self.ordinal != OrdinalConfig() and self.supervision != "ordinal":
            raise ValueError("settings in `ordinal` need supervision: ordinal")
        return self


class PrepareConfig(_Settings):
    """What `metricpose data prepare` makes a folder of shards of.

    Attributes:
        dataset, split, sample: its arguments.
    """

    dataset: str
    split: str
    sample: str = "all"

    def command(self, out: str) -> str:
        """The command that makes the folder `out`."""
        sample = "" if self.sample == "all" else f" --sample {self.sample}"
        return f"metricpose data prepare {self.dataset} DIR --split {self.split}{sample} --out {out}"


class ShardSource(_Source):
    """Records from a folder of shards (`data.shards`).

    Attributes:
        path: of the folder; ``${VARIABLE}`` in it is replaced.
        prepare: what it is made of. A folder made of something else is refused.
    """

    kind: Literal["shards"] = "shards"
    path: str
    prepare: PrepareConfig | None = None


class SyntheticSource(_Source):
    """People rendered during training; `generator` are the settings of `synthetic`."""

    kind: Literal["synthetic"] = "synthetic"
    generator: SyntheticConfig = SyntheticConfig()


class LabelSource(_Source):
    """Your own photographs: a labels file or its folder (`data.labels`), weak labels allowed."""

    kind: Literal["labels"] = "labels"
    path: str


SourceConfig = Annotated[ShardSource | SyntheticSource | LabelSource, Field(discriminator="kind")]


class DataConfig(_Settings):
    """Training sources with their shares of every batch, and the fixed validation set."""

    train: tuple[SourceConfig, ...] = Field(min_length=1)
    validation: SourceConfig | None = None
    validation_count: int = Field(default=256, gt=0)


class AugmentationConfig(_Settings):
    """See the classes in `augment`. `enabled: false` trains on plain crops."""

    enabled: bool = True
    geometric: GeometricConfig = GeometricConfig()
    appearance: AppearanceConfig = AppearanceConfig()
    compositing: CompositingConfig = CompositingConfig()


class ModelConfig(_Settings):
    """Name of the method and its settings, which are checked against that method's own configuration."""

    name: str
    preset: str | None = None
    config: dict[str, Any] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in MODELS:
            raise ValueError(f"unknown model '{value}'; known: {', '.join(MODELS)}")
        return value

    def build(self) -> BaseModel:
        """The method's configuration.

        Raises:
            InputError: it refuses a setting or has no such preset.
        """
        kind = MODELS[self.name][0]
        if self.preset and self.preset not in presets(kind):
            known = " or ".join(presets(kind)) or "none"
            raise InputError(f"model.preset: {self.name} has no preset '{self.preset}'; expected {known}")
        make = getattr(kind, self.preset) if self.preset else kind
        try:
            return make(**self.config)
        except ValidationError as error:
            raise InputError(describe(error, kind, "model.config")) from error


class Recipe(_Settings):
    """One training run.

    Attributes:
        name: of the run; names the output folder unless `out` is given.
        out: output folder.
        init_from: model file to start from (all weights; crop side and stride may differ).
        init_backbone: weights file for the backbone alone.
    """

    name: str
    model: ModelConfig
    data: DataConfig
    training: TrainingConfig
    augmentation: AugmentationConfig = AugmentationConfig()
    out: str | None = None
    init_from: str | None = None
    init_backbone: str | None = None

    @property
    def folder(self) -> Path:
        """Where the run writes."""
        return Path(expand(self.out) if self.out else f"runs/{self.name}")


def load_recipe(path: str | Path, overrides: list[str] | None = None) -> Recipe:
    """Read a recipe, apply ``a.b=c`` overrides (values are YAML), check everything.

    Raises:
        InputError: unreadable file, bad YAML, or a setting that is unknown (with the nearest known one) or refused.
    """
    try:
        raw = yaml.safe_load(Path(path).read_text(encoding="utf8"))
    except OSError as error:
        raise InputError(f"cannot read recipe {path}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError) as error:  # the latter: bytes that are not UTF-8, a date of no calendar
        raise InputError(f"recipe {path} is not valid YAML in UTF-8: {error}") from error
    if not isinstance(raw, dict):
        raise InputError(f"recipe {path}: expected a mapping with name, model, data and training")
    for override in overrides or []:
        apply_override(raw, override)
    try:
        recipe = Recipe.model_validate(raw)
    except ValidationError as error:
        raise InputError(describe(error, Recipe, str(path))) from error
    recipe.model.build()
    return recipe


def apply_override(raw: dict[str, Any], override: str) -> None:
    """Set one value in place: ``training.lr=1e-3``, ``data.train.0.path=shards``. Missing mappings are created.

    Raises:
        InputError: no '=', a value that is no YAML, or a part of the place is neither a mapping key nor a list index.
    """
    place, separator, text = override.partition("=")
    keys = place.strip().split(".")
    if not separator or not all(keys):
        raise InputError(f"--set {override}: expected key=value, such as training.lr=1e-3")
    node: Any = raw
    for key in keys[:-1]:
        node = _descend(node, key, override)
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"--set {override}: expected a YAML value after '=', such as 3 or [a, b]: {error}") from error
    node[_place(node, keys[-1], override)] = value


def _descend(node: Any, key: str, override: str) -> Any:
    place = _place(node, key, override)
    child = node[place] if isinstance(node, list) else node.get(place)
    if child is None:
        child = node[place] = {}
    if not isinstance(child, (dict, list)):
        raise InputError(f"--set {override}: '{key}' is a plain value, it has no settings of its own")
    return child


def _place(node: Any, key: str, override: str) -> Any:
    if isinstance(node, dict):
        return key
    if not key.isdigit() or int(key) >= len(node):
        raise InputError(f"--set {override}: expected an index below {len(node)} in place of '{key}'")
    return int(key)


def expand(text: str) -> str:
    """Replace ``${NAME}`` and ``${NAME:-default}`` from the environment, and a leading ~.

    Raises:
        InputError: the variable is not set and has no default.
    """

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match[1], match[2])
        if found is None:
            raise InputError(f"path {text}: the environment variable {match[1]} is not set")
        return found

    return os.path.expanduser(re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", value, text))


def describe(error: ValidationError, model: type[BaseModel], where: str) -> str:
    """All problems of a validation, one per line, with their place and near matches of unknown names."""
    lines = []
    for problem in error.errors():
        place = ".".join(map(str, problem["loc"]))
        if problem["type"] == "extra_forbidden":
            lines.append(f"{place}: unknown setting{_suggestion(model, problem['loc'])}")
        else:
            got = "" if problem["type"] == "missing" else f" (got {problem['input']!r})"
            lines.append(f"{place}: {problem['msg'].removeprefix('Value error, ')}{got}")
    return f"{where}:\n  " + "\n  ".join(lines)


def _suggestion(model: type[BaseModel], place: tuple[int | str, ...]) -> str:
    known = _fields_at(model, place[:-1])
    near = difflib.get_close_matches(str(place[-1]), known, n=1)
    return f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(known)}" if known else ""


def _fields_at(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """Names of the settings a place in nested configurations has."""
    nodes = [model]
    for key in (key for key in place if isinstance(key, str)):
        tagged = [n for n in nodes if key in get_args(getattr(n.model_fields.get("kind"), "annotation", None))]
        inner = [m for n in nodes if key in n.model_fields for m in _models_in(n.model_fields[key].annotation)]
        nodes = tagged or inner or nodes
    return list(dict.fromkeys(name for node in nodes for name in node.model_fields))


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Configuration classes named anywhere in a type annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]
