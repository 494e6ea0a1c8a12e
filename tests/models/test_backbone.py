"""What every backbone promises: where its cells lie, and the same weights at every stride."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from metricpose.errors import CheckpointError, InputError
from metricpose.models.backbone import BACKBONES, Backbone, build_backbone
from metricpose.models.efficientnetv2 import NETWORKS, EfficientNetV2
from metricpose.models.mobilenetv2 import MobileNetV2, from_folded
from metricpose.models.resnet import ResNet

STRIDES = (4, 8, 16, 32)
CENTRES = {"centred": {32: 16, 16: 8, 8: 4, 4: 2}, "symmetric": dict.fromkeys(STRIDES, 0)}


def narrow(name: str, stride: int, padding: str) -> nn.Module:
    """The named backbone's geometry with few channels, and few blocks where the receptive field would be too large."""
    if name == "mobilenetv2":
        return MobileNetV2(stride=stride, padding=padding, last_layer=False)
    if name.startswith("resnet"):
        return ResNet(name, stride=stride, padding=padding, width=2)
    stages = tuple(s._replace(channels=4 + 4 * (i > 2), repeats=2) for i, s in enumerate(NETWORKS[name]))
    return EfficientNetV2(name, stride=stride, padding=padding, stages=stages)


def make_averaging(model: nn.Module) -> nn.Module:
    """Every layer averages, gates are constant and batch norm is the identity: a positive and almost linear network."""
    with torch.no_grad():
        for key, module in model.named_modules():
            if isinstance(module, nn.Conv2d):
                module.weight.fill_(0.0 if ".fc" in key else 1 / module.weight[0].numel())
                if module.bias is not None:
                    module.bias.zero_()
    return model.eval().double()


def seen_columns(model: nn.Module, image: torch.Tensor, cell: tuple[int, int], axis: int) -> torch.Tensor:
    """Gradient of one cell, summed over everything but one axis of the image."""
    image.requires_grad_()
    (features,) = model(image).values()
    (grad,) = torch.autograd.grad(features[0, :, cell[0], cell[1]].sum(), image)
    return grad[0].sum((0, 2 - axis))


@pytest.mark.parametrize("padding", ["centred", "symmetric"])
@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("name", ["mobilenetv2", "resnet18", "resnet50", "efficientnetv2_s", "efficientnetv2_l"])
def test_cells_are_centred_where_promised(name, stride, padding, monkeypatch):
    # A maximum passes the gradient to one sample only; an average has the same geometry and shows all of them.
    monkeypatch.setattr(functional, "max_pool2d", functional.avg_pool2d)
    model = make_averaging(narrow(name, stride, padding))
    for axis, (height, width) in ((1, (32, 1024)), (0, (1024, 32))):
        cell = [0, 0]
        cell[axis] = 512 // stride - 1
        image = torch.full((1, 3, height, width), 0.51, dtype=torch.float64)
        seen = seen_columns(model, image, (cell[0], cell[1]), axis)
        columns = seen.nonzero()[:, 0]
        first, last = columns[0].item(), columns[-1].item()
        expected = CENTRES[padding][stride] + stride * cell[axis]
        assert first > 0
        assert last < 1023
        assert (first + last) / 2 == expected == model.centre_offset + stride * cell[axis]
        # Shortcuts see less than the path beside them: only the centre of mass tells where they look.
        assert (seen * torch.arange(1024)).sum() / seen.sum() == pytest.approx(expected, abs=1e-6)


def test_centred_cells_are_symmetric_in_a_256_pixel_image():
    for stride in STRIDES:
        offset = build_backbone("mobilenetv2", stride=stride).centre_offset
        cells = 256 // stride
        assert offset + stride * (cells - 1) == 256 - offset


def randomised(model: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for key, module in model.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.3)
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
        # A gate averages over the whole map, which is another map at another stride: make it constant.
        if ".fc" in key and isinstance(module, nn.Conv2d):
            module.weight.data.zero_()
    return model.eval()


@pytest.mark.parametrize(
    ("name", "padding", "first"),
    [
        ("mobilenetv2", "symmetric", 0),
        ("mobilenetv2", "tf_same", 1),
        ("resnet18", "symmetric", 0),
        ("resnet50", "symmetric", 0),
        ("efficientnetv2_s", "symmetric", 0),
        ("efficientnetv2_s", "tf_same", 1),
    ],
)
def test_smaller_strides_only_add_cells_between_those_of_stride_32(name, padding, first):
    size = (70, 100) if padding == "symmetric" else (64, 96)
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    coarse = randomised(narrow(name, 32, padding)).double()
    with torch.no_grad():
        expected = coarse(image)[32]
        assert expected.std() > 1e-3
        for stride in (16, 8, 4):
            fine = narrow(name, stride, padding).eval().double()
            fine.load_state_dict(coarse.state_dict())
            step = 32 // stride
            start = first * (step - 1)
            got = fine(image)[stride][:, :, start::step, start::step]
            torch.testing.assert_close(got, expected, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("name", BACKBONES)
def test_names_and_shapes_of_the_parameters_do_not_depend_on_the_stride(name):
    with torch.device("meta"):
        models = [build_backbone(name, stride=stride, centred=stride != 8) for stride in STRIDES]
    shapes = [{key: value.shape for key, value in model.state_dict().items()} for model in models]
    assert all(other == shapes[0] for other in shapes[1:])
    assert all(isinstance(model, Backbone) for model in models)
    assert [model.stride for model in models] == list(STRIDES)
    assert [model.centre_offset for model in models] == [2, 0, 8, 16]


@pytest.mark.parametrize("name", ["mobilenetv2", "resnet18", "efficientnetv2_s"])
def test_output_has_one_cell_per_stride_and_the_promised_channels(name):
    for stride, cells in ((32, (3, 2)), (16, (5, 4))):
        model = build_backbone(name, stride=stride).eval()
        with torch.no_grad():
            features = model(torch.rand(1, 3, 72, 50))
        assert {key: value.shape for key, value in features.items()} == {stride: (1, model.channels, *cells)}


def test_weights_load_from_a_published_layout_and_from_the_own_one():
    folded = {key: value + 0.1 for key, value in MobileNetV2().state_dict().items()} | {"fc.weight": torch.zeros(9, 9)}
    normed = build_backbone("mobilenetv2", norm="batch", weights=folded)
    torch.testing.assert_close(normed.norm3.bias, folded["conv3.bias"])
    again = build_backbone("mobilenetv2", norm="batch", weights=normed.state_dict())
    torch.testing.assert_close(again.state_dict(), normed.state_dict())
    short = build_backbone("mobilenetv2", last_layer=False, weights=folded)
    assert short.channels == 320
    narrow = build_backbone("mobilenetv2", last_layer=48, weights=folded)
    assert narrow.channels == 48
    again = build_backbone("mobilenetv2", last_layer=48, weights=narrow.state_dict())
    torch.testing.assert_close(again.state_dict(), narrow.state_dict())
    resnet = build_backbone("resnet18")
    public = resnet.state_dict() | {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}
    torch.testing.assert_close(build_backbone("resnet18", weights=public).conv1.weight, resnet.conv1.weight)


def test_errors():
    with pytest.raises(InputError, match=r"'vgg' is unknown; choose one of mobilenetv2, resnet18"):
        build_backbone("vgg")
    with pytest.raises(InputError, match="output stride 2"):
        build_backbone("resnet18", stride=2)
    with pytest.raises(InputError, match="norm 'group'"):
        build_backbone("mobilenetv2", norm="group")
    with pytest.raises(InputError, match="batch norm only"):
        build_backbone("resnet18", norm="folded")
    with pytest.raises(InputError, match="only mobilenetv2"):
        build_backbone("resnet18", last_layer=False)
    with pytest.raises(CheckpointError, match=r"(?s)do not fit the backbone 'resnet18'.*layer1"):
        build_backbone("resnet18", weights={"conv1.weight": torch.zeros(64, 3, 7, 7)})
    with pytest.raises(CheckpointError, match="no MeTRAbs backbone"):
        build_backbone("efficientnetv2_s", weights={"conv1.weight": torch.zeros(64, 3, 7, 7)})
    wrong = from_folded(MobileNetV2().state_dict()) | {"conv2.weight": torch.zeros(1, 1, 1, 1)}
    with pytest.raises(CheckpointError, match=r"(?s)'mobilenetv2'.*conv2\.weight"):
        build_backbone("mobilenetv2", weights=wrong)
