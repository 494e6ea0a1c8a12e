"""Rendered people for data sets of our own making: who they are, how they move, and where their joints are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from metricpose.errors import InputError
from metricpose.geometry.camera import Camera
from metricpose.skeleton import catalog
from metricpose.skeleton.catalog import METRICPOSE_25
from metricpose.synthetic.generator import SyntheticConfig
from metricpose.synthetic.person import Person
from metricpose.synthetic.studio import Studio, joints_mm, placed

STATURE_MM = 1550
"""Readers of sets of adults refuse thighs of children."""
STANDING = {"sitting": 0.0, "sitting_down": 0.0, "floor": 0.0, "lie": 0.0, "photo": 0.0, "squat": 0.0, "kneel": 0.0}

STAND_INS: dict[str, dict[str, float]] = {
    "hand": {"wrist": 1.35, "elbow": -0.35},
    "collar": {"shoulder": 0.4, "thorax": 0.6},
    "spine1": {"pelvis": 0.6, "spine": 0.4},
    "spine2": {"spine": 0.8, "thorax": 0.2},
    "spine3": {"spine": 0.5, "thorax": 0.5},
    "neck": {"thorax": 0.8, "nose": 0.2},
    "head": {"nose": 0.5, "head_top": 0.5},
}
"""Joints that no conversion gives: so that they have a place on the body, not because that is how they are defined."""


class Truth(NamedTuple):
    """Where the joints of an item are: (J, 3) camera frame and (J, 2) pixels, millimetres."""

    mm: np.ndarray
    px: np.ndarray


@dataclass(frozen=True)
class Excerpt:
    """A data set of a few rendered people in the layout of its owners.

    Attributes:
        reader: that reads it.
        truth: split -> id -> where the joints are.
        train: split to train on; "" for a set for testing only, for which `trained_on` names another one.
        test: split that is measured, or the one that is trained on once more.
        protocols: that measure it.
        skeleton: of the network that is trained on it.
        note: what is not as in the real set.
    """

    reader: str
    folder: Path
    truth: dict[str, dict[str, Truth]]
    train: str = "train"
    test: str = ""
    protocols: tuple[str, ...] = ()
    skeleton: str = "metricpose_25"
    trained_on: str = ""
    note: str = ""


class Actors:
    """The same few people for all data sets; who was drawn is kept."""

    def __init__(self, size: int = 192) -> None:
        self._studio = Studio(SyntheticConfig(size=size, pose_shares=STANDING))
        self._people: dict[int, Person] = {}

    def walk(self, seed: int, frames: int, at: tuple[float, float] = (0.0, 0.0)) -> list[Person]:
        """Someone, as one rigid piece, who turns and walks on from a place on the ground, metres."""
        if seed not in self._people:
            self._people[seed] = self._studio.person(seed, least_mm=STATURE_MM)
        person = self._people[seed]
        return [placed(person, (at[0] + 0.06 * n, at[1] + 0.03 * n), 0.9 * seed + 0.4 * n) for n in range(frames)]

    def photograph(self, camera: Camera, *people: Person) -> np.ndarray:
        """What a camera sees."""
        return self._studio.photograph(people, camera)


def world_joints(person: Person, skeleton: str) -> np.ndarray:
    """(J, 3) joints in the world, millimetres: converted, or of equal name, or a stand-in."""
    matrix, _ = _conversion(skeleton)
    return np.asarray(matrix @ joints_mm(person), np.float64)


def stand_ins(skeleton: str) -> list[str]:
    """Joints of a skeleton that no conversion gives."""
    return _conversion(skeleton)[1]


def truth(camera: Camera, world: np.ndarray) -> Truth:
    """Where a camera has points of the world."""
    return Truth(camera.to_camera(world), camera.project(world))


def _conversion(skeleton: str) -> tuple[np.ndarray, list[str]]:
    target = catalog.get(skeleton)
    matrix, given = np.zeros((len(target), len(METRICPOSE_25))), np.zeros(len(target), bool)
    try:
        known = catalog.conversion(METRICPOSE_25, target)
        matrix, given = np.where(known.valid[:, None], known.matrix, 0.0), known.valid
    except InputError:  # nobody has measured how this set's joints lie
        pass
    absent = [joint for joint, there in zip(target.joints, given) if not there]
    for joint in absent:
        side, _, name = joint.rpartition("_") if joint[:2] in ("l_", "r_") else ("", "", joint)
        for part, weight in STAND_INS.get(name, {name: 1.0}).items():
            sided = f"{side}_{part}"
            source = sided if sided in METRICPOSE_25.joints else part
            matrix[target.index(joint), METRICPOSE_25.index(source)] += weight
    return matrix, absent
