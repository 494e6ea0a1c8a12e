"""ResNets against a plain functional twin driven by the names of the published state dicts."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from metricpose.errors import InputError
from metricpose.models.resnet import NETWORKS, ResNet, from_torchvision

# Published totals of the classification networks; the classifier is 1000 x channels weights and 1000 biases.
PUBLISHED = {
    "resnet18": (11_689_512, 512),
    "resnet34": (21_797_672, 512),
    "resnet50": (25_557_032, 2048),
    "resnet101": (44_549_160, 2048),
    "resnet152": (60_192_808, 2048),
}


def batch_norm(x: torch.Tensor, state: dict[str, torch.Tensor], name: str) -> torch.Tensor:
    weight, bias, mean, var = (
        state[f"{name}.{k}"][:, None, None] for k in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / torch.sqrt(var + 1e-5) * weight + bias


def twin(image: torch.Tensor, state: dict[str, torch.Tensor], repeats: tuple[int, ...]) -> torch.Tensor:
    """The network at stride 32 with symmetric padding."""

    def layer(x: torch.Tensor, block: str, i: int, stride: int) -> torch.Tensor:
        weight = state[f"{block}.conv{i}.weight"]
        return batch_norm(functional.conv2d(x, weight, None, stride, weight.shape[-1] // 2), state, f"{block}.bn{i}")

    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (image - mean[:, None, None]) / std[:, None, None]
    x = batch_norm(functional.conv2d(x, state["conv1.weight"], None, 2, 3), state, "bn1").relu()
    x = functional.max_pool2d(x, 3, 2, 1)
    for stage, count in enumerate(repeats, 1):
        for n in range(count):
            block, stride = f"layer{stage}.{n}", 2 if stage > 1 and n == 0 else 1
            if f"{block}.conv3.weight" in state:
                y = layer(layer(layer(x, block, 1, 1).relu(), block, 2, stride).relu(), block, 3, 1)
            else:
                y = layer(layer(x, block, 1, stride).relu(), block, 2, 1)
            if f"{block}.downsample.0.weight" in state:
                shortcut = functional.conv2d(x, state[f"{block}.downsample.0.weight"], None, stride)
                x = batch_norm(shortcut, state, f"{block}.downsample.1")
            x = (x + y).relu()
    return x


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_equals_the_functional_twin(name):
    torch.manual_seed(0)
    model = ResNet(name, padding="symmetric", width=16).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.5)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.5)
    image = torch.rand(2, 3, 70, 101)
    with torch.no_grad():
        got, expected = model(image)[32], twin(image, model.state_dict(), NETWORKS[name][1])
    assert got.shape == (2, model.channels, 3, 4)
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-4 * expected.max().item())


@pytest.mark.parametrize("name", NETWORKS)
def test_parameter_counts_are_the_published_ones_without_the_classifier(name):
    with torch.device("meta"):
        model = ResNet(name)
    total, channels = PUBLISHED[name]
    assert model.channels == channels
    assert sum(p.numel() for p in model.parameters()) == total - 1000 * (channels + 1)
    if name == "resnet50":
        assert total - 1000 * (channels + 1) == 23_508_032


def test_published_state_dicts_load_strictly_without_the_classifier():
    with torch.device("meta"):
        state = ResNet("resnet50").state_dict()
    # Buffers of torchvision's: running statistics, but no image mean or deviation.
    assert len(state) == 318
    assert {"layer4.2.conv3.weight", "layer1.0.downsample.1.num_batches_tracked"} <= state.keys()
    assert from_torchvision(state | {"fc.weight": torch.zeros(1), "fc.bias": torch.zeros(1)}).keys() == state.keys()


def test_bottlenecks_stride_in_the_3_by_3_layer():
    with torch.device("meta"):
        block = ResNet("resnet50").layer3[0]
    assert (block.conv1.stride, block.conv2.stride, block.conv3.stride) == ((1, 1), (2, 2), (1, 1))


def test_errors():
    with pytest.raises(InputError, match="do not follow tf_same"):
        ResNet("resnet18", padding="tf_same")
    with pytest.raises(InputError, match=r"'resnet19' is unknown; choose one of resnet18"):
        ResNet("resnet19")
