"""A network small enough to train in tests, and a command that does so in a process of its own."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from metricpose.data.loading import SampleMaker, fixed_batches
from metricpose.data.pipeline import Augmentation
from metricpose.models.metro import Metro, MetroConfig
from metricpose.skeleton import catalog
from metricpose.training.loop import TrainingData, train
from metricpose.training.settings import TrainingConfig
from people import People

TESTS = Path(__file__).resolve().parents[1]
SIDE = 32
PLAIN = Augmentation()


def network(seed: int = 0) -> Metro:
    torch.manual_seed(seed)
    return Metro(MetroConfig(side=SIDE, stride=16, stride_train=16))


def data(batch_size: int = 4, augmentation: Augmentation | None = PLAIN) -> TrainingData:
    net = catalog.get("metricpose_25")
    maker = SampleMaker([People(12)], SIDE, net, augmentation)
    return TrainingData(maker, (batch_size,), fixed_batches(People(4), range(4), SIDE, net, 2))


def settings(**changes: object) -> TrainingConfig:
    values = {
        "steps": 6, "batch_size": 4, "lr": 1e-3, "workers": 0, "log_every": 1, "validate_every": 3,
        "checkpoint_every": 2, "ema": 0.9, "precision": "fp32", "device": "cpu",
    }  # fmt: skip
    return TrainingConfig(**(values | changes))


def digest(path: Path) -> str:
    """SHA-256 of all tensors of a safetensors file."""
    tensors = load_file(path)
    whole = hashlib.sha256()
    for name in sorted(tensors):
        whole.update(name.encode() + tensors[name].contiguous().numpy().tobytes())
    return whole.hexdigest()


def environment() -> dict[str, str]:
    """Of processes that import the package and the tests."""
    path = os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def in_two_processes(*module: str) -> subprocess.CompletedProcess[str]:
    """Run a module and its arguments under torchrun.

    torchrun picks a free port and opens it later; a test beside this one may take it in between: then once more.
    """
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=2"]
    return subprocess.run(
        [*torchrun, "-m", *module], env=environment(), check=False, capture_output=True, text=True, timeout=600
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    changes = {k: int(v) if v.isdigit() else v for k, v in (a.split("=") for a in sys.argv[2:])}
    train(network(), "metro", data(), settings(**changes), sys.argv[1])
