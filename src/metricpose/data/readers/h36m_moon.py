"""Human3.6M as Moon et al. (3DMPPE, Integral Pose) distribute it: folders of frames and annotations in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from metricpose.data.faults import COPY_AGAIN, Faults, fault, need_file, need_folder
from metricpose.data.pictures import Picture
from metricpose.data.readers import h36m
from metricpose.data.readers import h36m_layout as layout
from metricpose.data.readers.contract import Index, Item, Labels, Reader, Stretch
from metricpose.data.readers.h36m_cameras import find_metadata, read_cameras
from metricpose.data.readers.h36m_labels import make_labels
from metricpose.data.readers.h36m_layout import Recording
from metricpose.geometry.camera import Camera

ABOUT = replace(
    h36m.ABOUT,
    name="h36m_moon",
    title="Human3.6M, prepared by Moon et al.",
    labels="3D, metric",
    source=f"{h36m.SOURCE}; prepared for https://github.com/mks0601/3DMPPE_POSENET_RELEASE",
    joints="the 17 in the files, in the order of h36m_17",
    units="millimetres in the world, pixels",
    camera="R, t, f, c in the JSON; the lens only if metadata.xml is put beside them, else it is taken as ideal",
    skips="S11/Directions.54138969, whose video is damaged; annotated frames without an image",
    layout={
        "annotations/Human36M_subject*_data.json": "frames and boxes",
        "annotations/Human36M_subject*_camera.json": "cameras",
        "annotations/Human36M_subject*_joint_3d.json": "3D joints",
        "images/s_01_act_02_subact_01_ca_01/s_01_act_02_subact_01_ca_01_000001.jpg": "frames, counted from 1",
        "metadata.xml": "recommended: cameras with their lens, from the official code",
    },
    splits=dict.fromkeys(layout.SPLITS),
    notes=(
        "two generations of these files call two things t: the camera's centre, later -R times it; the one that puts "
        "the joints into their boxes is taken",
        "without metadata.xml the projection of the joints misses the picture by several pixels towards its edges, "
        "because the pictures are distorted",
        "boxes are those of the joints, widened by 1.2, as the files have them",
        "the labels of S9 are moved as for h36m",
    ),
)
_REMEDY = "Download Moon et al.'s annotations for Human3.6M; give the folder that holds annotations and images."


class View(NamedTuple):
    """A recording seen by a camera."""

    folder: Path
    recording: Recording
    camera: str
    mended: bool

    @property
    def name(self) -> str:
        """Of the folder and the beginning of its files: s_01_act_02_subact_01_ca_01."""
        subject, action, subaction = _numbers(self.recording)
        return f"s_{subject:02d}_act_{action:02d}_subact_{subaction:02d}_ca_{_camera_number(self.camera):02d}"


def _numbers(recording: Recording) -> tuple[int, int, int]:
    action = layout.ACTIONS.index(recording.action) + layout.FIRST_ACTION
    return int(recording.subject[1:]), action, recording.subaction


def _camera_number(camera: str) -> int:
    return layout.CAMERAS.index(camera) + 1


def index(folder: Path, split: str, faults: Faults) -> Sequence[Item]:
    """The frames of the split's subjects that are annotated and there."""
    need_folder(folder / "annotations", "the annotations", _REMEDY)
    need_folder(folder / "images", "the images", _REMEDY)
    return Index(list(_stretches(folder, layout.SPLITS[split], faults)))


def _stretches(folder: Path, split: layout.Split, faults: Faults) -> Iterator[Stretch]:
    for subject in split.subjects:
        for recording in layout.recordings(subject):
            for camera in layout.CAMERAS:
                damaged = layout.DAMAGED.get((recording.subject, recording.name, camera))
                if damaged:
                    faults.omit(recording.sequence(camera), damaged)
                    continue
                view = View(folder, recording, camera, split.mended)
                with faults.catch(recording.sequence(camera)):
                    frames = _frames(view, split.step, faults)
                    yield Stretch(len(frames), partial(_item, view, frames))


def _frames(view: View, step: int, faults: Faults) -> Int[np.ndarray, " n"]:
    """Numbers of the wanted frames, from 0, that are annotated and have an image."""
    images = need_folder(view.folder / "images" / view.name, "frames of a recording", _REMEDY)
    there = {p.stem.removeprefix(f"{view.name}_") for p in images.glob(f"{view.name}_*.jpg")}
    annotated = _annotations(view.folder, view.recording.subject)[_key(view)].frames
    wanted = annotated[annotated % step == 0]
    found = wanted[[f"{frame + 1:06d}" in there for frame in wanted.tolist()]]
    if not len(found):
        raise fault(images, f"images of {len(wanted)} annotated frames", "none of them", COPY_AGAIN)
    if len(found) < len(wanted):
        lacking = f"{len(wanted) - len(found)} of {len(wanted)} annotated frames have no image"
        faults.omit(view.recording.sequence(view.camera), lacking)
    return found


def _item(view: View, frames: Int[np.ndarray, " n"], number: int) -> Item:
    frame = int(frames[number])
    picture = Picture(view.folder / "images" / view.name / f"{view.name}_{frame + 1:06d}.jpg")
    sequence = view.recording.sequence(view.camera)
    return Item(layout.item_id(sequence, frame), picture, (view, frame), sequence, frame)


def labels(item: Item) -> Labels:
    """The labels of one frame."""
    view, frame = item.row
    camera = _camera(view.folder, view.recording.subject, view.camera)
    action, subaction, _ = _key(view)
    world = _world(view.folder, view.recording.subject, action, subaction, frame)
    entry = _annotations(view.folder, view.recording.subject)[_key(view)]
    box = entry.boxes[np.searchsorted(entry.frames, frame)]
    return make_labels(
        view.recording, view.camera, camera, camera.to_camera(world), box=box, box_kind="joints", mended=view.mended
    )


class _Entry(NamedTuple):
    frames: Int[np.ndarray, " n"]
    boxes: Float[np.ndarray, "n 4"]


def _key(view: View) -> tuple[int, int, int]:
    _, action, subaction = _numbers(view.recording)
    return action, subaction, _camera_number(view.camera)


def _path(folder: Path, subject: str, kind: str) -> Path:
    return folder / "annotations" / f"Human36M_subject{subject[1:]}_{kind}.json"


def _read_json(path: Path) -> Any:
    try:
        return json.loads(need_file(path, "annotations of Human3.6M", _REMEDY).read_bytes())
    except ValueError as error:
        raise fault(path, "a whole JSON file", str(error)) from error


@lru_cache(maxsize=2)
def _annotations(folder: Path, subject: str) -> dict[tuple[int, int, int], _Entry]:
    """Annotated frames and their boxes by (action, subaction, camera)."""
    path = _path(folder, subject, "data")
    content = _read_json(path)
    try:
        boxes = {entry["image_id"]: entry["bbox"] for entry in content["annotations"]}
        rows: dict[tuple[int, int, int], list[tuple[int, list[float]]]] = {}
        for image in content["images"]:
            key = image["action_idx"], image["subaction_idx"], image["cam_idx"]
            rows.setdefault(key, []).append((image["frame_idx"], boxes[image["id"]]))
        found = {}
        for key, pairs in rows.items():
            pairs.sort(key=lambda pair: pair[0])
            found[key] = _Entry(np.array([f for f, _ in pairs]), np.array([b for _, b in pairs], np.float64))
    except (KeyError, TypeError, ValueError) as error:
        wanted = "images with action_idx, subaction_idx, cam_idx, frame_idx, and an annotation with bbox for each"
        raise fault(path, wanted, f"{type(error).__name__}: {error}", _REMEDY) from error
    return _Complete(found, path)


class _Complete(dict):
    """The annotations of a subject; a recording that is not in them is a fault of their file."""

    def __init__(self, found: dict[tuple[int, int, int], _Entry], path: Path) -> None:
        super().__init__(found)
        self._path = path

    def __missing__(self, key: tuple[int, int, int]) -> _Entry:
        wanted = f"frames of action {key[0]}, subaction {key[1]}, camera {key[2]}"
        raise fault(self._path, wanted, "none", _REMEDY)


@lru_cache(maxsize=2)
def _joints(folder: Path, subject: str) -> dict[str, dict[str, dict[str, Any]]]:
    content = _read_json(_path(folder, subject, "joint_3d"))
    return {
        action: {part: {f: np.array(j, np.float64) for f, j in frames.items()} for part, frames in parts.items()}
        for action, parts in content.items()
    }


def _world(folder: Path, subject: str, action: int, subaction: int, frame: int) -> Float[np.ndarray, "17 3"]:
    path = _path(folder, subject, "joint_3d")
    try:
        joints = _joints(folder, subject)[str(action)][str(subaction)][str(frame)]
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        wanted = f"joints of action {action}, subaction {subaction}, frame {frame}"
        raise fault(path, wanted, f"{type(error).__name__}: {error}", _REMEDY) from error
    if joints.shape != (len(layout.JOINTS), 3) or not np.isfinite(joints).all():
        raise fault(path, "17 joints with three finite coordinates", f"shape {joints.shape}, or NaN", _REMEDY)
    return joints


@lru_cache(maxsize=64)
def _camera(folder: Path, subject: str, name: str) -> Camera:
    """From metadata.xml if it is there, else from the JSON, whose `t` is the one that fits the boxes."""
    metadata = find_metadata(folder, folder / "annotations")
    if metadata is not None:
        return read_cameras(metadata)[subject, name]
    path = _path(folder, subject, "camera")
    try:
        entry = _read_json(path)[str(_camera_number(name))]
        R, t = np.array(entry["R"], np.float64), np.array(entry["t"], np.float64)
        (fx, fy), (cx, cy) = entry["f"], entry["c"]
    except (KeyError, TypeError, ValueError) as error:
        raise fault(path, "R, t, f, c of cameras 1 to 4", f"{type(error).__name__}: {error}", _REMEDY) from error
    K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float64)
    size = layout.picture_size(subject, name)
    fitting = [
        c for c in (Camera(K, size, R=R, t=t), Camera(K, size, R=R, t=-R @ t)) if _fits(c, folder, subject, name)
    ]
    if len(fitting) != 1:
        found = "neither does" if not fitting else "both do"
        raise fault(path, "t or -R t to put the joints into their annotated boxes", found, _REMEDY)
    return fitting[0]


def _fits(camera: Camera, folder: Path, subject: str, name: str) -> bool:
    """Whether the joints of some frame lie in its box."""
    for action, subaction, view in _annotations(folder, subject):
        if view == _camera_number(name):
            entry = _annotations(folder, subject)[action, subaction, view]
            joints = _world(folder, subject, action, subaction, int(entry.frames[0]))
            pixels, box = camera.project(joints), entry.boxes[0]
            return bool(((pixels > box[:2]) & (pixels < box[:2] + box[2:])).all())
    return False


READER = Reader(ABOUT, index, labels)
