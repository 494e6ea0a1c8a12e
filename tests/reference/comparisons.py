"""Made-up results of trainings whose differences are known."""

from __future__ import annotations

import numpy as np

from metricpose.benchmark.results import Errors, Result

KEY = "whole/mpjpe"


def result(row: str, seed: int, errors: np.ndarray, counts: np.ndarray | None = None, **changes: object) -> Result:
    values = {
        "row": row, "seed": seed, "size": "small", "settings": {"trained": row}, "environment": {}, "seconds": {},
        "samples": 1, "parameters": 1, "gmac": 0.1, "scale": "", "units": {"whole": "a"},
    }  # fmt: skip
    counts = np.full(len(errors), 17.0) if counts is None else counts
    return Result(**{**values, **changes}, errors={KEY: Errors(errors * counts, counts)})  # type: ignore[arg-type]


def rows(*shifts: float, noise: float = 0.0, people: int = 400) -> dict[str, list[Result]]:
    """Rows a, b, ... whose errors are the same people's plus a shift; two trainings each, `noise` apart."""
    rng = np.random.default_rng(0)
    people_errors = rng.gamma(4, 25, people)
    return {
        name: [result(name, s, people_errors + shift + sign * noise / 2) for s, sign in ((0, 1), (1, -1))]
        for name, shift in zip("abc", shifts)
    }
