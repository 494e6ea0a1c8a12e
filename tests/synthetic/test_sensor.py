from __future__ import annotations

import numpy as np
import pytest

from metricpose.synthetic.sensor import Development, develop, sample_development

CLEAN = Development(np.ones(3), 1.0, 0.0, 0.0, 0.0, 0)


def layers() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    shape = (37, 53)
    covered = rng.choice([0, 64, 128, 191, 255], shape).astype(np.uint8)
    return rng.random((*shape, 3)).astype(np.float32), covered, rng.random((*shape, 3)).astype(np.float32)


def test_mid_tones_follow_gamma() -> None:
    light = np.linspace(0.0, 0.8, 30, dtype=np.float32)[None, :, None].repeat(3, 2)
    image, _ = develop(np.random.default_rng(0), CLEAN, np.zeros_like(light), np.zeros((1, 30), np.uint8), light)
    np.testing.assert_allclose(image, 255 * light ** (1 / 2.2), atol=1.6)


def test_foreground_and_alpha_make_the_picture_again() -> None:
    foreground, covered, background = layers()
    image, front = develop(np.random.default_rng(0), CLEAN, foreground, covered, background)
    bare, _ = develop(np.random.default_rng(0), CLEAN, foreground, np.zeros_like(covered), background)
    alpha = covered[..., None] / 255.0
    np.testing.assert_allclose(image, front * alpha + bare * (1 - alpha), atol=1.5)
    assert (front[covered == 0] == 0).all()


def test_gains_noise_blur_and_brightness_do_what_they_say() -> None:
    foreground, covered, background = layers()
    covered[:] = 0

    def shot(**changes: object) -> np.ndarray:
        return develop(np.random.default_rng(1), CLEAN._replace(**changes), foreground, covered, background)[0].astype(
            float
        )

    clean = shot()
    assert shot(gains=np.array([2.0, 1.0, 0.5]))[..., 0].mean() > clean[..., 0].mean()
    assert shot(gains=np.array([2.0, 1.0, 0.5]))[..., 2].mean() < clean[..., 2].mean()
    assert shot(brightness=0.1).mean() > clean.mean() + 10
    assert shot(blur=1.0).std() < 0.8 * clean.std()
    assert 3.0 < (shot(noise=5.0) - clean).std() < 7.0


def test_compression_keeps_the_channel_order() -> None:
    red = np.zeros((32, 32, 3), np.float32)
    red[..., 0] = 0.8
    image, _ = develop(np.random.default_rng(0), CLEAN._replace(quality=80), red, np.zeros((32, 32), np.uint8), red)
    assert image[16, 16, 0] > 200
    assert image[16, 16, 2] < 30


def test_exposure_rises_in_the_dark() -> None:
    dark = [sample_development(np.random.default_rng(s), 0.02).gains.mean() for s in range(50)]
    bright = [sample_development(np.random.default_rng(s), 0.6).gains.mean() for s in range(50)]
    assert np.mean(dark) > 2 * np.mean(bright)
    assert np.mean(bright) == pytest.approx(0.7, abs=0.15)
