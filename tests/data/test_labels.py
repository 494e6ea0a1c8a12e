"""The labels file: what it becomes, and a clear refusal of each fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from metricpose.data.labels import LabelFile, read_labels
from metricpose.data.pipeline import make_sample
from metricpose.errors import DataError
from metricpose.geometry.camera import Camera
from metricpose.skeleton import catalog
from metricpose.skeleton.core import joint_pairs
from metricpose.types import UNKNOWN

WIDTH, HEIGHT = 80, 57
K = [[90.0, 0, 41], [0, 95, 25], [0, 0, 1]]
LENS = [-0.2, 0.1, 0.001, -0.002, 0.01]


def item(name: str = "a.png", **changes: Any) -> dict[str, Any]:
    joints = np.random.default_rng(len(name)).normal((0, 0, 3000), (300, 500, 200), (17, 3)).round(1)
    made = {
        "file": name,
        "skeleton": "h36m_17",
        "K": K,
        "distortion": LENS,
        "joints_mm": joints.tolist(),
        "box_xywh": [5, 6.5, 40, 45],
        "source": "made up",
        "height_mm": 1720,
    }
    return {k: v for k, v in {**made, **changes}.items() if v is not ...}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def save(*items: Any, **top: Any) -> Path:
        image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        image[3, 7] = (10, 20, 200)  # BGR: a red pixel
        cv2.imwrite(str(tmp_path / "a.png"), image)
        (tmp_path / "labels.json").write_text(json.dumps({"items": list(items), **top}))
        return tmp_path

    return save


def test_an_item_becomes_a_record(write: Callable[..., Path]) -> None:
    folder = write(item())
    record = read_labels(folder)[0]
    assert record.image.shape == (HEIGHT, WIDTH, 3)
    assert record.image[3, 7].tolist() == [200, 20, 10]
    assert record.camera.size == (WIDTH, HEIGHT)
    np.testing.assert_array_equal(record.camera.K, K)
    np.testing.assert_array_equal(record.camera.distortion, LENS)
    np.testing.assert_array_equal(record.joints_mm, item()["joints_mm"])
    np.testing.assert_array_equal(record.box_xywh, [5, 6.5, 40, 45])
    assert (record.visibility == UNKNOWN).all()
    assert record.abs_valid
    assert record.info["source"] == "made up"
    assert record.info["height_mm"] == 1720
    assert record.info["id"] == "a.png"
    assert "joints_mm" not in record.info


def test_pixels_are_the_projection_unless_given(write: Callable[..., Path]) -> None:
    joints = np.array(item()["joints_mm"])
    expected = Camera(np.array(K), (WIDTH, HEIGHT), np.array(LENS)).project_camera(joints)
    np.testing.assert_allclose(read_labels(write(item()))[0].joints_px, expected)
    given = (expected + 0.5).tolist()
    np.testing.assert_allclose(read_labels(write(item(joints_px=given)))[0].joints_px, expected + 0.5)


def test_null_joints_are_nan_and_options_are_read(write: Callable[..., Path]) -> None:
    joints: list[Any] = item()["joints_mm"]
    joints[2], joints[5] = None, [1.0, None, 3.0]
    visibility = [2, 1, 0, 255] + [2] * 13
    made = item(joints_mm=joints, visibility=visibility, abs_valid=False, distortion=..., id="first")
    record = read_labels(write(made) / "labels.json")[0]
    assert np.flatnonzero(np.isnan(record.joints_mm).all(1)).tolist() == [2, 5]
    assert np.flatnonzero(np.isnan(record.joints_px).all(1)).tolist() == [2, 5]
    assert record.visibility.tolist() == visibility
    assert not record.abs_valid
    assert record.info["id"] == "first"
    assert len(record.camera.distortion) == 0


def test_the_other_distortion_key_is_understood(write: Callable[..., Path]) -> None:
    record = read_labels(write(item(distortion=..., distortion_k1k2p1p2k3=LENS)))[0]
    np.testing.assert_array_equal(record.camera.distortion, LENS)


def test_joint_lists_in_other_spellings_are_recognised(write: Callable[..., Path]) -> None:
    names = "pelvis rhip RightKnee r_ankle LHip lknee lankle spine thorax neck/nose head lshoulder lelbow lwrist "
    names += "rshoulder relbow rwrist"
    assert len(read_labels(write(item(), skeletons={"h36m_17": names.split()}))) == 1


def test_ordinal_labels_are_read_by_joint_names(write: Callable[..., Path]) -> None:
    rows: list[Any] = [
        ["pelvis", "l_wrist", 1],
        ["l_wrist", "r_knee", 1, 0.25],
        ["nose", "thorax", 0],
        ["spine", "nose", -1],
    ]
    record = read_labels(write(item(order=rows)))[0]
    assert record.order is not None
    assert record.order_w is not None
    joints = catalog.H36M_17.index
    given = {}
    for place in np.flatnonzero(record.order_w):
        a, b = joint_pairs(17)[place]
        given[int(a), int(b)] = (record.order[place], record.order_w[place])
    assert given == {
        (joints("pelvis"), joints("l_wrist")): (1, 1),
        (joints("r_knee"), joints("l_wrist")): (-1, 0.25),
        (joints("thorax"), joints("nose")): (0, 1),
        (joints("spine"), joints("nose")): (-1, 1),
    }
    assert "order" not in record.info
    assert read_labels(write(item()))[0].order is None
    assert (read_labels(write(item(order=[])))[0].order_w == 0).all()


def weak(**changes: Any) -> dict[str, Any]:
    pixels: list[Any] = np.random.default_rng(0).uniform(0, 50, (17, 2)).round(1).tolist()
    pixels[4] = None
    return item(**{"joints_mm": ..., "K": ..., "distortion": ..., "joints_px": pixels, **changes})


def test_weak_items_need_neither_depth_nor_camera(write: Callable[..., Path]) -> None:
    folder = write(weak(order=[["pelvis", "nose", 1]]), item(id="full"))
    record = LabelFile(folder, needs_3d=False)[0]
    assert np.isnan(record.joints_mm).all()
    assert np.flatnonzero(np.isnan(record.joints_px).any(1)).tolist() == [4]
    assert record.camera.K[0, 0] == pytest.approx(WIDTH / 2 / np.tan(np.radians(55 / 2)))
    assert (record.order_w > 0).sum() == 1  # type: ignore[operator]
    sample = make_sample(record, 32, catalog.METRICPOSE_25)
    assert sample.z_w.sum() == sample.abs_w == 0
    assert sample.uv_w.sum() == 16
    assert sample.order_w.sum() == 1  # type: ignore[union-attr]
    np.testing.assert_array_equal(LabelFile(folder, needs_3d=False)[1].joints_mm, item()["joints_mm"])
    given = LabelFile(write(weak(K=K, distortion=LENS)), needs_3d=False)[0].camera
    np.testing.assert_array_equal(given.K, K)
    np.testing.assert_array_equal(given.distortion, LENS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"joints_px": ...}, "missing joints_px; an item needs file, skeleton, joints_px, box_xywh"),
        ({"joints_px": [None] * 17}, "no joint of joints_px is measured"),
        ({"distortion": LENS}, "distortion without K"),
        ({"box_xywh": [5, 6, -1, 45]}, "expected left, top and positive width, height"),
    ],
)
def test_faulty_weak_items_are_refused(write: Callable[..., Path], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        LabelFile(write(weak(**changes)), needs_3d=False)


def test_evaluation_refuses_weak_items(write: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match="missing K, joints_mm"):
        read_labels(write(weak()))


def test_an_index_outside_is_an_index_error(write: Callable[..., Path]) -> None:
    with pytest.raises(IndexError, match="item 1 of 1"):
        read_labels(write(item()))[1]


SWAPPED = [j.replace("l_", "x_").replace("r_", "l_").replace("x_", "r_") for j in catalog.H36M_17.joints]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"K": ...}, r"item 0 \(a.png\): missing K"),
        ({"box_xywh": ...}, "missing box_xywh"),
        ({"skeleton": "h36m_99"}, "unknown skeleton 'h36m_99'; known: metricpose_25"),
        ({"file": "b.png"}, "no image .*b.png"),
        ({"K": [[90, 0, 41], [0, 95, 25]]}, r"K has shape \(2, 3\), expected \(3, 3\)"),
        ({"K": [[90, 0, 41], [0, None, 25], [0, 0, 1]]}, "K holds null"),
        ({"K": [[90, 0, "x"], [0, 95, 25], [0, 0, 1]]}, "K must hold numbers only"),
        ({"distortion": [0.1, 0.2]}, "distortion has 2 values, expected 0, 4, 5, 8 or 12"),
        ({"joints_mm": [[1, 2, 3]] * 16}, "joints_mm has 16 joints, skeleton h36m_17 has 17"),
        ({"joints_mm": [[1, 2]] * 17}, r"joint 0 of joints_mm is \[1, 2\]; expected 3 numbers or null"),
        ({"joints_mm": [None] * 17}, "no joint of joints_mm is measured"),
        ({"joints_mm": (np.array(item()["joints_mm"]) / 1000).tolist()}, "must be millimetres"),
        ({"joints_mm": (np.array(item()["joints_mm"]) * (1, 1, -1)).tolist()}, "z <= 0; expected the camera frame"),
        ({"joints_px": [[1, 2]] * 3}, "joints_px has 3 joints"),
        ({"box_xywh": [5, 6, 0, 45]}, "expected left, top and positive width, height"),
        ({"visibility": [3] * 17}, "visibility is .* expected 17 values out of"),
        ({"visibility": [2]}, "expected 17 values"),
        ({"height_mm": "175 cm"}, r"item 0 \(a.png\): height_mm is '175 cm'; expected millimetres as a number"),
        ({"height_mm": 1.75}, r"height_mm is 1.75; expected millimetres as a number of at least 100"),
        ({"height_mm": True}, "height_mm is True; expected millimetres"),
        ({"age_years": "x"}, "age_years is 'x'; expected years as a number of at least 0, or null"),
        ({"age_years": [30]}, r"age_years is \[30\]; expected years"),
        ({"age_years": float("inf")}, "age_years is inf; expected years"),
        ({"order": [["pelvis", "tail", 1]]}, "order holds .*tail.*: skeleton h36m_17 has no joint 'tail'"),
        ({"order": [["pelvis", "pelvis", 1]]}, "joints 0 and 0 are no pair"),
        ({"order": [["pelvis", "nose", 2]]}, "1 if the second is closer, -1 if farther"),
        ({"order": [["pelvis", "nose", 1, 0]]}, "a weight above 0"),
        ({"order": [["pelvis", "nose", 1, "x"]]}, "a weight above 0"),
        ({"order": [[0, 3, 1]]}, r"order holds \[0, 3, 1\]"),
        ({"order": {"pelvis": "nose"}}, "order holds {'pelvis': 'nose'}"),
        ({"order": [["pelvis", "nose", 1], ["nose", "pelvis", 1]]}, "labels nose and pelvis twice"),
    ],
)
def test_faulty_items_are_refused_at_once(write: Callable[..., Path], changes: dict[str, Any], message: str) -> None:
    folder = write(item(**changes))
    with pytest.raises(DataError, match=message):
        LabelFile(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"K": [[0, 0, 41], [0, 95, 25], [0, 0, 1]]}, r"item 0 \(a.png\): camera K is singular"),
        ({"joints_px": [[1.0, 2.0]] * 17}, "px .median. from the projection of joints_mm: K, distortion, axes"),
    ],
)
def test_labels_that_contradict_the_camera_are_refused(
    write: Callable[..., Path], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_labels(write(item(**changes)))[0]


@pytest.mark.parametrize("facts", [{"height_mm": None, "age_years": None}, {"height_mm": 500.5, "age_years": 0}])
def test_facts_of_the_person_are_numbers_or_unknown(write: Callable[..., Path], facts: dict[str, Any]) -> None:
    assert read_labels(write(item(**facts)))[0].info.items() >= facts.items()


def test_a_damaged_image_is_named(write: Callable[..., Path]) -> None:
    folder = write(item())
    (folder / "a.png").write_bytes((folder / "a.png").read_bytes()[:60])
    with pytest.raises(DataError, match=r"item 0 \(a.png\): .*a.png"):
        read_labels(folder)[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", 'expected {"items"'),
        ('{"items": []}', "at least one item"),
        ('{"items": [3]}', "item 0 .* missing file"),
    ],
)
def test_files_of_another_form_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(DataError, match=message):
        LabelFile(tmp_path)


def test_a_missing_file_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*labels.json: No such file.* a folder with labels.json"):
        LabelFile(tmp_path)


def test_repeated_ids_are_refused(write: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match=r"ids \['a.png'\] occur twice"):
        LabelFile(write(item(), item()))
    assert len(LabelFile(write(item(), item(id="second person")))) == 2


@pytest.mark.parametrize(
    ("joints", "message"),
    [
        (SWAPPED, "joint 1 of h36m_17 is 'r_hip', the file says 'l_hip'"),
        (["pelvis"], "h36m_17 has 17 joints, the file lists"),
    ],
)
def test_another_joint_order_is_refused(write: Callable[..., Path], joints: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        LabelFile(write(item(), skeletons={"h36m_17": joints}))


def test_the_shared_real_frames(real_dev: Path) -> None:
    labels = read_labels(real_dev)
    assert len(labels) == 47
    seen = {labels[i].skeleton for i in (0, 5, 20)}
    assert seen == {"h36m_17", "mpi_inf_3dhp_17", "openpose_25"}
    record = labels[20]
    error = np.linalg.norm(record.camera.project_camera(record.joints_mm) - record.joints_px, axis=1)
    assert np.isnan(error).sum() > 0
    assert np.nanmax(error) < 1.5
