from __future__ import annotations

import pytest
import torch

from metricpose.benchmark.costs import Given, best_ms, example, head_cost
from metricpose.benchmark.run import cost
from metricpose.models.metro import Metro, MetroConfig

CPU = torch.device("cpu")
SETTINGS = {"side": 64, "stride": 16, "stride_train": 16, "depth_bins": 4}
JOINTS, CELLS = 25, 4 * 4 * 4


@pytest.fixture(scope="module")
def found():
    return head_cost("metro", SETTINGS, CPU, batch=2, repeats=1)


def test_the_head_is_what_lies_behind_the_backbone(found):
    assert found.head_parameters == 1280 * JOINTS * 4 + JOINTS * 4
    assert found.head_gmac == pytest.approx(1280 * JOINTS * 4 * 16 / 1e9)
    whole = cost(Metro(MetroConfig(**SETTINGS)), 64)
    assert (found.parameters, found.gmac) == (whole[0], pytest.approx(whole[1]))
    assert found.features == (1280, 4, 4)


def test_memory_is_that_of_the_heatmaps_and_little_else(found):
    logits = JOINTS * CELLS * 4
    assert logits <= found.training_bytes < 1.7 * logits
    assert 2 * logits <= found.inference_bytes < 6 * logits


def test_more_crops_cost_the_same_each(found):
    more = head_cost("metro", SETTINGS, CPU, batch=5, repeats=1)
    assert more.training_bytes == pytest.approx(found.training_bytes, rel=0.02)
    assert more.head_gmac == pytest.approx(found.head_gmac)


def test_times_are_positive(found):
    assert min(found.backbone_ms, found.head_ms, found.decode_ms) > 0
    assert best_ms(lambda: sum(range(1000)), CPU, 2) > 0


def test_given_features_stand_in_for_a_backbone():
    features = {16: torch.ones(1)}
    assert Given(features)(torch.zeros(1)) is features


def test_the_example_is_a_person_in_front_of_the_camera():
    model = Metro(MetroConfig(**SETTINGS))
    batch = example(model, torch.zeros(3, 3, 64, 64))
    assert batch.joints_mm.shape == (3, JOINTS, 3)
    projected = batch.joints_mm @ batch.K.mT
    assert torch.allclose(projected[..., :2] / projected[..., 2:], batch.joints_px, atol=1e-3)
    assert ((batch.joints_mm[..., 2] > 1000) & (batch.joints_mm[..., 2] < 5000)).all()
