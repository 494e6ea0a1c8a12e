from __future__ import annotations

import numpy as np

from metricpose.synthetic import painted
from metricpose.synthetic.outfit import Outfit, sample_outfit
from metricpose.synthetic.person import Cast
from metricpose.synthetic.phenotype import Phenotype

MAN, GIRL = Phenotype(40.0, {"gender": 0.05}), Phenotype(7.0, {"gender": 0.95})


def outfits(cast: Cast, person: Phenotype, tight: bool = False) -> list[Outfit]:
    return [sample_outfit(np.random.default_rng(s), cast.wardrobe, person, 0.8, tight) for s in range(150)]


def test_everybody_is_painted_where_there_are_no_garments(cast: Cast) -> None:
    for outfit in outfits(cast, GIRL):
        assert outfit.name == "painted"
        assert not outfit.garments
        assert outfit.cut[painted.HEM] > -1
        assert outfit.cut[painted.WAIST] > outfit.cut[painted.LEG_END]
        assert len(outfit.materials) >= painted.REGIONS
        assert outfit.eye_row < len(outfit.materials)


def test_children_have_no_beards_and_girls_are_not_bare_chested(cast: Cast) -> None:
    girls, men = outfits(cast, GIRL), outfits(cast, MAN)
    assert not any(o.cut[painted.BEARD] for o in girls)
    assert any(o.cut[painted.BEARD] for o in men)
    assert all(o.cut[painted.NECK] > 0 for o in girls)
    assert any(o.cut[painted.NECK] < 0 for o in men)


def test_tight_clothes_are_thin_and_short(cast: Cast) -> None:
    tight, loose = outfits(cast, MAN, tight=True), outfits(cast, MAN)
    mean = lambda os, k: np.mean([o.thickness[k] for o in os])  # noqa: E731
    assert mean(tight, 0) < 0.75 * mean(loose, 0)
    assert np.mean([o.cut[painted.LEG_END] for o in tight]) > np.mean([o.cut[painted.LEG_END] for o in loose])
