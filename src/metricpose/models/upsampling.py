"""Transposed convolutions that bring coarse features back to a fine grid: the head of "simple baselines".

B. Xiao, H. Wu, Y. Wei, "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018, section 2: each layer is a
4 x 4 transposed convolution of stride 2 and padding 1 without bias, batch norm and ReLU; three of 256 channels behind a
ResNet in the paper, in Sun et al. 2018, in HEMlets Pose and in Moon et al. 2019.

Each layer doubles both sides exactly. Its output cell o is centred at ``(o - 1/2) / 2`` of its input's cells: cells at
``p + s i`` pixels become cells at ``p - s/4 + (s/2) o``, so a grid symmetric in the image stays so.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

INIT_STD = 1e-3
"""Standard deviation of the initial weights (Xiao et al., published code)."""


class Deconvolutions(nn.Sequential):
    """Layers as in the module's text: (b, inputs, h, w) to (b, widths[-1], h 2^n, w 2^n). Without widths the identity.

    Child 3 i is the transposed convolution of layer i, child 3 i + 1 its batch norm.

    Args:
        inputs: channels of the features.
        widths: channels of each layer.
        std: of the initial weights; None for torch's own, by fan-in, from which narrow layers learn faster.

    Attributes:
        channels: of the output.
        factor: how many times finer the output's grid is.
    """

    def __init__(self, inputs: int, widths: Sequence[int] = (256, 256, 256), *, std: float | None = INIT_STD) -> None:
        layers: list[nn.Module] = []
        for width in widths:
            layers += [
                nn.ConvTranspose2d(inputs, width, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            inputs = width
        super().__init__(*layers)
        self.channels = inputs
        self.factor = 2 ** len(widths)
        if std is not None:
            initialise_small(self, std)


def initialise_small(module: nn.Module, std: float = INIT_STD) -> None:
    """Every (transposed) convolution N(0, std) with zero bias, every batch norm the identity; in place."""
    for part in module.modules():
        if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(part.weight, std=std)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.BatchNorm2d):
            nn.init.ones_(part.weight)
            nn.init.zeros_(part.bias)
