from __future__ import annotations

import cv2
import numpy as np
import pytest

from metricpose.augment import compositing as co
from metricpose.errors import DataError
from people import person, picture

RNG = np.random.default_rng


def test_blend_equals_the_rounded_weighted_mean():
    rng = RNG(0)
    under, over = (rng.integers(0, 256, (5, 7, 3), dtype=np.uint8) for _ in range(2))
    alpha = rng.integers(0, 256, (5, 7), dtype=np.uint8)
    weight = alpha[..., None] / 255
    wanted = np.floor(over * weight + under * (1 - weight) + 127 / 255 + 1e-9)
    assert (co.blend(under, over, alpha) == wanted).all()


def test_background_is_replaced_outside_the_mask_only():
    record = person(3)
    bank = co.Bank(photos=[np.full((60, 80, 3), 7, np.uint8)])
    out = co.replace_background(record.image, record.alpha, bank, RNG(1))
    assert (out[record.alpha == 0] == 7).all()
    assert (out[record.alpha == 255] == record.image[record.alpha == 255]).all()


def test_photographs_are_read_sorted_in_rgb_and_shrunk(tmp_path):
    red = np.zeros((90, 120, 3), np.uint8)
    red[..., 2] = 200
    cv2.imwrite(str(tmp_path / "b.png"), red)
    cv2.imwrite(str(tmp_path / "a.png"), np.full((20, 30, 3), 50, np.uint8))
    (tmp_path / "notes.txt").write_text("no picture")
    first, second = co.read_photos(tmp_path, side=45)
    assert first.shape == (20, 30, 3)
    assert second.shape == (45, 60, 3)
    assert second[0, 0].tolist() == [200, 0, 0]


def test_photograph_errors_name_the_file(tmp_path):
    with pytest.raises(DataError, match="no photographs"):
        co.read_photos(tmp_path)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 no more")
    with pytest.raises(DataError, match=r"broken\.jpg"):
        co.read_photos(tmp_path)


def test_cut_out_is_the_masked_part_scaled_down():
    alpha = np.zeros((100, 150), np.uint8)
    alpha[20:80, 40:60] = 255
    image = picture(RNG(2), 150, 100)
    piece, mask = co.cut_out(image, alpha, side=30)
    assert piece.shape == (30, 10, 3)
    assert (mask == 255).all()
    assert np.abs(piece[15, 5].astype(int) - image[50, 50]).max() < 15
    assert co.cut_out(image, np.zeros((100, 150), np.uint8)) is None


def test_objects_are_pasted_everywhere_and_the_input_is_kept():
    flat = np.full((70, 70, 3), 128, np.uint8)
    covered = np.zeros((70, 70))
    bank = co.Bank(cutouts=[co.cut_out(person(1).image, person(1).alpha)])
    for seed in range(150):
        covered += (co.paste_objects(flat, co.CompositingConfig(), bank, RNG(seed)) != 128).any(2)
    assert (flat == 128).all()
    assert covered.min() > 0
    assert 0.05 < covered.mean() / 150 < 0.6


def test_a_pasted_object_has_the_asked_size():
    white = np.full((20, 40, 3), 255, np.uint8)
    matrix, size = co._placement(20, 40, 1.5, 90.0)
    assert size == (30, 60)
    turned = cv2.warpAffine(white, matrix, size)
    assert (turned[2:-2, 2:-2] == 255).all()


@pytest.mark.parametrize("seed", range(6))
def test_shapes_are_filled_but_not_everywhere(seed):
    mask = co.draw_shape(64, RNG(seed))
    assert 0.02 < (mask > 127).mean() < 0.98
    assert (mask > 127)[20:44, 20:44].any()


def test_backgrounds_fill_the_crop_from_small_and_large_photographs():
    for photo in (picture(RNG(0), 33, 21), picture(RNG(1), 500, 300)):
        out = co.draw_background(40, 44, co.Bank(photos=[photo]), RNG(2))
        assert out.shape == (40, 44, 3)
        assert out.std() > 1
    assert co.draw_background(40, 44, co.Bank(), RNG(2)).std() > 1
