from __future__ import annotations

import numpy as np
import pytest

from metricpose.augment import neighbours
from metricpose.augment.compositing import Bank
from metricpose.augment.neighbours import paste_neighbours

RED = np.array([250, 10, 10], np.uint8)
BANK = Bank(cutouts=[(np.tile(RED, (60, 20, 1)), np.full((60, 20), 255, np.uint8))])
WIDTH, HEIGHT = 120, 120
AXIS = np.array([[60.0, 30.0], [60.0, 100.0]])


def scene() -> tuple[np.ndarray, np.ndarray]:
    """A grey picture and the mask of a person along AXIS."""
    alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
    alpha[30:101, 50:71] = 255
    return np.full((HEIGHT, WIDTH, 3), 90, np.uint8), alpha


def red(image: np.ndarray) -> np.ndarray:
    return (image[..., 0] > 200) & (image[..., 1] < 60)


@pytest.mark.parametrize("seed", range(6))
def test_behind_they_leave_the_person_as_they_are(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_IN_FRONT", 0.0)
    image, alpha = scene()
    out = paste_neighbours(image, alpha, AXIS, BANK, np.random.default_rng(seed))
    assert (out[alpha == 255] == 90).all()
    assert red(out).sum() > 200
    assert (image == 90).all()


def test_in_front_they_may_cover_the_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_IN_FRONT", 1.0)
    image, alpha = scene()
    covered = [
        red(paste_neighbours(image, alpha, AXIS, BANK, np.random.default_rng(seed)))[alpha == 255].mean()
        for seed in range(40)
    ]
    assert 0.02 < np.mean(covered) < 0.3
    assert max(covered) < 0.6


def test_they_stand_beside_the_person_and_are_as_tall() -> None:
    image, alpha = scene()
    sides, heights, ends = [], [], []
    for seed in range(60):
        found = red(paste_neighbours(image, alpha, AXIS, BANK, np.random.default_rng(seed)))
        rows, columns = np.nonzero(found)
        sides += [(columns < 60).any(), (columns > 60).any()]
        heights.append(np.ptp(rows) + 1)
        ends.append(rows.max())
    assert np.mean(sides) > 0.7
    # The tallest of up to four, each 0.85 to 1.15 times 70 pixels, moved by up to 0.08 of that.
    assert min(heights) > 0.85 * 70 - 3
    assert max(heights) < (1.15 + 0.16) * 70 + 3
    assert np.mean(ends) == pytest.approx(100, abs=6)


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_turned_crops_have_turned_neighbours(quarter_turns: int) -> None:
    image, alpha = scene()
    image[:, :, 2] = np.arange(WIDTH)
    upright = paste_neighbours(image, alpha, AXIS, BANK, np.random.default_rng(3))
    axis = AXIS
    for _ in range(quarter_turns):  # np.rot90: (x, y) -> (y, width - 1 - x)
        axis = np.stack([axis[:, 1], WIDTH - 1 - axis[:, 0]], 1)
    picture, mask = (np.ascontiguousarray(np.rot90(a, quarter_turns)) for a in (image, alpha))
    turned = paste_neighbours(picture, mask, axis, BANK, np.random.default_rng(3))
    different = red(turned) != red(np.rot90(upright, quarter_turns))
    assert red(upright).sum() > 500
    assert different.mean() < 0.03  # edges, by a pixel


def test_nothing_happens_without_standing_people_or_without_a_place() -> None:
    image, alpha = scene()
    lying = Bank(cutouts=[(np.tile(RED, (20, 60, 1)), np.full((20, 60), 255, np.uint8))])
    for axis, bank in ((AXIS, Bank()), (AXIS, lying), (AXIS * np.nan, BANK), (AXIS * 10, BANK), (AXIS * 0, BANK)):
        assert paste_neighbours(image, alpha, axis, bank, np.random.default_rng(0)) is image
