"""Records to predictions: an oracle must come out as the truth, whatever the camera, batch or frame."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from metricpose.data.pipeline import make_sample
from metricpose.errors import InputError
from metricpose.evaluation.predictions import Header, own_frame
from metricpose.evaluation.run import describe_model, predict_records
from metricpose.geometry.bonedepth import bone_lengths
from metricpose.geometry.crop import crop_camera
from metricpose.models.height import HeightScale
from metricpose.models.twofive import Twofive, TwofiveConfig
from metricpose.predict.estimate import estimate
from metricpose.predict.network import FROM_BOX, CropNetwork
from metricpose.predict.views import View, schedule, view_camera
from metricpose.types import Batch, Pose, Record
from oracle import SIDE, Oracle, records

HEADER = Header("synthetic", "made up", "test", 0, 0, "true boxes", "metricpose_25", "pelvis", "network")


def test_an_oracle_comes_out_as_the_truth_in_the_frame_of_the_image() -> None:
    known = records(5)
    found = predict_records(Oracle(known), known, HEADER)
    for index, record in enumerate(known):
        np.testing.assert_allclose(found.joints_abs_mm[index], record.joints_mm, atol=1e-2)  # float32 at 3 m
        np.testing.assert_allclose(found.joints_px[index], record.joints_px, atol=1e-2)
    np.testing.assert_allclose(found.joints_mm, found.joints_abs_mm - found.joints_abs_mm[:, :1], atol=1e-9)
    assert found.header.people == 5
    assert (found.flags == 0).all()


def test_covariances_are_turned_into_the_frame_of_the_image() -> None:
    known = records(3)
    found = predict_records(Oracle(known, sigma_mm=10.0), known, HEADER)
    np.testing.assert_allclose(found.covariance_mm2, np.tile(np.diag([400.0, 100, 100]), (3, 25, 1, 1)), atol=1e-2)


def test_the_truth_and_its_facts_are_kept() -> None:
    known = records(3)
    known[1].joints_mm[4] = np.nan
    truth = predict_records(Oracle(known), known, HEADER).truth
    assert truth.ids == ("p0", "p1", "p2")
    assert truth.images == truth.ids
    assert truth.sources == ("made up",) * 3
    np.testing.assert_array_equal(truth.height_mm, [900, 1100, 1300])
    np.testing.assert_array_equal(truth.joints_mm[1], known[1].joints_mm)
    np.testing.assert_array_equal(truth.K[2], known[2].camera.K)
    assert truth.crop_side == SIDE
    crop = crop_camera(own_frame(known[2].camera), known[2].box_xywh, SIDE)
    np.testing.assert_allclose(truth.crop_rotation[2], crop.R)
    np.testing.assert_allclose(truth.crop_intrinsics[2], crop.K)


def test_batches_change_nothing_and_progress_is_told() -> None:
    known, done = records(5), []
    model = Oracle(known)
    found = predict_records(model, iter(known), HEADER, batch_size=2, progress=done.append)
    assert model.batches == [2, 2, 1]
    assert done == [2, 4, 5]
    np.testing.assert_allclose(found.joints_abs_mm, predict_records(model, known, HEADER).joints_abs_mm, atol=1e-3)


def test_records_of_unequal_joint_counts_are_padded() -> None:
    mixed = [*records(2), *records(3, skeleton="h36m_17")[2:]]
    model = Oracle([*records(3)])
    truth = predict_records(model, mixed, HEADER).truth
    assert truth.joints_mm.shape == (3, 25, 3)
    assert np.isnan(truth.joints_mm[2, 17:]).all()
    assert (truth.visibility[2, 17:] == 255).all()
    assert truth.skeletons == ("metricpose_25", "metricpose_25", "h36m_17")


def test_a_model_without_absolute_pose_is_placed_by_its_box_and_flagged() -> None:
    known = records(3)
    found = predict_records(Oracle(known, absolute=False), known, HEADER)
    assert (found.flags == FROM_BOX).all()
    expected = np.stack([r.joints_mm - r.joints_mm[0] for r in known])
    np.testing.assert_allclose(found.joints_mm, expected, atol=1e-2)
    assert np.abs(found.joints_abs_mm - np.stack([r.joints_mm for r in known])).max() > 1


class Guess(Oracle):
    """Not an oracle: a pose that depends on the crop's brightness and intrinsics, so that every view differs."""

    def __call__(self, images: torch.Tensor) -> Any:
        return images.mean((1, 2, 3))

    def decode(self, output: Any, K: torch.Tensor) -> Pose:
        shape = torch.from_numpy(np.random.default_rng(3).normal((0, 0, 3000), 300, (25, 3))).float()
        joints = shape * (1 + output[:, None, None]) + K[:, :1, :1]
        return Pose(joints[..., :2], joints - joints[:, :1], joints, None, torch.zeros(len(joints), dtype=torch.int64))


@pytest.mark.parametrize("views", [1, 3, "margipose-5", "margipose-10"])
def test_every_number_of_views_agrees_with_the_product(views: Any) -> None:
    known = records(3)
    model = Guess(known)
    found = predict_records(model, known, HEADER, views=views)
    for index, record in enumerate(known):
        expected = estimate(
            CropNetwork(model), record.image, own_frame(record.camera), record.box_xywh[None], schedule(views)
        )
        np.testing.assert_allclose(found.joints_abs_mm[index], expected.joints_mm[0], atol=1e-2)
        np.testing.assert_allclose(found.truth.crop_rotation[index], expected.crops[0].R)


@pytest.mark.parametrize("recovery", ["true-root-depth", "true-bone-lengths"])
def test_oracles_of_the_baseline_are_given_the_truth_they_ask_for(recovery: str) -> None:
    known = records(2)
    torch.manual_seed(0)
    model = Twofive(TwofiveConfig(side=SIDE, recovery=recovery)).eval()
    seen: dict[str, np.ndarray] = {}
    decode = model.decode

    def spy(output: Any, K: torch.Tensor, **given: torch.Tensor) -> Pose:
        seen.update({name: value.numpy() for name, value in given.items()})
        return decode(output, K, **given)

    object.__setattr__(model, "decode", spy)
    predict_records(model, known, HEADER)
    assert tuple(seen) == model.needs_gt
    crops = [crop_camera(own_frame(r.camera), r.box_xywh, SIDE) for r in known]
    joints = np.stack([c.to_camera(r.joints_mm) for c, r in zip(crops, known)])
    if recovery == "true-root-depth":
        np.testing.assert_allclose(seen["root_depth_mm"], joints[:, 0, 2], rtol=1e-5)
    else:
        lengths = [np.linalg.norm(joints[:, a] - joints[:, b], axis=-1) for a, b in model.skeleton.edges]
        np.testing.assert_allclose(seen["bone_lengths_mm"], np.stack(lengths, 1), rtol=1e-5)


class Informed(Oracle):
    """Predicts the truth of each view, and checks that it is given what `needs_gt` names, of that view."""

    needs_gt = ("root_depth_mm", "bone_lengths_mm", "height_mm")

    def __init__(self, known: list[Record], views: list[View]) -> None:
        super().__init__(known)
        self.scale, self.views = HeightScale(self.skeleton), views

    def decode(self, output: Any, K: torch.Tensor, **truth: torch.Tensor) -> Pose:
        seen = [self._seen(int(i), self.views[k % len(self.views)]) for k, i in enumerate(output.who)]
        joints = torch.from_numpy(np.stack(seen)).float()
        torch.testing.assert_close(truth["root_depth_mm"], joints[:, 0, 2])
        torch.testing.assert_close(truth["bone_lengths_mm"], bone_lengths(joints, self.skeleton.edges))
        torch.testing.assert_close(truth["height_mm"], self.scale.height(joints))
        return Pose(joints[..., :2], joints - joints[:, :1], joints)

    def _seen(self, index: int, view: View) -> np.ndarray:
        record = self.known[index]
        crop = view_camera(own_frame(record.camera), record.box_xywh, SIDE, view, (0.0, -1.0, 0.0))
        joints = crop.to_camera(record.joints_mm)
        return joints[self.skeleton.mirror] if view.flip else joints


@pytest.mark.parametrize("views", [1, 2, "margipose-10"])  # Not those that change the grey that says who it is.
def test_truth_is_that_of_each_view_in_its_order(views: Any) -> None:
    """All views of a person are one pass, even if there are more of them than the batch size."""
    known = records(3)
    model = Informed(known, schedule(views))
    found = predict_records(model, known, HEADER, views=views, batch_size=2)
    for index, record in enumerate(known):
        np.testing.assert_allclose(found.joints_abs_mm[index], record.joints_mm, atol=0.1)
    assert max(model.batches) == max(2, len(schedule(views)))


def test_a_real_network_runs_and_equals_its_own_decoder() -> None:
    record = records(1)[0]
    torch.manual_seed(1)
    model = Twofive(TwofiveConfig(side=SIDE)).eval()
    found = predict_records(model, [record], HEADER)
    sample = make_sample(replace(record, camera=own_frame(record.camera)), SIDE, model.skeleton)
    batch = Batch.stack([sample])
    with torch.inference_mode():
        pose = model.decode(model(batch.images), batch.K)
    expected = pose.joints_abs_mm[0].double().numpy() @ sample.R
    np.testing.assert_allclose(found.joints_abs_mm[0], expected, rtol=1e-4, atol=1e-2)


def test_no_records_is_an_error() -> None:
    with pytest.raises(InputError, match="no records to evaluate"):
        predict_records(Oracle(records(1)), [], HEADER)


def test_description_says_where_the_scale_comes_from() -> None:
    told = describe_model(
        Twofive(TwofiveConfig(side=SIDE, recovery="true-root-depth")), {"model": "twofive", "sha256": "ab"}
    )
    assert told["scale_policy"] == "ORACLE: true depth of the root"
    assert told["system"] == "metricpose twofive"
    assert told["checkpoint_sha256"] == "ab"
    assert told["root"] == "pelvis"
    other = describe_model(Twofive(TwofiveConfig(side=SIDE)), views=5)
    assert other["scale_policy"] == "mean bone lengths of the training people"
    assert other["views"] == "5"
    assert other["config_sha256"] != told["config_sha256"]
    assert describe_model(Oracle(records(1)))["scale_policy"] == "network, metric heatmaps"
