"""Drawing a scene: merge people and props, rasterise, find what each joint is hidden by, shade."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int32, UInt8

from metricpose.synthetic.camera_sampler import View
from metricpose.synthetic.lighting import Light
from metricpose.synthetic.materials import COLUMNS, rows_of
from metricpose.synthetic.noise import noise_table
from metricpose.synthetic.painted import naked
from metricpose.synthetic.person import Part, Person
from metricpose.synthetic.pictures import TO_LINEAR
from metricpose.synthetic.props import Prop
from metricpose.synthetic.raster import project, rasterise, rasterise_cards
from metricpose.synthetic.shade import Geometry, Looks, cover, shade


@dataclass(frozen=True, eq=False)
class Assembly:
    """A scene as arrays. Groups: people in order, then props. Solid faces first, hair cards last.

    Attributes:
        geometry: triangles. materials: (M, 16). controls: (F,) control that moves a face, -1 for props.
        solid: number of solid faces. cards: (start, stop, texture) of each hair mesh.
        main: number of leading vertices that belong to the main person's body.
        person: (start, stop) vertices of each part of the main person.
    """

    geometry: Geometry
    materials: Float32[np.ndarray, "m 16"]
    controls: Int32[np.ndarray, " f"]
    solid: int
    cards: list[tuple[int, int, int]]
    main: int
    person: list[tuple[int, int]]


def assemble(people: list[Person], props: list[Prop]) -> Assembly:
    """Concatenate everything; each group's material rows follow those of the group before."""
    materials = [rows_of(p.outfit.materials) for p in people] + [rows_of([prop.material]) for prop in props]
    base = np.cumsum([0] + [len(m) for m in materials])
    solid: list[tuple[int, Part]] = []
    cards: list[tuple[int, Part]] = []
    for group, person in enumerate(people):
        for part in person.parts:
            (cards if part.card_texture >= 0 else solid).append((group, part))
    solid += [(len(people) + k, prop.part()) for k, prop in enumerate(props)]
    parts = solid + cards
    vertex_base = np.cumsum([0] + [len(part.vertices) for _, part in parts])
    face_base = np.cumsum([0] + [len(part.faces) for _, part in parts])
    rows = [np.where(part.rows >= 0, part.rows + base[g], part.rows - base[g]) for g, part in parts]
    geometry = Geometry(
        vertices=np.concatenate([part.vertices for _, part in parts]),
        normals=np.concatenate([part.normals for _, part in parts]),
        attributes=np.concatenate([part.attributes for _, part in parts]),
        faces=np.concatenate([part.faces + np.int32(v) for (_, part), v in zip(parts, vertex_base)]),
        rows=np.concatenate(rows).astype(np.int32),
        groups=np.repeat(np.array([g for g, _ in parts], np.int32), np.diff(face_base)),
    )
    first_card = len(solid)
    spans = [
        (int(face_base[first_card + k]), int(face_base[first_card + k + 1]), part.card_texture)
        for k, (_, part) in enumerate(cards)
    ]
    return Assembly(
        geometry, np.concatenate(materials).reshape(-1, COLUMNS), np.concatenate([part.controls for _, part in parts]),
        int(face_base[first_card]), spans, len(people[0].parts[0].vertices),
        [(int(vertex_base[k]), int(vertex_base[k + 1])) for k, (g, _) in enumerate(parts) if g == 0],
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Drawing:
    """A rasterised scene: `supersample` samples along each side of a pixel.

    Attributes:
        points: (V, 3) screen points of the samples' grid. depth: inverse depth, triangle: face or -1, per sample.
    """

    view: View
    supersample: int
    points: Float32[np.ndarray, "v 3"]
    depth: Float32[np.ndarray, "h w"]
    triangle: Int32[np.ndarray, "h w"]

    def sample_index(self, pixels: Float[np.ndarray, "n 2"]) -> np.ndarray:
        """(n, 2) column and row of the nearest sample; may lie outside."""
        return np.floor((pixels + 0.5) * self.supersample).astype(int)


def draw(assembly: Assembly, view: View, supersample: int, textures: UInt8[np.ndarray, "k s s 4"]) -> Drawing:
    """Rasterise everything; sample (i, j) lies at pixel ((i + 0.5) / supersample - 0.5, ...)."""
    k, geometry = supersample, assembly.geometry
    points = np.empty((len(geometry.vertices), 3), np.float32)
    cx, cy = (view.cx + 0.5) * k - 0.5, (view.cy + 0.5) * k - 0.5
    project(geometry.vertices, np.ascontiguousarray(view.R), view.t, view.focal * k, cx, cy, points)
    shape = (view.height * k, view.width * k)
    depth, triangle = np.zeros(shape, np.float32), np.full(shape, -1, np.int32)
    rasterise(points, geometry.faces, 0, assembly.solid, False, depth, triangle)
    for start, stop, texture in assembly.cards:
        rasterise_cards(points, geometry.faces, start, stop, geometry.attributes, textures[texture], depth, triangle)
    return Drawing(view, supersample, points, depth, triangle)


def coverage(
    assembly: Assembly, drawing: Drawing, own: np.ndarray
) -> tuple[UInt8[np.ndarray, "h w"], UInt8[np.ndarray, "h w"]]:
    """Coverage (0..255) by anything, and by the groups for which own[group] is true."""
    shape = (drawing.view.height, drawing.view.width)
    total, mine = np.empty(shape, np.uint8), np.empty(shape, np.uint8)
    own_faces = own.astype(np.uint8)[assembly.geometry.groups]
    cover(drawing.triangle, drawing.supersample, own_faces, total, mine)
    return total, mine


def make_looks(
    people: list[Person], assembly: Assembly, fabrics: list[np.ndarray], offsets: np.ndarray, textures: np.ndarray
) -> Looks:
    """Materials and pictures for `paint`; one fabric and one noise offset per group."""
    cuts = [person.outfit.cut for person in people] + [naked()] * (len(fabrics) - len(people))
    return Looks(
        assembly.materials,
        np.stack(cuts),
        offsets.astype(np.float32),
        np.stack(fabrics),
        textures,
        TO_LINEAR,
        noise_table(),
    )


def paint(
    assembly: Assembly, drawing: Drawing, looks: Looks, light: Light, covered: UInt8[np.ndarray, "h w"], scale: float
) -> Float32[np.ndarray, "h w 3"]:
    """Linear colour of every covered pixel. scale: of the main person, for the reach of ambient occlusion."""
    colour = np.zeros((*covered.shape, 3), np.float32)
    occlusion = _ambient_occlusion(drawing, scale)
    centre = drawing.view.centre
    shade(
        drawing.depth, drawing.triangle, drawing.supersample, assembly.geometry, drawing.points, looks, light, centre,
        occlusion, colour, covered,
    )  # fmt: skip
    return colour


def _ambient_occlusion(drawing: Drawing, scale: float) -> Float32[np.ndarray, "h w"]:
    """How far each pixel lies behind the mean of its neighbourhood (about 9 cm), 0..0.6."""
    k = drawing.supersample
    inverse = drawing.depth[k // 2 :: k, k // 2 :: k]
    solid = (inverse > 0).astype(np.float32)
    distance = np.where(inverse > 0, 1.0 / np.maximum(inverse, 1e-6), 0.0).astype(np.float32)
    count = float(solid.sum())
    if count == 0:
        return distance
    radius = max(3, int(0.09 * drawing.view.focal / max(float(distance.sum()) / count, 0.3))) | 1
    near = cv2.boxFilter(solid, -1, (radius, radius))
    mean = cv2.boxFilter(distance, -1, (radius, radius)) / np.maximum(near, 0.02)
    return (np.clip((distance - mean) * (6.0 / scale), 0.0, 0.6) * solid).astype(np.float32)
