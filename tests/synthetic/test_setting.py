from __future__ import annotations

import numpy as np
import pytest

from metricpose.synthetic.camera_sampler import View
from metricpose.synthetic.person import Cast, make_person
from metricpose.synthetic.pictures import Photo, Pictures
from metricpose.synthetic.raster import bounds
from metricpose.synthetic.render import assemble
from metricpose.synthetic.setting import Backdrop, Extent, ground_shadow, make_backdrop, matching_light

LOOK = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
VIEW = View(LOOK, np.array([0.0, 1.4, 3.0]), 70.0, 31.0, 28.0, 64, 64)
EXTENT = Extent(np.array([-0.3, -0.2, 0.0]), np.array([0.3, 0.2, 1.7]))
CLEAR = np.zeros((64, 64), np.uint8)


@pytest.mark.parametrize("kind", ["room", "studio", "outdoors", "abstract"])
def test_backdrops_are_what_was_asked_for(kind: str) -> None:
    backdrop = make_backdrop(np.random.default_rng(0), Pictures([], []), kind, VIEW, CLEAR, EXTENT)
    assert backdrop.kind == kind
    assert backdrop.image.shape == (64, 64, 3)
    assert backdrop.image.std() > 0.01


def test_a_room_stands_in_where_no_photograph_fits() -> None:
    levels = tuple(np.full((200 >> k, 320 >> k, 3), 90, np.uint8) for k in range(3))
    pictures = Pictures([Photo(levels, True)], [])
    assert make_backdrop(np.random.default_rng(0), pictures, "photo", VIEW, CLEAR, EXTENT).kind == "photo_indoor"
    down = VIEW._replace(R=np.array([[1.0, 0, 0], [0, -1.0, 0], [0, 0, -1.0]]), t=np.array([0.0, 0.0, 3.0]))
    assert make_backdrop(np.random.default_rng(0), pictures, "photo", down, CLEAR, EXTENT).kind == "room"


def test_light_follows_the_backdrop(cast: Cast) -> None:
    assembly = assemble([make_person(np.random.default_rng(0), cast)], [])

    def sky(colour: list[float], covered: np.ndarray = CLEAR) -> np.ndarray:
        image = np.zeros((64, 64, 3), np.float32) + np.array(colour, np.float32)
        image[:, :32] = 1.0 if covered.any() else image[:, :32]
        return matching_light(np.random.default_rng(5), Backdrop(image, "room"), covered, assembly).sky

    dim, bright, blue = sky([0.1, 0.1, 0.1]), sky([0.4, 0.4, 0.4]), sky([0.1, 0.2, 0.4])
    assert 2 < bright.mean() / dim.mean() < 6
    assert blue[2] > 1.3 * blue[0]
    half = CLEAR.copy()
    half[:, :32] = 255
    assert sky([0.1, 0.2, 0.4], half) == pytest.approx(blue, rel=0.1)  # covered pixels do not count


def test_shadow_lies_at_the_feet(cast: Cast) -> None:
    person = make_person(np.random.default_rng(8), cast)
    extent = Extent(*bounds(person.parts[0].vertices))
    backdrop = Backdrop(np.full((64, 64, 3), 0.5, np.float32), "studio")
    assembly = assemble([person], [])
    light = matching_light(np.random.default_rng(0), backdrop, CLEAR, assembly)
    ground_shadow(np.random.default_rng(0), backdrop, VIEW, light, [person], cast.body, extent, CLEAR)
    changed = np.argwhere(backdrop.image[..., 0] < 0.45)
    assert len(changed) > 5
    assert changed[:, 0].min() > 28  # below the horizon
    untouched = Backdrop(np.full((64, 64, 3), 0.5, np.float32), "abstract")
    ground_shadow(np.random.default_rng(0), untouched, VIEW, light, [person], cast.body, extent, CLEAR)
    assert (untouched.image == 0.5).all()
