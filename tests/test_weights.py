from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from metricpose import weights
from metricpose.errors import CheckpointError
from metricpose.files import sha256
from metricpose.models.metro import Metro, MetroConfig

CONFIG = MetroConfig(side=32, stride=16, stride_train=16, box_mm=1900.0)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(3)
    return Metro(CONFIG).eval()


@pytest.fixture
def file(model, tmp_path):
    path = tmp_path / "m.safetensors"
    weights.save_model(path, model, "metro", facts={"steps": 5})
    return path


def rewrite(path, *, change=None, **metadata):
    """Save a model file again with other tensors or metadata."""
    tensors, known = load_file(path), weights.read_metadata(path)
    for key in ("config", "joints", "facts"):
        known[key] = json.dumps(known[key])
    del known["sha256"]
    save_file(change(tensors) if change else tensors, path, {**known, **metadata})


def test_a_model_comes_back_with_its_description(model, file):
    loaded, metadata = weights.load_model(file)
    assert loaded.config == CONFIG
    assert not loaded.training
    assert metadata["model"] == "metro"
    assert metadata["skeleton"] == "metricpose_25"
    assert metadata["joints"] == list(model.skeleton.joints)
    assert metadata["unit"] == "mm"
    assert metadata["facts"] == {"steps": 5}
    assert metadata["sha256"] == sha256(file)
    for key, value in model.state_dict().items():
        assert loaded.state_dict()[key].dtype == value.dtype
        assert torch.allclose(loaded.state_dict()[key], value, rtol=1e-3, atol=1e-6)
    images = torch.rand(2, 3, 32, 32)
    K = torch.eye(3).expand(2, 3, 3)
    poses = [m.decode(m(images), K).joints_mm for m in (model, loaded)]
    assert torch.allclose(*poses, atol=0.5)


def test_half_halves_the_file_and_full_is_exact(model, file, tmp_path):
    digest = weights.save_model(tmp_path / "full.safetensors", model, "metro", half=False)
    assert digest == sha256(tmp_path / "full.safetensors")
    assert (tmp_path / "full.safetensors").stat().st_size == pytest.approx(2 * file.stat().st_size, rel=0.03)
    exact, _ = weights.load_model(tmp_path / "full.safetensors")
    assert all(torch.equal(v, model.state_dict()[k]) for k, v in exact.state_dict().items())


def test_equal_models_give_equal_files(model, tmp_path):
    facts = {"name": "größe \n \x01", "steps": 5}
    digests = {weights.save_model(tmp_path / f"{i}.safetensors", model, "metro", facts=facts) for i in range(8)}
    assert len(digests) == 1
    assert weights.read_metadata(tmp_path / "0.safetensors")["facts"] == facts


def test_weights_that_float16_cannot_hold_are_refused(tmp_path):
    model = Metro(CONFIG)
    with torch.no_grad():
        model.head.bias[0] = 1e6
    with pytest.raises(CheckpointError, match=r"head\.bias.*half=False"):
        weights.save_model(tmp_path / "x.safetensors", model, "metro")
    assert list(tmp_path.iterdir()) == []


def test_missing_extra_and_misshapen_weights_are_listed(file):
    def damage(tensors):
        kept = {k: v for k, v in tensors.items() if k != "head.bias"}
        return {**kept, "head.weight": tensors["head.weight"][:4], "tail.bias": torch.zeros(1)}

    rewrite(file, change=damage)
    with pytest.raises(
        CheckpointError, match=r"missing: head\.bias; extra: tail\.bias; shape: head\.weight \(4,"
    ) as caught:
        weights.load_model(file)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"model": "mystery"}, "unknown model 'mystery'; known: metro"),
        ({"config": '{"side": 32, "sides": 4}'}, "sides"),
        ({"joints": '["pelvis"]'}, "another order"),
        ({"format": "metricpose-model-0"}, "expected format metricpose-model-1"),
    ],
)
def test_descriptions_that_do_not_fit_are_refused(file, metadata, message):
    rewrite(file, **metadata)
    with pytest.raises(CheckpointError, match=message):
        weights.load_model(file)


def test_files_that_are_no_models_are_refused(file, tmp_path):
    save_file({"x": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="no model file"):
        weights.load_model(tmp_path / "other.safetensors")
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="complete"):
        weights.load_model(file)
    with pytest.raises(CheckpointError, match=r"no model file .*gone"):
        weights.load_model(tmp_path / "gone.safetensors")


@pytest.fixture
def index(file, tmp_path, monkeypatch):
    """A folder of bundled models whose index offers `file` under a file:// address."""
    bundled, cache = tmp_path / "bundled", tmp_path / "cache"
    bundled.mkdir()
    monkeypatch.setattr(weights, "BUNDLED", bundled)
    monkeypatch.setenv("METRICPOSE_CACHE", str(cache))
    entry = {"url": file.as_uri(), "sha256": sha256(file)}
    (bundled / "index.json").write_text(json.dumps({"far": entry, "forged": {**entry, "sha256": "0" * 64}}))
    (bundled / "near.safetensors").write_bytes(file.read_bytes())
    return cache


def test_names_are_bundled_or_fetched_once(index, file):
    assert weights.known_names() == ["far", "forged", "near"]
    assert weights.load_model("near")[1]["sha256"] == sha256(file)
    with pytest.raises(CheckpointError, match="offline=True"):
        weights.resolve("far", offline=True)
    fetched = weights.resolve("far")
    assert fetched.parent == index
    assert sha256(fetched) == sha256(file)
    assert weights.resolve("far", offline=True) == fetched
    fetched.write_bytes(b"spoilt")
    assert sha256(weights.resolve("far")) == sha256(file)


def test_forged_downloads_and_unknown_names_are_refused(index):
    with pytest.raises(CheckpointError, match="expected SHA-256 000"):
        weights.resolve("forged")
    assert list(index.iterdir()) == []
    with pytest.raises(CheckpointError, match="known names: far, forged, near"):
        weights.resolve("nearr")


def test_failed_downloads_say_so(index, file):
    file.unlink()
    with pytest.raises(CheckpointError, match="cannot download model 'far'"):
        weights.resolve("far")


def test_cache_folder_follows_the_environment(monkeypatch):
    monkeypatch.delenv("METRICPOSE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/some/where")
    assert weights.cache_folder() == Path("/some/where/metricpose")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert weights.cache_folder() == Path.home() / ".cache" / "metricpose"


def test_a_backbone_starts_from_its_own_file_or_from_a_model(tmp_path):
    model = weights.build_model("metro", {"side": 64}, "test")
    weights.save_model(tmp_path / "model.safetensors", model, "metro", half=False)
    save_file({k: v.contiguous() for k, v in model.backbone.state_dict().items()}, tmp_path / "backbone.safetensors")
    for name in ("model", "backbone"):
        found = weights.read_backbone(tmp_path / f"{name}.safetensors")
        assert found.keys() == model.backbone.state_dict().keys()
        assert all(torch.equal(found[k], v) for k, v in model.backbone.state_dict().items())
        weights.build_model("metrabs", {"side": 64}, "test", backbone_weights=found)
