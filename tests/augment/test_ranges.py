"""Ranges that cannot be drawn from are refused where they are set, not in the middle of a training."""

from __future__ import annotations

import math

import pytest
from pydantic import BaseModel, ValidationError

from metricpose.augment.appearance import AppearanceConfig
from metricpose.augment.compositing import CompositingConfig
from metricpose.augment.geometric import GeometricConfig


@pytest.mark.parametrize(
    ("config", "name", "value"),
    [
        (GeometricConfig, "zoom", [0.0, 0.0]),
        (GeometricConfig, "zoom", [-1.0, -0.5]),
        (GeometricConfig, "zoom", [1.25, 0.75]),
        (GeometricConfig, "zoom", [1.0, math.inf]),
        (GeometricConfig, "zoom", [math.nan, 1.0]),
        (AppearanceConfig, "contrast", [1.5, 0.5]),
        (AppearanceConfig, "saturation", [-0.1, 0.5]),
        (CompositingConfig, "objects", [5, 1]),
        (CompositingConfig, "objects", [-1, 1]),
        (CompositingConfig, "object_scale", [0.0, 0.5]),
    ],
)
def test_impossible_ranges_are_refused(config: type[BaseModel], name: str, value: list[float]) -> None:
    with pytest.raises(ValidationError, match=name):
        config.model_validate({name: value})


def test_ranges_of_one_value_and_of_zero_strength_are_possible() -> None:
    assert GeometricConfig.model_validate({"zoom": [1.0, 1.0]}).zoom == (1.0, 1.0)
    assert AppearanceConfig.model_validate({"contrast": [0.0, 1.0]}).contrast == (0.0, 1.0)
    assert CompositingConfig.model_validate({"objects": [0, 2]}).objects == (0, 2)


def test_the_message_says_what_is_wrong() -> None:
    with pytest.raises(ValidationError, match=r"smaller number first, got \[1.25, 0.75\]"):
        GeometricConfig.model_validate({"zoom": [1.25, 0.75]})
