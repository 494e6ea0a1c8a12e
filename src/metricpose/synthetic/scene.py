"""Setting a scene: who, where, seen from where, lit how; one call draws everything and renders it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from metricpose.synthetic import room as rooms
from metricpose.synthetic.camera_sampler import View, crop_around, sample_view
from metricpose.synthetic.lighting import Ambience, Light, sample_light, shade_ground
from metricpose.synthetic.materials import cloth_colour
from metricpose.synthetic.person import Cast, Person, make_person
from metricpose.synthetic.pictures import Pictures, photo_behind, sample_fabric
from metricpose.synthetic.props import Prop, clutter, held_object, seat_under
from metricpose.synthetic.raster import bounds
from metricpose.synthetic.render import Assembly, Drawing, assemble, coverage, draw, make_looks, paint
from metricpose.synthetic.sensor import develop, sample_development
from metricpose.synthetic.visibility import hidden_by_others, joint_visibility

_MAX_HIDDEN = 0.6
_TOUCHING = ("foot.L", "foot.R", "toe3-1.L", "toe3-1.R", "wrist.L", "wrist.R", "root", "lowerleg01.L", "lowerleg01.R",
             "head")  # fmt: skip


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
    second_person: float
    held_object: float
    clutter: float
    occluder: float


def try_scene(rng: np.random.Generator, stage: Stage) -> dict[str, Any] | None:
    """Draw and render one scene: the fields of a `SyntheticSample`, or None if the main person is mostly hidden."""
    kind = _background_kind(rng, stage)
    person = make_person(rng, stage.cast, tight=kind == "studio" and rng.random() < 0.6)
    body = person.parts[0].vertices
    low, high = bounds(body)
    full = sample_view(rng, low, high, kind == "studio")
    view = crop_around(rng, full, body, stage.size)
    people, props, own = _company(rng, stage, person, view, low, high)
    assembly = assemble(people, props)
    drawing = draw(assembly, view, stage.supersample, stage.cast.wardrobe.textures)
    joints = person.joints @ view.R.T + view.t
    pixels = view.project(person.joints)
    if hidden_by_others(assembly, drawing, joints, pixels) > _MAX_HIDDEN:
        return None
    total, mine = coverage(assembly, drawing, own)
    background, kind = _background(rng, stage, kind, view, total, low, high)
    light = _light(rng, kind, background, total, assembly)
    _ground_shadow(rng, stage, kind, background, view, light, people, low, high, total)
    offsets = np.array([p.offset for p in people] + [rng.random() for _ in props])
    fabrics = [sample_fabric(rng, stage.pictures) for _ in range(len(offsets))]
    looks = make_looks(people, assembly, fabrics, offsets, stage.cast.wardrobe.textures)
    foreground = paint(assembly, drawing, looks, light, total, person.scale)
    if rng.random() < 0.35:  # out of focus
        background = cv2.GaussianBlur(background, (0, 0), rng.uniform(0.5, 2.5) * stage.size / 256)
    image, front = develop(rng, sample_development(rng), foreground, total, background)
    return {
        "image": image, "alpha": mine, "foreground": front, "K": view.K, "R": view.R, "t": view.t * 1e3,
        "full_camera": full.camera(), "joints_mm": joints * 1e3, "joints_px": pixels,
        "visibility": joint_visibility(assembly, drawing, joints, pixels, person.scale), "box_xywh": _box(person, view),
        "info": _facts(person, kind, joints),
    }  # fmt: skip


def _facts(person: Person, background: str, joints: np.ndarray) -> dict[str, Any]:
    return {
        "age_years": person.phenotype.years, "height_mm": person.stature * 1e3,
        "gender": "male" if person.phenotype.male else "female", "pose": person.pose.kind,
        "background": background, "distance_mm": float(joints[0, 2] * 1e3), "outfit": person.outfit.name,
    }  # fmt: skip


def _background_kind(rng: np.random.Generator, stage: Stage) -> str:
    u = rng.random()
    if u < stage.photo and stage.pictures.photos:
        return "photo"
    if u < stage.photo + stage.room:
        return "studio" if rng.random() < stage.studio else "room"
    return "outdoors" if u < stage.photo + stage.room + stage.outdoors else "abstract"


def _company(
    rng: np.random.Generator, stage: Stage, person: Person, view: View, low: np.ndarray, high: np.ndarray
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
    middle, reach = (low + high) / 2, 0.5 * float(np.hypot(*(high - low)[:2]))
    for _ in range(rng.poisson(stage.clutter)):
        size, angle = rng.uniform(0.4, 1.4), rng.uniform(-np.pi, np.pi)
        away = reach + 0.35 + 0.7 * size + rng.uniform(0.0, 2.5)
        place = middle[:2] + away * np.array([np.cos(angle), np.sin(angle)])
        if np.linalg.norm(place - camera[:2]) > 0.8 * size + 0.5:
            nearer = np.linalg.norm(place - camera[:2]) < np.linalg.norm(middle[:2] - camera[:2])
            put(clutter(rng, place, size), bool(nearer))
    if rng.random() < stage.occluder:
        put(_occluder(rng, camera, middle, high - low), True)
    people = [person]
    while len(people) < 3 and rng.random() < stage.second_person:
        angle = rng.uniform(-np.pi, np.pi)
        place = middle[:2] + (reach + rng.uniform(0.3, 1.8)) * np.array([np.cos(angle), np.sin(angle)])
        if np.linalg.norm(place - camera[:2]) > 1.2:
            people.append(make_person(rng, stage.cast, (float(place[0]), float(place[1]))))
    return people, props, np.array([True] + [False] * (len(people) - 1) + own)


def _occluder(rng: np.random.Generator, camera: np.ndarray, middle: np.ndarray, extent: np.ndarray) -> Prop:
    """A post, board or ball in the air between camera and person, covering a part of them."""
    share = rng.uniform(0.4, 0.8)
    at = camera + share * (middle + rng.normal(0.0, 0.25, 3) * extent - camera)
    size = share * rng.uniform(0.08, 0.35) * float(max(extent))
    prop = Prop(clutter(rng, at, size).material)
    if rng.random() < 0.4:
        return prop.rod(at * [1, 1, 0], at * [1, 1, 0] + [0.0, 0.0, at[2] + size], 0.25 * size)
    if rng.random() < 0.5:
        return prop.box(at, size * rng.uniform(0.3, 1.3, 3))
    return prop.ball(at, 0.6 * size * rng.uniform(0.5, 1.2, 3))


def _background(
    rng: np.random.Generator, stage: Stage, kind: str, view: View, total: UInt8[np.ndarray, "s s"], low: np.ndarray, high: np.ndarray
) -> tuple[Float32[np.ndarray, "s s 3"], str]:
    """Linear background and what it turned out to be."""
    if kind == "abstract":
        return _abstract(rng, stage.size), kind
    if kind == "photo":
        for _ in range(4):
            photo = stage.pictures.photos[rng.integers(len(stage.pictures.photos))]
            found = photo_behind(rng, photo, view.R[:, 2], view.focal, view.cx, view.cy, stage.size)
            if found is not None:
                return found, "photo_indoor" if photo.indoor else "photo_outdoor"
        kind = "room"
    centre = view.centre
    low, high = np.minimum(low, centre), np.maximum(high, centre)
    make = {"room": rooms.sample_room, "studio": rooms.sample_studio, "outdoors": rooms.sample_outdoors}[kind]
    room = make(rng, low, high, sample_fabric(rng, stage.pictures).astype(np.float64))
    return rooms.paint_room(room, view.R, centre, (view.focal, view.cx, view.cy), total), kind


def _abstract(rng: np.random.Generator, side: int) -> Float32[np.ndarray, "s s 3"]:
    """Colour noise with polygons: no scene at all."""
    cells = int(rng.choice([2, 4, 8, 16, 40]))
    noise = rng.random((cells, cells, 3)).astype(np.float32) ** 2.2
    image = cv2.resize(noise, (side, side), interpolation=int(rng.choice([cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC])))
    image = np.ascontiguousarray(image.clip(0.0, 1.0))
    for _ in range(int(rng.integers(0, 12))):
        corners = (rng.random((int(rng.integers(3, 6)), 2)) * 1.4 - 0.2) * side
        cv2.fillPoly(image, [corners.astype(np.int32)], tuple(float(v) for v in cloth_colour(rng)), cv2.LINE_AA)
    return image


def _light(
    rng: np.random.Generator, kind: str, background: Float32[np.ndarray, "s s 3"], total: UInt8[np.ndarray, "s s"], assembly: Assembly
) -> Light:
    """Light whose level and tint follow the background."""
    weights = (total < 128).astype(np.float32)
    small = cv2.resize(background * weights[..., None], (8, 8), interpolation=cv2.INTER_AREA)
    share = cv2.resize(weights, (8, 8), interpolation=cv2.INTER_AREA)

    def mean(rows: slice) -> np.ndarray:
        return small[rows].sum((0, 1)) / max(float(share[rows].sum()), 1e-3) + 1e-3

    everywhere, above, below = mean(slice(0, 8)), mean(slice(0, 4)), mean(slice(4, 8))
    # Scenes reflect about 30 % on average, mid grey 18 %; very dark pictures still show their people.
    level = float(np.clip(0.6 * everywhere.mean(), 0.05, 0.30)) * np.exp(rng.normal(0.0, 0.25))
    if kind == "abstract":
        above, below, level = np.ones(3), np.ones(3), rng.uniform(0.08, 0.3)
    outside = kind in ("outdoors", "photo_outdoor")
    sunny = float(np.exp(rng.normal(0.3 if outside else -0.7, 0.8)))

    def tint(colour: np.ndarray) -> np.ndarray:
        return 0.45 + 0.55 * colour / colour.mean()

    ambience = Ambience(tint(above), tint(below), level, min(sunny, 4.0))
    geometry = assembly.geometry
    return sample_light(rng, ambience, geometry.vertices, geometry.faces, assembly.main, assembly.solid)


def _ground_shadow(
    rng: np.random.Generator,
    stage: Stage,
    kind: str,
    background: Float32[np.ndarray, "s s 3"],
    view: View,
    light: Light,
    people: list[Person],
    low: np.ndarray,
    high: np.ndarray,
    total: UInt8[np.ndarray, "s s"],
) -> None:
    """Cast and contact shadows on the ground plane, drawn into the background."""
    if kind == "abstract":
        return
    contacts = [[*((low + high) / 2)[:2], 1.0, 0.0]]
    for person in people:
        for bone in _TOUCHING:
            x, y, z = person.head(stage.cast.body, bone)
            height = max(0.0, float(z) - 0.05)
            contacts.append([x, y, 1.0 / (0.09 + 0.5 * height) ** 2, 0.75 * np.exp(-3.5 * height)])
    extent = high - low
    reach = 1.6 * float(max(extent)) + float(extent[2]) / np.tan(np.arcsin(light.axes[2, 2]))
    darkness = min(0.85, float(light.sun.mean() / (light.sun.mean() + light.sky.mean())))
    shade_ground(
        background, np.ascontiguousarray(view.R), view.centre, view.focal, view.cx, view.cy, light, darkness,
        np.array(contacts), rng.uniform(0.35, 0.8), reach, total,
    )  # fmt: skip


def _box(person: Person, view: View) -> np.ndarray:
    """Box around the whole person (not what they hold), pixels."""
    ends = [view.bounds(part.vertices) for part in person.parts]
    low, high = np.min([low for low, _ in ends], 0), np.max([high for _, high in ends], 0)
    return np.concatenate([low, high - low])
