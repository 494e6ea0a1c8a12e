"""A small Human3.6M of people made of dots, in the byte formats of the official files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

import cdflib.cdfwrite
import numpy as np
from scipy.spatial.transform import Rotation

from data.mat73 import cell, save_mat73
from data.readers import dots
from metricpose.data.readers.h36m_layout import CAMERAS, JOINTS
from metricpose.skeleton.catalog import H36M_17

FRAMES = 18
SIZES = ((340, 362), (350, 340), (340, 350), (360, 352))
"""(width, height) of the four cameras' pictures, all different."""
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


def eyes(lens: float = 1.0) -> dict[tuple[int, str], Eye]:
    """Four cameras around each of 11 subjects; `lens` scales the distortion."""
    rng = np.random.default_rng(5)
    found = {}
    for view, name in enumerate(CAMERAS):
        width, height = SIZES[view]
        f = np.array([1.15, 1.16]) * 360 + rng.normal(0, 3, 2)
        c = np.array([width, height]) / 2 + rng.normal(0, 6, 2)
        k, p = lens * np.array([-0.2, 0.24, -0.004]) + 0, lens * np.array([-0.0022, -0.0017])
        for subject in range(1, 12):
            angle = 0.1 + view * np.pi / 2 - 0.02 * subject
            centre = np.array([3900 * np.cos(angle), 3900 * np.sin(angle), 1500.0 + 10 * subject])
            R = dots.look(centre, np.array([0, 0, 950.0]))
            found[subject, name] = Eye(Rotation.from_matrix(R).as_euler("XYZ"), centre, f, c, k, p, SIZES[view])
    return found


def metadata(cameras: dict[tuple[int, str], Eye]) -> str:
    """The text of metadata.xml, as far as it is read."""
    poses = [np.r_[cameras[s, name].angles, cameras[s, name].centre] for name in CAMERAS for s in range(1, 12)]
    insides = [np.r_[e.f, e.c, e.k, e.p] for e in (cameras[1, name] for name in CAMERAS)]
    numbers = " ".join(repr(float(v)) for v in np.concatenate([*poses, *insides]))
    sizes = ";".join(f"{h} {w}" for w, h in SIZES)
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
class Take:
    """A recording: where the person is, and what the files say of it."""

    subject: int
    name: str
    cameras: dict[tuple[int, str], Eye]
    frames: int = FRAMES
    images: dict[str, list[np.ndarray]] = field(default_factory=dict)

    @property
    def world(self) -> np.ndarray:
        return np.stack([dots.pose(H36M_17.joints, n + self.subject) for n in range(self.frames)]) - (0, 70, 0)

    @property
    def labelled(self) -> np.ndarray:
        """As the files have it: beside the person in some recordings."""
        return self.world - (TRUE_SHIFT if (f"S{self.subject}", self.name) == SHIFTED else 0)

    def pictures(self, camera: str) -> list[np.ndarray]:
        if camera not in self.images:
            eye = self.cameras[self.subject, camera]
            self.images[camera] = [dots.paint(eye.size, eye.project(joints)) for joints in self.world]
        return self.images[camera]

    def box(self, camera: str, frame: int) -> tuple[int, int, int, int]:
        """First and past-the-last column and row of the official box; of the labels, like all of the files."""
        points = self.cameras[self.subject, camera].project(self.labelled[frame])
        (left, top), (right, bottom) = points.min(0).astype(int) - 4, points.max(0).astype(int) + 6
        return left, right, top, bottom

    def masks(self, camera: str) -> list[np.ndarray]:
        width, height = self.cameras[self.subject, camera].size
        found = np.zeros((self.frames, height, width), np.uint8)
        for frame in range(self.frames):
            left, right, top, bottom = self.box(camera, frame)
            found[frame, top:bottom, left:right] = 1
        return list(found)


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
        dots.write_video(home / "Videos" / f"{view}.mp4", take.pictures(camera))
    else:
        dots.write_frames(home / "Images" / view, take.pictures(camera), "frame_{:06d}.jpg", every=2)
