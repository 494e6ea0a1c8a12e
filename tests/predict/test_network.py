"""The one call around a model: what it hands over, for models with and without positions and covariances."""

from __future__ import annotations

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from metricpose.errors import CheckpointError
from metricpose.geometry.camera import Camera
from metricpose.models.metrabs import Metrabs, MetrabsConfig
from metricpose.predict.network import FROM_BOX, CropNetwork, place_in_crop
from metricpose.skeleton import catalog
from metricpose.types import Pose

K = np.array([[[300.0, 0, 63.5], [0, 300, 63.5], [0, 0, 1]]])


class Output(NamedTuple):
    px: Tensor


class Relative(nn.Module):
    """A model that knows no position and no covariance."""

    def __init__(self, needs_gt: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.needs_gt, self.config, self.skeleton = needs_gt, SimpleNamespace(side=128), catalog.get("h36m_17")

    def forward(self, images: Tensor) -> Output:
        return Output(images.mean((2, 3))[:, None, :2].expand(-1, 17, 2))

    def decode(self, output: Output, K: Tensor) -> Pose:
        pose = torch.linspace(-900, 900, 51).reshape(1, 17, 3).expand(len(K), 17, 3)
        return Pose(output.px, pose - pose[:, :1])


def test_images_arrive_as_rgb_in_zero_to_one() -> None:
    crops = np.zeros((2, 128, 128, 3), np.uint8)
    crops[0, ..., 0], crops[1, ..., 1] = 255, 51
    found = CropNetwork(Relative())(crops, np.repeat(K, 2, 0))
    np.testing.assert_allclose(found.head_px[:, 0], [[1, 0], [0, 0.2]], atol=1e-6)


def test_without_a_position_the_pose_fills_the_crop() -> None:
    found = CropNetwork(Relative())(np.zeros((1, 128, 128, 3), np.uint8), K)
    assert found.flags.tolist() == [FROM_BOX]
    assert np.isnan(found.covariance_mm2).all()
    assert found.head_mm is None
    low, high = found.joints_mm[0].min(0), found.joints_mm[0].max(0)
    np.testing.assert_allclose((low + high)[:2] / 2, 0, atol=1e-3)
    middle = (low[2] + high[2]) / 2
    assert (high - low)[:2].max() * 300 / middle == pytest.approx(128)


def test_placing_keeps_the_pose() -> None:
    rng = np.random.default_rng(0)
    pose = rng.normal(0, 400, (3, 17, 3))
    placed = place_in_crop(pose, np.repeat(K, 3, 0), 128)
    np.testing.assert_allclose(placed - placed[:, :1], pose - pose[:, :1])


def test_models_that_need_ground_truth_are_refused() -> None:
    with pytest.raises(CheckpointError, match="root_depth_mm"):
        CropNetwork(Relative(("root_depth_mm",)))


def test_a_real_model_hands_over_its_heads_and_symmetric_covariances() -> None:
    torch.manual_seed(0)
    network = CropNetwork(Metrabs(MetrabsConfig(side=64)))
    crops = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), dtype=np.uint8)
    k = np.repeat(Camera.from_fov((64, 64), 0.5).K[None], 3, 0)
    found = network(crops, k)
    assert found.joints_mm.shape == (3, 25, 3)
    assert found.joints_mm.dtype == np.float64
    assert found.head_px.shape == (3, 25, 2)
    assert found.head_mm.shape == (3, 25, 3)
    np.testing.assert_array_equal(found.covariance_mm2, found.covariance_mm2.swapaxes(-1, -2))
    assert np.linalg.eigvalsh(found.covariance_mm2).min() > 0
    assert not network.model.training
    alone = network(crops[1:2], k[:1])
    np.testing.assert_allclose(alone.joints_mm[0], found.joints_mm[1], rtol=1e-3, atol=0.5)


def test_colours_last_in_memory_gives_the_poses_of_the_plain_layout() -> None:
    torch.manual_seed(1)
    model = Metrabs(MetrabsConfig(side=96)).eval()
    crops = np.random.default_rng(1).integers(0, 255, (2, 96, 96, 3), dtype=np.uint8)
    k = np.repeat(K, 2, 0)
    with torch.inference_mode():
        images = torch.from_numpy(np.ascontiguousarray(crops.transpose(0, 3, 1, 2))).float() / 255
        plain = model.decode(model(images), torch.from_numpy(k).float())
    layouts = []
    model.backbone.register_forward_pre_hook(
        lambda _, inputs: layouts.append(inputs[0].is_contiguous(memory_format=torch.channels_last))
    )
    found = CropNetwork(model)(crops, k)
    assert layouts == [True]
    weights = [w for w in model.backbone.parameters() if w.ndim == 4]
    assert all(w.is_contiguous(memory_format=torch.channels_last) for w in weights)
    np.testing.assert_allclose(found.joints_mm, plain.joints_abs_mm.numpy(), rtol=1e-4, atol=0.1)
    np.testing.assert_allclose(found.head_px, model(images).px.detach().numpy(), atol=1e-3)
