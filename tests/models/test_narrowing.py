"""Narrowing the last layer: nothing lost where channels repeat each other, a linear fit where they do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from metricpose.errors import InputError
from metricpose.models.metrabs import Metrabs, MetrabsConfig
from metricpose.models.metro import Metro, MetroConfig
from metricpose.models.narrowing import narrow_last_layer

IMAGES = torch.rand(5, 3, 64, 64, generator=torch.Generator().manual_seed(3))


def build(channels: int, seed: int = 0, model: Any = Metrabs, config: Any = MetrabsConfig) -> Any:
    torch.manual_seed(seed)
    made = model(config(skeleton="h36m_17", side=64, stride=16, stride_train=16, last_layer=channels)).eval()
    torch.nn.init.normal_(made.backbone.conv51.bias, std=0.5)
    return made


def features(model: Any) -> np.ndarray:
    with torch.no_grad():
        return model.backbone(IMAGES)[16].movedim(1, -1).flatten(0, -2).double().numpy()


@pytest.mark.parametrize(("model", "config"), [(Metrabs, MetrabsConfig), (Metro, MetroConfig)])
def test_channels_that_repeat_others_are_dropped_without_loss(model: Any, config: Any) -> None:
    wide = build(60, model=model, config=config)
    with torch.no_grad():  # the second twenty repeat the first, the third twenty are zero everywhere
        wide.backbone.conv51.weight[20:40] = wide.backbone.conv51.weight[:20]
        wide.backbone.conv51.bias[20:40] = wide.backbone.conv51.bias[:20]
        wide.backbone.conv51.bias[40:] = -100
        before = {key: value.clone() for key, value in wide.state_dict().items()}
        narrow = narrow_last_layer(wide, IMAGES, 20)
        torch.testing.assert_close(narrow.raw_logits(IMAGES), wide.raw_logits(IMAGES), atol=2e-3, rtol=1e-3)
    assert (narrow.backbone.channels, narrow.config.last_layer, narrow.config.side) == (20, 20, 64)
    torch.testing.assert_close(dict(wide.state_dict()), before, rtol=0, atol=0)


def test_the_head_is_the_least_squares_fit_from_the_channels_kept() -> None:
    wide = build(30)
    narrow = narrow_last_layer(wide, IMAGES, 21)
    x, y = features(wide), features(narrow)
    kept = [int(np.argmin(np.abs(x - column[:, None]).max(0))) for column in y.T]
    assert kept == sorted(set(kept))
    np.testing.assert_allclose(y, x[:, kept], atol=1e-5)
    head, bias = (wide.state_dict()[key].double().numpy() for key in ("head.weight", "head.bias"))
    target = x @ head[:, :, 0, 0].T + bias
    fitted = np.linalg.lstsq(np.column_stack([y, np.ones(len(y))]), target, rcond=None)[0]
    got = narrow.state_dict()
    np.testing.assert_allclose(got["head.weight"][:, :, 0, 0].T, fitted[:-1], atol=2e-3)
    np.testing.assert_allclose(got["head.bias"], fitted[-1], atol=2e-3)


def test_one_channel_less_is_the_one_whose_loss_costs_least() -> None:
    wide = build(8, seed=5)
    x = features(wide)
    head = wide.state_dict()["head.weight"][:, :, 0, 0].double().numpy()
    target = x @ head.T

    def lost(without: int) -> float:
        design = np.column_stack([np.delete(x, without, 1), np.ones(len(x))])
        return float(np.square(design @ np.linalg.lstsq(design, target, rcond=None)[0] - target).sum())

    expected = np.delete(x, min(range(8), key=lost), 1)
    np.testing.assert_allclose(features(narrow_last_layer(wide, IMAGES, 7)), expected, atol=1e-5)


def test_errors() -> None:
    for asked in (0, 30, 31):
        with pytest.raises(InputError, match=f"{asked} channels were asked for; there are 30"):
            narrow_last_layer(build(30), IMAGES, asked)
    for changes in ({"norm": "batch"}, {"last_layer": False}, {"backbone": "resnet18"}):
        model = Metrabs(MetrabsConfig(side=64, **changes))
        with pytest.raises(InputError, match="norm 'folded' and a last layer"):
            narrow_last_layer(model, IMAGES, 8)
