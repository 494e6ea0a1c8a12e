"""The second network of the public MargiPose code as `models.chatterbox`.

=========================================  ==========================
in the file                                here
=========================================  ==========================
``in_cnn...``                              ``backbone...``
``{p}_hm_cnn...``                          ``{p}_columns.0...``
=========================================  ==========================
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from metricpose.errors import CheckpointError
from metricpose.importing.checkpoint import Checkpoint
from metricpose.importing.description import LICENCE, Description, training_crops, version_of
from metricpose.importing.fitting import fit
from metricpose.importing.imported import Imported
from metricpose.models.chatterbox import Chatterbox, ChatterboxConfig


def is_chatterbox(description: Description | None, tensors: Mapping[str, Tensor]) -> bool:
    """Whether the file says so, or if it says nothing, whether its names do."""
    return description.kind == "chatterbox" if description else "in_cnn.conv1.weight" in tensors


def import_chatterbox(checkpoint: Checkpoint, description: Description | None, path: Path) -> Imported:
    """Import the network from an opened file.

    Raises:
        CheckpointError: unknown settings, or tensors that do not fit.
    """
    regularisation = "jsd" if description is None else _regularisation(description, path)
    principal, notes = training_crops(checkpoint.extras, path)
    config = ChatterboxConfig.published(regularisation=regularisation, legacy_principal=principal)
    model = Chatterbox(config)
    fit(model, checkpoint.tensors, public_name, f"{path}, read as Chatterbox")
    source = "as published" if description is None else f"model_desc {description.kind} {description.version}"
    count = len(checkpoint.tensors)
    return Imported(model, "chatterbox", count, checkpoint.sha256, source, LICENCE, notes=tuple(notes))


def public_name(key: str) -> str | None:
    """Public name of one of our keys; None for the heights, which are not part of the network."""
    if key.startswith("scale."):
        return None
    return re.sub(r"^(\w\w)_columns\.0\.", r"\1_hm_cnn.", re.sub(r"^backbone\.", "in_cnn.", key))


def _regularisation(description: Description, path: Path) -> str:
    unknown = sorted(description.settings.keys() - {"pixelwise_loss"})
    if unknown or not (1, 3) <= version_of(description, path) < (2,):
        what = f"has unknown settings {', '.join(unknown)}" if unknown else f"is of version {description.version}"
        raise CheckpointError(f"{path}: this Chatterbox {what}; expected 1.3 to 1.x with pixelwise_loss alone")
    found = description.settings.get("pixelwise_loss", "jsd") or "none"
    if found not in ("jsd", "none"):
        raise CheckpointError(f"{path}: pixelwise_loss '{found}' is unknown; expected jsd or nothing")
    return str(found)
