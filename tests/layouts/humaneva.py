"""HumanEva-I: official videos and calibrations, poses as VideoPose3D converts them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scipy.io import savemat

from layouts.pictures import write_video
from metricpose.data.readers.humaneva_layout import Recording
from metricpose.geometry.camera import Camera

Poses = Iterable[tuple[Recording, np.ndarray]]
"""Recordings and their (t, 15, 3) joints in the world, millimetres, NaN where nothing was measured."""


def write_calibration(path: Path, camera: Camera) -> None:
    """The 22 numbers of a .cal file."""
    fx, fy, skew = camera.K[0, 0], camera.K[1, 1], camera.K[0, 1] / camera.K[0, 0]
    numbers = [fx, fy, *camera.K[:2, 2], skew, *camera.distortion, *camera.R.reshape(-1), *camera.t]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(f"{n:.7f}" for n in numbers) + "\n")


def write_view(folder: Path, recording: Recording, name: str, camera: Camera, pictures: list[np.ndarray]) -> None:
    """Video and calibration of a camera; frame n of the recording is frame n + offset - 1 of the video."""
    home = folder / recording.subject
    write_calibration(home / "Calibration_Data" / f"{name}.cal", camera)
    blank = np.full((camera.size[1], camera.size[0], 3), 20, np.uint8)
    before = [blank] * recording.video_frame(0, name)
    video = home / "Image_Data" / f"{recording.file}_({name}).avi"
    write_video(video, [*before, *pictures, blank], "mpeg4", 60)


def write_mat(folder: Path, poses: Poses) -> None:
    """What ConvertHumanEva.m writes."""
    for recording, joints in poses:
        path = folder / "converted_15j" / recording.part / recording.subject / f"{recording.file}.mat"
        path.parent.mkdir(parents=True, exist_ok=True)
        savemat(path, {"poses_3d": joints, "poses_2d": np.zeros((3, 2, 15, 2))})


def write_collection(folder: Path, poses: Poses, *, gaps: bool = True) -> None:
    """VideoPose3D's collection, and with `gaps` its 2D detections."""
    found: dict[str, dict[str, np.ndarray]] = {}
    seen: dict[str, dict[str, list]] = {}
    for recording, joints in poses:
        key = f"{recording.part}/{recording.subject}"
        for number, chunk in enumerate(_chunks(joints)):
            name = f"{recording.action} 1 chunk{number}"
            if np.isfinite(chunk).all():
                found.setdefault(key, {})[name] = (chunk / 1000).astype(np.float32)
            else:
                seen.setdefault(f"Unlabeled/{key}", {})[name] = [np.zeros((len(chunk), 17, 2), np.float32)] * 3
    np.savez_compressed(folder / "data_3d_humaneva15.npz", positions_3d=np.array(found, object))
    if gaps:
        path = folder / "data_2d_humaneva15_detectron_pt_coco.npz"
        np.savez_compressed(path, positions_2d=np.array(seen, object), metadata=np.array({"num_joints": 17}, object))


def _chunks(joints: np.ndarray) -> list[np.ndarray]:
    """Runs of frames with and without poses, in turns."""
    good = np.isfinite(joints).all((1, 2))
    return np.split(joints, np.flatnonzero(np.diff(good)) + 1)
