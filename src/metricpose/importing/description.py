"""The ``model_desc`` of a public MargiPose file: type, version and settings of the network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from metricpose.errors import CheckpointError


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
