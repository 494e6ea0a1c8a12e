"""Chatterbox: marginal heatmaps from columns that squeeze one image axis away; MargiPose's forerunner.

A. Nibali, the second network of the public MargiPose code (2018); no paper describes it. Features, maps, decoding and
losses are those of one stage of MargiPose (`models.margipose`); the columns differ. Where MargiPose exchanges an image
axis with the channels, Chatterbox shrinks it to a single cell and grows the axis z in its place:

=========  ==========================================================  ===================
step       layers (zy: width shrinks; xz: height)                      shape, zy, n = 32
=========  ==========================================================  ===================
in         features                                                    W = 128, 32 x 32
down       block / 2, block, block / 2, block                          M = 512, 32 x 8
squeeze    convolution over all that is left of the axis, norm, ReLU   2 M, 32 x 1
grow       transposed convolution, norm, ReLU                          M, 32 x 8
up         block, block * 2, block, block * 2, 1 x 1 to J              J, 32 x 32
=========  ==========================================================  ===================

Strides and dilations act along one axis each: while the width shrinks, the height, which keeps its cells, is dilated by
1, 2 and 4. The xy maps come from the later half of the ResNet, its strides replaced by dilations 2 and 4.

Blocks are ResNet's (ReLU after the sum). Deviations: those of MargiPose; other widths and sides than the public ones.
`ChatterboxConfig.published` has 75,626,560 parameters. Names follow the public file: ``in_cnn`` is `backbone`;
``{xy,zy,xz}_hm_cnn`` are `{xy,zy,xz}_columns.0`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from metricpose.errors import InputError
from metricpose.models.columns import Plane
from metricpose.models.margipose import Margipose, MargiposeConfig
from metricpose.models.resnet import BasicBlock
from metricpose.models.strides import Step

Pair = tuple[int, int]
_BLOCKS = (6, 3)  # Of the two later stages of a ResNet-34.


class ChatterboxConfig(MargiposeConfig):
    """Settings of MargiPose (`models.margipose`), of which one stage, without axis permutation, is left.

    Attributes:
        widths: channels of the features, W, and of the shrunk ones, M. The side must have a multiple of 4 cells.
    """

    stride: int = 8
    stride_train: int = 8
    stages: Literal[1] = 1
    axis_permutation: Literal[False] = False
    dilated: Literal[False] = False
    widths: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=2, multiple_of=2)]] = (16, 32)

    @classmethod
    def published(cls, **changes: Any) -> ChatterboxConfig:
        """The public network, with MargiPose's losses."""
        settings: dict[str, Any] = {"backbone": "resnet34_stem", "stages": 1, "widths": (128, 512)}
        return cast(ChatterboxConfig, super().published(**(settings | changes)))


class Chatterbox(Margipose):
    """The network; decoder and loss are MargiPose's.

    Raises:
        InputError: as Margipose, or the crop has no multiple of 4 cells a side.
    """

    def __init__(self, config: ChatterboxConfig, backbone_weights: dict[str, Tensor] | None = None) -> None:
        cells = -(-config.side // config.stride)
        if cells % 4:
            raise InputError(
                f"side {config.side} and stride {config.stride} make maps of {cells} cells a side; Chatterbox needs a "
                "multiple of 4, because it halves them twice"
            )
        super().__init__(config, backbone_weights)

    def _column(self, plane: Plane) -> nn.Module:
        config, joints = self.config, len(self.skeleton)
        if plane == "xy":
            return FlatColumn(joints, config.widths)
        left = -(-config.side // config.stride) // 4
        return SqueezedColumn(joints, plane, config.widths, left)


class FlatColumn(nn.Module):
    """Features to the logits of the xy maps: two stages of a ResNet-34 that dilate where they strode."""

    def __init__(self, joints: int, widths: Pair) -> None:
        super().__init__()
        wide, middle = widths
        self.layer1 = _stage(wide, middle // 2, _BLOCKS[0], 2)
        self.layer2 = _stage(middle // 2, middle, _BLOCKS[1], 4)
        self.hm_conv = nn.Conv2d(middle, joints, 1, bias=False)
        _initialise(self)

    def forward(self, features: Float[Tensor, "b c n n"]) -> Float[Tensor, "b j n n"]:
        return self.hm_conv(self.layer2(self.layer1(features)))


class SqueezedColumn(nn.Module):
    """Features to the logits of the zy or xz maps; see the module's text.

    Args:
        joints: J.
        plane: zy shrinks and grows the width, xz the height.
        widths: W and M.
        left: cells that are left of the axis, to be squeezed at once.
    """

    def __init__(self, joints: int, plane: Plane, widths: Pair, left: int) -> None:
        super().__init__()

        def along(kept: int, shrunk: int) -> Pair:
            return (kept, shrunk) if plane == "zy" else (shrunk, kept)

        wide, middle = widths
        half, window = middle // 2, along(1, left)
        self.down_convs = nn.Sequential(
            Block(wide, half, along(1, 1), along(2, 1), stride=along(1, 2)),
            Block(half, half, along(2, 1), along(2, 1)),
            Block(half, middle, along(2, 1), along(4, 1), stride=along(1, 2)),
            Block(middle, middle, along(4, 1), along(4, 1)),
            nn.Conv2d(middle, 2 * middle, window, bias=False),
            nn.BatchNorm2d(2 * middle),
            nn.ReLU(inplace=True),
        )
        self.up_convs = nn.Sequential(
            nn.ConvTranspose2d(2 * middle, middle, window, bias=False),
            nn.BatchNorm2d(middle),
            nn.ReLU(inplace=True),
            Block(middle, middle, along(4, 1), along(4, 1), transposed=True),
            Block(middle, half, along(4, 1), along(2, 1), stride=along(1, 2), transposed=True),
            Block(half, half, along(2, 1), along(2, 1), transposed=True),
            Block(half, wide, along(2, 1), along(1, 1), stride=along(1, 2), transposed=True),
            nn.Conv2d(wide, joints, 1, bias=False),
        )
        _initialise(self)

    def forward(self, features: Float[Tensor, "b c n n"]) -> Float[Tensor, "b j n n"]:
        return self.up_convs(self.down_convs(features))


class Block(nn.Module):
    """ResNet's basic block with a stride and a dilation per axis.

    Args:
        inputs, outputs: channels.
        first, second: dilations of the two 3 x 3 layers.
        stride: of the first one.
        transposed: the first layer grows the map instead.
    """

    def __init__(
        self, inputs: int, outputs: int, first: Pair, second: Pair, stride: Pair = (1, 1), transposed: bool = False
    ) -> None:
        super().__init__()
        self.conv1 = _layer(inputs, outputs, 3, first, stride, transposed)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = _layer(outputs, outputs, 3, second, (1, 1), False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.resample: nn.Sequential | None = None
        if stride != (1, 1) or inputs != outputs:
            shortcut = _layer(inputs, outputs, 1, (1, 1), stride, transposed)
            self.resample = nn.Sequential(shortcut, nn.BatchNorm2d(outputs))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        y = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        return functional.relu(y + (x if self.resample is None else self.resample(x)), inplace=True)


def _layer(inputs: int, outputs: int, kernel: int, dilation: Pair, stride: Pair, transposed: bool) -> nn.Module:
    reach = (kernel // 2 * dilation[0], kernel // 2 * dilation[1])
    if not transposed:
        return nn.Conv2d(inputs, outputs, kernel, stride, reach, dilation, bias=False)
    extra = (stride[0] - 1, stride[1] - 1)
    return nn.ConvTranspose2d(inputs, outputs, kernel, stride, reach, extra, bias=False, dilation=dilation)


def _stage(inputs: int, outputs: int, blocks: int, dilation: int) -> nn.Sequential:
    """Blocks of a ResNet; every 3 x 3 layer is dilated but the first, which once strode."""
    plain, wide = Step(), Step(dilation=dilation)
    first = BasicBlock(inputs, outputs, plain, wide)
    return nn.Sequential(first, *(BasicBlock(outputs, outputs, wide, wide) for _ in range(blocks - 1)))


def _initialise(column: nn.Module) -> None:
    for part in column.modules():
        if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
