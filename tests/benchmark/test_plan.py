from __future__ import annotations

import pytest

from metricpose.benchmark import plan, sizes
from metricpose.benchmark.claims import CLAIMS
from metricpose.errors import InputError
from metricpose.models import MODELS


def test_six_methods_and_every_row_of_every_claim():
    assert [r.name for r in plan.ROWS if r.is_method] == [
        "twofive", "metro", "metrabs", "margipose", "hemlets", "lifting"
    ]  # fmt: skip
    names = [r.name for r in plan.ROWS]
    assert len(set(names)) == len(names)
    assert {name for c in CLAIMS for name in (c.before, c.after)} <= set(names)
    assert all(r.method in MODELS for r in plan.ROWS)


@pytest.mark.parametrize("size", sizes.SIZES.values(), ids=lambda s: s.name)
def test_rows_differ_in_nothing_but_what_they_compare(size):
    for row in plan.ROWS:
        settings = plan.settings_of(row, size)
        assert (settings["backbone"], settings["side"], settings["skeleton"]) == (
            size.backbone, size.side, "metricpose_25"
        )  # fmt: skip
        base = plan.settings_of(plan.find(row.method), size)
        changed = {name for name in settings if settings[name] != base[name]}
        assert changed == {n for n in row.settings if plan.settings_of(row, size)[n] != base[n]}
        if row.weights_of:
            source = plan.find(row.weights_of)
            assert (source.method, source.weights_of) == (row.method, "")


def test_rows_are_chosen_with_what_they_need():
    assert [r.name for r in plan.chosen(["metro-fine"])] == ["metro-coarse", "metro-fine"]
    assert plan.chosen() == list(plan.ROWS)
    with pytest.raises(InputError, match="unknown row 'metro2'; known: twofive"):
        plan.chosen(["metro2"])


def test_seeds_follow_the_size_and_the_row_measured_again():
    size = sizes.SMALL.model_copy(update={"method_seeds": 3, "ablation_seeds": 1})
    assert plan.find("metro").seeds(size) == range(3)
    assert plan.find("metro-whole").seeds(size) == range(1)
    assert plan.find("margipose-5-views").seeds(size) == range(3)
    assert plan.find("metro").seeds(size, 2) == range(2)


def test_a_refused_setting_names_row_and_size():
    bad = sizes.SMALL.model_copy(update={"methods": {"metro": {"depth_bins": 0}}})
    with pytest.raises(InputError, match="row metro, size small"):
        plan.settings_of(plan.find("metro"), bad)
