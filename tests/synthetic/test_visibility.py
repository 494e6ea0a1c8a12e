from __future__ import annotations

import numpy as np
import pytest

from metricpose.synthetic.camera_sampler import View
from metricpose.synthetic.controls import CONTROL_INDEX
from metricpose.synthetic.joints import JOINTS
from metricpose.synthetic.materials import Material
from metricpose.synthetic.person import Cast, make_person
from metricpose.synthetic.props import Prop
from metricpose.synthetic.render import assemble, draw
from metricpose.synthetic.visibility import _OWNED, hidden_by_others, joint_visibility
from metricpose.types import HIDDEN, OUTSIDE, VISIBLE
from reference.rendering import ray_hits

LOOK = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
BLANK = np.full((1, 512, 512, 4), 255, np.uint8)
SKIN_POINTS = ("nose", "eye", "ear", "toe", "heel")


def make_view(focal: float) -> View:
    return View(LOOK, np.array([0.0, 1.0, 4.0]), focal, 63.0, 66.0, 128, 128)


def wall(x: float) -> Prop:
    """A board one metre in front of the person, to the right of `x`."""
    return Prop(Material(np.full(3, 0.5))).box(np.array([x + 1.0, -1.0, 1.0]), np.array([2.0, 0.05, 3.0]))


@pytest.mark.parametrize("seed", range(4))
def test_visibility_equals_ray_casting(cast: Cast, seed: int) -> None:
    person = make_person(np.random.default_rng(seed), cast)
    assembly = assemble([person], [wall(0.1)])
    view = make_view(150.0)
    drawing = draw(assembly, view, 3, BLANK)
    joints, pixels = person.joints @ view.R.T + view.t, view.project(person.joints)
    found = joint_visibility(assembly, drawing, joints, pixels, person.scale)
    geometry = assembly.geometry
    triangles = geometry.vertices[geometry.faces].astype(float)
    flat = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    facing = ((view.centre - triangles[:, 0]) * flat).sum(1) > 0  # back faces are not drawn
    agree = 0
    for j, name in enumerate(JOINTS):
        if not ((pixels[j] > -0.5) & (pixels[j] < 127.5)).all():
            assert found[j] == OUTSIDE
            agree += 1
            continue
        reach = np.where(facing, ray_hits(view.centre, person.joints[j], triangles), np.inf)
        first = int(reach.argmin())
        margin = (0.05 if name.endswith(SKIN_POINTS) else 0.02) * person.scale
        before = reach[first] * joints[j, 2] < joints[j, 2] - margin
        owned = geometry.groups[first] == 0 and _OWNED[j, assembly.controls[first]]
        agree += found[j] == (HIDDEN if before and not owned else VISIBLE)
    assert agree >= 24  # one joint may lie on an edge, between samples


def test_everything_behind_a_board_is_hidden(cast: Cast) -> None:
    person = make_person(np.random.default_rng(1), cast)
    view = make_view(60.0)
    for x, share in ((-1.0, 1.0), (1.5, 0.0)):
        assembly = assemble([person], [wall(x)])
        drawing = draw(assembly, view, 1, BLANK)
        joints, pixels = person.joints @ view.R.T + view.t, view.project(person.joints)
        assert hidden_by_others(assembly, drawing, joints, pixels) == share
        visibility = joint_visibility(assembly, drawing, joints, pixels, person.scale)
        assert (visibility == HIDDEN).all() if share else (visibility == VISIBLE).sum() > 8


def test_owners_are_mirrored() -> None:
    for j, name in enumerate(JOINTS):
        if name.startswith("l_"):
            other = JOINTS.index("r_" + name[2:])
            left = {c for c, i in CONTROL_INDEX.items() if _OWNED[j, i]}
            right = {
                c.replace(".R", ".X").replace(".L", ".R").replace(".X", ".L")
                for c, i in CONTROL_INDEX.items()
                if _OWNED[other, i]
            }
            assert left == right
    assert not _OWNED[:, -1].any()
