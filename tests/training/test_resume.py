from __future__ import annotations

import json

import pytest
from pydantic import BaseModel

from metricpose.data.weaken import OrdinalConfig
from metricpose.errors import CheckpointError
from metricpose.models.metro import Metro, MetroConfig
from metricpose.synthetic.generator import STUDIO_HEIGHT, SyntheticConfig
from metricpose.training import resume
from metricpose.training.checkpoint import read_progress
from metricpose.training.loop import train
from metricpose.training.resume import flat
from training.small import SIDE, data, in_two_processes, network, settings

HALF = {"steps": 2, "max_minutes": 1e-9}
FLIP = {"augmentation.geometric.flip": 0.5, "data.train.0.supervision": "full"}


def two_processes(folder):
    """What ranks.py finds in each of two processes that know each other."""
    done = in_two_processes("training.ranks", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.timeout(240)
def test_two_processes_agree_before_they_begin(tmp_path):
    train(network(), "metro", data(), settings(max_minutes=1e-9), tmp_path / "0")
    for seen in two_processes(tmp_path):
        assert seen["lowest"] == [3, 6]
        assert seen["phases"] == [[[0, 12], [12, 20]]]  # the shorter length, from the first draw of step 3 on
        assert seen["unshared"].startswith("CheckpointError")
        assert "on a disk that all processes share" in seen["unshared"]
        assert "step 0" in seen["unshared"]
        assert "step 1" in seen["unshared"]
        assert seen["shared"] == "accepted"
        assert seen["uneven"].startswith("InputError")
        assert "batch_size of 9" in seen["uneven"]
        assert "divisible by the 2 processes" in seen["uneven"]


def test_a_run_goes_on_only_with_its_model(tmp_path):
    train(network(), "metro", data(), settings(**HALF), tmp_path)
    other = Metro(MetroConfig(side=SIDE, stride=16, stride_train=16, depth_bins=9))
    with pytest.raises(CheckpointError, match=r"model\.depth_bins 8 -> 9.*another folder"):
        train(other, "metro", data(), settings(**HALF), tmp_path)
    weighted = Metro(MetroConfig(side=SIDE, stride=16, stride_train=16, weight_2d_only=0.25))
    with pytest.raises(CheckpointError, match=r"\(model\.weight_2d_only 0\.1 -> 0\.25\)"):
        train(weighted, "metro", data(), settings(**HALF), tmp_path)
    assert read_progress(tmp_path / "state.safetensors").step == 1
    assert train(network(), "metro", data(), settings(steps=2), tmp_path)["step"] == 2
    assert train(network(), "metro", data(), settings(steps=2), tmp_path)["step"] == 2  # done: nothing happens


def test_a_run_goes_on_only_with_its_data_and_augmentation(tmp_path):
    train(network(), "metro", data(), settings(**HALF), tmp_path, described=FLIP)
    for changes, message in (
        ({"augmentation.geometric.flip": 0.25}, r"\(augmentation\.geometric\.flip 0\.5 -> 0\.25\)"),
        ({"data.train.0.supervision": "2d"}, r"\(data\.train\.0\.supervision full -> 2d\)"),
    ):
        with pytest.raises(CheckpointError, match=message):
            train(network(), "metro", data(), settings(steps=2), tmp_path, described=FLIP | changes)
    train(network(), "metro", data(), settings(steps=2), tmp_path, described={**FLIP, "newer.setting": 1})
    with pytest.raises(CheckpointError, match=r"data\.counts \[4\] -> \[3\]"):
        train(network(), "metro", data(3), settings(steps=2), tmp_path, described=FLIP)


def test_the_first_process_is_told_when_a_run_is_accepted(tmp_path):
    told = []
    train(network(), "metro", data(), settings(**HALF), tmp_path / "new" / "folder", accepted=lambda: told.append(1))
    train(network(), "metro", data(), settings(steps=2), tmp_path / "new" / "folder", accepted=lambda: told.append(2))
    with pytest.raises(CheckpointError):
        train(
            network(), "metro", data(), settings(steps=3), tmp_path / "new" / "folder", accepted=lambda: told.append(3)
        )
    assert told == [1, 2]


def test_a_run_begun_before_these_were_recorded_goes_on(tmp_path, monkeypatch):
    train(network(), "metro", data(), settings(**HALF), tmp_path)
    older = read_progress(tmp_path / "state.safetensors")._replace(described=None)
    monkeypatch.setattr(resume, "read_progress", lambda path: older)
    assert train(network(), "metro", data(), settings(steps=2), tmp_path, described=FLIP)["step"] == 2


class Inner(BaseModel):
    mix: dict[str, float] = {"sit": 0.5}
    size: tuple[int, int] = (3, 4)


class Outer(BaseModel):
    inner: Inner = Inner()
    ordinal: OrdinalConfig = OrdinalConfig(noise=0.25)


def test_settings_by_their_full_names():
    """A mapping is one value: a key that is new in it is a change, a setting that is new is not."""
    found = flat(Outer(), "data.train.0")
    assert found["data.train.0.inner.mix"] == {"sit": 0.5}
    assert found["data.train.0.inner.size"] == [3, 4]
    assert found["data.train.0.ordinal.noise"] == 0.25
    # The generator's own dump leaves out what is as it was before a setting existed.
    assert flat(SyntheticConfig(), "generator")["generator.studio_height"] == list(STUDIO_HEIGHT)
