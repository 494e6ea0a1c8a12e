"""metricpose weights: import with its table and its errors, list, verify."""

from __future__ import annotations

import json
import typing
from pathlib import Path

import pytest
import torch

from metricpose import weights
from metricpose.cli.main import main
from metricpose.cli.weights import Layout, default_name
from metricpose.errors import InputError
from metricpose.files import sha256
from metricpose.importing import IMPORTERS, import_weights
from metricpose.models.metro import Metro, MetroConfig
from metricpose.weights import load_model, save_model
from reference import checkpoints

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")


def test_the_layouts_on_offer_are_those_there_are() -> None:
    assert typing.get_args(Layout) == tuple(IMPORTERS)
    with pytest.raises(InputError, match="unknown layout 'openpose'; known: margipose, hemlets, metrabs-pytorch"):
        import_weights("openpose", Path("x"))


def test_import_writes_a_model_and_says_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    state = checkpoints.random_state(checkpoints.margipose("resnet18", stages=1))
    torch.save({"state_dict": state}, "margipose-mpi3d.pth")
    source = sha256("margipose-mpi3d.pth")
    assert main(["weights", "import", "margipose", "margipose-mpi3d.pth", "--half"]) == 0
    Path("margipose-mpi3d.pth").unlink()
    path = Path("margipose-mpi3d.safetensors")
    printed = capsys.readouterr().out
    model, metadata = load_model(path)
    assert f"{sum(p.numel() for p in model.parameters()):,}" in printed
    assert f"{len(state)}, each used once" in printed
    assert "resnet18_stem, crops of 256 px" in printed
    assert "mpi_inf_3dhp_17: 17" in printed
    assert "non-commercial" in printed
    assert source in printed
    assert sha256(path) in printed
    assert "note: no model_desc in the file" in printed
    assert f"metricpose predict PHOTO --model {path}" in printed
    assert metadata["facts"]["imported_from"] == {
        "file": "margipose-mpi3d.pth",
        "sha256": source,
        "settings": "as published",
    }
    assert "non-commercial" in metadata["facts"]["licence"]
    weight = "inner.xz_hm_cnns.0.up_layers.2.shortcut.0.weight"
    assert torch.equal(model.state_dict()["xz_columns.0.up.2.shortcut.0.weight"], state[weight].half().float())
    path.unlink()


@pytest.mark.parametrize(
    ("layout", "file", "expected"),
    [
        ("margipose", "margipose-h36m.pth", "margipose-h36m"),
        ("margipose", "weights/best.pth", "margipose-best"),
        ("metrabs-pytorch", "metrabs_eff2s_256px/ckpt.pt", "metrabs_eff2s_256px"),
        ("metrabs-pytorch", "metrabs_eff2l_v1.5", "metrabs_eff2l_v1.5"),
        ("metrabs-pytorch", "unpacked", "metrabs-pytorch-unpacked"),
    ],
)
def test_the_model_is_named_after_its_source(layout: str, file: str, expected: str, tmp_path: Path) -> None:
    for folder in ("metrabs_eff2s_256px", "metrabs_eff2l_v1.5", "unpacked"):
        (tmp_path / folder).mkdir()
    assert default_name(layout, tmp_path / file) == f"{expected}.safetensors"


def test_files_that_do_not_fit_leave_nothing_behind(tmp_path: Path, capsys: Captured) -> None:
    torch.save({"conv_tail.3.bias": torch.zeros(7), "odd": torch.zeros(1)}, tmp_path / "x.pth")
    out = tmp_path / "out.safetensors"
    assert main(["weights", "import", "hemlets", str(tmp_path / "x.pth"), "--out", str(out)]) == 1
    printed = capsys.readouterr().err
    assert "extra (1): odd (1)" in printed
    assert "of another shape (1): conv_tail.3.bias (7) instead of (1152)" in printed
    assert "missing (" in printed
    assert not out.exists()


def test_wrong_usage_and_missing_files(tmp_path: Path, capsys: Captured) -> None:
    assert main(["weights", "import", "openpose", "x.pth"]) == 2
    assert main(["weights", "import", "margipose"]) == 2
    assert main(["weights", "import", "margipose", str(tmp_path / "x.pth")]) == 1
    assert "no file" in capsys.readouterr().err


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bundled model, one to be downloaded, one spoilt in the cache; gives the hash of them all."""
    bundled = tmp_path / "bundled"
    monkeypatch.setattr(weights, "BUNDLED", bundled)
    monkeypatch.setenv("METRICPOSE_CACHE", str(tmp_path / "cache"))
    model = Metro(MetroConfig(side=32, stride=16, stride_train=16))
    digest = save_model(bundled / "near.safetensors", model, "metro", facts={"licence": "free for all"})
    entry = {"url": (bundled / "near.safetensors").as_uri(), "sha256": digest}
    (bundled / "index.json").write_text(json.dumps({"far": entry, "spoilt": entry}))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / f"spoilt-{digest[:12]}.safetensors").write_bytes(b"x")
    return digest


def test_list_fetches_nothing(known: str, capsys: Captured) -> None:
    assert main(["weights", "list"]) == 0
    rows = {line.split("│")[1].strip(): line for line in capsys.readouterr().out.splitlines() if "│" in line}
    assert "not downloaded" in rows["far"]
    assert "bundled" in rows["near"]
    assert "damaged" in rows["spoilt"]
    assert all(known[:12] in row for row in rows.values())
    weights.resolve("far")
    assert main(["weights", "list"]) == 0
    assert "not downloaded" not in capsys.readouterr().out


def test_verify_loads_and_compares(known: str, tmp_path: Path, capsys: Captured) -> None:
    assert main(["weights", "verify", "near"]) == 0
    printed = capsys.readouterr().out
    assert known in printed
    assert "free for all" in printed
    assert main(["weights", "verify", "near", "--sha256", known[:10].upper()]) == 0
    assert main(["weights", "verify", "near", "--sha256", "0" * 64]) == 1
    assert "expected SHA-256 000" in capsys.readouterr().err
    assert main(["weights", "verify", "near", "--sha256", "abc"]) == 1
    assert "at least 8 hexadecimal digits" in capsys.readouterr().err
    assert main(["weights", "verify", "far", "--offline"]) == 1
    assert "offline" in capsys.readouterr().err
    (tmp_path / "broken.safetensors").write_bytes(b"x" * 99)
    assert main(["weights", "verify", str(tmp_path / "broken.safetensors")]) == 1
