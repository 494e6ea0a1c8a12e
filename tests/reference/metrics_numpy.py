"""Slow, obvious twins of the metrics: one person, one joint at a time, alignment by scipy."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.spatial.transform import Rotation

Value = tuple[int, int, float]


def mpjpe(predicted: np.ndarray, true: np.ndarray, root: list[int], mask: np.ndarray) -> list[Value]:
    out = []
    for i in range(len(true)):
        p, t, used = relative(predicted[i], true[i], root, mask[i])
        out += [(i, j, math.dist(p[j], t[j])) for j in used]
    return out


def n_mpjpe(predicted: np.ndarray, true: np.ndarray, root: list[int], mask: np.ndarray) -> list[Value]:
    out = []
    for i in range(len(true)):
        p, t, used = relative(predicted[i], true[i], root, mask[i])
        if used:
            best = minimize_scalar(
                lambda s, p=p, t=t, used=used: sum(math.dist(s * p[j], t[j]) ** 2 for j in used),
                bounds=(0, 10),
                method="bounded",
                options={"xatol": 1e-12},
            ).x
            out += [(i, j, math.dist(best * p[j], t[j])) for j in used]
    return out


def pa_mpjpe(predicted: np.ndarray, true: np.ndarray, mask: np.ndarray) -> list[Value]:
    """Rotation by scipy's Wahba solver, then scale and translation in closed form."""
    out = []
    for i in range(len(true)):
        used = [j for j in range(len(mask[i])) if mask[i][j]]
        if len(used) < 3:
            continue
        p, t = predicted[i][used], true[i][used]
        p_mean, t_mean = p.mean(0), t.mean(0)
        rotation = Rotation.align_vectors(t - t_mean, p - p_mean)[0]
        turned = rotation.apply(p - p_mean)
        scale = float((turned * (t - t_mean)).sum() / (turned**2).sum())
        aligned = scale * turned + t_mean
        out += [(i, j, math.dist(aligned[k], t[k])) for k, j in enumerate(used)]
    return out


def relative(
    predicted: np.ndarray, true: np.ndarray, root: list[int], mask: np.ndarray
) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray], list[int]]:
    """Root-relative joints of one person, and those that count."""
    used = [j for j in range(len(mask)) if mask[j]]
    if any(r not in used for r in root) or (used == root and len(root) == 1):
        return {}, {}, []
    centre = [np.mean([x[r] for r in root], axis=0) for x in (predicted, true)]
    return {j: predicted[j] - centre[0] for j in used}, {j: true[j] - centre[1] for j in used}, used


def distances(predicted: np.ndarray, true: np.ndarray, mask: np.ndarray) -> list[Value]:
    return [(i, j, math.dist(predicted[i][j], true[i][j])) for i, j in np.argwhere(mask).tolist()]


def bone_errors(predicted: np.ndarray, true: np.ndarray, edges: list[tuple[int, int]], mask: np.ndarray) -> list[Value]:
    out = []
    for i in range(len(true)):
        for k, (a, b) in enumerate(edges):
            if mask[i][a] and mask[i][b]:
                difference = math.dist(predicted[i][a], predicted[i][b]) - math.dist(true[i][a], true[i][b])
                out.append((i, k, abs(difference)))
    return out


def auc_thresholds(distance: float) -> float:
    """MPI-INF-3DHP's formula as written for one distance."""
    return 100 * max(0.0, 1 - math.floor(30 * distance / 150 + 1) / 31)
