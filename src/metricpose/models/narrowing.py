"""A trained network with fewer channels in MobileNetV2's last layer, which is most of what the head costs.

The head is linear, so what dropping channels costs can be computed and need not be guessed: with x the features and
W x the head's channels, the mean of |W x - V y|^2 over y, the features kept, is a quadratic in V. Its minimum is a
linear fit, and how much it rises when one more channel goes is |V_c|^2 / (C^-1)_cc, C the covariance of y: the saliency
of B. Hassibi and D. G. Stork, "Second order derivatives for network pruning: optimal brain surgeon", NIPS 1992,
section 2, for which the Hessian is known here.
"""

from __future__ import annotations

from typing import TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from metricpose.errors import InputError
from metricpose.models.base import VolumeModel
from metricpose.models.mobilenetv2 import LAYERS, MobileNetV2

_LAST = f"backbone.conv{len(LAYERS) - 1}"
_DROP_AT_ONCE = 0.03
"""Part of the channels dropped before saliencies are computed anew."""
_RIDGE = 1e-6
"""Of the mean variance, added to every channel's: features that repeat each other have no inverse without it."""

ModelT = TypeVar("ModelT", bound=VolumeModel)


@torch.no_grad()
def narrow_last_layer(model: ModelT, images: Float[Tensor, "b 3 s s"], channels: int) -> ModelT:
    """`model` with a last layer of `channels` channels, and a head fitted to give what the old one gave.

    A few hundred crops like those it will see are enough; some training afterwards makes up for what is lost.

    Args:
        model: of a `VolumeConfig` over a MobileNetV2 with ``norm="folded"``. It is left as it was.
        images: crops, RGB in [0, 1].
        channels: wanted; fewer than there are.

    Raises:
        InputError: another backbone or norm, no last layer, or not fewer channels than there are.
    """
    backbone, wide = model.backbone, model.state_dict()
    if not isinstance(backbone, MobileNetV2) or backbone.norm != "folded" or f"{_LAST}.weight" not in wide:
        raise InputError("only a MobileNetV2 with norm 'folded' and a last layer can be narrowed")
    if not 0 < channels < backbone.channels:
        raise InputError(
            f"{channels} channels were asked for; there are {backbone.channels}, give fewer and at least 1"
        )
    mean, covariance = _moments(model, images)
    head = wide["head.weight"].double().flatten(1).T.cpu()
    kept, narrow_head = _fewer(covariance, covariance @ head, channels)
    state = dict(wide)
    for key in (f"{_LAST}.weight", f"{_LAST}.bias"):
        state[key] = wide[key][kept.to(wide[key].device)]
    state["head.weight"] = narrow_head.T[..., None, None].to(wide["head.weight"])
    state["head.bias"] = wide["head.bias"] + (mean @ head - mean[kept] @ narrow_head).to(wide["head.bias"])
    config = model._volume
    narrow = type(model)(config.model_copy(update={"last_layer": channels}))  # type: ignore[call-arg]
    narrow.load_state_dict(state)
    return narrow.to(wide["head.bias"].device).train(model.training)


def _moments(model: VolumeModel, images: Float[Tensor, "b 3 s s"]) -> tuple[Tensor, Tensor]:
    """Mean and covariance of the features over all cells, in float64."""
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for crops in images.split(16):
        features = next(iter(cast(nn.Module, model.backbone)(crops).values())).double().cpu()
        x = features.movedim(1, -1).flatten(0, -2)
        count, total, squares = count + len(x), total + x.sum(0), squares + x.T @ x
    mean = total / count
    return mean, squares / count - torch.outer(mean, mean)


def _fewer(
    covariance: Float[Tensor, "c c"], cross: Float[Tensor, "c k"], channels: int
) -> tuple[Tensor, Float[Tensor, "n k"]]:
    """Channels to keep, in order, and the linear fit from them; `cross` is the covariance with what is fitted."""
    covariance = covariance + _RIDGE * covariance.diagonal().mean() * torch.eye(len(covariance))
    kept = torch.arange(len(covariance))
    while True:
        inverse = torch.linalg.inv(covariance[kept][:, kept])
        fit = inverse @ cross[kept]
        if len(kept) == channels:
            return kept, fit
        saliency = fit.square().sum(1) / inverse.diagonal()
        left = max(channels, len(kept) - max(1, int(_DROP_AT_ONCE * len(kept))))
        kept = kept[saliency.topk(left).indices.sort().values]
