"""A small, ugly People: odd sizes, NaN joints, every state, distortion and extrinsics, values with all their bits."""

from __future__ import annotations

import numpy as np

from metricpose.geometry.camera import Camera
from metricpose.skeleton import catalog
from metricpose.types import People


def camera() -> Camera:
    angle = 0.3
    R = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    K = np.array([[701.123456789, 0.25, 311.7], [0, 699.9, 263.1], [0, 0, 1]])
    return Camera(K, (640, 513), np.array([0.1, -0.05, 1e-3, -2e-3, 0.01]), R, np.array([10.5, -1 / 3, 2000.0]))


def people(count: int = 3, skeleton: str = "h36m_17", seed: int = 0) -> People:
    rng = np.random.default_rng(seed)
    tree = catalog.get(skeleton)
    J = len(tree)
    joints = rng.normal(0, 400, (count, J, 3)) + np.array([0, 0, 1500.0])
    factor = rng.normal(0, 30, (count, J, 3, 3))
    covariance = factor @ factor.swapaxes(-1, -2)
    covariance = (covariance + covariance.swapaxes(-1, -2)) / 2
    if count:
        joints[0, 3] = np.nan
        covariance[0, 3] = np.nan
    view = camera()
    return People(
        joints_mm=joints,
        joints_px=view.project(joints),
        covariance_mm2=covariance,
        state=rng.integers(0, 3, (count, J)).astype(np.uint8),
        boxes=rng.uniform(0, 300, (count, 4)) + np.array([0, 0, 1.0, 1.0]),
        scores=rng.uniform(0, 1, count),
        track_id=np.arange(count) * 3 - 1,
        camera=view,
        skeleton=tree,
        scale_source="metric head; focal length from a file",
        info={"model": {"name": "tiny", "sha256": "ab" * 32}, "warnings": ['a, "quoted" one'], "tta": 3},
    )
