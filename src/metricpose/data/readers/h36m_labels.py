"""The labels of a frame of Human3.6M, whatever files they come from: checked against each other, mended, described."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from metricpose.data.faults import fault
from metricpose.data.readers.contract import Labels
from metricpose.data.readers.h36m_layout import SHIFT_MM, SHIFTED, Recording
from metricpose.geometry.camera import Camera

MARGIN = 0.1
"""Share of the joints' longer side that is added on each side where there is no official box (ours)."""
AGREE_PX = 2.0
"""How far official 2D labels may lie from the projection of the 3D labels; they are the same to 0.02 pixels."""


def is_shifted(recording: Recording) -> bool:
    """Whether the labels of a recording stand beside the person."""
    return (recording.subject, recording.name) in SHIFTED


def make_labels(
    recording: Recording,
    view: str,
    camera: Camera,
    joints: Float[np.ndarray, "17 3"],
    *,
    pixels: Float[np.ndarray, "17 2"] | None = None,
    box: Float[np.ndarray, " 4"] | None = None,
    box_kind: str = "official",
    mended: bool = True,
    abs_valid: bool = True,
) -> Labels:
    """Labels as `Reader.labels` returns them.

    Args:
        view: name of the camera, for the facts.
        joints: camera frame, millimetres, as distributed.
        pixels: 2D labels as distributed, if there are any.
        box: left, top, width, height in pixels; the joints' is made where there is none.
        box_kind: what that box is.
        mended: whether the labels of shifted recordings are moved to where the person is.
    """
    facts: dict[str, Any] = {"subject": recording.subject, "action": recording.action}
    facts |= {"subaction": recording.subaction, "recording": recording.name, "view": view}
    if mended and is_shifted(recording):
        box = None if box is None else shifted_box(box, camera, float(joints[0, 2]))
        joints, pixels = joints + camera.R @ np.array(SHIFT_MM), None
        facts["moved_mm"] = list(SHIFT_MM)
    if box is None:
        box, box_kind = joints_box(camera.project_camera(joints)), "joints"
    return Labels(camera, box, joints, pixels, abs_valid=abs_valid, info={**facts, "box": box_kind})


def joints_box(pixels: Float[np.ndarray, "j 2"], margin: float = MARGIN) -> Float[np.ndarray, " 4"]:
    """Left, top, width, height of the joints that are there, widened by this share of the longer side."""
    low, high = np.nanmin(pixels, 0), np.nanmax(pixels, 0)
    pad = margin * (high - low).max()
    return np.concatenate([low - pad, high - low + 2 * pad])


def shifted_box(box: Float[np.ndarray, " 4"], camera: Camera, depth: float) -> Float[np.ndarray, " 4"]:
    """A box moved by `SHIFT_MM` at this depth, as MeTRo's code does."""
    corners = np.stack([box[:2], box[:2] + box[2:]])
    points = np.concatenate([camera.rays(corners), np.ones((2, 1))], 1) * depth
    low, high = camera.project_camera(points + camera.R @ np.array(SHIFT_MM))
    return np.concatenate([low, high - low])


def check_projection(
    camera: Camera, joints: Float[np.ndarray, "17 3"], pixels: Float[np.ndarray, "17 2"], files: tuple[Path, Path]
) -> None:
    """Refuse 2D labels that are not where the camera sees the 3D labels.

    Args:
        files: with the 3D and with the 2D labels, for the message.

    Raises:
        DataError: they are `AGREE_PX` or more apart.
    """
    apart = np.abs(camera.project_camera(joints) - pixels).max()
    if not apart < AGREE_PX:
        raise fault(
            files[1],
            f"2D labels within {AGREE_PX:.0f} pixels of where metadata.xml projects the 3D labels of {files[0]}",
            f"{apart:.1f}",
            "One of the three belongs to another view, subject or release: extract them again.",
        )
