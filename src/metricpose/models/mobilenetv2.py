"""MobileNetV2, width 1.0 (Sandler et al. 2018, "Inverted residuals and linear bottlenecks", table 2).

52 convolutions are numbered in order of use: `conv0` is the stem, `conv51` the last 1 x 1 layer to 1280 channels.
Between them, each inverted residual block has an expanding 1 x 1 (absent where the expansion is 1), a depthwise 3 x 3
and a projecting 1 x 1 convolution. ReLU6 follows all but the projections.

Two forms compute the same function:

* ``norm="folded"``: every convolution has a bias and there is no batch norm. Keys `conv{i}.weight`, `conv{i}.bias`.
* ``norm="batch"``: every convolution is followed by batch norm. Keys `conv{i}.weight`, `norm{i}.*`.

Weights pass between the two with `from_folded` and `to_folded`; `calibrate_norms` makes the batch statistics true.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from metricpose.errors import CheckpointError, InputError
from metricpose.models.strides import PLAIN, Padding, Step, SteppedConv2d, centre_offset, plan_steps

Norm = Literal["folded", "batch"]
EPSILON = 1e-3

# (expansion, channels, repeats, stride of the first repeat): table 2 of the paper.
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class _Layer(NamedTuple):
    """One convolution of the chain: `opens` and `closes` mark the two ends of a residual connection."""

    inputs: int
    outputs: int
    kernel: int
    stride: int = 1
    depthwise: bool = False
    linear: bool = False
    opens: bool = False
    closes: bool = False


def _block(inputs: int, outputs: int, expansion: int, stride: int) -> list[_Layer]:
    wide, residual = inputs * expansion, stride == 1 and inputs == outputs
    layers = [] if expansion == 1 else [_Layer(inputs, wide, 1)]
    layers += [_Layer(wide, wide, 3, stride, depthwise=True), _Layer(wide, outputs, 1, linear=True, closes=residual)]
    layers[0] = layers[0]._replace(opens=residual)
    return layers


def _chain() -> tuple[_Layer, ...]:
    layers, channels = [_Layer(3, 32, 3, 2)], 32
    for expansion, outputs, repeats, stride in _STAGES:
        for repeat in range(repeats):
            layers += _block(channels, outputs, expansion, stride if repeat == 0 else 1)
            channels = outputs
    return (*layers, _Layer(channels, 1280, 1))


LAYERS = _chain()
LastLayer = bool | int
"""Of the last 1 x 1 layer: True: 1280 channels, as published; a number: as many; False: it is left out."""


def last_channels(last_layer: LastLayer) -> int:
    """Channels of the last layer, 0 if there is none.

    Raises:
        InputError: a number outside 1 to 1280.
    """
    channels = LAYERS[-1].outputs
    if isinstance(last_layer, bool):
        return channels if last_layer else 0
    if not 1 <= last_layer <= channels:
        raise InputError(f"last_layer {last_layer} is no number of channels: give 1 to {channels}, true or false")
    return last_layer


class MobileNetV2(nn.Module):
    """Images in [0, 1] to {stride: features}; see the module's text for the two forms of `norm`.

    Attributes:
        channels: of the features: those of the last layer, 320 without it.
        stride: pixels per cell.
        centre_offset: pixel on which cell 0 is centred.
    """

    def __init__(
        self, *, stride: int = 32, padding: Padding = "centred", norm: Norm = "folded", last_layer: LastLayer = True
    ) -> None:
        super().__init__()
        if norm not in ("folded", "batch"):
            raise InputError(f"norm '{norm}' is unknown; choose folded or batch")
        last = last_channels(last_layer)
        self.layers = (*LAYERS[:-1], LAYERS[-1]._replace(outputs=last)) if last else LAYERS[:-1]
        self.last_layer = last_layer
        self.channels = self.layers[-1].outputs
        self.stride = stride
        self.centre_offset = centre_offset(stride, padding)
        self.norm: Norm = norm
        steps = iter(plan_steps([layer.stride for layer in self.layers if layer.kernel > 1], stride, padding))
        for i, layer in enumerate(self.layers):
            self.add_module(f"conv{i}", _convolution(layer, next(steps) if layer.kernel > 1 else PLAIN, norm))
            if norm == "batch":
                self.add_module(f"norm{i}", nn.BatchNorm2d(layer.outputs, eps=EPSILON))

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> dict[int, Float[Tensor, "b c hc wc"]]:
        x = shortcut = images * 2 - 1
        for i, layer in enumerate(self.layers):
            shortcut = x if layer.opens else shortcut
            x = getattr(self, f"conv{i}")(x)
            if self.norm == "batch":
                x = getattr(self, f"norm{i}")(x)
            if not layer.linear:
                x = functional.relu6(x, inplace=True)
            elif layer.closes:
                x = x + shortcut
        return {self.stride: x}


def _convolution(layer: _Layer, step: Step, norm: Norm) -> SteppedConv2d:
    groups = layer.inputs if layer.depthwise else 1
    conv = SteppedConv2d(layer.inputs, layer.outputs, layer.kernel, step, groups=groups, bias=norm == "folded")
    # Keeps the signal's power without batch norm: every ReLU6 halves it, a projection does not.
    fan_in = conv.weight[0].numel()
    nn.init.normal_(conv.weight, 0.0, ((1.0 if layer.linear else 2.0) / fan_in) ** 0.5)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


def from_folded(
    folded: Mapping[str, Tensor], *, norm: Norm = "folded", last_layer: LastLayer = True
) -> dict[str, Tensor]:
    """State dict of a `MobileNetV2`, in float32, from `conv{i}.weight` and `conv{i}.bias` (other keys are ignored).

    For ``norm="batch"`` each batch norm is made the plain addition of the bias: scale 1, shift = bias, running mean 0
    and running variance 1 - EPSILON, so that in eval mode the function is exactly the folded network's. Those running
    statistics are not those of any data: before training in train mode, call `calibrate_norms`.

    A last layer narrower than that of `folded` gets its channels with the largest weights (norm), in their order.

    Raises:
        CheckpointError: a layer is missing.
    """
    state: dict[str, Tensor] = {}
    last = last_channels(last_layer)
    for i in range(len(LAYERS) if last else len(LAYERS) - 1):
        missing = [key for key in (f"conv{i}.weight", f"conv{i}.bias") if key not in folded]
        if missing:
            raise CheckpointError(
                f"folded MobileNetV2 weights lack {missing[0]}; expected conv0 to conv{len(LAYERS) - 1}"
            )
        weight, bias = folded[f"conv{i}.weight"].float(), folded[f"conv{i}.bias"].float()
        if i == len(LAYERS) - 1 and last < len(weight):
            kept = weight.flatten(1).norm(dim=1).topk(last).indices.sort().values
            weight, bias = weight[kept], bias[kept]
        state[f"conv{i}.weight"] = weight
        state |= {f"conv{i}.bias": bias} if norm == "folded" else _biasing_norm(f"norm{i}", bias)
    return state


def _biasing_norm(name: str, bias: Float[Tensor, " c"]) -> dict[str, Tensor]:
    return {
        f"{name}.weight": torch.ones_like(bias),
        f"{name}.bias": bias,
        f"{name}.running_mean": torch.zeros_like(bias),
        f"{name}.running_var": torch.full_like(bias, 1 - EPSILON),
        f"{name}.num_batches_tracked": torch.tensor(0),
    }


def to_folded(model: MobileNetV2) -> dict[str, Tensor]:
    """The folded weights of either form; in eval mode the folded network computes the same function."""
    state = {key: value.detach().clone() for key, value in model.state_dict().items()}
    if model.norm == "folded":
        return state
    folded: dict[str, Tensor] = {}
    for i in range(len(model.layers)):
        scale = state[f"norm{i}.weight"] / torch.sqrt(state[f"norm{i}.running_var"] + EPSILON)
        folded[f"conv{i}.weight"] = state[f"conv{i}.weight"] * scale[:, None, None, None]
        folded[f"conv{i}.bias"] = state[f"norm{i}.bias"] - state[f"norm{i}.running_mean"] * scale
    return folded


@torch.no_grad()
def calibrate_norms(model: MobileNetV2, batches: Iterable[Float[Tensor, "b 3 h w"]]) -> None:
    """Set each batch norm's running mean and variance to those of `batches` without changing the eval-mode function.

    Scale and shift are rewritten to compensate: with measured mean m and variance v, an affine map a*x + b becomes
    scale a*sqrt(v + eps) and shift b + a*m. In train mode the network then starts close to the same function.

    Raises:
        InputError: the model has no batch norm, or there are no batches.
    """
    if model.norm != "batch":
        raise InputError("calibrate_norms needs a MobileNetV2 with norm='batch'; a folded one has no statistics to set")
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm, (mean, variance) in zip(norms, _input_moments(model, norms, batches)):
        scale = norm.weight / torch.sqrt(_running(norm)[1] + EPSILON)
        shift = norm.bias - _running(norm)[0] * scale
        norm.weight.copy_(scale * torch.sqrt(variance + EPSILON))
        norm.bias.copy_(shift + scale * mean)
        for statistic, measured in zip(_running(norm), (mean, variance)):
            statistic.copy_(measured)


def _running(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return norm.running_mean, norm.running_var


def _input_moments(
    model: MobileNetV2, norms: list[nn.BatchNorm2d], batches: Iterable[Float[Tensor, "b 3 h w"]]
) -> list[tuple[Tensor, Tensor]]:
    """Mean and variance per channel of what enters each norm, over all batches, in eval mode."""
    sums = {id(norm): norm.weight.new_zeros(3, norm.num_features, dtype=torch.float64) for norm in norms}

    def add(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0].detach().double()
        count = torch.full_like(x[0, :, 0, 0], x.numel() / x.shape[1])
        sums[id(norm)] += torch.stack([count, x.sum((0, 2, 3)), x.square().sum((0, 2, 3))])

    handles = [norm.register_forward_pre_hook(add) for norm in norms]
    training = model.training
    try:
        model.eval()
        for images in batches:
            model(images)
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    if any(total[0, 0] == 0 for total in sums.values()):
        raise InputError("calibrate_norms was given no images; give it at least one batch")
    return [_moments(sums[id(norm)], norm.weight) for norm in norms]


def _moments(sums: Float[Tensor, "3 c"], like: Tensor) -> tuple[Tensor, Tensor]:
    count, total, squares = sums
    mean = total / count
    return mean.to(like), (squares / count - mean.square()).clamp_min(0).to(like)
