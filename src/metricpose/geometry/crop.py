"""A person's box -> a virtual square camera looking straight at them, and the image that camera would take.

The camera keeps the optical centre and turns towards the box centre, so a person at the image border is seen
without the shear that cutting a square out of the image would leave (MeTRAbs, crop geometry).
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from metricpose.errors import InputError
from metricpose.geometry.camera import Camera

_MAX_SUPERSAMPLING = 3


def crop_camera(
    camera: Camera,
    box_xywh: Float[np.ndarray, " 4"],
    side: int,
    *,
    up: tuple[float, float, float] = (0.0, -1.0, 0.0),
    shift: tuple[float, float] = (0.0, 0.0),
    zoom: float = 1.0,
    roll: float = 0.0,
    flip: bool = False,
) -> Camera:
    """Virtual camera whose square image the box's longer side fills exactly (times `zoom`).

    Args:
        camera: camera of the full image; may be distorted, the result is not.
        box_xywh: left, top, width, height in pixels; its centre becomes the optical axis.
        side: width and height of the crop in pixels.
        up: direction that shall point up in the crop, in the camera frame of `camera`.
        shift: moves the aim by these fractions of the box's longer side (augmentation).
        zoom: above 1 the person gets larger.
        roll: turns the crop's content counter-clockwise by this angle, radians.
        flip: mirror the crop; left and right joints must then be exchanged.

    Raises:
        InputError: box of no area or with NaN, or so far outside the lens model that it has no ray.
    """
    box = np.asarray(box_xywh, np.float64)
    if box.shape != (4,) or not np.isfinite(box).all() or (box[2:] <= 0).any():
        raise InputError(f"box: expected finite left, top and positive width, height in pixels, got {box.tolist()}")
    longer = box[2:].max()
    centre = box[:2] + box[2:] / 2 + np.array(shift) * longer
    half = np.array([0.0, longer / 2]) if box[3] >= box[2] else np.array([longer / 2, 0.0])
    rays = _unit(np.concatenate([camera.rays(np.stack([centre, centre - half, centre + half])), np.ones((3, 1))], 1))
    if not np.isfinite(rays).all():
        raise InputError(f"box {box.tolist()} lies where the lens distortion cannot be inverted")
    rotation = _roll(roll) @ _look_at(rays[0], np.asarray(up, np.float64))
    ends = rays[1:] @ rotation.T
    if (ends[:, 2] <= 1e-3).any():
        raise InputError(f"box {box.tolist()} spans more than 170 degrees of view; expected one person's box")
    extent = float(np.linalg.norm(ends[0, :2] / ends[0, 2] - ends[1, :2] / ends[1, 2]))
    focal, middle = side / extent * zoom, (side - 1) / 2
    K = np.array([[focal, 0, middle], [0, focal, middle], [0, 0, 1.0]])
    turned = camera.rotate(rotation)
    crop = Camera(K, (side, side), R=turned.R, t=turned.t)
    return crop.flip() if flip else crop


def resample(
    image: UInt8[np.ndarray, "h w *c"],
    source: Camera,
    target: Camera,
    *,
    antialias: bool = True,
    border: int = 0,
) -> UInt8[np.ndarray, "s t *c"]:
    """The image `target` would take, from the image of `source`; both must share one optical centre.

    With `antialias` the image is first shrunk by whole factors (area average), then sampled at up to 3x and
    averaged, so that no source pixel between the samples is skipped. Outside the source the value is `border`.

    Raises:
        InputError: the image has not the size its camera states, or the cameras stand in different places.
    """
    if tuple(image.shape[1::-1]) != tuple(source.size):
        raise InputError(f"resample: image is {image.shape[1]}x{image.shape[0]} but its camera says {source.size}")
    if not np.allclose(source.position, target.position, atol=1e-3):
        raise InputError(
            f"resample: the cameras stand at {source.position} and {target.position}; "
            "expected one optical centre (the target made from the source by rotation, crop, resize or flip)"
        )
    matrix = source.R @ target.R.T
    width, height = target.size
    step = _source_step(source, target, matrix)
    shrink = max(1, int(step / 1.5)) if antialias else 1
    if shrink > 1:
        image, source = _shrink(image, source, shrink)
        step /= shrink
    factor = min(_MAX_SUPERSAMPLING, math.ceil(step - 0.25)) if antialias else 1
    fine = target if factor <= 1 else target.resize(width * factor, height * factor)
    out = _warp(image, source, fine, matrix, border)
    if factor > 1:
        out = cv2.resize(out, (width, height), interpolation=cv2.INTER_AREA)
    return out


def crop_to_source(points: Float[np.ndarray, "*b 3"], source: Camera, target: Camera) -> Float[np.ndarray, "*b 3"]:
    """Points in the crop camera's frame -> frame of the camera it was cut from, millimetres."""
    return source.to_camera(target.to_world(points))


def carry_pixels(pixels: Float[np.ndarray, "*b 2"], source: Camera, target: Camera) -> Float[np.ndarray, "*b 2"]:
    """Pixels of `source` -> pixels of `target`, for cameras in one place with any lenses; NaN where it does not see."""
    return target.project_camera(_turned_rays(source, pixels, target.R @ source.R.T))


def homography(source: Camera, target: Camera) -> Float[np.ndarray, "3 3"]:
    """Pixels of `target` -> pixels of `source` for ideal lenses and one optical centre."""
    return source.K @ source.R @ target.R.T @ np.linalg.inv(target.K)


def _warp(
    image: UInt8[np.ndarray, "h w *c"], source: Camera, target: Camera, matrix: Float[np.ndarray, "3 3"], border: int
) -> UInt8[np.ndarray, "s t *c"]:
    value = (border, border, border, border)
    ideal, whole = not source.distortion.any(), _sees_all(source, target, matrix)
    if ideal and whole:
        H, flags = homography(source, target), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpPerspective(
            image, H, target.size, flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=value
        )
    x, y = _lens_map(source, target, matrix) if whole and source.K[0, 1] == 0 else _careful_map(source, target, matrix)
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=value)


def _sees_all(source: Camera, target: Camera, matrix: Float[np.ndarray, "3 3"]) -> bool:
    """Whether every pixel of an ideal target lies before the source camera and inside its lens model.

    Both hold for the whole rectangle if they hold for its corners: its rays fill a convex quadrilateral, of which no
    point is farther from the source's axis than a corner. OpenCV's mappings would fill the rest with ghosts.
    """
    if target.distortion.any():
        return False
    width, height = target.size
    corners = np.array([[x, y] for x in (0, width - 1) for y in (0, height - 1)], np.float64)
    return bool(np.isfinite(source.project_camera(_turned_rays(target, corners, matrix))).all())


def _lens_map(
    source: Camera, target: Camera, matrix: Float[np.ndarray, "3 3"]
) -> tuple[Float32[np.ndarray, "s t"], Float32[np.ndarray, "s t"]]:
    """Source x and y of every target pixel, where `_sees_all`; OpenCV knows no skew."""
    x, y = cv2.initUndistortRectifyMap(source.K, source.distortion, matrix.T, target.K, target.size, cv2.CV_32FC1)
    return x, y


def _careful_map(
    source: Camera, target: Camera, matrix: Float[np.ndarray, "3 3"]
) -> tuple[Float32[np.ndarray, "s t"], Float32[np.ndarray, "s t"]]:
    """The same for any pair of cameras, twelve times slower; what the source does not see is far outside its image."""
    width, height = target.size
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float64)
    where = source.project_camera(_turned_rays(target, pixels, matrix))
    where = np.where(np.isfinite(where), where, -1e4).astype(np.float32)
    return where[..., 0], where[..., 1]


def _turned_rays(
    target: Camera, pixels: Float[np.ndarray, "*b 2"], matrix: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "*b 3"]:
    """Directions of the target's pixels in the source's frame."""
    return np.concatenate([target.rays(pixels), np.ones((*pixels.shape[:-1], 1))], -1) @ matrix.T


def _source_step(source: Camera, target: Camera, matrix: Float[np.ndarray, "3 3"]) -> float:
    """Source pixels per target pixel at the target's centre (the larger direction)."""
    centre = (np.array(target.size) - 1) / 2
    pixels = centre + np.array([[-0.5, 0], [0.5, 0], [0, -0.5], [0, 0.5]])
    where = source.project_camera(_turned_rays(target, pixels, matrix))
    if not np.isfinite(where).all():
        return 1.0
    return float(max(np.linalg.norm(where[1] - where[0]), np.linalg.norm(where[3] - where[2])))


def _shrink(image: UInt8[np.ndarray, "h w *c"], source: Camera, factor: int) -> tuple[np.ndarray, Camera]:
    """Area-average by a whole factor; an image whose size is no multiple loses less than one coarse pixel's rim."""
    height, width = image.shape[0] // factor, image.shape[1] // factor
    if min(height, width) < 1:
        return image, source
    cut = np.ascontiguousarray(image[: height * factor, : width * factor])
    camera = source.crop(0, 0, width * factor, height * factor).resize(width, height)
    return cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA), camera


def _look_at(forward: Float[np.ndarray, " 3"], up: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "3 3"]:
    """Rows are the new camera's x, y, z axes in the old frame."""
    x = np.cross(-up, forward)
    if np.linalg.norm(x) < 1e-6:  # looking along the up direction: keep the old x axis as far as possible
        x = np.array([1.0, 0.0, 0.0]) - forward[0] * forward
    x = _unit(x)
    return np.stack([x, np.cross(forward, x), forward])


def _roll(angle: float) -> Float[np.ndarray, "3 3"]:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])


def _unit(v: Float[np.ndarray, "*b n"]) -> Float[np.ndarray, "*b n"]:
    return v / np.linalg.norm(v, axis=-1, keepdims=True)
