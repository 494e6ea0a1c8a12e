"""The test set of MPI-INF-3DHP: annot_data.mat (HDF5) and images of TS1 to TS6."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from metricpose.data.faults import Faults, fault, need_file
from metricpose.data.pictures import Picture
from metricpose.data.readers import mpi_inf_3dhp_labels as scales
from metricpose.data.readers import mpi_inf_3dhp_layout as layout
from metricpose.data.readers.contract import Item, Labels
from metricpose.data.readers.intrinsics import fit_intrinsics, need_fit
from metricpose.data.scientific import read_mat
from metricpose.geometry.camera import Camera

ANNOTATIONS = "annot_data.mat"
_RESIDUAL_PX = 10.0
_REMEDY = "Download the test set again with get_testset.sh."


class Row(NamedTuple):
    """What finds the labels of an item: folder and number of the recording, frame from 0, scale of the poses."""

    folder: Path
    recording: int
    frame: int
    universal: bool


def items(root: Path, universal: bool, faults: Faults) -> Iterator[Item]:
    """The frames of TS1 to TS6 that are marked as valid."""
    for number in layout.TEST_SIZES:
        name, frames = f"TS{number}", np.zeros(0, np.int64)
        with faults.catch(name):
            folder = layout.find_test_folder(root, number)
            found = read_recording(folder / ANNOTATIONS, layout.TEST_SIZES[number])
            frames = found.frames
            faults.omit(name, f"{found.total - len(frames)} of {found.total} frames, which are not marked as valid")
        for frame in frames.tolist():
            with faults.catch(f"{name}/{frame:06d}"):
                path = folder / "imageSequence" / f"img_{frame + 1:06d}.jpg"
                picture = Picture(need_file(path, "an image of the test set of MPI-INF-3DHP", _REMEDY))
                yield Item(f"{name}/{frame:06d}", picture, Row(folder, number, frame, universal), name, frame)


class Recorded(NamedTuple):
    """The valid frames of a test recording.

    Attributes:
        frames: (n,) their numbers, from 0, of `total`.
        pixels, metric, universal: (n, 17, 2 or 3) labels; millimetres in the camera's frame.
        activities: (n,) numbers from 1; 0 where the file has none.
        camera: recovered from the labels.
        residual_px: how far they lie from its projection (median).
        scale: metric, seen from the pelvis, is this times universal, knees and ankles left out.
    """

    frames: Int[np.ndarray, " n"]
    total: int
    pixels: Float[np.ndarray, "n 17 2"]
    metric: Float[np.ndarray, "n 17 3"]
    universal: Float[np.ndarray, "n 17 3"]
    activities: Int[np.ndarray, " n"]
    camera: Camera
    residual_px: float
    scale: float


@lru_cache(maxsize=8)
def read_recording(path: Path, size: tuple[int, int]) -> Recorded:
    """The annotations of a test recording; the camera is recovered from them by least squares.

    Raises:
        DataError: missing, no such file, or its labels do not belong together.
    """
    found = read_mat(path, "annot2", scales.METRIC, scales.UNIVERSAL, "valid_frame")
    valid = np.asarray(found["valid_frame"]).reshape(-1) != 0
    arrays = {n: _frames(found, n, len(valid), path)[valid] for n in ("annot2", scales.METRIC, scales.UNIVERSAL)}
    pixels, metric, universal = arrays.values()
    for name, values in arrays.items():
        if not np.isfinite(values).all():
            raise fault(path, f"finite numbers in {name} of valid frames", "NaN or infinity", _REMEDY)
    scales.check_thighs(metric, path)
    if np.array_equal(metric, universal):
        raise fault(path, f"{scales.METRIC} other than {scales.UNIVERSAL}", "the same numbers", _REMEDY)
    fit = fit_intrinsics(metric.reshape(-1, 3), pixels.reshape(-1, 2))
    fit = need_fit(fit, size, path, "annot2 and annot3", residual_px=_RESIDUAL_PX)
    return Recorded(
        np.flatnonzero(valid),
        len(valid),
        pixels,
        metric,
        universal,
        _activities(path, valid),
        Camera(fit.K, size),
        fit.residual_px,
        scales.universal_scale(metric, universal),
    )


def _frames(found: dict[str, Any], name: str, count: int, path: Path) -> Float[np.ndarray, "n 17 c"]:
    """Matlab's axes x 17 x 1 x frames -> frames, joints, axes."""
    values, axes = np.asarray(found[name]), 2 if name == "annot2" else 3
    if values.shape != (axes, 17, 1, count) or values.dtype.kind != "f":
        raise fault(path, f"{name} of {axes} x 17 x 1 x {count} real numbers", f"shape {values.shape}", _REMEDY)
    return values[:, :, 0].transpose(2, 1, 0).astype(np.float64)


def _activities(path: Path, valid: np.ndarray) -> Int[np.ndarray, " n"]:
    found = np.asarray(read_mat(path).get("activity_annotation", np.zeros(len(valid)))).reshape(-1)
    return (found if len(found) == len(valid) else np.zeros(len(valid)))[valid].astype(np.int64)


def labels(row: Row) -> Labels:
    """The labels of one frame."""
    path = row.folder / ANNOTATIONS
    found = read_recording(path, layout.TEST_SIZES[row.recording])
    index = int(np.searchsorted(found.frames, row.frame))
    pixels, metric, universal = found.pixels[index], found.metric[index], found.universal[index]
    other = (scales.METRIC, metric) if row.universal else (scales.UNIVERSAL, universal)
    activity = int(found.activities[index])
    facts = {"subject": f"TS{row.recording}", "scene": layout.TEST_SCENES[row.recording]}
    if 1 <= activity <= len(layout.ACTIVITIES):
        facts["activity"] = layout.ACTIVITIES[activity - 1]
    return Labels(
        found.camera,
        scales.joints_box(pixels, found.camera.size),
        scales.placed_universal(metric, universal, found.scale) if row.universal else metric,
        pixels,
        scales.marks(pixels, found.camera.size),
        abs_valid=not row.universal,
        info={
            **facts,
            "annotation": scales.UNIVERSAL if row.universal else scales.METRIC,
            "universal_scale": found.scale,
            other[0]: other[1].round(3).tolist(),
            "intrinsics_residual_px": found.residual_px,
            "box": "joints",
        },
    )
