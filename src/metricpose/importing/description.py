"""What a public MargiPose file says about itself: type, version and settings of the network, and the data sets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from metricpose.errors import CheckpointError

LICENCE = "code Apache 2.0; trained on Human3.6M or MPI-INF-3DHP and MPII, whose licences allow non-commercial use only"
H36M_PRINCIPAL = (131.6, 129.6)
"""Mean principal point of Human3.6M's four cameras on a crop of 256 pixels, where the public crops have it."""


class Description(NamedTuple):
    """What the file says the network is."""

    kind: str
    version: str
    settings: dict[str, Any]


def read_description(extras: Mapping[str, Any], where: Path) -> Description | None:
    """The description beside a state dict, None if there is none.

    Raises:
        CheckpointError: it is not made of a type, a version and settings.
    """
    found = extras.get("model_desc")
    if found is None:
        return None
    if not isinstance(found, dict) or not isinstance(settings := found.get("settings", {}), dict):
        raise CheckpointError(f"{where}: model_desc is no table of type, version and settings but {str(found)[:80]!r}")
    return Description(str(found.get("type")), str(found.get("version")), {str(k): v for k, v in settings.items()})


def version_of(description: Description, where: Path) -> tuple[int, ...]:
    """The version as numbers.

    Raises:
        CheckpointError: it is none.
    """
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", description.version)
    if not found:
        raise CheckpointError(f"{where}: model_desc has the version {description.version!r}; expected such as 6.0.1")
    return tuple(map(int, found.groups()))


def training_crops(extras: Mapping[str, Any], path: Path) -> tuple[tuple[float, float] | None, list[str]]:
    """Where the crops of the training set had their principal point (`MargiposeConfig.legacy_principal`), and notes.

    The data sets are named in the file, or else by its name.
    """
    listed = extras.get("train_datasets")
    names = [str(name) for name in listed] if isinstance(listed, (list, tuple)) else [path.stem]
    if any("h36m" in name for name in names):
        return H36M_PRINCIPAL, []
    note = "trained on crops whose principal point was not in their middle; by how much is not recorded (some pixels)"
    return None, [note]
