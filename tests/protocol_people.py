"""Made-up ground truth and predictions for protocols, without pictures: arrays as the predictions file holds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metricpose.evaluation.association import Crowd
from metricpose.evaluation.predictions import Header, Predictions, Truth
from metricpose.evaluation.protocols import get
from metricpose.skeleton import catalog

K = np.array([[1100.0, 0, 930], [0, 1070, 550], [0, 0, 1]])


def header(protocol: str, **changes: Any) -> Header:
    chosen = get(protocol)
    skeleton = chosen.groups[0].skeleton
    values: dict[str, Any] = {
        "protocol": protocol, "data": "made up", "split": chosen.split, "people": 0, "seed": 0,
        "crop_source": "true boxes", "skeleton": skeleton, "root": "pelvis", "scale_policy": "network",
    }  # fmt: skip
    return Header(**{**values, **changes})


def poses(count: int, skeleton: str, rng: np.random.Generator, spread: float = 300.0) -> np.ndarray:
    """Joints about 4 m in front of a camera, people apart from each other."""
    middle = np.stack([np.linspace(-1500, 1500, count), np.zeros(count), np.linspace(3500, 4500, count)], -1)
    return middle[:, None] + rng.normal(0, spread, (count, len(catalog.get(skeleton)), 3))


def truth(
    joints: np.ndarray,
    skeleton: str,
    *,
    images: Sequence[str] = (),
    recordings: Sequence[str] = (),
    actions: Sequence[str] = (),
    scenes: Sequence[str] = (),
    persons: Sequence[str] = (),
    abs_valid: bool = True,
) -> Truth:
    """Ground truth with a crop camera that looks at everything."""
    n = len(joints)
    names = tuple(f"item{i}" for i in range(n))
    eye = np.tile(np.eye(3), (n, 1, 1))
    with np.errstate(invalid="ignore"):
        px = np.einsum("ij,nkj->nki", K, joints)
        px = px[..., :2] / px[..., 2:]
    return Truth(
        ids=names,
        images=tuple(images) or names,
        persons=tuple(persons) or names,
        sources=("",) * n,
        skeletons=(skeleton,) * n,
        joints_mm=joints,
        joints_px=px,
        visibility=np.full(joints.shape[:2], 255, np.uint8),
        abs_valid=np.full(n, abs_valid),
        K=np.tile(K, (n, 1, 1)),
        crop_intrinsics=np.tile(K, (n, 1, 1)),
        crop_rotation=eye,
        crop_side=2048,
        height_mm=np.full(n, np.nan),
        age_years=np.full(n, np.nan),
        actions=tuple(actions),
        scenes=tuple(scenes),
        recordings=tuple(recordings),
    )


def project(joints: np.ndarray) -> np.ndarray:
    image = np.einsum("ij,nkj->nki", K, joints)
    return image[..., :2] / image[..., 2:]


def predictions(protocol: str, true: Truth, joints: np.ndarray, **changes: Any) -> Predictions:
    """One prediction for each true box, absolute."""
    return Predictions(
        header=header(protocol, people=len(true), **changes),
        truth=true,
        joints_mm=joints - joints[:, :1],
        joints_abs_mm=joints,
        joints_px=project(joints),
        covariance_mm2=np.full((*joints.shape, 3), np.nan),
        flags=np.zeros(len(joints), np.int64),
    )


def crowd(protocol: str, true: Truth, images: Sequence[str], joints: np.ndarray) -> Crowd:
    """People found in images."""
    return Crowd(
        header=header(protocol, people=len(true)),
        truth=true,
        images=tuple(images),
        joints_mm=joints,
        joints_abs_mm=joints,
        joints_px=project(joints),
        covariance_mm2=np.full((*joints.shape, 3), np.nan),
        flags=np.zeros(len(joints), np.int64),
    )
