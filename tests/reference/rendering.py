"""Slow, obvious twins of the renderer: z-buffer, ray casting, skinning, all in plain numpy."""

from __future__ import annotations

import numpy as np


def z_buffer(
    points: np.ndarray, faces: np.ndarray, height: int, width: int, two_sided: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Inverse depth and triangle per pixel by testing every pixel against every triangle."""
    depth, triangle = np.zeros((height, width)), np.full((height, width), -1)
    y, x = np.mgrid[:height, :width].astype(float)
    for f, (a, b, c) in enumerate(points[faces].astype(float)):
        area = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])
        if min(a[2], b[2], c[2]) <= 0 or area == 0 or (area > 0 and not two_sided):
            continue
        v = ((x - a[0]) * (c[1] - a[1]) - (y - a[1]) * (c[0] - a[0])) / area
        w = ((y - a[1]) * (b[0] - a[0]) - (x - a[0]) * (b[1] - a[1])) / area
        z = a[2] + v * (b[2] - a[2]) + w * (c[2] - a[2])
        nearer = (v >= 0) & (w >= 0) & (v + w <= 1) & (z > depth)
        depth, triangle = np.where(nearer, z, depth), np.where(nearer, f, triangle)
    return depth, triangle


def ray_hits(origin: np.ndarray, target: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Distances along origin -> target, as a share of the way, at which the ray meets each triangle; inf: misses.

    triangles: (m, 3, 3). Moeller-Trumbore, front and back sides.
    """
    direction = target - origin
    first, second = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    across = np.cross(direction, second)
    determinant = (first * across).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        offset = origin - triangles[:, 0]
        u = (offset * across).sum(1) / determinant
        along = np.cross(offset, first)
        v = (along @ direction) / determinant
        t = (second * along).sum(1) / determinant
        hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 1e-9)
    return np.where(hit, t, np.inf)


def skinned(
    vertices: np.ndarray, bones: np.ndarray, weights: np.ndarray, rotations: np.ndarray, translations: np.ndarray
) -> np.ndarray:
    """Linear blend skinning, vertex by vertex and bone by bone."""
    out = np.zeros((len(vertices), 3))
    for i, vertex in enumerate(vertices.astype(float)):
        for bone, weight in zip(bones[i], weights[i].astype(float)):
            out[i] += weight * (rotations[bone] @ vertex + translations[bone])
    return out
