"""The records of a source that a recipe asks for, by numbers in their `info`: adults alone, say."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

from metricpose.data.mixing import Source
from metricpose.errors import DataError
from metricpose.types import Record

Bounds = Mapping[str, tuple[float | int | None, float | int | None]]
"""Key of `info` -> smallest and largest value, either of them open."""

_FARTHEST = 1000


class SelectedSource:
    """A source in which every record outside the bounds is replaced by a neighbour inside them.

    It is as long as the source, and nothing is read beforehand: an index that does not fit means the nearest record
    before it that does, or else the nearest after it. So an index means the same record however far the source grows.

    Args:
        source: records whose `info` has the keys as numbers; a record without one does not fit.
        bounds: see `Bounds`.
    """

    def __init__(self, source: Source, bounds: Bounds) -> None:
        self._source, self._bounds = source, bounds

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Record:
        """The record of this index or its nearest neighbour inside the bounds.

        Raises:
            DataError: there is none among the nearest thousand.
        """
        before = range(index, max(index - _FARTHEST, -1), -1)
        after = range(index + 1, min(index + 1 + _FARTHEST, len(self)))
        for place in chain(before, after):
            record = self._source[place]
            if fits(record, self._bounds):
                return record
        wanted = ", ".join(f"{key} from {low} to {high}" for key, (low, high) in self._bounds.items())
        raise DataError(
            f"no record near number {index} has {wanted} in its info, which holds {', '.join(sorted(record.info))}; "
            "widen `where` in the recipe"
        )

    def refresh(self) -> int:
        """Look for new records."""
        return self._source.refresh()


def select(source: Source, bounds: Bounds) -> Source:
    """The source with its records inside the bounds alone; itself without bounds."""
    return SelectedSource(source, bounds) if bounds else source


def fits(record: Record, bounds: Bounds) -> bool:
    """Whether the record's info has every key, with a number inside its bounds."""
    for key, (low, high) in bounds.items():
        value = record.info.get(key)
        if not isinstance(value, int | float) or value != value:
            return False
        if (low is not None and value < low) or (high is not None and value > high):
            return False
    return True
