"""Bodies and generators shared by the tests of the renderer; images are small."""

from __future__ import annotations

import numpy as np
import pytest

from metricpose.synthetic.body import Body, Shape
from metricpose.synthetic.generator import Generator, SyntheticConfig
from metricpose.synthetic.person import Cast
from metricpose.synthetic.wardrobe import Wardrobe


@pytest.fixture(scope="session")
def body() -> Body:
    """The body that comes with the package."""
    return Body.load()


@pytest.fixture(scope="session")
def adult(body: Body) -> Shape:
    """Rest shape of a grown-up."""
    row = int(np.argmin(np.abs(body.prior.years - 30.0)))
    traits = dict(zip(body.prior.labels, body.prior.traits[row].tolist()))
    return body.shape(body.prior.coefficients(type(body.prior.sample(np.random.default_rng(0), "train"))(30.0, traits)))


@pytest.fixture(scope="session")
def cast(body: Body) -> Cast:
    """People in painted clothes and procedural poses."""
    textures = np.full((1, 512, 512, 4), 255, np.uint8)
    wardrobe = Wardrobe(textures, {"suit": [], "shoes": [], "hair": [], "hat": []}, [], [])
    return Cast(body, wardrobe, None, "train", 0.0, 0.0)


@pytest.fixture(scope="session")
def generator() -> Generator:
    """Packaged body, 64 pixels."""
    return Generator(SyntheticConfig(size=64))
