"""People before cameras of one's own: they are where camera and lens put them, in every picture."""

from __future__ import annotations

import numpy as np
import pytest

from data.scenes import look_at
from metricpose.errors import InputError
from metricpose.geometry.camera import Camera
from metricpose.synthetic.generator import SyntheticConfig
from metricpose.synthetic.person import Person
from metricpose.synthetic.studio import Studio, joints_mm, placed

LENS = (-0.28, 0.15, 0.003, -0.004, 0.02)


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(SyntheticConfig(size=320))


@pytest.fixture(scope="module")
def person(studio: Studio) -> Person:
    return studio.person(3, least_mm=1500)


def edges(image: np.ndarray) -> np.ndarray:
    """Left, top, right, bottom of what is not plain."""
    y, x = np.nonzero(np.abs(image.astype(int) - image[0, 0]).max(-1) > 12)
    return np.array([x.min(), y.min(), x.max(), y.max()])


def expected(person: Person, camera: Camera) -> np.ndarray:
    points = camera.project(np.concatenate([part.vertices for part in person.parts]).astype(np.float64) * 1e3)
    return np.concatenate([points.min(0), points.max(0)])


@pytest.mark.parametrize(
    "camera",
    [
        look_at((0, -4000, 1300), size=(500, 410)),
        look_at((-2100, -1800, 2100), size=(430, 520), lens=LENS, target=(700, 300, 900)),
    ],
    ids=["pinhole", "lens, off centre"],
)
def test_people_are_where_the_camera_puts_them(studio: Studio, person: Person, camera: Camera) -> None:
    image = studio.photograph([person], camera)
    assert image.shape == (camera.size[1], camera.size[0], 3)
    np.testing.assert_allclose(edges(image), expected(person, camera), atol=2.0)
    pinhole = Camera(camera.K, camera.size, np.zeros(0), camera.R, camera.t)
    if len(camera.distortion):
        assert np.abs(expected(person, pinhole) - expected(person, camera)).max() > 4, "this lens shows nothing"


def test_the_same_again_and_partly_outside(studio: Studio, person: Person) -> None:
    camera = look_at((0, -4000, 1300), size=(500, 410), target=(1500, 0, 900))
    image = studio.photograph([person], camera, 5)
    np.testing.assert_array_equal(image, studio.photograph([person], camera, 5))
    assert edges(image)[0] == 0
    away = studio.photograph([person], look_at((0, -4000, 1300), size=(200, 150), target=(9000, 0, 900)))
    assert np.ptp(away.reshape(-1, 3), axis=0).max() == 0


def test_placed_people_move_as_one_piece(studio: Studio, person: Person) -> None:
    camera = look_at((0, -4000, 1300), size=(500, 410), lens=LENS)
    moved = placed(person, (0.5, -0.3), 0.8)
    c, s = np.cos(0.8), np.sin(0.8)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    np.testing.assert_allclose(joints_mm(moved), joints_mm(person) @ turn.T + (500, -300, 0), atol=1e-6)
    np.testing.assert_allclose(edges(studio.photograph([moved], camera)), expected(moved, camera), atol=2.0)
    both = edges(studio.photograph([person, moved], camera))
    one, other = expected(person, camera), expected(moved, camera)
    joined = [*np.minimum(one, other)[:2], *np.maximum(one, other)[2:]]
    np.testing.assert_allclose(both, joined, atol=2.5)


def test_impossible_wishes_are_refused(studio: Studio, person: Person) -> None:
    with pytest.raises(InputError, match="nobody of 50 people is as tall"):
        studio.person(0, least_mm=3000)
    with pytest.raises(InputError, match=r"m before the camera; expected 0\.3"):
        studio.photograph([person], look_at((0, -4000, 1300), target=(0, -9000, 1300)))
