"""HumanEva-I's joints as converted by VideoPose3D's scripts: MAT files, or the collection made of them."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from metricpose.data.faults import fault, need_file
from metricpose.data.readers.humaneva_layout import Recording
from metricpose.data.safe_pickle import read_npz
from metricpose.data.scientific import read_mat

CONVERTED, COLLECTION, DETECTIONS = "converted_15j", "data_3d_humaneva15.npz", "data_2d_humaneva15_*.npz"
JOINT_COUNT = 15
_THIGHS = (8, 9), (11, 12)
_THIGH_MM = (250.0, 700.0)
_REMEDY = (
    f"Convert the data set with VideoPose3D's ConvertHumanEva.m (Matlab) into {CONVERTED}, or put {COLLECTION} there."
)


class Found(NamedTuple):
    """The joints of a recording.

    Attributes:
        joints: (end - start, 15, 3) world, millimetres; NaN where there are none.
        unplaced: empty, or what is expected, found and to be done, because some poses cannot be placed in time.
    """

    joints: Float[np.ndarray, "t 15 3"]
    unplaced: tuple[str, ...] = ()


def find_poses(folder: Path, recording: Recording) -> Path:
    """The file with the poses of a recording: the MAT file before the collection.

    Raises:
        DataError: there is none.
    """
    path = folder / CONVERTED / recording.part / recording.subject / f"{recording.file}.mat"
    return path if path.is_file() else need_file(folder / COLLECTION, "poses of HumanEva-I", _REMEDY)


@lru_cache(maxsize=16)
def read_poses(path: Path, recording: Recording) -> Found:
    """The joints of a recording.

    Raises:
        DataError: the file cannot be read, lacks the recording, or holds something else.
    """
    found = _from_mat(path, recording) if path.suffix == ".mat" else _from_collection(path, recording)
    good = found.joints[np.isfinite(found.joints).all((1, 2))]
    thighs = [np.linalg.norm(good[:, a] - good[:, b], axis=-1) for a, b in _THIGHS]
    if len(good) and not _THIGH_MM[0] < np.median(thighs) < _THIGH_MM[1]:
        wanted = f"thighs of {_THIGH_MM[0]:.0f} to {_THIGH_MM[1]:.0f} mm in {recording.name}"
        raise fault(path, wanted, f"{np.median(thighs):.4g}", "Is the file in another unit, or another joint order?")
    return found


def _from_mat(path: Path, recording: Recording) -> Found:
    joints = np.asarray(read_mat(path, "poses_3d")["poses_3d"])
    wanted = recording.end - recording.start, JOINT_COUNT, 3
    if joints.shape != wanted or joints.dtype.kind != "f":
        remedy = "Convert with N_JOINTS = 15 and the official frame ranges, which are this script's."
        raise fault(path, f"poses_3d of shape {wanted}", f"{joints.shape}", remedy)
    return Found(joints.astype(np.float64))


@lru_cache(maxsize=2)
def _read_collection(path: Path, variable: str) -> dict[str, Any]:
    found = read_npz(path).get(variable)
    if not isinstance(found, dict):
        raise fault(path, f"VideoPose3D's array {variable}", type(found).__name__, _REMEDY)
    return found


def _from_collection(path: Path, recording: Recording) -> Found:
    """Put the chunks, runs of frames that all have a pose, where they were."""
    key = f"{recording.part}/{recording.subject}"
    chunks = _chunks(_read_collection(path, "positions_3d").get(key, {}), recording)
    for number, chunk in chunks.items():
        if not isinstance(chunk, np.ndarray) or chunk.ndim != 3 or chunk.shape[1:] != (JOINT_COUNT, 3):
            shape = getattr(chunk, "shape", type(chunk).__name__)
            raise fault(path, f"frames x 15 x 3 numbers for {recording.name} chunk{number}", f"{shape}", _REMEDY)
    if not chunks:
        raise fault(path, f"the recording {recording.name}", "none of its chunks", _REMEDY)
    joints = np.full((recording.end - recording.start, JOINT_COUNT, 3), np.nan)
    lengths = {number: len(chunk) for number, chunk in chunks.items()}
    _check_lengths(path, recording, lengths)
    starts, unplaced = _placed(path, recording, lengths)
    for number, start in starts.items():
        joints[start : start + lengths[number]] = chunks[number] * 1000.0
    return Found(joints, unplaced)


def _check_lengths(path: Path, recording: Recording, lengths: dict[int, int]) -> None:
    total, wanted = sum(lengths.values()), recording.end - recording.start
    if total > wanted:
        raise fault(path, f"at most {wanted} frames of {recording.name}", str(total), _REMEDY)


def _chunks(content: dict[str, Any], recording: Recording) -> dict[int, Any]:
    """Entries "Walking 1 chunk3" by their number."""
    found = {}
    for name, value in content.items():
        match = re.fullmatch(rf"{recording.action} 1 chunk(\d+)", name)
        if match:
            found[int(match.group(1))] = value
    return dict(sorted(found.items()))


def _placed(path: Path, recording: Recording, lengths: dict[int, int]) -> tuple[dict[int, int], tuple[str, ...]]:
    """Where each chunk starts, as far as it is known, and what to say if it is not known of all.

    Chunks with and without poses take turns and are numbered together; only those with poses are in the collection.
    """
    wanted = recording.end - recording.start
    if sum(lengths.values()) == wanted and list(lengths) == [0]:
        return {0: 0}, ()
    everything = lengths | _gaps(path.parent, recording)
    numbers = sorted(everything)
    if numbers == list(range(len(numbers))) and sum(everything.values()) == wanted:
        starts = np.cumsum([0, *(everything[n] for n in numbers)])
        return {n: int(starts[n]) for n in lengths}, ()
    known = {0: 0} if 0 in lengths else {}
    lost = sum(length for number, length in lengths.items() if number not in known)
    if not lost:
        return known, ()
    expected = f"to know how long the gaps of {recording.name} are"
    found = f"no lengths of gaps that add up to {wanted} frames, so {lost} frames with poses cannot be placed in time"
    remedy = f"Put VideoPose3D's data_2d_humaneva15_detectron_pt_coco.npz beside it, or use {CONVERTED}."
    return known, (expected, found, remedy)


def _gaps(folder: Path, recording: Recording) -> dict[int, int]:
    """Lengths of the chunks without poses, from the 2D detections, which are of all frames."""
    for path in sorted(folder.glob(DETECTIONS)):
        content = _read_collection(path, "positions_2d").get(f"Unlabeled/{recording.part}/{recording.subject}", {})
        gaps = {}
        for number, cameras in _chunks(content, recording).items():
            lengths = {len(camera) for camera in cameras if camera is not None}
            if len(lengths) != 1:
                raise fault(
                    path, f"equally many frames of all cameras in chunk {number}", f"{sorted(lengths)}", _REMEDY
                )
            gaps[number] = lengths.pop()
        if gaps:
            return gaps
    return {}
