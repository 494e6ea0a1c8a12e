"""What MPI-INF-3DHP's files are called: recordings, cameras, joints, splits; and which of them are known as bad."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from metricpose.data.faults import fault, need_file, need_folder
from metricpose.data.pictures import Picture

JOINTS = (7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19, 20, 4, 3, 6)
"""Of the 28 joints of the training set, those of the skeleton mpi_inf_3dhp_17, in its order, from 0."""
JOINT_COUNT = 28

FRAMES = {
    (1, 1): 6416, (1, 2): 12430, (2, 1): 6502, (2, 2): 6081, (3, 1): 12488, (3, 2): 12283, (4, 1): 6171, (4, 2): 6675,
    (5, 1): 12820, (5, 2): 12312, (6, 1): 6188, (6, 2): 6145, (7, 1): 6239, (7, 2): 6320, (8, 1): 6468, (8, 2): 6054,
}  # fmt: skip
"""(subject, sequence) -> frames of its videos, by the official table; the annotations go on for some frames more."""

SHORT = {(6, 2, 2): 3911}
"""(subject, sequence, camera) -> frames of a video that is shorter than the others of its recording."""

WITHOUT_MASKS = {(1, 2), (4, 2)}
"""Recordings whose masks of the green screen are not usable, by the official table."""

CHEST_CAMERAS = (0, 1, 2, 4, 5, 6, 7, 8)
"""Cameras at about chest height, which most papers use; the official scripts call them vnect."""
ALL_CAMERAS = tuple(range(14))

TEST_SIZES = {1: (2048, 2048), 2: (2048, 2048), 3: (2048, 2048), 4: (2048, 2048), 5: (1920, 1080), 6: (1920, 1080)}
"""(width, height) of the pictures of TS1 to TS6."""
TEST_SCENES = {1: "green screen", 2: "green screen", 3: "studio", 4: "studio", 5: "outdoor", 6: "outdoor"}
TEST_FRAMES = 603 + 540 + 505 + 553 + 276 + 452
"""Frames marked as valid, TS1 to TS6."""
ACTIVITIES = ("Stand/Walk", "Exercise", "Sit on Chair", "Reach/Crouch", "On Floor", "Sports", "Misc.")
"""What the numbers 1 to 7 in the test set stand for."""

_REMEDY = "Download it with get_dataset.sh, or choose a split without it."


class Recording(NamedTuple):
    """A sequence of a subject."""

    subject: int
    sequence: int

    def folder(self, root: Path) -> Path:
        """Where its files are."""
        return root / f"S{self.subject}" / f"Seq{self.sequence}"

    def name(self, camera: int) -> str:
        """What items are filed under: "S1/Seq2.5"."""
        return f"S{self.subject}/Seq{self.sequence}.{camera}"

    def frames(self, camera: int) -> int:
        """Number of frames of a camera's video in the full set."""
        return SHORT.get((*self, camera), FRAMES[self])


class Split(NamedTuple):
    """Which part of the training set, and which labels.

    Attributes:
        recordings: of the split.
        cameras: of the split.
        universal: whether poses are univ_annot3 rather than annot3.
        inside: share of the joints that must lie in the picture.
        blacklist: (subject, sequence, camera) that are left out.
    """

    recordings: tuple[Recording, ...]
    cameras: tuple[int, ...] = CHEST_CAMERAS
    universal: bool = False
    inside: float = 1.0
    blacklist: tuple[tuple[int, int, int], ...] = ()


_ALL = tuple(Recording(*key) for key in FRAMES)
_MARGIPOSE_VAL = (Recording(4, 1), Recording(8, 2))
_METRIC = {
    "train": Split(_ALL),
    "train_full": Split(_ALL, ALL_CAMERAS, inside=1 / 3),
    "metrabs_train": Split(tuple(r for r in _ALL if r.subject != 8)),
    "metrabs_val": Split(tuple(r for r in _ALL if r.subject == 8)),
    "margipose_train": Split(tuple(r for r in _ALL if r not in _MARGIPOSE_VAL), blacklist=tuple(SHORT)),
    "margipose_val": Split(_MARGIPOSE_VAL),
}
UNIVERSAL = "_universal"
TRAIN_SPLITS = _METRIC | {f"{name}{UNIVERSAL}": split._replace(universal=True) for name, split in _METRIC.items()}
TEST_SPLITS = {"test": False, f"test{UNIVERSAL}": True}
"""Name -> whether poses are univ_annot3."""
COUNTS: dict[str, int | None] = {**dict.fromkeys(TRAIN_SPLITS), **dict.fromkeys(TEST_SPLITS, TEST_FRAMES)}


class Frames(NamedTuple):
    """Where the pictures of a camera are: a video, or image files by frame number.

    Attributes:
        path: the video, or the folder of the image files.
        pattern: of the image files, which are numbered from 1; empty for a video.
        there: numbers, from 0, of the image files that exist; None for a video.
    """

    path: Path
    pattern: str = ""
    there: Int[np.ndarray, " n"] | None = None

    def picture(self, number: int) -> Picture:
        """Frame `number`, from 0."""
        if not self.pattern:
            return Picture(self.path, number)
        return Picture(self.path / self.pattern.format(number + 1))


_PATTERNS = ("{kind}/img_{camera}_{{:06d}}", "{kind}/video_{camera}/img_{{:06d}}")
_SPIN = "imageFrames/video_{camera}/frame_{{:06d}}"


def find_frames(folder: Path, kind: str, camera: int) -> Frames | None:
    """The pictures of a camera, or its masks, below the folder of a recording; None if there are none.

    Args:
        kind: "imageSequence", "FGmasks" or "ChairMasks".
    """
    video = folder / kind / f"video_{camera}.avi"
    if video.is_file():
        return Frames(video)
    for place in (*_PATTERNS, _SPIN) if kind == "imageSequence" else _PATTERNS:
        path, name = (folder / place.format(kind=kind, camera=camera)).parent, place.rpartition("/")[2]
        for suffix in (".jpg", ".png"):
            pattern = name.format(camera=camera) + suffix
            there = _numbers(path, pattern)
            if len(there):
                return Frames(path, pattern, there)
    return None


def _numbers(folder: Path, pattern: str) -> Int[np.ndarray, " n"]:
    """Numbers, from 0, of the files that fit a pattern such as img_3_{:06d}.jpg, numbered from 1."""
    start, end = pattern.split("{:06d}")
    stems = (p.name.removeprefix(start).removesuffix(end) for p in folder.glob(f"{start}*{end}"))
    return np.array(sorted(int(s) - 1 for s in stems if s.isdecimal()), np.int64)


def need_frames(folder: Path, camera: int) -> Frames:
    """The pictures of a camera.

    Raises:
        DataError: there are none.
    """
    found = find_frames(folder, "imageSequence", camera)
    video = folder / "imageSequence" / f"video_{camera}.avi"
    return found if found is not None else Frames(need_file(video, "a video of MPI-INF-3DHP", _REMEDY))


def need_recording(root: Path, recording: Recording) -> Path:
    """The folder of a recording.

    Raises:
        DataError: there is none.
    """
    return need_folder(recording.folder(root), "the folder of a recording of MPI-INF-3DHP", _REMEDY)


def find_test_folder(root: Path, number: int) -> Path:
    """The folder TS1 to TS6, wherever the archive was extracted.

    Raises:
        DataError: there is none.
    """
    name = "mpi_inf_3dhp_test_set"
    for place in (root, root / name, root / name / name):
        if (place / f"TS{number}").is_dir():
            return place / f"TS{number}"
    remedy = "Download the test set with get_testset.sh."
    raise fault(root / f"TS{number}", "the folder of a test recording of MPI-INF-3DHP", "no such folder", remedy)
