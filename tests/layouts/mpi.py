"""MPI-INF-3DHP and MuPoTS-3D in the byte formats of the official files. All poses are in a camera's frame."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

from layouts.mat73 import save_mat73
from layouts.pictures import write_image, write_video
from metricpose.data.readers.mpi_inf_3dhp_layout import JOINT_COUNT, JOINTS
from metricpose.geometry.camera import Camera
from metricpose.skeleton.catalog import MPI_INF_3DHP_17

ROOT = MPI_INF_3DHP_17.root
SCALE = 1.07
"""annot3, seen from the pelvis, is this times univ_annot3."""
Views = dict[int, Camera]
Poses = dict[int, np.ndarray]


def universal(metric: np.ndarray) -> np.ndarray:
    """As distributed: smaller, and somewhere else."""
    return (metric - metric[..., ROOT : ROOT + 1, :]) / SCALE + (50.0, -30.0, 2800.0)


def cells(values: list[Any], shape: tuple[int, int]) -> np.ndarray:
    """A cell array, row by row."""
    out = np.empty(len(values), object)
    for index, value in enumerate(values):
        out[index] = value
    return out.reshape(shape)


# -- MPI-INF-3DHP, training ------------------------------------------------------------------------------------------


def calibration(cameras: Views) -> str:
    """The text of camera.calibration."""
    lines = ["Skeletool Camera Calibration File V1.0"]
    for name, camera in cameras.items():
        intrinsic, extrinsic = np.eye(4), np.eye(4)
        intrinsic[:3, :3], extrinsic[:3, :3], extrinsic[:3, 3] = camera.K, camera.R, camera.t
        lines += [
            f"name          {name}", "  sensor      10 10", f"  size        {camera.size[0]} {camera.size[1]}",
            "  animated    0", f"  intrinsic   {' '.join(f'{v:.7g}' for v in intrinsic.reshape(-1))} ",
            f"  extrinsic   {' '.join(f'{v:.7g}' for v in extrinsic.reshape(-1))} ", "  radial      0",
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def recorded(joints: np.ndarray) -> np.ndarray:
    """(t, 17, d) -> (t, 28 d): the other joints at the spine."""
    out = np.repeat(joints[:, 15:16], JOINT_COUNT, axis=1)
    out[:, list(JOINTS)] = joints
    return out.reshape(len(joints), -1)


def annotations(cameras: Views, metric: Poses, **changes: Any) -> dict[str, Any]:
    """The variables of annot.mat."""
    count = len(metric)
    length = len(next(iter(metric.values())))
    projected = [recorded(cameras[c].project_camera(joints)) for c, joints in metric.items()]
    made = {
        "annot2": cells(projected, (count, 1)),
        "annot3": cells([recorded(joints) for joints in metric.values()], (count, 1)),
        "univ_annot3": cells([recorded(universal(joints)) for joints in metric.values()], (count, 1)),
        "cameras": np.array([list(metric)], np.uint8),
        "frames": np.arange(length, dtype=np.uint16)[:, None],
    }
    return made | changes


def write_training(
    home: Path, cameras: Views, metric: Poses, pictures: dict[str, dict[int, list[np.ndarray]]], place: str = ""
) -> None:
    """A recording such as S1/Seq1.

    Args:
        metric: (t, 17, 3) of each camera.
        pictures: of each camera, for "imageSequence", and for "FGmasks" and "ChairMasks" if there are masks.
        place: pattern of image files instead of videos, such as "imageSequence/video_{}/img_{:06d}.jpg".
    """
    home.mkdir(parents=True)
    savemat(str(home / "annot.mat"), annotations(cameras, metric), do_compression=True)
    (home / "camera.calibration").write_text(calibration(cameras))
    for kind, views in pictures.items():
        for name, images in views.items():
            if place:
                for number, image in enumerate(images):
                    write_image(home / place.format(name, number + 1).replace("imageSequence", kind), image)
            else:
                write_video(home / kind / f"video_{name}.avi", images, "mpeg4", 25)


# -- MPI-INF-3DHP, test ----------------------------------------------------------------------------------------------


def tested(
    metric: np.ndarray, camera: Camera, valid: np.ndarray, activities: np.ndarray, **changes: Any
) -> dict[str, Any]:
    """The variables of annot_data.mat; what is not valid is zero, and universal poses of it are not."""
    invalid = valid == 0
    pixels = camera.project_camera(metric)
    pixels[invalid], metric = 0, np.where(invalid[:, None, None], 0, metric)
    made = {"annot2": pixels, "annot3": metric, "univ_annot3": universal(metric)}
    variables: dict[str, Any] = {name: values.transpose(2, 1, 0)[:, :, None] for name, values in made.items()}
    variables["valid_frame"] = valid[None].astype(np.float64)
    variables["activity_annotation"] = activities[None].astype(np.float64)
    return variables | changes


def write_test(folder: Path, number: int, pictures: list[np.ndarray], variables: dict[str, Any]) -> None:
    """A recording TS1 to TS6; variables as `tested` has them."""
    home = folder / "mpi_inf_3dhp_test_set" / f"TS{number}"
    for frame, image in enumerate(pictures):
        write_image(home / "imageSequence" / f"img_{frame + 1:06d}.jpg", image)
    save_mat73(home / "annot_data.mat", variables)


# -- MuPoTS-3D -------------------------------------------------------------------------------------------------------


def write_mupots(
    home: Path,
    camera: Camera,
    poses: np.ndarray,
    pictures: list[np.ndarray],
    *,
    valid: Callable[[int, int], bool] = lambda frame, person: True,
    hidden: Callable[[int, int], tuple[int, ...]] = lambda frame, person: (),
    hips_px: tuple[float, float] = (4.0, 7.0),
) -> None:
    """A recording such as MultiPersonTestSet/TS1 of (t, p, 17, 3) poses.

    Args:
        valid: whether a person is annotated in a frame.
        hidden: joints of a person that are occluded in a frame.
        hips_px: how far annot2 of the hips is beside the projection; in the official files it is.
    """
    for frame, image in enumerate(pictures):
        write_image(home / f"img_{frame:06d}.jpg", image)
    frames, persons = poses.shape[:2]
    pixels = camera.project_camera(poses)
    pixels[:, :, [8, 11]] += hips_px
    structs, hides = [], []
    for frame in range(frames):
        for person in range(persons):
            metric = poses[frame, person]
            structs.append({
                "annot2": pixels[frame, person].T, "annot3": metric.T, "univ_annot3": universal(metric).T,
                "isValidFrame": np.array([[float(valid(frame, person))]]),
            })  # fmt: skip
            hides.append(np.zeros((1, 17)))
            hides[-1][0, list(hidden(frame, person))] = 1
    savemat(str(home / "annot.mat"), {"annotations": cells(structs, (frames, persons))})
    savemat(str(home / "occlusion.mat"), {"occlusion_labels": cells(hides, (frames, persons))})
