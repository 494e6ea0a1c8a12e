from __future__ import annotations

import pytest
import torch

from metricpose.errors import InputError
from metricpose.training.distributed import Place, any_rank, joined, lowest, mean_over_ranks, named


def test_one_process_needs_no_group(monkeypatch):
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name, raising=False)
    with joined("cpu") as place:
        assert place == Place(0, 1, torch.device("cpu"))
        assert place.is_first
        assert any_rank(True, place)
        assert not any_rank(False, place)
        assert lowest([5, -2], place) == [5, -2]
        assert mean_over_ranks(torch.tensor([2.0, 4.0]), place.world).tolist() == [2, 4]
        assert not torch.distributed.is_initialized()


def test_the_mean_over_two_ranks(tmp_path, monkeypatch):
    """A group of one process that is told it is two: the sum is halved."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/group", rank=0, world_size=1)
    try:
        assert mean_over_ranks(torch.tensor([2.0, 4.0]), 2).tolist() == [1, 2]
        assert any_rank(True, Place(0, 2, torch.device("cpu")))
    finally:
        torch.distributed.destroy_process_group()


def test_bare_cuda_is_the_gpu_of_this_process(monkeypatch):
    """The device is made of its name and the environment; whether it is there is another question."""
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert named("cuda") == torch.device("cuda", 3)
    assert named("cuda:1") == torch.device("cuda", 1)
    assert named("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert named("auto") == torch.device("cuda", 3)
    monkeypatch.delenv("LOCAL_RANK")
    assert named("cuda") == torch.device("cuda", 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert named("auto") == torch.device("cpu")


@pytest.mark.parametrize("device", ["banana", "cpu:x", "", "cuda:99", "cuda"])
def test_a_device_that_is_not_there_is_an_input_error(device, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "98")
    with pytest.raises(InputError, match=rf"training\.device: '{device}' .*expected auto, cpu, cuda"), joined(device):
        pass
