"""The values of one item of a labels file as arrays, each refused by name where it cannot be what it should be.

All functions raise DataError; the message names the field, what it holds and what was expected.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from metricpose.errors import DataError, InputError
from metricpose.skeleton.core import Skeleton, pair_count, pair_index
from metricpose.types import HIDDEN, OUTSIDE, UNKNOWN, VISIBLE

LENS_KEYS = ("distortion", "distortion_k1k2p1p2k3")
_SMALLEST_POSE_MM = 100.0
_FACTS = {"height_mm": ("millimetres", _SMALLEST_POSE_MM), "age_years": ("years", 0.0)}


def array(item: dict[str, Any], key: str, shape: tuple[int, ...]) -> Float[np.ndarray, "*shape"]:
    """Numbers of this shape, none missing."""
    try:
        value = np.array(item[key], np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{key} must hold numbers only ({error})") from error
    if value.shape != shape:
        raise DataError(f"{key} has shape {value.shape}, expected {shape}")
    if not np.isfinite(value).all():
        raise DataError(f"{key} holds null, NaN or infinity; every value of it is needed")
    return value


def distortion(item: dict[str, Any]) -> Float[np.ndarray, " n"]:
    """Lens distortion in OpenCV's order, empty for none."""
    key = LENS_KEYS[0] if LENS_KEYS[0] in item else LENS_KEYS[1]
    given = item.get(key)
    if given is not None and not isinstance(given, list):
        raise DataError(f"{key} is {given}; expected a list of 0, 4, 5, 8 or 12 numbers in OpenCV's order")
    count = len(given or ())
    value = array(item, key, (count,)) if count else np.zeros(0)
    if count not in (0, 4, 5, 8, 12):
        raise DataError(f"{key} has {count} values, expected 0, 4, 5, 8 or 12 in OpenCV's order")
    return value


def points(item: dict[str, Any], key: str, skeleton: Skeleton) -> Float[np.ndarray, "j c"]:
    """Joints; a joint with any null is NaN."""
    rows, shape = item[key], (len(skeleton), 3 if key == "joints_mm" else 2)
    if not isinstance(rows, list) or len(rows) != shape[0]:
        count = len(rows) if isinstance(rows, list) else "no list of"
        raise DataError(f"{key} has {count} joints, skeleton {item['skeleton']} has {shape[0]}")
    out = np.full(shape, np.nan)
    for index, row in enumerate(rows):
        if row is None or (isinstance(row, list) and None in row):
            continue
        if not isinstance(row, list) or len(row) != shape[1] or not all(isinstance(v, (int, float)) for v in row):
            raise DataError(f"joint {index} of {key} is {row}; expected {shape[1]} numbers or null")
        out[index] = row
    return out


def visibility(item: dict[str, Any], joints: int) -> UInt8[np.ndarray, " j"]:
    """Marks of `metricpose.types`, UNKNOWN if the item has none."""
    given = item.get("visibility", [UNKNOWN] * joints)
    known = [OUTSIDE, HIDDEN, VISIBLE, UNKNOWN]
    if not isinstance(given, list) or len(given) != joints or not all(v in known for v in given):
        raise DataError(f"visibility is {given}; expected {joints} values out of {known}")
    return np.array(given, np.uint8)


def facts(item: dict[str, Any]) -> dict[str, Any]:
    """Check the facts of the person that have a unit. They are kept as they are, so nothing comes of them here."""
    for key, (unit, least) in _FACTS.items():
        value = item.get(key)
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value < np.inf
        if value is not None and not number:
            raise DataError(f"{key} is {value!r}; expected {unit} as a number of at least {least:g}, or null")
    return {}


def order(item: dict[str, Any], skeleton: Skeleton) -> dict[str, Float[np.ndarray, " k"] | None]:
    """`order` and `order_w` of all pairs of joints, None if the item lists no ordinal labels."""
    if "order" not in item:
        return {"order": None, "order_w": None}
    labels, weights = np.zeros((2, pair_count(len(skeleton))))
    for row in item["order"] if isinstance(item["order"], list) else [item["order"]]:
        index, label, weight = _pair_label(row, skeleton)
        if weights[index] > 0:
            raise DataError(f"order labels {row[0]} and {row[1]} twice")
        labels[index], weights[index] = label, weight
    return {"order": labels, "order_w": weights}


def _pair_label(row: Any, skeleton: Skeleton) -> tuple[int, float, float]:
    """Place of a row's pair, its label for the pair as it is ordered there, and its weight."""
    whole = isinstance(row, list) and len(row) in (3, 4) and isinstance(row[0], str) and isinstance(row[1], str)
    label, weight = ([*row[2:], 1.0])[:2] if whole else (None, None)
    if label not in (-1, 0, 1) or not isinstance(weight, (int, float)) or not 0 < weight < np.inf:
        raise DataError(
            f"order holds {row}; expected [joint, joint, 1 if the second is closer, -1 if farther, 0 if about "
            "equal] and perhaps a weight above 0"
        )
    try:
        index, sign = pair_index(len(skeleton), skeleton.index(row[0]), skeleton.index(row[1]))
    except InputError as error:
        raise DataError(f"order holds {row}: {error}") from error
    return index, float(sign * label), float(weight)


def odd_conventions(labels: dict[str, Any], place: str) -> list[str]:
    """What is wrong with boxes without extent, poses without joints in `place`, 3D joints of another frame or unit."""
    joints, box = labels[place], labels["box_xywh"]
    measured = joints[np.isfinite(joints).all(1)]
    odd = []
    if (box[2:] <= 0).any():
        odd.append(f"box_xywh is {box.tolist()}; expected left, top and positive width, height")
    if not len(measured):
        odd.append(f"no joint of {place} is measured; give at least one, or leave the item out")
    if place == "joints_px" or not len(measured):
        return odd
    if (measured[:, 2] <= 0).any():
        odd.append("joints_mm has joints with z <= 0; expected the camera frame with z forward")
    size = float(np.ptp(measured, axis=0).max())
    if len(measured) > 2 and size < _SMALLEST_POSE_MM:
        odd.append(f"the pose is {size:.3g} mm large; joints_mm must be millimetres (metres times 1000)")
    return odd
