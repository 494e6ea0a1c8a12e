from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from metricpose.benchmark.measure import run_test, target_members
from metricpose.errors import DataError
from metricpose.evaluation import predictions as files
from metricpose.evaluation import protocols
from metricpose.evaluation.scoring import evaluate
from metricpose.weights import build_model

run_test.__test__ = False  # type: ignore[attr-defined]  (no test, despite its name)


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    return build_model("metrabs", {"side": 32, "stride": 16, "stride_train": 16}).eval()


@pytest.mark.parametrize(("test", "subset"), [("whole", "all"), ("truncated", "all"), ("truncated", "present")])
def test_means_are_those_of_the_normal_report(model, people_folder, tmp_path, test, subset):
    cache = tmp_path / "p.npz"
    found = run_test(model, test, people_folder / "test", 4, cache)
    made = files.load(cache)
    report = evaluate(made, protocols.get(made.header.protocol))
    row = next(r for r in report.select() if r.subset == subset)
    name = test if subset == "all" else f"{test}-{subset}"
    keys = [k for k in found.errors if k.startswith(f"{name}/")]
    assert len(keys) == (5 if test == "whole" else 1)
    for key in keys:
        value = row.values[key.split("/")[1]]
        assert found.errors[key].mean == pytest.approx(value.mean)
        assert found.errors[key].counts.sum() == value.count
    assert len(found.errors[keys[0]].sums) == 4


def test_predictions_are_used_again_for_the_same_model_only(model, people_folder, tmp_path):
    cache = tmp_path / "p.npz"
    first = run_test(model, "whole", people_folder / "test", 3, cache)
    written = cache.stat().st_mtime_ns
    assert run_test(model, "whole", people_folder / "test", 3, cache).units == first.units
    assert cache.stat().st_mtime_ns == written
    with torch.no_grad():
        model.head.bias[0] += 1
    run_test(model, "whole", people_folder / "test", 3, cache)
    assert cache.stat().st_mtime_ns != written
    assert run_test(model, "whole", people_folder / "test", 2, cache).units != first.units


def test_the_target_domain_is_known_by_the_records(people_folder):
    assert target_members(people_folder / "test", 5).tolist() == [False, True, False, True, False]
    with pytest.raises(DataError, match="holds 5 test people; 6 are needed"):
        target_members(people_folder / "test", 6)


def test_means_of_the_target_domain_are_of_its_people(model, people_folder, tmp_path):
    found = run_test(model, "whole", people_folder / "test", 4, tmp_path / "p.npz")
    whole, target = found.errors["whole/pck150"], found.errors["target/pck150"]
    assert (target.sums[[1, 3]] == whole.sums[[1, 3]]).all()
    assert np.flatnonzero(target.counts).tolist() == [1, 3]
