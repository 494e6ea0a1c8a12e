from __future__ import annotations

import colorsys

import numpy as np
import pytest

from metricpose.augment import appearance as ap
from people import picture

RNG = np.random.default_rng


def image(seed=0, width=37, height=53):
    return picture(RNG(seed), width, height)


def apply(matrix, values):
    return matrix[:3, :3] @ values + matrix[:3, 3]


def test_brightness_adds_and_contrast_scales_about_middle_grey():
    assert apply(ap.brightness_matrix(0.1), np.array([10.0, 20, 30])) == pytest.approx([35.5, 45.5, 55.5])
    assert apply(ap.contrast_matrix(0.5), np.array([127.5, 0, 255])) == pytest.approx([127.5, 63.75, 191.25])


def test_saturation_zero_is_the_luma_and_one_changes_nothing():
    rgb = np.array([200.0, 30, 80])
    luma = 0.299 * 200 + 0.587 * 30 + 0.114 * 80
    assert apply(ap.saturation_matrix(0.0), rgb) == pytest.approx([luma] * 3)
    assert apply(ap.saturation_matrix(1.0), rgb) == pytest.approx(rgb)


def test_hue_turns_primaries_into_each_other_and_keeps_grey():
    third = ap.hue_matrix(2 * np.pi / 3)
    assert apply(third, np.array([255.0, 0, 0])) == pytest.approx([0, 255, 0], abs=1e-9)
    assert apply(third, np.array([0.0, 255, 0])) == pytest.approx([0, 0, 255], abs=1e-9)
    assert apply(ap.hue_matrix(0.7), np.array([99.0, 99, 99])) == pytest.approx([99] * 3)
    turned = apply(ap.hue_matrix(np.radians(30)), np.array([160.0, 100, 100]))
    assert colorsys.rgb_to_hsv(*turned / 255)[0] * 360 == pytest.approx(30, abs=2)


def test_composed_matrix_equals_the_steps_one_after_the_other():
    config = ap.AppearanceConfig()
    matrix = ap.draw_colour_matrix(config, RNG(5))
    rng = RNG(5)
    steps = [
        ap.brightness_matrix(rng.uniform(-0.125, 0.125)),
        ap.contrast_matrix(rng.uniform(0.5, 1.5)),
        ap.hue_matrix(np.radians(rng.uniform(-72, 72))),
        ap.saturation_matrix(rng.uniform(0.5, 1.5)),
    ]
    value = np.array([120.0, 90, 140])
    for i in rng.permutation(4):
        value = apply(steps[i], value)
    assert apply(np.vstack([matrix, [0, 0, 0, 1]]), np.array([120.0, 90, 140])) == pytest.approx(value)
    orders = {tuple(np.round(ap.draw_colour_matrix(config, RNG(s))[:, 3], 3)) for s in range(8)}
    assert len(orders) == 8


def test_colour_rounds_and_clips():
    out = ap.apply_colour(np.full((2, 3, 3), 250, np.uint8), ap.brightness_matrix(0.5)[:3])
    assert (out == 255).all()


def test_gamma_follows_the_power_law():
    out = ap.apply_gamma(np.full((2, 2, 3), 128, np.uint8), 2.0)
    assert out[0, 0, 0] == round(255 * (128 / 255) ** 2)


def test_noise_has_the_asked_spread_and_no_bias():
    flat = np.full((61, 47, 3), 128, np.uint8)
    noisy = ap.add_noise(flat, 9.0, RNG(6)).astype(float) - 128
    assert noisy.std() == pytest.approx(9.0, rel=0.05)
    assert abs(noisy.mean()) < 0.4
    assert (ap.add_noise(flat, 9.0, RNG(6)) != ap.add_noise(flat, 9.0, RNG(7))).any()


def test_erasing_fills_one_rectangle_of_bounded_area():
    flat = np.zeros((90, 110, 3), np.uint8)
    areas = []
    for seed in range(200):
        changed = (ap.erase(flat, 0.3, RNG(seed)) > 0).any(2)
        ys, xs = np.nonzero(changed)
        box = 0 if len(ys) == 0 else (np.ptp(ys) + 1) * (np.ptp(xs) + 1)
        areas.append(box / flat[..., 0].size)
        assert changed.sum() >= 0.9 * box  # noise may be 0 now and then
    assert max(areas) <= 0.3
    assert np.mean(areas) == pytest.approx(0.145, abs=0.03)


@pytest.mark.parametrize("change", ["blur", "lowres", "jpeg"])
def test_degradations_keep_the_mean_and_remove_detail(change):
    sharp = np.zeros((64, 80, 3), np.uint8)
    sharp[::4] = 255
    done = {
        "blur": lambda: ap.blur(sharp, RNG(1)),
        "lowres": lambda: ap.lower_resolution(sharp, 0.3),
        "jpeg": lambda: ap.recompress(sharp, 5),
    }[change]()
    assert done.shape == sharp.shape
    assert done.dtype == np.uint8
    assert abs(done.mean() - sharp.mean()) < 12
    assert done.std() < sharp.std()


def test_grey_has_equal_channels():
    grey = ap.to_grey(image())
    assert (grey[..., 0] == grey[..., 1]).all()
    assert (grey[..., 0] == grey[..., 2]).all()


def test_none_leaves_the_image_and_equal_state_repeats():
    picture_ = image(3)
    assert (ap.change_appearance(picture_, ap.AppearanceConfig.none(), RNG(1)) == picture_).all()
    every = ap.AppearanceConfig(gamma=1, grey=0.5, erase=1, blur=1, noise=1, lowres=1, jpeg=1)
    a, b, c = (ap.change_appearance(picture_, every, RNG(s)) for s in (8, 8, 9))
    assert (a == b).all()
    assert (a != c).any()
    assert (image(3) == picture_).all()  # the input is not written to
