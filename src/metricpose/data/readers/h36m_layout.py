"""What Human3.6M's files are called: subjects, recordings, cameras, joints, splits; and which labels are known as bad.

Every reader of Human3.6M gives the same frame the same id, ``S9/Directions_1.54138969/000064``: subject, name of the
official file with an underscore for its space, camera, frame counted from 0. So predictions made from one layout can be
scored with another.
"""

from __future__ import annotations

from typing import NamedTuple

from metricpose.errors import InputError

CAMERAS = ("54138969", "55011271", "58860488", "60457274")
"""Serial numbers, in the order of metadata.xml; others number them 1 to 4."""

JOINTS = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
"""Of the 32 recorded joints, those of the skeleton h36m_17, in its order (Martinez et al. 2017)."""
JOINT_COUNT = 32

ACTIONS = (
    "Directions",
    "Discussion",
    "Eating",
    "Greeting",
    "Phoning",
    "Posing",
    "Purchases",
    "Sitting",
    "SittingDown",
    "Smoking",
    "Photo",
    "Waiting",
    "Walking",
    "WalkDog",
    "WalkTogether",
)
"""In the order of their numbers 2 to 16, which is that of most tables; number 1 is a warm-up, never used."""
FIRST_ACTION = 2

LONG_NAMES = {"Photo": "TakingPhoto", "WalkDog": "WalkingDog", "WalkTogether": "WalkingTogether"}
"""How metadata.xml, and the files of S1, call these."""

_NUMBERED = {
    1: {"Eating": "2 -", "Sitting": "1 2", "SittingDown": "2 -"},
    5: {
        "Directions": "1 2",
        "Discussion": "2 3",
        "Greeting": "1 2",
        "SittingDown": "- 1",
        "Photo": "- 2",
        "Waiting": "1 2",
    },
    6: {
        "Eating": "1 2",
        "Posing": "2 -",
        "Sitting": "1 2",
        "SittingDown": "1 -",
        "Photo": "- 1",
        "Waiting": "3 -",
    },
    7: {"Phoning": "2 -", "SittingDown": "- 1", "Photo": "- 1", "Waiting": "1 2", "Walking": "1 2"},
    8: {"SittingDown": "- 1", "WalkTogether": "1 2"},
    9: {"Discussion": "1 2", "SittingDown": "- 1"},
    11: {"Discussion": "1 2", "Greeting": "2 -", "Phoning": "3 2", "SittingDown": "- 1", "Smoking": "2 -"},
}
"""Numbers in the file names of both recordings of an action, where they are not "1" and none."""

SUBJECTS = tuple(_NUMBERED)
"""Those whose labels are distributed."""

DAMAGED = {("S11", "Directions", "54138969"): "its video was distributed damaged, and nobody's protocol uses it"}
"""(subject, recording, camera) that is always left out, and why."""

NOT_COLLECTED = ("S11", "Directions")
"""Recording that VideoPose3D's collection leaves out, for all cameras."""

SHIFTED = {("S9", "SittingDown 1"), ("S9", "Waiting 1"), ("S9", "Greeting")}
"""Recordings whose labels, boxes too, stand beside the person in the pictures (MeTRo's released code, 2020)."""
SHIFT_MM = (-200.0, 0.0, 0.0)
"""What mends them, in world coordinates; errors relative to the root do not change."""


def picture_size(subject: str, camera: str) -> tuple[int, int]:
    """(width, height) in pixels."""
    return (1000, 1002) if subject in ("S4", "S7", "S10") or camera in (CAMERAS[0], CAMERAS[3]) else (1000, 1000)


class Recording(NamedTuple):
    """One performance of an action, seen by four cameras.

    Attributes:
        subject: such as "S9".
        action: one of `ACTIONS`.
        subaction: 1 or 2.
        name: of the official files: "Directions 1".
    """

    subject: str
    action: str
    subaction: int
    name: str

    def view(self, camera: str) -> str:
        """Name of a camera's files: "Directions 1.54138969"."""
        return f"{self.name}.{camera}"

    def sequence(self, camera: str) -> str:
        """What items are filed under: "S9/Directions_1.54138969"."""
        return f"{self.subject}/{self.view(camera).replace(' ', '_')}"

    @property
    def short_name(self) -> str:
        """The name with Photo and WalkDog for TakingPhoto and WalkingDog, as VideoPose3D has it."""
        return self.action + self.name.removeprefix(self.name.split()[0])


def recordings(subject: int) -> list[Recording]:
    """The 30 recordings of a subject, in the order of their numbers.

    Raises:
        InputError: no such subject, or one whose labels are not distributed.
    """
    if subject not in _NUMBERED:
        raise InputError(f"Human3.6M has labels of S{', S'.join(map(str, SUBJECTS))}; not of S{subject}")
    return [_recording(subject, action, part) for action in ACTIONS for part in (1, 2)]


def _recording(subject: int, action: str, part: int) -> Recording:
    number = _NUMBERED[subject].get(action, "1 -").split()[part - 1]
    long = subject == 1 and action in ("Photo", "WalkDog")
    stem = LONG_NAMES[action] if long else action
    return Recording(f"S{subject}", action, part, stem if number == "-" else f"{stem} {number}")


class Split(NamedTuple):
    """Whose recordings, every how-manieth frame, and whether the labels of S9 are mended (`SHIFTED`)."""

    subjects: tuple[int, ...]
    step: int = 1
    mended: bool = True


SPLITS = {
    "train": Split((1, 5, 6, 7, 8)),
    "test": Split((9, 11), step=64),
    "test_all": Split((9, 11)),
    "test_uncorrected": Split((9, 11), step=64, mended=False),
    "train_with_s9": Split((1, 5, 6, 7, 8, 9)),
    "test_s11": Split((11,), step=64),
}
"""By content. Fewer training frames: the sampling rules of `prepare`."""

COUNTS: dict[str, int | None] = {**dict.fromkeys(SPLITS), "train": 1_559_752}
"""Items in the full set, where it is known (all frames of all cameras, as VideoPose3D counts them)."""


def item_id(sequence: str, frame: int) -> str:
    """The id of a frame, the same for every reader."""
    return f"{sequence}/{frame:06d}"
