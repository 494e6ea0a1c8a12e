"""The released HEMlets network as `models.hemlets`.

The file is a bare state dict; nothing in it says how its numbers are meant, so the released configuration is checked by
shape: ResNet-50, 18 joints, 14 parts of 3 maps, 64 bins.

=============================================  ====================================
in the file                                    here
=============================================  ====================================
``backbone...``                                ``backbone...`` (torchvision's names)
``conv_feature.conv_body.{i}``, ``conv_tail``  ``features.upsampling.{i}``, ``tail``
``conv_FBI.conv_body.{i}``, ``conv_tail``      ``maps.upsampling.{i}``, ``tail``
``FBI_encoder.{i}``                            ``encoder.{i}``
``conv_tail.{i}``                              ``head.{i}``, channel = joint * 64 + bin
``volume_reg.dis_map``                         the grid i / 63: checked, not kept
=============================================  ====================================

The bone lengths by which the released code finds the root's depth come with it.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from metricpose.errors import CheckpointError
from metricpose.importing.checkpoint import read_checkpoint
from metricpose.importing.fitting import fit
from metricpose.importing.imported import Imported
from metricpose.models.hemlets import Hemlets, HemletsConfig
from metricpose.skeleton import catalog
from metricpose.skeleton.core import Skeleton

LICENCE = "for research and education; no commercial use, no redistribution"
GRID = "volume_reg.dis_map"
BONES_MM: dict[str, float] = {
    "hip": 132.95, "knee": 442.89, "ankle": 454.21, "spine": 233.47, "nose": 121.13, "head_top": 115.0,
    "shoulder": 151.03, "elbow": 278.89, "wrist": 251.73,
}  # fmt: skip
"""Mean bone lengths of the released code, by the joint at their far end."""

_PREFIXES = {
    "features.upsampling.": "conv_feature.conv_body.",
    "features.tail.": "conv_feature.conv_tail.",
    "maps.upsampling.": "conv_FBI.conv_body.",
    "maps.tail.": "conv_FBI.conv_tail.",
    "encoder.": "FBI_encoder.",
    "head.": "conv_tail.",
    "backbone.": "backbone.",
}


def import_hemlets(path: Path) -> Imported:
    """Import the released network.

    Raises:
        CheckpointError: the tensors do not fit, or the file's grid is not the one the network is used with.
    """
    checkpoint = read_checkpoint(path)
    tensors = dict(checkpoint.tensors)
    config = HemletsConfig.published()
    grid = tensors.pop(GRID, None)
    if grid is not None:
        _check_grid(grid, (1, len(catalog.get(config.skeleton)), config.depth_bins), path)
    model = Hemlets(config)
    fit(model, tensors, public_name, f"{path}, read as the released HEMlets network")
    model.bone_lengths_mm.copy_(bone_lengths(model.skeleton))
    note = "which of the 60 intermediate maps is which part is not documented; it matters only if you train on"
    return Imported(
        model, "hemlets", len(checkpoint.tensors), checkpoint.sha256, "as released", LICENCE, "h36m_17", (note,)
    )


def public_name(key: str) -> str | None:
    """Public name of one of our keys; None for the bone lengths, which are not in the file."""
    for own, public in _PREFIXES.items():
        if key.startswith(own):
            return public + key.removeprefix(own)
    return None


def bone_lengths(skeleton: Skeleton) -> Tensor:
    """The released lengths of the skeleton's edges, millimetres; 0 (unknown) for the bones the release leaves out."""
    ends = [skeleton.joints[child].removeprefix("l_").removeprefix("r_") for _, child in skeleton.edges]
    return torch.tensor([BONES_MM.get(end, 0.0) for end in ends])


def _check_grid(grid: Tensor, shape: tuple[int, ...], path: Path) -> None:
    expected = torch.linspace(0, 1, shape[-1]).expand(shape)
    if grid.shape != expected.shape or not torch.allclose(grid.float(), expected, atol=1e-5):
        raise CheckpointError(
            f"{path}: {GRID} of shape {tuple(grid.shape)} is not the grid i / {shape[-1] - 1} of shape {shape} with "
            "which the released network is used"
        )
