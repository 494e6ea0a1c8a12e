"""One row from stored crops to a result, in this process and again after an interruption."""

from __future__ import annotations

import json

import pytest
import torch

from metricpose.benchmark import plan
from metricpose.benchmark.results import Result
from metricpose.benchmark.run import Job, do, fingerprint, main
from metricpose.errors import DataError


@pytest.fixture(scope="module")
def job(tiny, people_folder, tmp_path_factory):
    return Job(kind="run", row="metro", seed=0, size=tiny, data=people_folder, out=tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="module")
def done(job):
    seen: list[str] = []
    for kind in ("stream", "run"):
        part = job.model_copy(update={"kind": kind})
        assert not part.is_done()
        do(part, lambda what, *_: seen.append(what))
        assert part.is_done()
    assert seen == ["crops", "crops", "whole", "truncated"]
    return Result.load(job.result)


def test_a_result_says_what_and_how(done, job):
    assert (done.row, done.seed, done.size, done.samples) == ("metro", 0, "smoke", 4)
    assert done.settings == json.loads(json.dumps(job.settings()))
    assert done.settings["model"]["stride"] == 16
    assert set(done.errors) == {
        *(f"{subset}/{m}" for subset in ("whole", "target") for m in
          ("mpjpe", "pa_mpjpe", "n_mpjpe", "a_mpjpe", "pck150")),
        "truncated/mpjpe", "truncated-present/mpjpe",
    }  # fmt: skip
    assert done.parameters > 2e6
    assert done.gmac > 0.005
    assert done.environment["torch"] == torch.__version__


def test_errors_are_kept_per_image(done):
    whole, target = done.errors["whole/mpjpe"], done.errors["target/mpjpe"]
    assert whole.counts.tolist() == [17] * 4
    assert target.counts.tolist() == [0, 17, 0, 17]
    assert target.sums[1] == whole.sums[1]
    assert done.errors["truncated/mpjpe"].counts.tolist() == [4 * 17] * 2
    assert (done.errors["truncated-present/mpjpe"].counts < 4 * 17).all()


def test_a_finished_job_does_nothing(done, job):
    before = job.result.stat().st_mtime_ns
    do(job)
    assert job.result.stat().st_mtime_ns == before


def test_lost_results_come_back_from_the_kept_training(done, job):
    numbers = {k: e.mean for k, e in done.errors.items()}
    job.result.unlink()
    weights = job.folder() / "model.safetensors"
    before = weights.stat().st_mtime_ns
    do(job)
    assert weights.stat().st_mtime_ns == before
    again = Result.load(job.result)
    assert {k: e.mean for k, e in again.errors.items()} == pytest.approx(numbers, nan_ok=True)
    assert again.seconds["training"] == pytest.approx(done.seconds["training"], abs=0.1)


def test_other_settings_are_another_job(done, job):
    for changes in ({"lr": 2e-3}, {"whole": 3}):
        other = job.model_copy(update={"size": job.size.model_copy(update=changes)})
        assert not other.is_done()
        assert (other.folder() == job.folder()) == ("whole" in changes)
    assert job.model_copy(update={"row": "metro-whole"}).stream() != job.stream()
    assert job.model_copy(update={"row": "twofive"}).stream() == job.stream()


def test_weights_are_measured_again_without_training(done, job):
    views = job.model_copy(update={"row": "margipose-5-views"})
    assert views.folder() == job.model_copy(update={"row": "margipose"}).folder()
    assert views.settings()["views"] == 5


def test_missing_people_are_an_error(job, tmp_path):
    with pytest.raises(DataError, match="holds 6 people in shards; the comparison needs 99"):
        fingerprint(job.data / "train", 99)
    with pytest.raises(DataError, match="holds 0 people"):
        fingerprint(tmp_path, 1)


def test_a_job_file_is_enough(done, job, tmp_path, capsys):
    path = tmp_path / "job.json"
    path.write_text(job.model_copy(update={"kind": "stream", "seed": 1, "out": tmp_path}).model_dump_json())
    threads = torch.get_num_threads()
    main([str(path)])
    torch.set_num_threads(threads)
    assert "crops 4/4" in capsys.readouterr().out


def test_rows_without_their_crops_fail_with_a_reason(job, tmp_path):
    lost = job.model_copy(update={"out": tmp_path})
    with pytest.raises(DataError, match="cannot read the stream"):
        do(lost)
    assert plan.find("metro") is lost.line
