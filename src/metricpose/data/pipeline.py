"""Record -> Sample: the one way from an annotated photograph to a network-ready crop.

Training, evaluation (no augmentation) and prediction (`cut_crop`) share this file, so what a network is trained on is
what it is measured and used on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from metricpose.augment.appearance import AppearanceConfig, change_appearance
from metricpose.augment.compositing import Bank, CompositingConfig, paste_objects, replace_background
from metricpose.augment.geometric import GeometricConfig, View, draw_view
from metricpose.augment.neighbours import paste_neighbours
from metricpose.errors import InputError
from metricpose.geometry.camera import Camera
from metricpose.geometry.crop import carry_pixels, crop_camera, resample
from metricpose.skeleton import catalog
from metricpose.skeleton.core import Conversion, PairMap, Skeleton, mirror_pairs, pair_conversion
from metricpose.types import OUTSIDE, UNKNOWN, Record, Sample

cv2.setNumThreads(1)
_NEAREST_MM = 1.0
_DRAWS = 8


@dataclass(frozen=True, eq=False)
class Augmentation:
    """What may happen to a sample, and the pictures it may use."""

    geometric: GeometricConfig = field(default_factory=GeometricConfig)
    appearance: AppearanceConfig = field(default_factory=AppearanceConfig)
    compositing: CompositingConfig = field(default_factory=CompositingConfig)
    bank: Bank = field(default_factory=Bank)


def make_sample(
    record: Record,
    side: int,
    skeleton: Skeleton,
    augmentation: Augmentation | None = None,
    rng: np.random.Generator | None = None,
) -> Sample:
    """Crop, resample and label one person.

    Args:
        record: the annotated photograph.
        side: crop side in pixels.
        skeleton: joint order of the network.
        augmentation: None for evaluation: the box itself, unchanged.
        rng: source of all randomness; needed with `augmentation`. Equal state, equal sample.

    Raises:
        InputError: the box cannot be looked at, or the record's skeleton has no conversion to `skeleton`.
    """
    if augmentation is None:
        image, camera = cut_crop(record.image, record.camera, View(record.box_xywh), side)
        return _labelled(record, image, camera, skeleton, flip=False)
    if rng is None:
        raise TypeError("make_sample: an augmentation needs a random generator")
    view, image, camera = _random_crop(record, side, augmentation.geometric, rng)
    image = _composite(record, image, camera, augmentation, rng)
    image = change_appearance(image, augmentation.appearance, rng)
    return _labelled(record, image, camera, skeleton, flip=view.flip)


def _random_crop(
    record: Record, side: int, config: GeometricConfig, rng: np.random.Generator
) -> tuple[View, UInt8[np.ndarray, "s s 3"], Camera]:
    """A random view that a camera can take. Of people so near that they fill half the sphere not every view is one."""
    for _ in range(_DRAWS):
        view = draw_view(record.box_xywh, config, rng)
        try:
            return view, *cut_crop(record.image, record.camera, view, side)
        except InputError:
            continue
    view = View(record.box_xywh)
    return view, *cut_crop(record.image, record.camera, view, side)


def cut_crop(
    image: UInt8[np.ndarray, "h w 3"], camera: Camera, view: View, side: int
) -> tuple[UInt8[np.ndarray, "s s 3"], Camera]:
    """The square image a virtual camera aimed at the view's box takes, and that camera (`geometry.crop`)."""
    crop = crop_camera(camera, view.box_xywh, side, shift=view.shift, zoom=view.zoom, roll=view.roll, flip=view.flip)
    return resample(image, camera, crop), crop


def _composite(
    record: Record,
    image: UInt8[np.ndarray, "s s 3"],
    camera: Camera,
    augmentation: Augmentation,
    rng: np.random.Generator,
) -> UInt8[np.ndarray, "s s 3"]:
    config = augmentation.compositing
    behind, before, beyond = rng.random(3)
    beside = rng.random() if config.neighbours else 1.0  # not drawn otherwise: older recipes give the same samples
    alpha = None
    if record.alpha is not None and (behind < config.background or beside < config.neighbours):
        alpha = resample(record.alpha, record.camera, camera)
    if alpha is not None and behind < config.background:
        image = replace_background(image, alpha, augmentation.bank, rng)
    elif beyond < config.fill_border:
        image = _fill_border(record, image, camera, augmentation.bank, rng)
    if alpha is not None and beside < config.neighbours:
        image = paste_neighbours(image, alpha, _upper_and_lower_end(record, camera), augmentation.bank, rng)
    if before < config.occlude:
        image = paste_objects(image, config, augmentation.bank, rng)
    return image


def _upper_and_lower_end(record: Record, camera: Camera) -> Float[np.ndarray, "2 2"]:
    """Crop pixels of the middle of the box's upper and lower edge."""
    x, y, width, height = record.box_xywh
    ends = np.array([[x + width / 2, y], [x + width / 2, y + height]])
    return carry_pixels(ends, record.camera, camera)


def _fill_border(
    record: Record, image: UInt8[np.ndarray, "s s 3"], camera: Camera, bank: Bank, rng: np.random.Generator
) -> UInt8[np.ndarray, "s s 3"]:
    """Something else than black where the crop looks beyond the photograph's edge."""
    inside = resample(_white(*record.image.shape[:2]), record.camera, camera, antialias=False)
    if inside.min() == 255:
        return image
    return replace_background(image, inside, bank, rng)


@lru_cache(maxsize=8)
def _white(height: int, width: int) -> UInt8[np.ndarray, "h w"]:
    return np.full((height, width), 255, np.uint8)


def _labelled(
    record: Record, image: UInt8[np.ndarray, "s s 3"], camera: Camera, skeleton: Skeleton, flip: bool
) -> Sample:
    """Project, convert and weigh the joints. Masked joints come out as 0 with weight 0."""
    conversion = _conversion(record.skeleton, skeleton.name)
    R = camera.R @ record.camera.R.T
    joints_mm = conversion.apply(np.asarray(record.joints_mm, np.float64)) @ R.T
    joints_px = _crop_pixels(record, camera, conversion, joints_mm)
    visibility = conversion.carry(record.visibility, otherwise=UNKNOWN)
    if flip:
        joints_mm, joints_px, visibility = (a[skeleton.mirror] for a in (joints_mm, joints_px, visibility))
    order, order_w = _order(record, skeleton, flip)
    known_mm, known_px = np.isfinite(joints_mm).all(1), np.isfinite(joints_px).all(1)
    with np.errstate(invalid="ignore"):
        inside = ((joints_px >= -0.5) & (joints_px <= len(image) - 0.5)).all(1)
    return Sample(
        image=image,
        K=camera.K,
        joints_mm=np.where(known_mm[:, None], joints_mm, 0.0),
        joints_px=np.where(known_px[:, None], joints_px, 0.0),
        z_w=known_mm.astype(np.float64),
        uv_w=known_px.astype(np.float64),
        abs_w=float(record.abs_valid and known_mm.any()),
        visibility=np.where(inside | (visibility == UNKNOWN) & ~known_px, visibility, OUTSIDE).astype(np.uint8),
        R=R,
        info=record.info,
        order=order,
        order_w=order_w,
    )


def _order(
    record: Record, skeleton: Skeleton, flip: bool
) -> tuple[Float[np.ndarray, " k"] | None, Float[np.ndarray, " k"] | None]:
    """Ordinal labels in the network's skeleton. The crop camera turns only towards the person: no label changes."""
    if record.order is None or record.order_w is None:
        return None, None
    order, weights = _pair_conversion(record.skeleton, skeleton.name).apply(record.order, record.order_w)
    return _pair_mirror(skeleton.name).apply(order, weights) if flip else (order, weights)


def _crop_pixels(
    record: Record, camera: Camera, conversion: Conversion, joints_mm: Float[np.ndarray, "j 3"]
) -> Float[np.ndarray, "j 2"]:
    """Crop pixels: of the 3D joint where it is known, else of the 2D label's ray; NaN behind the camera."""
    near = joints_mm[:, 2:] > _NEAREST_MM
    projected = camera.project_camera(np.where(near, joints_mm, np.nan))
    annotated = conversion.apply(np.asarray(record.joints_px, np.float64))
    if np.isfinite(projected).all() or not np.isfinite(annotated).any():
        return projected
    rays = np.concatenate([record.camera.rays(annotated), np.ones((len(annotated), 1))], 1)
    from_label = camera.project_camera(rays @ (camera.R @ record.camera.R.T).T)
    use_label = np.isnan(joints_mm).any(1)
    return np.where(use_label[:, None], from_label, projected)


@lru_cache(maxsize=64)
def _pair_conversion(source: str, target: str) -> PairMap:
    return pair_conversion(catalog.get(source), catalog.get(target))


@lru_cache(maxsize=64)
def _pair_mirror(skeleton: str) -> PairMap:
    return mirror_pairs(catalog.get(skeleton))


@lru_cache(maxsize=64)
def _conversion(source: str, target: str) -> Conversion:
    return catalog.conversion(catalog.get(source), catalog.get(target))
