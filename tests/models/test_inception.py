"""The stems against functional twins driven by the published parameter names."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from metricpose.errors import CheckpointError, InputError
from metricpose.models.inception import STEMS, InceptionStem, build_stem
from metricpose.models.resnet import ResNet

# Units of the Inception stem with their kernel, as listed by the public checkpoint's tables.
UNITS = {
    "0": (32, 3, 3, 3), "1": (32, 32, 3, 3), "2": (64, 32, 3, 3), "3.conv": (96, 64, 3, 3),
    "4.branch0.0": (64, 160, 1, 1), "4.branch0.1": (96, 64, 3, 3), "4.branch1.0": (64, 160, 1, 1),
    "4.branch1.1": (64, 64, 1, 7), "4.branch1.2": (64, 64, 7, 1), "4.branch1.3": (96, 64, 3, 3),
    "5.conv": (192, 192, 3, 3), "6.branch0": (96, 384, 1, 1), "6.branch1.0": (64, 384, 1, 1),
    "6.branch1.1": (96, 64, 3, 3), "6.branch2.0": (64, 384, 1, 1), "6.branch2.1": (96, 64, 3, 3),
    "6.branch2.2": (96, 96, 3, 3), "6.branch3.1": (96, 384, 1, 1),
}  # fmt: skip


def shaken(module):
    """Running statistics and affine parameters that are no identity."""
    torch.manual_seed(0)
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.5)
            part.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(part.weight, 0.5, 1.5)
            torch.nn.init.normal_(part.bias, 0, 0.3)
    return module.eval()


def twin(image, state):
    """Entry by entry, with the padding kernel // 2 everywhere."""

    def unit(x, name, stride=1):
        weight = state[f"{name}.conv.weight"]
        y = functional.conv2d(x, weight, None, stride, (weight.shape[2] // 2, weight.shape[3] // 2))
        scale, shift, mean, var = (
            state[f"{name}.bn.{k}"][:, None, None] for k in ("weight", "bias", "running_mean", "running_var")
        )
        return ((y - mean) / torch.sqrt(var + 1e-3) * scale + shift).relu()

    def chain(x, *names):
        for name in names:
            x = unit(x, name)
        return x

    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = unit((image - mean[:, None, None]) / std[:, None, None], "0", 2)
    x = chain(x, "1", "2")
    x = torch.cat([functional.max_pool2d(x, 3, 2, 1), unit(x, "3.conv", 2)], 1)
    x = torch.cat([chain(x, "4.branch0.0", "4.branch0.1"), chain(x, *(f"4.branch1.{i}" for i in range(4)))], 1)
    x = torch.cat([unit(x, "5.conv", 2), functional.max_pool2d(x, 3, 2, 1)], 1)
    ones = functional.avg_pool2d(torch.ones_like(x), 3, 1, 1)  # Cells of the kernel inside the map, over 9.
    pooled = functional.avg_pool2d(x, 3, 1, 1) / ones
    branches = [
        unit(x, "6.branch0"),
        chain(x, "6.branch1.0", "6.branch1.1"),
        chain(x, "6.branch2.0", "6.branch2.1", "6.branch2.2"),
        unit(pooled, "6.branch3.1"),
    ]
    return torch.cat(branches, 1)


def test_inception_stem_equals_its_twin():
    model = shaken(InceptionStem())
    image = torch.rand(2, 3, 40, 72)
    found = model(image)
    assert found.keys() == {8}
    assert found[8].shape == (2, 384, 5, 9)
    torch.testing.assert_close(found[8], twin(image, model.state_dict()), rtol=1e-4, atol=1e-4)


def test_inception_stem_has_the_published_layout():
    model = InceptionStem()
    state = model.state_dict()
    assert {k: tuple(v.shape) for k, v in state.items() if k.endswith("conv.weight")} == {
        f"{name}.conv.weight": shape for name, shape in UNITS.items()
    }
    norms = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    assert len(state) == len(UNITS) * (1 + len(norms))
    # 972,896 with the 1 x 1 layer to 128 channels (with bias) and its batch norm.
    assert sum(p.numel() for p in model.parameters()) + 384 * 128 + 128 + 2 * 128 == 972_896


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_resnet_stem_is_the_start_of_the_network(name):
    whole = shaken(ResNet(name, stride=8, padding="symmetric"))
    stem = build_stem(f"{name}_stem", whole.state_dict()).eval()
    found = stem(image := torch.rand(1, 3, 48, 80))[8]
    assert found.shape == (1, stem.channels, 6, 10)
    assert stem.channels == {"resnet18": 128, "resnet50": 512}[name]
    seen = []
    whole.layer2.register_forward_hook(lambda module, inputs, output: seen.append(output))
    whole(image)
    torch.testing.assert_close(found, seen[0])


def test_weights_of_whole_networks_fit_and_lacking_ones_do_not():
    state = shaken(InceptionStem()).state_dict()
    port = {f"features.{k}": v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    port |= {"features.7.branch0.conv.weight": torch.zeros(1), "last_linear.bias": torch.zeros(1000)}
    loaded = build_stem("inceptionv4_stem", port)
    assert all(torch.equal(v, state[k]) for k, v in loaded.state_dict().items())
    del port["features.4.branch1.2.conv.weight"]
    with pytest.raises(CheckpointError, match=r"4\.branch1\.2"):
        build_stem("inceptionv4_stem", port)
    with pytest.raises(CheckpointError, match="resnet18_stem"):
        build_stem("resnet18_stem", state)
    with pytest.raises(InputError, match=", ".join(STEMS)):
        build_stem("inceptionv3_stem")
