"""Human3.6M in the byte formats of the official files, and as h36m-fetch and Moon et al. prepare it."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

import cdflib.cdfwrite
import h5py
import numpy as np
from scipy.spatial.transform import Rotation

from layouts.mat73 import cell, save_mat73
from layouts.pictures import write_frames, write_video
from metricpose.data.readers import h36m_layout
from metricpose.data.readers.h36m_layout import CAMERAS, JOINTS
from metricpose.geometry.camera import Camera

SHIFTED = ("S9", "Greeting")
TRUE_SHIFT = np.array([-200.0, 0, 0])
"""From where the files have the person to where the person is."""


@dataclass(frozen=True)
class Eye:
    """A camera by its official numbers."""

    angles: np.ndarray
    centre: np.ndarray
    f: np.ndarray
    c: np.ndarray
    k: np.ndarray
    p: np.ndarray
    size: tuple[int, int]

    @property
    def R(self) -> np.ndarray:
        return Rotation.from_euler("XYZ", self.angles).as_matrix()

    def in_frame(self, world: np.ndarray) -> np.ndarray:
        """Points of the world in the camera's frame."""
        return (world - self.centre) @ self.R.T

    def project(self, world: np.ndarray) -> np.ndarray:
        """Pixels, by the official formula written out for one point after the other."""
        out = []
        for X, Y, Z in self.in_frame(world).reshape(-1, 3):
            x, y = X / Z, Y / Z
            r2 = x**2 + y**2
            factor = 1 + self.k[0] * r2 + self.k[1] * r2**2 + self.k[2] * r2**3 + self.p[0] * y + self.p[1] * x
            out.append(self.f * (x * factor + self.p[1] * r2, y * factor + self.p[0] * r2) + self.c)
        return np.array(out).reshape(*world.shape[:-1], 2)

    @property
    def pinhole(self) -> Camera:
        """The camera without its lens."""
        K = np.array([[self.f[0], 0, self.c[0]], [0, self.f[1], self.c[1]], [0, 0, 1]])
        return Camera(K, self.size, np.zeros(0), self.R, -self.R @ self.centre)


Eyes = dict[tuple[int, str], Eye]
"""By subject and camera."""


def metadata(cameras: Eyes) -> str:
    """The text of metadata.xml, as far as it is read."""
    poses = [np.r_[cameras[s, name].angles, cameras[s, name].centre] for name in CAMERAS for s in range(1, 12)]
    insides = [np.r_[e.f, e.c, e.k, e.p] for e in (cameras[1, name] for name in CAMERAS)]
    numbers = " ".join(repr(float(v)) for v in np.concatenate([*poses, *insides]))
    sizes = ";".join("{1} {0}".format(*cameras[1, name].size) for name in CAMERAS)
    rows = [["Action", "subaction", *(f"S{s}" for s in range(1, 12))], ["", "", *[f"[{sizes}]"] * 11]]
    table = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>\n" for row in rows)
    names = "".join(f"<item>{name}</item>" for name in CAMERAS)
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<a><mapping>{table}</mapping><w0>[{numbers}]</w0>'
        f"<dbcameras><index2id>{names}</index2id></dbcameras></a>"
    )


def write_cdf(path: Path, values: np.ndarray) -> None:
    """A variable Pose of real numbers of 4 bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cdflib.cdfwrite.CDF(str(path), cdf_spec={"rDim_sizes": [], "Majority": "Row_major"}, delete=True)
    spec = {"Variable": "Pose", "Data_Type": 44, "Num_Elements": 1, "Rec_Vary": True, "Dim_Sizes": [*values.shape[1:]]}
    writer.write_var(spec, var_data=values.astype(np.float32))
    writer.close()


def recorded(joints17: np.ndarray) -> np.ndarray:
    """(t, 17, d) -> (1, t, 32 d), the other joints far away."""
    out = np.full((len(joints17), 32, joints17.shape[-1]), 7777.0)
    out[:, list(JOINTS)] = joints17
    return out.reshape(1, len(out), -1)


@dataclass(frozen=True)
class Take(ABC):
    """A recording: where the person is, and what the files say of it."""

    subject: int
    name: str
    cameras: Eyes
    frames: int
    images: dict[str, list[np.ndarray]] = field(default_factory=dict)

    @property
    @abstractmethod
    def world(self) -> np.ndarray:
        """(t, 17, 3) where the person is."""

    @abstractmethod
    def picture(self, eye: Eye, frame: int) -> np.ndarray:
        """What a camera sees."""

    @property
    def labelled(self) -> np.ndarray:
        """As the files have it: beside the person in some recordings."""
        return self.world - (TRUE_SHIFT if (f"S{self.subject}", self.name) == SHIFTED else 0)

    @property
    def views(self) -> list[str]:
        """Cameras whose video was distributed whole."""
        known = h36m_layout.DAMAGED
        return [c for c in CAMERAS if (f"S{self.subject}", self.name, c) not in known]

    def pictures(self, camera: str) -> list[np.ndarray]:
        """All frames of a camera."""
        if camera not in self.images:
            eye = self.cameras[self.subject, camera]
            self.images[camera] = [self.picture(eye, frame) for frame in range(self.frames)]
        return self.images[camera]

    def box(self, camera: str, frame: int) -> tuple[int, int, int, int]:
        """First and past-the-last column and row of the official box; of the labels, like all of the files."""
        points = self.cameras[self.subject, camera].project(self.labelled[frame])
        (left, top), (right, bottom) = points.min(0).astype(int) - 4, points.max(0).astype(int) + 6
        return left, right, top, bottom

    def masks(self, camera: str) -> list[np.ndarray]:
        """The official boxes, as they are distributed."""
        width, height = self.cameras[self.subject, camera].size
        found = np.zeros((self.frames, height, width), np.uint8)
        for frame in range(self.frames):
            left, right, top, bottom = self.box(camera, frame)
            found[frame, max(top, 0) : bottom, max(left, 0) : right] = 1
        return list(found)


# -- official --------------------------------------------------------------------------------------------------------


def write(
    folder: Path,
    takes: list[Take],
    *,
    poses: str = "mono",
    pictures: str = "videos",
    boxes: bool = True,
    pixels: bool = True,
) -> None:
    """The files of these recordings: poses "mono", "world" or "collection", pictures "videos" or "frames"."""
    folder.mkdir(exist_ok=True)
    (folder / "metadata.xml").write_text(metadata(takes[0].cameras))
    collection: dict[str, dict[str, np.ndarray]] = {}
    for take in takes:
        home = folder / f"S{take.subject}"
        if poses == "world":
            write_cdf(home / "MyPoseFeatures" / "D3_Positions" / f"{take.name}.cdf", recorded(take.labelled))
        short = take.name.replace("TakingPhoto", "Photo")
        metres = recorded(take.labelled).reshape(take.frames, 32, 3) / 1000
        collection.setdefault(f"S{take.subject}", {})[short] = metres.astype(np.float32)
        for camera in CAMERAS:
            _write_view(home, take, camera, poses, pictures, boxes, pixels)
    if poses == "collection":
        np.savez_compressed(folder / "data_3d_h36m.npz", positions_3d=np.array(collection, object))


def _write_view(home: Path, take: Take, camera: str, poses: str, pictures: str, boxes: bool, pixels: bool) -> None:
    view, eye = f"{take.name}.{camera}", take.cameras[take.subject, camera]
    if poses == "mono":
        path = home / "MyPoseFeatures" / "D3_Positions_mono" / f"{view}.cdf"
        write_cdf(path, recorded(eye.in_frame(take.labelled)))
    if pixels:
        write_cdf(home / "MyPoseFeatures" / "D2_Positions" / f"{view}.cdf", recorded(eye.project(take.labelled)))
    if boxes:
        path = home / "MySegmentsMat" / "ground_truth_bb" / f"{view}.mat"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_mat73(path, {"Masks": cell(take.masks(camera), (1, take.frames))})
    if pictures == "videos":
        write_video(home / "Videos" / f"{view}.mp4", take.pictures(camera))
    else:
        write_frames(home / "Images" / view, take.pictures(camera), "frame_{:06d}.jpg", every=2)


# -- prepared by others ----------------------------------------------------------------------------------------------

Places = dict[int, tuple[int, int, str]]
"""Subject -> numbers of action and subaction, and name of the action, of its recording."""


def write_fetch(
    folder: Path, takes: list[Take], places: Places, *, metric: str | None = "pose/3d", every: int = 4
) -> None:
    """`folder` is what process_all.py calls processed; metadata.xml lies above it."""
    for take in takes:
        action, subaction, name = places[take.subject]
        home = folder / f"S{take.subject}" / f"{name}-{subaction}"
        columns: dict[str, list[np.ndarray]] = {}
        kept = np.arange(0, take.frames, every)
        for camera in take.views:
            eye = take.cameras[take.subject, camera]
            write_frames(home / "imageSequence" / camera, take.pictures(camera), "img_{:06d}.jpg", 1, every)
            joints = recorded(eye.in_frame(take.labelled)).reshape(take.frames, 32, 3)[kept]
            pixels = recorded(eye.project(take.labelled)).reshape(take.frames, 32, 2)[kept]
            values = {"frame": kept + 1, "pose/2d": pixels, "pose/3d-univ": 1.1 * joints}
            values |= {metric: joints} if metric else {}
            numbers = {"camera": int(camera), "subject": take.subject, "action": action, "subaction": subaction}
            values |= {key: np.full(len(kept), number) for key, number in numbers.items()}
            for key, value in values.items():
                columns.setdefault(key, []).append(value)
        with h5py.File(home / "annot.h5", "w") as file:
            for key, parts in columns.items():
                file[key] = np.concatenate(parts)
    (folder.parent / "metadata.xml").write_text(metadata(takes[0].cameras))


def write_moon(folder: Path, takes: list[Take], places: Places, *, centre: bool = False, every: int = 4) -> None:
    """`centre`: the older files, where t is the camera's centre."""
    (folder / "annotations").mkdir(parents=True)
    for take in takes:
        action, subaction, _ = places[take.subject]
        images, annotations, numbered = [], [], {}
        for camera in take.views:
            eye, view = take.cameras[take.subject, camera], CAMERAS.index(camera) + 1
            name = f"s_{take.subject:02d}_act_{action:02d}_subact_{subaction:02d}_ca_{view:02d}"
            write_frames(folder / "images" / name, take.pictures(camera), name + "_{:06d}.jpg", 1, every)
            t = eye.centre if centre else -eye.R @ eye.centre
            numbered[str(view)] = {"R": eye.R.tolist(), "t": t.tolist(), "f": eye.f.tolist(), "c": eye.c.tolist()}
            for frame, joints in enumerate(take.labelled):
                pixels = eye.pinhole.project(joints)  # the files know no lens
                middle, half = (pixels.min(0) + pixels.max(0)) / 2, 0.6 * np.ptp(pixels, axis=0)
                box = [*(middle - half).tolist(), *(2 * half).tolist()]
                place = {"action_idx": action, "subaction_idx": subaction, "cam_idx": view, "frame_idx": frame}
                images.append({"id": 7 * len(images), "file_name": f"{name}/{name}_{frame + 1:06d}.jpg", **place})
                annotations.append({"id": len(images), "image_id": images[-1]["id"], "bbox": box})
        world = {str(f): joints.tolist() for f, joints in enumerate(take.labelled)}
        content = {
            "data": {"images": images[::-1], "annotations": annotations},
            "camera": numbered,
            "joint_3d": {str(action): {str(subaction): world}},
        }
        for kind, value in content.items():
            (folder / "annotations" / f"Human36M_subject{take.subject}_{kind}.json").write_text(json.dumps(value))
