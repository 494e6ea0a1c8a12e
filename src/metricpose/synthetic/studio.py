"""People of the generator before cameras of one's own: calibrated, with a lens, as many as there are, any picture size.

The generator draws its camera with every scene; a recording with several fixed cameras needs the opposite. Each camera
sees the same people; what is around them is plain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from metricpose.errors import InputError
from metricpose.geometry.camera import Camera
from metricpose.synthetic.camera_sampler import View
from metricpose.synthetic.generator import Generator, SyntheticConfig
from metricpose.synthetic.person import Person, make_person
from metricpose.synthetic.pictures import sample_fabric
from metricpose.synthetic.render import assemble, coverage, draw, make_looks, paint
from metricpose.synthetic.rotations import rot_z
from metricpose.synthetic.sensor import Development, develop
from metricpose.synthetic.setting import Backdrop, matching_light

_MARGIN = 1.1
_TRIES = 50
_STEP = 8  # pixels; a lens bends by less than 0.01 pixels between two of them
GREY = 0.25
"""Linear light of the plain surroundings."""


class Studio:
    """Draws people and photographs them.

    Args:
        config: of the generator; `size` is the side of the square that is rendered around the people before it goes
            into a camera's picture.
    """

    def __init__(self, config: SyntheticConfig) -> None:
        self._size, self._supersample = config.size, config.supersample
        generator = Generator(config)
        self._cast, self._pictures = generator.stage.cast, generator.stage.pictures

    def person(self, seed: int, *, least_mm: float | int = 0) -> Person:
        """Someone above the world's origin, the same for the same seed.

        Args:
            least_mm: stature that is drawn for, such as 1500 for adults alone.

        Raises:
            InputError: nobody is as tall as that.
        """
        rng = np.random.default_rng([seed, 7])
        for _ in range(_TRIES):
            person = make_person(rng, self._cast)
            if person.stature * 1e3 >= least_mm:
                return person
        raise InputError(f"least_mm {least_mm}: nobody of {_TRIES} people is as tall")

    def photograph(self, people: Sequence[Person], camera: Camera, seed: int = 0) -> UInt8[np.ndarray, "h w 3"]:
        """What a camera sees of the people; its world is theirs, z up, in millimetres.

        Raises:
            InputError: somebody stands behind the camera.
        """
        view = self._view_of(people, camera)
        rng = np.random.default_rng([seed, 8])
        assembly = assemble(list(people), [])
        drawing = draw(assembly, view, self._supersample, self._cast.wardrobe.textures)
        covered, _ = coverage(assembly, drawing, np.ones(len(people), bool))
        plain = np.full((*covered.shape, 3), GREY, np.float32)
        light = matching_light(rng, Backdrop(plain, "room"), covered, assembly)
        offsets = np.array([p.offset for p in people])
        fabrics = [sample_fabric(rng, self._pictures) for _ in people]
        looks = make_looks(list(people), assembly, fabrics, offsets, self._cast.wardrobe.textures)
        foreground = paint(assembly, drawing, looks, light, covered, people[0].scale)
        picture, _ = develop(rng, Development(np.ones(3), 1.0, 0.0, 0.0, 0.0, 0), foreground, covered, plain)
        return _in_picture(picture, view.camera(), camera)

    def _view_of(self, people: Sequence[Person], camera: Camera) -> View:
        """The square window around the people, without a lens, of a camera at the same place."""
        wide = View(camera.R, camera.t / 1e3, 1.0, 0.0, 0.0, 1, 1)
        nearest = min(float((p.joints @ camera.R.T + camera.t / 1e3)[:, 2].min()) for p in people)
        if nearest < 0.3:
            raise InputError(f"photograph: somebody is {nearest:.2f} m before the camera; expected 0.3 at least")
        ends = [wide.bounds(part.vertices) for person in people for part in person.parts]
        low, high = np.min([e[0] for e in ends], 0), np.max([e[1] for e in ends], 0)
        extent, middle = float((high - low).max()) * _MARGIN, (low + high) / 2
        left, top = middle - extent / 2
        return wide.cropped(left, top, extent, self._size)


def placed(person: Person, place: tuple[float, float], turn: float | int) -> Person:
    """The person as a rigid piece turned about the vertical through the world's origin, then moved by `place`, metres.

    Only what is drawn and the joints move; the bones stay as they were.
    """
    R, shift = rot_z(turn), np.array([*place, 0.0])
    thin = R.astype(np.float32)
    parts = [
        part._replace(
            vertices=np.ascontiguousarray(part.vertices @ thin.T + shift.astype(np.float32)),
            normals=np.ascontiguousarray(part.normals @ thin.T),
        )
        for part in person.parts
    ]
    return replace(person, parts=parts, joints=person.joints @ R.T + shift)


def joints_mm(person: Person) -> Float[np.ndarray, "25 3"]:
    """METRICPOSE_25 in the world, millimetres."""
    return person.joints * 1e3


def _in_picture(window: UInt8[np.ndarray, "s s 3"], source: Camera, camera: Camera) -> UInt8[np.ndarray, "h w 3"]:
    """The window as a lens shows it, upon a picture of the window's first colour."""
    width, height = camera.size
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = window[0, 0]
    side = np.linspace(-0.5, source.size[0] - 0.5, 33)
    edge = np.concatenate([np.stack(np.broadcast_arrays(a, b), -1) for a, b in _sides(side)])
    rim = camera.project_camera(np.concatenate([source.rays(edge), np.ones((len(edge), 1))], -1))
    low = np.clip(np.floor(rim.min(0)), 0, camera.size).astype(int)
    high = np.clip(np.ceil(rim.max(0)) + 1, 0, camera.size).astype(int)
    if (low >= high).any():
        return picture
    where = _places(low, high, source, camera)
    part = cv2.remap(window, where[..., 0], where[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    picture[low[1] : high[1], low[0] : high[0]] = part
    return picture


def _places(
    low: Int[np.ndarray, " 2"], high: Int[np.ndarray, " 2"], source: Camera, camera: Camera
) -> Float32[np.ndarray, "h w 2"]:
    """Pixels of `source` for those of `camera` from `low` to `high`: every `_STEP`th exactly, linear in between."""
    width, height = (high - low).tolist()
    axes = [np.arange(0, n + _STEP, _STEP) + start for n, start in zip((width, height), low)]
    pixels = np.stack(np.meshgrid(*axes), -1).astype(np.float64)
    rays = np.concatenate([camera.rays(pixels), np.ones((*pixels.shape[:2], 1))], -1)
    coarse = source.project_camera(rays).astype(np.float32)
    finer = np.array([[1 / _STEP, 0, 0], [0, 1 / _STEP, 0]])
    return cv2.warpAffine(coarse, finer, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def _sides(side: Float[np.ndarray, " n"]) -> list[tuple[np.ndarray, np.ndarray]]:
    first, last = side[:1], side[-1:]
    return [(side, first), (side, last), (first, side), (last, side)]
