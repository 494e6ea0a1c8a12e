"""Load and predict: the real code path with a tiny random model, the numbers with the dot model."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

import metricpose
from metricpose.errors import CheckpointError, InputError
from metricpose.formats.camera_file import write_camera
from metricpose.geometry.camera import Camera
from metricpose.models.metrabs import Metrabs, MetrabsConfig
from metricpose.predict.api import PoseModel, load
from metricpose.predict.boxes import Boxes
from metricpose.predict.network import CropNetwork
from metricpose.predict.plausible import Rules
from metricpose.types import MEASURED, OUT_OF_FRAME, People
from metricpose.weights import save_model
from reference.dots import DotModel, body, draw

CAMERA = Camera.from_fov((801, 600), math.radians(60))
WORLD = body() + np.array([200.0, 0, 3200.0])


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "random.safetensors"
    save_model(path, Metrabs(MetrabsConfig(side=64)), "metrabs", half=False)
    return path


@pytest.fixture(scope="module")
def model(random_model: Path) -> PoseModel:
    return load(random_model, device="cpu", offline=True)


@pytest.fixture
def dots() -> PoseModel:
    return PoseModel(CropNetwork(DotModel(body())), {"model": "dots", "sha256": "0"})


def box() -> np.ndarray:
    px = CAMERA.project(WORLD)
    return np.concatenate([px.min(0) - 20, np.ptp(px, axis=0) + 40])[None]


class Finder:
    """A detector that returns what it was given."""

    name = "finder"

    def __init__(self, boxes: np.ndarray, scores: list[float]) -> None:
        self.answer = Boxes(boxes, np.array(scores))

    def __call__(self, image: np.ndarray) -> Boxes:
        return self.answer


def check(people: People) -> None:
    """What every result must fulfil."""
    np.testing.assert_array_equal(people.joints_px, people.camera.project(people.joints_mm))
    assert len(people.joints_mm) == len(people.boxes) == len(people.scores) == len(people.track_id)
    assert people.scale_source


@pytest.mark.parametrize("tta", [1, 2, 5])
def test_a_real_model_from_its_file(model: PoseModel, tta: int) -> None:
    image = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    people = model.predict(image, boxes=[[10, 20, 80, 90], [50, 5, 60, 100]], tta=tta, skeleton="h36m_17")
    check(people)
    assert people.joints_mm.shape == (2, 17, 3)
    assert np.isfinite(people.joints_mm).all()
    assert people.info["model"]["sha256"] == model.metadata["sha256"]
    assert people.info["box_source"] == "given"
    assert people.info["tta"] == tta
    assert "assumed" in people.info["camera_source"]


def test_the_result_saves_itself(model: PoseModel, tmp_path: Path) -> None:
    people = model.predict(np.full((60, 80, 3), 90, np.uint8), boxes=[[10, 10, 40, 45]], fov_deg=70)
    people.save(tmp_path / "pose.json")
    after = metricpose.load_people(tmp_path / "pose.json")
    np.testing.assert_array_equal(after.joints_mm, people.joints_mm)
    assert after.info["camera_source"] == "field of view 70 degrees given"


def test_bad_models_and_devices_are_refused(random_model: Path, tmp_path: Path) -> None:
    (tmp_path / "half.safetensors").write_bytes(random_model.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match="complete"):
        load(tmp_path / "half.safetensors")
    with pytest.raises(CheckpointError, match="no model"):
        load(tmp_path / "none.safetensors")
    with pytest.raises(InputError, match="not available here"):
        load(random_model, device="cuda:17")
    with pytest.raises(InputError, match="not available here"):
        load(random_model, device="toaster")


def test_joints_land_where_they_are(dots: PoseModel) -> None:
    people = dots.predict(draw(CAMERA, WORLD), camera=CAMERA, boxes=box(), tta=3)
    check(people)
    assert np.linalg.norm(people.joints_mm[0] - WORLD, axis=-1).max() < 30
    outside = ((CAMERA.project(WORLD) < -0.5) | (CAMERA.project(WORLD) > np.array(CAMERA.size) - 0.5)).any(-1)
    np.testing.assert_array_equal(people.state[0], np.where(outside, OUT_OF_FRAME, MEASURED))


def test_camera_extrinsics_give_world_coordinates(dots: PoseModel) -> None:
    turned = Camera(CAMERA.K, CAMERA.size, R=np.diag([1.0, -1, -1]), t=np.array([100.0, 0, 0]))
    world = turned.to_world(WORLD)
    people = dots.predict(draw(turned, world), camera=turned, boxes=box(), up=(0.0, 1.0, 0.0))
    check(people)
    assert np.linalg.norm(people.joints_mm[0] - world, axis=-1).max() < 30


@pytest.mark.parametrize("axes", [(0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)])
def test_whatever_axis_of_the_world_is_up_people_are_looked_at_upright(
    model: PoseModel, axes: tuple[float, float, float]
) -> None:
    """The same picture with and without extrinsics gives the same pose, whatever world they lead to."""
    image = np.random.default_rng(1).integers(0, 255, (600, 801, 3), dtype=np.uint8)
    R = Rotation.align_vectors([[0.0, -1, 0], [0.6, 0, 0.8]], [axes, np.roll(axes, 1)])[0].as_matrix()
    placed = Camera(CAMERA.K, CAMERA.size, R=R, t=np.array([10.0, -700, 40]))
    plain = model.predict(image, camera=CAMERA, boxes=box())
    people = model.predict(image, camera=placed, boxes=box())
    np.testing.assert_allclose(placed.to_camera(people.joints_mm), plain.joints_mm, atol=0.02)
    np.testing.assert_allclose(people.info["up"], axes, atol=1e-9)
    assert not any("from the top of the picture" in w for w in people.info["warnings"])
    wrong = model.predict(image, camera=placed, boxes=box(), up=tuple(-v for v in axes))
    assert any("180 degrees from the top of the picture" in w for w in wrong.info["warnings"])
    assert np.abs(wrong.joints_mm - people.joints_mm).max() > 1.0


def test_a_camera_may_come_as_a_file_or_as_what_it_holds(dots: PoseModel, tmp_path: Path) -> None:
    write_camera(CAMERA, tmp_path / "camera.json")
    image = draw(CAMERA, WORLD)
    expected = dots.predict(image, camera=CAMERA, boxes=box()).joints_mm
    for given in (tmp_path / "camera.json", str(tmp_path / "camera.json"), {"K": CAMERA.K, "size": CAMERA.size}):
        np.testing.assert_array_equal(dots.predict(image, camera=given, boxes=box()).joints_mm, expected)


def test_the_result_says_which_frame_it_is_in(dots: PoseModel) -> None:
    image = draw(CAMERA, WORLD)
    assert dots.predict(image, camera=CAMERA, boxes=box()).frame == "camera"
    moved = Camera(CAMERA.K, CAMERA.size, t=np.array([0.0, 0, 5]))
    assert dots.predict(image, camera=moved, boxes=box()).frame == "world"


def test_people_nobody_can_make_out_and_odd_fields_of_view_are_noted(model: PoseModel) -> None:
    people = model.predict(np.full((60, 80, 3), 90, np.uint8), boxes=[[10, 10, 40, 45]], fov_deg=0.5)
    notes = people.info["warnings"]
    assert any(w.startswith("person 0 has no joint in the photograph") for w in notes)
    assert any("0.5 of them are 29 degrees" in w for w in notes)


def test_a_detection_that_no_view_takes_is_dropped_and_said(dots: PoseModel) -> None:
    bent = Camera(CAMERA.K, CAMERA.size, np.array([-0.5, 0.0, 0.0, 0.0]))
    world = body() * 0.4 + np.array([0.0, 0.0, 3200.0])
    px = bent.project(world)
    good = np.concatenate([px.min(0) - 10, np.ptp(px, axis=0) + 20])
    finder = Finder(np.stack([good, np.array([-10.0, 0.0, 820.0, 600.0])]), [0.5, 0.9])
    people = dots.predict(draw(bent, world), camera=bent, detector=finder, rules=Rules(bone_ratio=None))
    assert people.scores.tolist() == [0.5]
    assert any("no view of this camera takes it" in w for w in people.info["warnings"])


def test_without_boxes_the_model_finds_its_person(dots: PoseModel) -> None:
    people = dots.predict(draw(CAMERA, WORLD), camera=CAMERA)
    check(people)
    assert people.info["box_source"] == "self"
    assert np.linalg.norm(people.joints_mm[0] - WORLD, axis=-1).max() < 40


def test_a_detector_is_filtered_and_given_boxes_are_not(dots: PoseModel) -> None:
    """The dot body has no human proportions: the default rules drop it from a detector, and say so."""
    image = draw(CAMERA, WORLD)
    finder = Finder(box(), [0.8])
    people = dots.predict(image, camera=CAMERA, detector=finder)
    assert len(people) == 0
    assert any("impossible bone lengths" in w for w in people.info["warnings"])
    people = dots.predict(image, camera=CAMERA, detector=finder, rules=Rules(bone_ratio=None))
    assert people.scores.tolist() == [0.8]
    assert people.info["box_source"] == "detector finder"
    assert len(dots.predict(image, camera=CAMERA, boxes=box())) == 1


def test_two_boxes_of_one_person_become_one(dots: PoseModel) -> None:
    finder = Finder(np.concatenate([box(), box() + np.array([-5.0, -5, 10, 10])]), [0.5, 0.9])
    people = dots.predict(draw(CAMERA, WORLD), camera=CAMERA, detector=finder, rules=Rules(bone_ratio=None))
    assert people.scores.tolist() == [0.9]


def test_a_detector_that_finds_nobody_is_no_error(dots: PoseModel) -> None:
    people = dots.predict(draw(CAMERA, WORLD), detector=Finder(np.zeros((0, 4)), []), tta=3, fov_deg="auto")
    check(people)
    assert len(people) == 0


def test_a_real_model_with_nobody_in_the_picture(model: PoseModel) -> None:
    people = model.predict(
        np.full((60, 80, 3), 90, np.uint8), detector=Finder(np.zeros((0, 4)), []), skeleton="h36m_17"
    )
    check(people)
    assert people.joints_mm.shape == (0, 17, 3)


def test_auto_says_what_it_used_instead(dots: PoseModel) -> None:
    people = dots.predict(draw(CAMERA, WORLD), boxes=box(), fov_deg="auto")
    assert any("field of view 'auto'" in w and "used instead" in w for w in people.info["warnings"])


def test_auto_runs_with_two_heads(model: PoseModel) -> None:
    people = model.predict(np.full((60, 80, 3), 90, np.uint8), boxes=[[10, 10, 40, 45]], fov_deg="auto")
    check(people)
    assert people.info["camera_origin"] in {"assumed", "estimated"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"boxes": [[1, 2, 3, 4]], "detector": Finder(np.zeros((0, 4)), [])}, "either boxes or a detector"),
        ({"camera": CAMERA, "fov_deg": 55}, "either a camera or a field of view"),
        ({"camera": CAMERA, "fov_deg": "auto"}, "either a camera or the field of view 'auto'"),
        ({"skeleton": "h36m_71"}, "unknown skeleton 'h36m_71'; known: "),
        ({"tta": 0}, "expected 1 to 32"),
        ({"batch_size": 0}, "batch_size"),
        ({"up": (0.0, 0.0, 0.0)}, "other than zero"),
        ({"up": (0.0, math.nan, 1.0)}, "other than zero"),
        ({"camera": np.eye(3)}, "got ndarray; for a 3 x 3 matrix K pass metricpose.Camera"),
        ({"camera": "none.json"}, "cannot read camera file none.json"),
        ({"camera": {"K": np.eye(3)}}, "missing \\['size'\\]"),
        ({"camera": Camera(np.array([[2.2, 0, 0.5], [0, 2.2, 0.5], [0, 0, 1]]), (801, 600))}, "not normalised"),
        ({"detector": "none.onnx"}, "expected a YOLOX network"),
        ({"detector": 7}, "expected the path of one"),
        ({"boxes": [[0.35, 0.2, 0.25, 0.75]]}, "not fractions of the image"),
        ({"boxes": [[900, 0, 10, 10]]}, "outside the image"),
    ],
)
def test_bad_options_are_refused(dots: PoseModel, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        dots.predict(np.zeros((600, 801, 3), np.uint8), **options)


def test_public_names_exist() -> None:
    for name in metricpose.__all__:
        assert getattr(metricpose, name) is not None
        assert name in dir(metricpose)
    with pytest.raises(AttributeError, match="nonsense"):
        metricpose.nonsense  # noqa: B018
