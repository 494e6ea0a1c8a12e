"""A small MPI-INF-3DHP, MuPoTS-3D and MuCo-3DHP of painted people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from data.scenes import body, look_at, paint, walk
from layouts import mpi, muco
from layouts.mpi import ROOT, SCALE, cells, universal
from metricpose.geometry.camera import Camera

__all__ = ["ROOT", "SCALE", "cells", "universal"]

SKELETON = "mpi_inf_3dhp_17"
FRAMES = 7
CAMERAS = {
    0: look_at((0, -4000, 1300), size=(400, 320)),
    1: look_at((-3000, -2600, 900), size=(360, 440)),
    2: look_at((2500, -2600, 1700), size=(400, 320)),
}
CHAIR = (slice(240, 280), slice(60, 100))


def people(camera: Camera, frames: int = FRAMES, step: float = 40.0) -> np.ndarray:
    """(t, 17, 3) in the camera's frame."""
    return camera.to_camera(walk(SKELETON, frames, step_mm=step))


def pictures(camera: Camera, metric: np.ndarray) -> list[np.ndarray]:
    """What a camera sees."""
    return [paint(camera, camera.to_world(joints)) for joints in metric]


# -- MPI-INF-3DHP ----------------------------------------------------------------------------------------------------


def annotations(metric: dict[int, np.ndarray], **changes: Any) -> dict[str, Any]:
    """The variables of annot.mat."""
    return mpi.annotations(CAMERAS, metric, **changes)


def masks(camera: Camera, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the person and of the chair, as the videos hold them: the person's also keeps what is beside the screen."""
    low, high = camera.project_camera(joints).min(0).astype(int), camera.project_camera(joints).max(0).astype(int)
    person = np.zeros((camera.size[1], camera.size[0], 3), np.uint8)
    person[low[1] : high[1] + 1, low[0] : high[0] + 1] = (255, 200, 90)
    person[:, -12:] = 255
    chair = np.full_like(person, 255)
    chair[CHAIR] = 0
    return person, chair


def write_training(folder: Path, *, with_masks: bool = True, place: str = "") -> dict[int, np.ndarray]:
    """S1/Seq1; returns the poses by camera. `place` is a pattern of image files, such as "video_{}/img_{:06d}.jpg"."""
    metric = {c: people(CAMERAS[c]) for c in (2, 0, 1)}  # not in order
    seen = {"imageSequence": {n: pictures(camera, metric[n]) for n, camera in CAMERAS.items()}}
    if with_masks:
        made = {n: [masks(camera, joints) for joints in metric[n]] for n, camera in CAMERAS.items()}
        seen |= {kind: {n: [m[k] for m in made[n]] for n in made} for k, kind in enumerate(("FGmasks", "ChairMasks"))}
    mpi.write_training(folder / "S1" / "Seq1", CAMERAS, metric, seen, place)
    return metric


TEST_CAMERAS = {1: CAMERAS[0], 5: CAMERAS[1]}
VALID = np.array([1, 0, 1, 1, 0, 1, 1])
ACTIVITIES = np.array([1, 1, 2, 7, 7, 3, 5])


def tested(metric: np.ndarray, camera: Camera, **changes: Any) -> dict[str, Any]:
    """The variables of annot_data.mat."""
    return mpi.tested(metric, camera, VALID, ACTIVITIES, **changes)


def write_test(folder: Path) -> dict[int, np.ndarray]:
    """TS1 and TS5; returns the poses."""
    poses = {}
    for number, camera in TEST_CAMERAS.items():
        poses[number] = people(camera)
        mpi.write_test(folder, number, pictures(camera, poses[number]), tested(poses[number], camera))
    return poses


# -- MuPoTS-3D -------------------------------------------------------------------------------------------------------

BESIDE = np.array([900.0, 500.0, 0.0])
"""From the first person to the second, in the world."""


def pair(camera: Camera, frames: int) -> np.ndarray:
    """(t, 2, 17, 3) two people in the camera's frame."""
    world = walk(SKELETON, frames, step_mm=30) - (500, 0, 0)
    return camera.to_camera(np.stack([world, world * (1, 1, 0.9) + BESIDE], 1))


def crowded(camera: Camera, joints: np.ndarray) -> np.ndarray:
    """The picture of several people, the first in front."""
    image = None
    for person in joints[::-1]:
        image = paint(camera, camera.to_world(person), image)
    assert image is not None
    return image


def write_mupots(folder: Path, frames: int = 4) -> np.ndarray:
    """TS1 and TS2; the second person of frame 1 is not valid. Returns the poses."""
    poses = pair(CAMERAS[0], frames)
    for number in (1, 2):
        mpi.write_mupots(
            folder / "MultiPersonTestSet" / f"TS{number}", CAMERAS[0], poses, [crowded(CAMERAS[0], p) for p in poses],
            valid=lambda frame, person: (frame, person) != (1, 1), hidden=lambda frame, person: (3 + person,),
        )  # fmt: skip
    return poses


# -- MuCo-3DHP -------------------------------------------------------------------------------------------------------

AT = np.array([[0, 0, 0], [-1100, 900, 0], [-800, 1700, 0], [1300, 1200, 0.0]])
"""Where the people of an image stand: the third near the second."""


def crowd(camera: Camera, joints: int = 21) -> np.ndarray:
    """(4, J, 3) in the camera's frame; the first is the nearest."""
    return camera.to_camera(np.stack([body("muco_21") + at for at in AT])[:, :joints])


def write_muco(folder: Path) -> tuple[dict[str, Any], np.ndarray]:
    """Two images of four people, one of each set; returns the content of the file, and the poses."""
    camera = look_at((0, -4000, 1300), size=(480, 360))
    poses = crowd(camera)
    files = ((70, "unaugmented_set/1/000070.jpg"), (12, "augmented_set/0/000012.jpg"))
    image = crowded(camera, poses)
    return muco.write(folder, [muco.Composite(n, name, image, camera, poses, (4,)) for n, name in files]), poses


def write_composites(folder: Path, joints: int = 21) -> tuple[Camera, np.ndarray]:
    """Two chunks of two images and one; returns the camera and the poses of each image."""
    camera = look_at((0, -4000, 1300), size=(480, 360))
    poses = crowd(camera, joints)[:2]
    image = crowded(camera, poses)
    for chunk, count in ((1, 2), (2, 1)):
        names = [f"{2 * chunk - 1 + k:06d}.jpg" for k in range(count)]
        shown = [muco.Composite(k, name, image, camera, poses) for k, name in enumerate(names)]
        muco.write_chunk(folder / "unaugmented_set_001", chunk, shown)
    return camera, poses
