"""Rotation matrices of single axes, directions and quaternions (numpy, float64).

Everything the body, the poses and the readers of motion capture need, and nothing else: for composing and
comparing rotations use `@`; for training-time rotations use torch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

Vector = Sequence[float] | Float[np.ndarray, "3"]


def unit(vector: Vector) -> Float[np.ndarray, 3]:
    """`vector` scaled to length 1 (a zero vector stays zero)."""
    array = np.asarray(vector, dtype=np.float64)
    return array / max(float(np.sqrt(array @ array)), 1e-12)


def rot_x(angle: float) -> Float[np.ndarray, "3 3"]:
    """Right-handed rotation about x by `angle` radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def rot_y(angle: float) -> Float[np.ndarray, "3 3"]:
    """Right-handed rotation about y by `angle` radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def rot_z(angle: float) -> Float[np.ndarray, "3 3"]:
    """Right-handed rotation about z by `angle` radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def _skew(v: Float[np.ndarray, 3]) -> Float[np.ndarray, "3 3"]:
    return np.array([[0.0, -v[2], v[1]], [v[2], 0.0, -v[0]], [-v[1], v[0], 0.0]])


def axis_rotation(axis: Vector, angle: float) -> Float[np.ndarray, "3 3"]:
    """Right-handed rotation by `angle` radians about any `axis` (Rodrigues' formula)."""
    k = _skew(unit(axis))
    return np.eye(3) + np.sin(angle) * k + (1.0 - np.cos(angle)) * k @ k


def minimal_rotation(source: Vector, target: Vector) -> Float[np.ndarray, "3 3"]:
    """The rotation of smallest angle that takes the direction `source` to the direction `target`.

    For opposite directions, where every axis at right angles does, a fixed one is taken.
    """
    a, b = unit(source), unit(target)
    cosine = float(a @ b)
    if cosine < -0.999999:
        axis = unit(np.cross(a, [0.0, 1.0, 0.3] if abs(a[1]) < 0.9 else [1.0, 0.0, 0.0]))
        return 2.0 * np.outer(axis, axis) - np.eye(3)
    k = _skew(np.cross(a, b))
    return np.eye(3) + k + k @ k / (1.0 + cosine)


def euler_matrices(order: str, angles: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n 3 3"]:
    """Products of axis rotations: for order "ZYX" and columns (a, b, c) it is Rz(a) Ry(b) Rx(c).

    Angles in radians. This is the order in which motion-capture files list their channels.
    """
    result = np.tile(np.eye(3), (len(angles), 1, 1))
    for column, axis in enumerate(order):
        i, j = {"X": (1, 2), "Y": (2, 0), "Z": (0, 1)}[axis]
        c, s = np.cos(angles[:, column]), np.sin(angles[:, column])
        turn = np.tile(np.eye(3), (len(angles), 1, 1))
        turn[:, i, i] = turn[:, j, j] = c
        turn[:, i, j], turn[:, j, i] = -s, s
        result = result @ turn
    return result


def quaternions_to_matrices(xyzw: Float[np.ndarray, "*n 4"]) -> Float[np.ndarray, "*n 3 3"]:
    """Rotation matrices of quaternions in (x, y, z, w) order, of any non-zero length."""
    q = xyzw / np.linalg.norm(xyzw, axis=-1, keepdims=True)
    x, y, z, w = np.moveaxis(q, -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def matrices_to_quaternions(matrices: Float[np.ndarray, "*n 3 3"]) -> Float[np.ndarray, "*n 4"]:
    """Unit quaternions (x, y, z, w) with w >= 0 of rotation matrices.

    Takes, per matrix, the largest of the four equivalent forms (Shepperd 1978), so that it is exact at half turns.
    """
    m = matrices
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    a, b, c = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    d, e, f = m[..., 1, 0] + m[..., 0, 1], m[..., 2, 0] + m[..., 0, 2], m[..., 2, 1] + m[..., 1, 2]
    forms = np.stack(
        [
            np.stack([1 + xx - yy - zz, d, e, a], -1),
            np.stack([d, 1 - xx + yy - zz, f, b], -1),
            np.stack([e, f, 1 - xx - yy + zz, c], -1),
            np.stack([a, b, c, 1 + xx + yy + zz], -1),
        ],
        -2,
    )
    best = np.argmax(np.stack([xx - yy - zz, yy - xx - zz, zz - xx - yy, xx + yy + zz], -1), -1)
    q = np.take_along_axis(forms, best[..., None, None], -2)[..., 0, :]
    q = q / np.linalg.norm(q, axis=-1, keepdims=True)
    return np.where(q[..., 3:] < 0, -q, q)
