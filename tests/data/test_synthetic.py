from __future__ import annotations

import pickle

import pytest

from metricpose.data.synthetic import ENDLESS, RenderedSource, ScenePart
from metricpose.errors import DataError
from people import People, person


def make():
    return person


def number(record):
    return record.info["number"]


def test_records_are_rendered_by_index_when_asked_for():
    calls = []

    def counting():
        calls.append(1)
        return person

    source = RenderedSource(counting, start=100, length=4)
    assert calls == []
    assert [number(source[i]) for i in (3, 0)] == [103, 100]
    assert len(calls) == 1
    assert len(source) == source.refresh() == 4
    with pytest.raises(IndexError):
        source[4]
    assert len(RenderedSource(make)) == ENDLESS


def test_a_copy_in_another_process_makes_its_own_renderer():
    source = RenderedSource(make)
    source[0]
    copy = pickle.loads(pickle.dumps(source))
    assert copy._renderer is None
    assert number(copy[5]) == 5


def test_a_part_has_its_own_indices_and_grows_if_open_ended():
    whole = People(10)
    part, rest = ScenePart(whole, 2, 3), ScenePart(whole, 6)
    assert (len(part), len(rest)) == (3, 4)
    assert [number(part[i]) for i in range(3)] == [2, 3, 4]
    for index in (-1, 3):
        with pytest.raises(IndexError):
            part[index]
    whole.length = 12
    assert (part.refresh(), rest.refresh()) == (3, 6)
    with pytest.raises(DataError, match="holds 12"):
        ScenePart(whole, 10, 3)
    with pytest.raises(DataError, match="holds 12"):
        ScenePart(whole, 12)
