"""The 2.5D baseline: scale recovery on exact input, its loss, its covariance, and the oracles it may not use."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from metricpose.errors import InputError
from metricpose.geometry.absolute import Fallback
from metricpose.geometry.bonedepth import bone_lengths
from metricpose.models.recovery import UNTRAINED_BONE_MM
from metricpose.models.twofive import Twofive, TwofiveConfig, TwofiveOutput
from metricpose.types import Batch
from reference import losses as reference

SIDE, J = 128, 17


def build(**settings):
    torch.manual_seed(0)
    return Twofive(TwofiveConfig(side=SIDE, skeleton="h36m_17", **settings)).eval()


def truth(distances=(1500.0, 4000.0, 12_000.0)):
    """Output of a perfect network (its root a little off the middle of the volume) and the batch of labels."""
    rng = np.random.default_rng(0)
    b, depths = len(distances), np.array(distances)
    root = np.stack([0.02 * depths, -0.01 * depths, depths], -1)
    absolute = rng.normal(0, (150, 350, 120), (b, J, 3)) + root[:, None]
    K = np.zeros((b, 3, 3))
    K[:, 0, 0], K[:, 1, 1], K[:, 2, 2] = SIDE * depths / 3000, SIDE * depths / 2900, 1
    K[:, 0, 1], K[:, :2, 2] = 0.7, (SIDE - 1) / 2
    homogeneous = np.einsum("bij,bkj->bki", K, absolute)
    px = homogeneous[..., :2] / homogeneous[..., 2:]
    depth = absolute[..., 2] - absolute[:, :1, 2] + 1130
    px_t, depth_t, mm, K_t = (torch.tensor(x, dtype=torch.float32) for x in (px, depth, absolute, K))
    ones = torch.ones(b, J)
    logits = torch.randn(b, J, 8, 4, 4, generator=torch.Generator().manual_seed(0))
    return TwofiveOutput(logits, px_t, depth_t), Batch(torch.zeros(b, 3, 2, 2), K_t, mm, px_t, ones, ones, ones[:, 0])


def truths(model, batch):
    values = {
        "root_depth_mm": batch.joints_mm[:, 0, 2],
        "bone_lengths_mm": bone_lengths(batch.joints_mm, model.skeleton.edges),
    }
    return {name: values[name] for name in model.needs_gt}


@pytest.mark.parametrize("recovery", ["bone-lengths", "true-bone-lengths", "true-root-depth"])
def test_a_perfect_network_gives_the_true_pose(recovery):
    model = build(recovery=recovery)
    for i in range(3):  # One at a time: the mean bones are then this person's.
        output, batch = truth()
        output = TwofiveOutput(*(x[i : i + 1] for x in output if x is not None))
        batch = batch.part(slice(i, i + 1))
        model.bone_lengths_mm = bone_lengths(batch.joints_mm, model.skeleton.edges)[0]
        pose = model.decode(output, batch.K, **truths(model, batch))
        assert ((pose.joints_abs_mm - batch.joints_mm).norm(dim=-1) / batch.joints_mm[..., 2]).max() < 1e-3
        torch.testing.assert_close(pose.joints_px, batch.joints_px, atol=0.01, rtol=0)
        assert pose.flags.item() == Fallback.NONE


def test_bones_that_leave_the_view_do_not_count():
    model = build()
    output, batch = truth((4000.0,))
    model.bone_lengths_mm = bone_lengths(batch.joints_mm, model.skeleton.edges)[0]
    px = output.px.clone()
    px[0, [3, 13]] = 5.0
    pose = model.decode(output._replace(px=px), batch.K)
    assert pose.joints_abs_mm[0, 0, 2].item() == pytest.approx(batch.joints_mm[0, 0, 2].item(), rel=1e-3)


def test_ground_truth_is_asked_for_and_not_taken_otherwise():
    output, batch = truth()
    assert build().needs_gt == ()
    assert build(recovery="true-root-depth").needs_gt == ("root_depth_mm",)
    assert build(recovery="true-bone-lengths").needs_gt == ("bone_lengths_mm",)
    with pytest.raises(InputError, match="root_depth_mm"):
        build(recovery="true-root-depth").decode(output, batch.K)
    with pytest.raises(InputError, match="nothing"):
        build().decode(output, batch.K, root_depth_mm=torch.ones(3))


def test_losses():
    output, batch = truth()
    rng = torch.Generator().manual_seed(1)
    noisy_px = output.px + 3 * torch.randn(3, J, 2, generator=rng)
    output = output._replace(px=noisy_px, depth_mm=output.depth_mm + 50 * torch.randn(3, J, generator=rng))
    z_w, uv_w = torch.ones(3, J), torch.ones(3, J)
    z_w[0, 4], z_w[1, 0], z_w[2], uv_w[0, 3], uv_w[2, 8] = 0, 0, 0, 0, 0
    batch = Batch(batch.images, batch.K, batch.joints_mm, batch.joints_px, z_w, uv_w, batch.abs_w)
    terms = build().loss(output, batch, 0)
    heatmap = reference.l1(output.px.numpy(), batch.joints_px.numpy(), uv_w.numpy())
    with_3d, without_3d, depth_w = uv_w.numpy().copy(), uv_w.numpy().copy(), z_w.numpy().copy()
    with_3d[2], without_3d[:2], depth_w[1] = 0, 0, 0  # The second sample's root has no label: no depth to compare.
    z = (batch.joints_mm[..., 2] - batch.joints_mm[:, :1, 2] + 1100).numpy()
    depth = reference.masked_mean(np.abs(output.depth_mm.numpy() - z), depth_w)
    c = 2.2 / SIDE
    assert terms["heatmap_2d"].item() == pytest.approx(2 / 3 * c * reference.masked_mean(heatmap, with_3d), rel=1e-4)
    assert terms["depth"].item() == pytest.approx(depth / 3000, rel=1e-4)
    expected = 0.1 * c * reference.masked_mean(heatmap, without_3d)
    assert terms["heatmap_2d_only"].item() == pytest.approx(expected, rel=1e-4)


def test_training_gathers_mean_bone_lengths_over_batches_of_any_size():
    model = build().train()
    assert (model.bone_lengths_mm == UNTRAINED_BONE_MM).all()
    output, batch = truth()
    lengths = bone_lengths(batch.joints_mm, model.skeleton.edges)
    batch.z_w[2, 3] = 0
    for part in (slice(0, 2), slice(2, 3)):
        one = batch.part(part)
        model.loss(TwofiveOutput(*(x[part] for x in output if x is not None)), one, 0)
    touches = torch.tensor([3 in edge for edge in model.skeleton.edges])
    torch.testing.assert_close(model.bone_lengths_mm[~touches], lengths.mean(0)[~touches])
    torch.testing.assert_close(model.bone_lengths_mm[touches], lengths[:2].mean(0)[touches])
    fresh = build()
    fresh.load_state_dict(model.state_dict(), strict=True)
    assert torch.equal(fresh.bone_lengths_mm, model.bone_lengths_mm)
    model.eval().loss(output, batch, 0)
    assert torch.equal(fresh.bone_lengths_mm, model.bone_lengths_mm)


def test_covariance_is_the_jacobian_of_the_decoder():
    """First-order propagation with a numerical Jacobian of decode itself, at known root depth."""
    model = build(recovery="true-root-depth")
    output, batch = truth((3000.0,))
    K, root_depth = batch.K, batch.joints_mm[:, 0, 2]
    covariance = model.decode(output, K, root_depth_mm=root_depth).covariance_mm2[0, 6]

    def joint(u, v, z):
        px, depth = output.px.double(), output.depth_mm.double()
        px = px + torch.zeros_like(px).index_put((torch.tensor([0]), torch.tensor([6])), torch.stack([u, v]))
        depth = depth + torch.zeros_like(depth).index_put((torch.tensor([0]), torch.tensor([6])), z)
        shifted = TwofiveOutput(output.logits_3d, px, depth)
        return model.decode(shifted, K.double(), root_depth_mm=root_depth.double()).joints_abs_mm[0, 6]

    zero = torch.zeros((), dtype=torch.float64)
    jacobian = torch.stack(torch.autograd.functional.jacobian(joint, (zero, zero, zero)), -1)
    volume = model.volume_covariance(output.logits_3d, (96.0, 96.0, 2200.0))[0, 6].double()
    expected = jacobian @ volume @ jacobian.T + torch.eye(3)
    torch.testing.assert_close(covariance.double(), expected, rtol=1e-4, atol=1e-2)


def test_uncertain_root_depth_spreads_joints_away_from_the_root():
    model = build()
    output, batch = truth((3000.0,))
    model.bone_lengths_mm = bone_lengths(batch.joints_mm, model.skeleton.edges)[0] * torch.linspace(0.7, 1.3, J - 1)
    found = model.decode(output, batch.K)
    known = build(recovery="true-root-depth").decode(output, batch.K, root_depth_mm=found.joints_abs_mm[:, 0, 2])
    extra = (found.covariance_mm2 - known.covariance_mm2).diagonal(dim1=-2, dim2=-1).sum(-1)[0]
    distance = (output.px[0] - output.px[0, :1]).norm(dim=-1)
    assert extra[distance.argmax()] > 100 > extra[0].abs()
