from __future__ import annotations

import pytest

from metricpose.benchmark import sizes
from metricpose.errors import InputError
from metricpose.models import MODELS


def test_sizes_are_known_by_name():
    assert sizes.get("small") is sizes.SMALL
    with pytest.raises(InputError, match="unknown size 'large'; known: smoke, small, paper"):
        sizes.get("large")


@pytest.mark.parametrize("size", sizes.SIZES.values(), ids=lambda s: s.name)
def test_each_size_has_people_for_its_steps_and_settings_for_known_methods_only(size):
    assert size.records >= size.steps * size.batch  # nobody is seen twice
    assert set(size.methods) | set(size.presets) <= set(MODELS)
    assert size.method_seeds >= 2  # else nothing is known of the spread between trainings


def test_all_methods_get_the_same_optimiser():
    made = sizes.SMALL.training(7, ("backbone.conv0.*",))
    assert (made.seed, made.steps, made.batch_size, made.lr) == (7, 600, 16, sizes.SMALL.lr)
    assert made.freeze == ("backbone.conv0.*",)
    faster = sizes.SMALL.training(7, ("backbone.conv0.*",), "hemlets")
    assert faster.lr == pytest.approx(3 * made.lr)
    assert faster.lr * faster.backbone_lr == pytest.approx(made.lr * made.backbone_lr)
    assert faster.model_copy(update={"lr": made.lr, "backbone_lr": made.backbone_lr}) == made
    assert made.workers == 0
    assert sizes.SMOKE.training(0, ()).checkpoint_every == 1
