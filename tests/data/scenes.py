"""Synthetic recordings for fixtures: a person of fixed bones walks in the view of calibrated cameras.

Every joint is painted as a disc of a colour of its own, so that a test can follow it all the way: what a reader
returns, projected, must land on its colour (`assert_painted`). The world is in millimetres, z up; the person first
looks along -y.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from layouts.photographs import save_labels
from metricpose.geometry.camera import Camera
from metricpose.skeleton import catalog
from metricpose.types import Record

_SIDE = {  # of the person's left, which is +x
    "hip": (110, 0, 920), "knee": (120, -140, 520), "ankle": (115, 20, 110), "toe": (125, -150, 40),
    "small_toe": (175, -120, 40), "heel": (110, 80, 40), "shoulder": (170, 0, 1420), "elbow": (210, 30, 1140),
    "wrist": (200, -110, 910), "hand": (200, -150, 830), "eye": (32, -95, 1620), "ear": (75, -5, 1610),
    "collar": (75, 0, 1400),
}  # fmt: skip
_MIDDLE = {
    "pelvis": (0, 0, 930), "spine": (0, 15, 1150), "spine1": (0, 15, 1050), "spine2": (0, 20, 1180),
    "spine3": (0, 20, 1260), "thorax": (0, 15, 1430), "neck": (0, 10, 1460), "head": (0, -20, 1600),
    "head_top": (0, 0, 1760), "nose": (0, -115, 1590), "mid_shoulder": (0, 0, 1420),
}  # fmt: skip
_RADIUS = 3.0


def body(skeleton: str, scale: float = 1.0) -> np.ndarray:
    """(J, 3) joints of a standing person, of 1.76 m at scale 1, millimetres, feet on z = 0 near the origin.

    Raises:
        KeyError: a joint this body has not: add it above.
    """
    sides = {f"{letter}_{name}": (sign * x, y, z) for letter, sign in (("l", 1), ("r", -1))
             for name, (x, y, z) in _SIDE.items()}  # fmt: skip
    places = {**_MIDDLE, **sides, "r_knee": (-120, -20, 510), "r_ankle": (-120, 40, 90), "l_wrist": (190, -180, 950)}
    return scale * np.array([places[name.split("@")[0]] for name in catalog.get(skeleton).joints], np.float64)


def walk(skeleton: str, frames: int, *, step_mm: float = 60.0, turn: float = 0.05, scale: float = 1.0) -> np.ndarray:
    """(F, J, 3) the person moves and turns a little from frame to frame, as one rigid piece, in world millimetres."""
    base, out = body(skeleton, scale), []
    for frame in range(frames):
        c, s = np.cos(turn * frame), np.sin(turn * frame)
        out.append(base @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]]) + (step_mm * frame, 15.0 * frame, 0))
    return np.stack(out)


def look_at(
    position: tuple[float, float, float], *, size: tuple[int, int] = (200, 160), lens: tuple[float, ...] = (),
    target: tuple[float, float, float] = (0, 0, 900),
) -> Camera:  # fmt: skip
    """A camera in the world (millimetres, z up), fx != fy, off-centre principal point."""
    forward = np.subtract(target, position) / np.linalg.norm(np.subtract(target, position))
    right = np.cross(forward, (0, 0, 1.0)) / np.linalg.norm(np.cross(forward, (0, 0, 1.0)))
    R = np.stack([right, np.cross(forward, right), forward])
    K = np.array([[1.31 * size[0], 0, 0.48 * size[0]], [0, 1.34 * size[0], 0.53 * size[1]], [0, 0, 1]])
    return Camera(K, size, np.array(lens), R, -R @ np.asarray(position, np.float64))


def colour(joint: int) -> tuple[int, int, int]:
    """RGB of a joint's disc: far from the colours of other joints and from the grey ground."""
    hue = np.array([[[(joint * 47) % 180, 255, 255 - 60 * (joint % 3)]]], np.uint8)
    r, g, b = (int(v) for v in cv2.cvtColor(hue, cv2.COLOR_HSV2RGB)[0, 0])
    return r, g, b


def paint(camera: Camera, world: np.ndarray, image: np.ndarray | None = None) -> np.ndarray:
    """The picture the camera takes: a disc for each joint, the nearest last, upon grey or another picture."""
    image = np.full((camera.size[1], camera.size[0], 3), 90, np.uint8) if image is None else image.copy()
    pixels, depth = camera.project(world), camera.to_camera(world)[:, 2]
    for joint in np.argsort(-np.nan_to_num(depth, nan=np.inf)):
        if np.isfinite(pixels[joint]).all():
            centre = tuple(int(v) for v in np.rint(pixels[joint] * 16))
            cv2.circle(image, centre, round(_RADIUS * 16), colour(int(joint)), -1, cv2.LINE_8, 4)
    return image


def box(camera: Camera, world: np.ndarray, margin: float = 6.0) -> np.ndarray:
    """(4,) left, top, width, height of the person in the picture."""
    pixels = camera.project(world)
    low, high = np.nanmin(pixels, 0) - margin, np.nanmax(pixels, 0) + margin
    return np.concatenate([low, high - low])


def assert_painted(record: Record, *, least: int = 8, tolerance: float = 40.0, order: list[int] | None = None) -> None:
    """Each joint inside the picture that no other covers lies on its colour: order, camera, axes and pixels are right.

    Args:
        least: so many joints must have been compared.
        tolerance: colour distance that JPEG or video may cause.
        order: painted number of each joint of the record, if it is not the same order.
    """
    camera = record.camera
    pixels = camera.project_camera(record.joints_mm)
    pixels = np.where(np.isfinite(pixels), pixels, record.joints_px)
    compared = 0
    for joint, (x, y) in enumerate(pixels):
        others = np.delete(pixels, joint, axis=0)
        alone = not (np.linalg.norm(others - (x, y), axis=1) < 2 * _RADIUS + 1).any()
        if not (alone and 2 <= x < camera.size[0] - 2 and 2 <= y < camera.size[1] - 2):
            continue
        wanted = np.array(colour(joint if order is None else order[joint]), np.float64)
        seen = record.image[round(y), round(x)].astype(np.float64)
        assert np.linalg.norm(seen - wanted) < tolerance, f"joint {joint} at {x:.1f}, {y:.1f}: {seen}, not {wanted}"
        compared += 1
    assert compared >= least, f"only {compared} joints could be compared"


def write_own(folder: Path, count: int, *, skeleton: str = "h36m_17", **changes: Any) -> list[dict[str, Any]]:
    """`count` pictures of one person from two cameras in turn, with their labels.json; returns its items.

    Args:
        changes: fields of every item, or of the file if they start with ``top_``.
    """
    cameras = [look_at((0, -4000, 1300)), look_at((-3000, -2000, 800), lens=(-0.2, 0.1, 0.001, -0.002, 0.01))]
    items = []
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number, world in enumerate(walk(skeleton, count)):
        camera = cameras[number % 2]
        cv2.imwrite(str(folder / "images" / f"{number:03d}.png"), paint(camera, world)[..., ::-1])
        items.append({
            "file": f"images/{number:03d}.png", "id": f"p{number:03d}", "skeleton": skeleton, "K": camera.K.tolist(),
            "distortion": camera.distortion.tolist(), "joints_mm": camera.to_camera(world).round(3).tolist(),
            "joints_px": camera.project(world).round(3).tolist(), "box_xywh": box(camera, world).round(2).tolist(),
            "subject": "A", **{k: v for k, v in changes.items() if not k.startswith("top_")},
        })  # fmt: skip
    save_labels(folder, items, **{k[4:]: v for k, v in changes.items() if k.startswith("top_")})
    return items
