"""Public MargiPose networks: settings of both generations, and a forward pass written out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from metricpose.errors import CheckpointError
from metricpose.importing import margipose
from metricpose.importing.checkpoint import read_checkpoint
from metricpose.importing.description import H36M_PRINCIPAL, training_crops
from metricpose.importing.margipose import import_margipose, model_config
from metricpose.models.margipose import MargiposeConfig
from metricpose.weights import load_model, save_model
from reference import checkpoints

NEW: dict[str, Any] = {
    "type": "margipose",
    "version": "6.0.1",
    "settings": {"n_stages": 2, "axis_permutation": True, "feature_extractor": "inceptionv4", "pixelwise_loss": "jsd"},
}
OLD: dict[str, Any] = {
    "type": "chatterglass",
    "version": "4.2.4",
    "settings": {
        "coord_space": "ndc", "n_stages": 2, "bad_permutation": False, "disable_permutation": False,
        "data_parallel": True, "feature_extractor": "inceptionv4", "average_xy": False, "disable_reg": False,
        "disable_dilation": True,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """Two stages: the second sees the first through a combiner."""
    return checkpoints.random_state(checkpoints.margipose(stages=2))


@pytest.fixture(scope="module")
def file(state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("margipose")
    content = {"model_desc": NEW, "state_dict": state, "train_datasets": ["h36m-trainval", "mpii-trainval"]}
    torch.save(content, folder / "public.pth", _use_new_zipfile_serialization=False)
    imported = import_margipose(folder / "public.pth")
    (folder / "public.pth").unlink()
    assert imported.tensors == len(state)
    path = folder / "imported.safetensors"
    save_model(path, imported.model, imported.name, half=False, facts=imported.facts("public.pth"))
    yield path
    path.unlink()


class ByHand:
    """The parts of the network, written with functions on the public names."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        self.state = state

    def norm(self, x: Tensor, name: str, eps: float = 1e-5) -> Tensor:
        parts = [self.state[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")]
        return functional.batch_norm(x, *parts, eps=eps)

    def unit(self, x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = self.state[f"inner.in_cnn.{name}.conv.weight"]
        padding = (weight.shape[2] // 2, weight.shape[3] // 2)
        y = functional.conv2d(x, weight, None, stride, padding)
        return functional.relu(self.norm(y, f"inner.in_cnn.{name}.bn", 1e-3))

    def features(self, images: Tensor) -> Tensor:
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        x = self.unit(self.unit(self.unit((images - mean) / std, "0", 2), "1"), "2")
        x = torch.cat([functional.max_pool2d(x, 3, 2, 1), self.unit(x, "3.conv", 2)], 1)
        left = self.unit(self.unit(x, "4.branch0.0"), "4.branch0.1")
        for i in range(4):
            x = self.unit(x, f"4.branch1.{i}")
        x = torch.cat([left, x], 1)
        x = torch.cat([self.unit(x, "5.conv", 2), functional.max_pool2d(x, 3, 2, 1)], 1)
        mean_pool = functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        branches = [self.unit(x, "6.branch0"), self.unit(self.unit(x, "6.branch1.0"), "6.branch1.1")]
        branches.append(self.unit(self.unit(self.unit(x, "6.branch2.0"), "6.branch2.1"), "6.branch2.2"))
        x = torch.cat([*branches, self.unit(mean_pool, "6.branch3.1")], 1)
        x = functional.conv2d(x, self.state["inner.in_cnn.7.weight"], self.state["inner.in_cnn.7.bias"])
        return functional.relu(self.norm(x, "inner.in_cnn.8"))

    def block(self, x: Tensor, name: str, move: str = "") -> Tensor:
        weights = [self.state[f"{name}.{part}.weight"] for part in ("module.0", "module.3", "shortcut.0")]
        if move == "up":
            y = functional.conv_transpose2d(x, weights[0], None, 2, 1, 1)
            side = functional.conv_transpose2d(x, weights[2], None, 2, 0, 1)
        else:
            stride = 2 if move == "down" else 1
            y, side = functional.conv2d(x, weights[0], None, stride, 1), functional.conv2d(x, weights[2], None, stride)
        y = functional.relu(self.norm(y, f"{name}.module.1"))
        y = functional.relu(self.norm(functional.conv2d(y, weights[1], None, 1, 1), f"{name}.module.4"))
        return y + self.norm(side, f"{name}.shortcut.1")

    def column(self, x: Tensor, plane: str, t: int) -> Tensor:
        name = f"inner.{plane}_hm_cnns.{t}"
        for i in range(5):
            x = self.block(x, f"{name}.down_layers.{i}", "down" if i == 2 else "")
        b, _, h, w = x.shape
        if plane != "xy":
            groups = x.view(b, 12, 16, h, w)
            x = groups.permute(0, 1, 4, 3, 2) if plane == "zy" else groups.permute(0, 1, 3, 2, 4)
            x = x.reshape(b, 192, h, w)
        for i in range(5):
            x = self.block(x, f"{name}.up_layers.{i}", "up" if i == 2 else "")
        return functional.softmax(x.flatten(2), -1).view(x.shape)

    def maps(self, images: Tensor) -> list[list[Tensor]]:
        x, found = self.features(images), []
        for t in range(2):
            found.append([self.column(x, plane, t) for plane in ("xy", "zy", "xz")])
            if t == 0:
                x = x + functional.conv2d(torch.cat(found[0], 1), self.state["inner.hm_combiners.0.conv.weight"])
        return found


def test_import_then_load_then_forward_equals_the_forward_by_hand(file: Path, state: dict[str, Tensor]) -> None:
    model, metadata = load_model(file)
    assert metadata["model"] == "margipose"
    assert metadata["skeleton"] == "mpi_inf_3dhp_17"
    images = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        output = model(images)
        expected = ByHand(state).maps(images)
    assert output.maps.std() > 1e-4
    for t in range(2):
        for p in range(3):
            torch.testing.assert_close(output.maps[t, :, p], expected[t][p], rtol=1e-3, atol=1e-6)
    cells = (2 * torch.arange(32) + 1) / 32 - 1
    xy, zy, xz = expected[1]
    u = [xy.sum(2) @ cells, xy.sum(3) @ cells, ((zy.sum(2) + xz.sum(3)) @ cells) / 2]
    torch.testing.assert_close(output.u[1], torch.stack(u, -1), rtol=1e-3, atol=1e-5)
    principal = torch.tensor(H36M_PRINCIPAL)
    torch.testing.assert_close(output.px + 0.5, (torch.stack(u[:2], -1) + 1) * principal, rtol=1e-4, atol=1e-2)
    pose = model.decode(output, torch.tensor([[[500.0, 0, 127.5], [0, 500, 127.5], [0, 0, 1]]]))
    assert torch.isfinite(pose.joints_abs_mm).all()


def test_every_tensor_is_stored_once_and_unchanged(file: Path, state: dict[str, Tensor]) -> None:
    named = {margipose.public_name(k, "inceptionv4_stem"): v for k, v in load_model(file)[0].state_dict().items()}
    named.pop(None)
    assert named.keys() == state.keys()
    assert all(torch.equal(value, state[key]) for key, value in named.items())


def described(desc: dict[str, Any] | None, **settings: Any) -> MargiposeConfig:
    """Our settings of a description, tensors and all."""
    extras = {} if desc is None else {"model_desc": {**desc, "settings": {**desc["settings"], **settings}}}
    tensors = {f"inner.xy_hm_cnns.{t}.x": torch.zeros(1) for t in range(2)}
    found = margipose.read_description(extras, Path("x.pth"))
    return model_config(found, tensors, Path("x.pth"))


def test_settings_of_the_newer_generation() -> None:
    config = described(NEW)
    assert (config.stages, config.axis_permutation, config.backbone) == (2, True, "inceptionv4_stem")
    assert (config.regularisation, config.coord_loss_from, config.dilated, config.average_xy) == (
        "jsd",
        "stage",
        False,
        False,
    )
    assert (config.height_mm, config.height_legs, config.recovery) == (920.0, "left", "height")
    assert described({**NEW, "version": "6.0.0"}).coord_loss_from == "final"
    assert described(NEW, pixelwise_loss=None).regularisation == "none"
    assert not described(NEW, axis_permutation=False).axis_permutation
    assert described({**NEW, "settings": {}}, n_stages=2) == config


def test_settings_of_the_older_generation() -> None:
    config = described(OLD)
    assert config == described(NEW)
    assert described(OLD, average_xy=True).average_xy
    assert described(OLD, disable_reg=True).regularisation == "none"
    assert not described(OLD, disable_permutation=True).axis_permutation
    assert described(OLD, disable_dilation=False).dilated
    unsaid = {k: v for k, v in OLD["settings"].items() if k not in ("disable_dilation", "disable_permutation")}
    assert not described({**OLD, "settings": unsaid}).dilated
    assert described({**OLD, "version": "4.2.3", "settings": unsaid}).dilated
    assert not described({**OLD, "settings": unsaid}, disable_chatterbox=True).axis_permutation


def test_without_a_description_the_published_settings_are_taken() -> None:
    config = described(None)
    assert config == described(NEW).model_copy(update={"coord_loss_from": "final"})


@pytest.mark.parametrize(
    ("desc", "settings", "message"),
    [
        (NEW, {"stacking": 2}, "unknown settings stacking"),
        (OLD, {"pixelwise_loss": "jsd"}, "unknown settings pixelwise_loss"),
        (OLD, {"bad_shrink": True}, "bad_permutation"),
        (OLD, {"coord_space": "square"}, "coord_space"),
        (NEW, {"n_stages": 4}, "model_desc says n_stages 4 but its tensors are of 2"),
        (NEW, {"feature_extractor": "resnet18"}, "feature_extractor resnet18 but its tensors are of inceptionv4"),
        (NEW, {"pixelwise_loss": "mse"}, "(?s)settings that no MargiPose network has.*regularisation"),
        ({**NEW, "type": "hourglass"}, {}, "is of type hourglass 6.0.1; expected margipose 6"),
        ({**NEW, "version": "7.0.0"}, {}, "is of type margipose 7.0.0"),
        ({**NEW, "version": "4.1.9"}, {}, "is of type margipose 4.1.9"),
        ({**NEW, "version": "new"}, {}, "has the version 'new'"),
    ],
)
def test_descriptions_that_do_not_fit_are_refused(desc: dict[str, Any], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        described(desc, **settings)


def test_a_description_of_another_kind_is_refused() -> None:
    with pytest.raises(CheckpointError, match="no table of type, version and settings"):
        margipose.read_description({"model_desc": [1, 2]}, Path("x.pth"))


@pytest.mark.parametrize(
    ("name", "datasets", "principal"),
    [
        ("margipose-h36m.pth", None, H36M_PRINCIPAL),
        ("margipose-mpi3d.pth", None, None),
        ("margipose-mpi3d.pth", ["h36m-train"], H36M_PRINCIPAL),
        ("margipose-h36m.pth", ["mpi3d-trainval", "mpii-trainval"], None),
    ],
)
def test_the_crops_of_the_training_set_are_told_by_its_name(
    name: str, datasets: list[str] | None, principal: tuple[float, float] | None, tmp_path: Path
) -> None:
    content: dict[str, Any] = {"state_dict": {"x": torch.zeros(1)}}
    torch.save(content | ({"train_datasets": datasets} if datasets else {}), tmp_path / name)
    found, notes = training_crops(read_checkpoint(tmp_path / name).extras, tmp_path / name)
    assert found == principal
    assert len(notes) == (principal is None)


def test_wrapped_networks_and_wrong_files(tmp_path: Path) -> None:
    shapes = checkpoints.margipose("resnet18", stages=1)
    state = {key.replace("inner.", "inner.module."): torch.zeros(shape) for key, shape in shapes.items()}
    torch.save({"state_dict": state}, tmp_path / "x.pth")
    imported = import_margipose(tmp_path / "x.pth")
    assert imported.model.config.backbone == "resnet18_stem"
    assert imported.settings_from == "as published"
    assert any("model_desc" in note for note in imported.notes)
    del state["inner.module.in_cnn.0.weight"], state["inner.module.xz_hm_cnns.0.up_layers.4.module.0.weight"]
    torch.save(state | {"inner.module.out.bias": torch.zeros(2)}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"missing \(\d+\): inner\.in_cnn.*; extra \(\d+\): inner\.in_cnn"):
        import_margipose(tmp_path / "x.pth")


def test_other_joints_are_refused(tmp_path: Path) -> None:
    tensors = {"inner.xy_hm_cnns.0.up_layers.4.module.0.weight": torch.zeros(16, 128, 3, 3)}
    with pytest.raises(CheckpointError, match="is of 16 joints; expected the 17"):
        model_config(None, tensors, tmp_path / "x.pth")
