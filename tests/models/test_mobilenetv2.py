"""MobileNetV2 against a naive numpy twin, the published folded weights, and between its two forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from metricpose.errors import CheckpointError, InputError
from metricpose.models.mobilenetv2 import LAYERS, MobileNetV2, calibrate_norms, from_folded, to_folded
from reference.convolution import conv2d_same


def random_folded(seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    state = MobileNetV2().state_dict()
    noise = {key: 0.1 * torch.randn_like(value) for key, value in state.items() if key.endswith("bias")}
    return state | {key: state[key] + value for key, value in noise.items()}


@pytest.fixture(scope="module")
def imagenet_folded(assets) -> dict[str, torch.Tensor]:
    return load_file(assets / "weights" / "mobilenetv2_1.0_imagenet_folded.safetensors")


def naive_features(image: np.ndarray, folded: dict[str, torch.Tensor]) -> np.ndarray:
    """The network written from the table of the paper, block by block, with TensorFlow SAME padding; (c, h, w)."""
    arrays = {key: value.double().numpy() for key, value in folded.items()}
    index = -1

    def layer(x: np.ndarray, stride: int = 1, groups: int = 1, clip: bool = True) -> np.ndarray:
        nonlocal index
        index += 1
        y = conv2d_same(x, arrays[f"conv{index}.weight"], stride, groups) + arrays[f"conv{index}.bias"][:, None, None]
        return np.clip(y, 0, 6) if clip else y

    x = layer((image - 0.5) / 0.5, 2)
    for expansion, repeats, stride in ((1, 1, 1), (6, 2, 2), (6, 3, 2), (6, 4, 2), (6, 3, 1), (6, 3, 2), (6, 1, 1)):
        for repeat in range(repeats):
            y = layer(x) if expansion > 1 else x
            y = layer(y, stride if repeat == 0 else 1, groups=len(y))
            y = layer(y, clip=False)
            x = x + y if repeat > 0 else y
    return layer(x)


@pytest.mark.parametrize("size", [(40, 70), (33, 47)])
def test_tf_same_equals_the_naive_twin(size):
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1))
    folded = random_folded()
    model = MobileNetV2(padding="tf_same")
    model.load_state_dict(from_folded(folded))
    expected = naive_features(image[0].double().numpy(), folded)
    with torch.no_grad():
        got = model.double()(image.double())[32][0].numpy()
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(got, expected, atol=1e-9 * np.abs(expected).max())


def test_published_imagenet_weights_load_and_equal_the_naive_twin(imagenet_folded):
    image = torch.rand(1, 3, 48, 36, generator=torch.Generator().manual_seed(2))
    model = MobileNetV2(padding="tf_same")
    model.load_state_dict(from_folded(imagenet_folded))
    with torch.no_grad():
        got = model.double()(image.double())[32][0].numpy()
    expected = naive_features(image[0].double().numpy(), imagenet_folded)
    np.testing.assert_allclose(got, expected, atol=1e-8)


def test_parameter_counts():
    assert sum(p.numel() for p in MobileNetV2(norm="batch").parameters()) == 2_223_872
    # Without batch norm there is one bias per output channel instead of a scale and a shift.
    folded = sum(p.numel() for p in MobileNetV2().parameters())
    assert folded == 2_223_872 - sum(layer.outputs for layer in LAYERS)
    assert len(LAYERS) == 52


def test_batch_norm_form_computes_the_same_function_and_folds_back():
    folded, images = random_folded(3), torch.rand(2, 3, 64, 96)
    plain, normed = MobileNetV2(), MobileNetV2(norm="batch")
    plain.load_state_dict(from_folded(folded))
    normed.load_state_dict(from_folded(folded, norm="batch"))
    with torch.no_grad():
        torch.testing.assert_close(normed.eval()(images)[32], plain(images)[32], atol=1e-4, rtol=1e-4)
    back = to_folded(normed)
    assert back.keys() == folded.keys()
    for key, value in folded.items():
        torch.testing.assert_close(back[key], value, atol=1e-6, rtol=1e-5)


def test_calibration_keeps_the_eval_function_and_makes_the_train_function_equal_on_the_same_images():
    folded, images = random_folded(4), torch.rand(4, 3, 96, 64)
    model = MobileNetV2(norm="batch")
    model.load_state_dict(from_folded(folded, norm="batch"))
    with torch.no_grad():
        before = model.eval()(images)[32]
        uncalibrated = model.train()(images)[32]
        model.load_state_dict(from_folded(folded, norm="batch"))
        calibrate_norms(model, [images])
        assert model.training
        after = model.eval()(images)[32]
        calibrated = model.train()(images)[32]
    torch.testing.assert_close(after, before, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(calibrated, before, atol=1e-3, rtol=1e-3)
    assert (uncalibrated - before).abs().max() > 0.2


def test_without_the_last_layer_features_are_its_input():
    folded, images = random_folded(5), torch.rand(1, 3, 64, 64)
    full, short = MobileNetV2(), MobileNetV2(last_layer=False)
    full.load_state_dict(from_folded(folded))
    short.load_state_dict(from_folded(folded, last_layer=False))
    assert (full.channels, short.channels) == (1280, 320)
    with torch.no_grad():
        torch.testing.assert_close(torch.clamp(full.conv51(short(images)[32]), 0, 6), full(images)[32])


def test_a_narrower_last_layer_keeps_the_channels_with_the_largest_weights():
    folded, images = random_folded(6), torch.rand(1, 3, 64, 64)
    full, narrow = MobileNetV2(), MobileNetV2(last_layer=37)
    full.load_state_dict(from_folded(folded))
    narrow.load_state_dict(from_folded(folded, last_layer=37))
    size = folded["conv51.weight"].square().sum((1, 2, 3)).numpy()
    kept = np.sort(np.argsort(size)[-37:])
    assert narrow.channels == 37
    with torch.no_grad():
        torch.testing.assert_close(narrow(images)[32], full(images)[32][:, kept])
    normed = MobileNetV2(last_layer=37, norm="batch").eval()
    normed.load_state_dict(from_folded(folded, last_layer=37, norm="batch"))
    with torch.no_grad():
        torch.testing.assert_close(normed(images)[32], narrow(images)[32], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("channels", [0, -3, 1281])
def test_a_last_layer_of_no_channels_or_too_many_is_refused(channels):
    with pytest.raises(InputError, match=f"last_layer {channels} .* give 1 to 1280, true or false"):
        MobileNetV2(last_layer=channels)


def test_errors():
    with pytest.raises(CheckpointError, match=r"conv7\.bias"):
        from_folded({key: value for key, value in random_folded().items() if key != "conv7.bias"})
    with pytest.raises(InputError, match="norm='batch'"):
        calibrate_norms(MobileNetV2(), [torch.rand(1, 3, 32, 32)])
    with pytest.raises(InputError, match="no images"):
        calibrate_norms(MobileNetV2(norm="batch"), [])
