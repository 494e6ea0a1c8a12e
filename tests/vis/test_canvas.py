"""Drawing primitives: pixels where they should be, on any size, with points at infinity or NaN ignored."""

from __future__ import annotations

import numpy as np
import pytest

from metricpose.vis.canvas import Canvas, stack_labels, text_width

RED = (255, 0, 0)


def centre_of(image: np.ndarray) -> np.ndarray:
    """Centroid (x, y) of what differs from white, weighted by how much."""
    weight = 255.0 - image[..., 1]
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()


@pytest.mark.parametrize("supersample", [1, 2, 3])
def test_a_disk_is_centred_to_a_tenth_of_a_pixel_and_has_its_area(supersample: int) -> None:
    canvas = Canvas.blank(61, 47, supersample=supersample)
    canvas.disk(np.array([30.3, 20.7]), 9.0, RED)
    image = canvas.image()
    assert image.shape == (47, 61, 3)
    np.testing.assert_allclose(centre_of(image), (30.3, 20.7), atol=0.12)
    assert (255.0 - image[..., 1]).sum() / 255 == pytest.approx(np.pi * 81, rel=0.12)


@pytest.mark.parametrize("supersample", [1, 2])
def test_line_limb_and_polygon_are_centred(supersample: int) -> None:
    a, b = np.array([10.0, 12.5]), np.array([50.0, 30.5])
    for draw in (
        lambda c: c.line(a, b, RED, 3.0),
        lambda c: c.limb(a, b, (4.0, 4.0), RED),
        lambda c: c.dashed(a - (b - a) / 20, b + (b - a) / 8, RED, 2.0, 3.0),
        lambda c: c.polygon(np.array([[20.0, 11.5], [40, 11.5], [40, 31.5], [20, 31.5]]), RED),
    ):
        canvas = Canvas.blank(61, 47, supersample=supersample)
        draw(canvas)
        np.testing.assert_allclose(centre_of(canvas.image()), (30, 21.5), atol=2.5)


def test_transparency_mixes() -> None:
    canvas = Canvas.blank(40, 40, supersample=1)
    canvas.polygon(np.array([[5.0, 5], [35, 5], [35, 35], [5, 35]]), (0, 0, 0), alpha=0.4)
    assert abs(int(canvas.image()[20, 20, 0]) - 153) <= 1
    assert canvas.image()[1, 1, 0] == 255


def test_a_picture_is_pasted_the_right_way_round() -> None:
    picture = np.zeros((20, 30, 3), np.uint8)
    picture[:10, :15] = RED  # top left
    canvas = Canvas.blank(80, 60)
    canvas.picture(picture, np.array([[10.0, 10], [70, 12], [70, 50], [10, 48]]))
    image = canvas.image()
    assert image[20, 25].tolist() == [255, 0, 0]
    assert image[20, 60].tolist() == [0, 0, 0]
    assert image[42, 25].tolist() == [0, 0, 0]
    assert image[3, 3].tolist() == [255, 255, 255]


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e12])
def test_impossible_coordinates_draw_nothing_and_do_not_raise(bad: float) -> None:
    canvas = Canvas.blank(40, 30)
    spot, good = np.array([bad, 3.0]), np.array([5.0, bad])
    canvas.disk(spot, 3.0, RED)
    canvas.ring(spot, 3.0, RED)
    canvas.text("far", spot)
    canvas.line(spot, good, RED)
    canvas.dashed(spot, good, RED)
    canvas.limb(spot, good, (2.0, 2.0), RED)
    if not np.isfinite(bad):
        assert (canvas.image() == 255).all()


def test_a_line_to_far_away_keeps_its_direction() -> None:
    canvas = Canvas.blank(100, 100, supersample=1)
    canvas.line(np.array([50.0, 50.0]), np.array([5e6, 5e6 * 0.5 + 50 - 25]), RED, 1.0)
    image = canvas.image()
    x = 90
    assert abs(int(np.argmin(image[:, x, 1])) - 70) <= 1


def test_text_is_as_high_and_wide_as_said() -> None:
    canvas = Canvas.blank(300, 60)
    canvas.text("HEIGHT", np.array([20.0, 30.0]), 20.0, (0, 0, 0))
    ink = np.argwhere(canvas.image()[..., 0] < 128)
    assert abs(np.ptp(ink[:, 0]) - 20) <= 5
    assert abs(ink[:, 0].mean() - 30) <= 3
    assert abs(np.ptp(ink[:, 1]) - text_width("HEIGHT", 20.0)) <= 8


def test_labels_make_way_for_each_other() -> None:
    spots = stack_labels([np.array([50.0, 50.0])] * 3 + [np.array([300.0, 50.0])], [60.0] * 4, 20.0)
    heights = sorted(float(s[1]) for s in spots[:3])
    assert (np.diff(heights) >= 20).all()
    assert spots[3].tolist() == [300, 50]
