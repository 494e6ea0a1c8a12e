"""Skeletons over the photograph: thickness by distance, hollow where inferred, distances in metres."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

from metricpose.types import MEASURED, OUT_OF_FRAME, People
from metricpose.vis.canvas import Canvas, Colour, stack_labels, text_width
from metricpose.vis.style import bone_colour, bone_radius_mm, lighter, side_colour

_HALO: Colour = (250, 250, 250)


def draw_overlay(
    image: UInt8[np.ndarray, "h w 3"], people: People, *, labels: bool = True
) -> UInt8[np.ndarray, "h w 3"]:
    """The photograph with everyone's skeleton, the farthest first.

    Filled joints and full bones were measured; hollow joints and dashed bones were inferred or lie outside the frame.
    Blue is the person's left, vermillion the right.

    Args:
        image: RGB picture that `people` belongs to.
        people: result for it.
        labels: write each person's distance from the camera above the head; of several people also the index in
            `people`, from 0 as in files.
    """
    unit = max(image.shape[:2]) / 1000.0
    canvas = Canvas(image, supersample=2 if max(image.shape[:2]) <= 1400 else 1)
    depth = distances_m(people)
    for index in np.argsort(-np.nan_to_num(depth)).tolist():
        _draw_person(canvas, people, index, unit)
    if labels:
        _draw_labels(canvas, people, depth, unit)
    return canvas.image()


def distances_m(people: People) -> Float[np.ndarray, " n"]:
    """Distance of each person's root joint from the camera, metres; of the mean joint where the root is unknown."""
    points = people.camera.to_camera(people.joints_mm)
    if len(points) == 0:
        return np.zeros(0)
    root = points[:, people.skeleton.root]
    known = np.isfinite(points).all(-1)
    mean = np.where(known[..., None], points, 0).sum(1) / np.maximum(known.sum(1), 1)[:, None]
    return np.linalg.norm(np.where(np.isfinite(root), root, mean), axis=-1) / 1000.0


def _draw_person(canvas: Canvas, people: People, index: int, unit: float) -> None:
    px, state = people.joints_px[index], people.state[index]
    depth = people.camera.to_camera(people.joints_mm[index])[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(depth > 0, people.camera.K[0, 0] / depth, np.nan)  # pixels per millimetre at each joint
    tree = people.skeleton
    bones = sorted(tree.edges, key=lambda e: -np.nan_to_num(depth[e[0]] + depth[e[1]]))
    for parent, child in bones:
        radii = [
            np.clip(bone_radius_mm(tree, parent, child) * scale[k], 1.3 * unit, 12 * unit) for k in (parent, child)
        ]
        colour = bone_colour(tree, parent, child)
        solid = bool((state[[parent, child]] == MEASURED).all())
        _draw_bone(canvas, px[parent], px[child], (float(radii[0]), float(radii[1])), colour, solid, unit)
    for joint in np.argsort(-np.nan_to_num(depth)).tolist():
        radius = float(np.clip(1.25 * bone_radius_mm(tree, joint, joint) * scale[joint], 2.2 * unit, 14 * unit))
        _draw_joint(canvas, px[joint], radius, side_colour(tree.sides[joint]), int(state[joint]), unit)


def _draw_bone(
    canvas: Canvas,
    a: Float[np.ndarray, " 2"],
    b: Float[np.ndarray, " 2"],
    radii: tuple[float, float],
    colour: Colour,
    solid: bool,
    unit: float,
) -> None:
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return
    if solid:
        rim = 0.9 * unit
        canvas.limb(a, b, (radii[0] + rim, radii[1] + rim), _HALO)
        canvas.limb(a, b, radii, colour)
    else:
        width = max(1.0, 0.8 * min(radii))
        canvas.dashed(a, b, _HALO, width + 1.6 * unit, 7 * unit)
        canvas.dashed(a, b, colour, width, 7 * unit)


def _draw_joint(
    canvas: Canvas, at: Float[np.ndarray, " 2"], radius: float, colour: Colour, state: int, unit: float
) -> None:
    if not np.isfinite(at).all() or state == OUT_OF_FRAME:
        return
    canvas.disk(at, radius + 0.9 * unit, _HALO)
    canvas.disk(at, radius, colour)
    if state != MEASURED:
        canvas.disk(at, 0.55 * radius, lighter(colour, 0.92))


def _draw_labels(canvas: Canvas, people: People, depth: Float[np.ndarray, " n"], unit: float) -> None:
    size = 14 * unit
    texts = [f"{d:.2f} m" if len(depth) == 1 else f"{k}: {d:.2f} m" for k, d in enumerate(depth)]
    widths = [text_width(t, size, True) + 2.4 * size for t in texts]
    spots = [_label_spot(canvas, people.joints_px[k], width, size) for k, width in enumerate(widths)]
    for text, spot in zip(texts, stack_labels(spots, widths, 2.3 * size)):
        canvas.pill(text, np.maximum(spot, 1.2 * size), size)


def _label_spot(canvas: Canvas, px: Float[np.ndarray, "j 2"], width: float, size: float) -> Float[np.ndarray, " 2"]:
    """Above the highest joint, inside the picture."""
    known = px[np.isfinite(px).all(-1)]
    if len(known) == 0:
        return np.array([canvas.width / 2, 2 * size])
    top = known[known[:, 1].argmin()]
    x = float(np.clip(top[0], width / 2, max(canvas.width - width / 2, width / 2)))
    return np.array([x, float(np.clip(top[1] - 3.0 * size, 1.3 * size, canvas.height - 1.3 * size))])
