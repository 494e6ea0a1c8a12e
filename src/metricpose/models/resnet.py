"""ResNet-18 to -152 (He et al. 2016, table 1), with the stride of a bottleneck in its 3 x 3 layer ("version 1.5").

Parameter names are torchvision's, so that its state dicts load strictly once the classifier is dropped
(`from_torchvision`). Below output stride 32, the 3 x 3 layers of the later stages are dilated as `strides.plan_steps`
says: the first one of a stage that no longer strides keeps the dilation before it, all others take the doubled one.
At stride 4 the last strided layer, which centred striding moves, is the max-pool.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from metricpose.errors import InputError
from metricpose.models.strides import Padding, Step, SteppedConv2d, centre_offset, pad, plan_steps, subsample

# Of ImageNet, for RGB in [0, 1]; what the public weights were trained with.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class BasicBlock(nn.Module):
    """Two 3 x 3 layers and a shortcut; `first` and `second` say how they move."""

    expansion = 1
    kernels = 2

    def __init__(self, inputs: int, planes: int, first: Step, second: Step) -> None:
        super().__init__()
        self.step = first
        self.conv1 = SteppedConv2d(inputs, planes, 3, first)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = SteppedConv2d(planes, planes, 3, second)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = _downsample(inputs, planes)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        y = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        return functional.relu(y + _shortcut(x, self.step, self.downsample), inplace=True)


class Bottleneck(nn.Module):
    """1 x 1 to `planes`, 3 x 3, 1 x 1 to four times as many, and a shortcut; `step` is how the 3 x 3 layer moves."""

    expansion = 4
    kernels = 1

    def __init__(self, inputs: int, planes: int, step: Step) -> None:
        super().__init__()
        self.step = step
        self.conv1 = SteppedConv2d(inputs, planes, 1)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = SteppedConv2d(planes, planes, 3, step)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = SteppedConv2d(planes, planes * 4, 1)
        self.bn3 = nn.BatchNorm2d(planes * 4)
        self.downsample = _downsample(inputs, planes * 4)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        y = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        y = functional.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return functional.relu(y + _shortcut(x, self.step, self.downsample), inplace=True)


Block = type[BasicBlock] | type[Bottleneck]

# Block, and its repeats in the four stages.
NETWORKS: dict[str, tuple[Block, tuple[int, int, int, int]]] = {
    "resnet18": (BasicBlock, (2, 2, 2, 2)),
    "resnet34": (BasicBlock, (3, 4, 6, 3)),
    "resnet50": (Bottleneck, (3, 4, 6, 3)),
    "resnet101": (Bottleneck, (3, 4, 23, 3)),
    "resnet152": (Bottleneck, (3, 8, 36, 3)),
}


class ResNet(nn.Module):
    """Images in [0, 1] to {stride: features of the last stage}, after ReLU.

    Args:
        name: one of `NETWORKS`.
        stride, padding: see `strides`.
        width: channels of the first stage; 64 in all published networks.

    Attributes:
        channels: 512 with basic blocks, 2048 with bottlenecks.
        stride: pixels per cell.
        centre_offset: pixel on which cell 0 is centred.

    Raises:
        InputError: the name or stride is unknown, or the padding is tf_same.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, *, stride: int = 32, padding: Padding = "centred", width: int = 64) -> None:
        super().__init__()
        if name not in NETWORKS:
            raise InputError(f"ResNet '{name}' is unknown; choose one of {', '.join(NETWORKS)}")
        if padding == "tf_same":
            raise InputError("a ResNet's shortcuts do not follow tf_same padding; choose centred or symmetric")
        block, repeats = NETWORKS[name]
        self.channels = 8 * width * block.expansion
        self.stride = stride
        self.centre_offset = centre_offset(stride, padding)
        steps = iter(plan_steps(_nominal_strides(block, repeats), stride, padding))
        self.conv1 = SteppedConv2d(3, width, 7, next(steps))
        self.bn1 = nn.BatchNorm2d(width)
        self.pool_step = next(steps)
        channels = width
        for i, count in enumerate(repeats):
            self.add_module(f"layer{i + 1}", make_stage(block, channels, width << i, count, steps))
            channels = (width << i) * block.expansion
        self.register_buffer("mean", torch.tensor(_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(3, 1, 1), persistent=False)
        _initialise(self)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> dict[int, Float[Tensor, "b c hc wc"]]:
        x = functional.relu(self.bn1(self.conv1((images - self.mean) / self.std)), inplace=True)
        # After ReLU zero padding does not change a maximum.
        x = functional.max_pool2d(pad(x, 3, self.pool_step), 3, self.pool_step.stride)
        for i in range(4):
            x = getattr(self, f"layer{i + 1}")(x)
        return {self.stride: x}


def _nominal_strides(block: Block, repeats: tuple[int, ...]) -> list[int]:
    """Of every k x k layer in order: the stem, the max-pool, then the 3 x 3 layers of the blocks."""
    strides = [2, 2]
    for stage, count in enumerate(repeats):
        strides += [1 if stage == 0 else 2] + [1] * (count * block.kernels - 1)
    return strides


def make_stage(block: Block, inputs: int, planes: int, count: int, steps: Iterator[Step]) -> nn.Sequential:
    """`count` blocks in a row, which take as many of `steps` as they have 3 x 3 layers."""
    blocks: list[nn.Module] = []
    for _ in range(count):
        blocks.append(block(inputs, planes, *(next(steps) for _ in range(block.kernels))))
        inputs = planes * block.expansion
    return nn.Sequential(*blocks)


def _downsample(inputs: int, outputs: int) -> nn.Sequential | None:
    if inputs == outputs:
        return None
    return nn.Sequential(SteppedConv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs))


def _shortcut(x: Tensor, step: Step, downsample: nn.Module | None) -> Tensor:
    return x if downsample is None else downsample(subsample(x, step))


def _initialise(network: nn.Module) -> None:
    """He-normal by fan-out, for training from scratch; batch norm starts as torch makes it, the identity."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def from_torchvision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State dict of a `ResNet` from torchvision's network of the same name: all but the classifier `fc`."""
    return {key: value for key, value in state.items() if not key.startswith("fc.")}
