"""Calibration of covariances: recovered factors, ideal coverage, and the likelihood against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import chi2, multivariate_normal

from metricpose.errors import InputError
from metricpose.evaluation.calibration import Calibration, chi2_share, covered, fit, mahalanobis, score
from metricpose.evaluation.metrics import compute, update

N, J = 4000, 3


def draw(factors: tuple[float, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Errors whose true covariance is `factors` times the stated one; a tenth masked and garbage."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(N, J, 3, 3)) + 2 * np.eye(3)
    covariance = 100 * root @ root.swapaxes(-1, -2)
    scale = np.sqrt(np.array(factors))[:, None]
    error = scale * np.einsum("njab,njb->nja", np.linalg.cholesky(covariance), rng.normal(size=(N, J, 3)))
    counted = rng.random((N, J)) > 0.1
    error[~counted], covariance[~counted] = np.nan, -1.0
    return error, covariance, counted


def test_chi2_share_equals_scipy() -> None:
    values = np.array([0.0, 0.3, 2.366, 6.251, 40.0])
    np.testing.assert_allclose(chi2_share(values), chi2(3).cdf(values), atol=1e-9)


def test_a_common_factor_is_recovered() -> None:
    found = fit(*draw((2.5, 2.5, 2.5)))
    assert found.factor == pytest.approx(2.5, rel=0.03)


def test_factors_per_joint_are_recovered() -> None:
    found = fit(*draw((0.4, 1.0, 9.0)), per_joint=True)
    np.testing.assert_allclose(found.factor, (0.4, 1.0, 9.0), rtol=0.05)


def test_the_closed_form_is_the_most_likely_factor() -> None:
    data = draw((3.0, 0.5, 1.0))
    best = minimize_scalar(lambda s: score(*data, Calibration(float(s))).nll, bounds=(0.1, 20), method="bounded").x
    assert fit(*data).factor == pytest.approx(best, rel=1e-3)


def test_likelihood_equals_scipy() -> None:
    error, covariance, counted = (x[:5] for x in draw((1.5, 1.5, 1.5)))
    expected = [
        -multivariate_normal(np.zeros(3), 2.0 * covariance[i, j]).logpdf(error[i, j]) for i, j in np.argwhere(counted)
    ]
    assert score(error, covariance, counted, Calibration(2.0)).nll == pytest.approx(np.mean(expected))


def test_coverage_of_right_covariances_is_ideal_and_of_narrow_ones_is_low() -> None:
    data = draw((4.0, 4.0, 4.0))
    held_out = draw((4.0, 4.0, 4.0), seed=1)
    narrow, right = score(*held_out), score(*held_out, fit(*data))
    np.testing.assert_allclose(right.coverage, (0.5, 0.9), atol=0.015)
    assert narrow.coverage[0] < 0.2
    assert narrow.nll > right.nll + 1
    assert right.count == held_out[2].sum()


def test_covered_scores_are_the_coverage_and_respect_the_mask() -> None:
    error, covariance, counted = draw((1.0, 1.0, 1.0))
    assert compute(update(covered(error, covariance, counted, 0.9))) == pytest.approx(90, abs=1)
    assert covered(error, covariance, counted, 0.9).counted is counted


def test_a_collapsed_or_missing_covariance_is_nan_not_covered() -> None:
    flat = np.diag([1.0, 1.0, 0.0])[None, None]
    error, counted = np.zeros((1, 1, 3)), np.ones((1, 1), bool)
    assert np.isnan(mahalanobis(error, flat)).all()
    assert np.isnan(covered(error, flat, counted, 0.5).value).all()
    assert np.isnan(covered(error, flat * np.nan, counted, 0.5).value).all()
    with pytest.raises(InputError, match=r"1 of 1 counted joints .* not positive definite"):
        fit(error, flat, counted)


def test_nothing_counted_is_an_error() -> None:
    with pytest.raises(InputError, match="no joint is counted"):
        fit(np.zeros((2, 3, 3)), np.zeros((2, 3, 3, 3)), np.zeros((2, 3), bool))


def test_joints_never_counted_get_the_common_factor() -> None:
    error, covariance, counted = draw((1.0, 4.0, 1.0))
    counted[:, 2] = False
    found = fit(error, covariance, counted, per_joint=True)
    assert isinstance(found.factor, tuple)
    assert found.factor[2] == pytest.approx(fit(error, covariance, counted).factor)
