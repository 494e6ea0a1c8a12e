from __future__ import annotations

import numpy as np

from metricpose.synthetic.generator import Generator
from metricpose.synthetic.preview import contact_sheet, overlay


def test_sheet_holds_the_scenes_in_order(generator: Generator) -> None:
    sheet = contact_sheet(generator, 3, columns=2, first=4, joints=False)
    assert sheet.shape == (128, 128, 3)
    np.testing.assert_array_equal(sheet[:64, 64:], generator.scene(5).image)
    np.testing.assert_array_equal(sheet[64:, :64], generator.scene(6).image)
    assert (sheet[64:, 64:] == 0).all()


def test_overlay_draws_left_blue_and_right_vermillion(generator: Generator) -> None:
    sample = generator.scene(4)
    drawn = overlay(sample)
    assert drawn.shape == sample.image.shape
    changed = drawn[(drawn != sample.image).any(2)].astype(int)
    assert (np.abs(changed - [0, 114, 178]).max(1) < 10).sum() > 3
    assert (np.abs(changed - [213, 94, 0]).max(1) < 10).sum() > 3
    np.testing.assert_array_equal(generator.scene(4).image, sample.image)
