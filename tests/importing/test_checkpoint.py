"""Foreign checkpoints: both containers of torch, safetensors, wrappers; nothing in them ever runs."""

from __future__ import annotations

import collections
import io
import pathlib
import tarfile
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from metricpose.errors import CheckpointError
from metricpose.files import sha256
from metricpose.importing.checkpoint import read_checkpoint, without_wrapper

STATE = {"a.weight": torch.arange(6.0).view(2, 3), "a.num_batches_tracked": torch.tensor(3)}
RUN: list[str] = []


class Bomb:
    """Says so when it is unpickled."""

    def __reduce__(self) -> Any:
        return RUN.append, ("it ran",)


class Settings(dict):
    """A class of somebody's project."""


def saved(obj: Any, path: pathlib.Path, zipped: bool = True) -> pathlib.Path:
    torch.save(obj, path, _use_new_zipfile_serialization=zipped)
    return path


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: collections.OrderedDict(state),
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": {f"module.{k}": v for k, v in state.items()}, "epoch": 3},
        lambda state: {f"module.module.{k}": v.double() if v.is_floating_point() else v for k, v in state.items()},
    ],
)
def test_state_dicts_are_found_in_both_containers(wrap: Any, zipped: bool, tmp_path: pathlib.Path) -> None:
    path = saved(wrap(STATE), tmp_path / "x.pth", zipped)
    found = read_checkpoint(path)
    assert found.tensors.keys() == STATE.keys()
    assert all(torch.equal(found.tensors[k], v) and found.tensors[k].dtype == v.dtype for k, v in STATE.items())
    assert found.extras in ({}, {"epoch": 3})
    assert found.sha256 == sha256(path)


def test_safetensors_are_read_as_float32(tmp_path: pathlib.Path) -> None:
    save_file(
        {f"module.{k}": v.half() if v.is_floating_point() else v for k, v in STATE.items()}, tmp_path / "x.safetensors"
    )
    found = read_checkpoint(tmp_path / "x.safetensors")
    assert all(torch.equal(found.tensors[k], v) and found.tensors[k].dtype == v.dtype for k, v in STATE.items())


def test_a_name_that_all_tensors_do_not_share_is_no_wrapper() -> None:
    mixed = {"module.a": torch.zeros(1), "b": torch.zeros(1)}
    assert without_wrapper(mixed).keys() == mixed.keys()


def test_tensors_of_another_device_or_with_history_come_plain(tmp_path: pathlib.Path) -> None:
    weight = torch.nn.Parameter(torch.arange(6.0).view(2, 3).t())
    found = read_checkpoint(saved({"w": weight}, tmp_path / "x.pth")).tensors["w"]
    assert not found.requires_grad
    assert found.is_contiguous()
    assert torch.equal(found, weight)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("obj", "needs"),
    [
        ({**STATE, "x": Bomb()}, "append|getattr"),
        ({"state_dict": STATE, "model_desc": Settings(type="margipose")}, "Settings"),
        ({"state_dict": STATE, "path": pathlib.PurePosixPath("x")}, "pathlib"),
        (torch.nn.Linear(2, 2), "Linear"),
    ],
)
def test_files_that_need_code_are_refused_with_a_remedy(
    obj: Any, needs: str, zipped: bool, tmp_path: pathlib.Path
) -> None:
    path = saved(obj, tmp_path / "x.pth", zipped)
    with pytest.raises(CheckpointError, match=rf"it asks for \S*({needs}).*never done here.*tensors\.pt") as caught:
        read_checkpoint(path)
    assert str(path) in str(caught.value)
    assert RUN == []


def test_the_remedy_works(tmp_path: pathlib.Path) -> None:
    path = saved({"state_dict": STATE, "model_desc": Settings(type="margipose")}, tmp_path / "x.pth")
    x = torch.load(path, weights_only=False)
    x = x.get("state_dict", x)
    torch.save({k: v.clone() for k, v in x.items()}, tmp_path / "tensors.pt")
    assert read_checkpoint(tmp_path / "tensors.pt").tensors.keys() == STATE.keys()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_truncated_files_say_so(share: float, zipped: bool, tmp_path: pathlib.Path) -> None:
    path = saved({"w": torch.zeros(4000)}, tmp_path / "x.pth", zipped)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(CheckpointError, match=r"cannot read .*x\.pth: .* complete file") as caught:
        read_checkpoint(path)
    assert "weights_only" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"abc", b"<html>404</html>" * 20, b"PK\x03\x04" + b"0" * 100, bytes(range(256))]
)
def test_other_files_say_so(content: bytes, tmp_path: pathlib.Path) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"cannot read .*x\.pth") as caught:
        read_checkpoint(tmp_path / "x.pth")
    assert "weights_only" not in str(caught.value)


def test_archives_are_to_be_unpacked(tmp_path: pathlib.Path) -> None:
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("ckpt.pt")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
    with pytest.raises(CheckpointError, match="is an archive; unpack it"):
        read_checkpoint(tmp_path / "x.tar.gz")


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        ([torch.zeros(1)], "holds a list; expected a state dict"),
        ({}, "it holds nothing"),
        ({"state_dict": {}}, "it holds nothing"),
        ({"a": torch.zeros(1), "epoch": 3, "best": 0.5}, "no tensors: epoch, best"),
        ({1: torch.zeros(1)}, "no tensors: 1"),
    ],
)
def test_what_is_no_state_dict_is_named(obj: Any, message: str, tmp_path: pathlib.Path) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(saved(obj, tmp_path / "x.pth"))


def test_missing_files_and_folders(tmp_path: pathlib.Path) -> None:
    with pytest.raises(CheckpointError, match="no file"):
        read_checkpoint(tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="it is a folder"):
        read_checkpoint(tmp_path)
