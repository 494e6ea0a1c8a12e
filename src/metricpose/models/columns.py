"""The parts of a MargiPose stage: residual block, axis permutation, and the column that makes one plane's maps.

A. Nibali et al., WACV 2019, section 4, figures 5 and 6. A column halves the feature map's side, may exchange the
channel axis with one of the image axes, and doubles the side again::

    in        b W n n                       W = 128, n = 32 in the paper
    down      W, W, M / 2, M, M             b M m m with M = 192, m = n / 2
    permute   zy: channels <-> columns      xz: channels <-> rows     xy: none
    up        M, M, W * 2, W, J             b J n n, logits

In the zy and xz columns one image axis has nothing to do with the axis z of the maps wanted. The permutation makes that
image axis a channel axis, where convolutions are dense, and channels the axis z, where they are local.
"""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from metricpose.errors import InputError

Plane = Literal["xy", "zy", "xz"]
"""Axes of a map as (column, row): xy has x along columns and y along rows, zy has z along columns, xz z along rows."""
PLANES: tuple[Plane, Plane, Plane] = ("xy", "zy", "xz")

Move = Literal["keep", "down", "up"]

# Dilation of the two 3 x 3 layers of each block in the column variant of some published weights.
_DILATIONS = (((1, 2), (2, 4), (4, 4), (4, 8), (8, 16)), ((16, 8), (8, 4), (4, 4), (4, 2), (2, 1)))
_PLAIN = (((1, 1),) * 5,) * 2


class ResidualBlock(nn.Module):
    """Two 3 x 3 layers and a projection ("option C" of He et al. 2016), added without an activation after the sum.

    Args:
        inputs, outputs: channels.
        move: whether the side stays, halves (strided) or doubles (transposed convolution; the shortcut then fills
            only even cells, the others are 0 before batch norm).
        dilations: of the two 3 x 3 layers.
    """

    def __init__(self, inputs: int, outputs: int, move: Move = "keep", dilations: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        self.main = nn.Sequential(
            _convolution(inputs, outputs, 3, move, dilations[0]),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            _convolution(outputs, outputs, 3, "keep", dilations[1]),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )
        self.shortcut = nn.Sequential(_convolution(inputs, outputs, 1, move, 1), nn.BatchNorm2d(outputs))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        return self.main(x) + self.shortcut(x)


class Column(nn.Module):
    """Features of one stage to the logits of one plane; see the module's text.

    Args:
        joints: J.
        plane: which axes are exchanged in the middle; "xy" exchanges none.
        widths: W and M.
        dilated: as in the older public code; the parameters are the same.
    """

    def __init__(self, joints: int, plane: Plane, widths: tuple[int, int] = (128, 192), dilated: bool = False) -> None:
        super().__init__()
        wide, middle = widths
        down, up = _DILATIONS if dilated else _PLAIN
        self.plane = plane
        self.down = nn.Sequential(
            ResidualBlock(wide, wide, dilations=down[0]),
            ResidualBlock(wide, wide, dilations=down[1]),
            ResidualBlock(wide, middle, "down", down[2]),
            ResidualBlock(middle, middle, dilations=down[3]),
            ResidualBlock(middle, middle, dilations=down[4]),
        )
        self.up = nn.Sequential(
            ResidualBlock(middle, middle, dilations=up[0]),
            ResidualBlock(middle, middle, dilations=up[1]),
            ResidualBlock(middle, wide, "up", up[2]),
            ResidualBlock(wide, wide, dilations=up[3]),
            ResidualBlock(wide, joints, dilations=up[4]),
        )

    def forward(self, features: Float[Tensor, "b c n n"]) -> Float[Tensor, "b j n n"]:
        """Logits of the plane's maps."""
        return self.up(permute_axes(self.down(features), self.plane))


def permute_axes(x: Float[Tensor, "b c s s"], plane: Plane) -> Float[Tensor, "b c s s"]:
    """Exchange channels with columns (zy) or rows (xz), within groups of s channels (section 4, figure 5).

    In group g, ``y[g*s + i, h, w]`` is ``x[g*s + w, h, i]`` for zy and ``x[g*s + h, i, w]`` for xz. Its own inverse; no
    parameters.

    Raises:
        InputError: the channels are no multiple of the side.
    """
    if plane == "xy":
        return x
    channels, side = x.shape[1], x.shape[-1]
    check_permutation(channels, side)
    groups = x.unflatten(1, (channels // side, side))
    return groups.transpose(2, 4 if plane == "zy" else 3).flatten(1, 2)


def check_permutation(channels: int, side: int) -> None:
    """Whether axes can be exchanged in the middle of a column.

    Raises:
        InputError: the channels are no multiple of the side.
    """
    if channels % side:
        raise InputError(
            f"axis permutation needs a multiple of the middle map's side ({side}) as middle width, got {channels}; "
            "change widths, side or stride, or set axis_permutation to false"
        )


def _convolution(inputs: int, outputs: int, kernel: int, move: Move, dilation: int) -> nn.Module:
    reach, stride = kernel // 2 * dilation, 1 if move == "keep" else 2
    layer: nn.Conv2d | nn.ConvTranspose2d
    if move == "up":
        layer = nn.ConvTranspose2d(
            inputs, outputs, kernel, stride, reach, output_padding=1, bias=False, dilation=dilation
        )
    else:
        layer = nn.Conv2d(inputs, outputs, kernel, stride, reach, dilation, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return layer
