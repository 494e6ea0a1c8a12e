"""From a checked recipe to the objects that train: sources, augmentation, model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from metricpose.augment.compositing import Bank, read_photos
from metricpose.config import (
    AugmentationConfig,
    LabelSource,
    PrepareConfig,
    Recipe,
    ShardSource,
    SourceConfig,
    SyntheticSource,
    expand,
)
from metricpose.data import readers
from metricpose.data.labels import LabelFile
from metricpose.data.loading import SampleMaker, fixed_batches, with_cutouts
from metricpose.data.mixing import Source, batch_counts
from metricpose.data.pipeline import Augmentation
from metricpose.data.prepare import PLAN
from metricpose.data.selecting import select
from metricpose.data.shards import ShardFolder, shard_path
from metricpose.data.synthetic import ENDLESS, RenderedSource, Renderer, ScenePart
from metricpose.data.weaken import weaken
from metricpose.errors import DataError, InputError
from metricpose.skeleton import catalog
from metricpose.synthetic.generator import Generator, SyntheticConfig
from metricpose.synthetic.generator import to_record as scene_to_record
from metricpose.training.loop import TrainingData
from metricpose.types import Record
from metricpose.weights import build_model, load_weights, read_backbone, read_tensors, resolve


@dataclass(frozen=True)
class SceneRenderer:
    """Makes index -> Record for one set of generator settings; picklable, so each process makes its own."""

    config: SyntheticConfig

    def __call__(self) -> Renderer:
        generator = Generator(self.config)

        def render(index: int) -> Record:
            return scene_to_record(generator.scene(index))

        return render


def open_source(config: SourceConfig) -> Source:
    """The records a source of a recipe means, with the labels it asks for.

    Raises:
        DataError: no such folder, damaged shards, faulty labels, or too few records.
        InputError: the generator refuses a setting.
    """
    return weaken(select(_records(config), config.where), config.supervision, config.ordinal)


def _records(config: SourceConfig) -> Source:
    if isinstance(config, SyntheticSource):
        return RenderedSource(SceneRenderer(config.generator), config.start, config.length or ENDLESS)
    path = expand(config.path)
    if isinstance(config, ShardSource) and config.prepare is not None and "://" not in path:
        _check_made_of(Path(path), config.prepare)
    folder = LabelFile(path, needs_3d=False) if isinstance(config, LabelSource) else ShardFolder(path)
    return ScenePart(folder, config.start, config.length)


def _check_made_of(folder: Path, prepare: PrepareConfig) -> None:
    """Refuse a folder without shards, and one that `data prepare` made of something else than the recipe says."""
    if not shard_path(folder, 0).exists():
        raise DataError(f"no shards in {folder}; make them: {prepare.command(str(folder))}")
    try:
        plan = json.loads((folder / PLAN).read_text(encoding="utf8"))
    except (OSError, ValueError):  # not made by `data prepare`, or copied without its plan: nothing is known
        return
    pairs = [("split", prepare.split), ("sample", prepare.sample)]
    other = [f"{key} {plan.get(key)} instead of {wanted}" for key, wanted in pairs if plan.get(key) != wanted]
    if not _same_set(plan.get("set"), prepare.dataset):
        other.insert(0, f"{plan.get('set')} instead of {prepare.dataset}")
    if other:
        remedy = f"make another: {prepare.command(f'{folder}-2')}; or change `prepare` in the recipe"
        raise DataError(f"{folder} holds shards of {', '.join(other)}; {remedy}")


def _same_set(found: str | None, wanted: str) -> bool:
    """Whether both are one data set, perhaps in different layouts, such as h36m and h36m_frames."""
    about = readers.get(wanted).about
    return found == wanted or (found in readers.READERS and readers.READERS[found].about.citation == about.citation)


def build_augmentation(config: AugmentationConfig, sources: list[Source]) -> Augmentation | None:
    """Augmentation with its photographs and cut-outs read in; None if switched off."""
    if not config.enabled:
        return None
    photos = read_photos(expand(config.compositing.photos)) if config.compositing.photos else []
    plain = Augmentation(config.geometric, config.appearance, config.compositing, Bank(photos))
    pasted = max(config.compositing.occlude, config.compositing.neighbours)
    return with_cutouts(plain, sources) if pasted > 0 else plain


def build_data(recipe: Recipe) -> TrainingData:
    """Sources, augmentation and the validation set of a recipe."""
    settings = recipe.model.build()
    skeleton, side = catalog.get(settings.skeleton), settings.side  # type: ignore[attr-defined]
    sources = [open_source(s) for s in recipe.data.train]
    counts = batch_counts(recipe.training.batch_size, [s.share for s in recipe.data.train])
    maker = SampleMaker(sources, side, skeleton, build_augmentation(recipe.augmentation, sources))
    validation: list[Any] = []
    if recipe.data.validation is not None:
        held_out = open_source(recipe.data.validation)
        indices = range(min(recipe.data.validation_count, len(held_out)))
        validation = fixed_batches(held_out, indices, side, skeleton, recipe.training.batch_size)
    return TrainingData(maker, counts, validation)


def with_steps(recipe: Recipe, data: TrainingData) -> Recipe:
    """The recipe with `training.steps` set, if it gives `epochs`; and `horizon_steps` of a model that has that setting.

    Raises:
        InputError: epochs of a source that is rendered without end.
    """
    if recipe.training.steps:
        return recipe
    records = len(data.maker.sources[0])
    if records >= ENDLESS:
        raise InputError("training.epochs: the first source has no end; give training.steps, or the source a length")
    training = recipe.training.with_steps(records, data.counts[0])
    model = recipe.model
    if "horizon_steps" in type(model.build()).model_fields and "horizon_steps" not in model.config:
        model = model.model_copy(update={"config": model.config | {"horizon_steps": training.steps}})
    return recipe.model_copy(update={"training": training, "model": model})


def build_network(recipe: Recipe) -> nn.Module:
    """The model with its initial weights: random by the run's seed, the backbone's or all of them from a file.

    Raises:
        CheckpointError: a file that cannot be read or does not fit.
    """
    torch.manual_seed(recipe.training.seed)
    settings = recipe.model.build().model_dump()
    backbone = read_backbone(expand(recipe.init_backbone)) if recipe.init_backbone else None
    model = build_model(recipe.model.name, settings, "model.config", backbone_weights=backbone)
    if recipe.init_from:
        path = resolve(expand(recipe.init_from))
        load_weights(model, read_tensors(path), str(path))
    return model
