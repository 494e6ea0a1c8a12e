"""From a checked recipe to the objects that train: sources, augmentation, model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from metricpose.augment.compositing import Bank, read_photos
from metricpose.config import AugmentationConfig, LabelSource, Recipe, SourceConfig, SyntheticSource, expand
from metricpose.data.labels import LabelFile
from metricpose.data.loading import SampleMaker, fixed_batches, with_cutouts
from metricpose.data.mixing import Source, batch_counts
from metricpose.data.pipeline import Augmentation
from metricpose.data.shards import ShardFolder
from metricpose.data.synthetic import ENDLESS, RenderedSource, Renderer, ScenePart
from metricpose.data.weaken import weaken
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
    return weaken(_records(config), config.supervision, config.ordinal)


def _records(config: SourceConfig) -> Source:
    if isinstance(config, SyntheticSource):
        return RenderedSource(SceneRenderer(config.generator), config.start, config.length or ENDLESS)
    path = expand(config.path)
    folder = LabelFile(path, needs_3d=False) if isinstance(config, LabelSource) else ShardFolder(path)
    return ScenePart(folder, config.start, config.length)


def build_augmentation(config: AugmentationConfig, sources: list[Source]) -> Augmentation | None:
    """Augmentation with its photographs and cut-outs read in; None if switched off."""
    if not config.enabled:
        return None
    photos = read_photos(expand(config.compositing.photos)) if config.compositing.photos else []
    plain = Augmentation(config.geometric, config.appearance, config.compositing, Bank(photos))
    return with_cutouts(plain, sources) if config.compositing.occlude > 0 else plain


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
