"""Scale from the knee-neck height: against the search it replaces, and its running statistics against numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from metricpose.errors import InputError
from metricpose.models.height import PUBLISHED_HEIGHT_MM, HeightScale, knee_to_neck
from metricpose.skeleton import catalog
from reference import margipose as reference

DHP, OURS = catalog.get("mpi_inf_3dhp_17"), catalog.get("metricpose_25")


def people(skeleton, n, seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(0, 300, (n, len(skeleton), 3)), dtype=torch.float32)


def names(skeleton):
    return {name: i for i, name in enumerate(skeleton.joints)}


@pytest.mark.parametrize(("skeleton", "legs"), [(DHP, "left"), (DHP, "both"), (OURS, "left"), (OURS, "both")])
def test_height_is_thigh_and_trunk(skeleton, legs):
    joints = people(skeleton, 4)
    scale = HeightScale(skeleton, legs)
    expected = [
        reference.height(j, names(skeleton), {"left": "l", "both": "lr"}[legs]) for j in joints.double().numpy()
    ]
    np.testing.assert_allclose(scale.height(joints).numpy(), expected, rtol=1e-5)
    assert sum(scale.chain.shares) == pytest.approx(1)
    assert scale.segment_mm.sum().item() == pytest.approx(PUBLISHED_HEIGHT_MM)


def test_one_division_gives_the_height_wanted():
    scale = HeightScale(DHP, "left", 920.0)
    unit = people(DHP, 5) / 3000
    found = scale.root_depth(unit, torch.ones(5, 17))
    torch.testing.assert_close(scale.height(unit * found.depth_mm[:, None, None]), torch.full((5,), 920.0))
    assert found.seen.all()
    own = torch.tensor([800.0, float("nan"), 1000, 1100, 1200])
    found = scale.root_depth(unit, torch.ones(5, 17), own)
    wanted = torch.where(own.isnan(), 920.0, own)
    torch.testing.assert_close(scale.height(unit * found.depth_mm[:, None, None]), wanted)
    assert (found.variance > 0).tolist() == [False, True, False, False, False]
    assert found.variance[1].sqrt().item() == pytest.approx(0.1)


def test_bones_out_of_view_do_not_count():
    scale = HeightScale(OURS, "both")
    joints = people(OURS, 3)
    scale.segment_mm.copy_(scale.segments(joints)[0])  # The first person is the mean.
    unit = joints[:1] / 2500
    in_view = torch.ones(1, 25)
    in_view[0, [OURS.index("l_knee"), OURS.index("r_hip")]] = 0
    unit[0, OURS.index("l_knee")] += 0.3
    unit[0, OURS.index("r_hip")] -= 0.4
    assert scale.root_depth(unit, in_view).depth_mm.item() == pytest.approx(2500, rel=1e-4)
    assert abs(scale.root_depth(unit, torch.ones(1, 25)).depth_mm.item() / 2500 - 1) > 0.05
    in_view[0, OURS.index("spine")] = 0
    nothing = scale.root_depth(unit, in_view)
    assert not nothing.seen.item()
    assert torch.isfinite(nothing.depth_mm).all()


def test_degenerate_poses_give_finite_depths():
    found = HeightScale(OURS).root_depth(torch.zeros(2, 25, 3), torch.ones(2, 25))
    assert torch.isfinite(found.depth_mm).all()


def test_running_statistics_equal_those_of_all_people_at_once():
    scale = HeightScale(OURS, "both")
    joints, weights = people(OURS, 11), torch.ones(11, 25)
    weights[2, OURS.index("spine")] = 0
    joints[2, OURS.index("spine")] = float("nan")
    weights[7] = 0
    for part in (slice(0, 4), slice(4, 5), slice(7, 8), slice(5, 7), slice(8, 11)):
        scale.gather(joints[part], weights[part])
    lengths = scale.segments(joints).double().numpy()
    thighs, heights = np.delete(lengths, 7, 0), np.delete(lengths, [2, 7], 0).sum(1)
    np.testing.assert_allclose(scale.segment_mm[:2], thighs[:, :2].mean(0), rtol=1e-5)
    np.testing.assert_allclose(scale.segment_mm[2:], np.delete(lengths, [2, 7], 0)[:, 2:].mean(0), rtol=1e-5)
    assert scale.segment_count.tolist() == [10, 10, 9, 9]
    assert scale.height_count.item() == 9
    assert scale.height_m.item() == pytest.approx(heights.mean() / 1000, rel=1e-5)
    assert scale.height_variance_m2.item() == pytest.approx(heights.var() / 1e6, rel=1e-4)
    # Model files are float16.
    assert all(torch.isfinite(b.half()).all() for b in scale.buffers())


def test_statistics_without_any_label_stay():
    scale = HeightScale(OURS)
    before = {k: v.clone() for k, v in scale.state_dict().items()}
    scale.gather(people(OURS, 2) * float("nan"), torch.zeros(2, 25))
    assert all(torch.equal(before[k], v) for k, v in scale.state_dict().items())


def test_skeletons_without_the_chain_are_refused():
    with pytest.raises(InputError, match="pelvis"):
        knee_to_neck(catalog.get("coco_17"), "both")
