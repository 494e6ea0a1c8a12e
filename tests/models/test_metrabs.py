"""MeTRAbs: channel layout, geometry on exact input, and both published losses against numpy."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from metricpose.geometry.absolute import Fallback
from metricpose.models.metrabs import Metrabs, MetrabsConfig, MetrabsOutput
from metricpose.types import Batch
from reference import absolute as absolute_reference
from reference import metrabs as reference

SIDE, J = 128, 25


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Metrabs(MetrabsConfig(side=SIDE)).eval()


def with_config(config):
    """A model that only decodes and computes losses."""
    return Metrabs(config.model_copy(update={"side": SIDE})).eval()


def truth(distances=(1500.0, 4000.0, 12_000.0), seed=0, noise=0.0):
    """Output of a perfect network, or one with noise, for people at the given distances, and the batch of labels."""
    rng = np.random.default_rng(seed)
    b = len(distances)
    pose = rng.normal(0, (200, 400, 150), (b, J, 3))
    depths = np.array(distances)
    absolute = pose + np.stack([0.02 * depths, -0.01 * depths, depths], -1)[:, None]
    focal = SIDE * depths / 2500
    K = np.zeros((b, 3, 3))
    K[:, 0, 0], K[:, 1, 1], K[:, 2, 2] = focal, focal * 1.1, 1
    K[:, :2, 2] = (SIDE - 1) / 2 + 1.5, (SIDE - 1) / 2
    homogeneous = np.einsum("bij,bkj->bki", K, absolute)
    px = homogeneous[..., :2] / homogeneous[..., 2:]
    volume = pose + (1000, 1100, 900) + noise * rng.normal(0, 30, pose.shape)
    px_head = px + noise * rng.normal(0, 2, px.shape)
    head, labels_px, mm, intrinsics = (torch.tensor(x, dtype=torch.float32) for x in (px_head, px, absolute, K))
    logits = torch.zeros(b, J, 8, 4, 4)
    output = MetrabsOutput(logits[:, :, 0], logits, head, torch.tensor(volume, dtype=torch.float32))
    ones = torch.ones(b, J)
    return output, Batch(torch.zeros(b, 3, 2, 2), intrinsics, mm, labels_px, ones, ones.clone(), torch.ones(b))


def test_channels_are_planes_first_then_depth_major_volumes(model):
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.zero_()
        for d, j in ((0, 3), (5, 0), (7, 24)):
            model.head.bias[J + d * J + j] = 100.0
    output = model(torch.rand(2, 3, SIDE, SIDE))
    assert output.logits_2d.shape == (2, J, 4, 4)
    assert output.logits_3d.shape == (2, J, 8, 4, 4)
    torch.testing.assert_close(output.volume_mm[0, [3, 0, 24, 1], 2], 2200 * torch.tensor([0, 5 / 7, 1, 0.5]))
    torch.testing.assert_close(output.px, torch.full((2, J, 2), SIDE / 2))
    torch.testing.assert_close(output.volume_mm[..., :2], torch.full((2, J, 2), 1100.0))


@pytest.mark.parametrize("stride", [32, 16, 8])
def test_one_hot_logits_point_at_the_receptive_field_of_their_cell(stride):
    """At any test stride, with the field of view still that of training."""
    model = Metrabs(MetrabsConfig(side=SIDE, stride=stride)).eval()
    cells = SIDE // stride
    logits = torch.full((1, J * 9, cells, cells), -1e9)
    logits[:, :, 1, cells - 1] = 0
    model.raw_logits = lambda images: logits
    output = model(torch.zeros(1, 3, SIDE, SIDE))
    expected = torch.tensor([stride * (cells - 1) + stride / 2, stride * 1.5])
    torch.testing.assert_close(output.px[0, 0], expected)
    torch.testing.assert_close(output.volume_mm[0, 0, :2], expected * 2200 / SIDE)


@pytest.mark.parametrize("mix", [0.0, 0.5, 1.0])
def test_a_perfect_network_gives_the_true_absolute_pose(mix):
    model = with_config(MetrabsConfig(mix=mix))
    output, batch = truth((700.0, 2000.0, 9000.0, 40_000.0))
    pose = model.decode(output, batch.K)
    error = (pose.joints_abs_mm - batch.joints_mm).norm(dim=-1).amax(1) / batch.joints_mm[..., 2].mean(1)
    assert error.max() < 1e-3
    torch.testing.assert_close(pose.joints_px, batch.joints_px, atol=0.05, rtol=0)
    assert pose.flags.tolist() == [Fallback.NONE] * 4


@pytest.mark.parametrize("preset", [MetrabsConfig, MetrabsConfig.wacv, MetrabsConfig.journal])
def test_a_persons_result_does_not_depend_on_the_batch(preset):
    model = with_config(preset())
    output, batch = truth(tuple(np.linspace(1000, 40_000, 32)), noise=1.0)
    together = model.decode(output, batch.K).joints_abs_mm
    for i in (0, 9, 31):
        one = MetrabsOutput(*(x[i : i + 1] for x in output if x is not None))
        alone = model.decode(one, batch.K[i : i + 1]).joints_abs_mm[0]
        assert ((alone - together[i]).norm(dim=-1) / together[i, :, 2]).max() < 1e-6


def test_a_close_crop_is_flagged_and_keeps_a_sensible_distance(model):
    """The 2D head cannot point outside the crop: what is outside piles up at its border."""
    output, batch = truth((3000.0,))
    target, flags = output.px[0, 0], []
    for zoom in (1.0, 4.0, 12.0, 60.0):
        K = batch.K.clone()
        K[:, :2] *= zoom
        K[:, :2, 2] += SIDE / 2 - zoom * target - 40 * (zoom > 20)
        px = (zoom * (output.px - target) + SIDE / 2 - 40 * (zoom > 20)).clamp(16, SIDE - 16)
        pose = model.decode(output._replace(px=px), K)
        flags.append(pose.flags.item())
        assert 0.9 < pose.joints_abs_mm[0, :, 2].mean() / 3000 < 30
    assert flags[0] == Fallback.NONE
    assert flags == sorted(flags)
    assert flags[-1] == Fallback.NO_JOINTS


def test_the_field_of_view_stays_that_of_training_at_other_test_strides():
    output, batch = truth(noise=1.0)
    px = output.px.clone()
    px[:, ::3] = torch.tensor([15.0, 60.0])  # Outside by the margin of stride 32, inside by that of stride 8.
    coarse, fine = (
        with_config(MetrabsConfig(stride=s)).decode(output._replace(px=px), batch.K).joints_abs_mm for s in (32, 8)
    )
    assert torch.equal(coarse, fine)


def arrays(batch):
    return {key: value.double().numpy().copy() for key, value in asdict(batch).items() if value is not None}


def gaps(batch):
    """The third sample has 2D labels only; some joints of the others lack one or the other label."""
    z_w, uv_w = batch.z_w.clone(), batch.uv_w.clone()
    z_w[2], z_w[0, 4], uv_w[1, 7:9], uv_w[2, 3] = 0, 0, 0, 0
    px = batch.joints_px.clone()
    px[0, 5], px[2, 6] = 900.0, -800.0
    return replace(batch, z_w=z_w, uv_w=uv_w, joints_px=px, abs_w=torch.tensor([1.0, 0.5, 1.0]))


def test_journal_losses():
    model = with_config(MetrabsConfig.journal())
    output, batch = truth(noise=1.0)
    batch = gaps(batch)
    terms = model.loss(output, batch, 5000)
    px, volume = output.px.double().numpy(), output.volume_mm.double().numpy()
    expected = reference.head_terms(px, volume, arrays(batch), 0, SIDE, 2200.0, 0.1)
    pose = model.decode(output, batch.K).joints_abs_mm.double().numpy()
    expected["absolute"] = reference.absolute_term(pose, arrays(batch), 1.0, None, -1e9)
    expected["ordinal"] = 0.0
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(expected, rel=1e-4)


def test_wacv_losses():
    model = with_config(MetrabsConfig.wacv())
    output, batch = truth(noise=1.0)
    near = batch.joints_mm.clone()
    near[1, 2, 2] = 250.0
    batch = gaps(replace(batch, joints_mm=near))
    terms = model.loss(output, batch, 5000)
    pose = model.decode(output, batch.K).joints_abs_mm.double().numpy()
    expected = reference.pose_terms(output.px.double().numpy(), pose, arrays(batch), SIDE, 2200.0, 0.2, 24.0)
    expected["absolute"] = reference.absolute_term(pose, arrays(batch), 0.1, 10_000.0, 300.0)
    expected["ordinal"] = 0.0
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(expected, rel=1e-4)


def test_the_journal_position_is_the_published_weak_perspective():
    model = with_config(MetrabsConfig.journal())
    output, batch = truth((2000.0, 8000.0), noise=1.0)
    found = model.decode(output, batch.K).joints_abs_mm.numpy()
    for i in range(2):
        px, volume = output.px[i].double().numpy(), output.volume_mm[i].double().numpy()
        K = batch.K[i].double().numpy()
        rays = (px - K[:2, 2]) / (K[0, 0], K[1, 1])
        inside = ((px >= 32) & (px <= SIDE - 32)).all(1)
        t = absolute_reference.weak_perspective(rays, volume, inside)
        expected = absolute_reference.combine(rays, volume, t, inside.astype(float), 0.0)
        np.testing.assert_allclose(found[i], expected, rtol=1e-4, atol=0.1)


def test_a_perfect_network_has_no_loss():
    for config in (MetrabsConfig(), MetrabsConfig.wacv()):
        output, batch = truth()
        terms = with_config(config).loss(output, batch, 5000)
        assert sum(terms.values()).item() < 1e-3


def test_schedules():
    model = with_config(MetrabsConfig(weak_steps=10, absolute_start=20))
    output, batch = truth(noise=1.0)
    assert model.loss(output, batch, 19)["absolute"] == 0
    assert model.loss(output, batch, 20)["absolute"] > 0
    model = with_config(MetrabsConfig(weak_steps=10, absolute_start=0))
    weak, full = (model.loss(output, batch, step)["absolute"] for step in (9, 10))
    assert weak != full
    assert full == with_config(MetrabsConfig(weak_steps=0, absolute_start=0)).loss(output, batch, 0)["absolute"]


def test_the_mix_is_random_in_training_alone():
    model = with_config(MetrabsConfig(absolute_start=0))
    output, batch = truth(noise=1.0)
    assert model.loss(output, batch, 600)["absolute"] == model.loss(output, batch, 600)["absolute"]
    model.train()
    assert model.loss(output, batch, 600)["absolute"] != model.loss(output, batch, 600)["absolute"]
    fixed = with_config(MetrabsConfig(absolute_start=0, random_mix=False)).train()
    assert fixed.loss(output, batch, 600)["absolute"] == fixed.loss(output, batch, 600)["absolute"]


def test_presets_take_changes_and_refuse_unknown_settings():
    assert MetrabsConfig.journal(ridge=0.5).ridge == 0.5
    assert MetrabsConfig.journal().perspective == "weak"
    assert MetrabsConfig.wacv().weight_2d_only == 0.2
    with pytest.raises(ValueError, match="wobble"):
        MetrabsConfig.wacv(wobble=1)


def test_covariance_of_a_known_heatmap(model):
    """Two equal peaks in opposite corners: the variance is a quarter of the squared range, fully correlated."""
    logits = torch.full((1, J, 8, 4, 4), -1e9)
    logits[:, :, 0, 0, 0], logits[:, :, 7, 3, 3] = 0, 0
    output, batch = truth((3000.0,))
    covariance = model.decode(output._replace(logits_3d=logits), batch.K).covariance_mm2[0, 0]
    reach = torch.tensor([96 * 2200 / SIDE, 96 * 2200 / SIDE, 2200.0])
    torch.testing.assert_close(covariance, reach[:, None] * reach / 4 + torch.eye(3))
