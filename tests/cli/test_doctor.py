"""metricpose doctor: sound installations pass, tampered model files do not."""

from __future__ import annotations

import hashlib
import importlib.metadata
from pathlib import Path

import pytest
import torch

from metricpose import weights
from metricpose.cli import doctor
from metricpose.cli.main import main
from metricpose.models.metrabs import Metrabs, MetrabsConfig
from metricpose.weights import save_model


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of bundled models with one random one in it, and its recorded hash."""
    torch.manual_seed(0)
    monkeypatch.setenv("COLUMNS", "200")  # no line breaks inside the table
    monkeypatch.setattr(weights, "BUNDLED", tmp_path)
    digest = save_model(tmp_path / f"{weights.DEFAULT}.safetensors", Metrabs(MetrabsConfig(side=64)), "metrabs")
    (tmp_path / "SHA256SUMS").write_text(f"{digest}  {weights.DEFAULT}.safetensors\n")
    return tmp_path


def test_a_sound_installation(bundled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--device", "cpu"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "matches" in printed
    assert "self-test on astronaut.jpg" in printed
    for word in ("python", "torch", "threads", "OMP_WAIT_POLICY", "onnxruntime"):
        assert word in printed
    assert " bad " not in printed


def test_a_model_of_another_hash_is_bad(bundled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bundled / "SHA256SUMS").write_text(f"{hashlib.sha256(b'x').hexdigest()}  {weights.DEFAULT}.safetensors\n")
    assert main(["doctor", "--device", "cpu"]) == 1
    assert "differs from" in " ".join(capsys.readouterr().out.split())


def test_a_damaged_model_is_bad_but_the_report_goes_on(bundled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = bundled / f"{weights.DEFAULT}.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    assert main(["doctor", "--device", "cpu"]) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "cannot read model file" in printed
    assert "threads" in printed


def test_a_module_of_another_package_does_not_end_the_report(
    bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """onnxruntime-gpu brings the module onnxruntime; a bare folder has no package at all."""
    (tmp_path / "bare" / "metricpose_test_extra").mkdir(parents=True)
    (tmp_path / "bare" / "metricpose_test_extra" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "bare"))
    monkeypatch.setattr(doctor, "EXTRAS", {"metricpose_test_extra": "detect", "yaml": "detect"})
    assert main(["doctor", "--device", "cpu"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "metricpose_test_extra │ there, of unknown version" in printed
    assert f"extra: yaml │ {importlib.metadata.version('PyYAML')}" in printed


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is there")
def test_a_device_that_is_not_there_is_a_finding(bundled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--device", "cuda"]) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "device 'cuda' is not available here" in printed
    assert "threads" in printed


def test_without_models_there_is_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(weights, "BUNDLED", tmp_path)
    assert main(["doctor"]) == 0
    assert "skipped: no bundled model" in " ".join(capsys.readouterr().out.split())
