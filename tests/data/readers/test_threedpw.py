"""3DPW: a camera that moves, two actors, pickles as Python 2 writes them."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.readers.photographs import indexed, save_picture
from data.scenes import assert_painted, look_at, walk
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
Z_UP_TO_Y_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
"""The files' world is another one than that of the scene."""


@pytest.fixture(autouse=True)
def forget() -> None:
    threedpw.read_recording.cache_clear()
    threedpw._size.cache_clear()


def extrinsics(camera: Camera) -> np.ndarray:
    """World of the files -> camera, metres."""
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = camera.R @ Z_UP_TO_Y_UP.T, camera.t / 1000
    return out


def content() -> dict[str, Any]:
    people = [scene @ Z_UP_TO_Y_UP.T / 1000 for scene in (FIRST, SECOND)]
    points = np.zeros((FRAMES, 3, 18))
    points[0, 2, :7] = 0.4
    return {
        "sequence": "downtown_walking_00",
        "betas": [np.zeros(10), np.ones(10)],
        "genders": ["m", "f"],
        "jointPositions": [joints.reshape(FRAMES, 72) for joints in people],
        "cam_poses": np.stack([extrinsics(camera) for camera in CAMERAS]),
        "cam_intrinsics": CAMERAS[0].K,
        "campose_valid": [np.array(valid, np.uint8) for valid in VALID],
        "poses2d": [points, np.zeros((FRAMES, 3, 18))],
        "img_frame_ids": np.arange(0, 2 * FRAMES, 2),
    }


def python_2(value: Any) -> bytes:
    """The opcodes by which cPickle of Python 2 writes a value with protocol 2: text and arrays' bytes are its str."""
    if isinstance(value, str):
        return b"T" + struct.pack("<i", len(value)) + value.encode("latin1")
    if isinstance(value, bool | int) or value is None:
        return b"N" if value is None else b"J" + struct.pack("<i", value)
    if isinstance(value, dict):
        return b"}(" + b"".join(python_2(k) + python_2(v) for k, v in value.items()) + b"u"
    if isinstance(value, list):
        return b"](" + b"".join(map(python_2, value)) + b"e"
    if isinstance(value, tuple):
        return b"(" + b"".join(map(python_2, value)) + b"t"
    kind = python_2((value.dtype.str[1:], 0, 1))
    state = python_2((3, value.dtype.str[0], None, None, None, -1, -1, 0))
    dtype = b"cnumpy\ndtype\n" + kind + b"R" + state + b"b"
    empty = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n" + python_2((0,)) + python_2("b") + b"tR"
    data = value.tobytes().decode("latin1")
    return empty + b"(" + python_2(1) + python_2(value.shape) + dtype + b"\x89" + python_2(data) + b"tb"


def write(folder: Path, change: Callable[[dict[str, Any]], object] = lambda data: None) -> Path:
    for number, camera in enumerate(CAMERAS):
        path = folder / "imageFiles" / "downtown_walking_00" / f"image_{number:05d}.jpg"
        save_picture(path, camera, FIRST[number], SECOND[number])
    data = content()
    change(data)
    path = folder / "sequenceFiles" / "test" / "downtown_walking_00.pkl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x80\x02" + python_2(data) + b".")
    return path


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
