from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from metricpose.data.mixing import Phase, Stream
from metricpose.data.pipeline import make_sample
from metricpose.errors import CheckpointError, DataError, InputError
from metricpose.skeleton import catalog
from metricpose.training import resume
from metricpose.training.averaging import Average
from metricpose.training.checkpoint import read_progress
from metricpose.training.distributed import Place
from metricpose.training.loop import Run, build_optimizer, take_step, train
from metricpose.training.schedule import ScheduleConfig
from metricpose.types import Batch
from metricpose.weights import load_model
from people import People
from training.small import data, digest, environment, in_two_processes, network, settings

PLACE = Place(0, 1, torch.device("cpu"))


def command(out, *changes):
    return [sys.executable, "-m", "training.small", str(out), *changes]


def test_a_run_writes_all_its_files_and_learns(tmp_path):
    found = train(network(), "metro", data(augmentation=None), settings(steps=30), tmp_path, facts={"recipe": "test"})
    assert found["step"] == 30
    lines = (tmp_path / "train.csv").read_text().splitlines()
    assert len(lines) == 31
    losses = [float(line.split(",")[1]) for line in lines[1:]]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    model, metadata = load_model(tmp_path / "model.safetensors")
    assert metadata["facts"] == {"recipe": "test", "step": 30, "steps": 30, "samples": 120}
    assert model.config == network().config
    assert read_progress(tmp_path / "state.safetensors").step == 30


def test_a_run_is_a_function_of_its_settings(tmp_path):
    for name, changes in (("a", {}), ("b", {"log_every": 4, "checkpoint_every": 5}), ("c", {"seed": 1})):
        train(network(), "metro", data(), settings(steps=3, **changes), tmp_path / name)
    a, b, c = (digest(tmp_path / n / "state.safetensors") for n in "abc")
    assert a == b
    assert a != c


def test_stopping_and_going_on_changes_nothing(tmp_path):
    train(network(), "metro", data(), settings(), tmp_path / "whole")
    found = train(network(), "metro", data(), settings(max_minutes=1e-9), tmp_path / "parts")
    assert found["step"] == 1
    train(network(5), "metro", data(), settings(), tmp_path / "parts")
    for name in ("state", "model"):
        assert digest(tmp_path / "whole" / f"{name}.safetensors") == digest(tmp_path / "parts" / f"{name}.safetensors")
    steps = [line.split(",")[0] for line in (tmp_path / "parts" / "train.csv").read_text().splitlines()[1:]]
    assert steps == ["1", "2", "3", "4", "5", "6"]


def test_other_settings_do_not_resume(tmp_path):
    train(network(), "metro", data(), settings(steps=2), tmp_path)
    with pytest.raises(CheckpointError, match=r"lr 0\.001 -> 0\.5"):
        train(network(), "metro", data(), settings(steps=2, lr=0.5), tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_run_ends_with_the_weights_of_an_uninterrupted_one(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(
        command(whole, "steps=16", "precision=bf16"), env=environment(), check=True, stdout=subprocess.DEVNULL
    )
    process = subprocess.Popen(
        command(killed, "steps=16", "precision=bf16", "workers=1"), env=environment(), stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 600
    while not (killed / "state.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    reached = read_progress(killed / "state.safetensors").step
    assert 0 < reached < 16
    subprocess.run(
        command(killed, "steps=16", "precision=bf16"), env=environment(), check=True, stdout=subprocess.DEVNULL
    )
    for name in ("state", "model"):
        assert digest(killed / f"{name}.safetensors") == digest(whole / f"{name}.safetensors")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sigterm_saves_and_leaves(tmp_path):
    process = subprocess.Popen(
        command(tmp_path, "steps=5000", "checkpoint_every=5000", "validate_every=0"),
        env=environment(), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    while "step" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGTERM)
    rest = process.communicate(timeout=300)[0]
    assert process.returncode == 0
    assert "start the same command again" in rest
    assert 0 < read_progress(tmp_path / "state.safetensors").step < 5000


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_take_the_steps_of_one(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    subprocess.run(command(one, "steps=4"), env=environment(), check=True, stdout=subprocess.DEVNULL)
    done = in_two_processes(*command(two, "steps=4")[2:])
    assert done.returncode == 0, done.stdout + done.stderr

    def losses(folder):
        return [float(line.split(",")[1]) for line in (folder / "train.csv").read_text().splitlines()[1:]]

    assert losses(two) == pytest.approx(losses(one), rel=2e-4)


class Broken(torch.nn.Module):
    """A network whose loss is infinite from some step on."""

    def __init__(self, good_steps):
        super().__init__()
        self.inner, self.good = network(), good_steps
        self.config, self.skeleton = self.inner.config, self.inner.skeleton

    def forward(self, images):
        return self.inner(images)

    def decode(self, output, K):
        return self.inner.decode(output, K)

    def loss(self, output, batch, step):
        terms = self.inner.loss(output, batch, step)
        return terms if step < self.good else {k: v * float("inf") for k, v in terms.items()}


def test_steps_that_are_not_finite_are_left_out_and_then_reported(tmp_path):
    constant = {"schedule": ScheduleConfig(kind="constant"), "decay": 0.0, "validate_every": 0}
    with pytest.raises(DataError, match="not finite for 20 steps"):
        train(Broken(2), "metro", data(), settings(steps=60, **constant), tmp_path / "bad")
    train(Broken(2), "metro", data(), settings(steps=2, **constant), tmp_path / "good")
    # The last checkpoint of the bad run still holds the weights after its second step.
    weights = [load_weights(tmp_path / n / "state.safetensors") for n in ("bad", "good")]
    assert all(torch.equal(weights[0][k], weights[1][k]) for k in weights[1])


def load_weights(path):
    return {k: v for k, v in load_file(path).items() if k.startswith("model.")}


def test_weight_decay_is_the_published_factor():
    config = settings(steps=100, lr=0.01, decay=0.2, backbone_lr=0.5)
    model = network()
    optimizer = build_optimizer(model, config, PLACE)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    for group in optimizer.param_groups:
        group["lr"] = 0.25 * config.lr * group["factor"]
    optimizer.step()
    for name, parameter in model.named_parameters():
        share = 0.5 if name.startswith("backbone.") else 1.0
        factor = 1 - 0.2 / 10 * 0.25 * share
        assert torch.allclose(parameter, before[name] * factor, rtol=1e-6, atol=0), name


def test_sgd_takes_the_steps_of_the_one_cycle():
    """Two steps by hand: rate and momentum of each step, and the backbone's share of the rate."""
    cycle = ScheduleConfig(kind="one_cycle_linear")
    config = settings(optimizer="sgd", steps=10, lr=0.5, decay=0.0, backbone_lr=0.2, schedule=cycle, clip=0)
    model = Still()
    run = Run(model, Average(model, 0.0), build_optimizer(model, config, PLACE), Stream(0, (1,), [[Phase(0, 9)]]))
    labels = Batch.stack([make_sample(People(1)[0], 32, catalog.get("metricpose_25"))])
    for _ in range(2):
        take_step(run, model, labels, config, PLACE)
    rates, momentum = [0.5 * 0.1, 0.5 * 0.3], 0.9 - 0.05 / 4.5
    moved = rates[0] * 3 + rates[1] * (3 + momentum * 3)  # The gradient is 3 in each step.
    assert model.backbone.weight.item() == pytest.approx(7 - 0.2 * moved, rel=1e-6)
    assert model.head.weight.item() == pytest.approx(7 - moved, rel=1e-6)


class Still(torch.nn.Module):
    """Two weights of constant gradient 3."""

    def __init__(self):
        super().__init__()
        self.backbone, self.head = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
        for parameter in self.parameters():
            torch.nn.init.constant_(parameter, 7.0)

    def forward(self, images):
        return 3 * (self.backbone.weight.sum() + self.head.weight.sum())

    def loss(self, output, batch, step):
        return {"sum": output}


@pytest.mark.parametrize("optimizer", ["sgd", "muon"])
def test_a_stopped_run_with_momentum_goes_on_bit_for_bit(optimizer, tmp_path):
    cycle = {"optimizer": optimizer, "lr": 0.02, "decay": 0.0, "schedule": ScheduleConfig(kind="one_cycle_linear")}
    train(network(), "metro", data(), settings(steps=4, **cycle), tmp_path / "whole")
    assert (
        train(network(), "metro", data(), settings(steps=4, max_minutes=1e-9, **cycle), tmp_path / "parts")["step"] == 1
    )
    train(network(5), "metro", data(), settings(steps=4, **cycle), tmp_path / "parts")
    whole, parts = (load_file(tmp_path / n / "state.safetensors") for n in ("whole", "parts"))
    assert whole["momentum_buffer.head.weight"].abs().max() > 0
    assert digest(tmp_path / "whole" / "state.safetensors") == digest(tmp_path / "parts" / "state.safetensors")
    assert whole.keys() == parts.keys()


def test_a_run_begun_before_a_setting_existed_goes_on(tmp_path, monkeypatch):
    train(network(), "metro", data(), settings(steps=2, max_minutes=1e-9), tmp_path)
    older = read_progress(tmp_path / "state.safetensors")
    del older.settings["optimizer"], older.settings["momentum"]
    monkeypatch.setattr(resume, "read_progress", lambda path: older)
    assert train(network(), "metro", data(), settings(steps=2), tmp_path)["step"] == 2
    with pytest.raises(CheckpointError, match="optimizer adamw -> sgd"):
        train(network(), "metro", data(), settings(steps=2, optimizer="sgd"), tmp_path)


def test_frozen_parameters_stay(tmp_path):
    model = network()
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    train(model, "metro", data(), settings(steps=2, freeze=("backbone.conv[0-9].*",)), tmp_path)
    changed = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert not changed & {f"backbone.conv{i}.weight" for i in range(10)}
    assert {"backbone.conv10.weight", "head.weight"} <= changed
    with pytest.raises(InputError, match="named like 'tail"):
        train(network(), "metro", data(), settings(freeze=("tail.*",)), tmp_path / "b")


def test_new_records_are_used_from_the_next_refresh_on(tmp_path):
    growing = data()
    growing.maker.sources[0].refresh = lambda: 40  # type: ignore[method-assign]
    train(network(), "metro", growing, settings(steps=2, refresh_every=1), tmp_path)
    assert read_progress(tmp_path / "state.safetensors").phases == [[[0, 12], [4, 40]]]
