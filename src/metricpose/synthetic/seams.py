"""Meshes whose texture is cut open: one vertex per distinct pair of position and texture coordinate."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int


def split_seams(
    faces: Int[np.ndarray, "f 3"], corners: Int[np.ndarray, "f 3"]
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"], Int[np.ndarray, "f 3"]]:
    """Vertices of a textured mesh: (vertex index, texture-coordinate index, faces) with each distinct pair once."""
    pairs, inverse = np.unique(np.stack([faces.ravel(), corners.ravel()], 1), axis=0, return_inverse=True)
    return pairs[:, 0], pairs[:, 1], inverse.reshape(faces.shape).astype(np.int32)
