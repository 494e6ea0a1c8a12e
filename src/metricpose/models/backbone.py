"""The contract of a backbone, and the table of all backbones.

| name | published weights it takes | input scaling inside |
|---|---|---|
| mobilenetv2 | folded convolutions `conv{i}.*` (`mobilenetv2.from_folded`) | [-1, 1] |
| resnet18, 34, 50, 101, 152 | torchvision (`resnet.from_torchvision`) | ImageNet mean and deviation |
| efficientnetv2_s, _m, _l | MeTRAbs (`efficientnetv2.from_metrabs`), torchvision's names | [-1, 1] |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from metricpose.errors import CheckpointError, InputError
from metricpose.models import efficientnetv2, mobilenetv2, resnet
from metricpose.models.mobilenetv2 import LastLayer
from metricpose.models.strides import Padding, check_options


@runtime_checkable
class Backbone(Protocol):
    """What a pose model may ask of its backbone.

    Attributes:
        channels: of the features.
        stride: pixels per cell: 4, 8, 16 or 32.
        centre_offset: pixel on which cell 0 is centred; cell i is centred at `centre_offset + stride * i`.
    """

    channels: int
    stride: int
    centre_offset: int

    def __call__(self, images: Float[Tensor, "b 3 h w"]) -> dict[int, Float[Tensor, "b c hc wc"]]:
        """RGB images in [0, 1] to {stride: features}; each side has ceil(pixels / stride) cells."""
        ...


AnyBackbone: TypeAlias = mobilenetv2.MobileNetV2 | resnet.ResNet | efficientnetv2.EfficientNetV2

BACKBONES = ("mobilenetv2", *resnet.NETWORKS, *efficientnetv2.NETWORKS)
"""Every name that `build_backbone` takes."""


def build_backbone(
    name: str,
    *,
    stride: int = 32,
    centred: bool = True,
    norm: str | None = None,
    last_layer: LastLayer = True,
    weights: Mapping[str, Tensor] | None = None,
) -> AnyBackbone:
    """A `Backbone`; the parameters' names and shapes do not depend on `stride` or `centred`.

    Args:
        name: one of `BACKBONES`.
        stride: pixels per cell of the features.
        centred: centre the cells at stride / 2 + stride * i rather than at stride * i (see `strides`).
        norm: mobilenetv2 only: "folded" (default, no batch norm) or "batch".
        last_layer: mobilenetv2's last 1 x 1 layer. True: 1280 channels; a number: as many; False: none (320 channels).
        weights: published weights as in the table above, or this module's own state dict; None for random ones.

    Raises:
        InputError: an unknown name, stride or norm, or an option that the named backbone does not have.
        CheckpointError: the weights do not fit.
    """
    padding: Padding = "centred" if centred else "symmetric"
    check_options(stride, padding)
    if name not in BACKBONES:
        raise InputError(f"backbone '{name}' is unknown; choose one of {', '.join(BACKBONES)}")
    module = _build(name, stride, padding, norm, last_layer)
    if weights is not None:
        _load(module, name, weights)
    return module


def _build(name: str, stride: int, padding: Padding, norm: str | None, last_layer: LastLayer) -> AnyBackbone:
    if name == "mobilenetv2":
        return mobilenetv2.MobileNetV2(stride=stride, padding=padding, norm=_norm(norm), last_layer=last_layer)
    if norm not in (None, "batch"):
        raise InputError(f"backbone '{name}' has batch norm only, not norm='{norm}'; leave norm out")
    if last_layer is not True:
        raise InputError(f"only mobilenetv2 can change its last layer, not '{name}'; leave last_layer out")
    if name in resnet.NETWORKS:
        return resnet.ResNet(name, stride=stride, padding=padding)
    return efficientnetv2.EfficientNetV2(name, stride=stride, padding=padding)


def _norm(norm: str | None) -> mobilenetv2.Norm:
    if norm is None or norm == "folded":
        return "folded"
    if norm == "batch":
        return "batch"
    raise InputError(f"norm '{norm}' is unknown; choose folded or batch")


def _load(module: AnyBackbone, name: str, weights: Mapping[str, Tensor]) -> None:
    """Load strictly, from a published layout or the module's own."""
    state = dict(weights) if weights.keys() == module.state_dict().keys() else _from_published(module, weights)
    try:
        module.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise CheckpointError(f"these weights do not fit the backbone '{name}': {error}") from error


def _from_published(module: AnyBackbone, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if isinstance(module, mobilenetv2.MobileNetV2):
        return mobilenetv2.from_folded(weights, norm=module.norm, last_layer=module.last_layer)
    if isinstance(module, resnet.ResNet):
        return resnet.from_torchvision(weights)
    return efficientnetv2.from_metrabs(weights)
