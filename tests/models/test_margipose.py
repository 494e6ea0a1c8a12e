"""MargiPose: published sizes, maps, decoding against a numpy twin and of exact maps, recovery, gradients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from metricpose.errors import InputError
from metricpose.geometry.absolute import Fallback
from metricpose.heatmap.decode import soft_argmax
from metricpose.heatmap.grid import cell_centres
from metricpose.models.inception import STEMS
from metricpose.models.margipose import Margipose, MargiposeConfig, MargiposeOutput
from metricpose.types import Batch
from reference import margipose as reference

SIDE, STRIDE, J = 128, 8, 17
N = SIDE // STRIDE
SMALL = {"side": SIDE, "stride": STRIDE, "stride_train": STRIDE, "skeleton": "mpi_inf_3dhp_17", "widths": (12, 16)}


def build(**settings):
    torch.manual_seed(0)
    return Margipose(MargiposeConfig(**(SMALL | settings))).eval()


def parameters(**settings):
    with torch.device("meta"):
        model = Margipose(MargiposeConfig.published(**settings))
    return sum(p.numel() for p in model.parameters())


# -- sizes and layout ------------------------------------------------------------------------------------------


def test_published_sizes():
    assert parameters() == 57_867_668
    assert parameters(stages=1) == 15_191_693
    assert parameters(axis_permutation=False) == 57_867_668
    assert [parameters(backbone=f"resnet{d}_stem") for d in (18, 34, 50)] == [57_577_844, 58_242_676, 58_405_620]
    with torch.device("meta"):
        model = Margipose(MargiposeConfig.published())
    parts = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    assert parts["backbone"] + parts["adapter"] == 972_896
    assert [parts[f"{p}_columns"] for p in ("xy", "zy", "xz")] == [4 * 4_739_599] * 3
    assert parts["combiners"] == 3 * 6_528


def test_published_layout():
    """The public state dict has 2278 tensors; ours adds the statistics of heights."""
    with torch.device("meta"):
        state = Margipose(MargiposeConfig.published()).state_dict()
    tensors = {k: tuple(v.shape) for k, v in state.items() if not k.startswith("scale.")}
    assert len(tensors) == 2278
    assert tensors["adapter.0.weight"] == (128, 384, 1, 1)
    assert tensors["adapter.1.running_var"] == (128,)
    assert tensors["combiners.2.weight"] == (128, 51, 1, 1)
    assert tensors["zy_columns.3.up.2.main.0.weight"] == (192, 128, 3, 3)
    assert tensors["xz_columns.0.down.2.shortcut.0.weight"] == (192, 128, 1, 1)
    assert "combiners.3.weight" not in tensors
    config = MargiposeConfig.published()
    assert (config.height_mm, config.height_legs, config.outside, config.side) == (920.0, "left", "keep", 256)


def test_layer_behind_a_resnet_stem_is_only_there_where_widths_differ():
    settings = {"side": 64, "stride": 8, "widths": (128, 16), "stages": 1}
    plain = Margipose(MargiposeConfig(backbone="resnet18_stem", **settings))
    assert not list(plain.adapter.parameters())
    assert plain(torch.rand(1, 3, 64, 64)).maps.shape == (1, 1, 3, 25, 8, 8)
    with torch.device("meta"):
        wider = Margipose(MargiposeConfig(backbone="resnet50_stem", **settings))
    assert wider.adapter[0].weight.shape == (128, 512, 1, 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"side": 120}, "maps of 15 cells"),
        ({"widths": (12, 20)}, "multiple of the middle map's side"),
        ({"backbone": STEMS[0], "stride": 16}, "stride to 8"),
        ({"backbone": STEMS[0], "norm": "batch"}, "own batch norm"),
        ({"skeleton": "coco_17"}, "pelvis"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        build(**settings)
    assert build(widths=(12, 20), axis_permutation=False).config.widths == (12, 20)


# -- maps ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stages", [1, 3])
def test_maps_of_every_stage_are_distributions(stages):
    model = build(stages=stages).train()  # Untrained batch norm in evaluation mode gives extreme logits.
    output = model(torch.rand(2, 3, SIDE, SIDE))
    assert output.maps.shape == (stages, 2, 3, J, N, N)
    assert output.means.shape == (stages, 2, 3, J, 2)
    assert output.u.shape == (stages, 2, J, 3)
    torch.testing.assert_close(output.maps.sum((-1, -2)), torch.ones(stages, 2, 3, J))
    assert (output.maps > 0).all()


def test_stages_refine_each_other():
    """Stage inputs, rebuilt from the parts: previous input plus the 1 x 1 layer of xy, zy, xz."""
    model = build(stages=3)
    images = torch.rand(2, 3, SIDE, SIDE)
    output = model(images)
    x = model.adapter(model.backbone(images)[STRIDE])
    for t in range(3):
        if t:
            x = x + model.combiners[t - 1](torch.cat([output.maps[t - 1][:, p] for p in range(3)], 1))
        for p, columns in enumerate((model.xy_columns, model.zy_columns, model.xz_columns)):
            expected = columns[t](x).flatten(2).softmax(-1).view(2, J, N, N)
            torch.testing.assert_close(output.maps[t][:, p], expected, rtol=1e-4, atol=1e-6)


def test_axis_permutation_can_be_switched_off():
    on, off = build(), build(axis_permutation=False)
    off.load_state_dict(on.state_dict(), strict=True)
    images = torch.rand(1, 3, SIDE, SIDE)
    a, b = on(images).maps[0], off(images).maps[0]
    torch.testing.assert_close(a[:, 0], b[:, 0])
    assert not torch.allclose(a[:, 1], b[:, 1])
    assert not torch.allclose(a[:, 2], b[:, 2])


def test_state_dict_round_trip_and_other_strides():
    model = build()
    images = torch.rand(1, 3, SIDE, SIDE)
    fresh = Margipose(model.config).eval()
    fresh.load_state_dict(model.state_dict(), strict=True)
    assert torch.equal(fresh(images).maps, model(images).maps)
    coarse = build(stride=16)
    coarse.load_state_dict(model.state_dict(), strict=True)
    assert coarse(images).maps.shape[-2:] == (N // 2, N // 2)


def test_autocast_keeps_probabilities_and_coordinates_in_float32():
    model, images = build().train(), torch.rand(2, 3, SIDE, SIDE)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(images)
    assert {value.dtype for value in output if value is not None} == {torch.float32}
    torch.testing.assert_close(output.maps.sum((-1, -2)), torch.ones(2, 2, 3, J))
    assert (output.u - model(images).u).square().mean().sqrt() < 0.1


# -- decoding --------------------------------------------------------------------------------------------------


K = torch.tensor([[[310.0, 4.0, 57.0], [0, 270.0, 70.5], [0, 0, 1]], [[900.0, 0, 66.0], [0, 1010.0, 60], [0, 0, 1]]])


def output_of(model, maps):
    means = soft_argmax(maps, (-1, -2), [cell_centres(n, "centre") for n in (maps.shape[-1], maps.shape[-2])])
    u = model._coordinates(means)
    px = ((model._seen(u[-1])[..., :2] + 1) * SIDE - 1) / 2
    return MargiposeOutput(maps, means, u, px)


def random_output(model, stages=2, seed=0):
    logits = 3 * torch.randn(stages, 2, 3, J, N, N, generator=torch.Generator().manual_seed(seed))
    return output_of(model, logits.flatten(-2).softmax(-1).view_as(logits))


def person():
    """Two people who fill crops of different cameras, off the axis; one close, one far."""
    rng = np.random.default_rng(3)
    u = rng.uniform(-0.6, 0.6, (2, J, 3))
    u[:, 14, 2] = 0
    joints = np.stack([reference.points(u[i], K[i].double().numpy(), SIDE, d) for i, d in enumerate((2100.0, 7300.0))])
    return u, joints


def exact_output(model, u):
    maps = np.zeros((1, 2, 3, J, N, N))
    for b in range(2):
        for j in range(J):
            for plane, axes in enumerate(((0, 1), (2, 1), (0, 2))):
                maps[0, b, plane, j] = reference.gaussian(*u[b, j, list(axes)], N, 1.0)
    return output_of(model, torch.tensor(maps, dtype=torch.float32))


def names(model):
    return {name: i for i, name in enumerate(model.skeleton.joints)}


@pytest.mark.parametrize("recovery", ["height", "true-height", "true-root-depth"])
def test_exact_maps_decode_to_the_pose_they_were_drawn_from(recovery):
    model = build(recovery=recovery)
    u, joints = person()
    truth = torch.tensor(joints, dtype=torch.float32)
    given = {"height_mm": model.scale.height(truth), "root_depth_mm": truth[:, 14, 2]}
    for i in range(2):
        model.scale.segment_mm.copy_(model.scale.segments(truth)[i])
        pose = model.decode(exact_output(model, u), K, **{k: given[k] for k in model.needs_gt})
        assert ((pose.joints_abs_mm[i] - truth[i]).norm(dim=-1) / truth[i, :, 2]).max() < 1e-3
        torch.testing.assert_close(pose.joints_mm[i], truth[i] - truth[i, 14], atol=5, rtol=0)
        assert pose.flags[i].item() == Fallback.NONE
        expected = ((torch.tensor(u[i, :, :2]) + 1) * SIDE - 1) / 2
        torch.testing.assert_close(pose.joints_px[i], expected.float(), atol=0.05, rtol=0)


@pytest.mark.parametrize(("legs", "sides"), [("left", "l"), ("both", "lr")])
def test_decoding_equals_the_numpy_twin_and_the_published_search(legs, sides):
    model = build(height_mm=920.0, height_legs=legs, fov_margin=-10.0)
    output = random_output(model)
    pose = model.decode(output, K)
    for b in range(2):
        u = reference.coordinates(output.maps[-1, b].double().numpy())
        camera = K[b].double().numpy()
        depth = reference.searched_depth(u, camera, SIDE, names(model), sides, 920.0)
        expected = reference.points(u, camera, SIDE, depth)
        np.testing.assert_allclose(pose.joints_abs_mm[b], expected, rtol=1e-4, atol=0.5)
        assert reference.height(pose.joints_mm[b].numpy(), names(model), sides) == pytest.approx(920, rel=1e-4)


def test_linear_codec():
    model = build(codec="linear", recovery="true-root-depth")
    output, depth = random_output(model), torch.tensor([2500.0, 4100])
    joints = model.decode(output, K, root_depth_mm=depth).joints_abs_mm
    for b in range(2):
        u = reference.coordinates(output.maps[-1, b].double().numpy())
        width = depth[b].item() * max(SIDE / K[b, 0, 0].item(), SIDE / K[b, 1, 1].item())
        np.testing.assert_allclose(joints[b, :, 2], depth[b].item() + u[:, 2] * width / 2, rtol=1e-5)


def test_ground_truth_is_asked_for_and_not_taken_otherwise():
    output, ones = random_output(build()), torch.ones(2)
    assert build().needs_gt == ()
    assert build(recovery="true-root-depth").needs_gt == ("root_depth_mm",)
    assert build(recovery="true-height").needs_gt == ("height_mm",)
    with pytest.raises(InputError, match="root_depth_mm"):
        build(recovery="true-root-depth").decode(output, K)
    with pytest.raises(InputError, match="nothing"):
        build().decode(output, K, height_mm=ones)


def test_people_whose_trunk_is_out_of_view_are_marked():
    model = build()
    u, _ = person()
    cut = exact_output(model, u)
    px = cut.px.clone()
    px[1, [names(model)[n] for n in ("l_knee", "r_knee", "spine")]] = 1.0
    pose = model.decode(cut._replace(px=px), K)
    assert pose.flags.tolist() == [Fallback.NONE, Fallback.NO_JOINTS]


def test_covariance_is_the_jacobian_of_the_decoder():
    """First-order propagation with a numerical Jacobian of decode itself, at known root depth."""
    model = build(recovery="true-root-depth", calibration=2.0)
    output, depth = random_output(model), torch.tensor([2500.0, 4100])
    found = model.decode(output, K, root_depth_mm=depth).covariance_mm2[1, 6]
    coordinates, joint = output.u.double(), 6

    def place(value):
        u = coordinates.clone()
        u[-1, 1, joint] = value
        shifted = output._replace(u=u, px=output.px.double())
        return model.decode(shifted, K.double(), root_depth_mm=depth.double()).joints_abs_mm[1, joint]

    jacobian = torch.autograd.functional.jacobian(place, coordinates[-1, 1, joint].clone())
    cells = (2 * torch.arange(N, dtype=torch.float64) + 1) / N - 1
    maps = output.maps[-1, 1, :, joint].double()
    spread = torch.zeros(3, 3, dtype=torch.float64)
    column, row = cells.expand(N, N), cells[:, None].expand(N, N)
    x, y = (maps[0] * column).sum(), (maps[0] * row).sum()
    offsets = torch.stack([column - x, row - y])
    spread[:2, :2] = torch.einsum("ahw,bhw,hw->ab", offsets, offsets, maps[0])
    # z: variance of a coin toss between the two planes' marginals.
    mixture = (maps[1].sum(0) + maps[2].sum(1)) / 2
    mean = (mixture * cells).sum()
    spread[2, 2] = (mixture * (cells - mean) ** 2).sum()
    expected = 2 * (jacobian @ spread @ jacobian.T + torch.eye(3))
    torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=1e-1)


def test_doubtful_scale_spreads_the_pose_along_itself():
    model = build()
    output = random_output(model)
    found = model.decode(output, K)
    known = build(recovery="true-root-depth").decode(output, K, root_depth_mm=found.joints_abs_mm[:, 14, 2] * 0 + 1)
    depth = model.scale.root_depth(known.joints_abs_mm, torch.ones(2, J)).depth_mm
    oracle = build(recovery="true-root-depth").decode(output, K, root_depth_mm=depth)
    torch.testing.assert_close(found.joints_abs_mm, oracle.joints_abs_mm, rtol=1e-4, atol=1e-2)
    extra = found.covariance_mm2 - oracle.covariance_mm2
    expected = 0.01 * found.joints_mm[..., :, None] * found.joints_mm[..., None, :]
    torch.testing.assert_close(extra, expected, rtol=1e-2, atol=found.covariance_mm2.abs().max().item() * 1e-4)


def test_older_weights():
    """x and y as means of two planes; an own principal point in place of the crop's middle."""
    output = random_output(build())
    both = build(average_xy=True)._coordinates(output.means)
    torch.testing.assert_close(both[..., 0], (output.means[:, :, 0, :, 0] + output.means[:, :, 2, :, 0]) / 2)
    torch.testing.assert_close(both[..., 1], (output.means[:, :, 0, :, 1] + output.means[:, :, 1, :, 1]) / 2)
    torch.testing.assert_close(both[..., 2], output.u[..., 2])
    moved = build(legacy_principal=(66.0, 60.0))
    pose = moved.decode(output_of(moved, output.maps), K)
    expected = (output.u[-1, ..., :2] + 1) * torch.tensor([66.0, 60.0]) - 0.5
    torch.testing.assert_close(pose.joints_px, expected, atol=1e-3, rtol=0)


# -- training --------------------------------------------------------------------------------------------------


def labelled(model, z=True, uv=True):
    u, joints = person()
    px = ((u[..., :2] + 1) * SIDE - 1) / 2
    ones = torch.ones(2, J)
    images = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(5))
    mm, px = torch.tensor(joints).float(), torch.tensor(px).float()
    return Batch(images, K, mm, px, ones * z, ones * uv, torch.ones(2))


def trained(model, batch):
    """Names of the parameters whose gradient is not exactly zero."""
    model.zero_grad()
    sum(model.loss(model(batch.images), batch, 0).values()).backward()
    return {name for name, p in model.named_parameters() if p.grad is not None and (p.grad != 0).any()}


def test_2d_labels_train_the_xy_columns_alone():
    """Of the last stage; those before it are reached through the next stage's input, which is made of all planes."""
    model = build(stages=2)
    touched = trained(model, labelled(model, z=False))
    assert any(n.startswith("xy_columns.1") for n in touched)
    assert not any(n.startswith(("zy_columns.1", "xz_columns.1")) for n in touched)
    assert any(n.startswith("zy_columns.0") for n in touched)
    one = build(stages=1)
    touched = trained(one, labelled(one, z=False))
    assert {n.split(".")[0] for n in touched} == {"backbone", "adapter", "xy_columns"}
    touched = trained(one, labelled(one))
    assert {n.split(".")[0] for n in touched} == {"backbone", "adapter", "xy_columns", "zy_columns", "xz_columns"}


def test_coordinates_of_the_last_stage_can_stand_for_all():
    model = build(stages=3)
    batch = labelled(model)
    output = model(batch.images)
    own, final = (build(stages=3, coord_loss_from=c).loss(output, batch, 0) for c in ("stage", "final"))
    last = model.loss(output._replace(u=output.u[-1:], maps=output.maps[-1:]), batch, 0)["coordinates"]
    torch.testing.assert_close(final["coordinates"], 3 * last)
    assert own["coordinates"] != final["coordinates"]
    assert own["map_xz"] == final["map_xz"]


def test_training_gathers_heights_of_people_of_known_scale():
    model = build().train()
    batch = replace(labelled(model), abs_w=torch.tensor([1.0, 0.0]))
    model.loss(model(batch.images), batch, 0)
    assert model.scale.height_m.item() == pytest.approx(model.scale.height(batch.joints_mm)[0].item() / 1000, rel=1e-5)
    model.eval().loss(model(batch.images), replace(batch, abs_w=torch.ones(2)), 0)
    assert model.scale.height_count.item() == 1
    fixed = build(height_mm=920.0)
    fixed.load_state_dict(model.state_dict(), strict=True)
    pose = fixed.decode(random_output(fixed), K)
    assert fixed.scale.height(pose.joints_mm)[0].item() == pytest.approx(920, rel=0.6)


@pytest.mark.parametrize("regularisation", ["none", "jsd", "kl", "variance"])
def test_every_regularisation_learns(regularisation):
    model = build(regularisation=regularisation, stages=1, backbone="resnet18_stem").train()
    batch, optimizer = labelled(model), torch.optim.SGD(model.parameters(), 0.05, 0.9)
    values = []
    for step in range(10):
        optimizer.zero_grad()
        loss = sum(model.loss(model(batch.images), batch, step).values())
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    assert values[-1] < 0.9 * values[0]


def test_ordinal_labels_are_off_unless_asked_for():
    model, k = build(stages=1), J * (J - 1) // 2
    batch = replace(labelled(model, z=False, uv=False), order=torch.ones(2, k), order_w=torch.ones(2, k))
    assert trained(model, batch) == set()
    touched = trained(build(stages=1, weight_ordinal=0.5), batch)
    assert {n.split(".")[0] for n in touched} == {"backbone", "adapter", "zy_columns", "xz_columns"}
