"""Where the camera comes from, and that the result says so."""

from __future__ import annotations

import math

import numpy as np
import pytest

from metricpose.errors import InputError
from metricpose.geometry.camera import Camera
from metricpose.predict.exif import Exif
from metricpose.predict.images import Photo
from metricpose.predict.intrinsics import ASSUMED, FROM_EXIF, FROM_FOV, GIVEN, choose_camera, scale_focal


def photo(width: int = 640, height: int = 480, exif: Exif | None = None) -> Photo:
    return Photo(np.zeros((height, width, 3), np.uint8), exif=exif or Exif())


def test_given_camera_wins_over_exif() -> None:
    camera = Camera.from_fov((640, 480), 1.0)
    choice = choose_camera(photo(exif=Exif(focal_35mm=26.0)), camera)
    assert choice.camera is camera
    assert (choice.origin, choice.warnings) == (GIVEN, ())


def test_field_of_view_is_along_the_longer_side() -> None:
    for size in ((640, 480), (480, 640)):
        choice = choose_camera(photo(*size), fov_deg=90)
        assert choice.origin == FROM_FOV
        assert choice.camera.K[0, 0] == pytest.approx(320.0)
        assert choice.camera.K[:2, 2].tolist() == [(size[0] - 1) / 2, (size[1] - 1) / 2]


def test_exif_then_the_stated_assumption() -> None:
    choice = choose_camera(photo(exif=Exif(focal_35mm=50.0)))
    assert choice.origin == FROM_EXIF
    assert choice.camera.K[0, 0] == pytest.approx(50 / math.hypot(36, 24) * 800)
    assert "50 mm equivalent" in choice.source
    choice = choose_camera(photo())
    assert choice.origin == ASSUMED
    assert max(choice.camera.fov) == pytest.approx(math.radians(55))
    assert "assumed" in choice.warnings[0]


def test_camera_of_another_resolution_is_resized_and_of_another_shape_refused() -> None:
    camera = Camera.from_fov((1280, 960), 1.0)
    choice = choose_camera(photo(), camera)
    np.testing.assert_allclose(choice.camera.K, camera.resize(640, 480).K)
    assert "resized from 1280 x 960 to 640 x 480" in choice.warnings[0]
    with pytest.raises(InputError, match="another shape"):
        choose_camera(photo(640, 360), camera)
    with pytest.raises(InputError, match="turned by EXIF"):
        choose_camera(photo(960, 1280), camera)


def test_contradictions_and_nonsense_are_refused() -> None:
    with pytest.raises(InputError, match="not both"):
        choose_camera(photo(), Camera.from_fov((640, 480), 1.0), 55)
    for degrees in (0, 180, -5, math.nan):
        with pytest.raises(InputError, match="between 0 and 180"):
            choose_camera(photo(), fov_deg=degrees)


def test_scaling_the_focal_length_keeps_the_centre() -> None:
    camera = Camera(np.array([[700.0, 2, 300], [0, 690, 250], [0, 0, 1]]), (640, 480), np.array([0.1, 0, 0, 0]))
    scaled = scale_focal(camera, 1.5)
    np.testing.assert_allclose(scaled.K, [[1050, 3, 300], [0, 1035, 250], [0, 0, 1]])
    np.testing.assert_array_equal(scaled.distortion, camera.distortion)
