"""Protocols: what they name exists, and joints are never taken for others silently."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from metricpose.errors import InputError
from metricpose.evaluation import protocols
from metricpose.evaluation.protocols import AGES_YEARS, LIMBS, PROTOCOLS, Group, bins, joint_map
from metricpose.skeleton import catalog, definitions


def test_the_promised_protocols() -> None:
    assert set(PROTOCOLS) >= {"synthetic", "synthetic-truncated", "real-dev"}
    assert [g.name for g in PROTOCOLS["real-dev"].groups] == ["Human3.6M", "MPI-INF-3DHP", "Pose2Sim"]
    assert PROTOCOLS["synthetic-truncated"].subsets == ("all", "present")
    assert PROTOCOLS["synthetic-truncated"].boxes > 1
    assert PROTOCOLS["synthetic"].groups[0].joints == catalog.H36M_17.joints


def test_notes_on_your_own_data_count_nothing() -> None:
    """Whoever measures chooses the images, so only the card can say how many there are."""
    for group in PROTOCOLS["real-dev"].groups:
        assert not re.search(r"\d+ (images|instants|people)", group.note)


def test_protocols_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        PROTOCOLS["synthetic"].seed = 3


def test_unknown_protocol_lists_the_known() -> None:
    with pytest.raises(InputError, match=r"unknown protocol 'h36m'; known: synthetic, synthetic-truncated, real-dev"):
        protocols.get("h36m")


def test_limbs_are_the_twelve_that_every_skeleton_has() -> None:
    assert len(set(LIMBS)) == 12
    for skeleton in catalog.SKELETONS.values():
        assert set(LIMBS) <= set(skeleton.joints)


def test_a_group_of_joints_that_do_not_exist_is_refused() -> None:
    with pytest.raises(InputError, match="h36m_17 has no joint 'l_eye'"):
        Group("x", "h36m_17", ("l_eye",), ("pelvis",))
    with pytest.raises(InputError, match="openpose_25 has no joint 'pelvis'"):
        Group("x", "openpose_25", LIMBS, ("pelvis",))


POSE2SIM = PROTOCOLS["real-dev"].groups[2]


def test_same_definition_is_taken_by_name_and_says_so() -> None:
    found = joint_map("metricpose_25", PROTOCOLS["synthetic"].groups[0])
    assert found.label == "metricpose_25, same definition"
    np.testing.assert_array_equal(found.conversion.matrix, np.eye(17, 25))


def test_other_definitions_by_name_only_where_allowed_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definitions, "CONVERSIONS", {})
    found = joint_map("metricpose_25", POSE2SIM)
    assert "by equal names; h36m and coco joints are 20-50 mm apart" in found.label
    row = found.conversion.matrix[catalog.OPENPOSE_25.index("r_knee")]
    assert np.flatnonzero(row).tolist() == [catalog.METRICPOSE_25.index("r_knee")]
    with pytest.raises(InputError, match="equal names are different points there"):
        joint_map("metricpose_25", replace(POSE2SIM, by_name=False))


def test_a_fitted_table_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {joint: {joint: 0.9, "pelvis": 0.1} for joint in LIMBS}
    monkeypatch.setattr(definitions, "CONVERSIONS", {("h36m", "coco"): rows})
    found = joint_map("metricpose_25", POSE2SIM)
    assert found.label == "metricpose_25, fitted to coco joints"
    assert found.conversion.matrix[catalog.OPENPOSE_25.index("l_hip"), 0] == pytest.approx(0.1)


def test_joints_that_cannot_be_had_are_named() -> None:
    group = Group("eyes", "metricpose_25", ("l_eye", "r_knee"), ("pelvis",))
    with pytest.raises(InputError, match="joints of h36m_17 cannot be scored as eyes: nothing gives l_eye of metric"):
        joint_map("h36m_17", group)


def test_bins_cover_everything_known_once_and_leave_the_unknown_out() -> None:
    ages = np.array([0.0, 5.9, 6.0, 12.9, 13, 17.9, 18, 64, 65, 99, np.nan])
    found = bins(ages, AGES_YEARS, "years")
    assert [name for name, _ in found] == ["< 6 years", "6-13 years", "13-18 years", "18-65 years", ">= 65 years"]
    members = np.stack([m for _, m in found])
    assert members.sum(0).tolist() == [1] * 10 + [0]
    assert members.sum(1).tolist() == [2] * 5


def test_bins_can_be_named_in_another_unit() -> None:
    assert [n for n, _ in bins(np.zeros(1), (0.0, 2000.0, np.inf), "m", 1000.0)] == ["< 2 m", ">= 2 m"]
