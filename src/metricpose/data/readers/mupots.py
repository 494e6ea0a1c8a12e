"""MuPoTS-3D as it is distributed: annot.mat, occlusion.mat and images of 20 recordings of several people."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

from metricpose.data.faults import COPY_AGAIN, Faults, fault, need_file
from metricpose.data.pictures import Picture
from metricpose.data.readers import mpi_inf_3dhp_labels as scales
from metricpose.data.readers.contract import Description, Item, Labels, Reader
from metricpose.data.readers.intrinsics import Fit, fit_intrinsics, need_fit
from metricpose.data.scientific import read_mat
from metricpose.geometry.camera import Camera
from metricpose.types import HIDDEN, OUTSIDE, VISIBLE

SPLITS = {"test": False, "test_universal": True}
"""Name -> whether poses are univ_annot3."""

ABOUT = Description(
    name="mupots",
    title="MuPoTS-3D",
    labels="3D of marker-less motion capture, metric (annot3) or of one height for all (univ_annot3); 2D; occlusion",
    licence="research only, no commercial use",
    source="https://vcai.mpi-inf.mpg.de/projects/SingleShotMultiPerson (mupots-3d-eval.zip, MultiPersonTestSet.zip)",
    citation=(
        "Mehta, Sotnychenko, Mueller, Xu, Sridhar, Pons-Moll, Theobalt: Single-Shot Multi-Person 3D Pose Estimation "
        "From Monocular RGB. 3DV 2018"
    ),
    skeleton="mpi_inf_3dhp_17",
    joints="the 17 in the files; published numbers are of the first 14, relative to the pelvis (15th)",
    units="millimetres in the camera's frame, pixels",
    camera="not distributed; recovered from annot2 and annot3 by least squares for each recording",
    skips="annotations not marked as valid",
    layout={
        "TS*/annot.mat": "annotations: a cell for each frame and person; MultiPersonTestSet/TS* is found too",
        "TS*/occlusion.mat": "which joints are hidden",
        "TS*/img_000000.jpg": "images, counted from 0",
    },
    splits=dict.fromkeys(SPLITS),
    notes=(
        "an item is a person in an image; people that stand in it without annotations have no item",
        "published numbers are on univ_annot3 (test_universal), matched over all people of an image; A-MPJPE and A-PCK "
        "of MeTRAbs on annot3 (test). Records say in `annotation` which pose they have, and hold the other one too",
        "univ_annot3 is left as distributed, place included, because absolute errors are measured on it; it need not "
        "project onto the picture, and the distance is marked as not valid",
        "annot2 of the hips and the spine is not the projection of annot3; such points do not count when the camera is "
        "recovered",
        "equal joint names are other points than in Human3.6M, 20 to 50 mm apart: docs/DATA.md",
    ),
)
RECORDINGS = range(1, 21)
_LAST_OF_STUDIO = 5
_RESIDUAL_PX = 20.0
_REMEDY = "Download MultiPersonTestSet.zip again."


def picture_size(recording: int) -> tuple[int, int]:
    """(width, height) of the images of a recording."""
    return (2048, 2048) if recording <= _LAST_OF_STUDIO else (1920, 1080)


class Row(NamedTuple):
    """What finds the labels of an item: folder and number of the recording, frame, person, scale of the poses."""

    folder: Path
    recording: int
    frame: int
    person: int
    universal: bool


def index(folder: Path, split: str, faults: Faults) -> Sequence[Item]:
    """The people of the images, one recording after the other."""
    items: list[Item] = []
    for recording in RECORDINGS:
        with faults.catch(f"TS{recording}"):
            items += _items(_find(folder, recording), recording, SPLITS[split], faults)
    return items


def _find(root: Path, recording: int) -> Path:
    for place in (root, root / "MultiPersonTestSet"):
        if (place / f"TS{recording}").is_dir():
            return place / f"TS{recording}"
    raise fault(root / f"TS{recording}", "the folder of a recording of MuPoTS-3D", "no such folder", _REMEDY)


def _items(folder: Path, recording: int, universal: bool, faults: Faults) -> list[Item]:
    found = read_recording(folder, picture_size(recording))
    items = []
    for frame, people in enumerate(found.valid):
        if people.any():
            with faults.catch(f"TS{recording}/{frame:06d}"):
                path = need_file(folder / f"img_{frame:06d}.jpg", "an image of MuPoTS-3D", _REMEDY)
                for person in np.flatnonzero(people).tolist():
                    row = Row(folder, recording, frame, person, universal)
                    items.append(Item(f"TS{recording}/{frame:06d}/{person}", Picture(path), row))
    if not found.valid.all():
        faults.omit(f"TS{recording}", f"{(~found.valid).sum()} of {found.valid.size} annotations, not marked as valid")
    return items


class Recorded(NamedTuple):
    """A recording: t frames, p people, NaN where an annotation is not valid.

    Attributes:
        pixels, metric, universal: labels; millimetres in the camera's frame.
        hidden: joints marked as occluded.
        camera: recovered from the labels, with the distance of these from its projection (`fit`).
    """

    valid: Bool[np.ndarray, "t p"]
    pixels: Float[np.ndarray, "t p 17 2"]
    metric: Float[np.ndarray, "t p 17 3"]
    universal: Float[np.ndarray, "t p 17 3"]
    hidden: Bool[np.ndarray, "t p 17"]
    camera: Camera
    fit: Fit


@lru_cache(maxsize=4)
def read_recording(folder: Path, size: tuple[int, int]) -> Recorded:
    """The annotations of a recording; the camera is recovered from them by least squares.

    Raises:
        DataError: missing, no such files, or their labels do not belong together.
    """
    path = folder / "annot.mat"
    cells = np.asarray(read_mat(path, "annotations")["annotations"], object)
    if cells.ndim != 2 or not all(isinstance(cell, dict) for cell in cells.reshape(-1)):
        raise fault(path, "annotations, a cell of frames x people of structs", f"shape {cells.shape}", COPY_AGAIN)
    valid = np.array([bool(np.any(cell.get("isValidFrame", 0))) for cell in cells.reshape(-1)]).reshape(cells.shape)
    names = ("annot2", scales.METRIC, scales.UNIVERSAL)
    pixels, metric, universal = (_stacked(cells, valid, name, path) for name in names)
    scales.check_thighs(metric.reshape(-1, 17, 3), path)
    fit = fit_intrinsics(metric.reshape(-1, 3), pixels.reshape(-1, 2))
    fit = need_fit(fit, size, path, "annot2 and annot3", residual_px=_RESIDUAL_PX)
    return Recorded(valid, pixels, metric, universal, _hidden(folder, cells.shape), Camera(fit.K, size), fit)


def _stacked(cells: np.ndarray, valid: Bool[np.ndarray, "t p"], name: str, path: Path) -> Float[np.ndarray, "t p 17 c"]:
    """A field of the structs, axes x joints, as one array: NaN where it is not valid."""
    axes = 2 if name == "annot2" else 3
    out = np.full((*cells.shape, 17, axes), np.nan)
    for place in zip(*np.nonzero(valid)):
        value: Any = np.asarray(cells[place].get(name, np.zeros(0)))
        if value.shape != (axes, 17) or not np.isfinite(value).all():
            wanted = f"{axes} x 17 finite numbers in {name} of frame {place[0]}, person {place[1]}"
            raise fault(path, wanted, f"shape {value.shape}, or NaN", COPY_AGAIN)
        out[place] = value.T
    return out


def _hidden(folder: Path, shape: tuple[int, ...]) -> Bool[np.ndarray, "t p 17"]:
    path = folder / "occlusion.mat"
    cells = np.asarray(read_mat(path, "occlusion_labels")["occlusion_labels"], object)
    if cells.shape != shape or any(np.size(cell) != 17 for cell in cells.reshape(-1)):
        wanted = f"occlusion_labels of {shape[0]} frames x {shape[1]} people with 17 numbers each, as annot.mat"
        raise fault(path, wanted, f"shape {cells.shape}", "Is it another recording's file?")
    return np.array([np.asarray(cell).reshape(-1) != 0 for cell in cells.reshape(-1)]).reshape(*shape, 17)


def labels(item: Item) -> Labels:
    """The labels of a person in an image."""
    row: Row = item.row
    found = read_recording(row.folder, picture_size(row.recording))
    at = row.frame, row.person
    pixels, metric, universal = found.pixels[at], found.metric[at], found.universal[at]
    chosen, other = (universal, metric) if row.universal else (metric, universal)
    names = (scales.UNIVERSAL, scales.METRIC) if row.universal else (scales.METRIC, scales.UNIVERSAL)
    return Labels(
        found.camera,
        scales.joints_box(pixels, found.camera.size),
        chosen,
        pixels,
        _visibility(found, at),
        abs_valid=not row.universal,
        info={
            "subject": f"TS{row.recording}.{row.person}",
            "sequence": f"TS{row.recording}",
            "frame": row.frame,
            "person": row.person,
            "scene": "indoor" if row.recording <= _LAST_OF_STUDIO else "outdoor",
            "annotation": names[0],
            "universal_scale": scales.universal_scale(metric, universal),
            names[1]: other.round(3).tolist(),
            "intrinsics_residual_px": found.fit.residual_px,
            "box": "joints",
        },
    )


def _visibility(found: Recorded, at: tuple[int, int]) -> UInt8[np.ndarray, " 17"]:
    inside = scales.in_picture(found.pixels[at], found.camera.size)
    return np.where(inside, np.where(found.hidden[at], HIDDEN, VISIBLE), OUTSIDE).astype(np.uint8)


READER = Reader(ABOUT, index, labels)
