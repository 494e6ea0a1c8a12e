"""How far stated covariances can be trusted: coverage, likelihood, and the factor that mends them.

An error e of a joint with covariance C is Gaussian if the covariance is right; then m = e' C^-1 e follows a chi-squared
law of three degrees of freedom. One factor s of the variances, for all joints or for each, is fitted on a validation
split by maximum likelihood; it has a closed form, s = mean(m) / 3. It is scored on another split.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float

from metricpose.errors import InputError
from metricpose.evaluation.metrics import Scores

LEVELS = (0.5, 0.9)


@dataclass(frozen=True)
class Calibration:
    """Factor of the variances: one for all joints, or one for each."""

    factor: float | tuple[float, ...]

    def apply(self, covariance_mm2: Float[np.ndarray, "n j 3 3"]) -> Float[np.ndarray, "n j 3 3"]:
        """Covariances times their factor."""
        return covariance_mm2 * np.reshape(self.factor, (-1, 1, 1))


@dataclass(frozen=True)
class CalibrationScore:
    """What a calibration is worth on some data.

    Attributes:
        nll: mean negative log-likelihood of a joint's error, nats; lower is better.
        coverage: per level of `LEVELS`, share of the errors inside that ellipsoid.
        count: joints.
    """

    nll: float
    coverage: tuple[float, ...]
    count: int


def mahalanobis(
    error_mm: Float[np.ndarray, "n j 3"], covariance_mm2: Float[np.ndarray, "n j 3 3"]
) -> Float[np.ndarray, "n j"]:
    """Squared Mahalanobis length of each error; NaN where the covariance is not positive definite or not finite."""
    good = _positive(covariance_mm2) & np.isfinite(error_mm).all(-1)
    safe = np.where(good[..., None, None], covariance_mm2, np.eye(3))
    error = np.where(good[..., None], error_mm, 0.0)
    squared = (error * np.linalg.solve(safe, error[..., None])[..., 0]).sum(-1)
    return np.where(good, squared, np.nan)


def covered(
    error_mm: Float[np.ndarray, "n j 3"],
    covariance_mm2: Float[np.ndarray, "n j 3 3"],
    counted: Bool[np.ndarray, "n j"],
    level: float,
) -> Scores:
    """100 where the error lies inside the ellipsoid that should hold `level` of them; the mean should be 100 level."""
    squared = np.where(counted, mahalanobis(error_mm, covariance_mm2), 0.0)
    inside = np.where(np.isnan(squared), np.nan, 100.0 * (chi2_share(squared) <= level))
    return Scores(np.where(counted, inside, 0.0), counted)


def chi2_share(squared: Float[np.ndarray, "*b"]) -> Float[np.ndarray, "*b"]:
    """Cumulative chi-squared distribution of three degrees of freedom."""
    x = torch.from_numpy(np.asarray(squared, np.float64))
    return torch.special.gammainc(torch.tensor(1.5, dtype=torch.float64), x / 2).numpy()


def fit(
    error_mm: Float[np.ndarray, "n j 3"],
    covariance_mm2: Float[np.ndarray, "n j 3 3"],
    counted: Bool[np.ndarray, "n j"],
    *,
    per_joint: bool = False,
) -> Calibration:
    """The factor that makes the errors most likely.

    Joints without any counted error get the common factor.

    Raises:
        InputError: nothing is counted, or a counted covariance is not positive definite.
    """
    squared = _checked(error_mm, covariance_mm2, counted)
    common = float(squared[counted].mean()) / 3.0
    if not per_joint:
        return Calibration(common)
    count = counted.sum(0)
    each = np.where(counted, squared, 0.0).sum(0) / np.maximum(count, 1) / 3.0
    return Calibration(tuple(np.where(count > 0, each, common).tolist()))


def score(
    error_mm: Float[np.ndarray, "n j 3"],
    covariance_mm2: Float[np.ndarray, "n j 3 3"],
    counted: Bool[np.ndarray, "n j"],
    calibration: Calibration | None = None,
) -> CalibrationScore:
    """Likelihood and coverage of calibrated covariances (None: as they are).

    Raises:
        InputError: as `fit`.
    """
    covariance = covariance_mm2 if calibration is None else calibration.apply(covariance_mm2)
    squared = _checked(error_mm, covariance, counted)[counted]
    log_det = np.linalg.slogdet(np.where(counted[..., None, None], covariance, np.eye(3)))[1][counted]
    nll = 0.5 * (squared + log_det + 3 * math.log(2 * math.pi))
    coverage = tuple(float((chi2_share(squared) <= level).mean()) for level in LEVELS)
    return CalibrationScore(float(nll.mean()), coverage, int(counted.sum()))


def _checked(
    error_mm: Float[np.ndarray, "n j 3"], covariance_mm2: Float[np.ndarray, "n j 3 3"], counted: Bool[np.ndarray, "n j"]
) -> Float[np.ndarray, "n j"]:
    squared = mahalanobis(error_mm, covariance_mm2)
    bad = counted & np.isnan(squared)
    if not counted.any():
        raise InputError("calibration: no joint is counted")
    if bad.any():
        raise InputError(
            f"calibration: {int(bad.sum())} of {int(counted.sum())} counted joints have an error or covariance that is "
            "not finite or not positive definite"
        )
    return squared


def _positive(covariance_mm2: Float[np.ndarray, "n j 3 3"]) -> Bool[np.ndarray, "n j"]:
    finite = np.isfinite(covariance_mm2).all((-2, -1))
    values = np.linalg.eigvalsh(np.where(finite[..., None, None], covariance_mm2, 0.0))
    return finite & (values[..., 0] > 1e-12 * np.maximum(values[..., 2], 1e-300))
