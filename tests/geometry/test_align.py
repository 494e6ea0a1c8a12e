"""Alignment against numerical minimisation, scipy, and the cases in which there is no answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.transform import Rotation

from metricpose.errors import InputError
from metricpose.geometry.align import procrustes
from reference import align as reference

KINDS = ("translation", "scale", "rigid", "similarity")


def pair(batch=(2,), joints=6, noise=0.3, seed=0):
    """A pose and a rotated, scaled, moved and perturbed copy of it."""
    rng = np.random.default_rng(seed)
    source = rng.normal(0, (1.0, 2.0, 0.5), (*batch, joints, 3))
    rotation = Rotation.from_euler("xyz", (0.4, -1.1, 2.0)).as_matrix()
    target = 1.7 * source @ rotation.T + (3.0, -1.0, 8.0) + rng.normal(0, noise, source.shape)
    return torch.tensor(source), torch.tensor(target), torch.tensor(rng.uniform(0.1, 2.0, (*batch, joints)))


@pytest.mark.parametrize("kind", KINDS)
def test_no_other_alignment_is_closer(kind):
    source, target, weights = pair()
    aligned = procrustes(source, target, weights, kind).apply(source)
    for i in range(2):
        expected = reference.fit(source[i].numpy(), target[i].numpy(), weights[i].numpy(), kind)
        np.testing.assert_allclose(aligned[i].numpy(), expected, atol=1e-5)


def test_an_exact_similarity_is_recovered():
    source, target, _ = pair(noise=0.0)
    fit = procrustes(source, target)
    np.testing.assert_allclose(fit.scale.numpy(), 1.7)
    np.testing.assert_allclose(fit.translation.numpy(), [[3.0, -1.0, 8.0]] * 2)
    torch.testing.assert_close(fit.apply(source), target)
    moved = procrustes(source.float(), target.float()).apply(source.float())
    torch.testing.assert_close(moved, target.float(), atol=1e-5, rtol=1e-5)


def test_rotation_agrees_with_scipy():
    source, target, weights = pair(batch=(1,), noise=0.8)
    fit = procrustes(source, target, weights, "rigid")
    w = weights[0].numpy()
    a, b = (x[0].numpy() - np.average(x[0].numpy(), axis=0, weights=w) for x in (source, target))
    np.testing.assert_allclose(fit.rotation[0].numpy(), Rotation.align_vectors(b, a, w)[0].as_matrix(), atol=1e-6)


def test_a_mirrored_pose_is_not_accepted_as_a_rotation_unless_asked():
    source, _, _ = pair(batch=(1,))
    mirrored = source * torch.tensor([-1.0, 1, 1])
    proper = procrustes(source, mirrored, kind="rigid")
    assert torch.det(proper.rotation).item() == pytest.approx(1)
    assert (proper.apply(source) - mirrored).norm() > 0.5
    reflected = procrustes(source, mirrored, kind="rigid", allow_reflection=True)
    torch.testing.assert_close(reflected.apply(source), mirrored)
    a, b = (x[0].numpy() - x[0].numpy().mean(0) for x in (source, mirrored))
    np.testing.assert_allclose(reflected.rotation[0].numpy(), orthogonal_procrustes(a, b)[0].T, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_masked_joints_may_hold_nan(kind):
    source, target, _ = pair(batch=(2, 3), joints=7)
    mask = torch.ones(2, 3, 7, dtype=torch.bool)
    mask[..., 2] = False
    mask[1, 1, 5] = False
    spoiled_source, spoiled_target = source.clone(), target.clone()
    spoiled_source[~mask], spoiled_target[~mask] = torch.nan, 1e30
    spoiled_source.requires_grad_()
    fit = procrustes(spoiled_source, spoiled_target, mask, kind)
    clean = procrustes(source[0, 0][[0, 1, 3, 4, 5, 6]], target[0, 0][[0, 1, 3, 4, 5, 6]], kind=kind)
    torch.testing.assert_close(fit.apply(source)[0, 0], clean.apply(source[0, 0]))
    fit.translation.sum().add(fit.scale.sum()).backward() if kind != "translation" else fit.translation.sum().backward()
    assert torch.isfinite(spoiled_source.grad).all()


@pytest.mark.parametrize(
    ("kind", "points"),
    [
        ("translation", []),
        ("scale", [[0, 0, 0]]),
        ("rigid", [[0, 0, 0], [1, 0, 0]]),
        ("rigid", [[0, 0, 0], [1, 1, 0], [3, 3, 0], [-2, -2, 0]]),
        ("similarity", [[1, 2, 3]] * 4),
        ("similarity", []),
    ],
)
def test_no_answer_is_nan_and_only_for_that_sample(kind, points):
    good, target, _ = pair(batch=(1,), joints=5)
    weights = torch.zeros(2, 5).double()
    weights[0], weights[1, : len(points)] = 1, 1
    source = torch.cat([good, torch.zeros(1, 5, 3)])
    if points:
        source[1, : len(points)] = torch.tensor(points).double()
    aligned = procrustes(source, target.expand(2, -1, -1), weights, kind).apply(source)
    torch.testing.assert_close(aligned[0], procrustes(good, target, kind=kind).apply(good)[0])
    assert aligned[1].isnan().all()


def test_an_inverted_pose_is_not_accepted_as_a_scaled_one():
    source, _, _ = pair()
    assert (procrustes(source, -source, kind="scale").scale == 0).all()


def test_three_joints_in_a_plane_are_enough():
    source, target, _ = pair(batch=(1,), joints=3, noise=0.0)
    torch.testing.assert_close(procrustes(source, target, kind="similarity").apply(source), target)


@pytest.mark.parametrize("kind", KINDS)
def test_nan_in_a_valid_joint_is_nan_out(kind):
    source, target, _ = pair()
    source[1, 2, 0] = torch.nan
    aligned = procrustes(source, target, kind=kind).apply(torch.nan_to_num(source))
    assert torch.isfinite(aligned[0]).all()
    assert not torch.isfinite(aligned[1]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind):
    source, target, weights = pair(joints=4)
    target = target + 3 * source  # A clearly positive scale.

    def aligned(source, target):
        return procrustes(source, target, weights, kind).apply(source)

    assert torch.autograd.gradcheck(aligned, (source.requires_grad_(), target.requires_grad_()))


def test_unknown_kinds_are_refused():
    source, target, _ = pair()
    with pytest.raises((InputError, TypeError), match="affine"):
        procrustes(source, target, kind="affine")
