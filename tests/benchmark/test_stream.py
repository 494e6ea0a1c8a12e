from __future__ import annotations

import numpy as np
import pytest
import torch

from metricpose.benchmark.stream import StreamPlan, augmentation, live_maker, open_stream, write_stream
from metricpose.data.mixing import Phase, Stream
from metricpose.errors import DataError

PLAN = StreamPlan(
    data="x", records=6, samples=6, batch=2, side=32, skeleton="metricpose_25", seed=3, truncation=0.5
)  # fmt: skip


@pytest.fixture(scope="module")
def stored(people_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("streams") / PLAN.name
    seen: list[tuple[int, int]] = []
    write_stream(PLAN, people_folder / "train", folder, lambda *done: seen.append(done))
    assert seen == [(2, 6), (4, 6), (6, 6)]
    return folder


def draws(step: int) -> list:
    return Stream(PLAN.seed, (PLAN.batch,), [[Phase(0, PLAN.records)]]).batch(step)


def test_stored_batches_are_the_normal_pipelines(stored, people_folder):
    live, kept = live_maker(PLAN, people_folder / "train"), open_stream(stored)
    for step in (0, 2):
        wanted, got = live[draws(step)], kept[draws(step)]
        assert wanted.keys() == got.keys()
        for name in wanted:
            assert torch.equal(wanted[name], got[name]), name
    assert len(kept.sources[0]) == PLAN.records


def test_weak_labels_are_those_of_the_target_domain(stored):
    target = np.load(stored / "target.npy")
    assert 0 < target.sum() < len(target)
    rows = open_stream(stored, labels="ordinal")[draws(1)]
    here = torch.from_numpy(target[2:4])
    assert torch.equal(rows["z_w"].sum(1) == 0, here)
    assert torch.equal(rows["order_w"].sum(1) > 0, here)


def test_it_is_written_once(stored, people_folder):
    before = (stored / "images.npy").stat().st_mtime_ns
    write_stream(PLAN, people_folder / "none", stored)  # would fail if it looked for the people
    assert (stored / "images.npy").stat().st_mtime_ns == before
    assert [p.name for p in stored.parent.iterdir()] == [PLAN.name]


def test_an_interrupted_stream_leaves_nothing(people_folder, tmp_path):
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_stream(PLAN, people_folder / "train", tmp_path / "s", stop)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DataError, match="cannot read the stream"):
        open_stream(tmp_path / "s")


def test_the_name_tells_streams_apart():
    other = StreamPlan(**{**vars(PLAN), "truncation": 0.0})
    assert PLAN.name != other.name
    assert "whole" in other.name
    assert augmentation(0.0).geometric.truncation == 0.0


def test_records_cannot_be_had_from_a_stored_stream(stored):
    source = open_stream(stored).sources[0]
    assert source.refresh() == PLAN.records
    with pytest.raises(DataError, match="samples, not records"):
        source[0]
