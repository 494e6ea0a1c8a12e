"""The whole road from picture to world coordinates against known truth (see reference/dots.py)."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from metricpose.geometry.camera import Camera
from metricpose.predict.estimate import estimate
from metricpose.predict.network import CropNetwork
from metricpose.predict.views import View, schedule
from reference.dots import SKELETON, DotModel, body, draw

POINTS = body()
K = np.array([[900.0, 0, 610], [0, 880, 330], [0, 0, 1]])
PLAIN = Camera(K, (1201, 703))
LENS = replace(PLAIN, distortion=np.array([-0.25, 0.08, 1e-3, -5e-4, 0.01]))
TURN = Rotation.from_euler("xyz", [0.2, -0.5, 0.1]).as_matrix()
WORLD = replace(LENS, R=TURN, t=np.array([300.0, -200.0, 900.0]))
CAMERAS = {"plain": PLAIN, "distorted": LENS, "world": WORLD}


def place(camera: Camera, centre: tuple[float, float, float]) -> np.ndarray:
    """The body somewhere in front of the camera, in world coordinates."""
    return camera.to_world(POINTS @ Rotation.from_rotvec([0.1, 0.7, -0.2]).as_matrix().T + np.array(centre))


def box(camera: Camera, world: np.ndarray, margin: float = 30.0) -> np.ndarray:
    pixels = camera.project(world)
    low, high = pixels.min(0) - margin, pixels.max(0) + margin
    return np.concatenate([low, high - low])


def run(camera: Camera, world: np.ndarray, views: list[View], **options: object) -> object:
    network = CropNetwork(DotModel(POINTS))
    up = tuple(float(v) for v in camera.R.T @ np.array([0, -1.0, 0]))
    return estimate(network, draw(camera, world), camera, box(camera, world)[None], views, up=up, **options)


@pytest.mark.parametrize("name", CAMERAS)
@pytest.mark.parametrize("centre", [(0.0, 0.0, 3000.0), (1000.0, 250.0, 3600.0), (-900.0, -100.0, 2900.0)])
def test_joints_come_back_in_the_world_frame(name: str, centre: tuple[float, float, float]) -> None:
    camera = CAMERAS[name]
    world = place(camera, centre)
    found = run(camera, world, [View()])
    errors = np.linalg.norm(found.joints_mm[0] - world, axis=-1)
    assert errors.max() < 25  # of some 3 m: dots are found to a tenth of a pixel
    relative = found.joints_mm[0] - found.joints_mm[0].mean(0) - (world - world.mean(0))
    assert np.linalg.norm(relative, axis=-1).max() < 12
    assert np.abs(camera.project(found.joints_mm[0]) - camera.project(world)).max() < 0.8
    assert found.flags.tolist() == [0]


@pytest.mark.parametrize("name", CAMERAS)
@pytest.mark.parametrize("n", [2, 5, 6])
def test_every_view_of_the_schedule_agrees_in_the_world_frame(name: str, n: int) -> None:
    camera = CAMERAS[name]
    world = place(camera, (500.0, 100.0, 3400.0))
    found = run(camera, world, schedule(n))
    assert found.views_mm.shape == (1, n, len(SKELETON), 3)
    assert np.linalg.norm(found.views_mm[0] - world, axis=-1).max() < 40
    np.testing.assert_allclose(found.joints_mm[0], found.views_mm[0].mean(0), atol=1e-9)
    assert np.linalg.norm(found.joints_mm[0] - world, axis=-1).max() < 20


@pytest.mark.parametrize("name", CAMERAS)
@pytest.mark.parametrize("n", [1, 2])
def test_a_mirrored_photograph_with_its_mirrored_camera_shows_the_same_world(name: str, n: int) -> None:
    camera = CAMERAS[name]
    world = place(camera, (500.0, 100.0, 3400.0))
    mirrored, picture = camera.flip(), np.ascontiguousarray(draw(camera, world)[:, ::-1])
    up = tuple(float(v) for v in camera.R.T @ np.array([0, -1.0, 0]))
    boxes = box(mirrored, world)[None]
    found = estimate(CropNetwork(DotModel(POINTS)), picture, mirrored, boxes, schedule(n), up=up)
    assert np.linalg.norm(found.joints_mm[0] - world, axis=-1).max() < 25


def test_one_view_is_the_identity() -> None:
    world = place(LENS, (500.0, 100.0, 3400.0))
    np.testing.assert_array_equal(run(LENS, world, schedule(1)).joints_mm, run(LENS, world, schedule(5)).views_mm[:, 0])


def test_batches_do_not_change_the_result() -> None:
    world = place(LENS, (500.0, 100.0, 3400.0))
    whole, pieces = run(LENS, world, schedule(5)), run(LENS, world, schedule(5), batch_size=2)
    np.testing.assert_allclose(whole.joints_mm, pieces.joints_mm, atol=1e-6)


def test_the_batch_size_bounds_the_crops_in_memory() -> None:
    network = CropNetwork(DotModel(POINTS))
    world = place(PLAIN, (0, 0, 3000.0))
    boxes = np.stack([box(PLAIN, world)] * 3)
    estimate(network, draw(PLAIN, world), PLAIN, boxes, schedule(2), batch_size=4)
    assert network.model.calls == [4, 2]


def test_covariance_turns_with_the_joints() -> None:
    """The model's deviation is three times larger along its optical axis; that axis must point at the person."""
    camera = WORLD
    world = place(camera, (1000.0, 250.0, 3600.0))
    found = run(camera, world, [View()])
    values, axes = np.linalg.eigh(found.covariance_mm2[0, 4])
    np.testing.assert_allclose(values, [400, 800, 3600], rtol=1e-4)
    centre = np.array([box(camera, world)[:2] + box(camera, world)[2:] / 2])
    ray = camera.to_world(np.append(camera.rays(centre)[0], 1.0)) - camera.position
    assert abs(axes[:, 2] @ ray) / np.linalg.norm(ray) == pytest.approx(1.0, abs=1e-6)


def test_covariance_of_views_adds_their_scatter() -> None:
    world = place(PLAIN, (500.0, 100.0, 3400.0))
    found = run(PLAIN, world, schedule(6))
    relative = found.views_mm[0] - found.views_mm[0][:, SKELETON.root : SKELETON.root + 1]
    scatter = np.stack([np.cov(relative[:, j].T, bias=True) for j in range(len(SKELETON))])
    plain = run(PLAIN, world, [View()]).covariance_mm2[0]
    gained = np.trace(found.covariance_mm2[0] - plain, axis1=1, axis2=2)
    np.testing.assert_allclose(gained, np.trace(scatter, axis1=1, axis2=2), rtol=1e-3, atol=0.05)
    np.testing.assert_array_equal(found.covariance_mm2, found.covariance_mm2.swapaxes(-1, -2))


def test_views_that_found_no_position_are_left_out_of_the_mean() -> None:
    """Zoomed in far, the dots leave the crop and the model says so by its flag."""
    world = place(PLAIN, (0.0, 0.0, 3000.0))
    found = run(PLAIN, world, [View(), View(zoom=30.0)])
    np.testing.assert_array_equal(found.joints_mm[0], found.views_mm[0, 0])
    assert found.flags.tolist() == [0]


def test_two_people_and_nobody() -> None:
    left, right = place(PLAIN, (-900.0, 0.0, 3000.0)), place(PLAIN, (900.0, 100.0, 3900.0))
    image = draw(PLAIN, right, draw(PLAIN, left))
    network = CropNetwork(DotModel(POINTS))
    found = estimate(network, image, PLAIN, np.stack([box(PLAIN, right), box(PLAIN, left)]), [View()])
    assert np.linalg.norm(found.joints_mm - np.stack([right, left]), axis=-1).max() < 40
    nobody = estimate(network, image, PLAIN, np.zeros((0, 4)), schedule(3))
    assert nobody.joints_mm.shape == (0, 17, 3)
    assert nobody.views_mm.shape == (0, 3, 17, 3)


def test_upright_means_up_in_the_world() -> None:
    """A camera lying on its side still gives the network an upright person."""
    lying = PLAIN.rotate(Rotation.from_euler("z", math.pi / 2).as_matrix())
    world = lying.to_world(POINTS + np.array([0, 0, 3500.0]))
    network = CropNetwork(DotModel(POINTS))
    up = (0.0, -1.0, 0.0)
    found = estimate(network, draw(lying, world), lying, box(lying, world)[None], [View()], up=up)
    vertical = found.crops[0].R @ np.array(up)
    assert vertical[1] == pytest.approx(-1.0, abs=0.05)
    assert np.linalg.norm(found.joints_mm[0] - world, axis=-1).max() < 40
