from __future__ import annotations

import pytest
import torch

from metricpose.benchmark.domain import EVERYDAY, is_target, ordinal_labels, weaken
from metricpose.skeleton.core import pair_index


def packed(joints: int = 5, people: int = 3) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    px = torch.rand(people, joints, 2, generator=random) * 40
    px[1, 2] = torch.tensor([70.0, 3.0])  # outside the picture
    return {
        "images": torch.zeros(people, 64, 64, 3, dtype=torch.uint8),
        "joints_mm": torch.randn(people, joints, 3, generator=random) * 300 + 2000,
        "joints_px": px,
        "z_w": torch.ones(people, joints),
        "uv_w": torch.ones(people, joints),
        "abs_w": torch.ones(people),
    }


def test_poses_fall_into_two_domains():
    assert not is_target({"pose": "walking"})
    assert is_target({"pose": "dance"})
    assert is_target({})
    assert "acrobatics" not in EVERYDAY


def test_ordinal_labels_say_which_joint_is_closer():
    joints = torch.tensor([[[0.0, 0, 1000], [0, 0, 900], [300, 0, 1010], [0, 0, 1100]]])
    order, weights = ordinal_labels(joints, torch.tensor([[1.0, 1, 1, 0]]))
    at = {pair: pair_index(4, *pair)[0] for pair in ((0, 1), (0, 2), (1, 2), (0, 3))}
    assert order[0, at[0, 1]] == 1  # joint 1 is closer
    assert order[0, at[0, 2]] == 0  # 10 mm of 300: about equal
    assert order[0, at[1, 2]] == 0
    assert weights[0, at[0, 1]] == 1
    assert (order[0, at[0, 3]], weights[0, at[0, 3]]) == (0, 0)
    turned, _ = ordinal_labels(joints.flip(1), torch.ones(1, 4))
    assert turned[0, pair_index(4, 2, 3)[0]] == -1


@pytest.mark.parametrize("labels", ["2d", "ordinal"])
def test_only_the_target_domain_loses_labels(labels):
    before, target = packed(), torch.tensor([False, True, False])
    copies = {k: v.clone() for k, v in before.items()}
    after = weaken(before, target, labels)
    for name in ("joints_mm", "z_w", "uv_w", "abs_w", "joints_px"):
        assert torch.equal(after[name][~target], before[name][~target])
        assert torch.equal(before[name], copies[name])
    assert after["joints_mm"][1].isnan().all()
    assert after["z_w"][1].sum() == 0
    assert after["abs_w"].tolist() == [1, 0, 1]
    assert after["uv_w"][1].tolist() == [1, 1, 0, 1, 1]
    if labels == "2d":
        assert "order" not in after
    else:
        assert after["order_w"].sum(1).tolist() == [0, 10, 0]
        wanted, _ = ordinal_labels(before["joints_mm"], before["z_w"])
        assert torch.equal(after["order"][1], wanted[1])
        assert wanted[1].abs().sum() > 0


def test_full_labels_change_nothing():
    before = packed()
    assert weaken(before, torch.ones(3, dtype=torch.bool), "full") is before
