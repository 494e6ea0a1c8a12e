"""The crop camera and the image it takes: labels by projection must land where the resampled dot is."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import jaxtyping
import numpy as np
import pytest

from metricpose.errors import InputError
from metricpose.geometry import crop as module
from metricpose.geometry.camera import Camera
from metricpose.geometry.crop import carry_pixels, crop_camera, crop_to_source, homography, resample
from metricpose.skeleton.catalog import H36M_17

LENS = np.array([-0.21, 0.25, -0.0014, 0.0021])
WIDTH, HEIGHT, SIDE = 640, 420, 96


def camera(distorted: bool = False) -> Camera:
    """Fx != fy, off-centre principal point, non-square image, not at the world origin."""
    K = np.array([[510.0, 1.5, 290.5], [0, 540.0, 225.25], [0, 0, 1.0]])
    turn = cv2.Rodrigues(np.array([[0.2], [-0.4], [0.1]]))[0]
    return Camera(K, (WIDTH, HEIGHT), LENS if distorted else np.zeros(0), turn, np.array([300.0, -200.0, 900.0]))


TALL, WIDE = np.array([400.0, 90.0, 110.0, 260.0]), np.array([30.0, 200.0, 250.0, 120.0])
BOXES = pytest.mark.parametrize("box", [TALL, WIDE], ids=["tall", "wide"])
LENSES = pytest.mark.parametrize("distorted", [False, True], ids=["ideal", "distorted"])


def ends(box: np.ndarray) -> np.ndarray:
    """Centre of the box and the middles of its two short sides, in pixels."""
    x, y, w, h = box
    if h >= w:
        return np.array([[x + w / 2, y + h / 2], [x + w / 2, y], [x + w / 2, y + h]])
    return np.array([[x + w / 2, y + h / 2], [x, y + h / 2], [x + w, y + h / 2]])


def through(pixels: np.ndarray, source: Camera, target: Camera, depth: float = 2000.0) -> np.ndarray:
    """Where the target camera sees what the source camera sees at these pixels."""
    rays = np.concatenate([source.rays(pixels), np.ones((len(pixels), 1))], 1)
    return target.project(source.to_world(rays * depth))


@BOXES
@LENSES
def test_box_centre_is_the_middle_and_the_longer_side_fills_the_crop(box: np.ndarray, distorted: bool) -> None:
    crop = crop_camera(camera(distorted), box, SIDE)
    seen = through(ends(box), camera(distorted), crop)
    np.testing.assert_allclose(seen[0], [(SIDE - 1) / 2] * 2, atol=1e-8)
    assert np.linalg.norm(seen[2] - seen[1]) == pytest.approx(SIDE, abs=1e-8)
    assert crop.K[0, 0] == crop.K[1, 1]
    assert crop.size == (SIDE, SIDE)
    assert len(crop.distortion) == 0


def test_zoom_enlarges_and_shift_moves_the_aim_by_parts_of_the_longer_side() -> None:
    cam = camera()
    crop = crop_camera(cam, TALL, SIDE, zoom=1.5, shift=(0.1, -0.05))
    aim = ends(TALL)[0] + np.array([0.1, -0.05]) * 260
    np.testing.assert_allclose(through(aim[None], cam, crop)[0], [(SIDE - 1) / 2] * 2, atol=1e-8)
    shifted = crop_camera(cam, TALL + np.array([26, -13, 0, 0]), SIDE)
    assert crop.K[0, 0] == pytest.approx(1.5 * shifted.K[0, 0])


def test_crop_keeps_the_optical_centre() -> None:
    cam = camera(True)
    for options in ({}, {"roll": 0.4}, {"flip": True}, {"zoom": 0.7, "shift": (0.1, 0.2)}):
        np.testing.assert_allclose(crop_camera(cam, WIDE, SIDE, **options).position, cam.position, atol=1e-9)


def test_up_direction_points_up_in_the_crop() -> None:
    cam = camera()
    up = np.array([0.35, -0.9, 0.2])
    crop = crop_camera(cam, TALL, SIDE, up=tuple(up.tolist()))
    base = np.array([150.0, 80.0, 2000.0])
    column = crop.project(cam.to_world(np.stack([base, base + 300 * up])))
    axis = (SIDE - 1) / 2
    # Only the vertical through the optical axis is exactly upright in a perspective image; use it.
    ray = np.linalg.inv(cam.K) @ [*ends(TALL)[0], 1.0]
    column = crop.project(cam.to_world(np.stack([ray * 2000, ray * 2000 + 300 * up])))
    np.testing.assert_allclose(column[:, 0], axis, atol=1e-8)
    assert column[1, 1] < column[0, 1] - 1


def test_looking_along_the_up_direction_still_gives_a_camera() -> None:
    cam = Camera(np.array([[500.0, 0, 50], [0, 500, 40], [0, 0, 1]]), (101, 81))
    crop = crop_camera(cam, np.array([40.0, 30, 20, 20]), SIDE, up=(0.0, 0.0, 1.0))
    np.testing.assert_allclose(crop.R, np.eye(3), atol=1e-12)


def test_positive_roll_turns_the_content_counter_clockwise() -> None:
    cam, middle = camera(), (SIDE - 1) / 2
    above = ends(TALL)[:2]
    plain = through(above, cam, crop_camera(cam, TALL, SIDE))[1] - middle
    rolled = through(above, cam, crop_camera(cam, TALL, SIDE, roll=math.pi / 2))[1] - middle
    assert plain[1] < -40  # the top of the box is above the middle
    np.testing.assert_allclose(rolled, [plain[1], -plain[0]], atol=1e-8)  # and goes to the left


# -- images ------------------------------------------------------------------------------------------------------


def dots(pixels: np.ndarray, sigma: float = 3.0) -> np.ndarray:
    """One red, one green, one blue dot at sub-pixel places."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    layers = [np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * sigma**2)) for u, v in pixels]
    return np.rint(255 * np.stack(layers, -1)).astype(np.uint8)


def found(image: np.ndarray) -> np.ndarray:
    """Centroid of each channel."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    mass = image.astype(np.float64)
    assert (mass.sum((0, 1)) > 50).all(), "a dot is missing from the crop"
    return np.stack([(axis[..., None] * mass).sum((0, 1)) / mass.sum((0, 1)) for axis in (x, y)], -1)


@BOXES
@LENSES
@pytest.mark.parametrize(
    "options",
    [{}, {"roll": 0.3}, {"flip": True}, {"zoom": 0.8, "shift": (0.05, -0.04), "roll": -0.2, "flip": True}],
    ids=["plain", "roll", "flip", "all"],
)
@pytest.mark.parametrize("side", [64, 301])
def test_ground_truth_projects_onto_the_dot_in_the_crop(
    box: np.ndarray, distorted: bool, options: dict, side: int
) -> None:
    cam = camera(distorted)
    pixels = box[:2] + box[2:] * np.array([[0.3, 0.3], [0.62, 0.45], [0.5, 0.7]])
    points = cam.to_world(np.concatenate([cam.rays(pixels), np.ones((3, 1))], 1) * [[1900.0], [2400.0], [3100.0]])
    crop = crop_camera(cam, box, side, **options)
    image = resample(dots(cam.project(points)), cam, crop)
    assert image.shape == (side, side, 3)
    np.testing.assert_allclose(found(image), crop.project(points), atol=0.12)


def test_flipped_crop_is_the_mirror_image() -> None:
    cam = camera(True)
    image = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    image = cv2.GaussianBlur(image, (0, 0), 3)
    plain = resample(image, cam, crop_camera(cam, TALL, SIDE))
    mirrored = resample(image, cam, crop_camera(cam, TALL, SIDE, flip=True))
    assert np.abs(plain[:, ::-1].astype(int) - mirrored).max() <= 1
    assert np.abs(plain.astype(int) - mirrored).max() > 10


@LENSES
def test_flip_swap_unflip_is_the_identity_on_ground_truth(distorted: bool) -> None:
    cam, swap = camera(distorted), H36M_17.mirror
    world = cam.to_world(np.random.default_rng(1).normal((0, 0, 3000), 300, (17, 3)))
    plain, mirrored = (crop_camera(cam, TALL, SIDE, flip=f, roll=0.0) for f in (False, True))
    seen = mirrored.to_camera(world)[swap]  # what a network is shown for the mirrored picture, left and right exchanged
    assert np.abs(seen - plain.to_camera(world)).max() > 50
    back = crop_to_source(seen[swap], cam, mirrored)
    np.testing.assert_allclose(back, cam.to_camera(world), atol=1e-9)
    # Mirroring in the crop frame is the same as the mirrored camera.
    np.testing.assert_allclose(seen[swap] * (-1, 1, 1), plain.to_camera(world), atol=1e-9)


@BOXES
@LENSES
def test_crop_to_source_round_trip(box: np.ndarray, distorted: bool) -> None:
    cam = camera(distorted)
    crop = crop_camera(cam, box, SIDE, roll=0.7, flip=True, zoom=1.3)
    in_source = np.random.default_rng(2).uniform(-2000, 9000, (4, 5, 3))
    in_crop = crop.to_camera(cam.to_world(in_source))
    assert np.abs(in_crop - in_source).max() > 100
    assert np.abs(crop_to_source(in_crop, cam, crop) - in_source).max() < 1e-3


def test_homography_equals_the_ray_map() -> None:
    cam = camera()
    crop = crop_camera(cam, TALL, SIDE, roll=0.2)
    where = homography(cam, crop) @ [12.0, 70.0, 1.0]
    np.testing.assert_allclose(where[:2] / where[2], through(np.array([[12.0, 70.0]]), crop, cam)[0], atol=1e-8)


@LENSES
def test_antialias_shrinks_a_fine_checkerboard_to_grey(distorted: bool) -> None:
    cam = camera(distorted)
    board = ((np.indices((HEIGHT, WIDTH)).sum(0) % 2) * 255).astype(np.uint8)
    image = np.repeat(board[..., None], 3, 2)
    crop = crop_camera(cam, TALL, 48)
    smooth = resample(image, cam, crop)[4:-4, 4:-4].astype(float)
    rough = resample(image, cam, crop, antialias=False)[4:-4, 4:-4].astype(float)
    assert abs(smooth.mean() - 127.5) < 3
    assert smooth.std() < 12 < 30 < rough.std()


COEFFICIENTS = {
    "four": [-0.21, 0.1, 0.001, -0.002],
    "five": [-0.207, 0.248, -0.0014, -0.00098, -0.0031],
    "eight": [0.3, -0.1, 0.002, 0.001, 0.02, 0.5, 0.01, -0.02],
    "twelve": [-0.2, 0.2, 0.003, -0.001, 0.0, 0.0, 0.0, 0.0, -0.001, 0.0002, 0.003, -0.0001],
}


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("lens", list(COEFFICIENTS))
def test_opencvs_lens_map_equals_projection_pixel_by_pixel(lens: str, flip: bool) -> None:
    K = np.array([[830.0, 0, 331.5], [0, 790.0, 225.25], [0, 0, 1]])
    source = Camera(K, (640, 480), np.array(COEFFICIENTS[lens])).rotate(cv2.Rodrigues(np.array([0.1, 0.4, -0.2]))[0])
    target = crop_camera(source, np.array([390.0, 60, 130, 290]), 57, roll=0.3, flip=flip).resize(91, 57)
    matrix = source.R @ target.R.T
    assert module._sees_all(source, target, matrix)
    fast, slow = module._lens_map(source, target, matrix), module._careful_map(source, target, matrix)
    assert np.ptp(slow[0]) > 200
    for a, b in zip(fast, slow, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)


@BOXES
@LENSES
def test_pixels_are_carried_to_where_the_other_camera_sees_the_same(box: np.ndarray, distorted: bool) -> None:
    cam = camera(distorted)
    crop = crop_camera(cam, box, SIDE, roll=0.4, flip=True)
    pixels = ends(box)
    carried = carry_pixels(pixels, cam, crop)
    np.testing.assert_allclose(carried, through(pixels, cam, crop), atol=1e-6)
    np.testing.assert_allclose(carry_pixels(carried, crop, cam), pixels, atol=1e-6)
    turned = cam.rotate(np.diag([-1.0, 1.0, -1.0]))
    assert np.isnan(carry_pixels(pixels, cam, turned)).all()  # behind it


def test_a_skewed_source_is_resampled_exactly_too() -> None:
    """OpenCV's map would leave the skew out: 0.02 y is up to ten pixels here."""
    K = np.array([[830.0, 20, 331.5], [0, 790.0, 225.25], [0, 0, 1]])
    source = Camera(K, (WIDTH, HEIGHT), np.array(COEFFICIENTS["five"]))
    target = crop_camera(source, np.array([390.0, 260, 130, 190]), 96)
    spots = np.array([[60.0, 70.0], [30.0, 50.0], [48.0, 20.0]])
    image = dots(through(spots, target, source))
    np.testing.assert_allclose(found(resample(image, source, target)), spots, atol=0.1)


def test_a_target_may_have_a_lens_and_the_source_none() -> None:
    source = camera()
    target = replace(
        crop_camera(source, np.array([300.0, 120, 130, 190]), 96), distortion=np.array(COEFFICIENTS["four"])
    )
    spots = np.array([[60.0, 70.0], [12.0, 15.0], [80.0, 20.0]])
    image = dots(through(spots, target, source))
    np.testing.assert_allclose(found(resample(image, source, target)), spots, atol=0.1)


def test_outside_the_source_is_border() -> None:
    cam = camera()
    white = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    crop = crop_camera(cam, np.array([-200.0, 100, 260, 200]), SIDE)
    image = resample(white, cam, crop, border=40)
    assert (image[40:60, :20] == 40).all()
    assert (image[40:60, -10:] == 255).all()


def test_greyscale_masks_are_resampled_too() -> None:
    cam = camera(True)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[90:350, 400:510] = 255
    out = resample(mask, cam, crop_camera(cam, TALL, SIDE))
    assert out.shape == (SIDE, SIDE)
    assert out[SIDE // 2, SIDE // 2] == 255
    assert out[SIDE // 2, 0] == 0


def test_what_lies_behind_the_source_camera_is_border_not_a_ghost() -> None:
    wide = Camera.from_fov((800, 300), math.radians(160), "horizontal")
    white = np.full((300, 800, 3), 255, np.uint8)
    turned = wide.rotate(cv2.Rodrigues(np.array([[0.0], [math.radians(-70)], [0.0]]))[0])
    crop = Camera(np.array([[40.0, 0, 47.5], [0, 40, 47.5], [0, 0, 1]]), (96, 96), R=turned.R, t=turned.t)
    image = resample(white, wide, crop)
    rays = np.concatenate([crop.rays(np.array([[2.0, 47], [20, 47], [94, 47]])), np.ones((3, 1))], 1) @ crop.R
    assert (rays[:, 2] < 0).any()
    assert (rays[:, 2] > 0).any()
    for x, ray in zip((2, 20, 94), rays):
        inside = ray[2] > 0 and abs(ray[0] / ray[2]) < math.tan(math.radians(80))
        assert (image[47, x] == (255 if inside else 0)).all(), x


def test_a_folding_lens_shows_no_ghost_beyond_its_view() -> None:
    lens = np.array([-0.3, 0.0, 0.0, 0.0])
    cam = Camera(np.array([[300.0, 0, 249.5], [0, 300, 199.5], [0, 0, 1]]), (500, 400), lens)
    white = np.full((400, 500, 3), 255, np.uint8)
    # 50 degrees to the right, seen with 100 degrees of view: its right part looks beyond the fold at 46 degrees.
    turned = cam.without_distortion().rotate(cv2.Rodrigues(np.array([[0.0], [math.radians(-40)], [0.0]]))[0])
    crop = Camera(np.array([[40.0, 0, 47.5], [0, 40, 47.5], [0, 0, 1]]), (96, 96), R=turned.R)
    image = resample(white, cam, crop)
    assert (image[47, 20] == 255).all()
    assert (image[47, 60:] == 0).all()


# -- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([10.0, 10, 0, 50], "positive width, height"),
        ([10.0, 10, 40, -5], "positive width, height"),
        ([10.0, np.nan, 40, 50], "expected finite"),
        ([-3000.0, 10, 40, 50], "lens distortion cannot be inverted"),
    ],
)
def test_bad_boxes_are_refused(box: list[float], message: str) -> None:
    cam = Camera(camera().K, (WIDTH, HEIGHT), np.array([-0.3, 0.0, 0.0, 0.0]))
    with pytest.raises(InputError, match=message):
        crop_camera(cam, np.array(box), SIDE)


def test_box_wider_than_the_view_of_a_camera_is_refused() -> None:
    with pytest.raises(InputError, match="spans more than 170 degrees"):
        crop_camera(camera(), np.array([320.0, -1e7, 10.0, 2e7 + 450]), SIDE)


def test_image_of_another_size_or_camera_elsewhere_is_refused() -> None:
    cam = camera()
    crop = crop_camera(cam, TALL, SIDE)
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    with pytest.raises(InputError, match=r"image is 639x420 but its camera says \(640, 420\)"):
        resample(image[:, 1:], cam, crop)
    moved = Camera(crop.K, crop.size, R=crop.R, t=crop.t + 5)
    with pytest.raises(InputError, match="expected one optical centre"):
        resample(image, cam, moved)


def test_box_of_the_wrong_shape_is_refused_without_the_shape_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(InputError, match="left, top and positive width, height"):
        crop_camera(camera(), np.array([1.0, 2.0, 3.0]), SIDE)
