"""Things around people: seats under sitting ones, objects in hands, furniture in front and behind."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32, Int32

from metricpose.synthetic.body import Body
from metricpose.synthetic.materials import Material, cloth_colour, surface_colour
from metricpose.synthetic.person import Part, Person
from metricpose.synthetic.rotations import minimal_rotation, rot_z

_CORNERS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
_UP = np.array([0.0, 0.0, 1.0])
_QUADS = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))


class Prop:
    """Solid shapes of one material, gathered into a single part."""

    def __init__(self, material: Material) -> None:
        self.material = material
        self._vertices: list[np.ndarray] = []
        self._faces: list[np.ndarray] = []
        self._count = 0

    def _add(self, vertices: Float[np.ndarray, "n 3"], faces: Int32[np.ndarray, "m 3"]) -> None:
        self._vertices.append(vertices)
        self._faces.append(faces + np.int32(self._count))
        self._count += len(vertices)

    def box(self, centre: np.ndarray, size: np.ndarray, rotation: np.ndarray | None = None) -> Prop:
        """Add a box of full extents `size`; six separate sides, so that edges stay sharp.

        The columns of `rotation` are the box's axes. They may be left-handed, as those of a left hand are: faces look
        outwards all the same.
        """
        turn = np.eye(3) if rotation is None else rotation
        corners = _CORNERS * size @ turn.T + centre
        vertices = np.concatenate([corners[list(quad)] for quad in _QUADS])
        base = 4 * np.arange(6)[:, None]
        faces = np.concatenate([base + np.array([0, 1, 2]), base + np.array([0, 2, 3])])
        if np.linalg.det(turn) < 0:
            faces = faces[:, ::-1]
        self._add(vertices, faces.astype(np.int32))
        return self

    def rod(
        self, start: np.ndarray, end: np.ndarray, radius: float, end_radius: float | None = None, sides: int = 8
    ) -> Prop:
        """Add a closed cylinder or cone from `start` to `end`."""
        axis = np.asarray(end, float) - start
        frame = minimal_rotation([0.0, 0.0, 1.0], axis)
        angle = 2 * np.pi * np.arange(sides) / sides
        ring = np.stack([np.cos(angle), np.sin(angle), np.zeros(sides)], 1) @ frame.T
        last = radius if end_radius is None else end_radius
        vertices = np.concatenate([start + radius * ring, end + last * ring, [start], [end]])
        k = np.arange(sides, dtype=np.int32)
        n, low, high = (k + 1) % sides, np.int32(2 * sides), np.int32(2 * sides + 1)
        side = [np.stack([k, n, n + sides], 1), np.stack([k, n + sides, k + sides], 1)]
        caps = [np.stack([n, k, np.full_like(k, low)], 1), np.stack([k + sides, n + sides, np.full_like(k, high)], 1)]
        self._add(vertices, np.concatenate(side + caps).astype(np.int32))
        return self

    def ball(self, centre: np.ndarray, radii: np.ndarray, rotation: np.ndarray | None = None) -> Prop:
        """Add an ellipsoid."""
        rows, columns = 6, 10
        polar, turn = np.linspace(0, np.pi, rows + 1), 2 * np.pi * np.arange(columns) / columns
        sphere = np.stack(
            [
                np.outer(np.sin(polar), np.cos(turn)),
                np.outer(np.sin(polar), np.sin(turn)),
                np.outer(np.cos(polar), np.ones(columns)),
            ],
            -1,
        ).reshape(-1, 3)
        i, j = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
        a, b = i * columns + j, i * columns + (j + 1) % columns
        c, d = a + columns, b + columns
        faces = np.concatenate([np.stack([a, c, d], -1).reshape(-1, 3), np.stack([a, d, b], -1).reshape(-1, 3)])
        turned = sphere * radii @ (np.eye(3) if rotation is None else rotation).T
        self._add(turned + centre, faces.astype(np.int32))
        return self

    def part(self) -> Part:
        """The gathered shapes; patterns are laid out in world metres."""
        vertices = np.concatenate(self._vertices).astype(np.float32)
        faces = np.concatenate(self._faces).astype(np.int32)
        attributes = np.zeros((len(vertices), 7), np.float32)
        attributes[:, :3] = vertices
        zeros = np.zeros(len(faces), np.int32)
        return Part(vertices, _flat_normals(vertices, faces), attributes, faces, zeros, zeros - 1)


def _flat_normals(vertices: Float32[np.ndarray, "n 3"], faces: Int32[np.ndarray, "m 3"]) -> Float32[np.ndarray, "n 3"]:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    normals = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(normals, faces[:, k], np.cross(b - a, c - a))
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def furniture_material(rng: np.random.Generator) -> Material:
    """Wood, paint, plastic or upholstery."""
    colour = surface_colour(rng)
    return Material(colour, surface_colour(rng), int(rng.choice([0, 0, 0, 0, 0, 1, 3, 4])), rng.uniform(3, 20), 0.5,
                    rng.uniform(0.0, 0.1), 0.08, 2.0)  # fmt: skip


def seat_under(rng: np.random.Generator, body: Body, person: Person) -> Prop | None:
    """A chair, stool, bench or block up to the seat of a sitting person; None if they sit on the ground."""
    pelvis, scale = person.head(body, "root"), person.scale
    skin = person.parts[0]
    template_z, part = skin.attributes[:, 2], skin.attributes[:, 4]
    buttocks = skin.vertices[(part == 0) & (np.abs(template_z) < 0.12), 2]
    height = float(np.percentile(buttocks, 3.0)) + 0.015
    if height < 0.12:
        return None
    forward = person.posed.rotations[0] @ [0.0, -1.0, 0.0]
    yaw = float(np.arctan2(forward[1], forward[0])) + np.pi / 2 + rng.normal(0.0, 0.12)
    turn = rot_z(yaw)

    def at(x: float, y: float, z: float) -> np.ndarray:
        return turn @ [x, y, 0.0] + [pelvis[0], pelvis[1], z]

    prop = Prop(furniture_material(rng))
    width, depth = rng.uniform(0.36, 0.55) * max(scale, 0.75), rng.uniform(0.36, 0.48) * max(scale, 0.75)
    kind = rng.choice(["chair", "stool", "block", "bench"], p=[0.55, 0.2, 0.15, 0.1])
    if kind == "block":
        return prop.box(at(0.0, -0.08, height / 2), np.array([width, depth * 1.1, height]), turn)
    if kind == "bench":
        width *= rng.uniform(2.0, 4.0)
    plate = rng.uniform(0.02, 0.07)
    middle = -0.10 * scale  # the seat reaches forward under the thighs
    prop.box(at(0.0, middle, height - plate / 2), np.array([width, depth, plate]), turn)
    leg = rng.uniform(0.012, 0.028)
    for sx in (-1, 1):
        for sy in (-1, 1):
            foot = at(sx * (width / 2 - leg), middle + sy * (depth / 2 - leg), 0.0)
            prop.rod(foot, foot + (height - plate) * _UP, leg)
    if kind == "chair":
        rise, back = rng.uniform(0.3, 0.5) * max(scale, 0.75), middle + depth / 2
        prop.box(at(0.0, back, height + rise * 0.65), np.array([width, 0.03, rise * 0.6]), turn)
        for sx in (-1, 1):
            foot = at(sx * (width / 2 - leg), back, height - plate)
            prop.rod(foot, foot + rise * _UP, leg)
    return prop


def held_object(rng: np.random.Generator, body: Body, person: Person) -> Prop:
    """A phone, cup, bottle, ball, stick or bag in one hand; bags hang straight down."""
    side = "LR"[int(rng.integers(2))]
    wrist, scale = person.head(body, f"wrist.{side}"), person.scale
    turn = person.posed.rotations[body.bone_index[f"wrist.{side}"]]
    knuckle = person.head(body, f"finger3-1.{side}")
    along = (knuckle - wrist) / np.linalg.norm(knuckle - wrist)
    across = person.head(body, f"finger2-1.{side}") - person.head(body, f"finger5-1.{side}")
    across = across / np.linalg.norm(across)
    palm = np.cross(across, along) * (-1.0 if side == "L" else 1.0)
    grip = knuckle + 0.02 * scale * along + 0.035 * scale * palm
    prop = Prop(Material(cloth_colour(rng), gloss=rng.uniform(0.0, 0.3)))
    kind = rng.choice(["phone", "cup", "stick", "ball", "bag", "case"], p=[0.28, 0.2, 0.14, 0.1, 0.18, 0.1])
    if kind == "phone":
        return prop.box(grip + 0.03 * along, np.array([0.012, 0.075, 0.15]), np.stack([palm, across, along], 1))
    if kind == "cup":
        half = rng.uniform(0.04, 0.11) * across
        return prop.rod(grip - half, grip + half, rng.uniform(0.025, 0.04), sides=10)
    if kind == "stick":
        half = rng.uniform(0.15, 0.5) * across
        return prop.rod(grip - half, grip + half * rng.uniform(0.3, 1.0), rng.uniform(0.008, 0.025))
    if kind == "ball":
        return prop.ball(grip + 0.08 * palm, np.full(3, rng.uniform(0.05, 0.12)), turn)
    size = np.array([rng.uniform(0.06, 0.2), rng.uniform(0.2, 0.45), rng.uniform(0.2, 0.4)]) * max(scale, 0.6)
    drop = rng.uniform(0.05, 0.2) if kind == "bag" else 0.03
    drop = min(drop, max(0.0, float(grip[2]) - size[2]))
    if grip[2] < size[2] + 0.05:  # too low to hang: leave the hand with a small thing
        return prop.ball(grip, np.array([0.03, 0.03, 0.05]), turn)
    prop.rod(grip, grip - drop * _UP, 0.008)
    centre = grip - (drop + size[2] / 2) * _UP
    return prop.box(centre, size, rot_z(float(np.arctan2(turn[1, 0], turn[0, 0]))))


def clutter(rng: np.random.Generator, place: np.ndarray, size: float) -> Prop:
    """A piece of furniture of roughly `size` metres on the ground at `place`: box, table, column or ball."""
    prop, turn = Prop(furniture_material(rng)), rot_z(rng.uniform(-np.pi, np.pi))
    extent = size * np.array([rng.uniform(0.3, 1.2), rng.uniform(0.3, 0.9), rng.uniform(0.3, 1.4)])
    kind = rng.choice(["box", "table", "column", "ball"], p=[0.45, 0.3, 0.15, 0.1])
    base = np.array([place[0], place[1], 0.0])
    if kind == "column":
        return prop.rod(base, base + 2.0 * extent[2] * _UP, 0.12 * size, sides=12)
    if kind == "ball":
        radius = 0.3 * size
        return prop.ball(base + radius * _UP, np.full(3, radius))
    if kind == "box":
        return prop.box(base + extent[2] / 2 * _UP, extent, turn)
    height = float(np.clip(extent[2], 0.35, 1.1))
    prop.box(base + height * _UP, np.array([extent[0], extent[1], 0.04]), turn)
    for sx in (-0.45, 0.45):
        for sy in (-0.45, 0.45):
            foot = base + turn @ [sx * extent[0], sy * extent[1], 0.0]
            prop.rod(foot, foot + height * _UP, 0.025)
    return prop
