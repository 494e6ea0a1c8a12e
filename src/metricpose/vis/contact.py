"""A contact sheet of annotated people: each in a tile of its own, with the joints where camera and labels put them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from metricpose.skeleton import catalog
from metricpose.skeleton.core import Skeleton
from metricpose.types import HIDDEN, OUTSIDE, Record
from metricpose.vis.canvas import Canvas, text_width
from metricpose.vis.style import CENTRE, FAINT, INK, LEFT, PAPER, RIGHT, bone_colour, lighter, side_colour

_GAP, _FOOTER, _TEXT = 6, 30, 8.0
_REACH = 1.25  # side of a tile in longer box sides
_HALO = (250, 250, 250)
_APART = 4.0  # pixels of the tile from which a 2D label is drawn beside the projected joint


def draw_contact_sheet(records: Sequence[Record], *, columns: int = 6, tile: int = 220) -> UInt8[np.ndarray, "h w 3"]:
    """Records in rows of `columns`, with a legend.

    Bones run between the projections of the 3D joints, or between the 2D labels where there is no 3D label. Joints are
    filled, hollow where marked hidden or outside. A 2D label that lies elsewhere than the projected 3D joint is drawn
    as a cross. The box is grey.

    Args:
        records: people to draw, at least one.
        columns: tiles side by side.
        tile: side of a tile in pixels.
    """
    columns = min(columns, len(records))
    rows = -(-len(records) // columns)
    width, height = (n * (tile + _GAP) + _GAP for n in (columns, rows))
    sheet = np.full((height + _FOOTER, max(width, 420), 3), PAPER, np.uint8)
    for number, record in enumerate(records):
        y, x = (_GAP + k * (tile + _GAP) for k in divmod(number, columns))
        sheet[y : y + tile, x : x + tile] = draw_tile(record, tile)
    canvas = Canvas(sheet)
    _legend(canvas, height + _FOOTER / 2 - _GAP / 2)
    return canvas.image()


def draw_tile(record: Record, tile: int) -> UInt8[np.ndarray, "t t 3"]:
    """One person: the photograph around the box, the box, and the joints."""
    box = np.asarray(record.box_xywh, np.float64)
    side = _REACH * box[2:].max()
    low = box[:2] + box[2:] / 2 - side / 2
    scale = tile / side
    matrix = np.array([[scale, 0, (0.5 - low[0]) * scale - 0.5], [0, scale, (0.5 - low[1]) * scale - 0.5]])
    canvas = Canvas(_cut(record.image, matrix, tile, scale), supersample=2)
    corners = box[:2] + box[2:] * np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) @ np.eye(2)
    corners = (corners - low + 0.5) * scale - 0.5
    for k in range(4):
        canvas.line(corners[k], corners[(k + 1) % 4], FAINT, 1.0)
    skeleton = catalog.get(record.skeleton)
    labels, projected = ((p - low + 0.5) * scale - 0.5 for p in (record.joints_px, _projected(record)))
    _draw_joints(canvas, np.where(np.isfinite(projected), projected, labels), labels, record, skeleton)
    _caption(canvas, record, tile)
    return canvas.image()


def _cut(
    image: UInt8[np.ndarray, "h w 3"], matrix: Float[np.ndarray, "2 3"], tile: int, scale: float
) -> UInt8[np.ndarray, "t t 3"]:
    """The photograph under an affine map; shrunk by averaging first where it is much larger than the tile."""
    matrix = matrix.copy()
    shrink = int(1 / scale) if scale < 0.5 else 1
    if shrink > 1 and min(image.shape[:2]) >= shrink:
        height, width = (n // shrink for n in image.shape[:2])
        image = cv2.resize(image[: height * shrink, : width * shrink], (width, height), interpolation=cv2.INTER_AREA)
        matrix[:, 2] += matrix[[0, 1], [0, 1]] * (shrink - 1) / 2
        matrix[:, :2] *= shrink
    return cv2.warpAffine(image, matrix, (tile, tile), flags=cv2.INTER_LINEAR, borderValue=(40, 40, 40))


def _projected(record: Record) -> Float[np.ndarray, "j 2"]:
    return record.camera.project_camera(np.asarray(record.joints_mm, np.float64))


def _draw_joints(
    canvas: Canvas,
    points: Float[np.ndarray, "j 2"],
    labels: Float[np.ndarray, "j 2"],
    record: Record,
    skeleton: Skeleton,
) -> None:
    for parent, child in skeleton.edges:
        canvas.line(points[parent], points[child], _HALO, 3.5)
        canvas.line(points[parent], points[child], bone_colour(skeleton, parent, child), 2.0)
    for joint, point in enumerate(points):
        colour = side_colour(skeleton.sides[joint])
        canvas.disk(point, 3.6, _HALO)
        canvas.disk(point, 2.8, colour)
        if record.visibility[joint] in (HIDDEN, OUTSIDE):
            canvas.disk(point, 1.5, lighter(colour, 0.92))
        if np.linalg.norm(labels[joint] - point) > _APART:
            for arm in (np.array([3.5, 3.5]), np.array([3.5, -3.5])):
                canvas.line(labels[joint] - arm, labels[joint] + arm, _HALO, 3.0)
                canvas.line(labels[joint] - arm, labels[joint] + arm, colour, 1.5)


def _caption(canvas: Canvas, record: Record, tile: int) -> None:
    """The end of the item's name, and the distance where it is known."""
    depth = record.joints_mm[np.isfinite(record.joints_mm).all(1), 2]
    distance = f"  {np.median(depth) / 1000:.1f} m" if len(depth) and record.abs_valid else ""
    name = str(record.info.get("id", "")).encode("ascii", "replace").decode()
    if text_width(name + distance, _TEXT) > tile - 12:
        while name and text_width(f"..{name}{distance}", _TEXT) > tile - 12:
            name = name[1:]
        name = f"..{name}"
    if name + distance:
        canvas.polygon(np.array([[0.0, 0], [tile, 0], [tile, 16], [0, 16]]), INK)
        canvas.text(name + distance, np.array([5.0, 8.0]), _TEXT, PAPER)


def _legend(canvas: Canvas, y: float) -> None:
    x = _GAP + 4.0
    for name, colour in (("person's left", LEFT), ("right", RIGHT), ("centre", CENTRE)):
        canvas.line(np.array([x, y]), np.array([x + 20, y]), colour, 3.0)
        canvas.text(name, np.array([x + 26, y]), _TEXT, INK)
        x += 42 + text_width(name, _TEXT)
    canvas.text("cross: 2D label apart from 3D", np.array([x, y]), _TEXT, INK)
