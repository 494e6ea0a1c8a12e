from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from metricpose.benchmark.figure import WIDTH, Axis, draw, page_parts
from metricpose.benchmark.results import Errors
from metricpose.vis.style import LEFT, RIGHT
from reference.comparisons import costs, result

ERRORS = np.random.default_rng(0).gamma(4, 25, 200)


def row(name: str, shift: float) -> list:
    made = [result(name, s, ERRORS + shift + s / 10, settings={"trained": name}) for s in (0, 1)]
    for r in made:
        own = r.errors["whole/mpjpe"]
        r.errors["whole/pa_mpjpe"] = Errors(own.sums * 0.6, own.counts)
    return made


def has(image: np.ndarray, colour: tuple[int, int, int], columns: slice) -> bool:
    return bool((np.abs(image[:, columns].astype(int) - colour).sum(-1) < 12).any())


def test_an_axis_maps_its_ends():
    axis = Axis(10.0, 20.0, 100.0, 300.0)
    assert (axis(10.0), axis(20.0), axis(15.0)) == (100, 300, 200)
    assert axis.ticks() == [10, 12, 14, 16, 18, 20]
    log = Axis(0.5, 200.0, 300.0, 100.0, log=True)
    assert (log(0.5), log(200.0)) == pytest.approx((300, 100))
    assert log.ticks() == [1, 10, 100]


def test_rows_changes_and_memory_are_drawn():
    results = {"twofive": row("twofive", 0), "metro": row("metro", -9)}
    image = draw(results, costs())
    assert image.shape[1] == WIDTH
    assert has(image, LEFT, slice(340, 760))  # errors
    assert has(image, RIGHT, slice(340, 760))
    assert has(image, LEFT, slice(1100, 1460))  # a claim that holds
    without = draw(results, None)
    assert len(without) < len(image)
    worse = draw({"twofive": row("twofive", 0), "metro": row("metro", 9)}, None)
    assert not has(without[60:], RIGHT, slice(1100, 1460))
    assert has(worse[60:], RIGHT, slice(1100, 1460))  # one that fails


def test_nothing_is_an_empty_picture():
    assert draw({}, None).std() < 1


def test_parts_of_a_page():
    assert page_parts(Path("a")) == (Path("a/RESULTS.md"), Path("a/images/methods.png"))
