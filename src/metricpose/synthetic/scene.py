"""Setting a scene: who, where, seen from where, lit how; one call draws everything and renders it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from metricpose.synthetic.camera_sampler import View, crop_around, sample_view
from metricpose.synthetic.person import Cast, Person, make_person
from metricpose.synthetic.pictures import Pictures, sample_fabric
from metricpose.synthetic.props import Prop, clutter, furniture_material, held_object, seat_under
from metricpose.synthetic.raster import bounds
from metricpose.synthetic.render import Assembly, Drawing, assemble, coverage, draw, make_looks, paint
from metricpose.synthetic.sensor import develop, sample_development
from metricpose.synthetic.setting import Extent, ground_shadow, make_backdrop, matching_light
from metricpose.synthetic.visibility import hidden_by_others, joint_visibility

_MAX_HIDDEN = 0.6
_MAX_TANGENT = 5.0
"""Width of a picture over its focal length: beyond, a limb reaches past the camera and fills all of it."""


@dataclass(frozen=True, eq=False)
class Stage:
    """Everything scenes are drawn from; see `generator.SyntheticConfig` for the numbers."""

    cast: Cast
    pictures: Pictures
    size: int
    supersample: int
    photo: float
    room: float
    outdoors: float
    studio: float
    studio_height: tuple[float, float]
    second_person: float
    held_object: float
    clutter: float
    occluder: float


def try_scene(rng: np.random.Generator, stage: Stage) -> dict[str, Any] | None:
    """Draw and render one scene: the fields of a `SyntheticSample`; None if the person is mostly hidden or too near."""
    kind = _backdrop_kind(rng, stage)
    person = make_person(rng, stage.cast, tight=kind == "studio" and rng.random() < 0.6)
    skin = person.parts[0].vertices
    extent = Extent(*bounds(skin))
    full = sample_view(rng, extent.low, extent.high, kind == "studio", stage.studio_height)
    view = crop_around(rng, full, skin, stage.size)
    if view.width > _MAX_TANGENT * view.focal:
        return None
    people, props, own = _company(rng, stage, person, view, extent)
    assembly = assemble(people, props)
    drawing = draw(assembly, view, stage.supersample, stage.cast.wardrobe.textures)
    joints, pixels = person.joints @ view.R.T + view.t, view.project(person.joints)
    if hidden_by_others(assembly, drawing, joints, pixels) > _MAX_HIDDEN:
        return None
    covered, mine = coverage(assembly, drawing, own)
    picture = _photograph(rng, stage, kind, people, props, assembly, drawing, covered, extent)
    return {
        "image": picture.image, "alpha": mine, "foreground": picture.foreground, "K": view.K, "R": view.R,
        "t": view.t * 1e3, "full_camera": full.camera(), "joints_mm": joints * 1e3, "joints_px": pixels,
        "visibility": joint_visibility(assembly, drawing, joints, pixels, person.scale),
        "box_xywh": _box(assembly, drawing), "info": _facts(person, picture.kind, joints),
    }  # fmt: skip


class _Photograph(NamedTuple):
    image: UInt8[np.ndarray, "s s 3"]
    foreground: UInt8[np.ndarray, "s s 3"]
    kind: str


def _photograph(
    rng: np.random.Generator,
    stage: Stage,
    kind: str,
    people: list[Person],
    props: list[Prop],
    assembly: Assembly,
    drawing: Drawing,
    covered: UInt8[np.ndarray, "s s"],
    extent: Extent,
) -> _Photograph:
    """Backdrop, light, shading and camera."""
    view, textures = drawing.view, stage.cast.wardrobe.textures
    backdrop = make_backdrop(rng, stage.pictures, kind, view, covered, extent)
    light = matching_light(rng, backdrop, covered, assembly)
    ground_shadow(rng, backdrop, view, light, people, stage.cast.body, extent, covered)
    offsets = np.array([p.offset for p in people] + [rng.random() for _ in props])
    fabrics = [sample_fabric(rng, stage.pictures) for _ in offsets]
    looks = make_looks(people, assembly, fabrics, offsets, textures)
    foreground = paint(assembly, drawing, looks, light, covered, people[0].scale)
    behind = backdrop.image
    if rng.random() < 0.35:  # out of focus
        behind = cv2.GaussianBlur(behind, (0, 0), rng.uniform(0.5, 2.5) * stage.size / 256)
    settings = sample_development(rng, _mean_light(behind, foreground, covered))
    image, front = develop(rng, settings, foreground, covered, behind)
    return _Photograph(image, front, backdrop.kind)


def _mean_light(background: np.ndarray, foreground: np.ndarray, total: np.ndarray) -> float:
    """Mean linear light of the picture, from one pixel in 64."""
    alpha = total[::8, ::8, None] / 255.0
    return float((foreground[::8, ::8] * alpha + background[::8, ::8] * (1.0 - alpha)).mean())


def _facts(person: Person, background: str, joints: np.ndarray) -> dict[str, Any]:
    return {
        "age_years": person.phenotype.years, "height_mm": person.stature * 1e3,
        "gender": "male" if person.phenotype.male else "female", "pose": person.pose.kind,
        "background": background, "distance_mm": float(joints[0, 2] * 1e3), "outfit": person.outfit.name,
    }  # fmt: skip


def _backdrop_kind(rng: np.random.Generator, stage: Stage) -> str:
    u = rng.random()
    if u < stage.photo and stage.pictures.photos:
        return "photo"
    if u < stage.photo + stage.room:
        return "studio" if rng.random() < stage.studio else "room"
    return "outdoors" if u < stage.photo + stage.room + stage.outdoors else "abstract"


def _company(
    rng: np.random.Generator, stage: Stage, person: Person, view: View, extent: Extent
) -> tuple[list[Person], list[Prop], np.ndarray]:
    """Other people and things, and which groups belong to the main person's foreground."""
    body, camera = stage.cast.body, view.centre
    props, own = [], []

    def put(prop: Prop | None, mine: bool) -> None:
        if prop is not None:
            props.append(prop)
            own.append(mine)

    if person.pose.seated:
        put(seat_under(rng, body, person), True)
    if rng.random() < stage.held_object:
        put(held_object(rng, body, person), True)
    middle, reach = extent.middle, 0.5 * float(np.hypot(*extent.size[:2]))
    for _ in range(rng.poisson(stage.clutter)):
        size, angle = rng.uniform(0.4, 1.4), rng.uniform(-np.pi, np.pi)
        away = reach + 0.35 + 0.7 * size + rng.uniform(0.0, 2.5)
        place = middle[:2] + away * np.array([np.cos(angle), np.sin(angle)])
        if np.linalg.norm(place - camera[:2]) > 0.8 * size + 0.5:
            nearer = np.linalg.norm(place - camera[:2]) < np.linalg.norm(middle[:2] - camera[:2])
            put(clutter(rng, place, size), bool(nearer))
    if rng.random() < stage.occluder:
        put(_occluder(rng, camera, extent), True)
    people = [person]
    while len(people) < 3 and rng.random() < stage.second_person:
        angle = rng.uniform(-np.pi, np.pi)
        place = middle[:2] + (reach + rng.uniform(0.3, 1.8)) * np.array([np.cos(angle), np.sin(angle)])
        if np.linalg.norm(place - camera[:2]) > 1.2:
            people.append(make_person(rng, stage.cast, (float(place[0]), float(place[1]))))
    return people, props, np.array([True] + [False] * (len(people) - 1) + own)


def _occluder(rng: np.random.Generator, camera: Float[np.ndarray, " 3"], extent: Extent) -> Prop:
    """A post, board or ball in the air between camera and person, covering a part of them."""
    share = rng.uniform(0.4, 0.8)
    at = camera + share * (extent.middle + rng.normal(0.0, 0.25, 3) * extent.size - camera)
    size = share * rng.uniform(0.08, 0.35) * float(max(extent.size))
    prop = Prop(furniture_material(rng))
    if rng.random() < 0.4:
        return prop.rod(at * [1, 1, 0], at * [1, 1, 0] + [0.0, 0.0, at[2] + size], 0.25 * size)
    if rng.random() < 0.5:
        return prop.box(at, size * rng.uniform(0.3, 1.3, 3))
    return prop.ball(at, 0.6 * size * rng.uniform(0.5, 1.2, 3))


def _box(assembly: Assembly, drawing: Drawing) -> Float[np.ndarray, " 4"]:
    """Box around the whole person, occluded parts included, but not what they hold: x, y, w, h in pixels."""
    ends = [bounds(drawing.points[start:stop]) for start, stop in assembly.person]
    corners = np.array([np.min([low for low, _ in ends], 0)[:2], np.max([high for _, high in ends], 0)[:2]])
    low, high = (corners + 0.5) / drawing.supersample - 0.5
    return np.concatenate([low, high - low])
