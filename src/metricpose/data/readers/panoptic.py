"""CMU Panoptic: groups of people in a dome of cameras, reconstructed from all views; its 31 HD cameras."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int

from metricpose.data.faults import COPY_AGAIN, Faults, fault, need_file
from metricpose.data.pictures import Picture
from metricpose.data.readers.contract import Description, Index, Item, Labels, Reader, Stretch
from metricpose.data.readers.photographs import box_around
from metricpose.geometry.camera import Camera
from metricpose.types import OUTSIDE, UNKNOWN

TEST = ("160906_pizza1", "160422_haggling1", "160906_ian5", "160906_band4")
TRAIN = (
    "160422_ultimatum1", "160224_haggling1", "160226_haggling1", "161202_haggling1", "160906_ian1", "160906_ian2",
    "160906_ian3", "160906_band1", "160906_band2", "160906_band3",
)  # fmt: skip
SPLITS: dict[str, tuple[str, ...]] = {"all": (), "train": TRAIN, "test": TEST}

ABOUT = Description(
    name="panoptic",
    title="CMU Panoptic Studio",
    labels="3D, metric, of 2D detections in hundreds of views",
    licence="non-commercial research, see the page; no passing on",
    source="http://domedb.perception.cs.cmu.edu; getData.sh of its panoptic-toolbox on GitHub",
    citation="Joo et al.: Panoptic Studio: A Massively Multiview System for Social Motion Capture. ICCV 2015",
    skeleton="coco_19",
    joints="joints19 in file order: neck, nose, pelvis, left arm, leg, right arm, leg, left eye, ear, right eye, ear",
    units="centimetres in the files, pose and calibration alike",
    camera="calibration_NAME.json: K, distCoef in OpenCV's order, R and t world -> camera",
    skips=(
        "VGA and Kinect cameras; people of whom fewer than half the joints lie in a camera's picture; joints of "
        "confidence up to 0.1, as in VoxelPose; the older joints15"
    ),
    layout={
        "*/calibration_*.json": "cameras of a sequence",
        "*/hdPose3d_stage1_coco19/**/body3DScene_00000123.json": "poses of a frame",
        "*/hdImgs/00_00/00_00_00000123.jpg": "frames of a camera, as hdImgsExtractor.sh writes them; or",
        "*/hdVideos/hd_00_00.mp4": "its video",
    },
    splits=dict.fromkeys(SPLITS),
    notes=(
        "train and test are the sequences of VoxelPose (Tu et al. 2020), all cameras of which files are there; all is "
        "every sequence in the folder",
        "frame n of a video is body3DScene n, both from 0",
        "missing joints have confidence -1 and coordinates that mean nothing",
        "no joint is marked visible: people hide each other, and the files do not say so",
    ),
)
_REMEDY = "Fetch the sequence again with getData.sh of the panoptic-toolbox and extract its archives."
_MM, _SURE, _SEEN = 10.0, 0.1, 0.5


class Row(NamedTuple):
    """The labels of a person in a picture: camera, number of the person, (19, 3) world, millimetres, NaN if missing."""

    calibration: Path
    camera: str
    person: int
    world: Float32[np.ndarray, "19 3"]


class Poses(NamedTuple):
    """All people of a sequence, frame by frame."""

    frames: Int[np.ndarray, " n"]
    people: Int[np.ndarray, " n"]
    world: Float32[np.ndarray, "n 19 3"]


def index(folder: Path, split: str, faults: Faults) -> Sequence[Item]:
    """The people of each camera's pictures, one camera after the other."""
    return Index(list(_stretches(folder, split, faults)))


def _stretches(folder: Path, split: str, faults: Faults) -> Iterator[Stretch]:
    found = sorted(p.parent for p in folder.glob("*/calibration_*.json"))
    wanted = SPLITS[split] or tuple(p.name for p in found)
    for name in wanted:
        if not (folder / name).is_dir():
            faults.omit(name, "the sequence is not in the folder")
            continue
        with faults.catch(name):
            path = folder / name / f"calibration_{name}.json"
            cameras = read_cameras(path)
            poses = read_poses(folder / name)
            for camera in cameras:
                if pictures := _pictures(folder / name, camera):
                    rows = np.flatnonzero(_seen(cameras[camera], poses.world))
                    yield Stretch(len(rows), partial(_item, path, pictures, camera, poses, rows))


def _pictures(folder: Path, camera: str) -> Path | None:
    """The folder of a camera's frames, or its video, if one is there."""
    frames, video = folder / "hdImgs" / camera, folder / "hdVideos" / f"hd_{camera}.mp4"
    return frames if frames.is_dir() else video if video.is_file() else None


def _seen(camera: Camera, world: Float32[np.ndarray, "n 19 3"]) -> np.ndarray:
    """(n,) whether half the joints at least lie in the picture, and none behind the camera."""
    known = np.isfinite(world).all(-1)
    local = camera.to_camera(np.nan_to_num(world.astype(np.float64)))
    front = ((local[..., 2] > 0) | ~known).all(1)
    local[~front] = (0, 0, 1)
    pixels = camera.project_camera(local)
    inside = ((pixels > -0.5) & (pixels < np.array(camera.size) - 0.5)).all(-1) & known
    return front & (inside.sum(1) >= _SEEN * world.shape[1])


def _item(path: Path, pictures: Path, camera: str, poses: Poses, rows: Int[np.ndarray, " m"], number: int) -> Item:
    row = int(rows[number])
    frame, person = int(poses.frames[row]), int(poses.people[row])
    frames = pictures.suffix != ".mp4"
    picture = Picture(pictures / f"{camera}_{frame:08d}.jpg") if frames else Picture(pictures, frame)
    sequence = f"{path.parent.name}.{camera}.{person}"
    labelled = Row(path, camera, person, poses.world[row].copy())
    return Item(f"{sequence}/{frame:08d}", picture, labelled, sequence, frame)


def read_poses(folder: Path) -> Poses:
    """All poses of a sequence; `world` in millimetres.

    Raises:
        DataError: none there, or a file is damaged.
    """
    home = folder / "hdPose3d_stage1_coco19"
    frames, people, world = [], [], []
    for path in sorted(home.rglob("body3DScene_*.json")):
        number = re.fullmatch(r"body3DScene_(\d+)", path.stem)
        if number is None:
            raise fault(path, "a name such as body3DScene_00000123.json", path.name, _REMEDY)
        for person, joints in _bodies(path):
            frames.append(int(number[1]))
            people.append(person)
            world.append(joints)
    if not world:
        raise fault(home, "files body3DScene_*.json with people in them", "none", _REMEDY)
    return Poses(np.array(frames, np.int64), np.array(people, np.int64), np.stack(world))


def _bodies(path: Path) -> Iterator[tuple[int, Float32[np.ndarray, "19 3"]]]:
    content = _json(path, "poses of a frame")
    if "bodies" not in content:
        raise fault(path, "bodies", f"{', '.join(content)}", _REMEDY)
    for body in content["bodies"]:
        try:
            person, values = int(body["id"]), np.asarray(body["joints19"], np.float64)
        except (TypeError, KeyError, ValueError) as error:
            found = f"{type(error).__name__} {error}"
            raise fault(
                path, "bodies with id and joints19", found, f"joints15 is an older release. {_REMEDY}"
            ) from error
        if values.shape != (76,) or not np.isfinite(values).all():
            raise fault(path, f"19 times x, y, z, confidence of body {person}", f"{values.size} numbers", _REMEDY)
        joints = values.reshape(19, 4)
        yield person, np.where(joints[:, 3:] > _SURE, _MM * joints[:, :3], np.nan).astype(np.float32)


def _json(path: Path, what: str) -> dict[str, Any]:
    try:
        content = json.loads(need_file(path, what, _REMEDY).read_bytes())
    except ValueError as error:
        raise fault(path, f"{what} in JSON", str(error), COPY_AGAIN) from error
    if not isinstance(content, dict):
        raise fault(path, f"{what}, an object", type(content).__name__, _REMEDY)
    return content


@lru_cache(maxsize=8)
def read_cameras(path: Path) -> dict[str, Camera]:
    """The HD cameras of a sequence by name, in millimetres.

    Raises:
        DataError: missing, damaged, or without HD cameras.
    """
    listed = _json(path, "the calibration").get("cameras", [])
    cameras = {str(c["name"]): _camera(c, path) for c in listed if isinstance(c, dict) and c.get("type") == "hd"}
    if not cameras:
        raise fault(path, "cameras of type hd", f"none among {len(listed)}", _REMEDY)
    return cameras


def _camera(values: dict[str, Any], path: Path) -> Camera:
    who = f"camera {values.get('name')}"
    try:
        K, R = (np.asarray(values[n], np.float64).reshape(3, 3) for n in ("K", "R"))
        t, lens = np.asarray(values["t"], np.float64).reshape(3), np.asarray(values["distCoef"], np.float64).reshape(5)
        width, height = (int(n) for n in values["resolution"])
    except (TypeError, KeyError, ValueError) as error:
        found = f"{type(error).__name__} {error}"
        raise fault(path, f"resolution, K, distCoef, R, t of {who}", found, _REMEDY) from error
    if not all(np.isfinite(v).all() for v in (K, R, t, lens)):
        raise fault(path, f"finite numbers of {who}", "NaN or infinity", _REMEDY)
    left, stretch, right = np.linalg.svd(R)
    if np.abs(stretch - 1).max() > 0.01 or np.linalg.det(R) < 0:
        raise fault(path, f"a rotation R of {who}", str(R.round(3).tolist()), _REMEDY)
    return Camera(K, (width, height), lens, left @ right, _MM * t)  # the nearest rotation: the file rounds


def labels(item: Item) -> Labels:
    """The labels of one person in one picture."""
    row: Row = item.row
    camera = read_cameras(row.calibration)[row.camera]
    joints = camera.to_camera(row.world.astype(np.float64))
    pixels: Float[np.ndarray, "19 2"] = camera.project_camera(joints)
    outside = ~((pixels > -0.5) & (pixels < np.array(camera.size) - 0.5)).all(1) & np.isfinite(pixels).all(1)
    sequence = row.calibration.parent.name
    facts = {
        "subject": f"{sequence}.{row.person}", "action": re.sub(r"^\d+_|\d+$", "", sequence), "view": row.camera,
        "box": "joints",
    }  # fmt: skip
    marks = np.where(outside, OUTSIDE, UNKNOWN).astype(np.uint8)
    return Labels(camera, box_around(pixels), joints, pixels, marks, info=facts)


READER = Reader(ABOUT, index, labels)
