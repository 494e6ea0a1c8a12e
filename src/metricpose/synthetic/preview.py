"""A contact sheet of rendered people, to look at."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8

from metricpose.skeleton.catalog import METRICPOSE_25
from metricpose.synthetic.generator import Generator, SyntheticSample
from metricpose.types import VISIBLE

_LEFT, _RIGHT, _CENTRE = (0, 114, 178), (213, 94, 0), (90, 90, 90)


def contact_sheet(
    generator: Generator, count: int, columns: int = 6, first: int = 0, joints: bool = True
) -> UInt8[np.ndarray, "h w 3"]:
    """Scenes `first`, `first + 1`, ... in rows of `columns`; with `joints`, their labels drawn over them."""
    tiles = []
    for index in range(first, first + count):
        sample = generator.scene(index)
        tiles.append(overlay(sample) if joints else sample.image)
    tiles += [np.zeros_like(tiles[0])] * (-count % columns)
    return np.vstack([np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)])


def overlay(sample: SyntheticSample) -> UInt8[np.ndarray, "s s 3"]:
    """The image with its skeleton: left blue, right vermillion, hidden joints hollow, and a line of facts."""
    image = sample.image.copy()
    points = np.round(sample.joints_px * 8).astype(int)
    for parent, child in METRICPOSE_25.edges:
        colour = _colour(METRICPOSE_25.joints[child])
        cv2.line(image, tuple(points[parent].tolist()), tuple(points[child].tolist()), colour, 1, cv2.LINE_AA, 3)
    for j, name in enumerate(METRICPOSE_25.joints):
        filled = -1 if sample.visibility[j] == VISIBLE else 1
        cv2.circle(image, tuple(points[j].tolist()), 16, _colour(name), filled, cv2.LINE_AA, 3)
    info = sample.info
    text = f"{info['pose']} {info['background']} {info['age_years']:.0f}y {info['distance_mm'] / 1e3:.1f}m"
    cv2.putText(image, text, (3, 10), cv2.FONT_HERSHEY_SIMPLEX, 0.32, (255, 255, 255), 1, cv2.LINE_AA)
    return image


def _colour(joint: str) -> tuple[int, int, int]:
    return {"l_": _LEFT, "r_": _RIGHT}.get(joint[:2], _CENTRE)
