"""Estimates of the network's joints -> the result: wanted skeleton, projection, state of every joint."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8

from metricpose.geometry.camera import Camera
from metricpose.predict.boxes import Boxes
from metricpose.predict.estimate import Estimates
from metricpose.skeleton import catalog
from metricpose.skeleton.core import Conversion, Skeleton
from metricpose.types import INFERRED, MEASURED, NOT_GIVEN, OUT_OF_FRAME, People

INFERRED_SIGMA_MM = 150.0
"""A joint whose standard deviation (root of the mean variance of its axes) exceeds this was not seen well."""
_FARTHEST_MM = 50_000.0


def to_people(
    found: Estimates,
    native: Skeleton,
    target: Skeleton,
    boxes: Boxes,
    camera: Camera,
    scale_source: str,
    info: dict[str, Any],
) -> People:
    """Convert, project and label.

    `joints_px` is the projection of `joints_mm` through the camera, distortion included, always; a joint behind the
    camera has none (NaN). Joints that `target` has and the network's skeleton cannot give are NaN and named in
    ``info["warnings"]``.

    Raises:
        InputError: no conversion between the skeletons is known.
    """
    joints, covariance = found.joints_mm, found.covariance_mm2
    if target.name != native.name:
        conversion = catalog.conversion(native, target)
        joints, covariance = conversion.apply(joints), convert_covariance(conversion, covariance)
        lacking = [name for name, valid in zip(target.joints, conversion.valid) if not valid]
        if lacking:
            note = f"{target.name}: not derivable from {native.name}, left NaN: {', '.join(lacking)}"
            info = {**info, "warnings": [*info.get("warnings", []), note]}
    px = camera.project(joints)
    state = joint_states(joints, px, covariance, found.crops, camera.size)
    info = {**info, "warnings": [*info.get("warnings", []), *doubts(camera.to_camera(found.joints_mm), state)]}
    return People(
        joints_mm=joints,
        joints_px=px,
        covariance_mm2=covariance,
        state=state,
        boxes=boxes.xywh,
        scores=boxes.scores,
        track_id=np.full(len(joints), -1, np.int64),
        camera=camera,
        skeleton=target,
        scale_source=scale_source,
        info=info,
    )


def joint_states(
    joints_mm: Float[np.ndarray, "n j 3"],
    joints_px: Float[np.ndarray, "n j 2"],
    covariance_mm2: Float[np.ndarray, "n j 3 3"],
    crops: list[Camera],
    size: tuple[int, int],
) -> UInt8[np.ndarray, "n j"]:
    """MEASURED: in the photograph, in the crop, and with a small deviation; OUT_OF_FRAME: not in the photograph.

    NOT_GIVEN: the joint has no position, because the skeleton asked for has joints that the network's lacks. Everything
    else in the photograph is INFERRED: outside the crop the network saw, or its heatmap is spread wider than
    INFERRED_SIGMA_MM. Joints without covariance are judged by place alone.
    """
    in_crop = np.array([_inside(crop.project(joints), crop.size) for crop, joints in zip(crops, joints_mm)], bool)
    deviation = np.sqrt(np.trace(covariance_mm2, axis1=-2, axis2=-1) / 3)
    with np.errstate(invalid="ignore"):
        vague = deviation > INFERRED_SIGMA_MM
    state = np.where(in_crop.reshape(vague.shape) & ~vague, MEASURED, INFERRED)
    state = np.where(_inside(joints_px, size), state, OUT_OF_FRAME)
    return np.where(np.isfinite(joints_mm).all(-1), state, NOT_GIVEN).astype(np.uint8)


def doubts(joints_mm: Float[np.ndarray, "n j 3"], state: UInt8[np.ndarray, "n t"]) -> list[str]:
    """Notes on people who stand where nobody can be made out; joints in the camera frame, numbered as in the result."""
    notes = []
    for k, (place, states) in enumerate(zip(joints_mm.mean(1), state)):
        if place[2] <= 0:
            what = "lies behind the camera"
        elif np.linalg.norm(place) > _FARTHEST_MM:
            what = f"is {np.linalg.norm(place) / 1000:.0f} m away"
        elif np.isin(states, (OUT_OF_FRAME, NOT_GIVEN)).all():
            what = "has no joint in the photograph"
        else:
            continue
        notes.append(f"person {k} {what}: not to be believed; check the focal length and the box")
    return notes


def convert_covariance(
    conversion: Conversion, covariance_mm2: Float[np.ndarray, "n s 3 3"]
) -> Float[np.ndarray, "n t 3 3"]:
    """Upper bound of the covariance of weighted sums of joints whose errors may go together.

    ``Cov(sum w_i x_i) <= sum |w_i| * sum |w_i| Cov(x_i)``; equal to the joint's own for a plain copy.
    """
    weights = np.abs(conversion.matrix)
    known = np.isfinite(covariance_mm2).all((-2, -1))
    total = np.einsum("ts,nsij->ntij", weights, np.where(known[..., None, None], covariance_mm2, 0.0))
    total *= weights.sum(1)[:, None, None]
    usable = conversion.valid & ~(((weights > 0)[None] & ~known[:, None]).any(-1))
    return np.where(usable[..., None, None], total, np.nan)


def _inside(px: Float[np.ndarray, "*b 2"], size: tuple[int, int]) -> Bool[np.ndarray, "*b"]:
    """Within the outer edges [-0.5, W - 0.5]; NaN is outside."""
    with np.errstate(invalid="ignore"):
        return np.asarray(((px >= -0.5) & (px <= np.array(size) - 0.5)).all(-1))
