"""Recordings and cameras of a small Human3.6M of people made of dots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from data.readers import dots
from layouts import h36m
from layouts.h36m import Eye, Eyes
from metricpose.data.readers.h36m_layout import CAMERAS
from metricpose.skeleton.catalog import H36M_17

FRAMES = 18
SIZES = ((340, 362), (350, 340), (340, 350), (360, 352))
"""(width, height) of the four cameras' pictures, all different."""


def eyes(lens: float = 1.0) -> Eyes:
    """Four cameras around each of 11 subjects; `lens` scales the distortion."""
    rng = np.random.default_rng(5)
    found = {}
    for view, name in enumerate(CAMERAS):
        width, height = SIZES[view]
        f = np.array([1.15, 1.16]) * 360 + rng.normal(0, 3, 2)
        c = np.array([width, height]) / 2 + rng.normal(0, 6, 2)
        k, p = lens * np.array([-0.2, 0.24, -0.004]) + 0, lens * np.array([-0.0022, -0.0017])
        for subject in range(1, 12):
            angle = 0.1 + view * np.pi / 2 - 0.02 * subject
            centre = np.array([3900 * np.cos(angle), 3900 * np.sin(angle), 1500.0 + 10 * subject])
            R = dots.look(centre, np.array([0, 0, 950.0]))
            found[subject, name] = Eye(Rotation.from_matrix(R).as_euler("XYZ"), centre, f, c, k, p, SIZES[view])
    return found


@dataclass(frozen=True)
class Take(h36m.Take):
    """Someone made of dots."""

    frames: int = FRAMES

    @property
    def world(self) -> np.ndarray:
        return np.stack([dots.pose(H36M_17.joints, n + self.subject) for n in range(self.frames)]) - (0, 70, 0)

    def picture(self, eye: Eye, frame: int) -> np.ndarray:
        return dots.paint(eye.size, eye.project(self.world[frame]))
