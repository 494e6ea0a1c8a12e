"""Round trips, closed forms and the scale by one division, on skewed cameras with unequal focal lengths."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from metricpose.geometry.absolute import project
from metricpose.geometry.bonedepth import bone_lengths
from metricpose.geometry.depthcodec import (
    LinearCodec,
    ProjectiveCodec,
    depth_from_bones,
    depth_from_chain,
    edge_coordinates,
    edge_pixels,
    relative_width,
)
from reference import depthcodec as reference

SIZE = (256, 192)
EDGES = ((0, 1), (1, 2), (0, 3), (3, 4))
PROPORTIONAL = ("projective", "cube")
NAMES = (*PROPORTIONAL, "box")


def cameras(dtype=torch.float64):
    K = [[[610, 4, 140], [0, 655, 90], [0, 0, 1]], [[1300, -7, 100], [0, 1250, 120], [0, 0, 1]]]
    return torch.tensor(K, dtype=dtype)


def scene(dtype=torch.float64, seed=0):
    """Camera-frame joints of two people and their roots' depths."""
    rng = np.random.default_rng(seed)
    joints = rng.normal(0, 350, (2, 5, 3)) + np.array([[[100, -50, 2400]], [[0, 30, 5200]]])
    joints = torch.tensor(joints, dtype=dtype)
    return joints, joints[:, 0, 2]


def codec(name, dtype=torch.float64):
    K = cameras(dtype)
    return {
        "projective": ProjectiveCodec(K, SIZE),
        "cube": LinearCodec(K, SIZE),
        "box": LinearCodec(K, SIZE, 2000.0),
    }[name]


def test_image_edges_are_one():
    px = torch.tensor([[-0.5, -0.5], [127.5, 95.5], [255.5, 191.5]])
    expected = torch.tensor([[-1.0, -1], [0, 0], [1, 1]])
    torch.testing.assert_close(edge_coordinates(px, SIZE), expected)
    torch.testing.assert_close(edge_pixels(expected, SIZE), px)


@pytest.mark.parametrize("name", NAMES)
def test_round_trip(name):
    joints, z_ref = scene()
    coords = codec(name).encode(joints, z_ref)
    torch.testing.assert_close(codec(name).decode(coords, z_ref), joints, rtol=1e-12, atol=1e-9)
    torch.testing.assert_close(edge_pixels(coords[..., :2], SIZE), project(joints, cameras()))
    assert coords[:, 0, 2].abs().max() < 1e-12
    assert ((coords[..., 2] > 0) == (joints[..., 2] > z_ref[:, None]))[:, 1:].all()
    single = codec(name, torch.float32)
    decoded = single.decode(single.encode(joints.float(), z_ref.float()), z_ref.float())
    torch.testing.assert_close(decoded.double(), joints, rtol=1e-5, atol=0.05)


def test_projective_against_the_formula_by_angles():
    joints, z_ref = scene()
    coords = codec("projective").encode(joints, z_ref)
    for b, j in np.ndindex(2, 5):
        expected = reference.projective(joints[b, j].numpy(), cameras()[b].numpy(), SIZE, z_ref[b].item())
        np.testing.assert_allclose(coords[b, j], expected, rtol=1e-12, atol=1e-12)


def test_the_published_example():
    """A crop 1950 mm wide at 4800 mm reaches from 785 mm before to 1166 mm behind the root."""
    focal = 256 * 4800 / 1950
    K = torch.tensor([[[focal, 0, 127.5], [0, focal, 127.5], [0, 0, 1]]]).double()
    ends = torch.tensor([[[0.0, 0, -1], [0, 0, 1]]]).double()
    z = ProjectiveCodec(K, (256, 256)).decode(ends, torch.tensor([4800.0]).double())[0, :, 2] - 4800
    assert z.tolist() == pytest.approx([-784.5, 1165.5], abs=0.6)


@pytest.mark.parametrize("name", NAMES)
def test_depth_of_the_box(name):
    """Exactly the crop's width at the reference depth, or what was asked for."""
    _, z_ref = scene()
    ends = torch.zeros(2, 2, 3).double()
    ends[:, :, 2] = torch.tensor([-1, 1])
    z = codec(name).decode(ends, z_ref)[..., 2]
    width = z_ref * 256 / torch.tensor([610, 1300])
    expected = width if name != "box" else torch.full_like(width, 2000)
    torch.testing.assert_close(z[:, 1] - z[:, 0], expected, rtol=1e-13, atol=0)


def test_the_larger_of_width_and_height_counts():
    K = cameras()
    assert relative_width(K, SIZE).tolist() == pytest.approx([256 / 610, 256 / 1300])
    assert relative_width(K, (100, 300)).tolist() == pytest.approx([300 / 655, 300 / 1250])


@pytest.mark.parametrize("name", NAMES)
def test_pose_is_proportional_to_the_reference_depth_unless_the_box_is_fixed(name):
    joints, z_ref = scene()
    coords = codec(name).encode(joints, z_ref)
    unit, twice, thrice = (codec(name).decode(coords, k * torch.ones(2).double()) for k in (1, 2, 3))
    torch.testing.assert_close(thrice - twice, twice - unit)
    proportional = torch.allclose(thrice, 3 * unit)
    assert proportional == (name in PROPORTIONAL)
    scaled = codec(name).encode(1.7 * joints, 1.7 * z_ref)
    assert torch.allclose(scaled, coords) == (name in PROPORTIONAL)


@pytest.mark.parametrize("name", PROPORTIONAL)
def test_scale_by_one_division_against_a_search(name):
    joints, z_ref = scene()
    coords = codec(name).encode(joints, z_ref) + 0.05 * torch.randn(2, 5, 3, generator=torch.manual_seed(0)).double()
    unit = codec(name).decode(coords, torch.ones(2).double())
    lengths, weights = bone_lengths(joints, EDGES), torch.rand(2, 4).double()
    height = lengths.sum(-1)
    chain, bones = depth_from_chain(unit, EDGES, height), depth_from_bones(unit, EDGES, lengths, weights)
    for b in range(2):

        def length(depth, b=b):
            return bone_lengths(codec(name).decode(coords, torch.full((2,), depth).double()), EDGES)[b]

        found = reference.search(lambda d, b=b: (height[b] / length(d, b).sum() - 1).item() ** 2, 500, 20_000)
        assert chain[b].item() == pytest.approx(found, rel=1e-5)
        cost = reference.search(
            lambda d, b=b: (weights[b] * (length(d, b) - lengths[b]) ** 2).sum().item() / 1e4, 500, 20_000
        )
        assert bones[b].item() == pytest.approx(cost, rel=1e-5)
        assert abs(bones[b].item() / z_ref[b].item() - 1) < 0.5


def test_exact_poses_give_the_exact_depth_and_bones_without_weight_may_hold_nan():
    joints, z_ref = scene()
    unit = codec("projective").decode(codec("projective").encode(joints, z_ref), torch.ones(2).double())
    lengths, weights = bone_lengths(joints, EDGES), torch.ones(2, 4).double()
    torch.testing.assert_close(depth_from_chain(unit, EDGES[:2], lengths[:, :2].sum(-1)), z_ref)
    lengths[0, 2], weights[0, 2], unit[1, 4], weights[1, 3] = torch.nan, 0, torch.nan, 0
    torch.testing.assert_close(depth_from_bones(unit, EDGES, lengths, weights), z_ref)
    assert depth_from_bones(unit, EDGES, lengths, weights * 0).tolist() == [0, 0]


@pytest.mark.parametrize("name", NAMES)
def test_jacobian_against_autograd(name):
    joints, z_ref = scene()
    coords = codec(name).encode(joints, z_ref)
    found = codec(name).jacobian(coords, z_ref)
    full = torch.autograd.functional.jacobian(lambda c: codec(name).decode(c, z_ref), coords)
    for b, j in np.ndindex(2, 5):
        torch.testing.assert_close(found[b, j], full[b, j, :, b, j])


@pytest.mark.parametrize("name", NAMES)
def test_nan_joints_stay_alone_and_points_behind_the_camera_are_finite(name):
    joints, z_ref = scene()
    plain = codec(name).encode(joints, z_ref)
    joints[0, 1], joints[1, 2, 2], joints[1, 3, 2] = torch.nan, -300, 2
    found = codec(name).encode(joints, z_ref)
    assert found[0, 1].isnan().all()
    assert found[1, 2].isfinite().all()
    assert found[1, 2, 2] < found[1, 3, 2] < -1
    rest = torch.ones(2, 5, dtype=torch.bool)
    rest[0, 1], rest[1, 2:4] = False, False
    assert found[rest].equal(plain[rest])
