"""The scene in 3D from the side: ground grid in metres, the camera with its picture, people with their shadows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from metricpose.types import MEASURED
from metricpose.vis.canvas import Canvas, Colour
from metricpose.vis.scene import Scene, nice_step
from metricpose.vis.style import (
    FAINT,
    INK,
    MEDIUM,
    PAPER,
    SHADOW,
    bone_colour,
    bone_radius_mm,
    lighter,
    side_colour,
)

_ELEVATION = math.radians(20.0)
_CAMERA_SHOWN_UP_TO = 9.0  # metres: beyond, people would be specks; the view from above shows the camera
_ROOM = 0.55  # metres of ground around everyone


@dataclass(frozen=True, eq=False)
class _Eye:
    """The onlooker: a perspective projection fitted to the panel."""

    axes: Float[np.ndarray, "3 3"]
    place: Float[np.ndarray, " 3"]
    zoom: float
    offset: Float[np.ndarray, " 2"]

    def project(self, points: Float[np.ndarray, "*b 3"]) -> Float[np.ndarray, "*b 2"]:
        seen = (points - self.place) @ self.axes.T
        return seen[..., :2] / seen[..., 2:] * self.zoom + self.offset

    def depth(self, points: Float[np.ndarray, "*b 3"]) -> Float[np.ndarray, "*b"]:
        return (points - self.place) @ self.axes[2]


def draw_scene(
    scene: Scene, size: tuple[int, int], photo: UInt8[np.ndarray, "h2 w2 3"] | None = None
) -> UInt8[np.ndarray, "h w 3"]:
    """The scene seen from behind and right of the camera, the more from behind the farther the people are.

    Args:
        scene: from `scene.make_scene`.
        size: (width, height) of the picture.
        photo: shown on the camera's image plane.
    """
    canvas = Canvas.blank(*size, PAPER)
    with_camera = _shows_camera(scene)
    low, high = _ground_extent(scene, with_camera)
    azimuth = math.asin(float(np.clip(3.0 / (high - low).max(), 0.5, 0.88)))
    eye = _fit(_fit_points(scene, low, high, with_camera), size, azimuth, np.array([70.0, 46.0]))
    _draw_ground(canvas, scene, eye, low, high, size)
    for person in scene.joints:
        _draw_shadow(canvas, scene, eye, person)
    if with_camera:
        _draw_camera(canvas, scene, eye, photo)
    for index in np.argsort(-eye.depth(scene.roots)).tolist():
        _draw_person(canvas, scene, eye, index)
    return canvas.image()


def draw_person(scene: Scene, index: int, size: tuple[int, int], azimuth: float) -> UInt8[np.ndarray, "h w 3"]:
    """One person close up, on half-metre squares; azimuth 0 looks along the camera's sight, pi / 2 from its right."""
    canvas = Canvas.blank(*size, PAPER)
    person = scene.joints[index]
    known = person[np.isfinite(person).all(1)]
    if len(known):
        alone = Scene(scene.people, scene.joints, float(known[:, 1].min()) - 0.02, scene.corners)
        low, high = (np.floor(known.min(0)[[0, 2]] / 0.5) * 0.5, np.ceil(known.max(0)[[0, 2]] / 0.5) * 0.5)
        ground = np.array([[x, alone.ground, z] for x in (low[0], high[0]) for z in (low[1], high[1])])
        eye = _fit(np.concatenate([known, ground]), size, azimuth, np.array([20.0, 40.0]))
        _draw_squares(canvas, alone, eye, low, high, 0.5)
        _draw_shadow(canvas, alone, eye, person)
        _draw_person(canvas, alone, eye, index)
        canvas.text("squares 0.5 m", np.array([size[0] - 12.0, size[1] - 16.0]), 9.0, MEDIUM, "right")
    return canvas.image()


def _shows_camera(scene: Scene) -> bool:
    return len(scene.roots) == 0 or bool(np.linalg.norm(scene.roots, axis=1).min() <= _CAMERA_SHOWN_UP_TO)


def _ground_extent(scene: Scene, with_camera: bool) -> tuple[Float[np.ndarray, " 2"], Float[np.ndarray, " 2"]]:
    """Corners (x, z) of the ground shown, on whole grid lines."""
    points = scene.joints.reshape(-1, 3)
    points = points[np.isfinite(points).all(1)][:, [0, 2]]
    if with_camera or len(points) == 0:
        points = np.concatenate([points, np.zeros((1, 2))])
    low, high = points.min(0) - _ROOM, points.max(0) + _ROOM
    step = nice_step(float((high - low).max()), 9)
    return np.floor(low / step) * step, np.ceil(high / step) * step


def _fit_points(
    scene: Scene, low: Float[np.ndarray, " 2"], high: Float[np.ndarray, " 2"], with_camera: bool
) -> Float[np.ndarray, "n 3"]:
    ground = [[x, scene.ground, z] for x in (low[0], high[0]) for z in (low[1], high[1])]
    points = scene.joints.reshape(-1, 3)
    parts = [np.array(ground), points[np.isfinite(points).all(1)]]
    if with_camera:
        parts.append(np.concatenate([np.zeros((1, 3)), _frustum(scene)]))
    return np.concatenate(parts)


def _fit(
    points: Float[np.ndarray, "n 3"], size: tuple[int, int], azimuth: float, margin: Float[np.ndarray, " 2"]
) -> _Eye:
    """Look at the middle of the points from far enough, then zoom and shift so that all lie within the panel."""
    centre = (points.min(0) + points.max(0)) / 2
    radius = float(np.linalg.norm(points - centre, axis=1).max())
    level = math.cos(_ELEVATION)
    away = np.array([math.sin(azimuth) * level, math.sin(_ELEVATION), -math.cos(azimuth) * level])
    forward = -away
    right = np.array([forward[2], 0.0, -forward[0]]) / math.hypot(forward[0], forward[2])
    down = forward[1] * forward - np.array([0.0, 1.0, 0.0])
    down /= np.linalg.norm(down)
    eye = _Eye(np.stack([right, down, forward]), centre + 3.2 * radius * away, 1.0, np.zeros(2))
    flat = eye.project(points)
    low, high = flat.min(0), flat.max(0)
    zoom = float(((np.array(size) - 2 * margin) / np.maximum(high - low, 1e-9)).min())
    return _Eye(eye.axes, eye.place, zoom, np.array(size) / 2 - zoom * (low + high) / 2)


def _draw_ground(
    canvas: Canvas,
    scene: Scene,
    eye: _Eye,
    low: Float[np.ndarray, " 2"],
    high: Float[np.ndarray, " 2"],
    size: tuple[int, int],
) -> None:
    step = nice_step(float((high - low).max()), 9)
    label_every = 1.0 if step < 1 else step
    text = max(9.0, min(size) / 62)

    def at(x: float, z: float) -> Float[np.ndarray, " 2"]:
        return eye.project(np.array([x, scene.ground, z]))

    _draw_squares(canvas, scene, eye, low, high, step)
    for x in np.arange(low[0], high[0] + step / 2, step):
        if _is_multiple(x, label_every):
            canvas.text(f"{x:g}", at(x, low[1]) + np.array([-6.0, 1.4 * text]), text, MEDIUM, "centre")
    for z in np.arange(low[1] + step, high[1] + step / 2, step):
        if _is_multiple(z, label_every):
            canvas.text(f"{z:g}", at(high[0], z) + np.array([0.8 * text, 1.3 * text]), text, MEDIUM, "left")
    middle_x, middle_z = at((low[0] + high[0]) / 2, low[1]), at(high[0], (low[1] + high[1]) / 2)
    canvas.text("right (m)", middle_x + np.array([-2.2 * text, 3.0 * text]), text, INK, "right")
    canvas.text("distance (m)", middle_z + np.array([2.5 * text, 3.4 * text]), text, INK, "left")


def _draw_squares(
    canvas: Canvas, scene: Scene, eye: _Eye, low: Float[np.ndarray, " 2"], high: Float[np.ndarray, " 2"], step: float
) -> None:
    """The ground and its grid; whole metres (or whole steps) are heavier, the camera's line of sight darker."""

    def at(x: float, z: float) -> Float[np.ndarray, " 2"]:
        return eye.project(np.array([x, scene.ground, z]))

    corners = np.stack([at(low[0], low[1]), at(high[0], low[1]), at(high[0], high[1]), at(low[0], high[1])])
    canvas.polygon(corners, (245, 245, 243))
    for x in np.arange(low[0], high[0] + step / 2, step):
        heavy = 1.3 if _is_multiple(x, max(step, 1.0)) else 0.7
        canvas.line(at(x, low[1]), at(x, high[1]), MEDIUM if abs(x) < 1e-9 else FAINT, heavy)
    for z in np.arange(low[1], high[1] + step / 2, step):
        canvas.line(at(low[0], z), at(high[0], z), FAINT, 1.3 if _is_multiple(z, max(step, 1.0)) else 0.7)


def _is_multiple(value: float, step: float) -> bool:
    return bool(abs(value / step - round(value / step)) < 1e-6)


def _draw_shadow(canvas: Canvas, scene: Scene, eye: _Eye, person: Float[np.ndarray, "j 3"]) -> None:
    """The skeleton dropped onto the ground: it shows where the person stands."""
    flat = person.copy()
    flat[:, 1] = scene.ground
    spots = eye.project(flat)
    for parent, child in scene.people.skeleton.edges:
        canvas.line(spots[parent], spots[child], SHADOW, 3.0)


def _frustum(scene: Scene) -> Float[np.ndarray, "4 3"]:
    """Corners of the drawn image plane: its longer side 0.6 m, never beyond a quarter of the way to the people."""
    reach = 0.6 / float(np.ptp(scene.corners, axis=0).max())
    if len(scene.roots):
        reach = min(reach, float(np.linalg.norm(scene.roots, axis=1).min()) / 4)
    return scene.corners * reach


def _draw_camera(canvas: Canvas, scene: Scene, eye: _Eye, photo: UInt8[np.ndarray, "h w 3"] | None) -> None:
    plane, origin = eye.project(_frustum(scene)), eye.project(np.zeros(3))
    foot = eye.project(np.array([0.0, scene.ground, 0.0]))
    canvas.dashed(origin, foot, MEDIUM, 1.0, 4.0)
    canvas.disk(foot, 2.5, MEDIUM)
    if photo is not None:
        canvas.picture(photo, plane)
    for k in range(4):
        canvas.line(plane[k], plane[(k + 1) % 4], INK, 1.4)
        canvas.line(origin, plane[k], INK, 1.0)
    canvas.disk(origin, 3.5, INK)


def _draw_person(canvas: Canvas, scene: Scene, eye: _Eye, index: int) -> None:
    person, state, tree = scene.joints[index], scene.people.state[index], scene.people.skeleton
    spots, depth = eye.project(person), eye.depth(person)
    root = scene.roots[index]
    canvas.dashed(eye.project(root), eye.project(np.array([root[0], scene.ground, root[2]])), MEDIUM, 1.0, 4.0)
    for parent, child in sorted(tree.edges, key=lambda e: -np.nan_to_num(depth[e[0]] + depth[e[1]])):
        radius = 1.2 * bone_radius_mm(tree, parent, child) / 1000 * eye.zoom
        radii = float(max(1.1, radius / depth[parent])), float(max(1.1, radius / depth[child]))
        colour = bone_colour(tree, parent, child)
        if state[parent] == MEASURED and state[child] == MEASURED:
            canvas.limb(spots[parent], spots[child], (radii[0] + 0.8, radii[1] + 0.8), PAPER)
            canvas.limb(spots[parent], spots[child], radii, colour)
        else:
            canvas.dashed(spots[parent], spots[child], colour, 1.3 * min(radii), 4.0)
    for joint in np.argsort(-np.nan_to_num(depth)).tolist():
        colour = side_colour(tree.sides[joint])
        radius = max(1.8, 1.5 * bone_radius_mm(tree, joint, joint) / 1000 * eye.zoom / depth[joint])
        _draw_joint(canvas, spots[joint], float(radius), colour, bool(state[joint] == MEASURED))


def _draw_joint(canvas: Canvas, spot: Float[np.ndarray, " 2"], radius: float, colour: Colour, measured: bool) -> None:
    canvas.disk(spot, radius + 0.7, PAPER)
    canvas.disk(spot, radius, colour)
    if not measured:
        canvas.disk(spot, 0.55 * radius, lighter(colour, 0.92))
