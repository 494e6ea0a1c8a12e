"""Human3.6M's poses: CDF files, in the camera's frame or the world's, or VideoPose3D's collection of them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from metricpose.data.faults import fault, need_file
from metricpose.data.readers.h36m_layout import JOINT_COUNT, JOINTS, Recording
from metricpose.data.safe_pickle import read_npz
from metricpose.data.scientific import read_cdf

COLLECTION = "data_3d_h36m.npz"
_FOLDERS = ("MyPoseFeatures/{}", "Poses_{}")  # as the archives unpack, and as h36m-fetch names them
_KINDS = ("D3_Positions_mono", "D3_Positions")
_THIGH = (JOINTS.index(1), JOINTS.index(2)), (JOINTS.index(6), JOINTS.index(7))
_THIGH_MM = (250.0, 700.0)


class PoseFile(NamedTuple):
    """Where the 3D poses of a view are: a CDF file of a kind, or the collection."""

    path: Path
    kind: str

    @property
    def in_camera(self) -> bool:
        """Whether they are in the camera's frame rather than the world's."""
        return self.kind == _KINDS[0]


def find_poses(folder: Path, recording: Recording, camera: str) -> PoseFile:
    """The file with the poses of a view: camera frame before world frame before VideoPose3D's collection.

    Raises:
        DataError: there is none.
    """
    names = {_KINDS[0]: f"{recording.view(camera)}.cdf", _KINDS[1]: f"{recording.name}.cdf"}
    for kind, name in names.items():
        for pattern in _FOLDERS:
            path = folder / recording.subject / pattern.format(kind) / name
            if path.is_file():
                return PoseFile(path, kind)
    if (folder / COLLECTION).is_file():
        return PoseFile(folder / COLLECTION, COLLECTION)
    path = folder / recording.subject / _FOLDERS[0].format(_KINDS[0]) / names[_KINDS[0]]
    remedy = (
        f"Extract Poses_{_KINDS[0]}_{recording.subject}.tgz, or Poses_{_KINDS[1]}_{recording.subject}.tgz; or put "
        f"VideoPose3D's {COLLECTION} into {folder}."
    )
    return PoseFile(need_file(path, "poses of Human3.6M", remedy), _KINDS[0])


@lru_cache(maxsize=16)
def read_poses(file: PoseFile, recording: Recording) -> Float[np.ndarray, "t 17 3"]:
    """Joints of h36m_17 in millimetres, in the frame that the file's kind says.

    Raises:
        DataError: the file cannot be read, lacks the recording, or holds something else.
    """
    if file.kind == COLLECTION:
        joints = _from_collection(file.path, recording) * 1000.0
    else:
        joints = _split(read_cdf(file.path, "Pose"), 3, file.path)
    joints = np.ascontiguousarray(joints[:, list(JOINTS)], np.float64)
    _check(joints, file.path, recording)
    return joints


def find_pixels(folder: Path, recording: Recording, camera: str) -> Path | None:
    """The file with the official 2D labels of a view, if it is there."""
    paths = (folder / recording.subject / pattern.format("D2_Positions") for pattern in _FOLDERS)
    return next((p for f in paths if (p := f / f"{recording.view(camera)}.cdf").is_file()), None)


@lru_cache(maxsize=16)
def read_pixels(path: Path) -> Float[np.ndarray, "t 17 2"]:
    """Joints of h36m_17 in pixels.

    Raises:
        DataError: the file cannot be read, or holds something else.
    """
    return np.ascontiguousarray(_split(read_cdf(path, "Pose"), 2, path)[:, list(JOINTS)], np.float64)


def _split(pose: np.ndarray, axes: int, path: Path) -> np.ndarray:
    """(1, t, 32 axes) as it is stored -> (t, 32, axes)."""
    wide = JOINT_COUNT * axes
    if pose.ndim == 3 and len(pose) == 1:
        pose = pose[0]
    if pose.ndim != 2 or pose.shape[1] != wide or pose.dtype.kind != "f":
        wanted = f"a variable Pose of {JOINT_COUNT} joints, 1 x frames x {wide} numbers"
        raise fault(path, wanted, f"shape {pose.shape}, type {pose.dtype}", "Is it a file of another folder?")
    return pose.reshape(len(pose), JOINT_COUNT, axes)


def _check(joints: Float[np.ndarray, "t 17 3"], path: Path, recording: Recording) -> None:
    if not len(joints) or not np.isfinite(joints).all():
        bad = np.flatnonzero(~np.isfinite(joints).all((1, 2)))
        found = f"NaN or infinity from frame {bad[0]}" if len(joints) else "no frames"
        raise fault(path, f"finite coordinates of all joints of {recording.name}", found)
    thigh = np.median([np.linalg.norm(joints[:, a] - joints[:, b], axis=-1) for a, b in _THIGH])
    if not _THIGH_MM[0] < thigh < _THIGH_MM[1]:
        wanted = f"thighs of {_THIGH_MM[0]:.0f} to {_THIGH_MM[1]:.0f} mm in {recording.name}"
        raise fault(path, wanted, f"{thigh:.4g}", "Is the file in another unit, or its joints in another order?")


@lru_cache(maxsize=1)
def _collection(path: Path) -> dict[str, Any]:
    found = read_npz(path).get("positions_3d")
    if not isinstance(found, dict) or not all(isinstance(actions, dict) for actions in found.values()):
        wanted = "VideoPose3D's array positions_3d, which maps subjects to recordings"
        raise fault(path, wanted, type(found).__name__, "Make it with VideoPose3D's prepare_data_h36m.py.")
    return found


def _from_collection(path: Path, recording: Recording) -> np.ndarray:
    """(t, 32, 3) metres, in the world."""
    there = _collection(path).get(recording.subject, {})
    poses = next((there[name] for name in (recording.name, recording.short_name) if name in there), None)
    if poses is None:
        wanted = f"the recording {recording.short_name} of {recording.subject}"
        raise fault(path, wanted, ", ".join(sorted(there)) or "no recording", "VideoPose3D leaves out S11/Directions.")
    if not isinstance(poses, np.ndarray) or poses.ndim != 3 or poses.shape[1:] != (JOINT_COUNT, 3):
        wanted = f"frames x {JOINT_COUNT} x 3 numbers for {recording.subject}/{recording.short_name}"
        raise fault(path, wanted, str(getattr(poses, "shape", type(poses).__name__)))
    return np.asarray(poses, np.float64)
