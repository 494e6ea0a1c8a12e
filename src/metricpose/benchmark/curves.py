"""Marginal maps against a volume over the heatmap's resolution, decoding against a plain sum, and strides by speed.

Roofline of decoding. From N logits a soft-argmax as torch runs it moves N reads and N writes for the softmax and 2 N
reads for the means, and N reads and N writes before that where a joint's cells do not lie together: 4 to 6 N floats
where a plain sum moves N. It does about a dozen operations per float, an exponential among them; where memory sets the
pace of both, the ratio is 4 to 6, and one fused pass could come near 1. Where the logits fit into the cache, a sum runs
at the cache's speed and the exponentials set the decoder's: no order of the passes brings that below the arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from metricpose.benchmark.costs import best_ms
from metricpose.heatmap.decode import soft_argmax, softmax_nd
from metricpose.heatmap.grid import cell_centres
from metricpose.models.backbone import build_backbone
from metricpose.models.columns import PLANES, Column
from metricpose.training.memory import peak_bytes, saved_bytes

_COLUMN_WIDTHS = (128, 192)  # as published
_FEATURES = 256  # of the last deconvolution before a volume (Sun et al. 2018, HEMlets, CDL)
CELLS = (16, 24, 32, 48, 64, 96, 128)
JOINTS = 17


class MapMemory(NamedTuple):
    """Bytes per crop, of `JOINTS` joints at n cells a side.

    Attributes:
        maps_training, volume_training: from logits to coordinates: logits, and what is kept for the backward pass.
        maps_inference, volume_inference: logits, and the most that is alive besides.
        stage_training: what is kept of a whole MargiPose stage of published widths: the columns that make the maps.
        head_training: what is kept of a 1 x 1 convolution that makes the volume from 256 channels.
    """

    cells: int
    maps_training: int
    volume_training: int
    maps_inference: int
    volume_inference: int
    stage_training: int
    head_training: int


class DecodeTime(NamedTuple):
    """Decoding next to one plain sum over the same logits.

    Attributes:
        name: of the head. shape: of its logits. floats: their number.
        sum_ms, decode_ms: times. gigabytes_per_second: read by the sum.
    """

    name: str
    shape: tuple[int, ...]
    floats: int
    sum_ms: float
    decode_ms: float
    gigabytes_per_second: float

    @property
    def ratio(self) -> float:
        """Times a plain sum."""
        return self.decode_ms / self.sum_ms


def decode_volume(logits: Float[Tensor, "b j d h w"]) -> Float[Tensor, "b j 3"]:
    """Soft-argmax of one volume per joint (MeTRo, MeTRAbs, 2.5D, HEMlets, CDL)."""
    axes = [cell_centres(logits.shape[-1 - i], "corner", device=logits.device) for i in range(3)]
    return soft_argmax(softmax_nd(logits, (-1, -2, -3)), (-1, -2, -3), axes)


def decode_planes(logits: Float[Tensor, "b p j h w"]) -> Float[Tensor, "b j 3"]:
    """Soft-argmax of three planes xy, zy, xz per joint, z being the mean of two (MargiPose)."""
    axes = [cell_centres(logits.shape[-1 - i], "centre", device=logits.device) for i in range(2)]
    first, second = soft_argmax(softmax_nd(logits, (-1, -2)), (-1, -2), axes).unbind(-1)
    return torch.stack([first[:, 0], second[:, 0], (first[:, 1] + second[:, 2]) / 2], -1)


def map_memory(cells: int) -> MapMemory:
    """Count both at one resolution."""
    maps = _bytes(decode_planes, (1, 3, JOINTS, cells, cells))
    volume = _bytes(decode_volume, (1, JOINTS, cells, cells, cells))
    return MapMemory(cells, maps[0], volume[0], maps[1], volume[1], _stage_bytes(cells), _head_bytes(cells))


def _stage_bytes(cells: int) -> int:
    """Counted on tensors that have only a shape: the numbers are the same, and nothing is computed."""
    with torch.device("meta"):
        columns = nn.ModuleList(Column(JOINTS, plane, _COLUMN_WIDTHS) for plane in PLANES)
        features = torch.zeros(1, _COLUMN_WIDTHS[0], cells, cells, requires_grad=True)
        known = [features, *columns.parameters(), *columns.buffers()]
        return saved_bytes(lambda: decode_planes(torch.stack([column(features) for column in columns], 1)), known)


def _head_bytes(cells: int) -> int:
    with torch.device("meta"):
        head = nn.Conv2d(_FEATURES, JOINTS * cells, 1)
        features = torch.zeros(1, _FEATURES, cells, cells, requires_grad=True)
        known = [features, *head.parameters()]
        return saved_bytes(lambda: decode_volume(head(features).unflatten(1, (JOINTS, cells))), known)


def _bytes(decode: Callable[[Tensor], Tensor], shape: tuple[int, ...]) -> tuple[int, int]:
    logits = torch.zeros(shape, requires_grad=True)
    own = logits.nelement() * logits.element_size()
    return own + saved_bytes(lambda: decode(logits), [logits]), own + peak_bytes(lambda: decode(logits))


def decode_times(device: torch.device, *, batch: int, repeats: int, largest: int = 64) -> list[DecodeTime]:
    """Every kind of decoding at its published resolution, 17 joints; `largest` cells a side at most."""
    kinds: Sequence[tuple[str, Callable[[Tensor], Tensor], tuple[int, ...]]] = (
        ("metric volume 8 x 8 x 8 (MeTRo, MeTRAbs, 2.5D)", decode_volume, (batch, JOINTS, 8, 8, 8)),
        ("metric volume at stride 4, 8 x 64 x 64", decode_volume, (batch, JOINTS, 8, 64, 64)),
        ("three planes 32 x 32 (MargiPose)", decode_planes, (batch, 3, JOINTS, 32, 32)),
        ("volume 64 x 64 x 64 (HEMlets, CDL)", decode_volume, (batch, JOINTS, 64, 64, 64)),
    )
    fitting = [kind for kind in kinds if max(kind[2][2:]) <= max(largest, JOINTS)]
    return [_decode_time(name, decode, shape, device, repeats) for name, decode, shape in fitting]


def _decode_time(
    name: str, decode: Callable[[Tensor], Tensor], shape: tuple[int, ...], device: torch.device, repeats: int
) -> DecodeTime:
    logits = torch.randn(shape, device=device)
    with torch.inference_mode():
        plain = best_ms(lambda: logits.sum(), device, repeats)
        decoded = best_ms(lambda: decode(logits), device, repeats)
    floats = logits.nelement()
    return DecodeTime(name, shape, floats, plain, decoded, floats * 4 / plain / 1e6)


def stride_speed(backbone: str, side: int, device: torch.device, *, batch: int, repeats: int) -> dict[int, float]:
    """Crops per second of a backbone at each output stride, with the same weights."""
    images = torch.rand(batch, 3, side, side, device=device)
    found = {}
    for stride in (32, 16, 8, 4):
        model: Any = build_backbone(backbone, stride=stride).to(device).eval()
        with torch.inference_mode():
            found[stride] = 1e3 * batch / best_ms(lambda model=model: model(images), device, repeats)
    return found
