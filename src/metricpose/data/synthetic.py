"""Rendered people as a data source: on demand, or from shards rendered before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from metricpose.errors import DataError
from metricpose.types import Record

ENDLESS = 1 << 31
Renderer = Callable[[int], Record]


class RenderedSource:
    """Record i is rendered when asked for; the renderer is made in each process at first use.

    Args:
        make_renderer: picklable; returns index -> Record.
        start: index of the first scene, to keep sets disjoint.
        length: number of scenes; practically endless if not given.
    """

    def __init__(self, make_renderer: Callable[[], Renderer], start: int = 0, length: int = ENDLESS) -> None:
        self._make, self._start, self._length = make_renderer, start, length
        self._renderer: Renderer | None = None

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < self._length:
            raise IndexError(f"scene {index} of {self._length}")
        if self._renderer is None:
            self._renderer = self._make()
        return self._renderer(self._start + index)

    def refresh(self) -> int:
        """Its length, which never changes."""
        return self._length

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_renderer": None}


class ScenePart:
    """The first `length` records of a source from `start` on; grows with the source if no length is given."""

    def __init__(self, source: Any, start: int = 0, length: int | None = None) -> None:
        self._source, self._start, self._length = source, start, length
        if len(source) < start + (length or 1):
            raise DataError(f"a data source holds {len(source)} records; asked for {length or 'some'} from {start} on")

    def __len__(self) -> int:
        there = len(self._source) - self._start
        return there if self._length is None else min(there, self._length)

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        return self._source[self._start + index]

    def refresh(self) -> int:
        """Look for new records."""
        self._source.refresh()
        return len(self)
