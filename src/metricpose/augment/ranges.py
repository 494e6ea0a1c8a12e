"""Ranges as settings give them: two finite numbers, the smaller first."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field

Range = TypeVar("Range", tuple[float, float], tuple[int, int])


def in_order(value: Range) -> Range:
    """The range itself.

    Raises:
        ValueError: its end lies below its start.
    """
    low, high = value
    if low > high:
        raise ValueError(f"expected the smaller number first, got [{low:g}, {high:g}]")
    return value


_Factor = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Strength = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Factors = Annotated[tuple[_Factor, _Factor], AfterValidator(in_order)]
"""Greater than zero, such as magnifications."""
Strengths = Annotated[tuple[_Strength, _Strength], AfterValidator(in_order)]
"""Zero included, such as contrasts."""
