"""Slow, obvious twins of the official protocols: one person, one joint at a time, written from the papers' rules.

Joints are numbered as in the files: mpi_inf_3dhp_17 has the pelvis at 14, the spine at 15, the head at 16.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

PARENTS = (1, 15, 1, 2, 3, 1, 5, 6, 14, 8, 9, 14, 11, 12, 14, 14, 1)
"""Parent of each of MuPoTS-3D's 17 joints."""
TRAVERSAL = (15, 1, 0, 16, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13)
PELVIS = 14


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def relative_errors(predicted: np.ndarray, true: np.ndarray, root: int) -> list[list[float]]:
    """Error of each joint of each person after subtracting the root."""
    return [
        [math.dist(p[j] - p[root], t[j] - t[root]) for j in range(len(t))]
        for p, t in zip(predicted.copy(), true.copy())
    ]


def mean_of_parts(errors: list[list[float]], names: list[str]) -> float:
    """Each part averaged over its people and joints, then the parts."""
    parts = []
    for name in sorted(set(names)):
        parts.append(mean([e for person, n in zip(errors, names) if n == name for e in person]))
    return mean(parts)


def pck(errors: list[float], threshold: float = 150.0) -> float:
    return 100 * mean([1.0 if e < threshold else 0.0 for e in errors])


def auc_31(errors: list[float]) -> float:
    """Mean of the strict PCK at 0, 5 ... 150."""
    return mean([pck(errors, 5.0 * k) for k in range(31)])


def auc_3dpw(errors: list[float]) -> float:
    """Trapezoids over the inclusive PCK at 0, 1 ... 199, per cent."""
    curve = [mean([1.0 if e <= k else 0.0 for e in errors]) for k in range(200)]
    return 100 * sum((a + b) / 2 for a, b in pairwise(curve)) / 199


def pck_3dpw(errors: list[float]) -> float:
    return 100 * mean([1.0 if e <= 50.0 else 0.0 for e in errors])


def knee_neck(pose: np.ndarray) -> float:
    """Left knee to left hip, pelvis to spine, spine to neck."""
    return math.dist(pose[12], pose[11]) + math.dist(pose[14], pose[15]) + math.dist(pose[15], pose[1])


def matched(true_px: list[np.ndarray], found_px: list[np.ndarray], within: float = 40.0) -> list[int | None]:
    """MuPoTS-3D: for each annotated person of an image the person that it is, by the joints from the neck on to 13."""
    taken: set[int] = set()
    out: list[int | None] = []
    for person in true_px:
        best, choice = 0, None
        for number, other in enumerate(found_px):
            if number in taken:
                continue
            votes = 0
            for j in range(1, 14):
                dx, dy = abs(person[j][0] - other[j][0]), abs(person[j][1] - other[j][1])
                there = other[j][0] != 0 or other[j][1] != 0
                votes += bool(there and dx < within and dy < within)
            if votes > best:
                best, choice = votes, number
        out.append(choice)
        if choice is not None:
            taken.add(choice)
    return out


def with_true_bones(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """MuPoTS-3D: the predicted bones with their true lengths, from the pelvis outwards."""
    out = predicted.copy()
    for j in TRAVERSAL:
        parent = PARENTS[j]
        bone = predicted[j] - predicted[parent]
        length = math.dist(true[j], true[parent])
        out[j] = out[parent] + bone * length / math.sqrt(float(bone @ bone))
    return out


def mupots_errors(predicted: np.ndarray | None, true: np.ndarray, *, absolute: bool, rescale: bool) -> list[float]:
    """Errors of the 14 joints of one annotated person; somebody who was not found is 100 m away."""
    if predicted is None:
        return [1e5] * 14
    p, t = predicted.copy(), true.copy()
    if not absolute:
        p, t = p - p[PELVIS], t - t[PELVIS]
    if rescale:
        p = with_true_bones(p, t)
    return [math.dist(p[j], t[j]) for j in range(14)]


def rigid(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """The prediction after the best rotation and translation (Kabsch), its size kept."""
    p, t = predicted - predicted.mean(0), true - true.mean(0)
    u, _, vh = np.linalg.svd(p.T @ t)
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vh))])
    return p @ (u @ flip @ vh) + true.mean(0)
