"""3DPW: a camera that moves, two actors, pickles as Python 2 writes them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.readers.photographs import indexed, save_picture
from data.scenes import assert_painted, look_at, paint, walk
from layouts import threedpw as layout
from layouts.threedpw import Z_UP_TO_Y_UP, sequence
from metricpose.data.faults import Faults
from metricpose.data.readers import threedpw
from metricpose.data.readers.contract import load, world_joints
from metricpose.errors import DataError
from metricpose.geometry.camera import Camera
from metricpose.types import OUTSIDE, UNKNOWN

FRAMES = 4
CAMERAS = [look_at((300.0 * n, -4000.0 - 50 * n, 1300.0), size=(450, 590)) for n in range(FRAMES)]
FIRST = walk("smpl_24", FRAMES)
SECOND = np.add(walk("smpl_24", FRAMES, turn=-0.1), (-700, 300, 0))
VALID = ([1, 1, 0, 1], [1, 0, 0, 1])


@pytest.fixture(autouse=True)
def forget() -> None:
    threedpw.read_recording.cache_clear()
    threedpw._size.cache_clear()


def write(folder: Path, change: Callable[[dict[str, Any]], object] = lambda data: None) -> Path:
    data = sequence("downtown_walking_00", CAMERAS, [FIRST, SECOND], list(VALID), [[7, 0, 0, 0], [0] * FRAMES])
    pictures = [paint(camera, SECOND[n], paint(camera, FIRST[n])) for n, camera in enumerate(CAMERAS)]
    return layout.write(folder, "test", data, pictures, change)


def test_joints_lie_where_they_are_painted(tmp_path: Path) -> None:
    write(tmp_path)
    faults = Faults()
    items = indexed(threedpw.READER, tmp_path, "test", faults)
    first, second = "downtown_walking_00.0", "downtown_walking_00.1"
    wanted = [f"{first}/00000", f"{first}/00001", f"{first}/00003", f"{second}/00000", f"{second}/00003"]
    assert [item.id for item in items] == wanted
    assert [entry.why.split(":")[0] for entry in faults.left_out] == ["1 of 4 frames", "2 of 4 frames"]
    for item in pickle.loads(pickle.dumps(items)):
        record = load(threedpw.READER, item)
        camera, scene = CAMERAS[item.frame], (FIRST, SECOND)[int(item.sequence[-1])]
        np.testing.assert_allclose(record.joints_mm, camera.to_camera(scene[item.frame]), atol=1e-6)
        np.testing.assert_allclose(record.joints_px, camera.project(scene[item.frame]), atol=1e-6)
        back = world_joints(threedpw.labels(item)) @ Z_UP_TO_Y_UP
        np.testing.assert_allclose(back, scene[item.frame], atol=1e-6)
        inside = ((record.joints_px > -0.5) & (record.joints_px < np.array(camera.size) - 0.5)).all(1)
        assert (record.visibility == np.where(inside, UNKNOWN, OUTSIDE)).all()
        assert record.abs_valid
        if item.sequence == second:
            assert_painted_last(record.image, camera, item.frame)
    facts = load(threedpw.READER, items[0]).info
    assert (facts["gender"], facts["action"], facts["detected"]) == ("m", "downtown_walking", 7)


def assert_painted_last(image: np.ndarray, camera: Camera, frame: int) -> None:
    """The second actor was painted over the first, so every dot of it can be compared."""
    pixels = camera.project(SECOND[frame])
    inside = ((pixels > 2) & (pixels < np.array(camera.size) - 3)).all(1)
    assert inside.sum() >= 8
    for x, y in pixels[inside]:
        assert np.ptp(image[round(y), round(x)].astype(int)) > 60, "grey ground, not a dot"


def test_the_first_actor_alone_is_exact(tmp_path: Path) -> None:
    write(tmp_path)
    for number, camera in enumerate(CAMERAS):
        name = f"image_{number:05d}.jpg"
        save_picture(tmp_path / "imageFiles" / "downtown_walking_00" / name, camera, FIRST[number])
    for item in indexed(threedpw.READER, tmp_path, "test")[:3]:
        assert_painted(load(threedpw.READER, item))


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no joints": (lambda d: d.pop("jointPositions"), "expected a sequence of 3DPW with .*, found no jointPositions"),
    "short": (lambda d: d["jointPositions"].__setitem__(1, np.zeros((3, 72))), "of actor 1 of 4 x 72 .*found 3 x 72"),
    "NaN": (lambda d: d["jointPositions"][0].__setitem__((0, 0), np.nan), "not all of them finite"),
    "scaled": (lambda d: d["cam_poses"].__imul__(1.01), "expected rigid motions in cam_poses, found another one"),
    "mirrored": (lambda d: d["cam_poses"][2].__setitem__(0, -d["cam_poses"][2][0]), "another one in frame 2"),
    "valid": (lambda d: d["campose_valid"].pop(), "expected campose_valid of 2 x 4 numbers, found 1 x 4"),
    "K": (lambda d: d.update(cam_intrinsics=np.eye(4)), "expected cam_intrinsics of 3 x 3 numbers, found 4 x 4"),
    "nobody": (lambda d: d.update(jointPositions=[]), "expected an actor and a frame, found 0 actors"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_each_fault_is_named(tmp_path: Path, fault: str) -> None:
    change, message = BROKEN[fault]
    path = write(tmp_path, change)
    with pytest.raises(DataError, match=rf"{path.name}: .*{message}"):
        indexed(threedpw.READER, tmp_path, "test")


def test_missing_pictures_and_damaged_pickles_are_named_and_left_out(tmp_path: Path) -> None:
    path = write(tmp_path)
    (path.parent / "other_00.pkl").write_bytes(path.read_bytes()[:900])
    with pytest.raises(DataError, match=r"other_00\.pkl: expected a pickle of plain values"):
        indexed(threedpw.READER, tmp_path, "test")
    faults = Faults(skip_bad=True)
    assert len(indexed(threedpw.READER, tmp_path, "test", faults)) == 5
    assert [entry.where for entry in faults.bad] == ["test/other_00"]
    (path.parent / "other_00.pkl").unlink()
    (tmp_path / "imageFiles" / "downtown_walking_00" / "image_00003.jpg").unlink()
    with pytest.raises(DataError, match="expected 4 pictures, as many as the sequence has frames, found 3"):
        indexed(threedpw.READER, tmp_path, "test")
    with pytest.raises(DataError, match="expected the sequences of 3DPW, found no such folder"):
        indexed(threedpw.READER, tmp_path, "train")
