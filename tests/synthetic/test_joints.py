import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from metricpose.skeleton import catalog
from metricpose.synthetic.body import Body, Shape
from metricpose.synthetic.figure import Figure
from metricpose.synthetic.joints import (
    CENTRE,
    JOINTS,
    LEFT,
    LENGTHS_MM,
    JointDefinition,
    joint_positions,
    metricpose_recipes,
)
from metricpose.synthetic.rig import pose_bones

INDEX = {name: i for i, name in enumerate(JOINTS)}


def posed(body: Body, shape: Shape, pose: np.ndarray) -> np.ndarray:
    bones = pose_bones(body.rig, shape.heads, pose)
    return joint_positions(body, shape.vertices, shape.heads, bones.rotations, bones.positions)


def random_pose(seed: int) -> np.ndarray:
    return Rotation.from_rotvec(0.4 * np.random.default_rng(seed).normal(size=(22, 3))).as_matrix()


def test_the_order_is_that_of_the_network_skeleton() -> None:
    assert catalog.METRICPOSE_25.joints == JOINTS


def test_weights_of_every_joint_sum_to_one() -> None:
    for _, weights in [*LEFT.values(), *CENTRE.values()]:
        assert sum(weights.values()) == pytest.approx(1.0, abs=1e-12)


def test_rest_joints_are_the_weighted_landmarks(body: Body, adult: Shape) -> None:
    rest = JointDefinition(body.bones, body.keypoints).rest(adult.vertices, adult.heads)
    for joint, (_, weights) in metricpose_recipes().items():
        expected = np.zeros(3)
        for name, weight in weights.items():
            if name.startswith("kp:"):
                indices, shares = body.keypoints[name[3:]]
                expected += weight * sum(s * adult.vertices[i].astype(float) for i, s in zip(indices, shares))
            else:
                expected += weight * adult.heads[body.bone_index[name]]
        np.testing.assert_allclose(rest[INDEX[joint]], expected, atol=1e-6)


def test_left_recipes_read_right_on_the_right() -> None:
    recipes = metricpose_recipes()
    assert recipes["r_hip"][1]["upperleg01.R"] == LEFT["hip"][1]["upperleg01.L"]
    assert recipes["r_hip"][1]["upperleg01.L"] == LEFT["hip"][1]["upperleg01.O"]
    assert recipes["r_ear"] == ("head", {"kp:right_ear": 1.0})
    assert recipes["r_knee"][0] == "upperleg02.R"


def test_joints_move_rigidly_with_their_bone(body: Body, adult: Shape) -> None:
    definition = JointDefinition(body.bones, body.keypoints)
    rng = np.random.default_rng(0)
    rotations = Rotation.random(len(body.bones), random_state=1).as_matrix()
    positions = rng.normal(size=(len(body.bones), 3))
    got = definition.posed(adult.vertices, adult.heads, rotations, positions)
    rest = definition.rest(adult.vertices, adult.heads)
    for i, (bone, _) in enumerate(metricpose_recipes().values()):
        b = body.bone_index[bone]
        np.testing.assert_allclose(got[i], positions[b] + rotations[b] @ (rest[i] - adult.heads[b]), atol=1e-9)


def test_joints_follow_size_and_place(body: Body, adult: Shape) -> None:
    definition = JointDefinition(body.bones, body.keypoints)
    shift = np.array([1.0, -2.0, 3.0])
    grown = definition.rest(1.3 * adult.vertices.astype(float) + shift, 1.3 * adult.heads + shift)
    expected = 1.3 * definition.rest(adult.vertices, adult.heads) + shift
    np.testing.assert_allclose(grown, expected, atol=1e-5)


def test_bone_lengths_hold_in_every_pose(body: Body, adult: Shape) -> None:
    lengths = []
    for seed in range(4):
        j = posed(body, adult, random_pose(seed))
        pairs = [("pelvis", "l_hip"), ("l_hip", "r_hip"), ("nose", "head_top"), ("l_eye", "r_ear")]
        lengths.append([np.linalg.norm(j[INDEX[a]] - j[INDEX[b]]) for a, b in pairs])
    np.testing.assert_allclose(lengths, np.tile(lengths[0], (4, 1)), atol=1e-6)


@pytest.mark.parametrize(
    ("column", "ages", "gender", "stature"),
    [(0, (18, 60), (0.0, 0.3), 1.75), (1, (18, 60), (0.7, 1.0), 1.75), (2, (5, 8), (0.0, 1.0), 1.20)],
    ids=["men", "women", "children"],
)
def test_lengths_are_those_stated(
    body: Body, column: int, ages: tuple[int, int], gender: tuple[float, float], stature: float
) -> None:
    years, sex = body.prior.years, body.prior.traits[:, body.prior.labels.index("gender")]
    people = np.flatnonzero((years > ages[0]) & (years < ages[1]) & (sex >= gender[0]) & (sex <= gender[1]))
    rows = np.random.default_rng(0).choice(people, 25, replace=False)
    measured = np.mean([_lengths(body, int(row), stature) for row in rows], axis=0)
    stated = np.array([values[column] for values in LENGTHS_MM.values()])
    np.testing.assert_allclose(measured, stated, atol=8.0)


def test_lengths_are_within_two_centimetres_of_human36m() -> None:
    subjects = np.array([268, 443, 443, 236, 254, 116, 115, 151, 277, 248])
    adults = np.array([(men + women) / 2 for men, women, _ in LENGTHS_MM.values()])
    np.testing.assert_allclose(adults, subjects, atol=12.0)


def _lengths(body: Body, row: int, stature: float) -> list[float]:
    """Lengths in millimetres of one person of the prior, scaled to a stature, arms hanging."""
    traits = dict(zip(body.prior.labels, body.prior.traits[row].tolist()))
    shape = body.shape(
        body.prior.coefficients(type(body.prior.sample(np.random.default_rng(0), "train"))(30.0, traits))
    )
    arms = Figure(np.random.default_rng(0))
    for side in "LR":
        arms.arm(side, (0.3, 0.0, -1.0), 0.0, 0.0)
    j = posed(body, shape, arms.rotations)
    upright = pose_bones(body.rig, shape.heads, np.tile(np.eye(3), (22, 1, 1)))
    scale = 1000.0 * stature / _height(body, shape, upright.positions)
    return [scale * float(np.linalg.norm(j[INDEX[a]] - j[INDEX[b]])) for a, b in (p.split("-") for p in LENGTHS_MM)]


def _height(body: Body, shape: Shape, positions: np.ndarray) -> float:
    """Crown to sole of the T pose: rest distances beyond the eyes and the ankles added to the posed skeleton."""
    surface = shape.vertices[body.surface_vertices]
    eye, ankle = body.bone_index["eye.L"], body.bone_index["foot.L"]
    above, below = surface[:, 2].max() - shape.heads[eye, 2], shape.heads[ankle, 2] - surface[:, 2].min()
    return float(positions[eye, 2] - positions[ankle, 2] + above + below)
