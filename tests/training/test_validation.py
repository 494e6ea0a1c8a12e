from __future__ import annotations

import pytest
import torch
from torch import nn

from metricpose.data.loading import fixed_batches, unpack
from metricpose.data.weaken import OrdinalConfig, WeakSource
from metricpose.skeleton import catalog
from metricpose.training.validation import validate
from metricpose.types import Pose
from people import People

NET = catalog.get("metricpose_25")


class Oracle(nn.Module):
    """Answers with the labels, moved."""

    skeleton = NET

    def __init__(self, batches, *, shift_mm=(0.0, 0.0, 0.0), hand_mm=0.0, absolute=True):
        super().__init__()
        self.answers = iter([unpack(b) for b in batches])
        self.shift, self.hand, self.absolute = torch.tensor(shift_mm), hand_mm, absolute

    def forward(self, images):
        return next(self.answers)

    def decode(self, output, K):
        joints = output.joints_mm + self.shift
        joints[:, NET.index("l_wrist"), 0] += self.hand
        root = joints[:, NET.root : NET.root + 1]
        return Pose(output.joints_px + 3.0, joints - root, joints if self.absolute else None)


def batches():
    return fixed_batches(People(5), range(5), 32, NET, 2)


def measure(**options):
    return validate(Oracle(batches(), **options), batches(), torch.device("cpu"), "fp32")


def test_measures_have_their_closed_form():
    found = measure(shift_mm=(3.0, 4.0, 12.0), hand_mm=50.0)
    assert found["mpjpe_mm"] == pytest.approx(50 / 25, rel=1e-4)
    hand = ((3 + 50) ** 2 + 4**2 + 12**2) ** 0.5
    assert found["absolute_mm"] == pytest.approx((24 * 13 + hand) / 25, rel=1e-4)
    assert found["px"] == pytest.approx(18**0.5, rel=1e-4)


def test_wrong_order_counts_the_pairs_labelled_closer_or_farther():
    weak = WeakSource(People(5), "ordinal", OrdinalConfig(threshold_mm=300.0))
    labelled = [{**full, **ordinal_only(weak, i)} for i, full in zip((0, 2, 4), batches())]
    assert {"order", "order_w"} <= set(labelled[0])
    found = validate(Oracle(batches()), labelled, torch.device("cpu"), "fp32")
    assert found["wrong_order_percent"] == 0
    for packed in labelled:
        packed["order"] *= -1
    assert validate(Oracle(batches()), labelled, torch.device("cpu"), "fp32")["wrong_order_percent"] == 100
    labelled[0]["order_w"] *= 0
    labelled[1]["order"] *= -1
    found = validate(Oracle(batches()), labelled, torch.device("cpu"), "fp32")
    ordered = [int(((p["order"] != 0) & (p["order_w"] > 0)).sum()) for p in labelled]
    assert found["wrong_order_percent"] == pytest.approx(100 * ordered[2] / (ordered[1] + ordered[2]))
    assert ordered[0] == 0


def ordinal_only(source, first):
    packed = fixed_batches(source, range(first, min(first + 2, 5)), 32, NET, 2)[0]
    return {name: packed[name] for name in ("order", "order_w")}


def test_methods_without_an_absolute_pose_have_no_absolute_error():
    assert set(measure(absolute=False)) == {"mpjpe_mm", "px"}


def test_methods_without_pixels_have_no_pixel_error():
    class Metric(Oracle):
        def decode(self, output, K):
            return super().decode(output, K)._replace(joints_px=torch.full_like(output.joints_px, float("nan")))

    assert "px" not in validate(Metric(batches()), batches(), torch.device("cpu"), "fp32")


def test_masked_joints_do_not_count():
    packed = batches()
    for batch in packed:
        batch["z_w"][:, NET.index("l_wrist")] = 0
    oracle = Oracle(packed, hand_mm=500.0)
    assert validate(oracle, packed, torch.device("cpu"), "fp32")["mpjpe_mm"] == pytest.approx(0, abs=1e-3)


def test_nan_predictions_do_not_look_good():
    oracle = Oracle(batches(), hand_mm=float("nan"))
    assert not validate(oracle, batches(), torch.device("cpu"), "fp32")["mpjpe_mm"] < 1e9
