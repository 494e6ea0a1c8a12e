"""Pictures written whole, in RGB, or not at all."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from metricpose.errors import DataError, InputError
from metricpose.formats.picture_file import write_picture


def test_png_is_exact_and_rgb(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (31, 47, 3), dtype=np.uint8)
    write_picture(image, tmp_path / "new" / "a.png")
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "new" / "a.png"))[..., ::-1], image)


def test_jpeg_is_close(tmp_path: Path) -> None:
    image = np.full((64, 64, 3), (200, 30, 60), np.uint8)
    write_picture(image, tmp_path / "a.JPG")
    assert np.abs(cv2.imread(str(tmp_path / "a.JPG"))[..., ::-1].astype(int) - image).max() < 8


def test_other_formats_and_unwritable_places_are_refused(tmp_path: Path) -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(InputError, match=r"\.jpg or \.png, not '\.gif'"):
        write_picture(image, tmp_path / "a.gif")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot write"):
        write_picture(image, tmp_path / "file" / "a.png")
    with pytest.raises(InputError, match="cannot be written"):
        write_picture(np.zeros((1, 70000, 3), np.uint8), tmp_path / "a.jpg")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
