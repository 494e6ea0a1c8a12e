"""3DPW: pickles as Python 2 writes them, pictures of a camera that moves."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from layouts.pictures import write_image
from metricpose.geometry.camera import Camera

Z_UP_TO_Y_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
"""The files' world is another one than that of the scene."""


def extrinsics(camera: Camera) -> np.ndarray:
    """World of the files -> camera, metres."""
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = camera.R @ Z_UP_TO_Y_UP.T, camera.t / 1000
    return out


def sequence(
    name: str, cameras: list[Camera], people: list[np.ndarray], valid: list[list[int]], detected: list[list[int]]
) -> dict[str, Any]:
    """The content of a sequence file.

    Args:
        people: (t, 24, 3) of each actor in the scene's world, millimetres.
        valid: campose_valid of each actor.
        detected: number of 2D points found of each actor in each frame.
    """
    frames = len(cameras)
    points = [np.zeros((frames, 3, 18)) for _ in people]
    for actor, counts in zip(points, detected):
        for frame, count in enumerate(counts):
            actor[frame, 2, :count] = 0.4
    return {
        "sequence": name,
        "betas": [np.zeros(10) + n for n in range(len(people))],
        "genders": ["mf"[n % 2] for n in range(len(people))],
        "jointPositions": [(joints @ Z_UP_TO_Y_UP.T / 1000).reshape(frames, 72) for joints in people],
        "cam_poses": np.stack([extrinsics(camera) for camera in cameras]),
        "cam_intrinsics": cameras[0].K,
        "campose_valid": [np.array(marks, np.uint8) for marks in valid],
        "poses2d": points,
        "img_frame_ids": np.arange(0, 2 * frames, 2),
    }


def write(
    folder: Path,
    split: str,
    data: dict[str, Any],
    pictures: list[np.ndarray],
    change: Callable[[dict[str, Any]], object] = lambda data: None,
) -> Path:
    """A sequence, its content changed before; returns its file."""
    name = data["sequence"]
    for number, image in enumerate(pictures):
        write_image(folder / "imageFiles" / name / f"image_{number:05d}.jpg", image)
    change(data)
    path = folder / "sequenceFiles" / split / f"{name}.pkl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x80\x02" + python_2(data) + b".")
    return path


def python_2(value: Any) -> bytes:
    """The opcodes by which cPickle of Python 2 writes a value with protocol 2: text and arrays' bytes are its str."""
    if isinstance(value, str):
        return b"T" + struct.pack("<i", len(value)) + value.encode("latin1")
    if isinstance(value, bool | int) or value is None:
        return b"N" if value is None else b"J" + struct.pack("<i", value)
    if isinstance(value, dict):
        return b"}(" + b"".join(python_2(k) + python_2(v) for k, v in value.items()) + b"u"
    if isinstance(value, list):
        return b"](" + b"".join(map(python_2, value)) + b"e"
    if isinstance(value, tuple):
        return b"(" + b"".join(map(python_2, value)) + b"t"
    kind = python_2((value.dtype.str[1:], 0, 1))
    state = python_2((3, value.dtype.str[0], None, None, None, -1, -1, 0))
    dtype = b"cnumpy\ndtype\n" + kind + b"R" + state + b"b"
    empty = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n" + python_2((0,)) + python_2("b") + b"tR"
    data = value.tobytes().decode("latin1")
    return empty + b"(" + python_2(1) + python_2(value.shape) + dtype + b"\x89" + python_2(data) + b"tb"
