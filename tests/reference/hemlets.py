"""HEMlets Pose joint by joint and map by map in numpy: decoding of a volume, and the loss."""

from __future__ import annotations

import numpy as np

from reference import heatmaps, targets


def decode(logits: np.ndarray, K: np.ndarray, side: int, box_mm: float, root: int, root_depth: float) -> np.ndarray:
    """Camera-frame joints (J, 3) of one person from volumes (J, D, h, w) of logits."""
    points, depths = [], []
    for volume in logits.astype(np.float64):
        z, y, x = heatmaps.mean(heatmaps.softmax(volume), [heatmaps.corner(n) for n in volume.shape])
        points.append(np.linalg.solve(K, [x * side - 0.5, y * side - 0.5, 1]))
        depths.append(z * box_mm)
    return np.array([p / p[2] * (root_depth + d - depths[root]) for p, d in zip(points, depths)])


def loss(
    output: dict[str, np.ndarray],
    labels: dict[str, np.ndarray],
    parts: list[tuple[int, int]],
    settings: dict,
) -> dict[str, float]:
    """The four terms; `labels` has a batch's fields, `settings` side, box_mm, root, sigma, states, alpha, outside."""
    count = len(labels["uv_w"])
    total = dict.fromkeys(("xy", "z", "hemlets", "joint_maps"), 0.0)
    for i in range(count):
        one = {k: v[i] for k, v in labels.items()}
        for name, value in _sample({k: v[i] for k, v in output.items()}, one, parts, settings).items():
            total[name] += value / count
    return total


def _sample(output, labels, parts, settings) -> dict[str, float]:
    side, joints = settings["side"], len(labels["uv_w"])
    size = output["joint_maps"].shape[-2:]
    total = dict.fromkeys(("xy", "z", "hemlets", "joint_maps"), 0.0)
    maps, drawn = np.zeros((joints, *size)), np.zeros(joints, bool)
    root_known = labels["z_w"][settings["root"]] > 0
    for j in range(joints):
        has_xy, has_z = labels["uv_w"][j] > 0, labels["z_w"][j] > 0 and root_known
        xy = (labels["joints_px"][j] + 0.5) / side
        z = (labels["joints_mm"][j, 2] - labels["joints_mm"][settings["root"], 2]) / settings["box_mm"] + 0.5
        out_xy, out_z = has_xy and not ((xy >= 0) & (xy <= 1)).all(), has_z and not 0 <= z <= 1
        if settings["outside"] == "mask" and (out_xy or out_z):
            continue
        if settings["outside"] == "clamp":
            xy, z = np.clip(xy, 0, 1), np.clip(z, 0, 1)
        if has_xy:
            predicted = (output["px"][j] + 0.5) / side
            total["xy"] += labels["uv_w"][j] * np.abs(predicted - xy).sum()
            if not out_xy or settings["outside"] == "keep":
                drawn[j] = True
                maps[j] = targets.gaussian(xy, size, settings["sigma"], "corner")
                squared = ((output["joint_maps"][j] - maps[j]) ** 2).sum()
                total["joint_maps"] += settings["alpha"] * labels["uv_w"][j] * squared
        if has_z:
            total["z"] += labels["z_w"][j] * abs(output["depth_mm"][j] / settings["box_mm"] - z)
    for k, part in enumerate(parts):
        r = _polarity(labels, part, settings["states"])
        if r is None or not (drawn[part[0]] and drawn[part[1]]):
            continue
        target = targets.triplets(maps, [part], np.array([r]), np.array([True]), settings["states"])[0]
        weight = labels["uv_w"][part[0]] * labels["uv_w"][part[1]]
        total["hemlets"] += settings["alpha"] * weight * ((output["hemlets"][k] - target) ** 2).sum()
    return total


def _polarity(labels, part: tuple[int, int], states: int) -> int | None:
    """From 3D where both ends have it, else from the label of their pair; None where neither knows."""
    parent, child = part
    if labels["z_w"][parent] > 0 and labels["z_w"][child] > 0:
        return targets.polarity(labels["joints_mm"][parent], labels["joints_mm"][child], states)
    pairs = [(a, b) for a in range(len(labels["z_w"])) for b in range(a + 1, len(labels["z_w"]))]
    index = pairs.index((min(part), max(part)))
    if states == 5 or labels["order_w"][index] <= 0:
        return None
    return int(labels["order"][index]) * (1 if parent < child else -1)
