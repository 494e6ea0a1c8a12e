"""Every model in the table honours the contract: shapes, gradients, masks, precision, no state."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from metricpose.errors import InputError
from metricpose.models import MODELS, model_types
from metricpose.types import Batch

SIDE, B, STEP = 96, 4, 100_000
NAMES = sorted(MODELS)
NARROW = {
    "lifting": {"widths": ((12, 10), 8, 4, 9, 7, 11), "depth_bins": 6, "slab_bins": 7, "lifter_width": 32},
}
"""Settings of the methods that are slow at their default size."""


def build(name, **settings):
    """A small model of the table, its weights fixed."""
    torch.manual_seed(0)
    config_type, model_type = MODELS[name]
    return model_type(config_type(side=SIDE, **(NARROW.get(name, {}) | settings)))


def batch(joints, garbage=None):
    """Samples with all labels, with gaps (the root among them), without absolute position, and with 2D labels only."""
    generator = torch.Generator().manual_seed(1)
    joints_mm = 300 * torch.randn(B, joints, 3, generator=generator) + torch.tensor([100.0, -50.0, 4000.0])
    joints_px = torch.rand(B, joints, 2, generator=generator) * SIDE
    z_w, uv_w = torch.ones(B, joints), torch.ones(B, joints)
    z_w[1, [0, 3]], uv_w[1, 2] = 0, 0
    uv_w[2], z_w[3], uv_w[3, 5:] = 0, 0, 0
    if garbage is not None:
        joints_mm[z_w == 0], joints_px[uv_w == 0] = garbage, garbage
    K = torch.tensor([[210.0, 0, 47.5], [0, 230, 46.0], [0, 0, 1]]).repeat(B, 1, 1)
    images = torch.rand(B, 3, SIDE, SIDE, generator=generator)
    return Batch(images, K, joints_mm, joints_px, z_w, uv_w, torch.tensor([1.0, 1, 0, 1]))


def total(model, data, step=STEP):
    torch.manual_seed(3)  # A loss may draw random numbers.
    return sum(model.loss(model(data.images), data, step).values())


def decoded(model, data):
    """Decode with whatever truth the model asks for."""
    truth = {
        "root_depth_mm": torch.full((B,), 4000.0),
        "bone_lengths_mm": torch.full((B, len(model.skeleton.edges)), 250.0),
    }
    return model.decode(model(data.images), data.K, **{k: truth[k] for k in model.needs_gt})


@pytest.mark.parametrize("name", NAMES)
def test_loss_reaches_every_weight(name):
    model = build(name)
    terms = model.loss(model(batch(len(model.skeleton)).images), batch(len(model.skeleton)), STEP)
    assert all(term.shape == () and term.dtype == torch.float32 and term >= 0 for term in terms.values())
    sum(terms.values()).backward()
    for key, parameter in model.named_parameters():
        assert torch.isfinite(parameter.grad).all(), key
        assert (parameter.grad != 0).any(), key


@pytest.mark.parametrize("name", NAMES)
def test_poses_have_the_shapes_of_the_contract(name):
    model = build(name).eval()
    data, j = batch(len(model.skeleton)), len(model.skeleton)
    pose = decoded(model, data)
    assert pose.joints_px.shape == (B, j, 2)
    assert pose.joints_mm.shape == (B, j, 3)
    assert torch.isfinite(pose.joints_mm).all()
    assert (pose.joints_mm[:, model.skeleton.root] == 0).all()
    if pose.joints_abs_mm is not None:
        root = pose.joints_abs_mm[:, model.skeleton.root, None]
        torch.testing.assert_close(pose.joints_abs_mm - root, pose.joints_mm, atol=1e-2, rtol=0)
        homogeneous = pose.joints_abs_mm @ data.K.mT
        seen = pose.joints_abs_mm[..., 2] > 1
        px = homogeneous[..., :2] / homogeneous[..., 2:]
        torch.testing.assert_close(pose.joints_px[seen], px[seen], atol=1e-2, rtol=1e-4)
    if pose.covariance_mm2 is not None:
        torch.testing.assert_close(pose.covariance_mm2, pose.covariance_mm2.mT)
        assert (torch.linalg.eigvalsh(pose.covariance_mm2.double()) > 0).all()
    if pose.flags is not None:
        assert pose.flags.shape == (B,)


@pytest.mark.parametrize("garbage", [math.nan, 1e20])
@pytest.mark.parametrize("name", NAMES)
def test_masked_labels_change_neither_loss_nor_gradient(name, garbage):
    results = []
    for value in (None, garbage):
        model = build(name)
        loss = total(model, batch(len(model.skeleton), value))
        loss.backward()
        results.append((loss.item(), [p.grad for p in model.parameters()]))
    assert results[0][0] == results[1][0]
    assert all(torch.equal(a, b) for a, b in zip(results[0][1], results[1][1]))


@pytest.mark.parametrize("name", NAMES)
def test_labels_that_count_change_the_loss(name):
    model = build(name).eval()
    data = batch(len(model.skeleton))
    changed = data.joints_mm.clone()
    changed[0, 4] += 500
    assert total(model, data) != total(model, replace(data, joints_mm=changed))
    changed_px = data.joints_px.clone()
    changed_px[3, 2] += 20
    assert total(model, data) != total(model, replace(data, joints_px=changed_px))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_labelled_is_zero(name):
    model = build(name)
    data = batch(len(model.skeleton))
    empty = replace(data, z_w=data.z_w * 0, uv_w=data.uv_w * 0)
    loss = total(model, empty)
    loss.backward()
    assert loss.item() == 0
    assert all((p.grad == 0).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", NAMES)
def test_a_nan_image_gives_nan_for_that_image_alone(name):
    model = build(name).eval()
    data = batch(len(model.skeleton))
    images = data.images.clone()
    images[1] = math.nan
    spoiled, clean = (decoded(model, replace(data, images=x)).joints_mm for x in (images, data.images))
    assert spoiled[1].isnan().all()
    torch.testing.assert_close(spoiled[[0, 2, 3]], clean[[0, 2, 3]], rtol=1e-3, atol=0.5)


def given(output):
    """The fields of an output that hold something; a `spread` is only there where it came for nothing."""
    return {field: value for field, value in output._asdict().items() if value is not None}


@pytest.mark.parametrize("name", NAMES)
def test_everything_behind_the_head_is_float32_under_autocast(name):
    model = build(name).eval()
    data = batch(len(model.skeleton))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(data.images)
        terms = model.loss(output, data, STEP)
        pose = decoded(model, data)
    for field, value in given(output).items():
        assert value.dtype == (torch.bfloat16 if field.startswith("logits") else torch.float32), field
    # The same numbers as without autocast from the same logits: nothing was lowered on the way.
    assert sum(terms.values()) == sum(model.loss(output, data, STEP).values())
    assert all(value.dtype == torch.float32 for value in pose if value is not None and value.is_floating_point())


@pytest.mark.parametrize("name", NAMES)
def test_calls_leave_no_state_behind(name):
    model = build(name).eval()
    data = batch(len(model.skeleton))
    before = set(vars(model)) | set(model.state_dict())
    values = {k: v.clone() for k, v in model.state_dict().items()}
    total(model, data).backward()
    decoded(model, data)
    assert before == set(vars(model)) | set(model.state_dict())
    assert all(torch.equal(values[k], v) for k, v in model.state_dict().items())


@pytest.mark.parametrize("name", NAMES)
def test_calibration_scales_the_covariance_of_each_joint(name):
    factors = tuple(1.0 + i for i in range(25))
    models = build(name).eval(), build(name, calibration=factors).eval()
    plain, calibrated = (decoded(model, batch(25)).covariance_mm2 for model in models)
    torch.testing.assert_close(calibrated, plain * torch.tensor(factors)[:, None, None])
    with pytest.raises(InputError, match="3 factors"):
        build(name, calibration=(1.0, 2.0, 3.0))


@pytest.mark.parametrize("name", NAMES)
def test_weights_do_not_depend_on_the_stride(name):
    coarse, fine = build(name), build(name, stride=8)
    fine.load_state_dict(coarse.state_dict(), strict=True)
    finer = coarse.config.stride // 8
    maps = [[x for x in given(model(batch(25).images)).values() if x.ndim >= 4] for model in (coarse, fine)]
    widths = [max(x.shape[-1] for x in some) for some in maps]
    assert widths[1] == finer * widths[0]


@pytest.mark.parametrize("name", NAMES)
def test_bad_settings_and_images_are_refused(name):
    with pytest.raises(ValidationError, match="sidee"):
        MODELS[name][0](sidee=256)
    with pytest.raises(InputError, match="skeleton"):
        build(name, skeleton="octopus_8")
    with pytest.raises(InputError, match="backbone"):
        build(name, backbone="vgg")
    with pytest.raises(InputError, match="96 x 96"):
        build(name)(torch.zeros(1, 3, 64, 64))


@pytest.mark.parametrize("name", NAMES)
def test_settings_survive_json(name):
    config = MODELS[name][0](side=128, calibration=(1.0, 2.0))
    assert MODELS[name][0].model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize("name", ["metrabs", "metro", "twofive"])
def test_the_head_takes_the_channels_of_the_last_layer_or_320_without_it(name):
    full, short, narrow = build(name), build(name, last_layer=False), build(name, last_layer=48)
    assert (full.head.in_channels, short.head.in_channels, narrow.head.in_channels) == (1280, 320, 48)
    assert type(narrow.config).model_validate_json(narrow.config.model_dump_json()).last_layer == 48
    assert type(full.config).model_validate_json(full.config.model_dump_json()).last_layer is True
    assert full.state_dict().keys() - short.state_dict().keys() == {"backbone.conv51.weight", "backbone.conv51.bias"}
    poses = decoded(short, batch(len(short.skeleton)))
    assert poses.joints_mm.shape == (B, len(short.skeleton), 3)
    with pytest.raises(InputError, match="only mobilenetv2"):
        build(name, last_layer=False, backbone="resnet18")


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match=", ".join(MODELS)):
        model_types("pose-o-matic")
    assert model_types("metro") == MODELS["metro"]
