"""HumanEva-I's recordings: which frames are for training and which for validation, and where they are in the videos."""

from __future__ import annotations

from typing import NamedTuple

CAMERAS = ("C1", "C2", "C3")
SUBJECTS = ("S1", "S2", "S3")
TRAIN, VALIDATE = "Train", "Validate"

_FRAMES = {
    "Walking": ((5, 590, 1203), (5, 438, 876), (5, 448, 939)),
    "Jog": ((5, 367, 740), (5, 398, 795), (5, 401, 842)),
    "ThrowCatch": ((5, 473, 945), (5, 550, 1128), None),
    "Gestures": ((5, 395, 801), (5, 500, 901), (5, 533, 1102)),
    "Box": ((5, 385, 789), (5, 382, 734), (5, 512, 1021)),
}
"""First validation frame, first training frame, end, of S1, S2, S3; counted from 0, the official list from 1."""

_OFFSETS = {
    "Walking": ((82, 81, 82), (115, 115, 114), (80, 80, 80)),
    "Jog": ((51, 51, 50), (100, 100, 99), (65, 65, 65)),
    "ThrowCatch": ((61, 61, 60), (127, 127, 127), (79, 79, 79)),
    "Gestures": ((45, 45, 44), (122, 122, 121), (83, 83, 82)),
    "Box": ((57, 57, 56), (119, 119, 117), (1, 1, 1)),
}
"""Where the videos of C1, C2, C3 start, for S1, S2, S3."""


class Recording(NamedTuple):
    """One part of trial 1 of an action.

    Attributes:
        part: "Train" or "Validate".
        start, end: its frames, counted from 0, the end not included.
        offsets: of the cameras' videos.
    """

    subject: str
    action: str
    part: str
    start: int
    end: int
    offsets: tuple[int, int, int]

    @property
    def name(self) -> str:
        """For messages and ids: "Train/S1/Walking 1"."""
        return f"{self.part}/{self.subject}/{self.action} 1"

    @property
    def file(self) -> str:
        """How the files of this recording begin."""
        return f"{self.action}_1"

    def video_frame(self, row: int, camera: str) -> int:
        """Number, from 0, of the frame in a camera's video that shows frame `row` of this part."""
        return self.start + row + self.offsets[CAMERAS.index(camera)] - 1


def _recordings(part: str, *actions: str) -> tuple[Recording, ...]:
    found = []
    for number, subject in enumerate(SUBJECTS):
        for action in actions:
            frames = _FRAMES[action][number]
            if frames is not None:
                start, end = frames[:2] if part == VALIDATE else frames[1:]
                found.append(Recording(subject, action, part, start, end, _OFFSETS[action][number]))
    return tuple(found)


SPLITS = {
    "train": _recordings(TRAIN, "Walking", "Jog"),
    "validate": _recordings(VALIDATE, "Walking", "Jog"),
    "train_all": _recordings(TRAIN, *_FRAMES),
    "validate_all": _recordings(VALIDATE, *_FRAMES),
}
