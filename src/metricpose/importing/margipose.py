"""The public networks of MargiPose as `models.margipose`.

The files hold ``state_dict`` and ``model_desc`` = {type, version, settings}: what no tensor shows. Two generations of
settings are read, 6.x and the older 4.x; any setting that is not known is an error, since it might change the result.
Without ``model_desc`` (a bare state dict) the published settings are assumed.

=======================================================  ======================================
in the file                                              here
=======================================================  ======================================
``inner.in_cnn.0`` to ``6`` (Inception-v4)               ``backbone.0`` to ``6``
``inner.in_cnn.0, 1, 4, 5`` (ResNet)                     ``backbone.conv1, bn1, layer1, layer2``
``inner.in_cnn.7, 8`` (ResNet-50: 6, 7)                  ``adapter.0, 1``
``inner.{p}_hm_cnns.{t}.{down, up}_layers.{i}``          ``{p}_columns.{t}.{down, up}.{i}``
``<block>.module``, ``<block>.shortcut``                 ``<block>.main``, ``<block>.shortcut``
``inner.hm_combiners.{t}.conv``                          ``combiners.{t}``
=======================================================  ======================================
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import Tensor

from metricpose.errors import CheckpointError
from metricpose.importing.chatterbox import import_chatterbox, is_chatterbox
from metricpose.importing.checkpoint import read_checkpoint
from metricpose.importing.description import LICENCE, Description, read_description, training_crops, version_of
from metricpose.importing.fitting import fit
from metricpose.importing.imported import Imported
from metricpose.models.margipose import Margipose, MargiposeConfig

JOINTS = 17

_RESNET = {"backbone.conv1": "0", "backbone.bn1": "1", "backbone.layer1": "4", "backbone.layer2": "5"}
_SINCE_6 = {"n_stages": 4, "axis_permutation": True, "feature_extractor": "inceptionv4", "pixelwise_loss": "jsd"}
_BEFORE_6: dict[str, Any] = {
    "coord_space": "ndc", "n_stages": 4, "bad_permutation": False, "disable_permutation": False,
    "data_parallel": False, "feature_extractor": "inceptionv4", "average_xy": False, "disable_reg": False,
    "disable_dilation": None,
}  # fmt: skip
_OLD_NAMES = {"bad_shrink": "bad_permutation", "disable_chatterbox": "disable_permutation"}


def import_margipose(path: Path) -> Imported:
    """Import a public network, whole or as a bare state dict.

    Raises:
        CheckpointError: the file is none of MargiPose, its settings are unknown or contradict its tensors, or the
            tensors do not fit.
    """
    checkpoint = read_checkpoint(path)
    description = read_description(checkpoint.extras, path)
    if is_chatterbox(description, checkpoint.tensors):
        return import_chatterbox(checkpoint, description, path)
    tensors = {re.sub(r"^inner\.module\.", "inner.", key): value for key, value in checkpoint.tensors.items()}
    config = model_config(description, tensors, path)
    principal, notes = training_crops(checkpoint.extras, path)
    model = Margipose(config.model_copy(update={"legacy_principal": principal}))
    where = f"{path}, read as MargiPose with {config.backbone} and {config.stages} stages"
    fit(model, tensors, lambda key: public_name(key, config.backbone), where)
    if description is None:
        notes.append("no model_desc in the file: axis permutation, no dilation assumed, as published")
    source = "as published" if description is None else f"model_desc {description.kind} {description.version}"
    return Imported(model, "margipose", len(tensors), checkpoint.sha256, source, LICENCE, notes=tuple(notes))


def public_name(key: str, backbone: str) -> str | None:
    """Public name of one of our keys; None for the heights, which are not part of the network."""
    if key.startswith("scale."):
        return None
    if key.startswith("backbone."):
        return "inner.in_cnn." + _stem_name(key)
    if key.startswith("adapter."):
        first = 6 if backbone == "resnet50_stem" else 7
        index, rest = key.removeprefix("adapter.").split(".", 1)
        return f"inner.in_cnn.{first + int(index)}.{rest}"
    if key.startswith("combiners."):
        return re.sub(r"^combiners\.(\d+)\.", r"inner.hm_combiners.\1.conv.", key)
    key = re.sub(r"^(\w\w)_columns\.(\d+)\.(down|up)\.", r"inner.\1_hm_cnns.\2.\3_layers.", key)
    return key.replace(".main.", ".module.")


def feature_extractor(tensors: Mapping[str, Tensor]) -> str:
    """Public name of the feature extractor that the tensors are of; Inception-v4 if they are of none."""
    if "inner.in_cnn.0.weight" not in tensors:
        return "inceptionv4"
    if "inner.in_cnn.4.0.conv3.weight" in tensors:
        return "resnet50"
    return "resnet34" if "inner.in_cnn.4.2.conv1.weight" in tensors else "resnet18"


def model_config(description: Description | None, tensors: Mapping[str, Tensor], where: Path) -> MargiposeConfig:
    """Our settings of a public network.

    Raises:
        CheckpointError: unknown settings, or settings that the tensors contradict.
    """
    stages = {int(m.group(1)) for key in tensors if (m := re.match(r"inner\.xy_hm_cnns\.(\d+)\.", key))}
    seen: dict[str, Any] = {"n_stages": len(stages) or 4, "feature_extractor": feature_extractor(tensors)}
    settings = (
        _settings(description, where) if description else {**_from_6(_SINCE_6 | seen), "coord_loss_from": "final"}
    )
    if description:
        said = {"n_stages": settings["stages"], "feature_extractor": settings["backbone"].removesuffix("_stem")}
        wrong = [
            f"{key} {said[key]} but its tensors are of {seen[key]}" for key in seen if stages and said[key] != seen[key]
        ]
        if wrong:
            raise CheckpointError(f"{where}: model_desc says {', '.join(wrong)}")
    joints = tensors.get("inner.xy_hm_cnns.0.up_layers.4.module.0.weight")
    if joints is not None and len(joints) != JOINTS:
        raise CheckpointError(f"{where} is of {len(joints)} joints; expected the {JOINTS} of the public networks")
    try:
        return MargiposeConfig.published(**settings)
    except ValidationError as error:
        raise CheckpointError(f"{where}: model_desc has settings that no MargiPose network has: {error}") from error


def _settings(description: Description, where: Path) -> dict[str, Any]:
    version = version_of(description, where)
    old = version < (6,)
    if description.kind not in ("margipose", "chatterglass") or not (
        (4, 2) <= version < (5,) or (6,) <= version < (7,)
    ):
        raise CheckpointError(
            f"{where} is of type {description.kind} {description.version}; expected margipose 6.x or 4.2 to 4.x"
        )
    given = {_OLD_NAMES.get(key, key) if old else key: value for key, value in description.settings.items()}
    defaults = _BEFORE_6 if old else _SINCE_6
    unknown = sorted(given.keys() - defaults.keys())
    if unknown:
        raise CheckpointError(f"{where}: model_desc {description.version} has unknown settings {', '.join(unknown)}")
    if not old:
        # The coordinate loss of 6.0.0 looked at the last stage alone.
        return _from_6(defaults | given) | {"coord_loss_from": "final" if version < (6, 0, 1) else "stage"}
    return _from_4(defaults | {"disable_dilation": version >= (4, 2, 4)} | given, where)


def _from_6(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "stages": settings["n_stages"],
        "axis_permutation": settings["axis_permutation"],
        "backbone": f"{settings['feature_extractor']}_stem",
        "regularisation": settings["pixelwise_loss"] or "none",
    }


def _from_4(settings: Mapping[str, Any], where: Path) -> dict[str, Any]:
    if settings["coord_space"] != "ndc" or settings["bad_permutation"]:
        raise CheckpointError(f"{where}: coord_space other than ndc, and bad_permutation, cannot be imported")
    return {
        "stages": settings["n_stages"],
        "axis_permutation": not settings["disable_permutation"],
        "backbone": f"{settings['feature_extractor']}_stem",
        "regularisation": "none" if settings["disable_reg"] else "jsd",
        "average_xy": settings["average_xy"],
        "dilated": not settings["disable_dilation"],
    }


def _stem_name(key: str) -> str:
    for own, public in _RESNET.items():
        if key.startswith(own + "."):
            return public + key.removeprefix(own)
    return key.removeprefix("backbone.")
