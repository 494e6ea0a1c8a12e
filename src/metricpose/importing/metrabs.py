"""The public PyTorch networks of MeTRAbs (28 data sets, 555 points) as `models.metrabs_points`.

They come as a folder: ``ckpt.pt`` (a bare state dict), ``config.yaml`` and ``joint_info.npz`` are read; the two tables
``skeleton_infos.pkl`` and ``joint_transform_matrix.npy`` are not needed, since the names of the points say what they
are: joint, then the data set that defines it (``rkne_h36m``), no data set meaning SMPL.

=====================================  ==========================
in the file                            here
=====================================  ==========================
``backbone.1.{i}...``                  ``backbone.features.{i}...``
``heatmap_heads.conv_final.{w, b}``    ``head.{w, b}``, channels in the same order
=====================================  ==========================
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from metricpose.errors import CheckpointError
from metricpose.importing.checkpoint import read_checkpoint
from metricpose.importing.fitting import fit, some
from metricpose.importing.imported import Imported
from metricpose.models.efficientnetv2 import METRABS_PREFIX
from metricpose.models.metrabs_points import MetrabsPoints, MetrabsPointsConfig
from metricpose.skeleton.catalog import METRABS_77, unnamed

HEAD = "heatmap_heads.conv_final."
LICENCE = "code MIT; weights probably for non-commercial use only, because of the data they were trained on"
POINTS = 555

# Short names of the joints of `METRABS_77`, by the definition they belong to; the suffix names the data set.
_LIMBS = {"hip": "hip", "kne": "knee", "ank": "ankle", "sho": "shoulder", "elb": "elbow", "wri": "wrist"}
_FACE = {"eye": "eye", "ear": "ear"}
_SMPL = {"spi1": "spine1", "spi2": "spine2", "spi3": "spine3", "neck": "neck", "head": "head"}
_SUFFIX = {"h36m": "_h36m", "coco": "_coco", "mpi_inf_3dhp": "_3dhp", "smpl": ""}
_CENTRE: dict[str, dict[str, str]] = {
    "h36m": {"pelv": "pelvis", "spin": "spine", "neck": "thorax", "head": "nose", "htop": "head_top"},
    "coco": {"pelv": "pelvis", "neck": "neck", "nose": "nose"},
    "mpi_inf_3dhp": {"pelv": "pelvis", "spin": "spine", "neck": "neck", "head": "head", "htop": "head_top"},
    "smpl": {"pelv": "pelvis", **_SMPL},
}
_SIDED: dict[str, dict[str, str]] = {
    "h36m": _LIMBS,
    "coco": {**_LIMBS, **_FACE},
    "mpi_inf_3dhp": _LIMBS,
    "smpl": {**_LIMBS, "toe": "toe", "cla": "collar", "han": "hand"},
}


class Settings(BaseModel):
    """What of ``config.yaml`` changes the result; names and meanings as there. Other entries are left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    efficientnet_size: Literal["s", "m", "l"]
    proc_side: int
    depth: int
    box_size_mm: float
    stride_train: int
    stride_test: int
    centered_stride: bool
    legacy_centered_stride_bug: bool = False
    weak_perspective: bool = False
    mix_3d_inside_fov: float
    affine_weights: str | None = None
    transform_coords: bool = False
    predict_all_and_latents: bool = False


_COMMON: dict[str, Any] = {
    "depth": 8,
    "box_size_mm": 2200,
    "stride_train": 32,
    "stride_test": 32,
    "mix_3d_inside_fov": 0.5,
}
PUBLISHED = {
    "s": Settings(
        efficientnet_size="s", proc_side=256, centered_stride=False, legacy_centered_stride_bug=True, **_COMMON
    ),
    "l": Settings(efficientnet_size="l", proc_side=384, centered_stride=True, **_COMMON),
}
"""The two networks of the release, for checkpoints that have lost their ``config.yaml``."""


class Joints(NamedTuple):
    """Skeleton of the imported model and which point each of its joints is."""

    skeleton: str
    readout: tuple[int, ...]


def import_metrabs(path: Path) -> Imported:
    """Import a public network from its folder, or from the checkpoint in it.

    Raises:
        CheckpointError: the tensors do not fit the network, the tables beside them contradict them or are damaged, or
            the network has latent points.
    """
    file = path / "ckpt.pt" if path.is_dir() else path
    checkpoint = read_checkpoint(file)
    size = network_size(checkpoint.tensors)
    settings, source, notes = _settings(file.parent / "config.yaml", size)
    points = point_count(checkpoint.tensors, settings.depth)
    joints, more = _joints(file.parent / "joint_info.npz", points)
    model = MetrabsPoints(model_config(settings, points, joints))
    where = f"{file}, read as MeTRAbs with EfficientNetV2-{size.upper()} and {points} points"
    fit(model, checkpoint.tensors, public_name, where)
    default = "h36m_17" if joints.skeleton == METRABS_77.name else ""
    return Imported(
        model, "metrabs_points", len(checkpoint.tensors), checkpoint.sha256, source, LICENCE, default, (*notes, *more)
    )


def public_name(key: str) -> str:
    """Public name of one of our keys."""
    if key.startswith("head."):
        return HEAD + key.removeprefix("head.")
    return METRABS_PREFIX + key.removeprefix("backbone.features.")


def network_size(tensors: Mapping[str, Tensor]) -> Literal["s", "m", "l"]:
    """EfficientNetV2's size, from the number of stages and the width of the stem."""
    if f"{METRABS_PREFIX}8.0.weight" not in tensors:
        return "s"
    stem = tensors.get(f"{METRABS_PREFIX}0.0.weight")
    return "m" if stem is not None and len(stem) == 24 else "l"


def point_count(tensors: Mapping[str, Tensor], depth: int) -> int:
    """Number of points, from the rows of the head: one plane and `depth` slices each.

    Raises:
        CheckpointError: the rows are no multiple of that.
    """
    weight = tensors.get(HEAD + "weight")
    if weight is None:
        return POINTS  # the list of what is missing comes later
    if len(weight) == 0 or len(weight) % (depth + 1):
        raise CheckpointError(
            f"{HEAD}weight has {len(weight)} rows, which is no multiple of 1 + depth = {depth + 1}; either the network "
            "has latent points, which cannot be imported, or config.yaml belongs to another one"
        )
    return len(weight) // (depth + 1)


def point_names() -> tuple[str, ...]:
    """Public name of the point behind each joint of `METRABS_77`."""
    return tuple(_point_name(*_definition(joint)) for joint in METRABS_77.joints)


def model_config(settings: Settings, points: int, joints: Joints) -> MetrabsPointsConfig:
    """Our settings of a public network."""
    changes: dict[str, Any] = {
        "backbone": f"efficientnetv2_{settings.efficientnet_size}",
        "side": settings.proc_side,
        "stride": settings.stride_test,
        "stride_train": settings.stride_train,
        "centred": settings.centered_stride,
        "centred_pixels": settings.centered_stride or settings.legacy_centered_stride_bug,
        "depth_bins": settings.depth,
        "box_mm": settings.box_size_mm,
        "perspective": "weak" if settings.weak_perspective else "full",
        "mix": settings.mix_3d_inside_fov,
        "skeleton": joints.skeleton,
        "points": points,
        "readout": joints.readout,
    }
    return MetrabsPointsConfig.model_validate(MetrabsPointsConfig.wacv(**changes).model_dump())


def _settings(path: Path, size: Literal["s", "m", "l"]) -> tuple[Settings, str, list[str]]:
    """Settings, where they are from, and notes."""
    if not path.is_file():
        if size not in PUBLISHED:
            raise CheckpointError(
                f"no {path}; it is needed for EfficientNetV2-{size.upper()}, of which none is published"
            )
        found = PUBLISHED[size]
        note = f"no config.yaml beside the file: taken for the published {size.upper()} network of {found.proc_side} px"
        return found, "as published", [note]
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf8"))
        found = Settings.model_validate(loaded)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise CheckpointError(f"{path} is not the config.yaml of a public MeTRAbs network: {error}") from error
    if found.affine_weights or found.transform_coords or found.predict_all_and_latents:
        raise CheckpointError(f"{path}: networks with latent points (affine_weights) cannot be imported")
    if found.efficientnet_size != size:
        raise CheckpointError(
            f"{path} says EfficientNetV2-{found.efficientnet_size.upper()}, the checkpoint holds "
            f"EfficientNetV2-{size.upper()}; the two files do not belong together"
        )
    return found, path.name, []


def _joints(path: Path, points: int) -> tuple[Joints, list[str]]:
    """Which points the joints are, and notes."""
    if not path.is_file():
        note = (
            f"no joint_info.npz beside the file: which of the {points} points is which joint is unknown; they are "
            "returned without names. Put it there and import again to get h36m_17, coco_19, smpl_24 ..."
        )
        return Joints(unnamed(points).name, ()), [note]
    names = _read_names(path)
    if len(names) != points:
        raise CheckpointError(
            f"{path} names {len(names)} points, the checkpoint has {points}; they do not belong together"
        )
    wanted = point_names()
    absent = [name for name in wanted if name not in names]
    if absent or len(set(names)) != len(names):
        what = f"lacks {some(absent)}" if absent else "names a point twice"
        raise CheckpointError(
            f"{path} {what}; expected the names of the public networks, such as {', '.join(wanted[:3])}"
        )
    return Joints(METRABS_77.name, tuple(names.index(name) for name in wanted)), []


def _read_names(path: Path) -> list[str]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return [str(name).removesuffix("_smpl") for name in arrays["joint_names"].tolist()]
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise CheckpointError(f"cannot read the array joint_names of {path}: {error}") from error


def _definition(joint: str) -> tuple[str, str]:
    """Plain name and definition of a joint of `METRABS_77`; eyes and ears are COCO's."""
    name, _, definition = joint.partition("@")
    face = name.removeprefix("l_").removeprefix("r_") in _FACE.values()
    return name, definition or ("coco" if face else "h36m")


def _point_name(joint: str, definition: str) -> str:
    table = {full: short for short, full in _CENTRE[definition].items()}
    for side in "lr":
        table |= {f"{side}_{full}": side + short for short, full in _SIDED[definition].items()}
    return table[joint] + _SUFFIX[definition]
