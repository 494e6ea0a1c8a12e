from __future__ import annotations

import numpy as np
import pytest
import torch

from metricpose.data.loading import SampleMaker, fixed_batches, train_batches, unpack, with_cutouts
from metricpose.data.mixing import Phase, Stream
from metricpose.data.pipeline import Augmentation
from metricpose.data.weaken import weaken
from metricpose.skeleton import catalog
from metricpose.types import Batch
from people import People

NET = catalog.get("metricpose_25")


def maker(length=6):
    return SampleMaker([People(length)], 32, NET, Augmentation())


def batches(workers, first=0, **options):
    stream = Stream(3, (4,), [[Phase(0, 6)]])
    return list(train_batches(maker(), stream, first, 5, workers=workers, **options))


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:This DataLoader will create")  # fork; few cores
def test_batches_do_not_depend_on_the_number_of_workers():
    alone = batches(0)
    assert len(alone) == 5
    assert not same(alone[0], alone[1])
    for workers in (1, 3):
        assert all(same(a, b) for a, b in zip(alone, batches(workers), strict=True))


def test_a_later_start_gives_the_same_later_batches():
    assert all(same(a, b) for a, b in zip(batches(0)[2:], batches(0, first=2), strict=True))


def test_ranks_make_their_part_of_the_batch():
    whole, part = batches(0)[0], batches(0, rank=1, world=2)[0]
    assert torch.equal(part["images"], whole["images"][1::2])


def test_before_step_sees_every_step():
    seen = []
    batches(0, before_step=seen.append)
    assert seen == [0, 1, 2, 3, 4]


def test_unpacked_batches_equal_stacked_samples():
    m = maker()
    draws = Stream(3, (4,), [[Phase(0, 6)]]).batch(0)
    got, wanted = unpack(m[draws]), Batch.stack([m.sample(d) for d in draws])
    for name in ("images", "K", "joints_mm", "joints_px", "z_w", "uv_w", "abs_w"):
        assert torch.equal(getattr(got, name), getattr(wanted, name))
    assert got.images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:This DataLoader will create")  # fork; few cores
def test_batches_of_mixed_supervision():
    """Six full, six ordinal and six 2D-only people: weights alone tell them apart, on any number of workers."""
    sources = [weaken(People(6), kind) for kind in ("full", "ordinal", "2d")]
    mixed = SampleMaker(sources, 32, NET, Augmentation())
    stream = Stream(3, (2, 2, 1), [[Phase(0, 6)]] * 3)
    alone, shared = (list(train_batches(mixed, stream, 0, 3, workers=w)) for w in (0, 2))
    assert all(same(a, b) for a, b in zip(alone, shared, strict=True))
    batch = unpack(alone[0])
    assert (batch.z_w > 0).any(1).tolist() == [True, True, False, False, False]
    assert (batch.order_w > 0).any(1).tolist() == [False, False, True, True, False]
    assert (batch.uv_w > 0).any(1).all()
    assert (batch.order[[0, 1, 4]] == 0).all()
    whole = Batch.stack([mixed.sample(d) for d in stream.batch(0)])
    assert torch.equal(batch.order, whole.order)
    assert torch.equal(batch.order_w, whole.order_w)
    part = mixed[stream.batch(0, rank=0, world=5)]
    assert "order" not in part
    assert unpack(part).order is None


def test_a_worker_refreshes_a_source_that_has_grown_since_it_was_started():
    source = People(2)
    source.refresh = lambda: setattr(source, "length", 9)  # type: ignore[method-assign]
    stream = Stream(0, (4,), [[Phase(0, 9)]])
    SampleMaker([source], 32, NET, None)[stream.batch(0)]
    assert len(source) == 9


def test_fixed_batches_are_plain_and_complete():
    packed = fixed_batches(People(5), range(1, 5), 32, NET, 3)
    assert [len(p["images"]) for p in packed] == [3, 1]


def test_cut_outs_come_from_the_first_records():
    few, more = (with_cutouts(Augmentation(), [People(n)], count=3).bank.cutouts for n in (3, 8))
    assert len(few) == 3
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(few, more, strict=True))
    assert with_cutouts(Augmentation(), [People(3, alpha=False)]).bank.cutouts == []
