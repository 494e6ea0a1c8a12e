"""Where the cells of a feature map lie: output stride, dilation and centred striding, shared by all backbones.

**Output stride.** One set of weights serves several output strides (à trous convolution). Going from the input, once
the wanted stride is reached every later strided convolution moves by 1 instead; it keeps the dilation it had, and
every k x k convolution after it is dilated twice as much (MeTRo, stride at test time).

**Centred striding** (MeTRo/MeTRAbs). With symmetric padding, cell i of a map of stride s is centred at pixel s*i, which
leaves s - 1 pixels uncovered at the right and bottom. Moving only the last strided layer by one of its input samples,
which is s/2 pixels, centres the cells at s*i + s/2 and makes the grid symmetric in the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from metricpose.errors import InputError
from metricpose.models.depthwise import depthwise_conv2d, has_slow_gradient

OUTPUT_STRIDES = (4, 8, 16, 32)

Padding = Literal["centred", "symmetric", "tf_same"]
"""centred: as above. symmetric: cell i at s*i. tf_same: TensorFlow SAME, cell i at s*i + s - 1 on even sizes."""


class Step(NamedTuple):
    """How one k x k layer moves over its input; `shift` is in input samples, `same` asks for TensorFlow SAME."""

    stride: int = 1
    dilation: int = 1
    shift: int = 0
    same: bool = False


PLAIN = Step()


def plan_steps(strides: Sequence[int], output_stride: int, padding: Padding) -> tuple[Step, ...]:
    """Turn the nominal strides (1 or 2) of a network's k x k layers, in order, into steps for one output stride.

    Raises:
        InputError: the output stride or padding is unknown, or the layers never reach that stride.
    """
    check_options(output_stride, padding)
    reached, dilation = 1, 1
    steps: list[Step] = []
    for stride in strides:
        moves = stride > 1 and reached < output_stride
        steps.append(Step(stride if moves else 1, dilation, same=padding == "tf_same"))
        reached *= stride if moves else 1
        dilation *= 1 if moves else stride
    if reached != output_stride:
        raise InputError(f"these layers reach stride {reached}, not {output_stride}; choose a smaller output stride")
    last = max(i for i, step in enumerate(steps) if step.stride > 1)
    if padding == "centred":
        steps[last] = steps[last]._replace(shift=1)
    return tuple(steps)


def check_options(output_stride: int, padding: str) -> None:
    """Raise InputError unless both are known."""
    if output_stride not in OUTPUT_STRIDES:
        raise InputError(f"output stride {output_stride} is not supported; choose one of {OUTPUT_STRIDES}")
    if padding not in ("centred", "symmetric", "tf_same"):
        raise InputError(f"padding '{padding}' is unknown; choose centred, symmetric or tf_same")


def centre_offset(output_stride: int, padding: Padding) -> int:
    """Pixel on which cell 0 is centred; cell i is at this plus `output_stride * i`.

    For tf_same this holds for image sides that are multiples of the stride.
    """
    return {"centred": output_stride // 2, "symmetric": 0, "tf_same": output_stride - 1}[padding]


def margins(size: int, kernel: int, step: Step) -> tuple[int, int]:
    """Samples of padding before and after one axis of `size` samples."""
    reach = step.dilation * (kernel - 1)
    if step.same:
        total = max((-(-size // step.stride) - 1) * step.stride + reach + 1 - size, 0)
        return total // 2, total - total // 2
    before = reach // 2 - step.shift
    after = reach - reach // 2 + step.shift
    # The strided window never reads the last sample of the right margin on some sizes: do not copy it.
    unread = (size + before + after - reach - 1) % step.stride
    return (before, after - unread) if step.shift else (before, after)


def pad(x: Float[Tensor, "b c h w"], kernel: int, step: Step) -> Float[Tensor, "b c h2 w2"]:
    """Zero padding for a layer that then runs without padding of its own."""
    top, bottom = margins(x.shape[-2], kernel, step)
    left, right = margins(x.shape[-1], kernel, step)
    return functional.pad(x, (left, right, top, bottom))


def subsample(x: Float[Tensor, "b c h w"], step: Step) -> Float[Tensor, "b c h2 w2"]:
    """The samples at which a shortcut's 1 x 1 layer must look, so that it agrees with the k x k path beside it."""
    if step.stride == 1:
        return x
    if step.shift:
        # A kernel of one sample has no margin of its own: drop the first row and column, and keep the size on odd ones.
        x = pad(x, 1, step)
    return x[..., :: step.stride, :: step.stride]


class SteppedConv2d(nn.Conv2d):
    """`nn.Conv2d` (same parameter names) with stride, dilation and padding from a `Step`."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, step: Step = PLAIN, *, groups: int = 1, bias: bool = False
    ) -> None:
        self.step = step
        # Only a strided layer can be uneven, and only then does padding cost a copy.
        self.uneven = step.stride > 1 and (step.same or step.shift != 0)
        margin = 0 if self.uneven else step.dilation * (kernel - 1) // 2
        super().__init__(inputs, outputs, kernel, step.stride, margin, step.dilation, groups=groups, bias=bias)
        self.depthwise = groups == inputs == outputs > 1
        self.margin = margin

    def forward(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        x = pad(input, self.kernel_size[0], self.step) if self.uneven else input
        stride, dilation = self.step.stride, self.step.dilation
        if self.depthwise and has_slow_gradient(x, stride, dilation):
            return depthwise_conv2d(x, self.weight, self.bias, stride, self.margin, dilation)
        return super().forward(x)
