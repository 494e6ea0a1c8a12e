"""HumanEva-I: the official videos and calibration, with the poses that its Matlab code computes, converted by others.

The official files hold markers (C3D) and measurements of the subjects; joints come out of the Matlab code that is
distributed with them. That code is not rebuilt here: its result is read, either as VideoPose3D's Matlab script
`ConvertHumanEva.m` saves it, or from the collection VideoPose3D makes of that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from metricpose.data.faults import Faults, fault, need_file
from metricpose.data.pictures import Picture
from metricpose.data.readers import humaneva_poses as poses
from metricpose.data.readers.contract import Description, Index, Item, Labels, Reader, Stretch
from metricpose.data.readers.humaneva_layout import CAMERAS, SPLITS, Recording
from metricpose.geometry.camera import Camera

ABOUT = Description(
    name="humaneva",
    title="HumanEva-I",
    labels="3D, metric, of motion capture",
    licence="research only, registered",
    source="http://humaneva.is.tue.mpg.de (registration); poses by VideoPose3D's ConvertHumanEva.m, which needs Matlab",
    citation=(
        "Sigal, Balan, Black: HumanEva: Synchronized Video and Motion Capture Dataset and Baseline Algorithm for "
        "Evaluation of Articulated Human Motion. IJCV 87, 2010"
    ),
    skeleton="humaneva_15",
    joints="the 15 of the official error measure; elbows, knees and thorax are means of the two limbs' ends",
    units="millimetres in the MAT and calibration files, metres in VideoPose3D's collection",
    camera="Calibration_Data/*.cal: focal lengths, principal point, skew, lens, rotation, translation",
    skips=(
        "frames without valid motion capture; trials 2 (no labels are distributed) and 3 (no video); the grey cameras "
        "BW1 to BW4; subject S4 (no labels); ThrowCatch of S3 (damaged motion capture)"
    ),
    layout={
        "S*/Image_Data/Walking_1_(C1).avi": "the videos of the three colour cameras",
        "S*/Calibration_Data/C1.cal": "the cameras",
        "converted_15j/Train/S*/Walking_1.mat": "poses as ConvertHumanEva.m writes them; and Validate/S*; or",
        "data_3d_humaneva15.npz": "VideoPose3D's collection of these; with it, where a recording has gaps,",
        "data_2d_humaneva15_detectron_pt_coco.npz": "VideoPose3D's 2D detections, which say how long the gaps are",
    },
    splits=dict.fromkeys(SPLITS),
    notes=(
        "validate and train are Walking and Jog, as in most papers; validate_all and train_all are all actions",
        "frame n of a recording is frame n + offset - 1 of a camera's video, all counted from 0; the offsets are those "
        "of VideoPose3D's table, not read from the .ofs files",
        "the collection leaves out frames without motion capture and does not say how many: without the detections "
        "only what comes before the first gap can be found in the videos",
        "in Walking 1 of S3 the joint head_top lies on the chest for much of the recording",
        "the joints are not Human3.6M's: there is no conversion to h36m_17",
    ),
)
SIZE = (640, 480)
_MARGIN = 0.1


class View(NamedTuple):
    """A recording seen by a camera."""

    folder: Path
    recording: Recording
    camera: str


def index(folder: Path, split: str, faults: Faults) -> Sequence[Item]:
    """The frames of the split that have poses."""
    return Index(list(_stretches(folder, split, faults)))


def _stretches(folder: Path, split: str, faults: Faults) -> Iterator[Stretch]:
    for recording in SPLITS[split]:
        frames: Int[np.ndarray, " n"] = np.zeros(0, np.int64)
        with faults.catch(recording.name):
            source = poses.find_poses(folder, recording)
            found = poses.read_poses(source, recording)
            frames = np.flatnonzero(np.isfinite(found.joints).all((1, 2)))
            if found.unplaced and not faults.skip_bad:
                raise fault(source, *found.unplaced)
            if found.unplaced:
                faults.omit(recording.name, found.unplaced[1])
        for camera in CAMERAS:
            with faults.catch(f"{recording.name}, {camera}"):
                video = folder / recording.subject / "Image_Data" / f"{recording.file}_({camera}).avi"
                need_file(video, "a video of HumanEva-I", "Extract the archives of HumanEva-I into the folder.")
                yield Stretch(len(frames), partial(_item, View(folder, recording, camera), video, frames))


def _item(view: View, video: Path, frames: Int[np.ndarray, " n"], number: int) -> Item:
    row = int(frames[number])
    recording = view.recording
    picture = Picture(video, recording.video_frame(row, view.camera))
    sequence = f"{recording.name.replace(' ', '_')}.{view.camera}"
    return Item(f"{sequence}/{recording.start + row:06d}", picture, (view, row), sequence, recording.start + row)


def labels(item: Item) -> Labels:
    """The labels of one frame."""
    view, row = item.row
    camera = read_camera(view.folder / view.recording.subject / "Calibration_Data" / f"{view.camera}.cal")
    world = poses.read_poses(poses.find_poses(view.folder, view.recording), view.recording).joints[row]
    joints = camera.to_camera(world)
    facts = {"subject": view.recording.subject, "action": view.recording.action, "part": view.recording.part}
    box = _box(camera.project_camera(joints))
    return Labels(camera, box, joints, info={**facts, "trial": 1, "view": view.camera, "box": "joints"})


def _box(pixels: Float[np.ndarray, "15 2"]) -> Float[np.ndarray, " 4"]:
    """Around the joints, widened by a tenth of the longer side (ours; there are no official boxes)."""
    low, high = pixels.min(0), pixels.max(0)
    pad = _MARGIN * (high - low).max()
    return np.concatenate([low - pad, high - low + 2 * pad])


@lru_cache(maxsize=16)
def read_camera(path: Path) -> Camera:
    """A calibration file: 22 numbers: fx fy, cx cy, skew, k1 k2 p1 p2 k3, rotation by rows, translation in mm.

    Raises:
        DataError: missing, or not such a file.
    """
    remedy = "Extract the archives of HumanEva-I into the folder."
    text = need_file(path, "a calibration file of HumanEva-I", remedy).read_text("latin1")
    try:
        numbers = np.array([float(n) for n in re.split(r"[\s,]+", text.strip())])
    except ValueError as error:
        raise fault(path, "22 numbers", str(error), remedy) from error
    if len(numbers) != 22 or not np.isfinite(numbers).all():
        raise fault(path, "22 finite numbers", f"{np.isfinite(numbers).sum()}", remedy)
    (fx, fy, cx, cy, skew), lens, turn, t = np.split(numbers, (5, 10, 19))
    R = turn.reshape(3, 3)
    left, stretch, right = np.linalg.svd(R)
    if np.abs(stretch - 1).max() > 0.01 or np.linalg.det(R) < 0:
        raise fault(path, "a rotation in numbers 11 to 19", str(R.tolist()), remedy)
    K = np.array([[fx, skew * fx, cx], [0, fy, cy], [0, 0, 1]])
    return Camera(K, SIZE, lens, left @ right, t)  # the nearest rotation: the file rounds


READER = Reader(ABOUT, index, labels)
