"""The two phases of training: what each one leaves alone, bit for bit, and that the second starts from the first."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from metricpose.cli.assembly import build_network
from metricpose.config import load_recipe
from metricpose.data.loading import SampleMaker, fixed_batches, unpack
from metricpose.data.pipeline import Augmentation
from metricpose.models.lifting import Lifting, LiftingConfig
from metricpose.models.recovery import UNTRAINED_BONE_MM
from metricpose.models.s3ht import Widths
from metricpose.skeleton import catalog
from metricpose.training.loop import TrainingData, train
from metricpose.training.settings import TrainingConfig
from metricpose.weights import load_weights, read_tensors, save_model
from people import People

SIDE = 64
WIDTHS = Widths((6,), fusion=5, dilated=3, depth=8, encoder=4, join=9)


def build(**settings):
    torch.manual_seed(0)
    shape = {"side": SIDE, "widths": WIDTHS, "depth_bins": 5, "slab_bins": 7, "lifter_width": 12}
    # Batch norm in the backbone too, whose statistics must not move.
    return Lifting(LiftingConfig.narrow(**(shape | {"norm": "batch", **settings})))


def run(model, folder, steps=3):
    net = catalog.get("metricpose_25")
    maker = SampleMaker([People(8)], SIDE, net, Augmentation())
    data = TrainingData(maker, (4,), fixed_batches(People(2), range(2), SIDE, net, 2))
    settings = TrainingConfig(
        steps=steps, batch_size=4, lr=1e-2, workers=0, log_every=1, validate_every=steps, checkpoint_every=steps,
        ema=0.9, precision="bf16", device="cpu",
    )  # fmt: skip
    return train(model, "lifting", data, settings, folder)


def state(model):
    return {key: value.clone() for key, value in model.state_dict().items()}


def changed(model, before):
    return {key.split(".")[0] for key, value in model.state_dict().items() if not torch.equal(value, before[key])}


def test_stage_1_leaves_the_lifter_alone(tmp_path):
    model = build(phase="stage1", recovery="bone-lengths")
    before = state(model)
    found = run(model, tmp_path)
    assert changed(model, before) == {"backbone", "steps", "bone_lengths_mm", "bone_count"}
    assert found["mpjpe_mm"] > 0
    assert "pose" not in (tmp_path / "train.csv").read_text().splitlines()[0].split(",")


def test_the_second_phase_changes_the_lifter_and_not_one_bit_of_stage_1(tmp_path):
    run(build(phase="stage1", recovery="bone-lengths"), tmp_path / "stage1", steps=1)
    model = build(phase="lifter")
    path = tmp_path / "stage1" / "model.safetensors"
    load_weights(model, read_tensors(path), str(path))
    assert not torch.equal(model.bone_lengths_mm, torch.full_like(model.bone_lengths_mm, UNTRAINED_BONE_MM))
    before = state(model)
    run(model, tmp_path / "lifter")
    assert changed(model, before) == {"lifter"}
    # The averaged weights, too, are those of stage 1.
    averaged = read_tensors(tmp_path / "lifter" / "model.safetensors")
    stage1 = {key: value for key, value in before.items() if not key.startswith("lifter")}
    assert all(torch.equal(averaged[key], value.half().to(value.dtype)) for key, value in stage1.items())
    header = (tmp_path / "lifter" / "train.csv").read_text().splitlines()[0].split(",")
    assert "pose" in header
    assert not {"bones", "joints", "slab", "slab_order", "coordinates"} & set(header)


def batch():
    net = catalog.get("metricpose_25")
    return unpack(fixed_batches(People(4), range(4), SIDE, net, 4)[0])


def test_the_second_phase_runs_stage_1_without_gradient_and_without_batch_statistics():
    model = build(phase="lifter").train()
    assert model.lifter.training
    assert not any(m.training for part in (model.backbone, model.steps) for m in part.modules())
    data = batch()
    output = model(data.images)
    assert not any(value.requires_grad for value in output if value is not None)
    alone = model(data.images[:1])
    torch.testing.assert_close(alone.px, output.px[:1])  # batch norm does not look at the others
    terms = model.loss(output, data, 0)
    assert set(terms) == {"pose"}
    terms["pose"].backward()
    assert all((p.grad is not None) == name.startswith("lifter.") for name, p in model.named_parameters())
    assert {n.split(".")[0] for n, p in model.named_parameters() if p.requires_grad} == {"lifter"}


@pytest.mark.parametrize("phase", ["joint", "lifter"])
def test_batches_without_depth_do_not_move_the_lifter(phase):
    model, data = build(phase=phase).train(), batch()
    data = replace(data, z_w=torch.zeros_like(data.z_w))
    terms = model.loss(model(data.images), data, 0)
    assert terms["pose"] == 0
    sum(terms.values()).backward()
    assert all((p.grad == 0).all() for p in model.lifter.parameters())


def test_weights_have_the_same_names_in_every_phase_and_recovery():
    keys = build().state_dict().keys()
    for settings in (
        {"phase": "lifter", "lifter_blocks": 5},
        {"phase": "stage1", "recovery": "true-root-depth"},
        {"recovery": "true-bone-lengths", "standard_stature_mm": 1077.0},
    ):
        assert build(**settings).state_dict().keys() == keys


def test_stage_1_and_the_whole_decode_the_same_volumes():
    """Recovery by bone lengths is open to a trained whole, for the ablation without lifter."""
    first, whole = build(phase="stage1", recovery="bone-lengths").eval(), build(recovery="bone-lengths").eval()
    data = batch()
    with torch.inference_mode():
        poses = [model.decode(model(data.images), data.K) for model in (first, whole)]
    assert torch.equal(poses[0].joints_mm, poses[1].joints_mm)


def test_bf16_changes_the_result_little():
    model, data = build().eval(), batch()
    with torch.inference_mode():
        plain = model(data.images)
        with torch.autocast("cpu", torch.bfloat16):
            lowered = model(data.images)
            terms = model.loss(lowered, data, 0)
            pose = model.decode(lowered, data.K)
    for name, value in ((n, v) for n, v in lowered._asdict().items() if v is not None):
        assert value.dtype == (torch.bfloat16 if name.startswith("logits") else torch.float32), name
    torch.testing.assert_close(lowered.px, plain.px, atol=0.5, rtol=0)
    assert all(term.dtype == torch.float32 and term.isfinite() for term in terms.values())
    outside = model.loss(lowered, data, 0)
    assert all(torch.equal(terms[name], outside[name]) for name in terms)
    assert all(value.dtype == torch.float32 for value in pose[:4])
    assert pose.joints_abs_mm.isfinite().all()
    assert (torch.linalg.eigvalsh(pose.covariance_mm2.double()) > 0).all()


def test_the_two_recipes_fit_together(repository, tmp_path):
    """The second starts from what the first writes; the bones' kernel shrinks over the first's own steps."""
    small = [
        "model.preset=narrow", f"model.config.side={SIDE}", "model.config.depth_bins=5", "model.config.slab_bins=7",
        "model.config.widths=[[6], 5, 3, 8, 4, 9]", "model.config.lifter_width=12", "init_backbone=null",
    ]  # fmt: skip
    first = load_recipe(repository / "recipes" / "lifting-stage1.yaml", small)
    assert first.model.build().horizon_steps == first.training.steps
    assert first.training.schedule.factor(42_500, 50_000) == 0.1
    model = build_network(first)
    assert model.config.phase == "stage1"
    save_model(tmp_path / "first.safetensors", model, "lifting", facts={})
    second = load_recipe(
        repository / "recipes" / "lifting-lifter.yaml", [*small, f"init_from={tmp_path / 'first.safetensors'}"]
    )
    assert second.training == first.training
    lifter = build_network(second)
    assert lifter.config.phase == "lifter"
    half = model.steps.volumes.volumes.weight.half().float()
    assert torch.equal(lifter.steps.volumes.volumes.weight, half)
    published = load_recipe(repository / "recipes" / "lifting-lifter.yaml").model.build()
    assert (published.backbone, published.side, published.standard_stature_mm) == ("resnet50", 256, 1077)
