import numpy as np
import pytest

from metricpose.synthetic.body import Body
from metricpose.synthetic.collision import self_penetration
from metricpose.synthetic.figure import Figure
from metricpose.synthetic.phenotype import Phenotype
from metricpose.synthetic.rig import pose_bones


@pytest.fixture(scope="module")
def body() -> Body:
    return Body.load()


def depth(body: Body, figure: Figure, size: float = 1.0) -> float:
    shape = body.shape(body.prior.coefficients(Phenotype(30.0, {"height": 0.37, "age": 0.7})))
    posed = pose_bones(body.rig, shape.heads, figure.rotations)
    return self_penetration(body.bones, size * posed.positions, size)


def test_a_t_pose_is_clear(body: Body) -> None:
    assert depth(body, Figure(np.random.default_rng(0))) < 0.0


@pytest.mark.parametrize(
    ("point", "frame"),
    [((0.0, 0.02, 0.1), "chest"), ((-0.113, -0.1, -0.3), "pelvis"), ((0.0, -0.02, 0.08), "head")],
    ids=["trunk", "other thigh", "skull"],
)
def test_a_hand_inside_the_body_is_deep(body: Body, point: tuple[float, float, float], frame: str) -> None:
    figure = Figure(np.random.default_rng(0))
    figure.reach("L", point, frame)
    assert depth(body, figure) > 0.04


def test_crossing_shins_are_deep(body: Body) -> None:
    figure = Figure(np.random.default_rng(0))
    for side in "LR":
        figure.leg(side, 0.0, -0.2, 0.0, 0.0)
    assert depth(body, figure) > 0.03


def test_depth_does_not_depend_on_size(body: Body) -> None:
    figure = Figure(np.random.default_rng(0))
    figure.reach("R", (0.05, -0.05, 0.0), "chest")
    assert depth(body, figure, 0.6) == pytest.approx(depth(body, figure), abs=1e-9)
