"""Names and shapes of the tensors in public checkpoints, derived from the networks' published structure alone.

Nothing of the package is used. Where the shared tables of the checkpoints are at hand, `test_public_layouts` compares
every name and shape with them.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]


def norm(name: str, channels: int) -> Shapes:
    """Batch norm."""
    one = {f"{name}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")}
    return {**one, f"{name}.num_batches_tracked": ()}


def conv(name: str, outputs: int, inputs: int, *kernel: int, bias: bool = False) -> Shapes:
    """Convolution; one kernel side given means a square one."""
    weight: Shapes = {f"{name}.weight": (outputs, inputs, kernel[0], kernel[-1])}
    return {**weight, **({f"{name}.bias": (outputs,)} if bias else {})}


def basic_block(name: str, inputs: int, outputs: int) -> Shapes:
    """ResNet-18's and -34's block."""
    found = {**conv(f"{name}.conv1", outputs, inputs, 3), **norm(f"{name}.bn1", outputs)}
    found |= {**conv(f"{name}.conv2", outputs, outputs, 3), **norm(f"{name}.bn2", outputs)}
    if inputs != outputs:
        found |= {**conv(f"{name}.downsample.0", outputs, inputs, 1), **norm(f"{name}.downsample.1", outputs)}
    return found


def bottleneck(name: str, inputs: int, planes: int, first: bool) -> Shapes:
    """ResNet-50's block."""
    found = {**conv(f"{name}.conv1", planes, inputs, 1), **norm(f"{name}.bn1", planes)}
    found |= {**conv(f"{name}.conv2", planes, planes, 3), **norm(f"{name}.bn2", planes)}
    found |= {**conv(f"{name}.conv3", 4 * planes, planes, 1), **norm(f"{name}.bn3", 4 * planes)}
    if first:
        found |= {**conv(f"{name}.downsample.0", 4 * planes, inputs, 1), **norm(f"{name}.downsample.1", 4 * planes)}
    return found


def resnet(size: int, stages: int, prefix: str, names: dict[str, str] | None = None) -> Shapes:
    """The first stages of a ResNet; `names` renames conv1, bn1, layer1 ..."""
    repeats = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}[size]
    called = {n: n for n in ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")} | (names or {})
    found = {**conv(f"{prefix}{called['conv1']}", 64, 3, 7), **norm(f"{prefix}{called['bn1']}", 64)}
    inputs = 64
    for stage in range(stages):
        planes = 64 * 2**stage
        for block in range(repeats[stage]):
            name = f"{prefix}{called[f'layer{stage + 1}']}.{block}"
            found |= basic_block(name, inputs, planes) if size < 50 else bottleneck(name, inputs, planes, block == 0)
            inputs = planes if size < 50 else 4 * planes
    return found


def inception_stem(prefix: str) -> Shapes:
    """Entries 0 to 6 of Inception-v4."""

    def unit(name: str, outputs: int, inputs: int, *kernel: int) -> Shapes:
        name = f"{prefix}{name}"
        return {**conv(f"{name}.conv", outputs, inputs, *kernel), **norm(f"{name}.bn", outputs)}

    found = {**unit("0", 32, 3, 3), **unit("1", 32, 32, 3), **unit("2", 64, 32, 3), **unit("3.conv", 96, 64, 3)}
    found |= {**unit("4.branch0.0", 64, 160, 1), **unit("4.branch0.1", 96, 64, 3), **unit("4.branch1.0", 64, 160, 1)}
    found |= {**unit("4.branch1.1", 64, 64, 1, 7), **unit("4.branch1.2", 64, 64, 7, 1)}
    found |= {**unit("4.branch1.3", 96, 64, 3), **unit("5.conv", 192, 192, 3), **unit("6.branch0", 96, 384, 1)}
    found |= {**unit("6.branch1.0", 64, 384, 1), **unit("6.branch1.1", 96, 64, 3), **unit("6.branch2.0", 64, 384, 1)}
    found |= {**unit("6.branch2.1", 96, 64, 3), **unit("6.branch2.2", 96, 96, 3), **unit("6.branch3.1", 96, 384, 1)}
    return found


def margipose(extractor: str = "inceptionv4", stages: int = 4, joints: int = 17) -> Shapes:
    """The whole network."""
    stem = "inner.in_cnn."
    if extractor == "inceptionv4":
        found = {**inception_stem(stem), **conv(f"{stem}7", 128, 384, 1, bias=True), **norm(f"{stem}8", 128)}
    else:
        called = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5"}
        found = resnet(int(extractor.removeprefix("resnet")), 2, stem, called)
        if extractor == "resnet50":
            found |= {**conv(f"{stem}6", 128, 512, 1, bias=True), **norm(f"{stem}7", 128)}
    for plane in ("xy", "zy", "xz"):
        for t in range(stages):
            found |= margipose_column(f"inner.{plane}_hm_cnns.{t}", joints)
    for t in range(stages - 1):
        found |= conv(f"inner.hm_combiners.{t}.conv", 128, 3 * joints, 1)
    return found


def margipose_column(name: str, joints: int) -> Shapes:
    """Five residual blocks down, five up; of the transposed ones the weight's first axis is the input."""
    down = ((128, 128), (128, 128), (128, 192), (192, 192), (192, 192))
    up = ((192, 192), (192, 192), (192, 128), (128, 128), (128, joints))
    found: Shapes = {}
    for half, blocks in (("down", down), ("up", up)):
        for i, (inputs, outputs) in enumerate(blocks):
            block = f"{name}.{half}_layers.{i}"
            first, second = (inputs, outputs) if (half, i) == ("up", 2) else (outputs, inputs)
            found |= {**conv(f"{block}.module.0", first, second, 3), **norm(f"{block}.module.1", outputs)}
            found |= {**conv(f"{block}.module.3", outputs, outputs, 3), **norm(f"{block}.module.4", outputs)}
            found |= {**conv(f"{block}.shortcut.0", first, second, 1), **norm(f"{block}.shortcut.1", outputs)}
    return found


def chatterbox(joints: int = 17) -> Shapes:
    """The second network of MargiPose's code."""
    later = {k: v for k, v in resnet(34, 4, "").items() if k.startswith(("layer3", "layer4"))}
    renamed = {"layer3": "xy_hm_cnn.layer1", "layer4": "xy_hm_cnn.layer2"}
    found = resnet(34, 2, "in_cnn.") | {renamed[k[:6]] + k[6:]: v for k, v in later.items()}
    found |= conv("xy_hm_cnn.hm_conv", joints, 512, 1)
    for name, window in (("zy_hm_cnn", (1, 8)), ("xz_hm_cnn", (8, 1))):
        for i, (inputs, outputs) in enumerate(((128, 256), (256, 256), (256, 512), (512, 512))):
            found |= chatterbox_block(f"{name}.down_convs.{i}", inputs, outputs, up=False)
        found |= {**conv(f"{name}.down_convs.4", 1024, 512, *window), **norm(f"{name}.down_convs.5", 1024)}
        found |= {**conv(f"{name}.up_convs.0", 1024, 512, *window), **norm(f"{name}.up_convs.1", 512)}
        for i, (inputs, outputs) in enumerate(((512, 512), (512, 256), (256, 256), (256, 128)), 3):
            found |= chatterbox_block(f"{name}.up_convs.{i}", inputs, outputs, up=True)
        found |= conv(f"{name}.up_convs.7", joints, 128, 1)
    return found


def chatterbox_block(name: str, inputs: int, outputs: int, up: bool) -> Shapes:
    """Its residual block; going up the first layer is transposed."""
    first, second = (inputs, outputs) if up else (outputs, inputs)
    found = {**conv(f"{name}.conv1", first, second, 3), **norm(f"{name}.bn1", outputs)}
    found |= {**conv(f"{name}.conv2", outputs, outputs, 3), **norm(f"{name}.bn2", outputs)}
    if inputs != outputs:
        found |= {**conv(f"{name}.resample.0", first, second, 1), **norm(f"{name}.resample.1", outputs)}
    return found


def hemlets() -> Shapes:
    """The whole network."""
    found = resnet(50, 4, "backbone.")
    for branch, outputs in (("conv_feature", 1024), ("conv_FBI", 60)):
        for i, inputs in zip((0, 3, 6), (2048, 256, 256)):
            found |= {**conv(f"{branch}.conv_body.{i}", inputs, 256, 4), **norm(f"{branch}.conv_body.{i + 1}", 256)}
        found |= conv(f"{branch}.conv_tail", outputs, 256, 3, bias=True)
    found |= {**conv("FBI_encoder.0", 256, 60, 3, bias=True), **norm("FBI_encoder.1", 256)}
    found |= {**conv("conv_tail.0", 1024, 1280, 1, bias=True), **norm("conv_tail.1", 1024)}
    return {**found, **conv("conv_tail.3", 18 * 64, 1024, 1, bias=True), "volume_reg.dis_map": (1, 18, 64)}


# Repeats, channels and expansion of EfficientNetV2's stages.
EFFICIENTNETS = {
    "s": ((2, 24, 1), (4, 48, 4), (4, 64, 4), (6, 128, 4), (9, 160, 6), (15, 256, 6)),
    "l": ((4, 32, 1), (7, 64, 4), (7, 96, 4), (10, 192, 4), (19, 224, 6), (25, 384, 6), (7, 640, 6)),
}


def metrabs(size: str, points: int = 555) -> Shapes:
    """Backbone and head."""
    stages = EFFICIENTNETS[size]
    inputs = stages[0][1]
    found = {**conv("backbone.1.0.0", inputs, 3, 3), **norm("backbone.1.0.1", inputs)}
    for i, (repeats, outputs, expansion) in enumerate(stages, 1):
        for n in range(repeats):
            found |= efficientnet_block(f"backbone.1.{i}.{n}.block", inputs, outputs, expansion, fused=i <= 3)
            inputs = outputs
    last = f"backbone.1.{len(stages) + 1}"
    found |= {**conv(f"{last}.0", 1280, inputs, 1), **norm(f"{last}.1", 1280)}
    return {**found, **conv("heatmap_heads.conv_final", 9 * points, 1280, 1, bias=True)}


def efficientnet_block(name: str, inputs: int, outputs: int, expansion: int, fused: bool) -> Shapes:
    """One block of a stage."""
    wide = inputs * expansion
    if expansion == 1:
        return {**conv(f"{name}.0.0", outputs, inputs, 3), **norm(f"{name}.0.1", outputs)}
    found = {**conv(f"{name}.0.0", wide, inputs, 3 if fused else 1), **norm(f"{name}.0.1", wide)}
    if not fused:
        found |= {**conv(f"{name}.1.0", wide, 1, 3), **norm(f"{name}.1.1", wide)}
        found |= conv(f"{name}.2.fc1", inputs // 4, wide, 1, bias=True)
        found |= conv(f"{name}.2.fc2", wide, inputs // 4, 1, bias=True)
    last = 1 if fused else 3
    return {**found, **conv(f"{name}.{last}.0", outputs, wide, 1), **norm(f"{name}.{last}.1", outputs)}


def random_state(shapes: Shapes, seed: int = 0) -> dict[str, Tensor]:
    """Random tensors of these shapes that keep activations of order one: He-scaled weights, variances near one."""
    return dict(_random_items(shapes, torch.Generator().manual_seed(seed)))


def _random_items(shapes: Shapes, generator: torch.Generator) -> Iterator[tuple[str, Tensor]]:
    for name, shape in shapes.items():
        last = name.rsplit(".", 1)[-1]
        if last == "num_batches_tracked":
            yield name, torch.tensor(7)
        elif last == "dis_map":
            yield name, torch.linspace(0, 1, shape[-1]).expand(shape).clone()
        elif last == "running_var" or (last == "weight" and len(shape) == 1):
            yield name, torch.empty(shape).uniform_(0.6, 1.4, generator=generator)
        elif last == "weight":
            fan_in = shape[1] * shape[2] * shape[3]
            yield name, torch.empty(shape).normal_(0, (1.5 / fan_in) ** 0.5, generator=generator)
        else:
            yield name, torch.empty(shape).normal_(0, 0.2, generator=generator)
