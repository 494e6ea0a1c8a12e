"""Small MPI-INF-3DHP, MuPoTS-3D and MuCo-3DHP of painted people, in the byte formats of the official files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.io import savemat

from data.mat73 import save_mat73
from data.readers.dots import write_video
from data.scenes import body, look_at, paint, walk
from metricpose.data.readers.mpi_inf_3dhp_layout import JOINT_COUNT, JOINTS
from metricpose.geometry.camera import Camera
from metricpose.skeleton.catalog import MPI_INF_3DHP_17, MUCO_21

SKELETON = "mpi_inf_3dhp_17"
ROOT = MPI_INF_3DHP_17.root
FRAMES = 7
SCALE = 1.07
"""annot3, seen from the pelvis, is this times univ_annot3."""
CAMERAS = {
    0: look_at((0, -4000, 1300), size=(400, 320)),
    1: look_at((-3000, -2600, 900), size=(360, 440)),
    2: look_at((2500, -2600, 1700), size=(400, 320)),
}
CHAIR = (slice(240, 280), slice(60, 100))


def people(camera: Camera, frames: int = FRAMES, step: float = 40.0) -> np.ndarray:
    """(t, 17, 3) in the camera's frame."""
    return camera.to_camera(walk(SKELETON, frames, step_mm=step))


def universal(metric: np.ndarray) -> np.ndarray:
    """As distributed: smaller, and somewhere else."""
    return (metric - metric[..., ROOT : ROOT + 1, :]) / SCALE + (50.0, -30.0, 2800.0)


def jpeg(path: Path, image: np.ndarray) -> None:
    """An RGB picture as a file, of the best quality if it is JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = [cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    cv2.imwrite(str(path), image[..., ::-1], options if path.suffix == ".jpg" else [])


def pictures(camera: Camera, metric: np.ndarray) -> list[np.ndarray]:
    """What a camera sees."""
    return [paint(camera, camera.to_world(joints)) for joints in metric]


def cells(values: list[Any], shape: tuple[int, int]) -> np.ndarray:
    """A cell array, row by row."""
    out = np.empty(len(values), object)
    for index, value in enumerate(values):
        out[index] = value
    return out.reshape(shape)


# -- MPI-INF-3DHP, training ------------------------------------------------------------------------------------------


def calibration(cameras: dict[int, Camera]) -> str:
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


def annotations(metric: dict[int, np.ndarray], **changes: Any) -> dict[str, Any]:
    """The variables of annot.mat."""
    count = len(metric)
    length = len(next(iter(metric.values())))
    projected = [recorded(CAMERAS[c].project_camera(joints)) for c, joints in metric.items()]
    made = {
        "annot2": cells(projected, (count, 1)),
        "annot3": cells([recorded(joints) for joints in metric.values()], (count, 1)),
        "univ_annot3": cells([recorded(universal(joints)) for joints in metric.values()], (count, 1)),
        "cameras": np.array([list(metric)], np.uint8),
        "frames": np.arange(length, dtype=np.uint16)[:, None],
    }
    return made | changes


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
    home = folder / "S1" / "Seq1"
    home.mkdir(parents=True)
    metric = {c: people(CAMERAS[c]) for c in (2, 0, 1)}  # not in order
    savemat(str(home / "annot.mat"), annotations(metric), do_compression=True)
    (home / "camera.calibration").write_text(calibration(CAMERAS))
    for name, camera in CAMERAS.items():
        seen = {"imageSequence": pictures(camera, metric[name])}
        if with_masks:
            made = [masks(camera, joints) for joints in metric[name]]
            seen |= {"FGmasks": [m[0] for m in made], "ChairMasks": [m[1] for m in made]}
        for kind, images in seen.items():
            if place:
                for number, image in enumerate(images):
                    jpeg(home / place.format(name, number + 1).replace("imageSequence", kind), image)
            else:
                write_video(home / kind / f"video_{name}.avi", images, "mpeg4", 25)
    return metric


# -- MPI-INF-3DHP, test ----------------------------------------------------------------------------------------------

TEST_CAMERAS = {1: CAMERAS[0], 5: CAMERAS[1]}
VALID = np.array([1, 0, 1, 1, 0, 1, 1])


def tested(metric: np.ndarray, camera: Camera, **changes: Any) -> dict[str, Any]:
    """The variables of annot_data.mat."""
    invalid = VALID == 0
    pixels = camera.project_camera(metric)
    pixels[invalid], metric = 0, np.where(invalid[:, None, None], 0, metric)
    made = {"annot2": pixels, "annot3": metric, "univ_annot3": universal(metric)}
    variables: dict[str, Any] = {name: values.transpose(2, 1, 0)[:, :, None] for name, values in made.items()}
    variables["valid_frame"] = VALID[None].astype(np.float64)
    variables["activity_annotation"] = np.array([[1, 1, 2, 7, 7, 3, 5.0]])
    return variables | changes


def write_test(folder: Path) -> dict[int, np.ndarray]:
    """TS1 and TS5; returns the poses."""
    poses = {}
    for number, camera in TEST_CAMERAS.items():
        home = folder / "mpi_inf_3dhp_test_set" / f"TS{number}"
        poses[number] = people(camera)
        for frame, image in enumerate(pictures(camera, poses[number])):
            jpeg(home / "imageSequence" / f"img_{frame + 1:06d}.jpg", image)
        save_mat73(home / "annot_data.mat", tested(poses[number], camera))
    return poses


# -- MuPoTS-3D -------------------------------------------------------------------------------------------------------

BESIDE = np.array([900.0, 500.0, 0.0])
"""From the first person to the second, in the world."""


def pair(camera: Camera, frames: int) -> np.ndarray:
    """(t, 2, 17, 3) two people in the camera's frame."""
    world = walk(SKELETON, frames, step_mm=30) - (500, 0, 0)
    return camera.to_camera(np.stack([world, world * (1, 1, 0.9) + BESIDE], 1))


def write_mupots(folder: Path, frames: int = 4) -> np.ndarray:
    """TS1 and TS2; the second person of frame 1 is not valid. Returns the poses."""
    poses = pair(CAMERAS[0], frames)
    for number in (1, 2):
        home = folder / "MultiPersonTestSet" / f"TS{number}"
        for frame in range(frames):
            world = CAMERAS[0].to_world(poses[frame])
            image = paint(CAMERAS[0], world[0], paint(CAMERAS[0], world[1]))
            jpeg(home / f"img_{frame:06d}.jpg", image)
        write_mupots_annotations(home, poses)
    return poses


def write_mupots_annotations(home: Path, poses: np.ndarray, hidden: np.ndarray | None = None) -> None:
    """annot.mat and occlusion.mat; annot2 of the hips is beside the projection, as in the official files."""
    frames, persons = poses.shape[:2]
    pixels = CAMERAS[0].project_camera(poses)
    pixels[:, :, [8, 11]] += (4.0, 7.0)
    structs, hides = [], []
    for frame in range(frames):
        for person in range(persons):
            metric = poses[frame, person]
            structs.append({
                "annot2": pixels[frame, person].T, "annot3": metric.T, "univ_annot3": universal(metric).T,
                "isValidFrame": np.array([[float((frame, person) != (1, 1))]]),
            })  # fmt: skip
            hides.append(np.zeros((1, 17)))
            hides[-1][0, 3 + person] = 1
    savemat(str(home / "annot.mat"), {"annotations": cells(structs, (frames, persons))})
    savemat(str(home / "occlusion.mat"), {"occlusion_labels": cells(hides, (frames, persons))})


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
    content: dict[str, Any] = {"images": [], "annotations": [], "info": {"by": ["sömeone", 1.5]}}
    for number, name in ((70, "unaugmented_set/1/000070.jpg"), (12, "augmented_set/0/000012.jpg")):
        image = None
        for joints in poses[::-1]:
            image = paint(camera, camera.to_world(joints), image)
        jpeg(folder / "data" / name, image)
        (fx, _, cx), (_, fy, cy) = camera.K[0], camera.K[1]
        content["images"].append({
            "id": number, "file_name": name, "width": 480, "height": 360, "f": [fx, fy], "c": [cx, cy],
        })  # fmt: skip
        for person, joints in enumerate(poses):
            pixels = camera.project_camera(joints)
            low, high = pixels.min(0) - 3, pixels.max(0) + 3
            seen = np.ones(len(MUCO_21), int)
            seen[4] = 0
            content["annotations"].append({
                "id": 10 * number + person, "image_id": number, "bbox": [*low, *(high - low)],
                "keypoints_img": pixels.tolist(), "keypoints_cam": joints.tolist(), "keypoints_vis": seen.tolist(),
            })  # fmt: skip
    save_muco(folder, content)
    return content, poses


def save_muco(folder: Path, content: dict[str, Any]) -> None:
    """Write MuCo-3DHP.json."""
    (folder / "data" / "MuCo-3DHP.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf8")


def write_composites(folder: Path, joints: int = 21) -> tuple[Camera, np.ndarray]:
    """Two chunks of two images and one; returns the camera and the poses of each image."""
    camera = look_at((0, -4000, 1300), size=(480, 360))
    poses = crowd(camera, joints)[:2]
    for chunk, count in ((1, 2), (2, 1)):
        names = [f"{2 * chunk - 1 + k:06d}.jpg" for k in range(count)]
        relative = poses - poses[:, ROOT : ROOT + 1]
        variables = {
            "img_names": cells(names, (1, count)),
            "joint_loc3": np.repeat(relative.transpose(2, 1, 0)[..., None], count, -1),
            "joint_loc2": np.repeat(camera.project_camera(poses).transpose(2, 1, 0)[..., None], count, -1),
        }
        for name in names:
            image = paint(camera, camera.to_world(poses[0]), paint(camera, camera.to_world(poses[1])))
            jpeg(folder / "unaugmented_set_001" / name, image)
        if count == 1:  # as Matlab saves it
            variables |= {name: variables[name][..., 0] for name in ("joint_loc3", "joint_loc2")}
        savemat(str(folder / "unaugmented_set_001" / f"chunk_{chunk:05d}_annot.mat"), variables)
    return camera, poses
