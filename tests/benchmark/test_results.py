from __future__ import annotations

import json
import math

import numpy as np
import pytest

from metricpose.benchmark.results import Errors, Result, is_current, read_results, result_name, settings_hash, test_of
from metricpose.errors import DataError
from reference.comparisons import KEY, result

test_of.__test__ = False  # type: ignore[attr-defined]  (no test, despite its name)


@pytest.fixture
def made() -> Result:
    rng = np.random.default_rng(0)
    return result("metro", 1, rng.gamma(4, 25, 7), np.array([17.0, 3, 0, 17, 17, 1, 2]), settings={"b": 1, "a": [2.5]})


def test_results_come_back(made, tmp_path):
    path = tmp_path / "results" / f"{made.name}.json"
    made.save(path)
    back = Result.load(path)
    assert {k: v for k, v in vars(back).items() if k != "errors"} == {
        k: v for k, v in vars(made).items() if k != "errors"
    }
    assert back.errors[KEY].sums == pytest.approx(made.errors[KEY].sums, rel=1e-6)
    assert (back.errors[KEY].counts == made.errors[KEY].counts).all()
    assert json.loads(path.read_text())["numbers"][KEY] == pytest.approx(made.errors[KEY].mean, abs=1e-3)
    assert path.stat().st_size < 2000


def test_nothing_counted_gives_no_number(tmp_path):
    empty = result("metro", 0, np.zeros(3), np.zeros(3))
    assert math.isnan(empty.errors[KEY].mean)
    empty.save(tmp_path / "e.json")
    assert json.loads((tmp_path / "e.json").read_text())["numbers"][KEY] is None


def test_missing_errors_survive(tmp_path):
    errors = Errors(np.array([np.nan, 2.0]), np.array([1.0, 1.0]))
    lost = result("metro", 0, np.ones(2))
    lost.errors[KEY] = errors
    lost.save(tmp_path / "n.json")
    assert np.isnan(Result.load(tmp_path / "n.json").errors[KEY].sums).tolist() == [True, False]


def test_a_result_is_current_only_for_its_settings(made, tmp_path):
    path = tmp_path / "r.json"
    assert not is_current(path, made.settings)
    made.save(path)
    assert is_current(path, {"a": [2.5], "b": 1})
    assert not is_current(path, {"a": [2.5], "b": 2})
    path.write_text("{")
    assert not is_current(path, made.settings)
    assert settings_hash({"a": 1, "b": 2}) == settings_hash({"b": 2, "a": 1})


def test_folders_are_read_by_row_and_seed(made, tmp_path):
    for seed in (10, 2):
        result("metro", seed, np.ones(3)).save(tmp_path / f"metro-s{seed}.json")
    made.save(tmp_path / "metro-s1.json")
    (tmp_path / "costs.json").write_text("{}")
    assert [r.seed for r in read_results(tmp_path)["metro"]] == [1, 2, 10]
    result("metro", 3, np.ones(3), size="paper").save(tmp_path / "metro-s3.json")
    with pytest.raises(DataError, match="mixes results of the sizes paper, small"):
        read_results(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", '{"format": "other"}', '{"format": "metricpose-benchmark-1"}'])
def test_damaged_files_are_refused(text, tmp_path):
    (tmp_path / "a-s0.json").write_text(text)
    with pytest.raises(DataError, match=r"a-s0\.json"):
        read_results(tmp_path)


def test_names():
    assert result_name("metro", 3) == "metro-s3"
    assert [test_of(k) for k in ("whole/mpjpe", "target/pck150", "truncated-present/mpjpe")] == [
        "whole", "whole", "truncated"
    ]  # fmt: skip
