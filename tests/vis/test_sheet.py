"""3D view, view from above and the sheet: geometry of the scene, and no trouble on odd results."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from metricpose.types import People
from metricpose.vis.figure3d import draw_person, draw_scene
from metricpose.vis.scene import make_scene, nice_step
from metricpose.vis.sheet import draw_sheet
from metricpose.vis.style import LEFT, RIGHT
from metricpose.vis.topview import draw_top_view
from reference.people import people as ugly_people
from vis.test_overlay import CAMERA, result, standing


def place(image: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    found = np.argwhere((np.abs(image.astype(int) - colour) < 12).all(-1))
    assert len(found) > 20
    return found.mean(0)[::-1]


def test_scene_is_metres_right_up_and_away() -> None:
    scene = make_scene(result(standing(x=500, z=3500)))
    np.testing.assert_allclose(scene.roots[0], (0.5, 0.0, 3.5), atol=1e-9)
    head = scene.joints[0, 10]
    np.testing.assert_allclose(head, (0.5, 0.75, 3.5), atol=1e-9)
    assert scene.ground == pytest.approx(-0.87)
    assert scene.corners[0, 0] < 0 < scene.corners[0, 1]


def test_a_tilted_camera_is_levelled_by_its_up_direction() -> None:
    tilt = math.radians(30)
    down = np.array([[1, 0, 0], [0, math.cos(tilt), -math.sin(tilt)], [0, math.sin(tilt), math.cos(tilt)]])
    people = result(standing() @ down.T)  # the level world as a camera sees it that looks up or down by 30 degrees
    up = [float(v) for v in down @ np.array([0, -1.0, 0])]
    scene = make_scene(replace(people, info={"up": up}))
    legs = scene.joints[0, 10] - scene.joints[0, 0]
    np.testing.assert_allclose(legs, (0, 0.75, 0), atol=1e-9)


def test_farther_is_higher_and_right_is_right_from_above() -> None:
    left_near = place(draw_top_view(make_scene(result(standing(-800, 2500), standing(800, 4500))), (500, 400)), LEFT)
    alone = place(draw_top_view(make_scene(result(standing(800, 4500))), (500, 400)), LEFT)
    assert alone[0] > left_near[0]
    assert alone[1] < left_near[1]


def test_the_side_view_is_not_mirrored() -> None:
    """Seen along the camera's own sight the person looks as in the photograph: facing us, its left is at our right."""
    scene = make_scene(result(standing()))
    front = draw_person(scene, 0, (300, 300), 0.0)
    assert place(front, LEFT)[0] > place(front, RIGHT)[0] + 20
    behind = draw_person(scene, 0, (300, 300), math.pi)
    assert place(behind, LEFT)[0] < place(behind, RIGHT)[0] - 20


def test_from_the_cameras_right_farther_things_are_to_the_right() -> None:
    arm_forward = standing()
    arm_forward[13] += (0, -300, 700)  # the left wrist reaches away from the camera
    scene = make_scene(result(arm_forward))
    side = draw_person(scene, 0, (300, 300), math.pi / 2)
    assert place(side, LEFT)[0] > place(side, RIGHT)[0] + 5


def test_grid_steps_are_round() -> None:
    assert [nice_step(s) for s in (3.0, 6.0, 14.0, 30.0, 3000.0)] == [0.5, 1.0, 2.0, 5.0, 100.0]


@pytest.mark.parametrize(
    ("size", "people"),
    [
        ((640, 480), ugly_people(2)),
        ((480, 640), ugly_people(0)),
        ((2000, 300), result(standing(z=25000))),
        ((300, 310), result(standing(z=-3000))),
    ],
    ids=["two", "nobody", "far", "behind"],
)
def test_sheets_of_all_shapes_and_results(size: tuple[int, int], people: People) -> None:
    sheet = draw_sheet(np.full((size[1], size[0], 3), 128, np.uint8), people, "title.jpg")
    assert sheet.shape[0] == 940
    assert 1300 < sheet.shape[1] < 1900
    assert sheet.std() > 5


def test_the_photo_is_on_the_cameras_image_plane() -> None:
    scene = make_scene(result(standing()))
    green = np.zeros((CAMERA.size[1], CAMERA.size[0], 3), np.uint8)
    green[..., 1] = 200
    with_photo, without = draw_scene(scene, (600, 400), green), draw_scene(scene, (600, 400))
    assert (np.abs(with_photo.astype(int) - (0, 200, 0)) < 30).all(-1).sum() > 200
    assert (np.abs(without.astype(int) - (0, 200, 0)) < 30).all(-1).sum() == 0


def test_people_are_numbered_as_in_the_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    """From 0 everywhere, as rows of arrays and the column `person`; a single person has no number."""
    written: list[str] = []
    for module in ("vis.canvas.Canvas.text", "vis.canvas.Canvas.pill"):
        monkeypatch.setattr(f"metricpose.{module}", lambda canvas, text, *place, **style: written.append(text))
    image = np.full((480, 640, 3), 128, np.uint8)
    draw_sheet(image, result(standing(-800, 2500), standing(800, 4500)))
    labels = sorted(text for text in written if text[:2] in ("0:", "1:", "2:"))
    near, far = (f"{k}: {math.hypot(800, z) / 1000:.2f} m" for k, z in enumerate((2500, 4500)))
    assert labels == sorted([near, near, far, far, "0: from the side", "1: from the side"])
    written.clear()
    draw_sheet(image, result(standing()))
    assert "3.50 m" in written
    assert not [text for text in written if ":" in text and text[0].isdigit()]
