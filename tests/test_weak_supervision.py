"""Weak labels from source to gradient: they train what they know, and exactly nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from metricpose.data.loading import SampleMaker, fixed_batches, unpack
from metricpose.data.mixing import Draw
from metricpose.data.pipeline import Augmentation
from metricpose.data.weaken import OrdinalConfig, weaken
from metricpose.models import MODELS
from metricpose.skeleton import catalog
from metricpose.skeleton.core import joint_pairs
from metricpose.training.loop import TrainingData, train
from metricpose.training.settings import TrainingConfig
from metricpose.types import Batch
from people import People
from training.small import digest

NET, SIDE, STEP = catalog.get("metricpose_25"), 32, 100_000
DEPTHS = {"metro": "volume_mm", "twofive": "depth_mm", "metrabs": "volume_mm"}
METHODS = [("metro", {}), ("twofive", {}), ("metrabs", {}), ("metrabs", {"loss_on": "pose"})]
FULL, ORDINAL, PIXELS = 0, 1, 2
PEOPLE = 4


def build(name: str, **options: Any) -> Any:
    torch.manual_seed(0)
    config_type, model_type = MODELS[name]
    return model_type(config_type(side=SIDE, stride=16, stride_train=16, **options))


def mixed(**ordinal: Any) -> SampleMaker:
    kinds = "full", "ordinal", "2d"
    return SampleMaker([weaken(People(6), kind, OrdinalConfig(**ordinal)) for kind in kinds], SIDE, NET, Augmentation())


def batch(**ordinal: Any) -> Batch:
    """One person with all labels, two with ordinal labels, one with pixels alone."""
    return unpack(
        mixed(**ordinal)[[Draw(source, i, (i,)) for i, source in enumerate((FULL, ORDINAL, ORDINAL, PIXELS))]]
    )


def gradients(model: Any, data: Batch, *terms: str) -> Any:
    """Gradient of some terms (or all) of the loss with respect to everything the network says."""
    output = model(data.images)
    for value in output:
        if value is not None:
            value.retain_grad()
    losses = model.loss(output, data, STEP)
    sum(losses[name] for name in terms or losses).backward()
    return output


@pytest.mark.parametrize(("name", "options"), METHODS)
def test_the_ordinal_term_reaches_the_depths_of_labelled_joints_alone(name: str, options: dict[str, Any]) -> None:
    data = batch(share=0.02)
    assert data.order_w is not None
    output = gradients(build(name, **options), data, "ordinal")
    found = getattr(output, DEPTHS[name]).grad
    depth = found if name == "twofive" else found[..., 2]
    labelled = torch.zeros(4, 25, dtype=torch.bool)
    for sample, pair in data.order_w.nonzero().tolist():
        labelled[sample, list(joint_pairs(25)[pair])] = True
    assert 2 < labelled.sum() < 40
    assert not labelled[[0, 3]].any()
    assert (depth[~labelled] == 0).all()
    assert (depth[labelled] != 0).any()
    if name != "twofive":
        assert (found[..., :2] == 0).all()
        assert name == "metro" or output.px.grad is None
    else:
        assert output.px.grad is None


@pytest.mark.parametrize(("name", "options"), METHODS[:3])
def test_pixels_alone_train_no_depth(name: str, options: dict[str, Any]) -> None:
    """Of all terms together: the depths of 2D-only people get no gradient, those of others do."""
    found = getattr(gradients(build(name, **options), batch()), DEPTHS[name]).grad
    depth = found if name == "twofive" else found[..., 2]
    assert (depth[3] == 0).all()
    assert all((depth[i] != 0).any() for i in range(3))


@pytest.mark.parametrize(("name", "options"), METHODS)
def test_a_batch_without_ordinal_labels_has_no_ordinal_loss(name: str, options: dict[str, Any]) -> None:
    model, packed = build(name, **options), mixed()[[Draw(FULL, 0, (0,)), Draw(PIXELS, 1, (1,))]]
    assert "order" not in packed
    term = model.loss(model(unpack(packed).images), unpack(packed), STEP)["ordinal"]
    assert term == 0
    assert not term.requires_grad


@pytest.mark.parametrize(("name", "options"), METHODS)
def test_the_weight_scales_the_ordinal_term_alone(name: str, options: dict[str, Any]) -> None:
    model, strong = (build(name, weight_ordinal=w, **options).eval() for w in (0.1, 0.3))
    data = batch()
    plain, changed = (m.loss(m(data.images), data, STEP) for m in (model, strong))
    assert changed["ordinal"].item() == pytest.approx(3 * plain["ordinal"].item(), rel=1e-5)
    assert plain["ordinal"] > 0
    assert all(torch.equal(plain[k], changed[k]) for k in plain if k != "ordinal")


@pytest.mark.parametrize("name", ["metro", "twofive", "metrabs"])
def test_ordinal_labels_alone_teach_depth(name: str, tmp_path: Any) -> None:
    """From chance to a few wrong pairs of the training people in seconds; true depths, never seen, correlate."""
    model, people = build(name), weaken(People(PEOPLE), "ordinal")
    watched = fixed_batches(people, range(PEOPLE), SIDE, NET, PEOPLE)
    data = TrainingData(SampleMaker([people], SIDE, NET, None), (PEOPLE,), watched)
    before = correlation(model)
    options = {"steps": 35, "batch_size": PEOPLE, "validate_every": 35, "log_every": 35}
    found = train(model, name, data, settings(**options), tmp_path)
    assert found["wrong_order_percent"] < 15
    assert abs(before) < 0.4
    assert correlation(model) > 0.6


def correlation(model: Any) -> float:
    """Of predicted and true depth relative to the root, over all joints of the training people."""
    truth = unpack(fixed_batches(People(PEOPLE), range(PEOPLE), SIDE, NET, PEOPLE)[0])
    with torch.inference_mode():
        output = model.eval()(truth.images)
        z = model.decode(output, truth.K).joints_mm[..., 2]
    relative = truth.joints_mm[..., 2] - truth.joints_mm[:, :1, 2]
    return float(torch.corrcoef(torch.stack([z.flatten(), relative.flatten()]))[0, 1])


def settings(**changes: Any) -> TrainingConfig:
    values = {
        "steps": 4, "batch_size": 5, "lr": 2e-3, "workers": 0, "log_every": 1, "validate_every": 0,
        "checkpoint_every": 1000, "ema": 0, "precision": "fp32", "device": "cpu",
    }  # fmt: skip
    return TrainingConfig(**(values | changes))


def test_stopping_and_going_on_with_weak_labels_changes_nothing(tmp_path: Any) -> None:
    data = TrainingData(mixed(share=0.5, noise=0.2), (2, 2, 1))
    train(build("metrabs"), "metrabs", data, settings(), tmp_path / "whole")
    assert train(build("metrabs"), "metrabs", data, settings(max_minutes=1e-9), tmp_path / "parts")["step"] == 1
    train(build("metrabs"), "metrabs", data, settings(), tmp_path / "parts")
    a, b = (digest(tmp_path / name / "state.safetensors") for name in ("whole", "parts"))
    assert a == b
    header = (tmp_path / "whole" / "train.csv").read_text().splitlines()[0].split(",")
    assert {"relative", "heatmap_2d_only", "ordinal"} <= set(header)
