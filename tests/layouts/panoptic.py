"""CMU Panoptic: calibration and poses as JSON, centimetres; frames or videos."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from layouts.pictures import write_image, write_video
from metricpose.geometry.camera import Camera


def calibration(cameras: dict[str, Camera]) -> dict[str, Any]:
    """The content of calibration_NAME.json."""
    hd = [
        {"name": name, "type": "hd", "resolution": list(c.size), "panel": 0, "node": int(name[-1]), "K": c.K.tolist(),
         "distCoef": [*c.distortion, *[0] * (5 - len(c.distortion))], "R": c.R.tolist(),
         "t": (c.t[:, None] / 10).tolist()}
        for name, c in cameras.items()
    ]  # fmt: skip
    return {"calibDataSource": "x", "cameras": [{"name": "01_01", "type": "vga"}, *hd]}


def scene(people: dict[int, np.ndarray], missing: tuple[int, ...] = ()) -> dict[str, Any]:
    """The content of body3DScene_N.json: person -> (19, 3) in the world, millimetres; some joints were not found."""
    bodies = []
    for number, world in people.items():
        joints = np.c_[world / 10, np.full(19, 0.6)]
        joints[list(missing)] = 77, 77, 77, -1
        bodies.append({"id": number, "joints19": joints.reshape(-1).tolist()})
    return {"version": 0.7, "univTime": 1.5, "fpsType": "hd_29_97", "bodies": bodies}


Change = Callable[[dict[str, Any], list[dict[str, Any]]], object]


def write(
    home: Path,
    cameras: dict[str, Camera],
    scenes: list[dict[str, Any]],
    pictures: dict[str, list[np.ndarray]],
    *,
    start: int = 0,
    videos: tuple[str, ...] = (),
    change: Change = lambda cameras, scenes: None,
) -> Path:
    """A sequence, its folder named as it is; returns the folder.

    Args:
        scenes: of frames `start`, `start` + 1, ...
        pictures: of each camera; those named in `videos` become videos, which begin with frame 0.
        change: is done to calibration and scenes before they are written.
    """
    poses, found = home / "hdPose3d_stage1_coco19", calibration(cameras)
    poses.mkdir(parents=True)
    change(found, scenes)
    (home / f"calibration_{home.name}.json").write_text(json.dumps(found))
    for n, content in enumerate(scenes):
        (poses / f"body3DScene_{start + n:08d}.json").write_text(json.dumps(content))
    for name, images in pictures.items():
        if name in videos:
            blank = np.full_like(images[0], 90)
            write_video(home / "hdVideos" / f"hd_{name}.mp4", [blank] * start + images)
        else:
            for n, image in enumerate(images):
                write_image(home / "hdImgs" / name / f"{name}_{start + n:08d}.jpg", image)
    return home
