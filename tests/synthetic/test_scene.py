from __future__ import annotations

import numpy as np
import pytest

from metricpose.synthetic.camera_sampler import View
from metricpose.synthetic.person import Cast, make_person
from metricpose.synthetic.pictures import Pictures
from metricpose.synthetic.raster import bounds
from metricpose.synthetic.scene import Stage, _backdrop_kind, _company, try_scene
from metricpose.synthetic.setting import Extent

VIEW = View(np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]]), np.array([0.0, 1.2, 4.0]), 70.0, 31.0, 28.0, 48, 48)


def stage(cast: Cast, **changes: float) -> Stage:
    shares = {"photo": 0.4, "room": 0.3, "outdoors": 0.2, "studio": 0.5, "second_person": 0.0, "held_object": 0.0,
              "clutter": 0.0, "occluder": 0.0, **changes}  # fmt: skip
    return Stage(cast, Pictures([], []), 48, 1, studio_height=(1.2, 1.8), **shares)


def test_backdrops_come_in_the_asked_shares(cast: Cast) -> None:
    rng = np.random.default_rng(0)
    kinds = [_backdrop_kind(rng, stage(cast)) for _ in range(2000)]
    # Without photographs their share goes to the rooms.
    for kind, share in (("photo", 0.0), ("room", 0.35), ("studio", 0.35), ("outdoors", 0.2), ("abstract", 0.1)):
        assert kinds.count(kind) / 2000 == pytest.approx(share, abs=0.04)


def test_company_belongs_to_whom_it_should(cast: Cast) -> None:
    crowded = stage(cast, second_person=1.0, held_object=1.0, occluder=1.0)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        person = make_person(rng, cast)
        extent = Extent(*bounds(person.parts[0].vertices))
        people, props, own = _company(rng, crowded, person, VIEW, extent)
        assert people[0] is person
        assert len(people) == 3
        assert len(own) == len(people) + len(props)
        assert own[0]
        assert not own[1:3].any()
        assert own[3:].all()
        assert len(props) == 2 + person.pose.seated
        for other in people[1:]:
            assert np.linalg.norm(other.head(cast.body, "root")[:2] - extent.middle[:2]) > 0.3


def test_hidden_people_are_refused(cast: Cast) -> None:
    made = [try_scene(np.random.default_rng(s), stage(cast, second_person=0.9)) for s in range(30)]
    assert any(scene is not None for scene in made)
    for scene in made:
        if scene is not None:
            assert scene["alpha"].max() > 0


def test_people_who_reach_past_the_camera_are_refused(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = stage(cast, second_person=0.0)
    assert try_scene(np.random.default_rng(3), alone) is not None
    cropped = View.cropped

    def near(view: View, left: float, top: float, extent: float, side: int) -> View:
        return cropped(view, left, top, 6 * view.focal, side)

    monkeypatch.setattr(View, "cropped", near)
    assert try_scene(np.random.default_rng(3), alone) is None
