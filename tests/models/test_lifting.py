"""Cascaded dimension lifting as a whole: decoding on exact input, its loss, and who gets a gradient from what."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.utils.flop_counter import FlopCounterMode

from metricpose.errors import InputError
from metricpose.geometry.absolute import Fallback
from metricpose.geometry.bonedepth import bone_lengths
from metricpose.models.lifting import Lifting, LiftingConfig
from metricpose.models.mobilenetv2 import MobileNetV2
from metricpose.models.s3ht import Widths
from metricpose.types import Batch
from reference import lifting as reference

SIDE, J, D, C, CELLS = 128, 17, 13, 6, 16
SMALL = {"side": SIDE, "skeleton": "h36m_17", "depth_bins": D, "slab_bins": C, "lifter_width": 20, "lifter_blocks": 2}
WIDTHS = Widths((6, 7), fusion=5, dilated=3, depth=8, encoder=4, join=9)


def build(**settings):
    torch.manual_seed(0)
    return Lifting(LiftingConfig.narrow(**(SMALL | {"widths": WIDTHS} | settings))).eval()


def truth(count=3):
    """Labels of people whose joints lie well inside the volume, seen by crop cameras that are off centre and skewed."""
    rng = np.random.default_rng(0)
    depths = np.array([1500.0, 4000, 12_000])[:count]
    root = np.stack([0.02 * depths, -0.01 * depths, depths], -1)
    mm = np.clip(rng.normal(0, (180, 350, 200), (count, J, 3)), -600, 600) + root[:, None]
    mm[:, 0] = root
    K = np.zeros((count, 3, 3))
    K[:, 0, 0], K[:, 1, 1], K[:, 2, 2] = SIDE * depths / 2600, SIDE * depths / 2500, 1
    K[:, 0, 1], K[:, 0, 2], K[:, 1, 2] = 0.7, 61.0, 66.0
    px = np.einsum("bij,bkj->bki", K, mm)
    px = px[..., :2] / px[..., 2:]
    assert ((px > 20) & (px < 100)).all() or count > 1
    mm_t, px_t, K_t = (torch.tensor(x, dtype=torch.float32) for x in (mm, px, K))
    ones = torch.ones(count, J)
    images = torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(2))
    return Batch(images, K_t, mm_t, px_t, ones, ones.clone(), ones[:, 0])


def ideal(model, data, sigma=0.8):
    """What a perfect network puts out: Gaussian volumes around the truth, and the expectations the model reads off."""
    z = data.joints_mm[..., 2] - data.joints_mm[:, :1, 2]
    place = [data.joints_px[..., 0] / 8, data.joints_px[..., 1] / 8, (z / 2000 + 0.5) * D]
    x, y, depth = (-0.5 * ((torch.arange(n) - p[..., None]) / sigma).square() for n, p in zip((CELLS, CELLS, D), place))
    logits = depth[..., :, None, None] + y[..., None, :, None] + x[..., None, None, :]
    model.steps.forward = lambda _: model_maps(model, logits)
    output = model(data.images)
    del model.steps.forward
    return output


def model_maps(model, logits):
    maps = type(model.steps).forward(model.steps, torch.zeros(len(logits), model.backbone.channels, 4, 4))
    return maps._replace(volumes=logits.transpose(1, 2).flatten(1, 2))


@pytest.mark.parametrize("recovery", ["bone-lengths", "true-bone-lengths", "true-root-depth"])
def test_ideal_volumes_give_the_true_pose(recovery):
    model = build(recovery=recovery)
    for i in range(3):  # One at a time: the mean bones are then this person's.
        data = truth().part(slice(i, i + 1))
        lengths = bone_lengths(data.joints_mm, model.skeleton.edges)
        model.bone_lengths_mm = lengths[0]
        given = {"root_depth_mm": data.joints_mm[:, 0, 2], "bone_lengths_mm": lengths}
        pose = model.decode(ideal(model, data), data.K, **{name: given[name] for name in model.needs_gt})
        assert (pose.joints_mm - (data.joints_mm - data.joints_mm[:, :1])).norm(dim=-1).max() < 12
        torch.testing.assert_close(pose.joints_px, data.joints_px, atol=0.1, rtol=0)
        assert pose.flags.item() == Fallback.NONE


def test_ideal_volumes_are_read_on_the_index_grid():
    model, data = build(), truth()
    output = ideal(model, data)
    torch.testing.assert_close(output.px, data.joints_px, atol=0.02, rtol=0)
    z = data.joints_mm[..., 2] - data.joints_mm[:, :1, 2]
    torch.testing.assert_close(output.depth_mm, z, atol=1.0, rtol=0)
    assert model(data.images).px.mean().item() == pytest.approx(8 * 7.5, abs=0.1)  # an empty map: the mean cell


def test_the_lifted_pose_is_placed_without_ground_truth():
    """A perfect lifter, but for a root that is not quite at 0."""
    model, data = build(), truth()
    relative = data.joints_mm - data.joints_mm[:, :1]
    model.lift = lambda output, K: relative + torch.tensor([7.0, -5, 20])
    pose = model.decode(ideal(model, data), data.K)
    torch.testing.assert_close(pose.joints_mm, relative, atol=1e-3, rtol=0)
    error = (pose.joints_abs_mm - data.joints_mm).norm(dim=-1).amax(1)
    assert (error / data.joints_mm[:, 0, 2] < 2e-3).all()
    torch.testing.assert_close(pose.joints_abs_mm - pose.joints_abs_mm[:, :1], relative, atol=0.01, rtol=0)
    homogeneous = pose.joints_abs_mm @ data.K.mT
    torch.testing.assert_close(pose.joints_px, homogeneous[..., :2] / homogeneous[..., 2:], atol=1e-2, rtol=0)
    assert pose.flags.tolist() == [Fallback.NONE] * 3
    with pytest.raises(InputError, match="needs nothing, got"):
        model.decode(ideal(model, data), data.K, root_depth_mm=torch.ones(3))


def test_joints_at_the_border_of_the_maps_do_not_place_the_pose():
    model, data = build(), truth(1)
    relative = data.joints_mm - data.joints_mm[:, :1]
    model.lift = lambda output, K: relative
    output = ideal(model, data)
    px = output.px.clone()
    px[0, 3], px[0, 6], px[0, 9, 1] = torch.tensor([1.0, 60]), torch.tensor([119.5, 60]), 1.5
    pose = model.decode(output._replace(px=px), data.K)
    assert (pose.joints_abs_mm - data.joints_mm).norm(dim=-1).max() < 5


def test_covariance_is_that_of_the_volume_seen_at_the_root_depth_found():
    model, data = build(), truth(1)
    model.lift = lambda output, K: data.joints_mm - data.joints_mm[:, :1]
    output = ideal(model, data, sigma=1.1)
    pose = model.decode(output, data.K)
    Z, K = pose.joints_abs_mm[0, 0, 2].double(), data.K[0].double()

    def joint(px, depth):
        ray = torch.linalg.solve(K, torch.cat([px, torch.ones(1, dtype=torch.float64)]))
        return ray * (Z + depth)

    for j in (0, 5, 16):
        at = output.px[0, j].double(), output.depth_mm[0, j].double()
        jacobian = torch.cat([torch.autograd.functional.jacobian(joint, at)[i].reshape(3, -1) for i in range(2)], 1)
        volume = torch.diag(torch.tensor([8 * 1.1, 8 * 1.1, 2000 / D * 1.1], dtype=torch.float64) ** 2)
        expected = jacobian @ volume @ jacobian.T + torch.eye(3)
        torch.testing.assert_close(pose.covariance_mm2[0, j].double(), expected, rtol=0.02, atol=5)
    sharp = model.decode(ideal(model, data, sigma=0.02), data.K).covariance_mm2
    assert sharp.isfinite().all()
    assert (torch.linalg.eigvalsh(sharp.double()) >= 0.99).all()


def weights_2d_and_3d(data):
    """First sample: everything. Second: gaps. Third: 2D labels alone."""
    z_w, uv_w = data.z_w.clone(), data.uv_w.clone()
    z_w[1, 4], uv_w[1, 6], z_w[2] = 0, 0, 0
    return replace(data, z_w=z_w, uv_w=uv_w)


def there(output):
    return {name: x for name, x in output._asdict().items() if x is not None}


def noisy(output):
    generator = torch.Generator().manual_seed(5)

    def moved(x, by):
        return (x.detach() + by * torch.randn(x.shape, generator=generator)).requires_grad_()

    units = {"px": 4.0, "depth_mm": 60.0}
    return type(output)(**{name: moved(x, units.get(name, 0.3)) for name, x in there(output).items()})


def test_terms_are_weighted_sums_within_samples_and_means_over_the_batch():
    model, data = build(bone_sigma=(3.0, 1.0), horizon_steps=300, weight_depth=0.5, weight_2d_only=0.25), truth()
    data = weights_2d_and_3d(data)
    output = noisy(model(data.images))
    terms = {name: value.item() for name, value in model.loss(output, data, 100).items()}
    maps = {name: value.detach().double().numpy() for name, value in there(output).items()}
    at, z = (data.joints_px / 8).numpy(), (data.joints_mm[..., 2] - data.joints_mm[:, :1, 2]).numpy()
    known = (data.uv_w.numpy() > 0) & ((at >= 0) & (at < CELLS)).all(-1)
    shown = known & (data.z_w.numpy() > 0)
    share, total = np.array([1, 1, 0.25]), dict.fromkeys(("bones", "joints", "slab", "slab_order", "coordinates"), 0.0)
    for i in range(3):
        total["bones"] += share[i] * reference.bones(maps["bone_maps"][i], at[i], known[i], list(model.bones), 2.0, 2.0)
        total["joints"] += share[i] * reference.joints(maps["joint_maps"][i], at[i], known[i], 1.0)
        total["slab"] += share[i] * reference.slab(maps["slab"][i], at[i], z[i], shown[i], 1.0, 2000)
        order = reference.slab_order(maps["logits_order"][i], at[i], z[i], shown[i], 1.0, 2000)
        total["slab_order"] += share[i] * order
        plane = np.abs(maps["px"][i] / 8 - at[i]).sum(-1) / CELLS
        depth = np.abs(maps["depth_mm"][i] - z[i]) / 2000
        total["coordinates"] += share[i] * (plane[known[i]].sum() + 0.5 * depth[data.z_w[i].numpy() > 0].sum())
    factors = {"bones": 0.05, "joints": 0.05, "slab": 0.05, "slab_order": 0.1, "coordinates": 1.0}
    for name, factor in factors.items():
        assert terms[name] == pytest.approx(factor * total[name] / 3, rel=1e-3), name
    found = model.lift(output, data.K)
    distance = (found - (data.joints_mm - data.joints_mm[:, :1])).abs().sum(-1)
    assert terms["pose"] == pytest.approx(distance[data.z_w > 0].mean().item() / 1000, rel=1e-4)
    assert terms["ordinal"] == 0


def test_targets_of_standard_stature():
    model, data = build(standard_stature_mm=1077.0), truth()
    net = model.skeleton
    data.z_w[2, net.index("spine")] = 0  # its stature is unknown: it does not count at all
    output = model(data.images)
    total, count = 0.0, 0
    for i in range(2):
        p = {name: data.joints_mm[i, net.index(name)].numpy() for name in net.joints}
        chains = [[p[f"{s}_knee"], p[f"{s}_hip"], p["pelvis"], p["spine"], p["thorax"]] for s in "lr"]
        height = np.mean([sum(math.dist(a, b) for a, b in pairwise(c)) for c in chains])
        target = (data.joints_mm[i] - data.joints_mm[i, :1]) * float(1077 / height)
        total, count = total + (model.lift(output, data.K)[i] - target).abs().sum().item(), count + J
    assert model.loss(output, data, 0)["pose"].item() == pytest.approx(total / count / 1000, rel=1e-4)


def gradients(terms, output):
    loss = sum(terms.values())
    found = torch.autograd.grad(loss, list(there(output).values()), allow_unused=True)
    return dict(zip(there(output), found))


def test_2d_labels_train_bones_joints_and_pixels_alone():
    model, data = build().train(), truth()
    data = replace(data, z_w=torch.zeros(3, J))
    output = noisy(model(data.images))
    terms = model.loss(output, data, 0)
    found = gradients(terms, output)
    for name in ("bone_maps", "joint_maps", "px"):
        assert (found[name] != 0).any(), name
    for name in ("slab", "logits_order", "depth_mm"):
        assert found[name] is None or (found[name] == 0).all(), name
    terms = model.loss(model(data.images), data, 0)
    sum(terms.values()).backward()
    assert all((p.grad == 0).all() for p in model.lifter.parameters())
    assert all((p.grad == 0).all() for p in model.steps.depth.order.parameters())
    assert (model.steps.volumes.volumes.weight.grad != 0).any()


def test_samples_without_depth_get_nothing_from_the_pose_of_others():
    """Batch norm mixes samples; the lifter's inputs of 2D-only samples are cut off."""
    model, data = build(end_to_end=True).train(), weights_2d_and_3d(truth())
    output = noisy(model(data.images))
    found = gradients({"pose": model.loss(output, data, 0)["pose"]}, output)
    for name in ("px", "depth_mm"):
        assert (found[name][:2] != 0).any()
        assert (found[name][2] == 0).all()


def test_without_end_to_end_gradient_the_pose_trains_the_lifter_alone():
    model, data = build().train(), truth()
    model.loss(model(data.images), data, 0)["pose"].backward()
    assert all(p.grad is not None for p in model.lifter.parameters())
    assert all(p.grad is None for p in [*model.backbone.parameters(), *model.steps.parameters()])


def test_ordinal_labels_rank_depths_when_asked_to():
    data = truth()
    z = data.joints_mm[..., 2]
    order = torch.stack([torch.sign(z[:, a] - z[:, b]) for a, b in combinations(range(J), 2)], 1)
    nothing, all_pairs = torch.zeros(3, J), torch.ones(3, J * (J - 1) // 2)
    data = replace(data, z_w=nothing, uv_w=nothing, order=order, order_w=all_pairs)
    silent = build()
    assert all(term == 0 for term in silent.loss(silent(data.images), data, 0).values())
    model = build(weight_ordinal=0.5).train()
    output = noisy(model(data.images))
    found = gradients(model.loss(output, data, 0), output)
    assert (found["depth_mm"] != 0).any()
    assert all(g is None or (g == 0).all() for name, g in found.items() if name != "depth_mm")
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for _ in range(8):
        loss = sum(model.loss(model(data.images), data, 0).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_the_lifter_may_know_the_camera():
    data = truth()
    other = data.K.clone()
    other[:, :2] *= 1.5
    blind, seeing = build(), build(lifter_view=True)
    output = blind(data.images)
    assert torch.equal(blind.lift(output, data.K), blind.lift(output, other))
    assert not torch.allclose(seeing.lift(output, data.K), seeing.lift(output, other))


def test_bone_maps_sharpen_with_the_step():
    model, data = build(horizon_steps=90), truth()
    output = model(data.images)
    found = [model.loss(output, data, step)["bones"].item() for step in (0, 30, 60, 90)]
    assert found[0] > found[1] > found[2] == found[3]


@pytest.mark.parametrize("variant", ["baseline", "joint_maps", "bone_joint_maps", "full"])
def test_the_ablation(variant):
    model, data = build(variant=variant).train(), truth()
    terms = model.loss(model(data.images), data, 0)
    steps = {"baseline": 0, "joint_maps": 1, "bone_joint_maps": 2, "full": 4}[variant]
    expected = {"coordinates", "ordinal", "pose", *["joints", "bones", "slab", "slab_order"][:steps]}
    assert set(terms) == expected
    sum(terms.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_the_published_size():
    """Convolutional part (test_s3ht.py) and lifter (test_lifter.py)."""
    with torch.device("meta"):
        model = Lifting(LiftingConfig.published(skeleton="hemlets_18"))
    assert sum(p.numel() for p in model.parameters()) == 48_490_850 + 10_630_198
    assert model.config.standard_stature_mm == 1077


def test_the_narrow_one_is_cheap():
    counts = []
    for module in (Lifting(LiftingConfig.narrow()), MobileNetV2(last_layer=False)):
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            module.eval()(torch.zeros(1, 3, 128, 128))
        counts.append(counter.get_total_flops() / 2e6)
    assert 0 < counts[0] - counts[1] < 60


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="divisible"):
        build(stride=16, widths=Widths((4,) * 5))
    with pytest.raises(InputError, match="pelvis"):
        build(skeleton="coco_17")
    build(skeleton="coco_17", bones="tree", recovery="true-root-depth")
    with pytest.raises(InputError, match="pelvis"):
        build(skeleton="coco_17", bones="tree", standard_stature_mm=1077.0)
    with pytest.raises(ValidationError, match="does not train the lifter"):
        LiftingConfig(phase="stage1")
    with pytest.raises(ValidationError, match="fusoin"):
        LiftingConfig(widths={"fusoin": 3})
    config = LiftingConfig.narrow(widths={"fusion": 3}, recovery="bone-lengths")
    assert config.widths == Widths(fusion=3)
    assert LiftingConfig.model_validate_json(config.model_dump_json()) == config
