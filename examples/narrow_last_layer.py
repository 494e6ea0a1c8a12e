"""A smaller, faster network from a trained one: fewer channels in the last layer, before some more training."""

import numpy as np
import torch

from metricpose.models.narrowing import narrow_last_layer
from metricpose.synthetic.generator import Generator, SyntheticConfig
from metricpose.weights import load_model, save_model

wide, _ = load_model("metrabs-s")
side = wide.config.side
people = Generator(SyntheticConfig(size=side, seed=5))
crops = np.stack([people.scene(i).image for i in range(24)])  # some hundreds, and like yours, are better
crops = torch.from_numpy(crops).movedim(-1, 1) / 255
narrow = narrow_last_layer(wide, crops, wide.backbone.channels // 2)
save_model("narrow.safetensors", narrow, "metrabs")

print("channels:", wide.backbone.channels, "->", narrow.backbone.channels)
with torch.no_grad():
    logits, fitted = wide.raw_logits(crops), narrow.raw_logits(crops)
print(f"logits not explained: {(fitted - logits).var() / logits.var():.2%}")
print(f"train on with init_from: narrow.safetensors and last_layer: {narrow.backbone.channels} in a recipe")
