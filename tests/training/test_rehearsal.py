from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from safetensors.torch import load_file

from metricpose.errors import DataError, InputError
from metricpose.training import rehearsal
from metricpose.training.distributed import Place
from metricpose.training.loop import TrainingData, train
from metricpose.training.rehearsal import Rehearsal, extrapolated, forecast, part, rehearse, shapes
from training.small import data, network, settings

PLACE = Place(0, 1, torch.device("cpu"))


@pytest.fixture(scope="module")
def found() -> Rehearsal:
    return rehearse(network(), data(8), settings(batch_size=8), PLACE)


def test_parameters_shapes_and_terms(found):
    model = network()
    count = sum(p.numel() for p in model.parameters())
    assert (found.people, found.measured, found.parameters, found.trained) == (8, 8, count, count)
    assert found.outputs == {"logits_3d": (8, 25, 8, 2, 2), "volume_mm": (8, 25, 3)}
    assert found.terms["relative"] > 0
    assert found.terms["gradient"] > 0
    assert min(found.load_s, found.compute_s, found.validation_s) > 0


def test_frozen_parameters_are_not_trained():
    frozen = rehearse(network(), data(), settings(freeze=["backbone.*"]), PLACE)
    assert frozen.trained == sum(p.numel() for p in network().head.parameters())


def test_checkpoints_are_as_large_as_said(found, tmp_path):
    train(network(), "metro", data(8), settings(batch_size=8, steps=1), tmp_path)
    state, model = tmp_path / "state.safetensors", tmp_path / "model.safetensors"
    tensors = load_file(state)
    assert found.state_bytes == sum(t.numel() * t.element_size() for t in tensors.values())
    assert state.stat().st_size == pytest.approx(found.state_bytes, rel=0.02)
    assert model.stat().st_size == pytest.approx(found.model_bytes, rel=0.05)


def test_a_batch_that_takes_too_long_is_extrapolated(found):
    guessed = rehearse(network(), data(8), settings(batch_size=8), PLACE, seconds=0)
    assert (guessed.people, guessed.measured) == (8, 4)
    assert guessed.outputs["volume_mm"] == (4, 25, 3)
    assert guessed.memory_bytes == pytest.approx(found.memory_bytes, rel=1e-3)


def test_a_batch_that_does_not_fit_is_extrapolated(monkeypatch):
    monkeypatch.setattr(rehearsal, "free_memory", lambda: 1e6)
    assert rehearse(network(), data(8), settings(batch_size=8), PLACE).measured == 4


def test_memory_holds_weights_gradients_moments_average_and_activations(found):
    weights = 4 * found.parameters
    assert found.memory_bytes > 5 * weights
    sgd = rehearse(network(), data(8), settings(batch_size=8, optimizer="sgd"), PLACE)
    assert found.memory_bytes - sgd.memory_bytes == pytest.approx(weights, rel=0.01)


@pytest.mark.parametrize(("fits", "measured", "memory"), [(8, 8, 12345), (4, 4, None)])
def test_on_cuda_the_allocator_says_what_a_batch_needs(monkeypatch, fits, measured, memory):
    """Without a GPU: the calls, and what becomes of a batch that does not fit."""
    for name in ("reset_peak_memory_stats", "empty_cache"):
        monkeypatch.setattr(torch.cuda, name, lambda *place: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda place: 12345)
    monkeypatch.setattr(rehearsal, "_on_cpu", rehearsal._on_gpu)
    step, sizes = rehearsal._Stage.step, []

    def limited(stage, packed, number):
        if len(packed["images"]) > fits:
            raise torch.cuda.OutOfMemoryError
        sizes.append(len(packed["images"]))
        return step(stage, packed, number)

    monkeypatch.setattr(rehearsal._Stage, "step", limited)
    seen = rehearse(network(), data(8), settings(batch_size=8), PLACE)
    assert (seen.people, seen.measured, seen.memory_bytes) == (8, measured, memory)
    assert sizes == ([8] * 4 if fits == 8 else [2] * 3 + [4] * 3)


def test_parts_take_people_of_the_first_and_the_last_source():
    packed = {"images": torch.arange(7)[:, None], "K": torch.arange(7)}
    assert part(packed, 2)["K"].tolist() == [0, 6]
    assert part(packed, 4)["images"][:, 0].tolist() == [0, 2, 4, 6]
    assert part(packed, 7)["K"].tolist() == list(range(7))


def test_straight_lines():
    assert extrapolated([2, 4], [3.0, 5.0], 64) == 65.0
    assert extrapolated([2, 4], [5.0, 3.0], 64) == 3.0


@pytest.mark.parametrize(
    ("workers", "cores", "step", "bottleneck"),
    [(0, 8, 5.0, "loading"), (1, 8, 3.0, "loading"), (8, 8, 2.0, "computing"), (8, 1, 3.0, "loading")],
)
def test_the_run_takes_what_its_slower_half_takes(found, workers, cores, step, bottleneck):
    known = found._replace(load_s=3.0, compute_s=2.0, validation_s=7.0)
    config = settings(workers=workers, steps=1000, validate_every=300)
    expected = forecast(known, config, cores)
    assert expected.step_s == step
    assert expected.bottleneck == bottleneck
    assert expected.compute_s == 2000.0
    assert expected.load_s == 3000.0 / max(1, min(workers, cores))
    assert expected.validation_s == 4 * 7.0
    assert expected.total_s == 1000 * step + 28.0
    assert forecast(known, settings(validate_every=0), cores).validation_s == 0


def test_shapes_of_nested_outputs():
    class Stage(NamedTuple):
        maps: torch.Tensor
        more: torch.Tensor | None = None

    class Output(NamedTuple):
        stages: list
        px: torch.Tensor

    output = Output([Stage(torch.zeros(1, 2)), Stage(torch.zeros(1, 2))], torch.zeros(1, 3))
    assert dict(shapes(output)) == {"stages (1 of 2).maps": (1, 2), "px": (1, 3)}


def test_a_loss_that_is_not_finite_is_reported():
    model = network()
    with torch.no_grad():
        model.head.bias[0] = torch.nan
    with pytest.raises(DataError, match="step 0 is not finite"):
        rehearse(model, data(), settings(), PLACE)


def test_a_decoder_that_needs_the_truth_cannot_be_validated():
    model, plain = network(), data()
    model.needs_gt = ("root_depth_mm",)
    with pytest.raises(InputError, match="needs the truth"):
        rehearse(model, plain, settings(), PLACE)
    assert rehearse(model, TrainingData(plain.maker, plain.counts), settings(), PLACE).validation_s == 0
