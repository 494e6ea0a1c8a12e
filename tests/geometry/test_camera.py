"""The camera value against OpenCV, against rendered dots, and against its own inverses."""

from __future__ import annotations

import math

import cv2
import jaxtyping
import numpy as np
import pytest

from metricpose.errors import InputError
from metricpose.geometry.camera import Camera, distort, one_to_one_radius, undistort

LENSES = {
    0: [],
    4: [-0.21, 0.25, -0.0014, 0.0021],
    5: [-0.207, 0.248, -0.0014, -0.00098, -0.0031],
    8: [0.12, -0.21, 0.0011, -0.0017, 0.04, 0.15, -0.11, 0.02],
    12: [0.12, -0.21, 0.0011, -0.0017, 0.04, 0.15, -0.11, 0.02, 0.003, -0.002, 0.0017, 0.0011],
}
WIDTH, HEIGHT = 97, 61


def rotation(*degrees: float) -> np.ndarray:
    return cv2.Rodrigues(np.radians(degrees).reshape(3, 1))[0]


def camera(lens: int = 0, skew: float = 0.0) -> Camera:
    """Fx != fy, off-centre, turned and moved: nothing about it is symmetric."""
    K = np.array([[83.0, skew, 41.5], [0, 91.0, 33.25], [0, 0, 1.0]])
    return Camera(K, (WIDTH, HEIGHT), np.array(LENSES[lens]), rotation(11, -23, 7), np.array([120.0, -340.0, 2500.0]))


def world_points(n: int, cam: Camera) -> np.ndarray:
    rng = np.random.default_rng(3)
    points = np.stack([rng.uniform(-900, 900, n), rng.uniform(-600, 600, n), rng.uniform(1800, 4000, n)], -1)
    return cam.to_world(points)


@pytest.mark.parametrize("lens", LENSES)
def test_project_equals_opencv(lens: int) -> None:
    cam = camera(lens)
    points = world_points(50, cam)
    expected, _ = cv2.projectPoints(points, cv2.Rodrigues(cam.R)[0], cam.t, cam.K, np.array(LENSES[lens]))
    np.testing.assert_allclose(cam.project(points), expected[:, 0], atol=1e-8)


def test_project_equals_the_formula_with_skew() -> None:
    cam = camera(0, skew=2.5)
    point = np.array([0.3, -0.2, 2.0]) * 1000
    expected = [83 * 0.15 + 2.5 * -0.1 + 41.5, 91 * -0.1 + 33.25]
    np.testing.assert_allclose(cam.project_camera(point), expected, atol=1e-12)


@pytest.mark.parametrize("lens", LENSES)
def test_rays_invert_projection_in_the_whole_image(lens: int) -> None:
    cam = camera(lens, skew=1.5)
    pixels = np.stack(np.meshgrid(np.linspace(-0.5, WIDTH - 0.5, 9), np.linspace(-0.5, HEIGHT - 0.5, 7)), -1)
    rays = cam.rays(pixels)
    assert rays.shape == (7, 9, 2)
    np.testing.assert_allclose(cam.to_pixels(rays), pixels, atol=1e-8)


def test_rays_beat_the_fixed_point_iteration_of_opencv() -> None:
    cam = Camera(np.array([[60.0, 0, 48], [0, 60.0, 30], [0, 0, 1]]), (97, 61), np.array(LENSES[5]))
    corner = np.array([[96.0, 60.0]])
    ours = np.abs(cam.to_pixels(cam.rays(corner)) - corner).max()
    theirs = cv2.undistortPoints(corner[:, None], cam.K, cam.distortion)[:, 0]
    assert ours < 1e-9 < np.abs(cam.to_pixels(theirs) - corner).max()


def test_points_behind_the_camera_and_nan_give_nan() -> None:
    cam = camera(5)
    points = np.array([[0.0, 0, -1000], [10, 20, 0], [np.nan, 0, 1000], [0, 0, 1000]])
    finite = np.isfinite(cam.project_camera(points)).all(-1)
    assert finite.tolist() == [False, False, False, True]
    assert np.isnan(cam.rays(np.array([[np.nan, 3.0]]))).all()


FOLDING = np.array([-0.3, 0.0, 0.0, 0.0])  # r (1 - 0.3 r^2) grows only up to r = 1 / sqrt(0.9) = 1.054


def test_points_where_the_lens_model_folds_back_give_nan_not_a_ghost_inside_the_image() -> None:
    cam = Camera(np.array([[50.0, 0, 50], [0, 50, 40], [0, 0, 1]]), (101, 81), FOLDING)
    inside, outside = np.array([1.05, 0, 1]), np.array([1.06, 0, 1])
    assert np.isfinite(cam.project_camera(inside)).all()
    assert np.isnan(cam.project_camera(outside)).all()
    # OpenCV puts this direction, 60 degrees off axis, left of the centre of the image.
    ghost = cv2.projectPoints(np.array([[2.0, 0, 1]]), np.zeros(3), np.zeros(3), cam.K, FOLDING)[0][0, 0]
    assert 0 < ghost[0] < 100
    assert np.isnan(cam.project_camera(np.array([2.0, 0, 1]))).all()


def test_the_fold_is_found_behind_a_pole_of_the_rational_model() -> None:
    pole = np.array([0, 0, 0, 0, 0, -0.25, 0, 0.0])  # 1 / (1 - r^2 / 4): infinite at r = 2
    near, beyond = distort(np.array([1.9, 0.0]), pole), distort(np.array([2.1, 0.0]), pole)
    assert np.isfinite(near).all()
    assert np.isnan(beyond).all()


def test_the_fold_is_where_the_radial_model_turns() -> None:
    assert one_to_one_radius((0.0, 0.0, 0.0, 0.0, 0.0, 0.25, 0.0, 0.0)) == pytest.approx(
        2.0
    )  # r / (1 + r^2 / 4) peaks at 2
    lens = np.array(LENSES[8]) * [1, 1, 0, 0, -3, 1, 1, 2]  # radial only, with a fold
    limit = one_to_one_radius(tuple(lens.tolist()))
    radii = np.linspace(0, limit * 0.9999, 400)
    mapped = distort(np.stack([radii, np.zeros(400)], -1), lens)[:, 0]
    assert (np.diff(mapped) > 0).all()
    slope = np.diff(distort(np.array([[limit - 2e-4, 0.0], [limit - 1e-4, 0.0]]), lens)[:, 0]) / 1e-4
    assert abs(slope[0]) < 1e-3


@pytest.mark.parametrize(
    "lens",
    [
        (0.4, 0.19, -0.003, 0.0, -0.065),  # pincushion that turns to barrel
        (0.4, 0.19, -0.003, 0.002, -0.065, 0.1, 0.02, 0.0),
        (-0.35, 0.2, 0.001, -0.002, -0.05),
    ],
)
def test_undistort_inverts_a_strongly_bent_lens_almost_to_where_it_folds(lens: tuple[float, ...]) -> None:
    coefficients = np.array(lens)
    limit = min(one_to_one_radius(lens), 2.0)
    radius, angle = np.meshgrid(np.linspace(0.05, 0.95, 13) * limit, np.linspace(0, 6, 9))
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1)
    np.testing.assert_allclose(undistort(distort(points, coefficients), coefficients), points, atol=1e-6)


def test_undistort_far_outside_is_nan_without_a_warning() -> None:
    far = np.array([[1.0, 0.2], [30.0, -4.0], [1e6, 1e6], [0.1, 0.1]])
    out = undistort(far, FOLDING)
    assert np.isfinite(out).all(-1).tolist() == [False, False, False, True]


def test_to_world_inverts_to_camera_and_position_is_the_optical_centre() -> None:
    cam = camera()
    points = world_points(5, cam).reshape(5, 1, 3)
    np.testing.assert_allclose(cam.to_world(cam.to_camera(points)), points, atol=1e-9)
    np.testing.assert_allclose(cam.to_camera(cam.position), np.zeros(3), atol=1e-9)
    np.testing.assert_allclose(cam.to_camera(points[0, 0]), cam.R @ points[0, 0] + cam.t)


# -- changes, against images of dots ---------------------------------------------------------------------------


def dot(where: np.ndarray, width: int, height: int, sigma: float = 2.0) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.exp(-((x - where[0]) ** 2 + (y - where[1]) ** 2) / (2 * sigma**2))


def centroid(image: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.array([(x * image).sum(), (y * image).sum()]) / image.sum()


@pytest.mark.parametrize("lens", LENSES)
def test_changed_cameras_project_where_the_changed_image_shows_the_dot(lens: int) -> None:
    cam = camera(lens, skew=1.5)
    point = cam.to_world(np.array([480.0, -310.0, 2600.0]))
    seen = cam.project(point)
    image = dot(seen, WIDTH, HEIGHT)
    # Vacuous-pass guard: the dot is inside, away from the border and from the centre.
    np.testing.assert_allclose(centroid(image), seen, atol=1e-3)
    assert abs(seen[0] - (WIDTH - 1) / 2) > 2

    np.testing.assert_allclose(cam.flip().project(point), centroid(image[:, ::-1]), atol=1e-3)
    np.testing.assert_allclose(cam.crop(13.0, 5.0, 70, 52).project(point), centroid(image[5:57, 13:83]), atol=1e-2)
    halved = cv2.resize(image[:60, :96], (32, 30), interpolation=cv2.INTER_AREA)
    small = cam.crop(0.0, 0.0, 96, 60).resize(32, 30)
    assert small.size == (32, 30)
    np.testing.assert_allclose(small.project(point), centroid(halved), atol=1e-3)


def test_resize_maps_outer_edges_to_outer_edges() -> None:
    cam = camera()
    resized = cam.resize(194, 30)
    edges = np.array([[-0.5, -0.5], [WIDTH - 0.5, HEIGHT - 0.5]])
    np.testing.assert_allclose(resized.to_pixels(cam.rays(edges)), [[-0.5, -0.5], [193.5, 29.5]], atol=1e-9)


def test_rotate_turns_axes_and_keeps_the_optical_centre() -> None:
    cam, turn = camera(), rotation(4, 9, -2)
    turned = cam.rotate(turn)
    np.testing.assert_allclose(turned.R, turn @ cam.R)
    np.testing.assert_allclose(turned.position, cam.position, atol=1e-9)
    point = world_points(1, cam)[0]
    np.testing.assert_allclose(turned.to_camera(point), turn @ cam.to_camera(point), atol=1e-9)
    assert len(camera(5).rotate(turn).distortion) == 5


def test_flip_twice_is_the_same_camera_and_once_is_mirrored() -> None:
    cam = camera(12, skew=2.0)
    once, twice = cam.flip(), cam.flip().flip()
    assert np.linalg.det(once.R) == pytest.approx(-1)
    for name in ("K", "R", "t", "distortion"):
        np.testing.assert_allclose(getattr(twice, name), getattr(cam, name), atol=1e-12)


@pytest.mark.parametrize("lens", [4, 5, 8, 12])
def test_mirrored_distortion_mirrors_the_lens(lens: int) -> None:
    coefficients = np.array(LENSES[lens])
    mirrored = Camera(np.diag([9.0, 9, 1]), (5, 7), coefficients).flip().distortion
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (20, 2))
    expected = distort(points, coefficients) * (-1, 1)
    np.testing.assert_allclose(distort(points * (-1, 1), mirrored), expected, atol=1e-12)
    assert np.abs(distort(points * (-1, 1), coefficients) - expected).max() > 1e-4  # the plain lens would not do


def test_a_change_leaves_the_old_camera_alone_and_arrays_are_read_only() -> None:
    cam = camera(5)
    before = cam.K.copy()
    cam.flip(), cam.crop(3.0, 4.0, 5, 6), cam.resize(10, 10), cam.rotate(rotation(1, 2, 3))
    np.testing.assert_array_equal(cam.K, before)
    with pytest.raises(ValueError, match="read-only"):
        cam.K[0, 0] = 1.0


def test_camera_copies_what_it_is_given() -> None:
    K = np.diag([9.0, 9, 1])
    cam = Camera(K, (5, 7))
    K[0, 0] = 77.0
    assert cam.K[0, 0] == 9.0


@pytest.mark.parametrize(("side", "extent"), [("longer", 640), ("horizontal", 640), ("vertical", 480)])
def test_from_fov_spans_the_outer_edges(side: str, extent: int) -> None:
    cam = Camera.from_fov((640, 480), math.radians(55), side)
    axis = 1 if side == "vertical" else 0
    edges = np.full((2, 2), 100.0)
    edges[:, axis] = -0.5, extent - 0.5
    rays = cam.rays(edges)[:, axis]
    assert np.arctan(rays[1]) - np.arctan(rays[0]) == pytest.approx(math.radians(55))
    assert cam.fov[axis] == pytest.approx(math.radians(55))
    assert cam.K[0, 0] == cam.K[1, 1]
    np.testing.assert_allclose(cam.K[:2, 2], [319.5, 239.5])


def test_from_fov_takes_the_longer_side_of_a_tall_image() -> None:
    assert Camera.from_fov((480, 640), 1.0).fov[1] == pytest.approx(1.0)


K_OK = np.array([[50.0, 0, 20], [0, 50, 20], [0, 0, 1]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"K": np.diag([50.0, np.nan, 1])}, "camera K holds NaN"),
        ({"K": np.diag([50.0, 0, 1])}, "K is singular"),
        ({"K": np.diag([50.0, 50, 2])}, "last row is not 0 0 1"),
        ({"K": np.array([[50.0, 0, 20], [1, 50, 20], [0, 0, 1]])}, r"element \[1, 0\] must be 0"),
        ({"K": np.eye(4)}, r"camera K: expected shape \(3, 3\), got \(4, 4\)"),
        ({"distortion": np.zeros(3)}, "expected 0, 4, 5, 8 or 12 values"),
        ({"distortion": np.array([0.1, np.inf, 0, 0])}, "camera distortion holds NaN"),
        ({"R": np.diag([1.0, 1, 2])}, "R is not orthogonal"),
        ({"t": np.array([1.0, np.nan, 0])}, "camera t holds NaN"),
        ({"size": (0, 5)}, r"expected positive \(width, height\)"),
    ],
)
def test_bad_cameras_are_refused(arguments: dict, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # users run without the shape hook
    with pytest.raises(InputError, match=message):
        Camera(**{"K": K_OK, "size": (40, 41), **arguments})


@pytest.mark.parametrize(
    ("fov", "side", "message"),
    [(55.0, "longer", "degrees need math.radians"), (0.0, "longer", "inside"), (1.0, "shorter", "horizontal")],
)
def test_bad_field_of_view_is_refused(fov: float, side: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Camera.from_fov((40, 30), fov, side)
