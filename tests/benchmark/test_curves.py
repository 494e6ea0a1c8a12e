from __future__ import annotations

import numpy as np
import pytest
import torch

from metricpose.benchmark.curves import (
    JOINTS,
    DecodeTime,
    decode_planes,
    decode_times,
    decode_volume,
    in_steps,
    map_memory,
    predicted,
    stride_speed,
)
from metricpose.heatmap import moments

CPU = torch.device("cpu")


def test_planes_and_volume_of_one_distribution_agree():
    """Marginals of a volume, decoded as planes, give the volume's expectation (grids aside)."""
    volume = torch.randn(2, 3, 6, 6, 6, dtype=torch.float64)
    prob = volume.flatten(2).softmax(-1).view(volume.shape)
    xy, zy, xz = prob.sum(2), prob.sum(4).transpose(-1, -2), prob.sum(3)
    planes = torch.stack([xy, zy, xz], 1).log()
    corner = decode_volume(volume)
    centre = decode_planes(planes)
    n = 6
    assert torch.allclose(centre, (2 * corner * (n - 1) + 1) / n - 1, atol=1e-6)


@pytest.mark.parametrize("cells", [16, 24])
def test_memory_is_that_of_logits_and_probabilities(cells):
    found = map_memory(cells)
    maps, volume = 3 * JOINTS * cells**2 * 4, JOINTS * cells**3 * 4
    assert found.maps_training == pytest.approx(2 * maps, rel=0.02)
    assert found.volume_training == pytest.approx(2 * volume, rel=0.01)
    assert found.maps_inference >= 2 * maps
    assert found.volume_inference >= 2 * volume
    assert found.head_training == pytest.approx(volume, rel=0.01)
    assert found.stage_training > 100 * maps


def test_maps_need_three_cells_for_n_of_a_volume():
    found = map_memory(32)
    assert found.maps_training / found.volume_training == pytest.approx(3 / 32, rel=0.01)


def test_decoding_is_timed_against_a_sum_of_the_same_logits():
    found = decode_times(CPU, batch=1, repeats=1, largest=32)
    assert [d.shape for d in found] == [(1, 17, 8, 8, 8), (1, 3, 17, 32, 32)]
    for d in found:
        assert d.floats == np.prod(d.shape)
        assert d.ratio == d.decode_ms / d.sum_ms
        assert d.steps_ms > 0
    made = DecodeTime("x", (10,), 10, 2.0, 5.0, 1.0, 6.0)
    assert made.ratio == 2.5


@pytest.mark.parametrize("shape", [(2, 17, 8, 16, 16), (2, 3, 17, 32, 32)], ids=str)
def test_both_ways_of_decoding_find_the_same(shape):
    logits = torch.randn(shape)
    assert logits.nelement() > moments.FEWEST
    with torch.no_grad():
        for a, b in zip(predicted(logits), in_steps(logits)):
            torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


def test_finer_strides_are_slower():
    found = stride_speed("mobilenetv2", 64, CPU, batch=1, repeats=1)
    assert list(found) == [32, 16, 8, 4]
    assert all(speed > 0 for speed in found.values())
