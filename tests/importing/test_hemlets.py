"""The released HEMlets network: tensors and bone lengths arrive, and a forward pass written out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from metricpose.errors import CheckpointError
from metricpose.importing import hemlets
from metricpose.importing.hemlets import import_hemlets
from metricpose.weights import load_model, save_model
from reference import checkpoints


def norm(x: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    parts = [state[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")]
    return functional.relu(functional.batch_norm(x, *parts, eps=1e-5))


def branch(features: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    """Three deconvolutions and a 3 x 3 convolution."""
    for i in (0, 3, 6):
        features = functional.conv_transpose2d(features, state[f"{name}.conv_body.{i}.weight"], None, 2, 1)
        features = norm(features, state, f"{name}.conv_body.{i + 1}")
    return functional.conv2d(features, state[f"{name}.conv_tail.weight"], state[f"{name}.conv_tail.bias"], padding=1)


def head(features: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Maps (b, 60, ...) and logits (b, 18, 64, ...) from the backbone's features."""

    def conv(x: Tensor, name: str, padding: int) -> Tensor:
        return functional.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=padding)

    maps = branch(features, state, "conv_FBI")
    encoded = norm(conv(maps, "FBI_encoder.0", 1), state, "FBI_encoder.1")
    both = torch.cat([branch(features, state, "conv_feature"), encoded], 1)
    volumes = conv(norm(conv(both, "conv_tail.0", 0), state, "conv_tail.1"), "conv_tail.3", 0)
    return maps, volumes.view(len(features), 18, 64, *volumes.shape[2:])


def bottleneck(x: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    """First block of layer2: the 3 x 3 convolution strides."""
    y = norm(functional.conv2d(x, state[f"{name}.conv1.weight"]), state, f"{name}.bn1")
    y = norm(functional.conv2d(y, state[f"{name}.conv2.weight"], None, 2, 1), state, f"{name}.bn2")
    parts = [("conv3", "bn3", y, 1), ("downsample.0", "downsample.1", x, 2)]
    total = torch.zeros(())
    for conv, bn, value, stride in parts:
        statistics = [state[f"{name}.{bn}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")]
        value = functional.conv2d(value, state[f"{name}.{conv}.weight"], None, stride)
        total = total + functional.batch_norm(value, *statistics, eps=1e-5)
    return functional.relu(total)


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return checkpoints.random_state(checkpoints.hemlets())


def test_import_then_load_then_forward_equals_the_forward_by_hand(state: dict[str, Tensor], tmp_path: Path) -> None:
    public, path = tmp_path / "hemlets_h36m_lastest.pth", tmp_path / "imported.safetensors"
    torch.save({f"module.{k}": v for k, v in state.items()}, public, _use_new_zipfile_serialization=False)
    imported = import_hemlets(public)
    public.unlink()
    assert imported.tensors == len(state) == 375
    save_model(path, imported.model, imported.name, half=False, facts=imported.facts("x"))
    model, metadata = load_model(path)
    path.unlink()
    assert metadata["facts"]["default_skeleton"] == "h36m_17"
    named = {hemlets.public_name(k): v for k, v in model.state_dict().items()}
    named.pop(None)
    assert {*named, hemlets.GRID} == state.keys()
    assert all(torch.equal(v, state[k]) for k, v in named.items())

    seen: dict[str, Tensor] = {}
    model.backbone.layer2[0].register_forward_hook(lambda m, i, o: seen.update(inputs=i[0], outputs=o))
    model.backbone.layer4.register_forward_hook(lambda m, i, o: seen.update(features=o))
    images = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        output = model(images)
        maps, logits = head(seen["features"], state)
        strided = bottleneck(seen["inputs"], state, "backbone.layer2.0")
    torch.testing.assert_close(seen["outputs"], strided, rtol=1e-3, atol=1e-3)
    scale = float(logits.abs().max())
    torch.testing.assert_close(output.logits_3d, logits, rtol=0, atol=1e-4 * scale)
    shown = torch.cat([output.hemlets.flatten(1, 2), output.joint_maps], 1)
    torch.testing.assert_close(shown, maps, rtol=0, atol=1e-4 * float(maps.abs().max()))
    probability = functional.softmax(output.logits_3d.flatten(2), -1).view(logits.shape)
    cells = torch.arange(64) / 63 - 0.5
    x, y, z = (probability.sum(dims) @ cells for dims in ((2, 3), (2, 4), (3, 4)))
    torch.testing.assert_close(output.px, torch.stack([x, y], -1) * 256 + 127.5, rtol=0, atol=0.05)
    torch.testing.assert_close(output.depth_mm - 1000, z * 2000, rtol=0, atol=0.5)
    pose = model.decode(output, torch.tensor([[[500.0, 0, 127.5], [0, 500, 127.5], [0, 0, 1]]]))
    assert torch.isfinite(pose.joints_abs_mm).all()


def test_the_released_bone_lengths_are_those_of_the_right_bones() -> None:
    skeleton = hemlets.Hemlets(hemlets.HemletsConfig.published(backbone="resnet18")).skeleton
    found = {
        (skeleton.joints[a], skeleton.joints[b]): length
        for (a, b), length in zip(skeleton.edges, hemlets.bone_lengths(skeleton).tolist())
    }
    assert found[("pelvis", "r_hip")] == pytest.approx(132.95)
    assert found[("l_hip", "l_knee")] == pytest.approx(442.89)
    assert found[("thorax", "r_shoulder")] == pytest.approx(151.03)
    assert found[("r_elbow", "r_wrist")] == pytest.approx(251.73)
    assert sum(length == 0 for length in found.values()) == 2
    assert sum(length > 0 for length in found.values()) == 15


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (
            torch.linspace(-0.5, 0.5, 64).expand(1, 18, 64),
            r"volume_reg\.dis_map of shape \(1, 18, 64\) is not the grid",
        ),
        (torch.linspace(0, 1, 32).expand(1, 18, 32), r"dis_map of shape \(1, 18, 32\)"),
        (torch.linspace(0, 1, 64).expand(1, 18, 64), "the file does not fit.*missing"),
    ],
)
def test_other_grids_are_refused(grid: Tensor, message: str, tmp_path: Path) -> None:
    torch.save({hemlets.GRID: grid.clone(), "x": torch.zeros(2)}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=message):
        import_hemlets(tmp_path / "x.pth")
