"""Boxes and masks of the person in Human3.6M.

The official boxes are masks, 1 inside, one for each frame (``ground_truth_bb``); MeTRo's scripts turn them into arrays
of left, top, width, height (``BBoxes``). Both count whole pixels: columns 3 to 5 span 2.5 to 5.5 here.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

from metricpose.data.faults import fault
from metricpose.data.readers.h36m_layout import Recording
from metricpose.data.readers.hdf5 import open_masks
from metricpose.geometry.camera import Camera


class BoxFile(NamedTuple):
    """Where the boxes of a view are, and whether as masks or as an array."""

    path: Path
    as_masks: bool


def find_boxes(folder: Path, recording: Recording, camera: str) -> BoxFile | None:
    """The file with the official boxes of a view, if one is there; the array, being faster, before the masks."""
    array = folder / recording.subject / "BBoxes" / f"{recording.view(camera)}.npy"
    if array.is_file():
        return BoxFile(array, False)
    masks = _mask_file(folder, recording, camera, "ground_truth_bb")
    return BoxFile(masks, True) if masks is not None else None


def find_silhouettes(folder: Path, recording: Recording, camera: str) -> Path | None:
    """The file with the masks of the person by background subtraction, if it is there."""
    return _mask_file(folder, recording, camera, "ground_truth_bs")


def _mask_file(folder: Path, recording: Recording, camera: str, kind: str) -> Path | None:
    path = folder / recording.subject / "MySegmentsMat" / kind / f"{recording.view(camera)}.mat"
    return path if path.is_file() else None


def official_box(file: BoxFile, frame: int, camera: Camera) -> Float[np.ndarray, " 4"] | None:
    """Left, top, width, height in pixels; None if the file has an empty box for this frame.

    Raises:
        DataError: the file cannot be read, has no such frame, or is of pictures of another size.
    """
    if file.as_masks:
        mask = _fitting(open_masks(file.path).read(frame), file.path, camera)
        return box_of_mask(mask)
    boxes = _read_array(file.path)
    if frame >= len(boxes):
        raise fault(file.path, f"a box of frame {frame}", f"{len(boxes)} boxes", "Is it another recording's file?")
    left, top, width, height = boxes[frame]
    return np.array([left - 0.5, top - 0.5, width, height]) if width > 0 and height > 0 else None


def silhouette(path: Path, frame: int, camera: Camera) -> UInt8[np.ndarray, "h w"]:
    """The mask of the person, 255 inside.

    Raises:
        DataError: as `official_box`.
    """
    return _fitting(open_masks(path).read(frame), path, camera).astype(np.uint8) * np.uint8(255)


def _fitting(mask: Bool[np.ndarray, "h w"], path: Path, camera: Camera) -> Bool[np.ndarray, "h w"]:
    if mask.shape[::-1] != tuple(camera.size):
        raise fault(path, f"masks of {camera.size[0]} x {camera.size[1]} pixels", f"{mask.shape[1]} x {mask.shape[0]}")
    return mask


def box_of_mask(mask: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, " 4"] | None:
    """Left, top, width, height of what is set, outer edges of its pixels; None if nothing is."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    return np.array([columns[0] - 0.5, rows[0] - 0.5, columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1], np.float64)


@lru_cache(maxsize=16)
def _read_array(path: Path) -> Float[np.ndarray, "t 4"]:
    try:
        boxes = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise fault(path, "an .npy file of boxes", str(error)) from error
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes.astype(np.float64)).all():
        raise fault(path, "left, top, width, height of every frame", f"shape {boxes.shape}, or NaN in it")
    return boxes.astype(np.float64)
