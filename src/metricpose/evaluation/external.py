"""Scoring predictions of other systems: a plain JSON or npz file of ids and joints, matched to the ground truth by id.

JSON (npz: the same keys as arrays)::

    {"ids": ["images/a.jpg", ...],            the ids of the protocol's items, each once, in any order
     "joints_mm": [[[x, y, z], ...], ...],    camera frame of the full image: x right, y down, z forward
     "skeleton": "h36m_17",                   a catalogue name; decides which points the joints are
     "unit": "mm",
     "position": "absolute",                  or "relative": distance from the camera unknown
     "system": "...", "scale_policy": "...", "crop_source": "..."}      shown in the protocol card

Joints that the system does not give are [null, null, null] (NaN). Nothing is scaled, aligned or renamed on the way in.

For protocols that match the people of an image, such as MuPoTS-3D's, "images" stands in place of "ids": the image of
each person, as often as people were found in it, "TS1/000012"; images without people are left out. People are matched
by "joints_px" [[[u, v], ...], ...] in pixels of the full image; without it, by the projection of absolute joints.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from metricpose.errors import DataError, InputError
from metricpose.evaluation.association import Crowd
from metricpose.evaluation.predictions import NOT_STATED, Header, Predictions, Truth, read_npz
from metricpose.files import sha256
from metricpose.skeleton import catalog

NOMINAL_SIDE = 256
"""Crop side for deciding which joints a box shows; any other side gives the same answer but for one pixel's width."""

_NEEDED = ("ids", "joints_mm", "skeleton", "unit", "position")
_IMAGES = "images"


@dataclass(frozen=True, eq=False)
class External:
    """A file of another system, checked.

    Attributes:
        ids: of items, or, if `crowded`, of the images that the people are in.
        joints_px: NaN where the system gives none.
        stated: what it says of itself.
    """

    path: Path
    ids: tuple[str, ...]
    joints_mm: Float[np.ndarray, "n j 3"]
    joints_px: Float[np.ndarray, "n j 2"]
    skeleton: str
    absolute: bool
    crowded: bool
    stated: dict[str, Any]


def read_external(path: str | Path) -> External:
    """Read and check such a file.

    Raises:
        DataError: unreadable, incomplete, repeated ids, another unit than mm, an unknown skeleton, or joints that do
            not fit it.
    """
    path = Path(path)
    values = _raw(path)
    crowded = _IMAGES in values and "ids" not in values
    missing = [key for key in _NEEDED if key not in values and not (crowded and key == "ids")]
    if missing:
        raise DataError(f"{path}: missing {', '.join(missing)}; needed: {', '.join(_NEEDED)}")
    unit, skeleton, position = (str(values[key]) for key in ("unit", "skeleton", "position"))
    if unit != "mm":
        raise DataError(f"{path}: unit is '{unit}', expected 'mm'; convert the joints (metres times 1000) and say so")
    if position not in ("absolute", "relative"):
        raise DataError(f"{path}: position is '{position}', expected 'absolute' or 'relative'")
    ids = tuple(str(i) for i in values[_IMAGES if crowded else "ids"])
    repeated = sorted(name for name, count in Counter(ids).items() if count > 1)
    if repeated and not crowded:
        raise DataError(f"{path}: ids occur twice: {_some(repeated)}")
    joints = _joints(values, "joints_mm", 3, len(ids), skeleton, path)
    pixels = _joints(values, "joints_px", 2, len(ids), skeleton, path)
    stated = {key: str(values.get(key, NOT_STATED)) for key in ("system", "scale_policy", "crop_source")}
    return External(path, ids, joints, pixels, skeleton, position == "absolute", crowded, stated)


def match(external: External, truth: Truth, header: Header) -> Predictions:
    """Put a system's joints beside the ground truth of the same ids.

    Args:
        header: of the protocol's own run; the system's statements replace what they are about.

    Raises:
        DataError: the ids are not exactly the protocol's.
    """
    if external.crowded:
        raise DataError(f"{external.path} names images; this protocol needs 'ids', one prediction for each")
    missing, extra = sorted(set(truth.ids) - set(external.ids)), sorted(set(external.ids) - set(truth.ids))
    if missing or extra:
        raise DataError(
            f"{external.path}: ids do not match the protocol's {len(truth)} items; "
            f"missing {len(missing)} ({_some(missing)}), unknown {len(extra)} ({_some(extra)})"
        )
    row = {name: index for index, name in enumerate(external.ids)}
    order = np.array([row[name] for name in truth.ids])
    return Predictions(header=_header(external, header), truth=truth, **_arrays(external, order))


def crowd(external: External, truth: Truth, header: Header) -> Crowd:
    """A system's people beside the annotated ones of the same images, not yet matched.

    Raises:
        DataError: the file has ids instead of images, an image is not the protocol's, or nothing gives pixels.
    """
    if not external.crowded:
        raise DataError(f"{external.path} has ids; where people are matched, 'images' names the image of each")
    strange = sorted(set(external.ids) - set(truth.images))
    if strange:
        raise DataError(f"{external.path}: {len(strange)} images are not the protocol's ({_some(strange)})")
    arrays = _arrays(external, np.arange(len(external.ids)))
    lacking = ~np.isfinite(external.joints_px).all(-1).any(-1)
    if lacking.any():
        if not external.absolute:
            raise DataError(f"{external.path}: people are matched by pixels; joints_px is needed where no position is")
        arrays["joints_px"][lacking] = _projected(external, truth)[lacking]
    return Crowd(header=_header(external, header), truth=truth, images=external.ids, **arrays)


def _projected(external: External, truth: Truth) -> Float[np.ndarray, "n j 2"]:
    """Pixels of absolute joints by the images' intrinsics, without lens distortion; NaN behind the camera."""
    row = {image: index for index, image in enumerate(truth.images)}
    K = truth.K[[row[image] for image in external.ids]]
    image = np.einsum("nij,nkj->nki", K, external.joints_mm)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(image[..., 2:] > 0, image[..., :2] / image[..., 2:], np.nan)


def _header(external: External, header: Header) -> Header:
    return replace(
        header,
        **external.stated,
        skeleton=external.skeleton,
        root="none (as given)",
        views=NOT_STATED,
        checkpoint_sha256=sha256(external.path),
        config_sha256=NOT_STATED,
    )


def _arrays(external: External, order: Int[np.ndarray, " n"]) -> dict[str, Any]:
    joints = external.joints_mm[order]
    return {
        "joints_mm": joints,  # every relative measure subtracts the protocol's own root
        "joints_abs_mm": joints if external.absolute else np.full_like(joints, np.nan),
        "joints_px": external.joints_px[order],
        "covariance_mm2": np.full((*joints.shape, 3), np.nan),
        "flags": np.full(len(order), -1),
    }


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


def _joints(
    values: dict[str, Any], name: str, axes: int, count: int, skeleton: str, path: Path
) -> Float[np.ndarray, "n j c"]:
    """An array of the file, NaN where it has no such key."""
    try:
        expected = (count, len(catalog.get(skeleton)), axes)
        joints = np.array(values[name], np.float64) if values.get(name) is not None else np.full(expected, np.nan)
    except InputError as error:
        raise DataError(f"{path}: {error}") from error
    except (TypeError, ValueError) as error:
        wanted = f"n x joints x {axes} numbers"
        raise DataError(f"{path}: {name} must be {wanted} (null for missing ones): {error}") from error
    if joints.size == count == 0:
        return joints.reshape(expected)
    if joints.shape != expected:
        raise DataError(f"{path}: {name} has shape {joints.shape}; {count} ids of {skeleton} need {expected}")
    return joints


def _some(names: list[str], limit: int = 3) -> str:
    return ", ".join(names[:limit]) + (", ..." if len(names) > limit else "") if names else "none"
