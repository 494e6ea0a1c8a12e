"""Feature extractors cut off at stride 8: the start of Inception-v4, or of a ResNet (MargiPose's feature CNN).

C. Szegedy et al., "Inception-v4, Inception-ResNet and the impact of residual connections on learning", AAAI 2017:
figures 3 and 4 (stem and Inception-A). MargiPose takes the first seven entries and gives every convolution and
max-pool the padding kernel // 2, so that sizes halve exactly; ImageNet weights of the unpadded network still fit.

=====  ==================================================  ===========================
entry  layers                                              out, for 256 x 256 pixels
=====  ==================================================  ===========================
0      3 x 3 / 2, 3 -> 32                                  32, 128 x 128
1, 2   3 x 3, 32 -> 32; 3 x 3, 32 -> 64                    64, 128 x 128
3      max-pool / 2 | 3 x 3 / 2, 64 -> 96                  160, 64 x 64
4      1 x 1, 3 x 3 | 1 x 1, 1 x 7, 7 x 1, 3 x 3           96 + 96, 64 x 64
5      3 x 3 / 2, 192 -> 192 | max-pool / 2                384, 32 x 32
6      Inception-A: four branches of 96                    384, 32 x 32
=====  ==================================================  ===========================

Parameter names are those of the widespread PyTorch port (``features.0`` to ``features.6`` there are ``0`` to ``6``
here). The input is normalised with ImageNet's mean and deviation, as MargiPose does, although those weights were
trained with 0.5 and 0.5. The ResNet stem has torchvision's names.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from metricpose.errors import CheckpointError, InputError
from metricpose.models.resnet import NETWORKS, ResNet
from metricpose.models.strides import pad

STRIDE = 8
"""Of every stem here."""
STEMS = ("inceptionv4_stem", "resnet18_stem", "resnet34_stem", "resnet50_stem")
"""Names that `build_stem` takes."""

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ConvUnit(nn.Module):
    """Convolution without bias, batch norm (epsilon 1e-3), ReLU; the output has 1 / stride of the input's size."""

    def __init__(self, inputs: int, outputs: int, kernel: int | tuple[int, int], stride: int = 1) -> None:
        super().__init__()
        size = (kernel, kernel) if isinstance(kernel, int) else kernel
        self.conv = nn.Conv2d(inputs, outputs, size, stride, (size[0] // 2, size[1] // 2), bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        return functional.relu(self.bn(self.conv(x)), inplace=True)


class Shrink(nn.Module):
    """A strided convolution and a max-pool side by side; `conv_first` is the order of their channels."""

    def __init__(self, inputs: int, outputs: int, conv_first: bool) -> None:
        super().__init__()
        self.conv = ConvUnit(inputs, outputs, 3, 2)
        self.conv_first = conv_first

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        parts = [functional.max_pool2d(x, 3, 2, 1), self.conv(x)]
        return torch.cat(parts[::-1] if self.conv_first else parts, 1)


class Mixed(nn.Module):
    """The stem's two branches of unequal length, 160 -> 192 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.branch0 = nn.Sequential(ConvUnit(160, 64, 1), ConvUnit(64, 96, 3))
        self.branch1 = nn.Sequential(
            ConvUnit(160, 64, 1), ConvUnit(64, 64, (1, 7)), ConvUnit(64, 64, (7, 1)), ConvUnit(64, 96, 3)
        )

    def forward(self, x: Float[Tensor, "b 160 h w"]) -> Float[Tensor, "b 192 h w"]:
        return torch.cat([self.branch0(x), self.branch1(x)], 1)


class InceptionA(nn.Module):
    """Figure 4 of the paper: 1 x 1; 1 x 1 and 3 x 3; 1 x 1 and twice 3 x 3; mean over 3 x 3 and 1 x 1."""

    def __init__(self) -> None:
        super().__init__()
        self.branch0 = ConvUnit(384, 96, 1)
        self.branch1 = nn.Sequential(ConvUnit(384, 64, 1), ConvUnit(64, 96, 3))
        self.branch2 = nn.Sequential(ConvUnit(384, 64, 1), ConvUnit(64, 96, 3), ConvUnit(96, 96, 3))
        self.branch3 = nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=False), ConvUnit(384, 96, 1))

    def forward(self, x: Float[Tensor, "b 384 h w"]) -> Float[Tensor, "b 384 h w"]:
        return torch.cat([self.branch0(x), self.branch1(x), self.branch2(x), self.branch3(x)], 1)


class InceptionStem(nn.Sequential):
    """Images in [0, 1] to {8: features}; the table in the module's text.

    Attributes:
        channels: 384.
        stride: 8.
        centre_offset: pixel on which cell 0 is centred.
    """

    mean: Tensor
    std: Tensor
    channels = 384
    stride = STRIDE
    centre_offset = 0

    def __init__(self) -> None:
        entries = [ConvUnit(3, 32, 3, 2), ConvUnit(32, 32, 3), ConvUnit(32, 64, 3)]
        super().__init__(
            *entries, Shrink(64, 96, conv_first=False), Mixed(), Shrink(192, 192, conv_first=True), InceptionA()
        )
        self.register_buffer("mean", torch.tensor(_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(3, 1, 1), persistent=False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> dict[int, Float[Tensor, "b 384 hc wc"]]:
        return {STRIDE: super().forward((images - self.mean) / self.std)}


class ResNetStem(ResNet):
    """A ResNet up to its second stage: images in [0, 1] to {8: features}; padded as torchvision's.

    Attributes:
        channels: 128 with basic blocks, 512 with bottlenecks.
        stride: 8.
        centre_offset: pixel on which cell 0 is centred.

    Raises:
        InputError: the name is not that of a ResNet.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name, padding="symmetric")
        del self.layer3, self.layer4
        self.channels //= 4
        self.stride = STRIDE

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> dict[int, Float[Tensor, "b c hc wc"]]:
        x = functional.relu(self.bn1(self.conv1((images - self.mean) / self.std)), inplace=True)
        x = functional.max_pool2d(pad(x, 3, self.pool_step), 3, self.pool_step.stride)
        return {STRIDE: self.layer2(self.layer1(x))}  # type: ignore[operator]


def build_stem(name: str, weights: Mapping[str, Tensor] | None = None) -> InceptionStem | ResNetStem:
    """The stem of this name.

    Args:
        name: one of `STEMS`.
        weights: its own state dict, or a whole network's with the names of the PyTorch port or of torchvision, of which
            the later layers are left out; None for random ones.

    Raises:
        InputError: the name is unknown.
        CheckpointError: the weights lack a layer, or one has another shape.
    """
    if name not in STEMS:
        raise InputError(f"stem '{name}' is unknown; choose one of {', '.join(STEMS)}")
    resnet = name.removesuffix("_stem")
    stem = ResNetStem(resnet) if resnet in NETWORKS else InceptionStem()
    if weights is not None:
        _load(stem, name, weights)
    return stem


def _load(stem: InceptionStem | ResNetStem, name: str, weights: Mapping[str, Tensor]) -> None:
    expected = stem.state_dict()
    found = {key.removeprefix("features."): value for key, value in weights.items()}
    counters = {key: value for key, value in expected.items() if key.endswith("num_batches_tracked")}
    try:
        stem.load_state_dict({**counters, **{key: found[key] for key in expected if key in found}}, strict=True)
    except RuntimeError as error:
        raise CheckpointError(f"these weights do not fit the backbone '{name}': {error}") from error
