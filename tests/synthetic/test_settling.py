from __future__ import annotations

import numpy as np
import pytest

from metricpose.synthetic.body import Body, Shape
from metricpose.synthetic.procedural import procedural
from metricpose.synthetic.rig import pose_bones
from metricpose.synthetic.rotations import rot_x
from metricpose.synthetic.settling import RESTING, settle

IDENTITY = np.tile(np.eye(3), (22, 1, 1))


def clearance(body: Body, adult: Shape, pose: np.ndarray) -> np.ndarray:
    """Heights of pelvis and head above the lowest bone, metres."""
    positions = pose_bones(body.rig, adult.heads, pose).positions
    return positions[[body.bone_index["root"], body.bone_index["head"]], 2] - positions[:, 2].min()


def test_a_leaning_board_falls_flat(body: Body, adult: Shape) -> None:
    leaning = IDENTITY.copy()
    leaning[0] = rot_x(1.1)  # bent stiffly forwards by 63 degrees, on the toes
    flat = settle(body.rig, body.bones, adult.heads, leaning, 1.0)
    before, after = clearance(body, adult, leaning), clearance(body, adult, flat)
    assert before.max() > 0.5
    assert after.max() < 0.35
    np.testing.assert_array_equal(flat[1:], leaning[1:])  # the pose itself is kept


@pytest.mark.parametrize("kind", RESTING)
def test_people_on_the_floor_lie_lower(body: Body, adult: Shape, kind: str) -> None:
    before, after = [], []
    for seed in range(10):
        pose = procedural(np.random.default_rng(seed), kind).rotations
        before.append(clearance(body, adult, pose)[0])
        after.append(clearance(body, adult, settle(body.rig, body.bones, adult.heads, pose, 1.0))[0])
    assert np.mean(after) < np.mean(before) - {"lie": 0.05, "floor": 0.1, "all_fours": 0.01, "plank": 0.05}[kind]
