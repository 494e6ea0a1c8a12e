"""Everything about one photograph on one sheet: overlay, 3D view, view from above, close-ups, legend, scale source."""

from __future__ import annotations

import math
import textwrap

import cv2
import numpy as np
from jaxtyping import UInt8

from metricpose.types import People
from metricpose.vis.canvas import Canvas, text_width
from metricpose.vis.figure3d import draw_person, draw_scene
from metricpose.vis.overlay import distances_m, draw_overlay
from metricpose.vis.scene import Scene, make_scene
from metricpose.vis.style import CENTRE, FAINT, INK, LEFT, MEDIUM, PAPER, RIGHT, lighter
from metricpose.vis.topview import draw_top_view

_HEIGHT, _GAP, _HEADER, _FOOTER = 940, 16, 50, 78
_RIGHT, _ABOVE = 780, 290
_OBLIQUE, _SIDE_VIEW = math.radians(35.0), math.radians(90.0)
_PHOTO_WIDTHS = (520, 980)
_TEXT = 11.0


def draw_sheet(image: UInt8[np.ndarray, "h w 3"], people: People, title: str = "") -> UInt8[np.ndarray, "h2 w2 3"]:
    """A picture 940 pixels high: the photograph on the left, 3D view and view from above on the right.

    Args:
        image: RGB photograph.
        people: result for it.
        title: written above, for example the file name.
    """
    tall = _HEIGHT - _HEADER - _FOOTER
    picture = _fitted(draw_overlay(image, people), _PHOTO_WIDTHS[1], tall)
    left = max(picture.shape[1], _PHOTO_WIDTHS[0])
    upper = round(0.57 * (tall - _GAP))
    canvas = Canvas.blank(left + _RIGHT + 3 * _GAP, _HEIGHT, PAPER)
    _header(canvas, people, title)
    _footer(canvas, people)
    scene, sheet, x = make_scene(people), canvas.image(), left + 2 * _GAP
    middle = _GAP + (left - picture.shape[1]) // 2, _HEADER + (tall - picture.shape[0]) // 2
    _paste(sheet, picture, *middle)
    _paste(sheet, _panel(draw_scene(scene, (_RIGHT, upper), _fitted(image, 400, 400)), "3D view"), x, _HEADER)
    lower, y = tall - upper - _GAP, _HEADER + upper + _GAP
    _paste(sheet, _panel(draw_top_view(scene, (_ABOVE, lower)), "from above"), x, y)
    for panel, place in _close_ups(scene, _RIGHT - _ABOVE - _GAP, lower):
        _paste(sheet, panel, x + _ABOVE + _GAP + place, y)
    return sheet


def _close_ups(scene: Scene, width: int, height: int) -> list[tuple[UInt8[np.ndarray, "h w 3"], int]]:
    """Panels and their left edges: one person from two sides, or the nearest two or three people from their side."""
    near = np.argsort(distances_m(scene.people))[:3]
    if len(near) == 0:
        return [(_panel(Canvas.blank(width, height, PAPER).image(), "nobody"), 0)]
    views = [(int(k), f"{k}: from the side", _SIDE_VIEW) for k in near]
    if len(near) == 1:
        views = [(0, "oblique", _OBLIQUE), (0, "from the side", _SIDE_VIEW)]
    each = (width - _GAP * (len(views) - 1)) // len(views)
    made = [_panel(draw_person(scene, k, (each, height), azimuth), name) for k, name, azimuth in views]
    return [(panel, k * (each + _GAP)) for k, panel in enumerate(made)]


def _paste(sheet: UInt8[np.ndarray, "h w 3"], panel: UInt8[np.ndarray, "h2 w2 3"], x: int, y: int) -> None:
    sheet[y : y + panel.shape[0], x : x + panel.shape[1]] = panel


def _fitted(image: UInt8[np.ndarray, "h w 3"], width: int, height: int) -> UInt8[np.ndarray, "h2 w2 3"]:
    scale = min(width / image.shape[1], height / image.shape[0])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def _panel(image: UInt8[np.ndarray, "h w 3"], name: str) -> UInt8[np.ndarray, "h w 3"]:
    """Frame and name of a panel."""
    canvas = Canvas(image)
    height, width = image.shape[:2]
    corners = np.array([[0.0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]])
    for k in range(4):
        canvas.line(corners[k], corners[(k + 1) % 4], FAINT, 1.0)
    canvas.text(name, np.array([14.0, 18.0]), _TEXT, INK, bold=True)
    return canvas.image()


def _header(canvas: Canvas, people: People, title: str) -> None:
    count = {0: "no person found", 1: "1 person"}.get(len(people), f"{len(people)} people")
    canvas.text(title or "metricpose", np.array([_GAP, _HEADER / 2]), 15.0, INK, bold=True)
    canvas.text(count, np.array([canvas.width - _GAP, _HEADER / 2]), 13.0, INK, "right")


def _footer(canvas: Canvas, people: People) -> None:
    """Legend on the first line, scale source and warnings on the others."""
    y = _HEIGHT - _FOOTER + 20.0
    x = float(_GAP)
    for name, colour in (("person's left", LEFT), ("right", RIGHT), ("centre", CENTRE)):
        a, b = np.array([x + 4, y]), np.array([x + 30, y])
        canvas.limb(a, b, (4.0, 4.0), colour)
        canvas.text(name, np.array([x + 40, y]), _TEXT, INK)
        x += 62 + text_width(name, _TEXT)
    for name, solid in (("measured", True), ("inferred or outside the frame", False)):
        a, b = np.array([x + 4, y]), np.array([x + 44, y])
        (canvas.line if solid else canvas.dashed)(a, b, CENTRE, 3.0)
        canvas.disk(b, 6.0, CENTRE)
        if not solid:
            canvas.disk(b, 3.5, lighter(CENTRE, 0.92))
        canvas.text(name, np.array([x + 58, y]), _TEXT, INK)
        x += 80 + text_width(name, _TEXT)
    note = "; ".join([people.scale_source, *people.info.get("warnings", [])])
    letters = int((canvas.width - 2 * _GAP) / text_width("n", _TEXT) * 1.02)
    for line, text in enumerate(textwrap.wrap(note.encode("ascii", "replace").decode(), letters)[:2]):
        canvas.text(text, np.array([_GAP, y + 23.0 + 19.0 * line]), _TEXT, MEDIUM)
