"""HEMlets Pose: published sizes, decoding of ideal volumes, the loss against loops, masks, mirroring, weak labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from metricpose.errors import InputError
from metricpose.geometry.bonedepth import bone_lengths
from metricpose.models.hemlets import Hemlets, HemletsConfig, HemletsOutput
from metricpose.models.hemlets_targets import Labels, TargetMaps, mirror_parts, part_indices, part_names
from metricpose.skeleton import catalog
from metricpose.skeleton.core import mirror_pairs, pair_count, pair_index
from metricpose.types import Batch
from reference import hemlets as reference

SIDE, B = 96, 4
NARROW = {"deconvolutions": (6, 5), "feature_width": 7, "encoder_width": 4, "head_width": 6, "depth_bins": 9}
TERMS = ("xy", "z", "hemlets", "joint_maps")


def build(**settings):
    torch.manual_seed(0)
    return Hemlets(HemletsConfig(**({"side": SIDE, "skeleton": "h36m_17", **NARROW} | settings)))


def labels(joints, ordinal=False, seed=0):
    """Labels in 3D with gaps and joints beyond the crop and the box; samples with 2D labels alone, or ordinal ones."""
    rng = np.random.default_rng(seed)
    joints_mm = rng.normal((50, -90, 3500), 400, (B, joints, 3))
    joints_px = rng.uniform(-0.2, 1.1, (B, joints, 2)) * SIDE
    uv_w, z_w = rng.uniform(0.5, 1, (2, B, joints))
    z_w[0, 4], z_w[1, 0], z_w[2:], uv_w[0, 3], uv_w[3, 5:9] = 0, 0, 0, 0, 0
    order = rng.integers(-1, 2, (B, pair_count(joints))).astype(float)
    order_w = (rng.random(order.shape) < 0.7).astype(float)
    order_w[3] = 0
    joints_mm[z_w == 0], joints_px[uv_w == 0], order[order_w == 0] = np.nan, np.nan, np.nan
    K = np.tile(np.array([[150.0, 0.5, 50], [0, 130, 44], [0, 0, 1]]), (B, 1, 1))
    t = [torch.tensor(x, dtype=torch.float32) for x in (K, joints_mm, joints_px, z_w, uv_w, np.ones(B), order, order_w)]
    return Batch(torch.zeros(B, 3, SIDE, SIDE), *(t if ordinal else t[:-2]))


def answer(model, size=(5, 8), seed=3):
    """An output of no particular network, on maps that are not square."""
    g = torch.Generator().manual_seed(seed)
    (part_maps, joint_maps), joints = model.map_channels, len(model.skeleton)
    shape = (len(model.parts), part_maps // max(len(model.parts), 1) or 3)
    return HemletsOutput(
        0.3 * torch.randn(B, *shape, *size, generator=g),
        0.3 * torch.randn(B, joint_maps, *size, generator=g),
        torch.randn(B, joints, 3, *size, generator=g),
        torch.rand(B, joints, 2, generator=g) * SIDE,
        torch.rand(B, joints, generator=g) * 2000,
    )


def differentiable(output):
    return HemletsOutput(*(x.clone().requires_grad_() for x in output if x is not None))


@pytest.mark.parametrize(("intermediate", "parameters"), [("both", 49_614_844), ("none", 34_291_392)])
def test_published_sizes(intermediate, parameters):
    with torch.device("meta"):
        model = Hemlets(HemletsConfig.published(intermediate=intermediate))
        output = model.eval()(torch.zeros(2, 3, 256, 256))
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert output.logits_3d.shape == (2, 18, 64, 64, 64)
    maps = (14, 18) if intermediate == "both" else (0, 0)
    assert output.hemlets.shape == (2, maps[0], 3, 64, 64)
    assert output.joint_maps.shape == (2, maps[1], 64, 64)
    assert (output.px.shape, output.depth_mm.shape) == ((2, 18, 2), (2, 18))


def test_a_narrow_head_is_cheap():
    """At most 60 million multiplications behind the backbone for a 128 pixel crop, at the default widths."""
    from torch.utils.flop_counter import FlopCounterMode

    counts = []
    with torch.device("meta"):
        model = Hemlets(HemletsConfig(side=128)).eval()
        for part in (model, model.backbone):
            counter = FlopCounterMode(display=False)
            with counter, torch.no_grad():
                part(torch.zeros(1, 3, 128, 128))
            counts.append(counter.get_total_flops() / 2e6)
    assert counts[0] - counts[1] < 60


@pytest.mark.parametrize(("states", "maps"), [(2, 3), (3, 3), (5, 5)])
@pytest.mark.parametrize("intermediate", ["none", "2d", "hem", "both"])
def test_only_the_maps_that_are_supervised_are_predicted(intermediate, states, maps):
    model = build(intermediate=intermediate, states=states)
    parts, joints = 14 * (intermediate in ("hem", "both")), 17 * (intermediate in ("2d", "both"))
    output = model(torch.rand(B, 3, SIDE, SIDE))
    assert output.hemlets.shape == (B, parts, maps, 12, 12)
    assert output.joint_maps.shape == (B, joints, 12, 12)
    channels = {k: v.shape[0] for k, v in model.state_dict().items() if k == "maps.tail.weight"}
    assert channels == ({} if intermediate == "none" else {"maps.tail.weight": parts * maps + joints})
    terms = set(model.loss(output, labels(17), 0))
    assert terms == {"xy", "z"} | ({"hemlets"} if parts else set()) | ({"joint_maps"} if joints else set())


class Given(nn.Module):
    """Stands in for a layer and gives what it was given."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, *_):
        return self.value


def ideal(memory_format=torch.contiguous_format):
    """A model that answers with Gaussian volumes around the true coordinates of three people, and their labels."""
    rng = np.random.default_rng(5)
    model = build(intermediate="none", recovery="true-root-depth").eval()
    depths = np.array([2600.0, 4000.0, 9000.0])
    joints = rng.normal(0, (180, 300, 150), (3, 17, 3)) + np.stack([0.02 * depths, 0.01 * depths, depths], -1)[:, None]
    K = np.tile(np.array([[0.0, 0.9, 49.0], [0, 0, 45.5], [0, 0, 1]]), (3, 1, 1))
    K[:, 0, 0], K[:, 1, 1] = SIDE * depths / 2900, SIDE * depths / 3300
    homogeneous = np.einsum("bij,bkj->bki", K, joints)
    px = homogeneous[..., :2] / homogeneous[..., 2:]
    u = np.concatenate([(px + 0.5) / SIDE, (joints[..., 2:] - joints[:, :1, 2:] + 30) / 2000 + 0.5], -1)
    sizes = (14, 24, 20)  # x, y, z
    logits = np.zeros((3, 17, *sizes[::-1]))
    for axis, (n, shape) in enumerate(zip(sizes, ((1, 1, -1), (1, -1, 1), (-1, 1, 1)))):
        cells = np.arange(n).reshape(shape)
        logits = logits - 0.5 * (cells - (u[..., axis] * (n - 1))[..., None, None, None]) ** 2
    channels = torch.tensor(logits, dtype=torch.float32).flatten(1, 2)
    model.config = model.config.model_copy(update={"depth_bins": sizes[2]})
    model.backbone, model.features = Given({32: None}), Given(torch.zeros(3, 5, sizes[1], sizes[0]))
    model.head = Given(channels.to(memory_format=memory_format))
    K_t, mm = (torch.tensor(x, dtype=torch.float32) for x in (K, joints))
    return model, logits, K_t, mm


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_ideal_volumes_give_the_true_pose(memory_format):
    model, logits, K, joints = ideal(memory_format)
    output = model(torch.zeros(3, 3, SIDE, SIDE))
    pose = model.decode(output, K, root_depth_mm=joints[:, 0, 2])
    torch.testing.assert_close(pose.joints_abs_mm, joints, atol=1.0, rtol=1e-3)
    expected = reference.decode(logits[1], K[1].numpy(), SIDE, 2000.0, 0, joints[1, 0, 2].item())
    np.testing.assert_allclose(pose.joints_abs_mm[1], expected, rtol=1e-4, atol=0.05)


def test_scale_from_bones_and_covariance_of_ideal_volumes():
    model, _, K, joints = ideal()
    model.start_recovery("bone-lengths")
    lengths = bone_lengths(joints, model.skeleton.edges)
    output = model(torch.zeros(3, 3, SIDE, SIDE))
    for i in range(3):
        model.bone_lengths_mm = lengths[i]
        one = HemletsOutput(*(x[i : i + 1] for x in output if x is not None))
        pose = model.decode(one, K[i : i + 1])
        torch.testing.assert_close(pose.joints_abs_mm, joints[i : i + 1], rtol=5e-3, atol=1.0)
    # A cell is SIDE / 13 px wide, and the last person's joints lie on nearly parallel rays: z is that of the volume.
    sigma_x = SIDE / 13 / K[2, 0, 0] * joints[2, 5, 2]
    spread = pose.covariance_mm2[0, 5].diagonal().sqrt()
    torch.testing.assert_close(spread[0], sigma_x, rtol=0.02, atol=0)
    assert spread[2].item() == pytest.approx(2000 / 19, rel=0.02)


def test_flipped_volumes_give_the_mirrored_pose():
    model, _, K, joints = ideal()
    plain = model(torch.zeros(3, 3, SIDE, SIDE))
    model.head = Given(model.head.value.flip(-1))
    flipped = model(torch.zeros(3, 3, SIDE, SIDE))
    torch.testing.assert_close(flipped.px[..., 0], SIDE - 1 - plain.px[..., 0], atol=1e-3, rtol=0)
    mirrored = K.clone()
    mirrored[:, 0, 2], mirrored[:, 0, 1] = SIDE - 1 - K[:, 0, 2], -K[:, 0, 1]
    truth = {"root_depth_mm": joints[:, 0, 2]}
    there, back = model.decode(plain, K, **truth), model.decode(flipped, mirrored, **truth)
    sign = torch.tensor([-1.0, 1, 1])
    torch.testing.assert_close(back.joints_abs_mm, there.joints_abs_mm * sign, atol=0.05, rtol=1e-4)


@pytest.mark.parametrize("outside", ["mask", "clamp", "keep"])
@pytest.mark.parametrize(("states", "ordinal"), [(3, False), (3, True), (5, True), (2, True)])
def test_loss_against_loops(states, ordinal, outside):
    model = build(states=states, outside=outside, sigma=1.3, alpha=0.07, box_mm=1500.0)
    output, batch = answer(model), labels(17, ordinal)
    found = model.loss(output, batch, 0)
    settings = {"side": SIDE, "box_mm": 1500.0, "root": 0, "sigma": 1.3, "states": states, "alpha": 0.07}
    names = ("joints_mm", "joints_px", "z_w", "uv_w", "order", "order_w")
    arrays = {n: x.numpy().astype(np.float64) for n in names if (x := getattr(batch, n)) is not None}
    if not ordinal:
        arrays["order"] = arrays["order_w"] = np.zeros((B, pair_count(17)))
    predicted = {k: x.numpy().astype(np.float64) for k, x in output._asdict().items() if x is not None}
    expected = reference.loss(predicted, arrays, model.parts, settings | {"outside": outside})
    assert set(found) == set(expected) == set(TERMS)
    for name in TERMS:
        assert found[name].item() == pytest.approx(expected[name], rel=1e-4), name
        assert expected[name] > 0.01


def test_epsilon_is_part_of_a_parts_length():
    model = build()
    joints = torch.zeros(B, 17, 3)
    _, child = model.parts[5]
    joints[0, child] = torch.tensor([0.0, 4.0, -3.0])  # closer by three fifths of its length
    batch = replace(labels(17), joints_mm=joints, z_w=torch.ones(B, 17))
    for epsilon, value in ((0.59, 1), (0.61, 0)):
        assert TargetMaps((3, 3), 1.0, 3, epsilon).polarity(batch, model.parts).value[0, 5] == value
    with pytest.raises(ValueError, match="epsilon"):
        HemletsConfig(epsilon=1.0)


@pytest.mark.parametrize("ordinal", [False, True])
def test_masked_labels_change_nothing_whatever_they_hold(ordinal):
    model = build().train()
    results = []
    for garbage in (torch.nan, 0.0, -1e20):
        batch = labels(17, ordinal)
        changed = {n: torch.nan_to_num(getattr(batch, n), garbage) for n in ("joints_mm", "joints_px")}
        if ordinal:
            changed["order"] = torch.nan_to_num(batch.order, garbage)
        output = differentiable(answer(model))
        terms = model.loss(output, replace(batch, **changed), 0)
        sum(terms.values()).backward()
        results.append((terms, [x.grad for x in output if x is not None and x.grad is not None]))
    for terms, gradients in results[1:]:
        assert terms == results[0][0]
        assert all(torch.equal(a, b) for a, b in zip(gradients, results[0][1], strict=True))
    assert all(g.isfinite().all() for g in results[0][1])


def test_samples_with_2d_labels_alone_train_no_depth_and_no_hemlets():
    model = build()
    batch = labels(17)
    batch = replace(batch, z_w=torch.zeros(B, 17))
    output = differentiable(answer(model))
    terms = model.loss(output, batch, 0)
    sum(terms.values()).backward()
    assert (output.hemlets.grad == 0).all()
    assert (output.depth_mm.grad == 0).all()
    assert (output.joint_maps.grad != 0).any()
    assert (output.px.grad != 0).any()
    # Of the network's weights too, as far as the maps' own loss is concerned (the volumes see all maps).
    model.loss(model(batch.images), batch, 0)["joint_maps"].backward()
    channels = model.map_channels[0]
    assert (model.maps.tail.weight.grad[:channels] == 0).all()
    assert (model.maps.tail.bias.grad[:channels] == 0).all()
    assert (model.maps.tail.weight.grad[channels:] != 0).any()


def only_ordinal(model, known):
    """2D labels, and the depth order of some of the model's parts: that of the part's number modulo 3."""
    joints = len(model.skeleton)
    order, order_w = torch.zeros(B, pair_count(joints)), torch.zeros(B, pair_count(joints))
    for k in known:
        index, sign = pair_index(joints, *model.parts[k])
        order[:, index], order_w[:, index] = sign * (k % 3 - 1.0), 1
    px = torch.rand(B, joints, 2, generator=torch.Generator().manual_seed(1)) * (SIDE - 1)
    batch = replace(labels(joints), joints_px=px, uv_w=torch.ones(B, joints), z_w=torch.zeros(B, joints))
    return replace(batch, order=order, order_w=order_w)


def test_ordinal_labels_train_the_parts_they_know():
    model = build()
    known = [0, 4, 5, 9, 13]
    output = differentiable(answer(model))
    batch = only_ordinal(model, known)
    assert TargetMaps((3, 3), 1.0).polarity(batch, model.parts).value[0, known].tolist() == [k % 3 - 1 for k in known]
    sum(model.loss(output, batch, 0).values()).backward()
    reached = (output.hemlets.grad != 0).flatten(2).any(-1).all(0)
    assert reached.nonzero().flatten().tolist() == known
    assert (output.depth_mm.grad == 0).all()
    five = build(states=5)
    output = differentiable(answer(five))
    sum(five.loss(output, batch, 0).values()).backward()
    assert (output.hemlets.grad == 0).all()


def test_ordinal_labels_alone_make_progress():
    """The child's response moves into the map of its polarity, although no depth was ever shown."""
    model = build(deconvolutions=(16, 16)).train()
    model.backbone = Given({32: torch.randn(B, 1280, 3, 3, generator=torch.Generator().manual_seed(2))})
    batch = only_ordinal(model, range(14))
    signs = torch.tensor([k % 3 - 1 for k in range(14)])
    child = torch.tensor([c for _, c in model.parts])
    cells = ((batch.joints_px[:, child] + 0.5) / SIDE * 11).round().long()
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    first = None
    for _ in range(60):
        output = model(batch.images)
        terms = model.loss(output, batch, 0)
        first = terms if first is None else first
        optimizer.zero_grad()
        sum(terms.values()).backward()
        optimizer.step()
    assert terms["hemlets"] < 0.4 * first["hemlets"]
    b, k = torch.arange(B)[:, None], torch.arange(14)
    response = output.hemlets[b, k, :, cells[..., 1], cells[..., 0]]
    apart = signs != 0  # In the middle map the parent may be anywhere near.
    assert ((response[..., 2] > response[..., 0]) == (signs > 0))[:, apart].float().mean() > 0.95


@pytest.mark.parametrize("states", [2, 3, 5])
@pytest.mark.parametrize("name", ["metricpose_25", "hemlets_18"])
def test_mirroring_exchanges_parts_and_keeps_polarities(name, states):
    skeleton = catalog.get(name)
    j, parts = len(skeleton), part_indices(skeleton)
    batch = labels(j, ordinal=True)
    mirror = torch.tensor(skeleton.mirror)
    flipped_px = batch.joints_px[:, mirror] * torch.tensor([-1.0, 1]) + torch.tensor([SIDE - 1.0, 0])
    pairs = mirror_pairs(skeleton)
    order = [pairs.apply(o, w) for o, w in zip(batch.order.numpy(), batch.order_w.numpy())]
    mirrored = replace(
        batch, joints_px=flipped_px, joints_mm=batch.joints_mm[:, mirror] * torch.tensor([-1.0, 1, 1]),
        z_w=batch.z_w[:, mirror], uv_w=batch.uv_w[:, mirror],
        order=torch.tensor(np.array([o for o, _ in order])), order_w=torch.tensor(np.array([w for _, w in order])),
    )  # fmt: skip
    target = TargetMaps((7, 10), 1.5, states)
    there, back = (target.polarity(x, parts) for x in (batch, mirrored))
    permutation = list(mirror_parts(skeleton, parts))
    assert torch.equal(back.known, there.known[:, permutation])
    assert torch.equal(back.value[back.known], there.value[:, permutation][back.known])
    # And so for whole maps, through the loss: mirrored maps fit mirrored labels as well.
    maps = torch.randn(B, len(parts), 5 if states == 5 else 3, 7, 10)
    both = [Labels.of(x, SIDE, 2000.0, skeleton.root, "mask") for x in (batch, mirrored)]
    here = target.hemlet_losses(maps, both[0], batch, parts)
    there = target.hemlet_losses(maps[:, permutation].flip(-1), both[1], mirrored, parts)
    assert (here > 0).any()
    torch.testing.assert_close(there, here[:, permutation])


def test_the_papers_parts():
    published = catalog.HEMLETS_18
    expected = {(0, 1), (1, 2), (2, 3), (0, 4), (4, 5), (5, 6), (17, 14), (14, 15), (15, 16), (17, 11), (11, 12)}
    assert set(part_indices(published)) == expected | {(12, 13), (0, 17), (8, 10)}
    for name in ("h36m_17", "metricpose_25", "mpii_16", "mpi_inf_3dhp_17"):
        assert len(set(part_names(catalog.get(name)))) == 14
    assert ("thorax", "head_top") in part_names(catalog.H36M_17)
    assert {("pelvis", "thorax"), ("neck", "head_top")} <= set(part_names(catalog.MPII_16))


def test_bad_parts_and_sizes_are_refused():
    with pytest.raises(InputError, match=r"head_top.*coco_17"):
        build(skeleton="coco_17")
    build(skeleton="coco_17", intermediate="2d")
    two = (("r_elbow", "r_wrist"), ("l_elbow", "l_wrist"))
    assert build(skeleton="coco_17", parts=two).map_channels == (6, 17)
    with pytest.raises(InputError, match=r"mirror image.*r_elbow-r_wrist"):
        build(parts=two[:1])
    with pytest.raises(InputError, match="named once"):
        build(parts=(*two, *two))
    with pytest.raises(InputError, match="no joint 'tail'"):
        build(parts=(("pelvis", "tail"),))
    with pytest.raises(InputError, match="100 pixel crop"):
        build(side=100)
    with pytest.raises(InputError, match="multiple of 8"):
        build(stride=4, deconvolutions=(8, 8, 8))


def test_published_settings_can_be_changed_and_initial_weights_follow_the_setting():
    config = HemletsConfig.published(sigma=1.5)
    assert (config.skeleton, config.alpha, config.sigma, config.init_std) == ("hemlets_18", 0.05, 1.5, 1e-3)
    narrow = build(init_std=1e-3)
    weights = [p for n, p in narrow.named_parameters() if p.ndim == 4 and not n.startswith("backbone")]
    assert torch.cat([w.flatten() for w in weights]).std().item() == pytest.approx(1e-3, rel=0.05)
    assert build().maps.tail.weight.std() > 1e-2


def test_training_gathers_bone_lengths_and_evaluation_does_not():
    model, batch = build(), labels(17)
    model.train().loss(answer(model), batch, 0)
    known = model.bone_count > 0
    lengths = bone_lengths(batch.joints_mm, model.skeleton.edges)
    torch.testing.assert_close(model.bone_lengths_mm[known], lengths.nanmean(0)[known])
    before = model.bone_count.clone()
    model.eval().loss(answer(model), batch, 0)
    assert torch.equal(model.bone_count, before)
