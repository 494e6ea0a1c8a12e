"""Shards of made-up people, half of them in the target domain, and a size that takes seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from metricpose.benchmark.sizes import Size
from reference import comparisons


@pytest.fixture(scope="session")
def people_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`train` and `test`."""
    return comparisons.write_people(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="session")
def tiny() -> Size:
    """The smoke size with fewer people."""
    return comparisons.TINY
