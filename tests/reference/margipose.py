"""MargiPose written out joint by joint in numpy float64, from the paper's equations."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar


def expectation(heatmap):
    """(column, row) of a map whose cell i lies at (2i + 1)/n - 1, cell by cell."""
    n, column, row = len(heatmap), 0.0, 0.0
    for i in range(n):
        for k in range(n):
            row += heatmap[i, k] * ((2 * i + 1) / n - 1)
            column += heatmap[i, k] * ((2 * k + 1) / n - 1)
    return column, row


def coordinates(maps):
    """Eq. 3 for maps (3, j, n, n): x, y from xy; z the mean of zy's columns and xz's rows."""
    found = []
    for joint in range(maps.shape[1]):
        (x, y), (z_zy, _), (_, z_xz) = (expectation(maps[plane, joint]) for plane in range(3))
        found.append((x, y, (z_zy + z_xz) / 2))
    return np.array(found)


def kappa(K, side):
    c = max(side / K[0, 0], side / K[1, 1])
    return np.tan(np.arctan(c) / 2)


def points(u, K, side, z_ref):
    """Camera-frame points of normalised coordinates (j, 3) at reference depth z_ref, projective codec."""
    out = []
    for x, y, z in u:
        pixel = np.array([(x + 1) / 2 * side - 0.5, (y + 1) / 2 * side - 0.5, 1.0])
        depth = z_ref / (1 - kappa(K, side) * z)
        out.append(np.linalg.solve(K, pixel) * depth)
    return np.array(out)


def height(joints, names, legs):
    """Knee to neck; `names` gives each joint's index."""

    def bone(a, b):
        return np.linalg.norm(joints[names[a]] - joints[names[b]])

    thighs = [bone(f"{side}_hip", f"{side}_knee") for side in legs]
    upper = "neck" if "neck" in names else "thorax"
    return np.mean(thighs) + bone("pelvis", "spine") + bone("spine", upper)


def searched_depth(u, K, side, names, legs, wanted):
    """The published search: the depth at which the pose is as tall as wanted."""
    found = minimize_scalar(
        lambda z: (wanted / height(points(u, K, side, z), names, legs) - 1) ** 2,
        bounds=(100, 20_000), method="bounded", options={"xatol": 1e-6},
    )  # fmt: skip
    return found.x


def gaussian(column, row, n, sigma):
    """Target map, sigma in cells, normalised."""
    heatmap = np.zeros((n, n))
    for i in range(n):
        for k in range(n):
            dx, dy = (2 * k + 1) / n - 1 - column, (2 * i + 1) / n - 1 - row
            heatmap[i, k] = np.exp(-(dx**2 + dy**2) / (2 * (2 * sigma / n) ** 2))
    return heatmap / (heatmap.sum() + 1e-24)


def jsd(p, q):
    m = (p + q) / 2
    return (np.sum(p * np.log((p + 1e-24) / (m + 1e-24))) + np.sum(q * np.log((q + 1e-24) / (m + 1e-24)))) / 2


def losses(maps, target, weights, sigma=1.0):
    """Eqs. 6 and 7 with one weight (0 or 1) per axis, over stages t, samples b and joints j.

    Args:
        maps: (t, b, 3, j, n, n).
        target: (b, j, 3).
        weights: (b, j, 3).
    """
    t, b, _, j, n, _ = maps.shape
    sums = {"coordinates": 0.0, "map_xy": 0.0, "map_zy": 0.0, "map_xz": 0.0}
    for s in range(b):
        for k in range(j):
            known = weights[s, k] > 0
            for stage in range(t):
                u = coordinates(maps[stage, s, :, k : k + 1])[0]
                if known.any():
                    sums["coordinates"] += np.sqrt(((u - target[s, k])[known] ** 2).sum())
                for plane, (name, axes) in enumerate({"map_xy": (0, 1), "map_zy": (2, 1), "map_xz": (0, 2)}.items()):
                    if known[list(axes)].all():
                        ideal = gaussian(target[s, k, axes[0]], target[s, k, axes[1]], n, sigma)
                        sums[name] += jsd(maps[stage, s, plane, k], ideal)
    count = max(1, (weights > 0).any(-1).sum())
    return {name: value / count for name, value in sums.items()}
