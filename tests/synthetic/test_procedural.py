import numpy as np
import pytest

from metricpose.errors import InputError
from metricpose.synthetic.controls import CONTROL_INDEX, global_rotations, pivot_positions
from metricpose.synthetic.procedural import FAMILIES, draw_family, family_shares, procedural

H36M = (
    "directions", "discussion", "eating", "greeting", "phoning", "photo", "posing", "purchases", "sitting",
    "sitting_down", "smoking", "waiting", "walk_dog", "walking",
)  # fmt: skip
ON_REQUEST = ("recline", "balancing", "floor_exercise", "plank")


def positions(family: str, count: int = 20) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([pivot_positions(global_rotations(procedural(rng, family).rotations)) for _ in range(count)])


def at(points: np.ndarray, control: str) -> np.ndarray:
    return points[:, CONTROL_INDEX[control]]


def test_the_activities_of_human36m_are_there() -> None:
    assert set(H36M) <= set(FAMILIES)
    assert [name for name, (share, _) in FAMILIES.items() if share <= 0] == list(ON_REQUEST)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_gives_proper_rotations_and_its_name(family: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(4):
        sample = procedural(rng, family)
        assert sample.kind == family
        product = sample.rotations @ sample.rotations.swapaxes(1, 2)
        np.testing.assert_allclose(product, np.tile(np.eye(3), (22, 1, 1)), atol=1e-9)
        np.testing.assert_allclose(np.linalg.det(sample.rotations), 1.0)


def test_knees_never_bend_forwards() -> None:
    rng = np.random.default_rng(2)
    for _ in range(40):
        shins = procedural(rng).rotations[[CONTROL_INDEX["shin.L"], CONTROL_INDEX["shin.R"]]]
        assert (np.arctan2(shins[:, 2, 1], shins[:, 2, 2]) >= -1e-9).all()


def test_families_are_drawn_by_their_share() -> None:
    rng = np.random.default_rng(3)
    kinds = [draw_family(rng) for _ in range(4000)]
    share = kinds.count("sitting") / len(kinds)
    whole = sum(weight for weight, _ in FAMILIES.values())
    assert share == pytest.approx(FAMILIES["sitting"][0] / whole, abs=0.025)
    assert len(set(kinds)) == len(FAMILIES) - len(ON_REQUEST)


def test_shares_of_families_can_be_changed() -> None:
    rng = np.random.default_rng(4)
    only = family_shares(dict.fromkeys(FAMILIES, 0.0) | {"lie": 0.3, "jump": 0.1})
    kinds = [draw_family(rng, only) for _ in range(2000)]
    assert set(kinds) == {"lie", "jump"}
    assert kinds.count("lie") / len(kinds) == pytest.approx(0.75, abs=0.04)
    assert procedural(rng, cumulative=only).kind in ("lie", "jump")


def test_wrong_shares_of_families_are_named() -> None:
    with pytest.raises(InputError, match="'flying' is unknown"):
        family_shares({"flying": 1.0})
    with pytest.raises(InputError, match="not all 0"):
        family_shares(dict.fromkeys(FAMILIES, 0.0))
    with pytest.raises(InputError, match=">= 0"):
        family_shares({"lie": -1.0})


def test_someone_on_the_telephone_has_a_hand_at_the_ear() -> None:
    points = positions("phoning")
    distance = np.minimum(*(np.linalg.norm(at(points, f"hand.{s}") - at(points, "head"), axis=1) for s in "LR"))
    assert (distance < 0.25).mean() > 0.95


def test_seats_are_asked_for_only_with_level_thighs() -> None:
    rng = np.random.default_rng(4)
    families = ("sitting", "eating", "phoning", "discussion", "walking")
    samples = [procedural(rng, family) for family in families for _ in range(8)]
    seated = [s for s in samples if s.seated]
    assert {s.kind for s in seated} == set(families) - {"walking"}
    assert all(s.seated for s in samples if s.kind == "sitting")
    for sample in seated:
        points = pivot_positions(global_rotations(sample.rotations))
        thigh = points[CONTROL_INDEX["shin.L"]] - points[CONTROL_INDEX["thigh.L"]]
        assert abs(thigh[2]) < 0.75 * np.linalg.norm(thigh)
        assert points[CONTROL_INDEX["head"]][2] > 0.3


def test_the_same_generator_state_gives_the_same_pose() -> None:
    first, second = (procedural(np.random.default_rng(9)) for _ in range(2))
    np.testing.assert_array_equal(first.rotations, second.rotations)


def test_someone_fighting_for_balance_throws_the_arms_up_or_out() -> None:
    points = positions("balancing", 80)
    chest = at(points, "chest")
    lean = np.abs(chest[:, 0]) / np.linalg.norm(chest, axis=1)
    assert lean.mean() > 0.15
    reach = [np.linalg.norm(at(points, f"hand.{s}") - chest, axis=1) for s in "LR"]
    raised = [at(points, f"hand.{s}")[:, 2] > chest[:, 2] for s in "LR"]
    assert np.mean(reach) > 0.45
    assert 0.5 < np.mean(raised) < 0.95
