from __future__ import annotations

import torch

from metricpose.training.distributed import Place, any_rank, joined, mean_over_ranks


def test_one_process_needs_no_group(monkeypatch):
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name, raising=False)
    with joined("cpu") as place:
        assert place == Place(0, 1, torch.device("cpu"))
        assert place.is_first
        assert any_rank(True, place)
        assert not any_rank(False, place)
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
