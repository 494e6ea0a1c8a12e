"""Records chosen by numbers of their info."""

from __future__ import annotations

from dataclasses import replace

import pytest

from metricpose.data.selecting import SelectedSource, fits, select
from metricpose.errors import DataError
from people import person

HEIGHTS = [1700.0, 900.0, 1000.0, 1800.0, 1100.0, float("nan"), 1600.0]


class Row:
    """Records whose number is in their info, `length` of them so far."""

    def __init__(self, heights: list[float], length: int | None = None) -> None:
        record = person(0)
        self.records = [replace(record, info={"height_mm": h, "index": i}) for i, h in enumerate(heights)]
        self.length = length or len(heights)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int):
        return self.records[index]

    def refresh(self) -> int:
        self.length = len(self.records)
        return self.length


def numbers(source) -> list[int]:
    return [source[i].info["index"] for i in range(len(source))]


def test_records_outside_are_replaced_by_the_nearest_before_them() -> None:
    assert numbers(SelectedSource(Row(HEIGHTS), {"height_mm": (1500, None)})) == [0, 0, 0, 3, 3, 3, 6]
    assert numbers(SelectedSource(Row(HEIGHTS), {"height_mm": (None, 1000)})) == [1, 1, 2, 2, 2, 2, 2]
    assert numbers(SelectedSource(Row(HEIGHTS), {"height_mm": (950, 1150), "index": (3, None)})) == [4] * 7


def test_an_index_means_the_same_record_when_the_source_has_grown() -> None:
    source = SelectedSource(Row(HEIGHTS, 5), {"height_mm": (1750, None)})
    before = numbers(source)
    assert source.refresh() == 7
    assert numbers(source)[:5] == before


def test_without_bounds_it_is_the_source() -> None:
    row = Row(HEIGHTS)
    assert select(row, {}) is row


def test_nobody_who_fits_is_an_error_that_says_what_was_asked() -> None:
    with pytest.raises(DataError, match=r"height_mm from 2500 to None .* holds height_mm, index"):
        SelectedSource(Row(HEIGHTS), {"height_mm": (2500, None)})[3]
    assert not fits(person(0), {"height_mm": (None, None), "shoe_size": (None, None)})
