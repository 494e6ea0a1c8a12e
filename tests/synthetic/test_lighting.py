from __future__ import annotations

import numpy as np
import pytest

from metricpose.synthetic.lighting import Ambience, direct_light, sample_light, shade_ground, shadowed

# A 1 m square, one metre above the ground, facing up.
VERTICES = np.array([[-0.5, -0.5, 1], [0.5, -0.5, 1], [0.5, 0.5, 1], [-0.5, 0.5, 1]], np.float32)
FACES = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
AMBIENCE = Ambience(np.array([0.8, 1.0, 1.2]), np.ones(3), 0.18, 1.0)


def sample(seed: int = 0):
    return sample_light(np.random.default_rng(seed), AMBIENCE, VERTICES, FACES, len(VERTICES), len(FACES))


def under(light, x: float, y: float, drop: float = 1.0) -> np.ndarray:
    """The point on which the shadow of (x, y, 1) falls, `drop` metres below."""
    towards = light.axes[2]
    return np.array([x, y, 1.0]) - towards * drop / towards[2]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_shadow_falls_away_from_the_light(seed: int) -> None:
    light = sample(seed)
    assert light.axes @ light.axes.T == pytest.approx(np.eye(3), abs=1e-9)
    for x, y, blocked in ((0.0, 0.0, 1.0), (0.4, -0.4, 1.0), (0.7, 0.0, 0.0), (-0.3, 0.9, 0.0)):
        assert shadowed(light, *under(light, x, y), 0.0) == blocked
    assert shadowed(light, 0.0, 0.0, 1.3, 0.0) == 0.0  # above the square
    assert shadowed(light, 30.0, 0.0, 0.0, 0.0) == 0.0  # outside the map


def test_direct_light_is_the_cosine_where_nothing_blocks() -> None:
    light = sample()
    for normal in (light.axes[2], np.array([0.0, 0.0, 1.0]), -light.axes[2]):
        expected = max(0.0, float(normal @ light.axes[2]))
        assert direct_light(light, 0.0, 0.0, 1.5, *normal) == pytest.approx(expected)
    assert direct_light(light, *under(light, 0.0, 0.0), *light.axes[2]) == 0.0


def test_grey_in_the_open_comes_out_near_the_level() -> None:
    totals = []
    for seed in range(50):
        light = sample(seed)
        totals.append(0.18 * (light.sun * light.axes[2, 2] + light.sky).mean())
    assert np.mean(totals) == pytest.approx(0.18, rel=0.3)
    assert sample().sky[2] > sample().sky[0]


def test_ground_darkens_in_the_shadow_and_under_contacts_only() -> None:
    light = sample(3)
    image = np.ones((61, 83, 3), np.float32)
    covered = np.zeros((61, 83), np.uint8)
    covered[:, :20] = 255
    rotation = np.array([[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]])  # from above, looking down
    centre, focal = np.array([0.0, 0.0, 5.0]), 60.0
    contacts = np.array([[0.0, 0.0, 1.0, 0.0], [1.2, 1.3, 1 / 0.09**2, 0.75]])
    shade_ground(image, rotation, centre, focal, 41.0, 30.0, light, 0.6, contacts, 0.5, 4.0, covered)

    def at(point: np.ndarray) -> float:
        i, j = round(41 + focal * point[0] / 5), round(30 - focal * point[1] / 5)
        return float(image[j, i, 0])

    assert at(under(light, 0.0, 0.0)) == pytest.approx(0.4, abs=0.02)
    assert at(np.array([1.2, 1.3])) < 0.75
    assert (image[:, :20] == 1).all()
    assert np.mean(image == 1) > 0.5
