"""The catalogue: published orders, and that unlike joint definitions are never mixed silently."""

from __future__ import annotations

import numpy as np
import pytest

from metricpose.errors import InputError
from metricpose.skeleton import catalog, definitions
from metricpose.skeleton.core import Skeleton

ALL = pytest.mark.parametrize("skeleton", catalog.SKELETONS.values(), ids=lambda s: s.name)

# Written down again by hand, left and right as the person's, so that a slip in the catalogue shows.
ORDERS = {
    "h36m_17": "pelvis r_hip r_knee r_ankle l_hip l_knee l_ankle spine thorax nose head_top "
    "l_shoulder l_elbow l_wrist r_shoulder r_elbow r_wrist",
    "metricpose_25": "pelvis r_hip r_knee r_ankle l_hip l_knee l_ankle spine thorax nose head_top "
    "l_shoulder l_elbow l_wrist r_shoulder r_elbow r_wrist l_eye r_eye l_ear r_ear l_toe r_toe l_heel r_heel",
    "mpi_inf_3dhp_17": "head_top neck r_shoulder r_elbow r_wrist l_shoulder l_elbow l_wrist "
    "r_hip r_knee r_ankle l_hip l_knee l_ankle pelvis spine head",
    "coco_17": "nose l_eye r_eye l_ear r_ear l_shoulder r_shoulder l_elbow r_elbow l_wrist r_wrist "
    "l_hip r_hip l_knee r_knee l_ankle r_ankle",
    "mpii_16": "r_ankle r_knee r_hip l_hip l_knee l_ankle pelvis thorax neck head_top "
    "r_wrist r_elbow r_shoulder l_shoulder l_elbow l_wrist",
    "hemlets_18": "pelvis r_hip r_knee r_ankle l_hip l_knee l_ankle spine thorax nose head_top "
    "l_shoulder l_elbow l_wrist r_shoulder r_elbow r_wrist mid_shoulder",
    "lsp_14": "r_ankle r_knee r_hip l_hip l_knee l_ankle r_wrist r_elbow r_shoulder "
    "l_shoulder l_elbow l_wrist neck head_top",
    "coco_19": "neck nose pelvis l_shoulder l_elbow l_wrist l_hip l_knee l_ankle r_shoulder r_elbow r_wrist "
    "r_hip r_knee r_ankle l_eye l_ear r_eye r_ear",
    "smpl_24": "pelvis l_hip r_hip spine1 l_knee r_knee spine2 l_ankle r_ankle spine3 l_toe r_toe "
    "neck l_collar r_collar head l_shoulder r_shoulder l_elbow r_elbow l_wrist r_wrist l_hand r_hand",
}


@pytest.mark.parametrize("name", ORDERS)
def test_published_orders(name: str) -> None:
    assert catalog.get(name).joints == tuple(ORDERS[name].split())


@ALL
def test_every_skeleton_is_one_tree_with_limbs_in_anatomical_order(skeleton: Skeleton) -> None:
    assert catalog.SKELETONS[skeleton.name] is skeleton
    assert len(skeleton.edges) == len(skeleton) - 1
    assert skeleton.source
    for side in "lr":
        assert skeleton.parents[skeleton.index(f"{side}_wrist")] == skeleton.index(f"{side}_elbow")
        assert skeleton.parents[skeleton.index(f"{side}_ankle")] == skeleton.index(f"{side}_knee")


@ALL
def test_mirroring_swaps_sides_and_keeps_the_tree(skeleton: Skeleton) -> None:
    mirror = skeleton.mirror
    swapped = {"left": "right", "right": "left", "centre": "centre"}
    assert [skeleton.sides[i] for i in mirror] == [swapped[s] for s in skeleton.sides]
    edges = {frozenset(e) for e in skeleton.edges}
    assert {frozenset((int(mirror[a]), int(mirror[b]))) for a, b in skeleton.edges} == edges


def test_the_network_skeleton_starts_with_h36m() -> None:
    assert catalog.METRICPOSE_25.joints[:17] == catalog.H36M_17.joints
    assert catalog.METRICPOSE_25.parents[:17] == catalog.H36M_17.parents
    assert len(catalog.METRICPOSE_25) == 25


def test_roots() -> None:
    assert catalog.H36M_17.root == catalog.METRICPOSE_25.root == 0
    assert catalog.MPI_INF_3DHP_17.root == 14
    assert catalog.COCO_17.root == 0


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(InputError, match=r"unknown skeleton 'smpl_99'; known: metricpose_25, h36m_17"):
        catalog.get("smpl_99")


def test_within_a_family_conversion_is_by_name() -> None:
    joints = np.random.default_rng(0).normal(size=(3, 25, 3))
    out = catalog.conversion(catalog.METRICPOSE_25, catalog.H36M_17).apply(joints)
    np.testing.assert_array_equal(out, joints[:, :17])
    back = catalog.conversion(catalog.H36M_17, catalog.METRICPOSE_25)
    assert back.valid.tolist() == [True] * 17 + [False] * 8


def test_joints_that_a_family_derives() -> None:
    joints = np.random.default_rng(0).normal(size=(2, 25, 3))
    joints[1, 14] = np.nan
    out = catalog.conversion(catalog.METRICPOSE_25, catalog.HEMLETS_18).apply(joints)
    np.testing.assert_array_equal(out[:, :17], joints[:, :17])
    np.testing.assert_allclose(out[0, 17], (joints[0, 11] + joints[0, 14]) / 2)
    assert np.isnan(out[1, 17]).all()
    back = catalog.conversion(catalog.HEMLETS_18, catalog.H36M_17)
    np.testing.assert_array_equal(back.apply(out), out[:, :17])
    # Its tree as released: spine - mid_shoulder - thorax, from which head and arms hang.
    parents = [catalog.HEMLETS_18.parents[i] for i in (17, 8, 9, 11, 14)]
    assert parents == [7, 17, 8, 8, 8]


def test_across_families_without_a_fitted_table_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definitions, "CONVERSIONS", {})
    with pytest.raises(InputError, match="equal names are different points there"):
        catalog.conversion(catalog.METRICPOSE_25, catalog.COCO_17)


def test_across_families_a_fitted_table_is_used_as_far_as_the_source_reaches(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {
        "l_hip": {"l_hip": 0.8, "pelvis": 0.2},
        "l_eye": {"l_eye": 1.0},  # the source has no eyes
        "l_small_toe": {"l_ankle": 1.0},  # the target has no such joint
    }
    monkeypatch.setattr(definitions, "CONVERSIONS", {("h36m", "coco"): rows})
    conversion = catalog.conversion(catalog.H36M_17, catalog.COCO_17)
    assert [j for j, ok in zip(catalog.COCO_17.joints, conversion.valid) if ok] == ["l_hip"]
    joints = np.random.default_rng(1).normal(size=(17, 3))
    np.testing.assert_allclose(conversion.apply(joints)[11], 0.8 * joints[4] + 0.2 * joints[0])


def test_a_skeleton_of_several_definitions_gives_each_its_own_joints(monkeypatch: pytest.MonkeyPatch) -> None:
    source = catalog.METRABS_77
    joints = np.random.default_rng(2).normal(size=(77, 3))
    for target in (catalog.H36M_17, catalog.COCO_19, catalog.MPI_INF_3DHP_17, catalog.SMPL_24, catalog.COCO_17):
        conversion = catalog.conversion(source, target)
        assert conversion.valid.all()
        names = [source.joints[i] for i in conversion.matrix.argmax(1)]
        assert ((conversion.matrix == 1).sum(1) == 1).all()
        assert [n.split("@")[0] for n in names] == list(target.joints)
        own = {n.split("@")[1] for n in names if "@" in n}
        assert own == ({target.definition} - {"h36m"})
        np.testing.assert_array_equal(conversion.apply(joints), joints[conversion.matrix.argmax(1)])
    monkeypatch.setattr(definitions, "CONVERSIONS", {})
    assert catalog.conversion(source, catalog.SMPL_24).valid.all()
    with pytest.raises(InputError, match="no conversion from metrabs_77"):
        catalog.conversion(source, catalog.MPII_16)
    with pytest.raises(InputError, match=r"no conversion from metricpose_25 .* to smpl_24"):
        catalog.conversion(catalog.METRICPOSE_25, catalog.SMPL_24)


@pytest.mark.parametrize(
    ("source", "target", "missing"),
    [
        ("mpii_16", "h36m_17", "spine nose"),
        ("mpii_16", "hemlets_18", "spine nose"),
        ("mpii_16", "mpi_inf_3dhp_17", "spine"),
        ("lsp_14", "h36m_17", "spine thorax nose"),
        ("lsp_14", "hemlets_18", "spine thorax nose"),
        ("coco_17", "h36m_17", "pelvis spine thorax nose head_top"),
        ("coco_17", "mpi_inf_3dhp_17", "pelvis spine"),
        ("coco_17", "muco_21", "pelvis spine r_hand l_hand r_toe l_toe"),
        ("mpi_inf_3dhp_17", "hemlets_18", ""),
    ],
)
def test_what_labels_of_photographs_say_in_skeletons_of_motion_capture(source: str, target: str, missing: str) -> None:
    conversion = catalog.conversion(catalog.get(source), catalog.get(target))
    names = [j for j, ok in zip(catalog.get(target).joints, conversion.valid) if not ok]
    assert sorted(names) == sorted(missing.split())
    np.testing.assert_allclose(conversion.matrix[conversion.valid].sum(1), 1, atol=1e-9)


def test_joints_made_of_others_that_a_table_gives() -> None:
    joints = np.random.default_rng(3).normal(size=(16, 2))
    to_hemlets = catalog.conversion(catalog.MPII_16, catalog.HEMLETS_18).apply(joints)
    left, right = (catalog.HEMLETS_18.index(f"{s}_shoulder") for s in "lr")
    np.testing.assert_allclose(to_hemlets[17], (to_hemlets[left] + to_hemlets[right]) / 2, atol=1e-9)


def test_joints_of_its_own_come_before_fitted_ones() -> None:
    conversion = catalog.conversion(catalog.METRABS_77, catalog.COCO_17)
    hip = conversion.matrix[catalog.COCO_17.index("l_hip")]
    assert np.flatnonzero(hip).tolist() == [catalog.METRABS_77.index("l_hip@coco")]
    fitted = catalog.conversion(catalog.METRABS_77, catalog.MPII_16)
    assert (fitted.matrix[catalog.MPII_16.index("l_hip")] != 0).sum() > 1
