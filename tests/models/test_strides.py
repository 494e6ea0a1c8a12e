"""Plans of strides and dilations against the published table, and padding against arithmetic."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from metricpose.errors import InputError
from metricpose.models.strides import (
    OUTPUT_STRIDES,
    Step,
    SteppedConv2d,
    centre_offset,
    check_options,
    margins,
    plan_steps,
    subsample,
)

# A stem, then five stages of two 3 x 3 layers of which the first strides.
NOMINAL = (2, 2, 1, 2, 1, 2, 1, 2, 1)


@pytest.mark.parametrize(
    ("output_stride", "strides", "dilations"),
    [
        (32, (2, 2, 1, 2, 1, 2, 1, 2, 1), (1, 1, 1, 1, 1, 1, 1, 1, 1)),
        (16, (2, 2, 1, 2, 1, 2, 1, 1, 1), (1, 1, 1, 1, 1, 1, 1, 1, 2)),
        (8, (2, 2, 1, 2, 1, 1, 1, 1, 1), (1, 1, 1, 1, 1, 1, 2, 2, 4)),
        (4, (2, 2, 1, 1, 1, 1, 1, 1, 1), (1, 1, 1, 1, 2, 2, 4, 4, 8)),
    ],
)
def test_plan_keeps_the_dilation_where_it_stops_striding_and_doubles_it_after(output_stride, strides, dilations):
    steps = plan_steps(NOMINAL, output_stride, "centred")
    assert tuple(step.stride for step in steps) == strides
    assert tuple(step.dilation for step in steps) == dilations
    last = max(i for i, stride in enumerate(strides) if stride == 2)
    assert [i for i, step in enumerate(steps) if step.shift] == [last]
    assert not any(step.shift for step in plan_steps(NOMINAL, output_stride, "symmetric"))


def test_margins():
    assert margins(10, 3, Step()) == (1, 1)
    assert margins(10, 3, Step(dilation=4)) == (4, 4)
    assert margins(10, 7, Step(stride=2)) == (3, 3)
    # One sample later: (0, 2), of which the very last is never read on even sizes.
    assert margins(10, 3, Step(stride=2, shift=1)) == (0, 1)
    assert margins(11, 3, Step(stride=2, shift=1)) == (0, 2)
    assert margins(11, 7, Step(stride=2, shift=1)) == (2, 4)
    # TensorFlow SAME.
    assert margins(10, 3, Step(stride=2, same=True)) == (0, 1)
    assert margins(11, 3, Step(stride=2, same=True)) == (1, 1)
    assert margins(10, 7, Step(stride=2, same=True)) == (2, 3)
    assert margins(10, 3, Step(dilation=2, same=True)) == (2, 2)


@pytest.mark.parametrize("size", [(8, 11), (9, 10)])
def test_shifted_convolution_reads_one_sample_later(size):
    torch.manual_seed(0)
    x = torch.randn(2, 3, *size)
    conv = SteppedConv2d(3, 5, 3, Step(stride=2, shift=1))
    plain = functional.conv2d(functional.pad(x, (0, 2, 0, 2)), conv.weight, stride=2)
    torch.testing.assert_close(conv(x), plain)
    assert conv(x).shape[2:] == tuple(-(-n // 2) for n in size)


@pytest.mark.parametrize("size", [(8, 11), (9, 10)])
@pytest.mark.parametrize("step", [Step(2), Step(2, shift=1), Step(1, 2)])
def test_subsample_looks_where_the_middle_of_the_kernel_looks(size, step):
    x = torch.rand(2, 3, *size)
    conv = SteppedConv2d(3, 3, 3, step, groups=3)
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[:, :, 1, 1] = 1
    torch.testing.assert_close(subsample(x, step), conv(x))


def test_centre_offsets():
    assert [centre_offset(s, "centred") for s in OUTPUT_STRIDES] == [2, 4, 8, 16]
    assert [centre_offset(s, "symmetric") for s in OUTPUT_STRIDES] == [0, 0, 0, 0]
    assert [centre_offset(s, "tf_same") for s in OUTPUT_STRIDES] == [3, 7, 15, 31]


def test_errors():
    with pytest.raises(InputError, match="output stride 64"):
        plan_steps(NOMINAL, 64, "centred")
    with pytest.raises(InputError, match="reach stride 4, not 8"):
        plan_steps((2, 1, 2, 1), 8, "centred")
    with pytest.raises(InputError, match="padding 'valid'"):
        check_options(32, "valid")
