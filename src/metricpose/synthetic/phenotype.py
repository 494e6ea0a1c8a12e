"""Who the person is: age, sex and build, drawn from the table in the body file, and their shape coefficients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

_CHILD_SHARE, _OLD_SHARE = 0.3, 0.14
_FACTORS = ("gender", "age", "muscle", "weight", "height", "proportions", "cupsize", "firmness")


@dataclass(frozen=True)
class Phenotype:
    """One person of the prior. `traits` are anny's, in [0, 1] (gender: 0 male, 1 female; age on anny's own scale)."""

    years: float
    traits: dict[str, float]

    @property
    def male(self) -> bool:
        return self.traits["gender"] < 0.5

    @property
    def child(self) -> bool:
        return self.years < 12.0


TALL_ADULT = Phenotype(25.0, {"gender": 0.5, "age": 2.0 / 3.0})
"""anny's own standard adult, 1.9 m tall: the shape its rig was made on (absent traits are 0.5)."""


class PhenotypePrior:
    """The table of people drawn from anny's WHO-calibrated prior, and the map from traits to blend-shape coefficients.

    File keys: `table` (n, 1 + traits) years and traits; `labels` trait names; `anchor_*` positions of the shapes
    along a trait; `mask` (targets, one-hot length) which anchors multiply to a target's weight; `proj` and `A` take
    target weights to coefficients of the low-rank basis.
    """

    def __init__(self, file: dict[str, Any]) -> None:
        table = np.asarray(file["table"], np.float64)
        self.years, self.traits = table[:, 0], table[:, 1:]
        # Children, the old, and the others, per split.
        self._ages = {split: self._by_age(self.rows(split)) for split in ("train", "val", "test")}
        self.labels = [str(name) for name in file["labels"]]
        self._anchors = [np.asarray(file[f"anchor_{name}"], np.float64) for name in _FACTORS]
        mask = np.asarray(file["mask"], bool)
        # Padding points at the constant 1 appended to the anchor weights.
        self._factors = np.full((len(mask), int(mask.sum(1).max())), mask.shape[1])
        for i, row in enumerate(mask):
            self._factors[i, : row.sum()] = np.flatnonzero(row)
        self._projection = np.asarray(file["proj"], np.float64) @ np.asarray(file["A"], np.float64)

    def rows(self, split: str) -> Int[np.ndarray, " n"]:
        """Rows of the table that a split may use: one in seven is held out from training."""
        usable = np.flatnonzero((self.years >= 2.0) & (self.years <= 90.0))
        return usable[(usable % 7 == 3) == (split != "train")]

    def _by_age(self, rows: Int[np.ndarray, " n"]) -> list[np.ndarray]:
        years = self.years[rows]
        return [rows[years < 16.0], rows[years >= 65.0], rows[(years >= 16.0) & (years < 65.0)]]

    def sample(self, rng: np.random.Generator, split: str) -> Phenotype:
        """Draw a person: at least a quarter children of 2 to 16, one in seven over 65."""
        u = rng.random()
        rows = self._ages[split][0 if u < _CHILD_SHARE else 1 if u < _CHILD_SHARE + _OLD_SHARE else 2]
        row = int(rows[rng.integers(len(rows))])
        traits = dict(zip(self.labels, self.traits[row].tolist()))
        # The prior's gender is uniform; people are mostly near one end.
        traits["gender"] = float(np.clip(round(traits["gender"]) + rng.normal(0.0, 0.12), 0.0, 1.0))
        return Phenotype(float(self.years[row]), traits)

    def coefficients(self, phenotype: Phenotype) -> Float[np.ndarray, " r"]:
        """Coefficients of the low-rank shape basis."""
        weights = [np.full(3, 1.0 / 3.0)]  # equal mixture of the three ethnic templates, as the basis was baked
        for name, anchors in zip(_FACTORS, self._anchors):
            weights.append(_hat(phenotype.traits.get(name, 0.5), anchors))
        one_hot = np.concatenate([*weights, [1.0]])
        return one_hot[self._factors].prod(1) @ self._projection


def _hat(value: float, anchors: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Weights of linear interpolation between neighbouring anchors, clamped at the ends."""
    value = min(max(value, anchors[0]), anchors[-1])
    i = min(max(int(np.searchsorted(anchors, value)), 1), len(anchors) - 1)
    t = (value - anchors[i - 1]) / (anchors[i] - anchors[i - 1])
    weights = np.zeros(len(anchors))
    weights[i - 1], weights[i] = 1.0 - t, t
    return weights
