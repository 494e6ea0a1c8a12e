"""Step-by-step heatmap transformation: bone maps, joint maps, depth slab, one volume per joint.

The convolutional part of cascaded dimension lifting (Zhang et al., AAAI 2021, figure 2 and "Network Design"). The paper
names the blocks and what goes into them; layers and widths are ours but for the 64 channels of the slab, and the
context and volume head of its base, Moon et al. 2019 (ResNet, three deconvolutions of 256, 1 x 1 convolution). Every
convolution whose output is not named is followed by batch norm and ReLU and has no bias.

===============  ==================================================================  =========================
block            layers                                                              output (widths as default)
===============  ==================================================================  =========================
context          deconvolutions (`upsampling`)                                       b 256 h w
branch           deconvolutions, own or shared with the context                      b 256 h w
bone maps        branch -> 1 x 1                                                     b NB h w
joint maps       context, branch, bone maps -> 2 x (3 x 3, 256) -> 1 x 1             b J h w
dilated context  context -> 1 x 1 and 3 x 3 of rates 2, 4, 8, 64 each -> 1 x 1, 256  b 256 h w
slab             dilated context, joint maps -> 3 x 3, 256 -> 1 x 1                  b C h w
ordinal depth    the same features -> 1 x 1, in parallel                             b C h w logits
volumes          last maps -> 3 x 3, 256; with context -> 1 x 1, 512 -> 1 x 1        b (D J) h w logits
===============  ==================================================================  =========================

With ``variant="full"`` the last maps are the slab; with ``bone_joint_maps`` the joint maps; ``joint_maps`` has no bone
maps either; ``baseline`` is the context and a 1 x 1 convolution to the volumes alone (the paper's ablation; what
remains of the network without a block is ours).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from metricpose.models.upsampling import Deconvolutions, initialise_small

Variant = Literal["baseline", "joint_maps", "bone_joint_maps", "full"]

DILATIONS = (2, 4, 8)
"""Rates of the 3 x 3 convolutions of the dilated context (ours)."""


class Widths(NamedTuple):
    """Channels of the hidden layers (all ours); `deconvolutions` also says how many of those there are."""

    deconvolutions: tuple[int, ...] = (256, 256, 256)
    fusion: int = 256
    dilated: int = 64
    depth: int = 256
    encoder: int = 256
    join: int = 512


DEFAULT_WIDTHS = Widths()


class StepMaps(NamedTuple):
    """Outputs of all steps; None for those that the chosen network does not have."""

    bones: Float[Tensor, "b n h w"] | None
    joints: Float[Tensor, "b j h w"] | None
    slab: Float[Tensor, "b c h w"] | None
    order: Float[Tensor, "b c h w"] | None
    volumes: Float[Tensor, "b dj h w"]


class StepByStep(nn.Module):
    """Backbone features to the maps of every step; see the module's text.

    Args:
        inputs: channels of the features.
        joints, bones: numbers of maps.
        depth_bins: cells of each joint's volume along z.
        slab_bins: channels of the slab and of the ordinal output.
        variant: which blocks there are.
        shared: one stack of deconvolutions for context and branch.
        widths: channels of the hidden layers.
    """

    def __init__(
        self,
        inputs: int,
        joints: int,
        bones: int,
        *,
        depth_bins: int = 64,
        slab_bins: int = 64,
        variant: Variant = "full",
        shared: bool = False,
        widths: Widths = DEFAULT_WIDTHS,
    ) -> None:
        super().__init__()
        self.context = Deconvolutions(inputs, widths.deconvolutions)
        self.factor, channels = self.context.factor, self.context.channels
        self.branch = self.bone_joint = self.depth = None
        if variant == "baseline":
            self.volumes: nn.Module = nn.Conv2d(channels, joints * depth_bins, 1)
        else:
            bones = 0 if variant == "joint_maps" else bones
            self.branch = None if shared else Deconvolutions(inputs, widths.deconvolutions)
            self.bone_joint = BoneJoint(channels, joints, bones, widths.fusion)
            if variant == "full":
                self.depth = DepthCentric(channels, joints, slab_bins, widths.dilated, widths.depth)
            last = slab_bins if variant == "full" else joints
            self.volumes = VolumeHead(last, channels, joints * depth_bins, widths.encoder, widths.join)
        initialise_small(self)

    def forward(self, features: Float[Tensor, "b i hf wf"]) -> StepMaps:
        """Maps on a grid `factor` times finer than the features'."""
        context = self.context(features)
        if self.bone_joint is None:
            return StepMaps(None, None, None, None, self.volumes(context))
        branch = context if self.branch is None else self.branch(features)
        bones, joints = self.bone_joint(context, branch)
        if self.depth is None:
            return StepMaps(bones, joints, None, None, self.volumes(joints, context))
        slab, order = self.depth(context, joints)
        return StepMaps(bones, joints, slab, order, self.volumes(slab, context))


class BoneJoint(nn.Module):
    """Bone-joint heatmap block: bones from the branch, joints from bones, branch and context. No bones: None."""

    def __init__(self, channels: int, joints: int, bones: int, width: int) -> None:
        super().__init__()
        self.bones = nn.Conv2d(channels, bones, 1) if bones else None
        self.fusion = nn.Sequential(_layer(2 * channels + bones, width, 3), _layer(width, width, 3))
        self.joints = nn.Conv2d(width, joints, 1)

    def forward(
        self, context: Float[Tensor, "b c h w"], branch: Float[Tensor, "b c h w"]
    ) -> tuple[Float[Tensor, "b n h w"] | None, Float[Tensor, "b j h w"]]:
        """Bone maps and joint maps; no activation, they are regressed."""
        bones = None if self.bones is None else self.bones(branch)
        parts = [context, branch] if bones is None else [context, branch, bones]
        return bones, self.joints(self.fusion(torch.cat(parts, 1)))


class DilatedContext(nn.Module):
    """The context seen at several ranges: a 1 x 1 and dilated 3 x 3 convolutions side by side, then merged."""

    def __init__(self, channels: int, width: int, outputs: int, dilations: Sequence[int] = DILATIONS) -> None:
        super().__init__()
        self.ranges = nn.ModuleList(
            [_layer(channels, width, 1), *(_layer(channels, width, 3, rate) for rate in dilations)]
        )
        self.merge = _layer(width * (1 + len(dilations)), outputs, 1)

    def forward(self, context: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """Features of the same grid."""
        return self.merge(torch.cat([part(context) for part in self.ranges], 1))


class DepthCentric(nn.Module):
    """Depth-centric block: the slab, one channel per depth bin for all joints, and ordinal logits in parallel."""

    def __init__(self, channels: int, joints: int, bins: int, dilated: int, width: int) -> None:
        super().__init__()
        self.context = DilatedContext(channels, dilated, width)
        self.mix = _layer(width + joints, width, 3)
        self.slab = nn.Conv2d(width, bins, 1)
        self.order = nn.Conv2d(width, bins, 1)

    def forward(
        self, context: Float[Tensor, "b c h w"], joints: Float[Tensor, "b j h w"]
    ) -> tuple[Float[Tensor, "b n h w"], Float[Tensor, "b n h w"]]:
        """Slab (regressed, no activation) and ordinal logits."""
        features = self.mix(torch.cat([self.context(context), joints], 1))
        return self.slab(features), self.order(features)


class VolumeHead(nn.Module):
    """The last maps encoded, joined with the context, to the channels of the volumes."""

    def __init__(self, maps: int, channels: int, outputs: int, encoder: int, join: int) -> None:
        super().__init__()
        self.encoder = _layer(maps, encoder, 3)
        self.join = _layer(encoder + channels, join, 1)
        self.volumes = nn.Conv2d(join, outputs, 1)

    def forward(self, maps: Float[Tensor, "b n h w"], context: Float[Tensor, "b c h w"]) -> Float[Tensor, "b v h w"]:
        """Logits."""
        return self.volumes(self.join(torch.cat([self.encoder(maps), context], 1)))


def _layer(inputs: int, outputs: int, kernel: int, dilation: int = 1) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=dilation, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))
