"""Depth order teaches depth: people with 3D labels are mixed with people of whom it is known which joint is closer."""

import yaml

from metricpose.cli.assembly import SceneRenderer, build_data, build_network
from metricpose.config import Recipe
from metricpose.data.shards import render_shards
from metricpose.synthetic.generator import SyntheticConfig
from metricpose.training.loop import train

render_shards(SceneRenderer(SyntheticConfig(size=96)), "people", 12, per_shard=12, workers=0)

RECIPE = """
name: weak
model: {name: metro, config: {side: 32, stride: 16, stride_train: 16}}
data:
  train:
    - {kind: shards, path: people, length: 4, share: 1}
    - {kind: shards, path: people, start: 4, share: 2}
  validation: {kind: shards, path: people, start: 4, supervision: ordinal}
augmentation: {enabled: false}
training: {steps: 100, batch_size: 12, lr: 2.0e-3, ema: 0, workers: 0, precision: fp32, device: cpu, log_every: 50}
"""

for supervision in ("2d", "ordinal"):
    raw = yaml.safe_load(RECIPE)
    raw["out"] = f"out/{supervision}"
    raw["data"]["train"][1]["supervision"] = supervision
    recipe = Recipe.model_validate(raw)
    found = train(build_network(recipe), recipe.model.name, build_data(recipe), recipe.training, recipe.folder)
    print(f"{supervision} labels: {found['wrong_order_percent']:.0f} % of their pairs of joints in the wrong order")
