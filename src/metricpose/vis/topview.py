"""The scene from above: the camera at the bottom, its field of view, arcs of equal distance, people in place."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, UInt8

from metricpose.types import MEASURED
from metricpose.vis.canvas import Canvas, stack_labels, text_width
from metricpose.vis.overlay import distances_m
from metricpose.vis.scene import Scene, nice_step
from metricpose.vis.style import FAINT, INK, MEDIUM, PAPER, bone_colour

Place = Callable[[np.ndarray], np.ndarray]
_TOP, _BOTTOM, _SIDE = 34.0, 42.0, 30.0


def draw_top_view(scene: Scene, size: tuple[int, int]) -> UInt8[np.ndarray, "h w 3"]:
    """Bird's-eye view; size is (width, height) of the picture."""
    canvas = Canvas.blank(*size, PAPER)
    places = scene.roots[:, [0, 2]]
    reach = float(np.linalg.norm(places, axis=1).max()) + 0.8 if len(places) else 4.0
    aside = float(np.abs(places[:, 0]).max()) + 0.7 if len(places) else 1.0
    scale = min((size[1] - _TOP - _BOTTOM) / reach, (size[0] - 2 * _SIDE) / (2 * aside))
    origin = np.array([size[0] / 2, size[1] - _BOTTOM])

    def at(points: Float[np.ndarray, "*b 2"]) -> Float[np.ndarray, "*b 2"]:
        return origin + points * np.array([scale, -scale])

    text = max(9.0, min(size) / 40)
    _draw_view(canvas, scene, at, reach, text)
    for index in np.argsort(-places[:, 1]):
        _draw_person(canvas, scene, at, int(index), scale)
    _draw_labels(canvas, scene, at, text)
    return canvas.image()


def _draw_view(canvas: Canvas, scene: Scene, at: Place, reach: float, text: float) -> None:
    """Field of view as a pale wedge, arcs of equal distance across it."""
    left, right = (math.atan2(c[0], c[2]) for c in (scene.corners[0], scene.corners[1]))
    angles = np.linspace(left, right, 41)
    rim = np.stack([np.sin(angles), np.cos(angles)], 1)
    canvas.polygon(at(np.concatenate([np.zeros((1, 2)), reach * rim])), (241, 243, 244))
    step = nice_step(reach, 7)
    for radius in np.arange(step, reach + 1e-9, step):
        arc = at(radius * rim)
        for k in range(len(arc) - 1):
            canvas.line(arc[k], arc[k + 1], (205, 208, 210), 1.0)
        canvas.text(f"{radius:g} m", arc[-1] + np.array([0.5 * text, 0.2 * text]), text, MEDIUM)
    for edge in (rim[0], rim[-1]):
        canvas.line(at(np.zeros(2)), at(reach * edge), MEDIUM, 1.0)
    canvas.line(at(np.zeros(2)), at(np.array([0.0, reach])), FAINT, 1.0)
    body = at(np.zeros(2))
    canvas.polygon(body + np.array([[-8.0, 3], [8, 3], [8, 13], [-8, 13]]), INK)
    canvas.polygon(body + np.array([[-5.0, 3], [0, -4], [5, 3]]), INK)
    canvas.text("camera", body + np.array([14.0, 8.0]), text, INK)


def _draw_person(canvas: Canvas, scene: Scene, at: Place, index: int, scale: float) -> None:
    person, tree = scene.joints[index], scene.people.skeleton
    spots = at(person[:, [0, 2]])
    canvas.disk(at(scene.roots[index, [0, 2]]), max(5.0, 0.27 * scale), (226, 229, 231))
    width = float(np.clip(0.04 * scale, 1.6, 7.0))
    for parent, child in sorted(tree.edges, key=lambda e: np.nan_to_num(person[e[0], 1] + person[e[1], 1])):
        colour = bone_colour(tree, parent, child)
        if (scene.people.state[index, [parent, child]] == MEASURED).all():
            canvas.line(spots[parent], spots[child], colour, width)
        else:
            canvas.dashed(spots[parent], spots[child], colour, 0.7 * width, 3.5)


def _draw_labels(canvas: Canvas, scene: Scene, at: Place, text: float) -> None:
    """Distances, above what each person covers of the ground; of several people with the index in `People`."""
    depth = distances_m(scene.people)
    labels = [f"{k}: {d:.2f} m" if len(depth) > 1 else f"{d:.2f} m" for k, d in enumerate(depth)]
    widths = [text_width(t, text, True) + 2.4 * text for t in labels]
    spots = []
    for root, joints in zip(scene.roots, scene.joints):
        place = at(root[[0, 2]])
        covered = at(joints[np.isfinite(joints).all(1)][:, [0, 2]])
        top = covered[:, 1].min() if len(covered) else place[1]
        spots.append(np.array([place[0], max(top - 1.9 * text, 1.3 * text)]))
    for label, spot in zip(labels, stack_labels(spots, widths, 2.2 * text)):
        canvas.pill(label, spot, text)
