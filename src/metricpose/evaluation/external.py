"""Scoring predictions of other systems: a plain JSON or npz file of ids and joints, matched to the ground truth by id.

JSON (npz: the same keys as arrays)::

    {"ids": ["images/a.jpg", ...],            the ids of the protocol's items, each once, in any order
     "joints_mm": [[[x, y, z], ...], ...],    camera frame of the full image: x right, y down, z forward
     "skeleton": "h36m_17",                   a catalogue name; decides which points the joints are
     "unit": "mm",
     "position": "absolute",                  or "relative": distance from the camera unknown
     "system": "...", "scale_policy": "...", "crop_source": "..."}      shown in the protocol card

Joints that the system does not give are [null, null, null] (NaN). Nothing is scaled, aligned or renamed on the way in.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from metricpose.errors import DataError, InputError
from metricpose.evaluation.predictions import NOT_STATED, Header, Predictions, Truth, read_npz
from metricpose.files import sha256
from metricpose.skeleton import catalog

NOMINAL_SIDE = 256
"""Crop side for deciding which joints a box shows; any other side gives the same answer but for one pixel's width."""

_NEEDED = ("ids", "joints_mm", "skeleton", "unit", "position")


@dataclass(frozen=True, eq=False)
class External:
    """A file of another system, checked."""

    path: Path
    ids: tuple[str, ...]
    joints_mm: Float[np.ndarray, "n j 3"]
    skeleton: str
    absolute: bool
    stated: dict[str, Any]


def read_external(path: str | Path) -> External:
    """Read and check such a file.

    Raises:
        DataError: unreadable, incomplete, repeated ids, another unit than mm, an unknown skeleton, or joints that do
            not fit it.
    """
    path = Path(path)
    values = _raw(path)
    missing = [key for key in _NEEDED if key not in values]
    if missing:
        raise DataError(f"{path}: missing {', '.join(missing)}; needed: {', '.join(_NEEDED)}")
    unit, skeleton, position = (str(values[key]) for key in ("unit", "skeleton", "position"))
    if unit != "mm":
        raise DataError(f"{path}: unit is '{unit}', expected 'mm'; convert the joints (metres times 1000) and say so")
    if position not in ("absolute", "relative"):
        raise DataError(f"{path}: position is '{position}', expected 'absolute' or 'relative'")
    ids = tuple(str(i) for i in values["ids"])
    repeated = sorted({i for i in ids if ids.count(i) > 1})
    if repeated:
        raise DataError(f"{path}: ids occur twice: {_some(repeated)}")
    joints = _joints(values["joints_mm"], path)
    try:
        expected = (len(ids), len(catalog.get(skeleton)), 3)
    except InputError as error:
        raise DataError(f"{path}: {error}") from error
    if joints.shape != expected:
        raise DataError(f"{path}: joints_mm has shape {joints.shape}; {len(ids)} ids of {skeleton} need {expected}")
    stated = {key: str(values.get(key, NOT_STATED)) for key in ("system", "scale_policy", "crop_source")}
    return External(path, ids, joints, skeleton, position == "absolute", stated)


def match(external: External, truth: Truth, header: Header) -> Predictions:
    """Put a system's joints beside the ground truth of the same ids.

    Args:
        header: of the protocol's own run; the system's statements replace what they are about.

    Raises:
        DataError: the ids are not exactly the protocol's.
    """
    missing, extra = sorted(set(truth.ids) - set(external.ids)), sorted(set(external.ids) - set(truth.ids))
    if missing or extra:
        raise DataError(
            f"{external.path}: ids do not match the protocol's {len(truth)} items; "
            f"missing {len(missing)} ({_some(missing)}), unknown {len(extra)} ({_some(extra)})"
        )
    row = {name: index for index, name in enumerate(external.ids)}
    joints = external.joints_mm[[row[name] for name in truth.ids]]
    nothing = np.full_like(joints, np.nan)
    return Predictions(
        header=replace(
            header,
            **external.stated,
            skeleton=external.skeleton,
            root="none (as given)",
            views=NOT_STATED,
            checkpoint_sha256=sha256(external.path),
            config_sha256=NOT_STATED,
        ),
        truth=truth,
        joints_mm=joints,  # every relative measure subtracts the protocol's own root
        joints_abs_mm=joints if external.absolute else nothing,
        joints_px=nothing[..., :2],
        covariance_mm2=np.full((*joints.shape, 3), np.nan),
        flags=np.full(len(truth), -1),
    )


def _raw(path: Path) -> dict[str, Any]:
    if path.suffix == ".npz":
        return dict(read_npz(path))
    try:
        values = json.loads(path.read_text(encoding="utf8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path}: {error}. Expected JSON or npz with {', '.join(_NEEDED)}.") from error
    if not isinstance(values, dict):
        raise DataError(f"{path}: expected an object with {', '.join(_NEEDED)}")
    return values


def _joints(value: Any, path: Path) -> Float[np.ndarray, "*shape"]:
    try:
        return np.array(value, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: joints_mm must be n x joints x 3 numbers (null for missing ones): {error}") from error


def _some(names: list[str], limit: int = 3) -> str:
    return ", ".join(names[:limit]) + (", ..." if len(names) > limit else "") if names else "none"
