"""EfficientNetV2 against a plain functional twin driven by the names of the published state dicts."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from metricpose.errors import CheckpointError, InputError
from metricpose.models.efficientnetv2 import NETWORKS, EfficientNetV2, from_metrabs

# Per layer of `features`: stem, stages, last layer.
PUBLISHED = {
    "efficientnetv2_s": ([696, 10464, 303552, 589184, 917680, 3463840, 14561832, 330240], 780),
    "efficientnetv2_l": (
        [928, 37120, 1032320, 2390336, 3553224, 14501728, 54866360, 40030496, 821760],
        1546,
    ),
}


def twin(image: torch.Tensor, state: dict[str, torch.Tensor]) -> torch.Tensor:
    """The S network at stride 32 with symmetric padding; what a layer is follows from the shapes of its weights."""

    def unit(x: torch.Tensor, name: str, stride: int = 1) -> torch.Tensor:
        weight = state[f"{name}.0.weight"]
        y = functional.conv2d(x, weight, None, stride, weight.shape[-1] // 2, groups=x.shape[1] // weight.shape[1])
        norm = [state[f"{name}.1.{key}"] for key in ("running_mean", "running_var", "weight", "bias")]
        return functional.batch_norm(y, *norm, eps=1e-3)

    def gate(x: torch.Tensor, name: str) -> torch.Tensor:
        y = functional.adaptive_avg_pool2d(x, 1)
        y = functional.silu(functional.conv2d(y, state[f"{name}.fc1.weight"], state[f"{name}.fc1.bias"]))
        return x * torch.sigmoid(functional.conv2d(y, state[f"{name}.fc2.weight"], state[f"{name}.fc2.bias"]))

    x = functional.silu(unit((image - 0.5) / 0.5, "features.0", 2))
    for stage, (count, stride) in enumerate(((2, 1), (4, 2), (4, 2), (6, 2), (9, 1), (15, 2)), 1):
        for n in range(count):
            name, moved = f"features.{stage}.{n}.block", stride if n == 0 else 1
            if stage == 1:
                y = functional.silu(unit(x, f"{name}.0", moved))
            elif stage < 4:
                y = unit(functional.silu(unit(x, f"{name}.0", moved)), f"{name}.1")
            else:
                y = functional.silu(unit(functional.silu(unit(x, f"{name}.0")), f"{name}.1", moved))
                y = unit(gate(y, f"{name}.2"), f"{name}.3")
            x = x + y if moved == 1 and x.shape[1] == y.shape[1] else y
    return functional.silu(unit(x, "features.7"))


def test_equals_the_functional_twin():
    torch.manual_seed(0)
    model = EfficientNetV2("efficientnetv2_s", padding="symmetric").eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.01, 2)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.3)
    image = torch.rand(1, 3, 70, 97)
    with torch.no_grad():
        got, expected = model(image)[32], twin(image, model.state_dict())
    assert got.shape == (1, 1280, 3, 4)
    assert expected.std() > 1e-2
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item())


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameter_counts_are_the_published_ones(name):
    with torch.device("meta"):
        model = EfficientNetV2(name)
    counts, keys = PUBLISHED[name]
    assert [sum(p.numel() for p in layer.parameters()) for layer in model.features] == counts
    assert len(model.state_dict()) == keys


def test_totals_are_those_of_the_classification_networks_without_the_classifier():
    published = {"efficientnetv2_s": 21_458_488, "efficientnetv2_m": 54_139_356, "efficientnetv2_l": 118_515_272}
    for name in NETWORKS:
        with torch.device("meta"):
            model = EfficientNetV2(name)
        assert sum(p.numel() for p in model.parameters()) == published[name] - 1000 * 1281


def test_centred_striding_moves_the_depthwise_layer_of_the_last_strided_stage():
    with torch.device("meta"):
        model = EfficientNetV2("efficientnetv2_l")
    moved = [key for key, module in model.named_modules() if getattr(getattr(module, "step", None), "shift", 0)]
    assert moved == ["features.6.0.block.1.0"]


def test_metrabs_checkpoints_load_by_renaming():
    with torch.device("meta"):
        own = EfficientNetV2("efficientnetv2_s").state_dict()
    public = {key.replace("features.", "backbone.1.", 1): value for key, value in own.items()}
    assert "backbone.1.6.14.block.2.fc1.bias" in public
    public["heatmap_heads.conv_final.weight"] = torch.zeros(1)
    assert from_metrabs(public).keys() == own.keys()
    with pytest.raises(CheckpointError, match=r"backbone\.1\."):
        from_metrabs({"conv0.weight": torch.zeros(1)})


def test_unknown_name():
    with pytest.raises(InputError, match=r"'efficientnetv2_xl' is unknown; choose one of efficientnetv2_s"):
        EfficientNetV2("efficientnetv2_xl")
