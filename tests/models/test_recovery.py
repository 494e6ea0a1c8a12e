"""From pixels and relative depths to camera space: against scipy, person by person, and exact where it must be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from metricpose.errors import InputError
from metricpose.geometry.absolute import Fallback
from metricpose.geometry.bonedepth import BoneDepth, bone_lengths
from metricpose.models.recovery import UNTRAINED_BONE_MM, BoneScale, FlatPose, depth_from_bones, place
from metricpose.skeleton import catalog
from metricpose.types import Batch
from reference import bonedepth as reference

SKELETON = catalog.H36M_17
J, DEPTHS = len(SKELETON), np.array([900.0, 2500.0, 7000.0])


def people(noise=0.0, dtype=torch.float64):
    """2.5D poses of three people whose root is not joint 0's origin, their cameras (all ugly) and absolute joints."""
    rng = np.random.default_rng(2)
    joints = np.cumsum(rng.normal(0, 90, (3, J, 3)), 1) * 0.3 + rng.normal(0, 120, (3, J, 3))
    joints[..., 2] *= 0.6
    joints += np.stack([0.1 * DEPTHS, -0.05 * DEPTHS, DEPTHS], -1)[:, None] - joints[:, :1]
    K = (
        np.tile(np.array([[310.0, 1.5, 70.0], [0, 270, 55], [0, 0, 1]]), (3, 1, 1))
        * np.array([1, 1.3, 1.7])[:, None, None]
    )
    K[:, 2] = [0, 0, 1]
    homogeneous = np.einsum("bij,bkj->bki", K, joints)
    px = homogeneous[..., :2] / homogeneous[..., 2:] + noise * rng.normal(0, 1, (3, J, 2))
    depth = joints[..., 2] - joints[:, :1, 2] + 777 + noise * rng.normal(0, 20, (3, J))
    spread = rng.normal(0, 3, (3, J, 3, 3))
    values = px, depth, rng.uniform(0.2, 1, (3, J)), spread @ spread.swapaxes(-1, -2)
    flat = FlatPose(*(torch.tensor(x, dtype=dtype) for x in values))
    return flat, torch.tensor(K, dtype=dtype), torch.tensor(joints, dtype=dtype)


class Model(BoneScale):
    """Nothing but the recovery."""

    def __init__(self, recovery="bone-lengths"):
        super().__init__()
        self.skeleton = SKELETON
        self.start_recovery(recovery)


def rays_of(px: np.ndarray, K: np.ndarray) -> np.ndarray:
    rays = np.linalg.solve(K, np.concatenate([px, np.ones((len(px), 1))], 1).T).T
    return rays[:, :2] / rays[:, 2:]


def test_a_batch_against_scipy_one_by_one():
    flat, K, joints = people(noise=1.0)
    lengths = bone_lengths(joints, SKELETON.edges)
    lengths[0, 3], lengths[1, 5], lengths[2, 2] = torch.nan, 0.0, 1e6  # Two unknown ones, one out of view below.
    flat = flat._replace(in_view=flat.in_view.clone())
    flat.in_view[2, SKELETON.edges[2][1]] = 0
    found = depth_from_bones(flat, K, SKELETON, lengths)
    for i in range(3):
        ends = flat.in_view[i].numpy()
        weights = [ends[a] * ends[b] * (length > 0) for (a, b), length in zip(SKELETON.edges, lengths[i].tolist())]
        depths = (flat.depth_mm[i] - flat.depth_mm[i, 0]).numpy()
        rays = rays_of(flat.px[i].numpy(), K[i].numpy())
        expected = reference.root_depth(rays, depths, SKELETON.edges, lengths[i].numpy(), weights, DEPTHS[i])
        # 2e-3: the bone of 1e6 mm counts 1e-8 where scipy leaves it out.
        assert found.depth_mm[i].item() == pytest.approx(expected, rel=2e-3), i


@pytest.mark.parametrize("recovery", ["bone-lengths", "true-bone-lengths", "true-root-depth"])
def test_exact_input_gives_the_exact_pose(recovery):
    flat, K, joints = people(dtype=torch.float32)
    model = Model(recovery)
    truth = {"root_depth_mm": joints[:, 0, 2], "bone_lengths_mm": bone_lengths(joints, SKELETON.edges)}
    for i in range(3):
        model.bone_lengths_mm = truth["bone_lengths_mm"][i]
        one = FlatPose(*(x[i : i + 1] for x in flat))
        pose = model.recover(one, K[i : i + 1], **{k: truth[k][i : i + 1] for k in model.needs_gt})
        torch.testing.assert_close(pose.joints_abs_mm, joints[i : i + 1], rtol=2e-3, atol=1.0)
        torch.testing.assert_close(pose.joints_px, flat.px[i : i + 1], rtol=0, atol=1e-2)
        assert torch.equal(pose.joints_mm, pose.joints_abs_mm - pose.joints_abs_mm[:, :1])
        assert pose.flags.item() == Fallback.NONE


def test_placing_at_a_known_depth_and_its_covariance():
    """Against the formula joint by joint with a numerical derivative."""
    flat, K, joints = people()
    found = BoneDepth(torch.tensor(DEPTHS), torch.tensor([0.0, 400.0, 900.0], dtype=torch.float64))
    pose = place(flat, K, 0, found)
    torch.testing.assert_close(pose.joints_abs_mm, joints)
    for i, j in ((0, 3), (1, 9), (2, 0), (2, 16)):
        numbers = torch.cat([flat.px[i, j], (flat.depth_mm - flat.depth_mm[:, :1])[i, j : j + 1]])
        inverse = torch.linalg.inv(K[i])

        def at(x, inverse=inverse, i=i):
            return inverse @ torch.stack([x[0], x[1], torch.ones_like(x[0])]) * (x[2] + DEPTHS[i])

        jacobian = torch.autograd.functional.jacobian(at, numbers)
        along = at(torch.cat([numbers[:2], 1 - torch.tensor(DEPTHS[i : i + 1])]))  # n_j: at depth 1.
        root = inverse @ torch.cat([flat.px[i, 0], torch.ones(1, dtype=torch.float64)])
        expected = jacobian @ flat.covariance[i, j] @ jacobian.T + torch.outer(along - root, along - root) * found[1][i]
        torch.testing.assert_close(pose.covariance_mm2[i, j], expected)
    assert place(flat._replace(covariance=None), K, 0, found).covariance_mm2 is None


def test_people_do_not_influence_each_other():
    flat, K, joints = people(noise=1.0, dtype=torch.float32)
    model = Model()
    model.bone_lengths_mm = bone_lengths(joints, SKELETON.edges).mean(0)
    together = model.recover(flat, K)
    alone = model.recover(FlatPose(*(x[1:2] for x in flat)), K[1:2])
    for a, b in zip(together, alone):
        torch.testing.assert_close(a[1:2], b)
    spoiled = flat._replace(px=flat.px.clone())
    spoiled.px[0] = torch.nan
    pose = model.recover(spoiled, K)
    assert pose.joints_mm[0, :, :2].isnan().all()
    torch.testing.assert_close(pose.joints_mm[1:], together.joints_mm[1:])


def test_ground_truth_is_taken_exactly_where_needed():
    flat, K, _ = people(dtype=torch.float32)
    assert (Model().needs_gt, Model("true-root-depth").needs_gt) == ((), ("root_depth_mm",))
    with pytest.raises(InputError, match="needs \\('bone_lengths_mm',\\), got \\(\\)"):
        Model("true-bone-lengths").recover(flat, K)
    with pytest.raises(InputError, match="nothing"):
        Model().recover(flat, K, root_depth_mm=torch.ones(3))


def test_mean_bone_lengths_are_kept_in_the_state_dict():
    model = Model()
    assert set(model.state_dict()) == {"bone_lengths_mm", "bone_count"}
    assert (model.bone_lengths_mm == UNTRAINED_BONE_MM).all()
    _, K, joints = people(dtype=torch.float32)
    z_w = torch.ones(3, J)
    z_w[1, 4], joints[1, 4] = 0, torch.nan
    batch = Batch(torch.zeros(3, 3, 2, 2), K, joints, joints[..., :2], z_w, z_w, z_w[:, 0])
    for part in (slice(0, 1), slice(1, 3)):
        model.gather_bone_lengths(Batch(**{k: v if v is None else v[part] for k, v in vars(batch).items()}))
    lengths = bone_lengths(joints, SKELETON.edges)
    torch.testing.assert_close(model.bone_lengths_mm, lengths.nanmean(0))
    assert model.bone_count.tolist() == (~lengths.isnan()).sum(0).tolist()


def test_beside_another_module():
    """As a second base, the buffers stand at the top of the state dict, behind the module's own weights."""

    class Both(nn.Linear, BoneScale):
        pass

    model = Both(2, 3)
    model.skeleton = SKELETON
    model.start_recovery("bone-lengths")
    assert list(model.state_dict()) == ["weight", "bias", "bone_lengths_mm", "bone_count"]
