"""The training set of MPI-INF-3DHP: annot.mat, camera.calibration, videos and their masks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int

from metricpose.data.faults import COPY_AGAIN, Faults, fault
from metricpose.data.readers import mpi_inf_3dhp_labels as scales
from metricpose.data.readers import mpi_inf_3dhp_layout as layout
from metricpose.data.readers.contract import Item, Labels, Stretch
from metricpose.data.readers.mpi_inf_3dhp_cameras import read_cameras
from metricpose.data.readers.mpi_inf_3dhp_layout import JOINT_COUNT, JOINTS, Frames, Recording
from metricpose.data.scientific import read_mat
from metricpose.geometry.camera import Camera

ANNOTATIONS, CALIBRATION = "annot.mat", "camera.calibration"
_AGREE_PX = 2.0
_CONGRUENT_MM = 5.0


class View(NamedTuple):
    """A recording seen by a camera, and the scale of its poses."""

    root: Path
    recording: Recording
    camera: int
    universal: bool

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.recording.folder(self.root)

    @property
    def name(self) -> str:
        """What items are filed under."""
        return self.recording.name(self.camera)


def stretches(root: Path, split: layout.Split, faults: Faults) -> Iterator[Stretch]:
    """The frames of a split that are used: one recording after the other, each with its cameras."""
    for recording in split.recordings:
        name = f"S{recording.subject}/Seq{recording.sequence}"
        inside = None
        with faults.catch(name):
            folder = layout.need_recording(root, recording)
            cameras = read_cameras(folder / CALIBRATION)
            inside = _shares_inside(folder / ANNOTATIONS, cameras)
        if inside is None:
            continue  # left out and listed
        for camera in split.cameras:
            view = View(root, recording, camera, split.universal)
            if (*recording, camera) in split.blacklist:
                faults.omit(view.name, "its video is shorter than the others; this split leaves it out, as its paper")
                continue
            with faults.catch(view.name):
                yield _stretch(view, inside, split.inside, faults)


class _Inside(NamedTuple):
    """Share of the joints that lie in the picture, of each camera and row, and the rows' frame numbers."""

    shares: dict[int, Float32[np.ndarray, " t"]]
    numbers: Int[np.ndarray, " t"]
    path: Path


def _shares_inside(path: Path, cameras: dict[int, Camera]) -> _Inside:
    found = read_mat(path, "annot2", "cameras", "frames")
    pixels = _by_camera(found, "annot2", 2, path)
    shares = {}
    for camera, points in pixels.items():
        if camera not in cameras:
            raise fault(path.parent / CALIBRATION, f"camera {camera}, which {ANNOTATIONS} has", "none", COPY_AGAIN)
        shares[camera] = scales.in_picture(points[:, list(JOINTS)], cameras[camera].size).mean(1, dtype=np.float32)
    return _Inside(shares, _numbers(found, path), path)


def _stretch(view: View, inside: _Inside, least: float, faults: Faults) -> Stretch:
    if view.camera not in inside.shares:
        raise fault(inside.path, f"annotations of camera {view.camera}", f"those of {sorted(inside.shares)}")
    frames = layout.need_frames(view.folder, view.camera)
    known = inside.numbers < view.recording.frames(view.camera)
    if frames.there is not None:
        known &= np.isin(inside.numbers, frames.there)
    if not known.any():
        raise fault(frames.path, "frames that are annotated", "none of them", "Extract the frames, numbered from 1.")
    rows = np.flatnonzero(known & (inside.shares[view.camera] >= least - 1e-6))
    if len(rows) < known.sum():
        whole = "all joints" if least == 1 else f"{least:.0%} of the joints"
        faults.omit(view.name, f"{known.sum() - len(rows)} of {known.sum()} frames, without {whole} in the picture")
    return Stretch(len(rows), partial(_item, view, frames, rows, inside.numbers[rows]))


def _item(view: View, frames: Frames, rows: Int[np.ndarray, " n"], numbers: Int[np.ndarray, " n"], index: int) -> Item:
    row, number = int(rows[index]), int(numbers[index])
    return Item(f"{view.name}/{number:06d}", frames.picture(number), (view, row), view.name, number)


# -- annotations -----------------------------------------------------------------------------------------------------


class Annotations(NamedTuple):
    """The annotations of a recording by camera, all in the camera's frame.

    Attributes:
        pixels: (t, 28, 2) all joints.
        metric, universal: (t, 17, 3) millimetres.
        scale: metric, seen from the pelvis, is this times universal.
    """

    pixels: dict[int, Float32[np.ndarray, "t 28 2"]]
    metric: dict[int, Float32[np.ndarray, "t 17 3"]]
    universal: dict[int, Float32[np.ndarray, "t 17 3"]]
    scale: float


@lru_cache(maxsize=1)
def read_annotations(path: Path) -> Annotations:
    """The annotations of a recording; some hundred MB, so that only the last one is kept.

    Raises:
        DataError: missing, no such file, or its poses are in another unit or order.
    """
    found = read_mat(path, "annot2", "annot3", "univ_annot3", "cameras", "frames")
    chosen = list(JOINTS)
    pixels = _by_camera(found, "annot2", 2, path)
    metric, universal = (
        {camera: np.ascontiguousarray(poses[:, chosen]) for camera, poses in _by_camera(found, name, 3, path).items()}
        for name in (scales.METRIC, scales.UNIVERSAL)
    )
    first = next(iter(metric))
    scales.check_thighs(metric[first], path)
    return Annotations(pixels, metric, universal, scales.universal_scale(metric[first], universal[first]))


def _by_camera(found: dict[str, Any], name: str, axes: int, path: Path) -> dict[int, Float32[np.ndarray, "t 28 c"]]:
    """Camera number -> (frames, 28, axes)."""
    cells, cameras = np.asarray(found[name]).reshape(-1), np.asarray(found["cameras"]).reshape(-1)
    wide, length = JOINT_COUNT * axes, np.asarray(found["frames"]).size
    shapes = {getattr(cell, "shape", None) for cell in cells}
    if len(cells) != len(cameras) or shapes != {(length, wide)}:
        wanted = f"{name} with a cell for each of {len(cameras)} cameras, of {length} frames x {wide} numbers"
        shown = ", ".join(map(str, sorted(shapes, key=str)[:3]))
        raise fault(path, wanted, f"{len(cells)} of shape {shown}", COPY_AGAIN)
    return {int(c): cell.reshape(length, JOINT_COUNT, axes).astype(np.float32) for c, cell in zip(cameras, cells)}


def _numbers(found: dict[str, Any], path: Path) -> Int[np.ndarray, " t"]:
    """Frame number of each row, from 0."""
    numbers = np.asarray(found["frames"]).reshape(-1).astype(np.int64)
    if not len(numbers) or numbers[0] < 0 or (np.diff(numbers) <= 0).any():
        raise fault(path, "increasing numbers in frames, from 0", f"{numbers[:5].tolist()} ...")
    return numbers


# -- labels ----------------------------------------------------------------------------------------------------------


def labels(view: View, row: int) -> Labels:
    """The labels of one frame."""
    path = view.folder / ANNOTATIONS
    found, camera = read_annotations(path), read_cameras(view.folder / CALIBRATION)[view.camera]
    pixels = found.pixels[view.camera][row, list(JOINTS)].astype(np.float64)
    joints = found.metric[view.camera][row].astype(np.float64)
    inside = scales.in_picture(pixels, camera.size)
    _check_projection(camera, joints[inside], pixels[inside], path)
    if view.universal:
        joints = _universal(found, view, row, joints, path)
    facts = {"subject": f"S{view.recording.subject}", "part": view.recording.sequence, "view": view.camera}
    scale = {"annotation": scales.UNIVERSAL if view.universal else scales.METRIC, "universal_scale": found.scale}
    return Labels(
        camera,
        scales.joints_box(pixels, camera.size),
        joints,
        pixels,
        scales.marks(pixels, camera.size),
        abs_valid=not view.universal,
        info={**facts, **scale, "box": "joints"},
    )


def _universal(
    found: Annotations, view: View, row: int, joints: Float[np.ndarray, "17 3"], path: Path
) -> Float[np.ndarray, "17 3"]:
    universal = found.universal[view.camera][row].astype(np.float64)
    error = float(scales.scale_error(joints[None], universal[None], found.scale)[0])
    if not error < _CONGRUENT_MM:
        wanted = f"univ_annot3 to be annot3 divided by {found.scale:.4f}, seen from the pelvis, as in most frames"
        raise fault(path, wanted, f"{error:.0f} mm between them in row {row} of camera {view.camera}", COPY_AGAIN)
    return scales.placed_universal(joints, universal, found.scale)


def _check_projection(
    camera: Camera, joints: Float[np.ndarray, "n 3"], pixels: Float[np.ndarray, "n 2"], path: Path
) -> None:
    """Refuse annotations that are not of this camera; in the official files both agree to 0.01 pixels."""
    apart = np.abs(camera.project_camera(joints) - pixels)
    if not (apart < _AGREE_PX).all():
        wanted = f"annot2 within {_AGREE_PX:.0f} pixels of where {CALIBRATION} projects annot3"
        shown = f"{np.nanmax(apart):.1f}" if np.isfinite(apart).any() else "points behind the camera"
        raise fault(path, wanted, shown, "One of the two files belongs to another recording: extract both again.")
