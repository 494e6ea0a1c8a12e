"""The predictions file: round trip, what it refuses, and the header that guards against mixing results."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from metricpose.errors import DataError, InputError
from metricpose.evaluation.predictions import (
    Header,
    Predictions,
    Truth,
    TruthBuilder,
    load,
    own_frame,
    read_npz,
    require_same,
    save,
)
from metricpose.evaluation.run import predict_records
from oracle import SIDE, Oracle, records

HEADER = Header(
    protocol="synthetic",
    data="made up",
    split="test",
    people=3,
    seed=4,
    crop_source="true boxes",
    skeleton="metricpose_25",
    root="pelvis",
    scale_policy="network",
    checkpoint_sha256="ab",
)


@pytest.fixture
def made() -> Predictions:
    known = [*records(2), *records(3, skeleton="h36m_17")[2:]]
    known[1].joints_mm[3] = np.nan
    return predict_records(Oracle(records(3), noise_mm=20.0), known, HEADER)


def test_everything_survives_the_file(made: Predictions, tmp_path: Path) -> None:
    save(made, tmp_path / "deep" / "p.npz")
    read = load(tmp_path / "deep" / "p.npz")
    assert read.header == made.header
    for ours, theirs, kind in ((made, read, Predictions), (made.truth, read.truth, Truth)):
        for field in fields(kind):
            if field.name not in ("header", "truth"):
                a, b = getattr(ours, field.name), getattr(theirs, field.name)
                np.testing.assert_array_equal(a, b)
                assert type(a) is type(b)


def test_a_truncated_or_foreign_file_is_refused(made: Predictions, tmp_path: Path) -> None:
    path = tmp_path / "p.npz"
    save(made, path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"cannot read .*p.npz.* complete .npz file"):
        load(path)
    np.savez(path, header=np.array('{"format": "other"}'))
    with pytest.raises(DataError, match="expected a metricpose-predictions-1 file"):
        load(path)
    with open(path, "wb") as stream:
        np.save(stream, np.zeros(3))
    with pytest.raises(DataError, match="cannot read"):
        load(path)
    np.savez(path, joints=np.zeros(3))
    with pytest.raises(DataError, match=r"not a complete predictions file.*Delete it and predict again"):
        load(path)


def test_python_objects_are_not_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", header=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError, match="of plain arrays"):
        read_npz(tmp_path / "p.npz")


def test_a_changed_header_is_flagged_field_by_field() -> None:
    other = replace(HEADER, views="5", checkpoint_sha256="cd")
    assert HEADER.differences(other) == ["views: 1 / 5", "checkpoint_sha256: ab / cd"]
    with pytest.raises(DataError, match=r"p.npz holds predictions made otherwise .*views: 1 / 5; checkpoint.*delete"):
        require_same(HEADER, other, "p.npz")
    require_same(HEADER, replace(HEADER), "p.npz")


@pytest.mark.parametrize("name", [f.name for f in fields(Header)])
def test_no_field_of_the_header_may_change_silently(name: str) -> None:
    changed = replace(HEADER, **{name: 99 if isinstance(getattr(HEADER, name), int) else "changed"})
    assert len(HEADER.differences(changed)) == 1


def test_counts_that_disagree_are_refused(made: Predictions) -> None:
    with pytest.raises(InputError, match="the header says 4 people, the arrays"):
        replace(made, header=replace(HEADER, people=4))


def test_repeated_ids_are_refused() -> None:
    builder = TruthBuilder(SIDE)
    for record in (records(1)[0], records(1)[0]):
        builder.add_box(record)
    with pytest.raises(InputError, match="ids repeat"):
        builder.build()


def test_names_default_to_counting_and_unknown_facts_are_nan() -> None:
    builder = TruthBuilder(SIDE)
    for record in records(2):
        builder.add_box(replace(record, info={}))
    truth = builder.build()
    assert truth.ids == truth.images == truth.persons == ("0", "1")
    assert np.isnan(truth.height_mm).all()


@pytest.mark.parametrize(("fact", "value"), [("height_mm", "175 cm"), ("age_years", "x"), ("age_years", [30])])
def test_facts_that_are_no_numbers_are_refused_by_item(fact: str, value: object) -> None:
    record = records(1)[0]
    told = rf"item 'p0': {fact} is {re.escape(repr(value))}; expected a number, or nothing where it is unknown"
    with pytest.raises(DataError, match=told):
        TruthBuilder(SIDE).add_box(replace(record, info={**record.info, fact: value}))


def test_own_frame_forgets_the_world_and_keeps_the_lens() -> None:
    record = records(1)[0]
    camera = own_frame(record.camera)
    np.testing.assert_allclose(camera.project(record.joints_mm), record.joints_px)
