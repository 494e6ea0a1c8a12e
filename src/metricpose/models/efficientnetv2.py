"""EfficientNetV2-S, -M and -L (Tan & Le 2021, table 4) as used by the public MeTRAbs networks, without the classifier.

Parameter names are torchvision's (`features.{i}...`); the public MeTRAbs checkpoints use the same below the prefix
`backbone.1.` (`from_metrabs`). Batch norm has epsilon 1e-3. Images are scaled to [-1, 1]. Stochastic depth is left out.
At output strides below 32 squeeze-excitation averages over a denser map, so unlike in the other networks the features
are not exactly those of stride 32 with others between them.
The public S network at 256 px uses symmetric padding, the L network at 384 px centred striding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from metricpose.errors import CheckpointError, InputError
from metricpose.models.strides import PLAIN, Padding, Step, SteppedConv2d, centre_offset, plan_steps

METRABS_PREFIX = "backbone.1."


class Stage(NamedTuple):
    """`fused` blocks expand by a full 3 x 3 layer; the others by 1 x 1, then depthwise 3 x 3 and squeeze-excitation."""

    fused: bool
    repeats: int
    channels: int
    expansion: int
    stride: int


def _stages(repeats: tuple[int, ...], channels: tuple[int, ...]) -> tuple[Stage, ...]:
    """The stages of all sizes share these kinds, expansions and strides; S has no seventh."""
    fixed = ((True, 1, 1), (True, 4, 2), (True, 4, 2), (False, 4, 2), (False, 6, 1), (False, 6, 2), (False, 6, 1))
    return tuple(Stage(fused, n, c, e, s) for (fused, e, s), n, c in zip(fixed, repeats, channels))


# The stem has as many channels as the first stage.
NETWORKS: dict[str, tuple[Stage, ...]] = {
    "efficientnetv2_s": _stages((2, 4, 4, 6, 9, 15), (24, 48, 64, 128, 160, 256)),
    "efficientnetv2_m": _stages((3, 5, 5, 7, 14, 18, 5), (24, 48, 80, 160, 176, 304, 512)),
    "efficientnetv2_l": _stages((4, 7, 7, 10, 19, 25, 7), (32, 64, 96, 192, 224, 384, 640)),
}


class EfficientNetV2(nn.Module):
    """Images in [0, 1] to {stride: 1280 channels}.

    Args:
        name: one of `NETWORKS`.
        stride, padding: see `strides`.
        stages: other stages than the named network's.

    Attributes:
        channels: 1280.
        stride: pixels per cell.
        centre_offset: pixel on which cell 0 is centred.

    Raises:
        InputError: the name, stride or padding is unknown.
    """

    channels = 1280

    def __init__(
        self,
        name: str,
        *,
        stride: int = 32,
        padding: Padding = "centred",
        stages: tuple[Stage, ...] | None = None,
    ) -> None:
        super().__init__()
        if name not in NETWORKS:
            raise InputError(f"EfficientNetV2 '{name}' is unknown; choose one of {', '.join(NETWORKS)}")
        stages = NETWORKS[name] if stages is None else stages
        self.stride = stride
        self.centre_offset = centre_offset(stride, padding)
        steps = iter(plan_steps(_nominal_strides(stages), stride, padding))
        inputs = stages[0].channels
        layers: list[nn.Module] = [_unit(3, inputs, 3, next(steps))]
        for stage in stages:
            layers.append(_make_stage(stage, inputs, steps))
            inputs = stage.channels
        self.features = nn.Sequential(*layers, _unit(inputs, self.channels, 1))
        _initialise(self)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> dict[int, Float[Tensor, "b 1280 hc wc"]]:
        return {self.stride: self.features(images * 2 - 1)}


class Block(nn.Module):
    """One block of a stage; a shortcut where neither size nor channels change."""

    def __init__(self, stage: Stage, inputs: int, residual: bool, step: Step) -> None:
        super().__init__()
        outputs, wide = stage.channels, inputs * stage.expansion
        self.residual = residual
        if stage.fused and stage.expansion == 1:
            layers: list[nn.Module] = [_unit(inputs, outputs, 3, step)]
        elif stage.fused:
            layers = [_unit(inputs, wide, 3, step), _unit(wide, outputs, 1, linear=True)]
        else:
            layers = [
                _unit(inputs, wide, 1),
                _unit(wide, wide, 3, step, groups=wide),
                SqueezeExcitation(wide, inputs // 4),
                _unit(wide, outputs, 1, linear=True),
            ]
        self.block = nn.Sequential(*layers)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        return x + self.block(x) if self.residual else self.block(x)


class SqueezeExcitation(nn.Module):
    """Scales each channel by a gate in [0, 1] computed from all channels' means (Hu et al. 2018)."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        means = x.mean((2, 3), keepdim=True)
        return x * self.fc2(functional.silu(self.fc1(means))).sigmoid()


def _unit(
    inputs: int, outputs: int, kernel: int, step: Step = PLAIN, *, groups: int = 1, linear: bool = False
) -> nn.Sequential:
    layers = [SteppedConv2d(inputs, outputs, kernel, step, groups=groups), nn.BatchNorm2d(outputs, eps=1e-3)]
    return nn.Sequential(*layers) if linear else nn.Sequential(*layers, nn.SiLU())


def _make_stage(stage: Stage, inputs: int, steps: Iterator[Step]) -> nn.Sequential:
    blocks: list[nn.Module] = []
    for repeat in range(stage.repeats):
        # By the nominal stride: a block that strides at stride 32 has no shortcut at other strides either.
        residual = inputs == stage.channels and (stage.stride == 1 or repeat > 0)
        blocks.append(Block(stage, inputs, residual, next(steps)))
        inputs = stage.channels
    return nn.Sequential(*blocks)


def _nominal_strides(stages: tuple[Stage, ...]) -> list[int]:
    """Of every 3 x 3 layer in order; each block has one."""
    return [2] + [stage.stride if repeat == 0 else 1 for stage in stages for repeat in range(stage.repeats)]


def _initialise(network: nn.Module) -> None:
    """He-normal by fan-out and zero biases, for training from scratch."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def from_metrabs(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State dict of an `EfficientNetV2` from that of a public MeTRAbs network; keys outside its backbone are ignored.

    Raises:
        CheckpointError: there is no backbone in it.
    """
    found = {key: value for key, value in state.items() if key.startswith(METRABS_PREFIX)}
    if not found:
        raise CheckpointError(f"no MeTRAbs backbone: expected keys starting with '{METRABS_PREFIX}', found none")
    return {"features." + key.removeprefix(METRABS_PREFIX): value for key, value in found.items()}
