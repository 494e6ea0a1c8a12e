"""The measures: hand-worked toys, degenerate cases, invariances, and independent naive twins."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from metricpose.errors import InputError
from metricpose.evaluation import metrics
from metricpose.evaluation.metrics import Scores, Total, compute, update
from reference import metrics_numpy as naive

N, J = 7, 6


@pytest.fixture
def people() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predictions that are turned, scaled, moved and noisy; about a quarter of the joints masked and garbage."""
    rng = np.random.default_rng(5)
    true = rng.normal((100, -200, 3000), (300, 500, 200), (N, J, 3))
    turn = Rotation.from_euler("xyz", [10, -20, 15], degrees=True)
    predicted = turn.apply((true - true[:, :1]).reshape(-1, 3)).reshape(true.shape) * 1.1
    predicted += rng.normal(0, 40, true.shape) + np.array([50.0, 20, 2700])
    mask = rng.random((N, J)) > 0.25
    mask[:, 0] = True
    mask[0] = False
    mask[1] = [True, False, False, False, False, True]
    for array, garbage in ((true, np.nan), (predicted, 1e30)):
        array[~mask] = garbage
    return predicted, true, mask


def mean(scores: Scores) -> float:
    return compute(update(scores))


def check(scores: Scores, values: list[naive.Value]) -> None:
    """The same entries count, with the same values."""
    assert values, "the twin found nothing to compare"
    expected, counted = np.zeros(scores.value.shape), np.zeros(scores.value.shape, bool)
    for i, j, value in values:
        expected[i, j], counted[i, j] = value, True
    np.testing.assert_array_equal(scores.counted, counted)
    np.testing.assert_allclose(scores.value, expected, rtol=1e-6)


# -- independent twins -------------------------------------------------------------------------------------------

People = tuple[np.ndarray, np.ndarray, np.ndarray]


@pytest.mark.parametrize("root", [[0], [0, 5]])
def test_mpjpe_equals_the_naive_twin(people: People, root: list[int]) -> None:
    predicted, true, mask = people
    check(metrics.mpjpe(predicted, true, root, mask), naive.mpjpe(predicted, true, root, mask))


@pytest.mark.parametrize("root", [[0], [0, 5]])
def test_n_mpjpe_equals_a_numerical_search_over_the_scale(people: People, root: list[int]) -> None:
    predicted, true, mask = people
    check(metrics.n_mpjpe(predicted, true, root, mask), naive.n_mpjpe(predicted, true, root, mask))


def test_pa_mpjpe_equals_scipy(people: People) -> None:
    predicted, true, mask = people
    check(metrics.pa_mpjpe(predicted, true, mask), naive.pa_mpjpe(predicted, true, mask))


def test_distances_and_bones_equal_the_naive_twins(people: People) -> None:
    predicted, true, mask = people
    edges = [(0, 1), (1, 2), (0, 5), (5, 3)]
    check(metrics.distances(predicted, true, mask), naive.distances(predicted, true, mask))
    check(metrics.bone_errors(predicted, true, edges, mask), naive.bone_errors(predicted, true, edges, mask))


def test_alignment_never_makes_it_worse(people: People) -> None:
    predicted, true, mask = people
    rooted, scaled = metrics.mpjpe(predicted, true, [0], mask), metrics.n_mpjpe(predicted, true, [0], mask)
    squares = [(s.value**2).sum(1) for s in (scaled, rooted)]
    assert (squares[0] <= squares[1] + 1e-6).all()
    aligned = metrics.pa_mpjpe(predicted, true, mask)
    enough = mask.sum(1) >= 3
    assert (np.square(aligned.value).sum(1)[enough] < squares[0][enough]).all()


# -- hand-worked -------------------------------------------------------------------------------------------------

TRUE = np.array([[[0.0, 0, 0], [100, 0, 0], [0, 200, 0], [0, 0, 50]]])
OFF = np.array([[[0.0, 0, 0], [103, 4, 0], [0, 200, 12], [0, 0, 50]]])


def test_mpjpe_by_hand_ignores_where_the_person_stands() -> None:
    scores = metrics.mpjpe(OFF + 5000, TRUE - 77, [0])
    np.testing.assert_allclose(scores.value, [[0, 5, 12, 0]], atol=1e-9)
    assert mean(scores) == pytest.approx(17 / 4)


def test_mpjpe_with_mid_hips_as_root_by_hand() -> None:
    # Roots: mean of joints 0 and 1, true (50, 0, 0), predicted (51.5, 2, 0).
    value = metrics.mpjpe(OFF, TRUE, [0, 1]).value[0]
    np.testing.assert_allclose(value, [np.hypot(1.5, 2), np.hypot(1.5, 2), np.sqrt(1.5**2 + 4 + 144), 2.5])


def test_n_mpjpe_forgives_size_and_mpjpe_does_not() -> None:
    assert mean(metrics.n_mpjpe(2.5 * TRUE, TRUE, [0])) == pytest.approx(0, abs=1e-9)
    assert mean(metrics.mpjpe(2.5 * TRUE, TRUE, [0])) == pytest.approx(1.5 * 350 / 4)


def test_n_mpjpe_does_not_turn_a_pose_inside_out() -> None:
    # The least-squares scale would be -1 with error 0; the best one that keeps the pose is 0.
    assert mean(metrics.n_mpjpe(-TRUE, TRUE, [0])) == pytest.approx(350 / 4)


def test_pa_mpjpe_forgives_rotation_scale_and_translation_but_no_reflection() -> None:
    turned = Rotation.from_euler("xyz", [70, -110, 30], degrees=True).apply(TRUE[0])[None] * 0.3 + 900
    assert mean(metrics.pa_mpjpe(turned, TRUE)) == pytest.approx(0, abs=1e-6)
    assert mean(metrics.pa_mpjpe(TRUE * (-1, 1, 1), TRUE)) > 10


def test_absolute_and_root_position_errors_by_hand() -> None:
    moved = TRUE + np.array([3.0, 4, 12])
    np.testing.assert_allclose(metrics.distances(moved, TRUE).value, [[13, 13, 13, 13]])
    np.testing.assert_allclose(metrics.mrpe(moved, TRUE, [0, 2]).value, [[13]])
    opposite = TRUE.copy()
    opposite[0, 0, 0], opposite[0, 2, 0] = 30, -30  # the two hips err in opposite ways: their middle does not
    assert mean(metrics.mrpe(opposite, TRUE, [0, 2])) == pytest.approx(0)


def test_bone_error_by_hand_is_of_lengths_not_places() -> None:
    scores = metrics.bone_errors(TRUE * (-2, 1, 1), TRUE, [(0, 1), (2, 0), (0, 3)])
    np.testing.assert_allclose(scores.value, [[100, 0, 0]])


def test_pixel_error_is_the_plain_distance() -> None:
    assert mean(metrics.distances(np.array([[[3.0, 4.0]]]), np.array([[[0.0, 0.0]]]))) == pytest.approx(5)


def scored(*values: float) -> Scores:
    return Scores(np.array([values]), np.ones((1, len(values)), bool))


def test_pck_is_strict_at_the_threshold() -> None:
    assert metrics.pck(scored(0, 149.9, 150, 151)).value.tolist() == [[100, 100, 0, 0]]


def test_both_areas_of_a_perfect_prediction() -> None:
    assert mean(metrics.auc_continuous(scored(0.0))) == 100
    assert mean(metrics.auc_thresholds(scored(0.0))) == pytest.approx(96.774, abs=1e-3)


def test_areas_by_hand() -> None:
    values = metrics.auc_continuous(scored(75, 150, 400, 30)).value[0]
    np.testing.assert_allclose(values, [50, 0, 0, 80])
    # 75 mm passes 80, 85, ..., 150: 15 of 31 thresholds; 5 mm passes 10, ..., 150: 29.
    np.testing.assert_allclose(metrics.auc_thresholds(scored(75, 5, 150)).value[0], [1500 / 31, 2900 / 31, 0])


def test_threshold_area_equals_the_published_formula() -> None:
    values = np.array([0, 2.5, 4.99, 5, 5.01, 62.7, 149.9, 150, 900])
    expected = [naive.auc_thresholds(d) for d in values]
    np.testing.assert_allclose(metrics.auc_thresholds(scored(*values)).value[0], expected, atol=1e-9)


def test_the_continuous_area_is_the_limit_of_many_thresholds() -> None:
    values = scored(12.3, 77.7, 149)
    fine = metrics.auc_thresholds(values, steps=200000)
    np.testing.assert_allclose(fine.value, metrics.auc_continuous(values).value, atol=1e-3)


# -- masks, NaN, degenerate cases --------------------------------------------------------------------------------

EVERY = {
    "distances": lambda p, t, m: metrics.distances(p, t, m),
    "mpjpe": lambda p, t, m: metrics.mpjpe(p, t, [0], m),
    "n_mpjpe": lambda p, t, m: metrics.n_mpjpe(p, t, [0], m),
    "pa_mpjpe": lambda p, t, m: metrics.pa_mpjpe(p, t, m),
    "mrpe": lambda p, t, m: metrics.mrpe(p, t, [0], m),
    "bones": lambda p, t, m: metrics.bone_errors(p, t, [(0, 1), (1, 2)], m),
    "pck": lambda p, t, m: metrics.pck(metrics.mpjpe(p, t, [0], m)),
    "auc": lambda p, t, m: metrics.auc_continuous(metrics.mpjpe(p, t, [0], m)),
    "auc_31": lambda p, t, m: metrics.auc_thresholds(metrics.mpjpe(p, t, [0], m)),
}
every = pytest.mark.parametrize("measure", EVERY.values(), ids=EVERY)


@every
def test_masked_joints_change_nothing(measure, people: People) -> None:
    predicted, true, mask = people
    before = measure(predicted, true, mask)
    for garbage in (np.nan, np.inf, -7.0):
        p, t = predicted.copy(), true.copy()
        p[~mask], t[~mask] = garbage, -garbage
        after = measure(p, t, mask)
        np.testing.assert_allclose(after.value, before.value, rtol=1e-9)  # torch's SVD is not exact to the last bit
        np.testing.assert_array_equal(after.counted, before.counted)
    assert np.isfinite(before.value).all()


@every
def test_everything_masked_is_nan_not_zero(measure, people: People) -> None:
    predicted, true, mask = people
    assert np.isnan(mean(measure(predicted, true, np.zeros_like(mask))))


@every
def test_a_counted_nan_is_nan_for_its_person_and_the_mean_and_for_no_one_else(measure, people: People) -> None:
    predicted, true, mask = people
    mask[3], mask[4] = True, True
    predicted[3:5], true[3:5] = np.random.default_rng(8).normal(size=(2, 2, J, 3)) * 300
    good = measure(predicted, true, mask)
    predicted[3, :2] = np.nan
    bad = measure(predicted, true, mask)
    assert np.isnan(metrics.person_means(bad)[3])
    assert np.isnan(mean(bad))
    others = [i for i in range(N) if i != 3]
    np.testing.assert_allclose(bad.value[others], good.value[others], rtol=1e-9)


@every
def test_torch_and_float32_give_the_same(measure, people: People) -> None:
    predicted, true, mask = people
    expected = measure(predicted, true, mask)
    p, t = (torch.from_numpy(np.where(mask[..., None], x, 0)).float().requires_grad_() for x in (predicted, true))
    scores = measure(p, t, torch.from_numpy(mask))
    assert scores.value.dtype == np.float64
    np.testing.assert_allclose(scores.value, expected.value, atol=1e-2)


@every
def test_shards_add_up(measure, people: People) -> None:
    predicted, true, mask = people
    whole = update(measure(predicted, true, mask))
    parts = [update(measure(predicted[i:j], true[i:j], mask[i:j])) for i, j in ((0, 2), (2, 3), (3, 7))]
    total = parts[0] + parts[1] + parts[2]
    assert total.count == whole.count > 0
    assert total.sum == pytest.approx(whole.sum)
    assert Total() + whole == whole


def test_one_joint_alone_has_no_relative_error() -> None:
    one = np.array([[[1.0, 2, 3]]])
    for scores in (
        metrics.mpjpe(one, one + 9, [0]),
        metrics.n_mpjpe(one, one + 9, [0]),
        metrics.pa_mpjpe(one, one + 9),
    ):
        assert not scores.counted.any()
    assert mean(metrics.distances(one, one + 2)) == pytest.approx(np.sqrt(12))


def test_two_joints_have_a_relative_but_no_aligned_error() -> None:
    true = TRUE[:, :2]
    assert mean(metrics.mpjpe(OFF[:, :2], true, [0])) == pytest.approx(2.5)
    assert np.isnan(mean(metrics.pa_mpjpe(OFF[:, :2], true)))


def test_joints_on_a_line_are_not_aligned() -> None:
    line = np.linspace(0, 1, 5)[None, :, None] * np.array([100.0, 200, 300])
    assert not metrics.pa_mpjpe(line + OFF[:, :1], line).counted.any()


def test_a_prediction_collapsed_to_a_point_is_nan_when_aligned_and_bad_otherwise() -> None:
    collapsed = np.zeros_like(TRUE)
    assert np.isnan(mean(metrics.pa_mpjpe(collapsed, TRUE)))
    assert np.isnan(mean(metrics.n_mpjpe(collapsed, TRUE, [0])))
    assert mean(metrics.mpjpe(collapsed, TRUE, [0])) == pytest.approx(350 / 4)


def test_without_a_measured_root_nothing_relative_is_counted() -> None:
    mask = np.array([[True, True, True, False]])
    assert not metrics.mpjpe(OFF, TRUE, [3], mask).counted.any()
    assert not metrics.mpjpe(OFF, TRUE, [0, 3], mask).counted.any()
    assert metrics.mpjpe(OFF, TRUE, [0], mask).counted.sum() == 3


def test_means_by_person_and_joint_and_restriction() -> None:
    scores = Scores(np.array([[1.0, 3, 0], [5, 0, 0]]), np.array([[True, True, False], [True, False, False]]))
    np.testing.assert_array_equal(metrics.person_means(scores), [2, 5])
    np.testing.assert_array_equal(metrics.joint_means(scores), [3, 3, np.nan])
    assert update(metrics.restrict(scores, np.array([[True], [False]]))) == Total(4.0, 2)
    by_joint = np.array([[False, True, True], [True, True, True]])
    assert update(metrics.restrict(scores, by_joint)) == Total(8.0, 2)


def test_restriction_drops_a_nan_that_does_not_count() -> None:
    scores = Scores(np.array([[np.nan, 3.0]]), np.array([[True, True]]))
    assert update(metrics.restrict(scores, np.array([[False, True]]))) == Total(3.0, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.mpjpe(OFF, TRUE, []), r"root \[\]; expected one or more indices of the 4 joints"),
        (lambda: metrics.mrpe(OFF, TRUE, [4]), r"root \[4\]"),
        (lambda: metrics.distances(OFF, TRUE[:, :3]), r"shape \(1, 4, 3\), true ones \(1, 3, 3\)"),
        (
            lambda: metrics.distances(OFF, TRUE, np.ones((1, 3), bool)),
            r"the mask has shape \(1, 3\); expected \(1, 4\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaxtyping.config.jaxtyping_disable", True)
    with pytest.raises(InputError, match=message):
        call()
