"""3DPW: people outdoors, filmed with a telephone that is carried along; SMPL fitted to video and inertial sensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from metricpose.data.faults import COPY_AGAIN, Faults, fault, need_folder
from metricpose.data.pictures import Picture, picture_size
from metricpose.data.readers.contract import Description, Index, Item, Labels, Reader, Stretch
from metricpose.data.readers.photographs import box_around
from metricpose.data.safe_pickle import read_pickle
from metricpose.geometry.camera import Camera
from metricpose.types import OUTSIDE, UNKNOWN

_FOLDERS = {"train": "train", "validation": "validation", "test": "test"}

ABOUT = Description(
    name="3dpw",
    title="3D Poses in the Wild",
    labels="3D, metric, of SMPL fitted to video and inertial sensors",
    licence="non-commercial research, by agreement on the page; no passing on",
    source="https://virtualhumans.mpi-inf.mpg.de/3DPW (imageFiles.zip, sequenceFiles.zip, after accepting the licence)",
    citation=(
        "von Marcard, Henschel, Black, Rosenhahn, Pons-Moll: Recovering Accurate 3D Human Pose in The Wild Using IMUs "
        "and a Moving Camera. ECCV 2018"
    ),
    skeleton="smpl_24",
    joints="the 24 of SMPL in its order, jointPositions of each actor",
    units="metres in the files",
    camera="cam_intrinsics of each sequence, cam_poses (world -> camera) of each frame; no lens distortion",
    skips="frames of an actor whose campose_valid is 0: pose and picture are not aligned there",
    layout={
        "sequenceFiles/test/*.pkl": "poses and cameras, pickles of Python 2; and train, validation",
        "imageFiles/downtown_walking_00/image_00000.jpg": "pictures of each sequence, 30 a second",
    },
    splits={"test": 35_515, "train": None, "validation": None},
    notes=(
        "60 sequences: 24 for test, 24 for training, 12 for validation; most papers train on none of them",
        "pickles are read without executing them",
        "the camera moves: extrinsics belong to a frame, and the world's axes are those of a sequence",
        "SMPL's joints are not Human3.6M's; the published numbers are of 14 joints regressed from SMPL's surface, "
        "which these files do not hold",
        "one or two actors; each is an item; others in the picture have no labels",
        "poses2d (18 points of OpenPose's COCO order) are detections: no labels, but counted in the fact `detected`",
    ),
)
_REMEDY = "Extract sequenceFiles.zip and imageFiles.zip of 3DPW into the folder."
_MM = 1000.0
_BOX_MARGIN = 0.15
_RIGID = 1e-3


@dataclass(frozen=True, eq=False)
class Recording:
    """A sequence.

    Attributes:
        K: (3, 3).
        poses: (f, 4, 4) world -> camera, millimetres.
        joints: (a, f, 24, 3) of each actor in the world, millimetres.
        valid: (a, f) whether pose and picture are aligned.
        detected: (a, f) number of detected 2D points, 0 where nobody was.
        genders: of the actors.
    """

    K: Float[np.ndarray, "3 3"]
    poses: Float[np.ndarray, "f 4 4"]
    joints: Float[np.ndarray, "a f 24 3"]
    valid: Bool[np.ndarray, "a f"]
    detected: Int[np.ndarray, "a f"]
    genders: tuple[str, ...]


class Row(NamedTuple):
    """Where the labels of an item are."""

    path: Path
    actor: int
    frame: int


def index(folder: Path, split: str, faults: Faults) -> Sequence[Item]:
    """The frames of each actor of each sequence, one actor after the other."""
    return Index(list(_stretches(folder, split, faults)))


def _stretches(folder: Path, split: str, faults: Faults) -> Iterator[Stretch]:
    place = need_folder(folder / "sequenceFiles" / _FOLDERS[split], "the sequences of 3DPW", _REMEDY)
    for path in sorted(place.glob("*.pkl")):
        with faults.catch(f"{split}/{path.stem}"):
            recording = read_recording(path)
            pictures = need_folder(folder / "imageFiles" / path.stem, f"the pictures of {path.stem}", _REMEDY)
            _need_pictures(pictures, len(recording.poses))
            for actor, valid in enumerate(recording.valid):
                frames = np.flatnonzero(valid)
                if not valid.all():
                    why = f"{(~valid).sum()} of {len(valid)} frames: pose and picture are not aligned"
                    faults.omit(f"{path.stem}, actor {actor}", why)
                yield Stretch(len(frames), partial(_item, path, pictures, actor, frames))


def _need_pictures(folder: Path, frames: int) -> None:
    found = sum(1 for _ in folder.glob("image_*.jpg"))
    if found < frames:
        raise fault(folder, f"{frames} pictures, as many as the sequence has frames", str(found), _REMEDY)


def _item(path: Path, pictures: Path, actor: int, frames: Int[np.ndarray, " n"], number: int) -> Item:
    frame, sequence = int(frames[number]), f"{path.stem}.{actor}"
    picture = Picture(pictures / f"image_{frame:05d}.jpg")
    return Item(f"{sequence}/{frame:05d}", picture, Row(path, actor, frame), sequence, frame)


@lru_cache(maxsize=4)
def read_recording(path: Path) -> Recording:
    """A sequence file.

    Raises:
        DataError: missing, damaged, no such file, or its parts do not fit each other.
    """
    content = read_pickle(path)
    names = ("jointPositions", "cam_poses", "cam_intrinsics", "campose_valid")
    missing = [n for n in names if not isinstance(content, dict) or n not in content]
    if missing:
        raise fault(path, f"a sequence of 3DPW with {', '.join(names)}", f"no {', '.join(missing)}", _REMEDY)
    K = _numbers(content["cam_intrinsics"], (3, 3), path, "cam_intrinsics")
    poses = _numbers(content["cam_poses"], (-1, 4, 4), path, "cam_poses").copy()
    _check_rigid(poses, path)
    poses[:, :3, 3] *= _MM
    frames, actors = len(poses), len(content["jointPositions"])
    shape = (actors, frames)
    if 0 in shape:
        raise fault(path, "an actor and a frame", f"{actors} actors, {frames} frames", COPY_AGAIN)
    joints = np.stack([
        _numbers(j, (frames, 72), path, f"jointPositions of actor {a}") for a, j in enumerate(content["jointPositions"])
    ])  # fmt: skip
    valid = _numbers(list(content["campose_valid"]), shape, path, "campose_valid") > 0
    detected = _detected(content.get("poses2d"), shape, path)
    genders = tuple(str(g) for g in content.get("genders", ["?"] * actors))
    return Recording(K, poses, _MM * joints.reshape(*shape, 24, 3), valid, detected, genders)


def _numbers(value: Any, shape: tuple[int, ...], path: Path, name: str) -> Float[np.ndarray, "*s"]:
    """Numbers of this shape, -1 being any length."""
    try:
        found = np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise fault(path, f"{name} of numbers", str(error), COPY_AGAIN) from error
    fits = found.ndim == len(shape) and all(w in (-1, n) for n, w in zip(found.shape, shape))
    if not fits or not np.isfinite(found).all():
        wanted = " x ".join("n" if n < 0 else str(n) for n in shape)
        shown = " x ".join(map(str, found.shape)) + ("" if np.isfinite(found).all() else ", not all of them finite")
        raise fault(path, f"{name} of {wanted} numbers", shown, COPY_AGAIN)
    return found


def _check_rigid(poses: Float[np.ndarray, "f 4 4"], path: Path) -> None:
    R = poses[:, :3, :3]
    off = np.abs(R @ R.transpose(0, 2, 1) - np.eye(3)).max((1, 2)) > _RIGID
    off |= (np.linalg.det(R) < 0) | (np.abs(poses[:, 3] - (0, 0, 0, 1)).max(1) > _RIGID)
    if off.any():
        raise fault(path, "rigid motions in cam_poses", f"another one in frame {off.argmax()}", COPY_AGAIN)


def _detected(value: Any, shape: tuple[int, int], path: Path) -> Int[np.ndarray, "a f"]:
    """Number of 2D points with a positive score; poses2d holds 3 x 18 numbers for each frame of each actor."""
    if value is None:
        return np.zeros(shape, np.int64)
    points = np.stack([_numbers(v, (shape[1], 3, 18), path, f"poses2d of actor {a}") for a, v in enumerate(value)])
    return (points[:, :, 2] > 0).sum(-1)


def labels(item: Item) -> Labels:
    """The labels of one actor in one frame."""
    path, actor, frame = item.row
    recording = read_recording(path)
    camera = _camera(recording, frame, _size(item.picture.path.parent))
    joints = camera.to_camera(recording.joints[actor, frame])
    pixels = camera.project_camera(joints)
    size = np.array(camera.size)
    inside = ((pixels > -0.5) & (pixels < size - 0.5)).all(1)
    facts = {
        "subject": f"{path.stem}.{actor}", "action": path.stem.rsplit("_", 1)[0], "actor": actor,
        "gender": recording.genders[actor], "detected": int(recording.detected[actor, frame]), "box": "joints",
    }  # fmt: skip
    seen = np.where(inside, UNKNOWN, OUTSIDE).astype(np.uint8)
    return Labels(camera, box_around(pixels, _BOX_MARGIN), joints, pixels, seen, info=facts)


def _camera(recording: Recording, frame: int, size: tuple[int, int]) -> Camera:
    left, _, right = np.linalg.svd(recording.poses[frame, :3, :3])  # the nearest rotation: the file rounds
    return Camera(recording.K, size, np.zeros(0), left @ right, recording.poses[frame, :3, 3])


@lru_cache(maxsize=64)
def _size(pictures: Path) -> tuple[int, int]:
    """Width and height of a sequence's pictures, which its file does not say; some are upright, some not."""
    return picture_size(Picture(pictures / "image_00000.jpg"))


READER = Reader(ABOUT, index, labels)
