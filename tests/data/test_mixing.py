from __future__ import annotations

import tracemalloc
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch

from metricpose.data import mixing
from metricpose.data.loading import SampleMaker
from metricpose.data.mixing import Phase, Stream, batch_counts
from metricpose.data.pipeline import Augmentation
from metricpose.data.weaken import weaken
from metricpose.errors import InputError
from metricpose.skeleton import catalog
from people import People


def stream(counts=(3, 2), lengths=(7, 5), seed=1):
    return Stream(seed, counts, [[Phase(0, n)] for n in lengths])


def draws(stream_, steps, **place):
    return [d for s in steps for d in stream_.batch(s, **place)]


@pytest.mark.parametrize(
    ("size", "shares", "counts"),
    [
        (32, [1.0], (32,)),
        (32, [3.0, 1.0], (24, 8)),
        (10, [1.0, 1.0, 1.0], (4, 3, 3)),
        (8, [100.0, 1.0, 0.0], (7, 1, 0)),
        (3, [1.0, 50.0, 1.0], (1, 1, 1)),
    ],
)
def test_batch_counts(size, shares, counts):
    assert batch_counts(size, shares) == counts


@pytest.mark.parametrize("shares", [[], [0.0], [1.0, -1.0]])
def test_useless_shares_are_refused(shares):
    with pytest.raises(InputError, match="shares"):
        batch_counts(4, shares)


def test_more_sources_than_places_are_refused():
    with pytest.raises(InputError, match="cannot hold"):
        batch_counts(2, [1.0, 1.0, 1.0])


def test_each_batch_has_the_shares_and_each_epoch_all_records_once():
    stream_ = stream()
    for step in range(4):
        assert [d.source for d in stream_.batch(step)] == [0, 0, 0, 1, 1]
    first = [d.record for d in draws(stream_, range(7)) if d.source == 0]  # 21 draws = 3 epochs of 7
    for epoch in range(3):
        assert sorted(first[7 * epoch : 7 * epoch + 7]) == list(range(7))
    assert first[:7] != first[7:14]


def test_the_stream_is_a_function_of_seed_and_step():
    assert stream().batch(5) == stream().batch(5)
    assert stream().batch(5) != stream(seed=2).batch(5)
    seeds = [d.seed for d in draws(stream(), range(20))]
    assert max(Counter(seeds).values()) == 1


def test_ranks_share_the_batch_of_one_process():
    whole = stream().batch(3)
    parts = [stream().batch(3, rank=r, world=2) for r in range(2)]
    assert [len(p) for p in parts] == [3, 2]
    assert sorted(parts[0] + parts[1]) == sorted(whole)


def test_growth_changes_only_what_follows_and_is_remembered():
    old, new = stream(), stream()
    new.grow(4, [20, 5])
    assert draws(old, range(4)) == draws(new, range(4))
    later = {d.record for d in draws(new, range(4, 4 + 7)) if d.source == 0}
    assert later == {d.record for d in draws(new, range(4, 11)) if d.source == 0}
    assert max(later) > 6
    assert len(later) == 20  # 21 draws of 20 records
    restored = Stream(1, (3, 2), [[tuple(p) for p in h] for h in new.phases])
    assert draws(restored, range(12)) == draws(new, range(12))
    new.grow(6, [20, 5])
    new.grow(8, [10, 5])
    assert len(new.phases[0]) == 2


def test_endless_sources_are_taken_in_order():
    endless = stream(counts=(2,), lengths=(1 << 31,))
    assert [d.record for d in draws(endless, range(3))] == [0, 1, 2, 3, 4, 5]


def test_an_empty_source_is_refused():
    with pytest.raises(InputError, match="no records"):
        stream(lengths=(0, 5))


@pytest.mark.parametrize("length", [71, 80, 97, 160, 163, 164, 240])
def test_long_sources_are_shuffled_in_windows_of_blocks(monkeypatch, length):
    """Blocks of 4 and windows of 20 blocks in place of 256 and 512: each record once, few blocks at a time."""
    for name, value in (("_WHOLE_UP_TO", 70), ("_BLOCK", 4), ("_WINDOW", 20)):
        monkeypatch.setattr(mixing, name, value)
    order = [mixing.shuffled((1, 2), length, place) for place in range(length)]
    assert sorted(order) == list(range(length))
    assert order != [mixing.shuffled((1, 3), length, place) for place in range(length)]
    for start in range(0, 80 * ((length // 4 - 1) // 20), 80):
        window = order[start : start + 80]
        assert len({i // 4 for i in window}) == 20
        assert sum(abs(a - b) == 1 for a, b in pairwise(window)) < 15
    assert max(Counter(i // 4 for i in order[:40]).values()) < 5


def test_ten_million_records_need_no_long_table():
    stream_ = Stream(3, (64,), [[Phase(0, 10_000_000)]])
    mixing._permutation.cache_clear()
    tracemalloc.start()
    seen = {d.record for step in (0, 1, 100_000, 156_249) for d in stream_.batch(step)}
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(seen) == 4 * 64
    assert max(seen) > 9_000_000
    assert peak < 8e6


def test_a_batch_of_several_data_sets_keeps_their_shares_and_what_each_labels():
    """3D in two skeletons and 2D in two others: rows in the order of the sources, weights as the conversions say."""
    net = catalog.get("mpi_inf_3dhp_17")
    kinds = [("mpi_inf_3dhp_17", "full"), ("h36m_17", "full"), ("mpii_16", "2d"), ("coco_17", "2d")]
    sources = [weaken(People(5, skeleton=name), kind) for name, kind in kinds]
    counts = batch_counts(16, [0.5, 0.25, 0.125, 0.125])
    assert counts == (8, 4, 2, 2)
    maker = SampleMaker(sources, 48, net, Augmentation())
    mixed = stream(counts, [5] * 4)
    for step in (0, 3):
        packed = maker[mixed.batch(step)]
        rows = iter(range(16))
        for (name, kind), count in zip(kinds, counts, strict=True):
            valid = catalog.conversion(catalog.get(name), net).valid
            for row in (next(rows) for _ in range(count)):
                # Left and right change places in mirrored pictures, but none of these sets labels one side alone.
                assert packed["z_w"][row].tolist() == (valid if kind == "full" else np.zeros(17)).astype(float).tolist()
                if kind == "full":
                    np.testing.assert_array_equal(packed["uv_w"][row], valid)
                else:  # joints outside their photograph were taken away
                    assert not packed["uv_w"][row][~torch.from_numpy(valid)].any()
                    assert packed["uv_w"][row].any()
                assert packed["abs_w"][row] == float(kind == "full")
                masked = packed["z_w"][row] == 0
                assert (packed["joints_mm"][row][masked] == 0).all()
                assert (packed["joints_px"][row][packed["uv_w"][row] == 0] == 0).all()


def test_a_run_is_not_continued_with_another_number_of_sources():
    with pytest.raises(InputError, match=r"drew from 2 data sources so far, its recipe now names 3.*init_from"):
        Stream(0, (1, 2, 1), [[(0, 10)], [(0, 20)]])
