from __future__ import annotations

import math

import pytest

from metricpose.benchmark import speed
from metricpose.benchmark.costs import HeadCost
from metricpose.benchmark.curves import DecodeTime, MapMemory
from metricpose.benchmark.sizes import SMALL, SMOKE
from metricpose.benchmark.speed import Costs, measure, networks
from metricpose.errors import DataError
from reference.comparisons import costs


def test_costs_come_back(tmp_path):
    made = costs()
    made.save(tmp_path / "costs.json")
    assert Costs.load(tmp_path / "costs.json") == made
    (tmp_path / "bad.json").write_text('{"format": "metricpose-costs-1"}')
    with pytest.raises(DataError, match=r"bad\.json"):
        Costs.load(tmp_path / "bad.json")


def test_ratios_are_those_of_the_claims():
    made = costs()
    assert made.ratios == pytest.approx(
        {"hemlets_time": 30 / 20, "maps_memory": 3 / 64, "decode_time": 4.0, "stride_speed": 8.0}
    )
    bare = made._replace(heads={}, memory=(), decode=(), strides={})
    assert all(math.isnan(v) for v in bare.ratios.values())


def test_networks_are_the_plans_and_the_published_ones():
    ours = {name for name, _, _ in networks(SMALL, published=False)}
    assert {"metro", "hemlets", "hemlets-none", "lifting-baseline", "margipose-plain"} <= ours
    assert not {"metro-fine", "metro-whole", "margipose-5-views", "hemlets-target-2d"} & ours
    both = list(networks(SMALL, published=True))
    assert [name for name, _, _ in both if name not in ours] == [p.title for p in speed.PUBLISHED]
    published = {name: settings for name, _, settings in both}
    assert published["HEMlets' baseline, ResNet-50"]["intermediate"] == "none"
    assert published["MargiPose, Inception-v4 stem"]["widths"] == [128, 192]


def test_the_smoke_size_measures_one_network_of_each_part(monkeypatch):
    one = [n for n in networks(SMOKE, published=False) if n[0] == "metro"]
    monkeypatch.setattr(speed, "networks", lambda size, published: iter(one))
    seen: list[str] = []
    found = measure(SMOKE, lambda what, done, total: seen.append(f"{what} {done}/{total}"))
    assert seen == ["metro 0/2", "maps, decoding, strides 1/2"]
    assert list(found.heads) == ["metro"]
    assert isinstance(found.heads["metro"], HeadCost)
    assert [m.cells for m in found.memory] == [16, 24]
    assert isinstance(found.memory[0], MapMemory)
    assert isinstance(found.decode[0], DecodeTime)
    assert found.environment["threads"] == 1
