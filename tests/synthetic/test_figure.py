import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from metricpose.synthetic.controls import CONTROL_INDEX
from metricpose.synthetic.figure import FOREARM, LIMITS, UPPER_ARM, Figure
from metricpose.synthetic.rotations import rot_x


@pytest.fixture
def figure() -> Figure:
    return Figure(np.random.default_rng(0))


def point(f: Figure, control: str) -> np.ndarray:
    return f.pose()[1][CONTROL_INDEX[control]]


@pytest.mark.parametrize("side", "LR")
def test_hip_flexion_brings_the_knee_forwards_and_up(figure: Figure, side: str) -> None:
    figure.leg(side, flexion=np.pi / 2, abduction=0.0, rotation=0.0, knee=np.pi / 2)
    hip, knee, ankle = (point(figure, f"{c}.{side}") for c in ("thigh", "shin", "foot"))
    np.testing.assert_allclose(knee - hip, [0, -np.linalg.norm(knee - hip), 0], atol=1e-9)
    np.testing.assert_allclose(ankle - knee, [0, 0, -np.linalg.norm(ankle - knee)], atol=1e-9)


@pytest.mark.parametrize(("side", "sign"), [("L", 1), ("R", -1)])
def test_abduction_moves_the_leg_outwards(figure: Figure, side: str, sign: int) -> None:
    before = point(figure, f"foot.{side}")[0]
    figure.leg(side, 0.0, 0.5, 0.0, 0.0)
    assert sign * (point(figure, f"foot.{side}")[0] - before) > 0.3


def test_bending_forwards_moves_the_head_to_the_front(figure: Figure) -> None:
    figure.trunk(0.8)
    assert point(figure, "head")[1] < -0.25


@pytest.mark.parametrize(("side", "sign"), [("L", 1), ("R", -1)])
def test_arm_by_direction_and_elbow(figure: Figure, side: str, sign: int) -> None:
    figure.arm(side, (0.0, 0.0, -1.0), twist=0.0, elbow=np.pi / 2)
    shoulder, elbow, wrist = (point(figure, f"{c}.{side}") for c in ("uarm", "farm", "hand"))
    np.testing.assert_allclose(elbow - shoulder, [0, 0, -UPPER_ARM], atol=1e-9)
    np.testing.assert_allclose(wrist - elbow, [0, -FOREARM, 0], atol=1e-9)


def test_angles_beyond_the_range_of_motion_are_held(figure: Figure) -> None:
    figure.leg("L", 5.0, 3.0, 0.0, 9.0)
    knee = Rotation.from_matrix(figure.rotations[CONTROL_INDEX["shin.L"]]).magnitude()
    assert knee == pytest.approx(LIMITS["knee"][1])


@pytest.mark.parametrize("side", "LR")
@pytest.mark.parametrize("frame", ["chest", "pelvis", "head"])
def test_reaching_puts_the_wrist_on_the_point(figure: Figure, side: str, frame: str) -> None:
    figure.orient(rot_x(0.4))
    figure.trunk(0.3, 0.1, -0.2)
    figure.head(0.3, 0.1, 0.4)
    offset = {"chest": (0.1, -0.3, 0.1), "pelvis": (0.25, -0.1, 0.1), "head": (0.1, -0.3, 0.05)}[frame]
    figure.reach(side, offset, frame)
    rotations, positions = figure.pose()
    base = CONTROL_INDEX[frame]
    out = np.array([1.0 if side == "L" else -1.0, 1, 1])
    target = positions[base] + rotations[base] @ (out * np.array(offset))
    np.testing.assert_allclose(positions[CONTROL_INDEX[f"hand.{side}"]], target, atol=2e-3)


def test_out_of_reach_is_approached_along_the_line(figure: Figure) -> None:
    figure.reach("L", (3.0, -3.0, 0.0))
    shoulder, wrist = point(figure, "uarm.L"), point(figure, "hand.L")
    assert np.linalg.norm(wrist - shoulder) == pytest.approx(0.995 * (UPPER_ARM + FOREARM), abs=1e-6)


def test_elbow_lies_on_the_asked_side(figure: Figure) -> None:
    for hint in ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0)):
        figure.reach("L", (0.15, -0.25, 0.1), elbow_to=hint)
        middle = 0.5 * (point(figure, "uarm.L") + point(figure, "hand.L"))
        assert (point(figure, "farm.L") - middle) @ np.array(hint) > 0.05


@pytest.mark.parametrize("side", "LR")
def test_palm_faces_where_asked(figure: Figure, side: str) -> None:
    figure.reach(side, (0.1, -0.3, 0.0), elbow_to=(0.3, 0.2, -1.0), palm=(-1.0, 0.0, 0.0))
    forearm = figure.pose()[0][CONTROL_INDEX[f"farm.{side}"]]
    palm = forearm @ np.array([0.0, 0.0, -1.0])
    inwards = np.array([-1.0 if side == "L" else 1.0, 0.0, 0.0])
    along = forearm @ np.array([1.0, 0.0, 0.0])
    across = inwards - (inwards @ along) * along
    assert palm @ across / np.linalg.norm(across) > 0.99


def test_all_rotations_are_proper(figure: Figure) -> None:
    figure.reach("R", (0.1, -0.2, 0.2), palm=(0.0, 1.0, 0.0))
    figure.hand("R", 0.5, 0.2)
    r = figure.sample("x").rotations
    np.testing.assert_allclose(r @ r.swapaxes(1, 2), np.tile(np.eye(3), (22, 1, 1)), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(r), 1.0)
