"""Around the person: what lies behind, the light it implies, and shadows on the ground."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from metricpose.synthetic import room as rooms
from metricpose.synthetic.body import Body
from metricpose.synthetic.camera_sampler import View
from metricpose.synthetic.lighting import Ambience, Light, sample_light, shade_ground
from metricpose.synthetic.materials import cloth_colour
from metricpose.synthetic.person import Person
from metricpose.synthetic.pictures import Pictures, photo_behind, sample_fabric
from metricpose.synthetic.render import Assembly
from metricpose.synthetic.surfaces import paint_room

_TOUCHING = (
    "foot.L", "foot.R", "toe3-1.L", "toe3-1.R", "wrist.L", "wrist.R", "root", "lowerleg01.L", "lowerleg01.R", "head",
)  # fmt: skip
_ROOMS = {"room": rooms.sample_room, "studio": rooms.sample_studio, "outdoors": rooms.sample_outdoors}


class Backdrop(NamedTuple):
    """A picture behind the scene, linear, and what it shows: photo_indoor, photo_outdoor, room, studio ..."""

    image: Float32[np.ndarray, "s s 3"]
    kind: str


class Extent(NamedTuple):
    """Corners of the box around the main person, world metres."""

    low: Float[np.ndarray, " 3"]
    high: Float[np.ndarray, " 3"]

    @property
    def middle(self) -> Float[np.ndarray, " 3"]:
        """Centre of the box."""
        return (self.low + self.high) / 2

    @property
    def size(self) -> Float[np.ndarray, " 3"]:
        """Edge lengths."""
        return self.high - self.low


def make_backdrop(
    rng: np.random.Generator,
    pictures: Pictures,
    kind: str,
    view: View,
    covered: UInt8[np.ndarray, "s s"],
    extent: Extent,
) -> Backdrop:
    """Picture of the wanted kind (photo, room, studio, outdoors, abstract); a room where no photograph fits."""
    if kind == "abstract":
        return Backdrop(_abstract(rng, view.width), kind)
    if kind == "photo":
        for _ in range(4):
            photo = pictures.photos[rng.integers(len(pictures.photos))]
            found = photo_behind(rng, photo, view.R[:, 2], view.focal, view.cx, view.cy, view.width)
            if found is not None:
                return Backdrop(found, "photo_indoor" if photo.indoor else "photo_outdoor")
        kind = "room"
    centre = view.centre
    low, high = np.minimum(extent.low, centre), np.maximum(extent.high, centre)
    room = _ROOMS[kind](rng, low, high, sample_fabric(rng, pictures).astype(np.float64))
    return Backdrop(paint_room(room, view.R, centre, (view.focal, view.cx, view.cy), covered), kind)


def _abstract(rng: np.random.Generator, side: int) -> Float32[np.ndarray, "s s 3"]:
    """Colour noise with polygons: no scene at all."""
    cells = int(rng.choice([2, 4, 8, 16, 40]))
    noise = rng.random((cells, cells, 3)).astype(np.float32) ** 2.2
    how = int(rng.choice([cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC]))
    image = np.ascontiguousarray(cv2.resize(noise, (side, side), interpolation=how).clip(0.0, 1.0))
    for _ in range(int(rng.integers(0, 12))):
        corners = (rng.random((int(rng.integers(3, 6)), 2)) * 1.4 - 0.2) * side
        cv2.fillPoly(image, [corners.astype(np.int32)], tuple(float(v) for v in cloth_colour(rng)), cv2.LINE_AA)
    return image


def matching_light(
    rng: np.random.Generator, backdrop: Backdrop, covered: UInt8[np.ndarray, "s s"], assembly: Assembly
) -> Light:
    """Light whose level and tint follow the uncovered part of the backdrop."""
    weights = (covered < 128).astype(np.float32)
    small = cv2.resize(backdrop.image * weights[..., None], (8, 8), interpolation=cv2.INTER_AREA)
    share = cv2.resize(weights, (8, 8), interpolation=cv2.INTER_AREA)

    def mean(rows: slice) -> Float[np.ndarray, " 3"]:
        return (small[rows].sum((0, 1)) / max(float(share[rows].sum()), 1e-3) + 1e-3).astype(np.float64)

    def tint(colour: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " 3"]:
        return 0.6 + 0.4 * colour / colour.mean()

    # Scenes reflect about 30 % on average, mid grey 18 %; very dark pictures still show their people.
    level = float(np.clip(0.6 * mean(slice(0, 8)).mean(), 0.05, 0.30)) * np.exp(rng.normal(0.0, 0.25))
    above, below = tint(mean(slice(0, 4))), tint(mean(slice(4, 8)))
    if backdrop.kind == "abstract":
        above, below, level = np.ones(3), np.ones(3), rng.uniform(0.08, 0.3)
    if backdrop.kind == "studio":  # lamps light the walls more than the people
        level *= rng.uniform(0.4, 1.1)
    outside = backdrop.kind in ("outdoors", "photo_outdoor")
    sunny = min(4.0, float(np.exp(rng.normal(0.3 if outside else -0.7, 0.8))))
    geometry = assembly.geometry
    ambience = Ambience(above, below, float(level), sunny)
    return sample_light(rng, ambience, geometry.vertices, geometry.faces, assembly.main, assembly.solid)


def ground_shadow(
    rng: np.random.Generator,
    backdrop: Backdrop,
    view: View,
    light: Light,
    people: list[Person],
    body: Body,
    extent: Extent,
    covered: UInt8[np.ndarray, "s s"],
) -> None:
    """Darken the backdrop, in place, where the ground plane lies in cast or contact shadow."""
    if backdrop.kind == "abstract":
        return
    # The first row is the centre of the reach, with no strength of its own.
    spots = [[*extent.middle[:2], 1.0, 0.0]]
    for person in people:
        for bone in _TOUCHING:
            x, y, z = person.head(body, bone)
            height = max(0.0, float(z) - 0.05)
            spots.append([x, y, 1.0 / (0.09 + 0.5 * height) ** 2, 0.75 * np.exp(-3.5 * height)])
    elevation = np.arcsin(light.axes[2, 2])
    reach = 1.6 * float(max(extent.size)) + float(extent.size[2]) / np.tan(elevation)
    darkness = min(0.85, float(light.sun.mean() / (light.sun.mean() + light.sky.mean())))
    shade_ground(
        backdrop.image, np.ascontiguousarray(view.R), view.centre, view.focal, view.cx, view.cy, light, darkness,
        np.array(spots), rng.uniform(0.35, 0.8), reach, covered,
    )  # fmt: skip
