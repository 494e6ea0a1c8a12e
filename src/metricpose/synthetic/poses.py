"""Where poses come from: a library of recorded ones, and the procedural sampler.

This file is the door: `CONTROLS`, `PoseSample`, `PoseLibrary`, `procedural` and `self_penetration` are all
importable from here.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import Int16

from metricpose.errors import DataError
from metricpose.synthetic.collision import self_penetration
from metricpose.synthetic.controls import (
    CONTROL_INDEX,
    CONTROL_PARENTS,
    CONTROLS,
    T_DIRECTIONS,
    PoseSample,
    mirrored,
)
from metricpose.synthetic.procedural import procedural
from metricpose.synthetic.rotations import quaternions_to_matrices

__all__ = [
    "CONTROLS",
    "CONTROL_INDEX",
    "CONTROL_PARENTS",
    "T_DIRECTIONS",
    "PoseLibrary",
    "PoseSample",
    "mirrored",
    "procedural",
    "self_penetration",
]

_SPLITS = {"train": 0, "test": 1}


class PoseLibrary:
    """Recorded poses, drawn so that every activity gets a fair share.

    File keys: `Q` (n, 22, 4) int16, local rotations as quaternions xyzw * 32767; `src` (n,) clip names; `split`
    (n,) 0 train / 1 held out, by whole clips; `act` (n,) activity names. An activity with m poses is drawn with
    probability proportional to `m ** temper`, a pose within it uniformly: the sizes of recorded sets say what was
    easy to record, not what people do.
    """

    def __init__(self, quaternions: Int16[np.ndarray, "n 22 4"], activities: np.ndarray, temper: float = 0.5) -> None:
        if len(quaternions) == 0:
            raise DataError("the pose library holds no poses for this split; bake one with both splits filled")
        self.quaternions = quaternions
        self.activities = activities
        names, which, counts = np.unique(activities, return_inverse=True, return_counts=True)
        weights = (counts.astype(np.float64) ** (temper - 1.0))[which]
        self._cumulative = np.cumsum(weights / weights.sum())
        self.names = tuple(str(name) for name in names)

    @classmethod
    def load(cls, path: str | Path, split: str = "train", temper: float = 0.5) -> PoseLibrary:
        """Read the poses of one split ("train" or "test") of a poses.npz file.

        Raises:
            DataError: the file is missing, unreadable or lacks a key, or the split is unknown or empty.
        """
        if split not in _SPLITS:
            raise DataError(f"pose split {split!r} is unknown; choose one of {sorted(_SPLITS)}")
        try:
            with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
                rows = file["split"] == _SPLITS[split]
                return cls(file["Q"][rows], file["act"][rows], temper)
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{path} is not a pose library (npz with the keys Q, src, split, act): {error}. "
                "Bake one from motion capture with `metricpose synth bake`."
            ) from error

    def __len__(self) -> int:
        return len(self.quaternions)

    def sample(self, rng: np.random.Generator, mirror: bool = True) -> PoseSample:
        """Draw one pose; with `mirror`, half of the draws are swapped left for right."""
        row = min(int(np.searchsorted(self._cumulative, rng.random())), len(self) - 1)
        local = quaternions_to_matrices(self.quaternions[row].astype(np.float64))
        if mirror and rng.random() < 0.5:
            local = mirrored(local)
        return PoseSample(local, str(self.activities[row]), False)
