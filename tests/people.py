"""Made-up records for tests: a smooth random picture, joints in front of a camera, a mask around them."""

from __future__ import annotations

import cv2
import numpy as np

from metricpose.geometry.camera import Camera
from metricpose.skeleton import catalog
from metricpose.types import VISIBLE, Record


def person(
    seed: int, *, size: tuple[int, int] = (150, 126), skeleton: str = "metricpose_25", alpha: bool = True
) -> Record:
    """A random person about 3 m away; off-centre principal point, fx != fy, non-square image."""
    rng = np.random.default_rng(seed)
    width, height = size
    K = np.array([[1.1 * width, 0, 0.47 * width], [0, 1.13 * width, 0.55 * height], [0, 0, 1]])
    camera = Camera(K, size)
    joints = rng.normal((0, 0, 3000), (250, 400, 200), (len(catalog.get(skeleton)), 3))
    pixels = camera.project_camera(joints)
    low, high = np.clip(pixels.min(0) - 3, 0, None), np.minimum(pixels.max(0) + 3, np.array(size) - 1)
    return Record(
        image=picture(rng, width, height),
        camera=camera,
        box_xywh=np.concatenate([low, high - low]),
        joints_mm=joints,
        joints_px=pixels,
        visibility=np.full(len(joints), VISIBLE, np.uint8),
        skeleton=skeleton,
        alpha=_mask(pixels, width, height) if alpha else None,
        info={"number": seed, "height_mm": np.float32(1700.5), "pose": "made up"},
    )


def picture(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A smooth picture, so that resampling and JPEG change it little."""
    coarse = rng.integers(40, 215, (6, 7, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def _mask(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(pixels.astype(np.float32)).astype(np.int32), 255)
    return mask


class People:
    """A source of `length` made-up records that may be told to grow."""

    def __init__(self, length: int, **options: object) -> None:
        self.length, self.options = length, options

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Record:
        return person(index, **self.options)  # type: ignore[arg-type]

    def refresh(self) -> int:
        return self.length
