"""Marginal maps against a volume over the heatmap's resolution, decoding against a plain sum, and strides by speed.

Roofline of decoding: docs/LOG.md, "Decoding". In torch's steps means and covariance move 9 floats and more per logit
where a plain sum moves one; the kernel of `heatmap.fused`, which prediction uses on a CPU, moves one and does some 17
vector operations for 16 logits. Where memory sets the pace of both, that is within a factor of 2 of a plain sum; where
the logits fit into the cache, a sum does one operation for 16 logits and no soft-argmax can come near.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from metricpose.benchmark.costs import best_each_ms, best_ms
from metricpose.heatmap.decode import covariance, soft_argmax, softmax_nd
from metricpose.heatmap.grid import GridKind, cell_centres
from metricpose.heatmap.moments import expectation, probabilities, spread
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
        sum_ms: of the sum. decode_ms: from logits to means and covariance, as prediction goes it on this device.
        gigabytes_per_second: read by the sum. steps_ms: of decoding in torch's own steps (`heatmap.decode`).
    """

    name: str
    shape: tuple[int, ...]
    floats: int
    sum_ms: float
    decode_ms: float
    gigabytes_per_second: float
    steps_ms: float

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


_VOLUMES = (-1, -2, -3)
_PLANES = (-1, -2)


def decode_times(device: torch.device, *, batch: int, repeats: int, largest: int = 64) -> list[DecodeTime]:
    """Every kind of decoding at its published resolution, 17 joints; `largest` cells a side at most."""
    kinds = (
        ("metric volume 8 x 8 x 8 (MeTRo, MeTRAbs, 2.5D)", _in_depth_major(batch, 8, 8)),
        ("metric volume at stride 4, 8 x 64 x 64", _in_depth_major(batch, 8, 64)),
        ("three planes 32 x 32 (MargiPose)", torch.randn(batch, 3, JOINTS, 32, 32)),
        ("volume 64 x 64 x 64 (HEMlets)", torch.randn(batch, JOINTS, 64, 64, 64)),
        ("volume 64 x 64 x 64, depth-major (CDL)", _in_depth_major(batch, 64, 64)),
    )
    fitting = [kind for kind in kinds if max(kind[1].shape[2:]) <= max(largest, JOINTS)]
    return [_decode_time(name, logits.to(device), repeats) for name, logits in fitting]


def _in_depth_major(batch: int, bins: int, cells: int) -> Float[Tensor, "b j d h w"]:
    """Volumes as a head gives them whose channels are depth-major."""
    return torch.randn(batch, bins, JOINTS, cells, cells).transpose(1, 2)


def predicted(logits: Float[Tensor, "b j d h w"]) -> tuple[Tensor, Tensor]:
    """Means and covariances as `forward` and `decode` of the models find them; of three planes the maps too."""
    if logits.shape[1] == len(PLANES):
        _, found = probabilities(logits, _PLANES, "centre")
    else:
        found = expectation(logits, _VOLUMES, "corner")
    dims, grid = _kind(logits)
    return found.mean, spread(logits, dims, grid) if found.covariance is None else found.covariance


def in_steps(logits: Float[Tensor, "b j d h w"]) -> tuple[Tensor, Tensor]:
    """The same in torch's steps, each a pass over the heatmaps or more; the softmax, which both need, once."""
    dims, grid = _kind(logits)
    coords = [cell_centres(logits.shape[d], grid, device=logits.device) for d in dims]
    prob = softmax_nd(logits, dims)
    return soft_argmax(prob, dims, coords), covariance(prob, dims, coords)


def _kind(logits: Tensor) -> tuple[tuple[int, ...], GridKind]:
    return (_PLANES, "centre") if logits.shape[1] == len(PLANES) else (_VOLUMES, "corner")


def _decode_time(name: str, logits: Float[Tensor, "b j d h w"], repeats: int) -> DecodeTime:
    floats = logits.nelement()
    with torch.inference_mode():
        runs = (lambda: logits.sum(), lambda: predicted(logits), lambda: in_steps(logits))
        plain, decoded, steps = best_each_ms(runs, logits.device, max(repeats, repeats * 40_000_000 // (floats * 4)))
    return DecodeTime(name, tuple(logits.shape), floats, plain, decoded, floats * 4 / plain / 1e6, steps)


def stride_speed(backbone: str, side: int, device: torch.device, *, batch: int, repeats: int) -> dict[int, float]:
    """Crops per second of a backbone at each output stride, with the same weights."""
    images = torch.rand(batch, 3, side, side, device=device).contiguous(memory_format=torch.channels_last)
    found = {}
    for stride in (32, 16, 8, 4):
        model: Any = build_backbone(backbone, stride=stride)
        model = model.to(device, memory_format=torch.channels_last).eval()
        with torch.inference_mode():
            found[stride] = 1e3 * batch / best_ms(lambda model=model: model(images), device, repeats)
    return found
