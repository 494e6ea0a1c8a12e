from __future__ import annotations

import torch

from metricpose.training.memory import peak_bytes, saved_bytes


def test_kept_tensors_count_once_per_storage_without_what_was_known():
    weight = torch.ones(7, 30, requires_grad=True)
    assert saved_bytes(lambda: weight * 2, [weight]) == 0
    assert saved_bytes(lambda: (weight * weight).sum(), [weight]) == 0
    assert saved_bytes(lambda: (weight * weight).sum()) == weight.nbytes
    assert saved_bytes(lambda: weight.exp().sum(), [weight]) == weight.nbytes  # its own result
    assert saved_bytes(lambda: weight.softmax(0).view(-1).square().sum(), [weight]) == weight.nbytes  # two views
    # The softmax of 3 maps of 5 x 6 cells keeps its probabilities, one product with coordinates keeps them again.
    logits = torch.zeros(3, 5, 6, requires_grad=True)
    axis = torch.arange(6.0)
    found = saved_bytes(lambda: (logits.flatten(1).softmax(-1).view(3, 5, 6).sum(1) * axis).sum(), [logits, axis])
    assert found == logits.nbytes


def test_the_peak_is_of_what_is_alive_at_one_time():
    start = torch.zeros(1000)

    def chain():
        x = start + 1
        x = x * 2  # the first is freed once the second is there
        return x + 1

    assert peak_bytes(chain) == 8000
    assert peak_bytes(lambda: [start + i for i in range(3)]) == 12000
    assert peak_bytes(lambda: (start + 1).view(10, 100).t()) == 4000
    assert peak_bytes(lambda: start.view(10, 100)) == 0
    assert peak_bytes(lambda: start.add_(0)) == 0


def test_gradients_are_kept_even_where_they_are_switched_off_around():
    weight = torch.ones(4, requires_grad=True)
    with torch.no_grad():
        assert saved_bytes(lambda: weight.exp(), [weight]) == 16
