"""The values that flow through: what they refuse, and how samples become a batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from metricpose.errors import InputError
from metricpose.geometry.camera import Camera
from metricpose.skeleton.catalog import H36M_17
from metricpose.types import UNKNOWN, Batch, People, Pose, Record, Sample


def record(**changes: Any) -> Record:
    values: dict[str, Any] = {
        "image": np.zeros((30, 50, 3), np.uint8),
        "camera": Camera(np.diag([40.0, 40, 1]), (50, 30)),
        "box_xywh": np.array([1.0, 2, 30, 20]),
        "joints_mm": np.zeros((5, 3)),
        "joints_px": np.zeros((5, 2)),
        "visibility": np.full(5, UNKNOWN, np.uint8),
        "skeleton": "h36m_17",
    }
    return Record(**{**values, **changes})


def test_record_defaults() -> None:
    assert record().abs_valid
    assert record().alpha is None
    assert record().info == {}
    assert record().info is not record().info


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": np.zeros((50, 30, 3), np.uint8)}, r"image is 30x50 but its camera says \(50, 30\)"),
        ({"box_xywh": np.array([1.0, 2, 0, 20])}, "positive width and height"),
        ({"box_xywh": np.array([np.nan, 2, 3, 20])}, "needs finite values"),
    ],
)
def test_bad_records_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        record(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"order": np.zeros(9), "order_w": np.zeros(9)}, "9 ordinal labels and 9 weights; expected 10 of both"),
        ({"order": np.zeros(10)}, "10 ordinal labels and 0 weights"),
        ({"order_w": np.zeros(10)}, "0 ordinal labels and 10 weights"),
    ],
)
def test_ordinal_labels_of_another_number_of_joints_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        record(**changes)
    assert record(order=np.zeros(10), order_w=np.zeros(10)).order_w is not None


def test_unequal_joint_counts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaxtyping.config.jaxtyping_disable", True)
    with pytest.raises(InputError, match="5 joints_mm, 4 joints_px and 5 visibilities"):
        record(joints_px=np.zeros((4, 2)))


def samples(count: int) -> list[Sample]:
    rng = np.random.default_rng(0)
    return [
        Sample(
            image=rng.integers(0, 256, (6, 6, 3), dtype=np.uint8),
            K=rng.normal(size=(3, 3)),
            joints_mm=rng.normal(size=(4, 3)) * 1000,
            joints_px=rng.normal(size=(4, 2)),
            z_w=rng.random(4),
            uv_w=rng.random(4),
            abs_w=float(i),
            visibility=np.zeros(4, np.uint8),
            R=np.eye(3),
        )
        for i in range(count)
    ]


def test_stack_keeps_order_scales_images_and_moves_channels_first() -> None:
    pieces = samples(3)
    batch = Batch.stack(pieces)
    assert batch.images.shape == (3, 3, 6, 6)
    assert batch.images[2, 1, 4, 5].item() == pytest.approx(pieces[2].image[4, 5, 1] / 255)
    assert batch.images.max() <= 1
    for name in ("K", "joints_mm", "joints_px", "z_w", "uv_w"):
        stacked = np.stack([getattr(p, name) for p in pieces])
        np.testing.assert_allclose(getattr(batch, name).numpy(), stacked, rtol=1e-6)
    assert batch.abs_w.tolist() == [0, 1, 2]
    assert all(v.dtype == torch.float32 for v in vars(batch).values() if v is not None)
    assert batch.order is batch.order_w is None


def test_batch_moves_as_a_whole() -> None:
    labelled = [replace(s, order=np.ones(6), order_w=np.ones(6)) for s in samples(2)]
    for pieces in (samples(2), labelled):
        moved = Batch.stack(pieces).to("meta")
        assert {v.device.type for v in vars(moved).values() if v is not None} == {"meta"}
        assert (moved.order is None) == (pieces[0].order is None)


def test_samples_without_ordinal_labels_have_weight_zero_among_others() -> None:
    first, second, third = samples(3)
    order, weights = np.array([1.0, -1, 0, np.nan, 1, -1]), np.array([0.5, 1, 1, 0, 1, 2])
    batch = Batch.stack([first, replace(second, order=order, order_w=weights), third])
    assert batch.order is not None
    assert batch.order_w is not None
    np.testing.assert_array_equal(batch.order[1].numpy(), order.astype(np.float32))
    assert batch.order_w.tolist() == [[0] * 6, weights.tolist(), [0] * 6]
    assert (batch.order[[0, 2]] == 0).all()


def test_part_of_a_batch() -> None:
    plain, labelled = samples(3), [replace(s, order=np.ones(6), order_w=np.full(6, s.abs_w)) for s in samples(3)]
    assert Batch.stack(plain).part(slice(1, 3)).order is None
    for picked in (slice(1, 3), torch.tensor([1, 2]), torch.tensor([False, True, True])):
        part, wanted = Batch.stack(labelled).part(picked), Batch.stack(labelled[1:])
        assert all(torch.equal(getattr(part, name), value) for name, value in vars(wanted).items())


def test_pose_needs_only_what_every_method_gives() -> None:
    pose = Pose(torch.zeros(2, 4, 2), torch.zeros(2, 4, 3))
    assert pose.joints_abs_mm is None
    assert pose.covariance_mm2 is None
    assert pose.flags is None


def test_people_counts_people() -> None:
    people = People(
        joints_mm=np.zeros((2, 17, 3)),
        joints_px=np.zeros((2, 17, 2)),
        covariance_mm2=np.zeros((2, 17, 3, 3)),
        state=np.zeros((2, 17), np.uint8),
        boxes=np.ones((2, 4)),
        scores=np.ones(2),
        track_id=np.array([-1, -1]),
        camera=Camera(np.diag([40.0, 40, 1]), (50, 30)),
        skeleton=H36M_17,
        scale_source="network",
    )
    assert len(people) == 2
