"""One dressed, posed person in the world: meshes ready to draw, and exact joints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Float64, Int32

from metricpose.synthetic.body import Body, Shape, SkinnedMesh, skin
from metricpose.synthetic.joints import joint_positions
from metricpose.synthetic.noise import noise_table
from metricpose.synthetic.outfit import Outfit, Worn, sample_outfit
from metricpose.synthetic.painted import HEM, LEG_END, SHOE_TOP, inflate, thicken
from metricpose.synthetic.phenotype import Phenotype
from metricpose.synthetic.poses import PoseLibrary, PoseSample, procedural, self_penetration
from metricpose.synthetic.procedural import family_shares
from metricpose.synthetic.raster import bounds, vertex_normals
from metricpose.synthetic.rig import Posed, pose_bones
from metricpose.synthetic.rotations import rot_z
from metricpose.synthetic.settling import RESTING, settle
from metricpose.synthetic.wardrobe import Wardrobe

ADULT = 1.7  # metres; lengths tuned on an adult scale with stature / ADULT
_MAX_PENETRATION = 0.04
_AIRBORNE = ("jump", "jump_reach", "acrobatics")


class Part(NamedTuple):
    """A mesh in the world. Faces with row r >= 0 use material r, with -1 the painted regions (rows 0 ..).

    card_texture: texture whose holes are cut out (hair), -1 for solid parts.
    """

    vertices: Float32[np.ndarray, "n 3"]
    normals: Float32[np.ndarray, "n 3"]
    attributes: Float32[np.ndarray, "n 7"]
    faces: Int32[np.ndarray, "m 3"]
    rows: Int32[np.ndarray, " m"]
    controls: Int32[np.ndarray, " m"]
    card_texture: int = -1

    def moved(self, by: Float32[np.ndarray, " 3"]) -> Part:
        """The part translated by `by` metres."""
        return self._replace(vertices=self.vertices + by)


@dataclass(frozen=True, eq=False)
class Cast:
    """Where people come from. recorded_share: chance of a recorded pose; garment_share: chance of garment meshes;
    families: cumulative shares of the procedural poses (`procedural.family_shares`)."""

    body: Body
    wardrobe: Wardrobe
    poses: PoseLibrary | None
    split: str
    recorded_share: float
    garment_share: float
    families: Float64[np.ndarray, " n"] = field(default_factory=lambda: family_shares({}))


@dataclass(frozen=True, eq=False)
class Person:
    """A person standing on the ground z = 0 (or on whatever is under them).

    Attributes:
        parts: the body first. joints: (25, 3) METRICPOSE_25, world metres.
        posed: bones in the world. stature: metres, standing, barefoot. scale: stature / 1.7.
        offset: shift of noise patterns.
    """

    parts: list[Part]
    joints: Float[np.ndarray, "25 3"]
    posed: Posed
    shape: Shape
    outfit: Outfit
    phenotype: Phenotype
    pose: PoseSample
    stature: float
    scale: float
    offset: float

    def head(self, body: Body, bone: str) -> Float[np.ndarray, " 3"]:
        """World position of a bone's head, metres."""
        return self.posed.positions[body.bone_index[bone]]


def make_person(
    rng: np.random.Generator, cast: Cast, place: tuple[float, float] = (0.0, 0.0), tight: bool = False
) -> Person:
    """Draw a person whose pelvis is above `place` and whose lowest point touches the ground."""
    body = cast.body
    phenotype = body.prior.sample(rng, cast.split)
    shape = body.shape(body.prior.coefficients(phenotype))
    low, high = bounds(shape.vertices[body.surface_vertices])
    stature = float(high[2] - low[2])
    pose, posed = _pose(rng, cast, shape, stature / ADULT)
    outfit = sample_outfit(rng, cast.wardrobe, phenotype, cast.garment_share, tight)
    offset = float(rng.random() * 7.0)
    parts = _dress(body, shape, posed, outfit, stature / ADULT, offset)
    airborne = pose.kind in _AIRBORNE or rng.random() < 0.02
    lift = rng.exponential(0.2) * stature / ADULT if airborne else 0.0
    lowest = min(bounds(part.vertices)[0][2] for part in parts if part.card_texture < 0)
    shift = np.array([place[0], place[1], lift - lowest]) - posed.positions[0] * [1.0, 1.0, 0.0]
    posed = posed._replace(positions=posed.positions + shift)
    joints = joint_positions(body, shape.vertices, shape.heads, posed.rotations, posed.positions)
    parts = [part.moved(shift.astype(np.float32)) for part in parts]
    return Person(parts, joints, posed, shape, outfit, phenotype, pose, stature, stature / ADULT, offset)


def _pose(rng: np.random.Generator, cast: Cast, shape: Shape, scale: float) -> tuple[PoseSample, Posed]:
    """A pose that does not run through itself on this body (the last of six tries at worst), facing anywhere."""
    for _ in range(6):
        if cast.poses is not None and rng.random() < cast.recorded_share:
            pose = cast.poses.sample(rng)
        else:
            pose = procedural(rng, cumulative=cast.families)
        turned = pose.rotations.copy()
        turned[0] = rot_z(rng.uniform(-np.pi, np.pi)) @ turned[0]
        if pose.kind in RESTING:
            turned = settle(cast.body.rig, cast.body.bones, shape.heads, turned, scale)
        left, right = np.clip(rng.normal(0.45, 0.35, 2), -0.05, 1.3)
        posed = pose_bones(cast.body.rig, shape.heads, turned, (float(left), float(right)))
        if self_penetration(cast.body.bones, posed.positions, scale) < _MAX_PENETRATION:
            break
    return pose._replace(rotations=turned), posed


def _dress(body: Body, shape: Shape, posed: Posed, outfit: Outfit, scale: float, offset: float) -> list[Part]:
    surface = body.surface
    rest = np.ascontiguousarray(shape.vertices[body.surface_vertices])
    if _paints_volume(outfit):
        rest = _thickened(surface, rest, outfit, scale, offset)
    shows = np.ones(len(surface.faces), bool)
    for worn in outfit.garments:
        shows &= worn.item.shows
    rows = np.where(body.eyeballs, outfit.eye_row, -1).astype(np.int32)
    parts = [_part(surface, skin(rest, surface.skinning, posed, shape.heads), rows, keep=shows)]
    for worn in outfit.garments:
        rest = _worn_rest(worn, shape, scale, offset)
        rows = np.array(worn.rows, np.int32)[worn.item.component]
        card = worn.item.texture if worn.item.kind == "hair" else -1
        placed = skin(rest, worn.item.mesh.skinning, posed, shape.heads)
        parts.append(_part(worn.item.mesh, placed, rows, card=card))
    return parts


def _paints_volume(outfit: Outfit) -> bool:
    cut = outfit.cut
    return bool(cut[HEM] > -5 or cut[LEG_END] > -5 or cut[SHOE_TOP] > -5 or outfit.thickness[2] > 0.003)


def _thickened(mesh: SkinnedMesh, rest: np.ndarray, outfit: Outfit, scale: float, offset: float) -> np.ndarray:
    normals, out = np.empty_like(rest), np.empty_like(rest)
    vertex_normals(rest, mesh.welded_faces, normals)
    thickness = np.array(outfit.thickness) * scale
    thicken(
        mesh.welded_attributes, rest, normals, outfit.cut[None], thickness, outfit.flare, noise_table(), offset, out
    )
    return out


def _worn_rest(worn: Worn, shape: Shape, scale: float, offset: float) -> Float32[np.ndarray, "u 3"]:
    rest = worn.item.fit(shape.vertices)
    if worn.distance == 0.0 and worn.amplitude == 0.0:
        return rest
    mesh, normals, out = worn.item.mesh, np.empty_like(rest), np.empty_like(rest)
    vertex_normals(rest, mesh.welded_faces, normals)
    distance, amplitude = worn.distance * scale, worn.amplitude * scale
    inflate(mesh.welded_attributes, rest, normals, distance, amplitude, worn.frequency, noise_table(), offset, out)
    return out


def _part(
    mesh: SkinnedMesh,
    welded: Float32[np.ndarray, "u 3"],
    rows: np.ndarray,
    keep: np.ndarray | None = None,
    card: int = -1,
) -> Part:
    normals = np.empty_like(welded)
    vertex_normals(welded, mesh.welded_faces, normals)
    faces, controls = mesh.faces, mesh.face_controls
    if keep is not None and not keep.all():
        faces, rows, controls = faces[keep], rows[keep], controls[keep]
    return Part(welded[mesh.split], normals[mesh.split], mesh.attributes, faces, rows, controls, card)
