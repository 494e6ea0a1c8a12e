"""Other systems' files: matched by id, refused where they do not say or mean the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metricpose.errors import DataError
from metricpose.evaluation.external import match, read_external
from metricpose.evaluation.predictions import Header, TruthBuilder
from metricpose.evaluation.protocols import get
from metricpose.evaluation.scoring import evaluate
from metricpose.files import sha256
from oracle import SIDE, records

HEADER = Header("synthetic", "made up", "test", 3, 0, "true boxes", "", "", "")


def contents(**changes: Any) -> dict[str, Any]:
    known = records(3, skeleton="h36m_17")
    order = (2, 0, 1)
    made = {
        "ids": [f"p{i}" for i in order],
        "joints_mm": [known[i].joints_mm.tolist() for i in order],
        "skeleton": "h36m_17",
        "unit": "mm",
        "position": "absolute",
        "system": "theirs",
    }
    return {k: v for k, v in {**made, **changes}.items() if v is not ...}


def write(path: Path, values: dict[str, Any]) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **{k: np.array(v) for k, v in values.items()})
    else:
        path.write_text(json.dumps(values))
    return path


def truth():
    builder = TruthBuilder(SIDE)
    for record in records(3, skeleton="h36m_17"):
        builder.add_box(record)
    return builder.build()


@pytest.mark.parametrize("name", ["p.json", "p.npz"])
def test_joints_are_put_beside_the_truth_by_id(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, contents())
    found = match(read_external(path), truth(), HEADER)
    np.testing.assert_allclose(found.joints_abs_mm, [r.joints_mm for r in records(3, skeleton="h36m_17")])
    assert found.header.system == "theirs"
    assert found.header.scale_policy == "not stated"
    assert found.header.checkpoint_sha256 == sha256(path)
    main = evaluate(found, get("synthetic")).select()[0]
    assert main.values["mpjpe"].mean == pytest.approx(0, abs=1e-9)
    assert main.values["a_mpjpe"].mean == pytest.approx(0, abs=1e-9)
    assert "px" not in main.values
    assert "cover50" not in main.values


def test_relative_joints_have_no_absolute_error(tmp_path: Path) -> None:
    moved = [(np.array(j) + 5000.0).tolist() for j in contents()["joints_mm"]]
    path = write(tmp_path / "p.json", contents(position="relative", joints_mm=moved))
    main = evaluate(match(read_external(path), truth(), HEADER), get("synthetic")).select()[0]
    assert main.values["mpjpe"].mean == pytest.approx(0, abs=1e-9)
    assert not {"a_mpjpe", "a_pck150", "mrpe"} & set(main.values)


def test_joints_that_are_not_given_make_the_mean_nan_and_a_note(tmp_path: Path) -> None:
    joints: Any = contents()["joints_mm"]
    joints[0][5] = [None, None, None]
    path = write(tmp_path / "p.json", contents(joints_mm=joints))
    report = evaluate(match(read_external(path), truth(), HEADER), get("synthetic"))
    assert np.isnan(report.select()[0].values["mpjpe"].mean)
    assert "1 measured joints have no finite prediction" in report.notes[0]
    per_joint = {row.part: row.values["mpjpe"].mean for row in report.select("joint")}
    assert np.isnan(per_joint["l_knee"])
    assert per_joint["r_knee"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unit": "m"}, "unit is 'm', expected 'mm'"),
        ({"unit": ...}, "missing unit; needed: ids, joints_mm"),
        ({"skeleton": "smpl_24"}, "unknown skeleton 'smpl_24'"),
        ({"skeleton": "coco_17", "joints_mm": [[[0, 0, 1]] * 16] * 3}, r"3 ids of coco_17 need \(3, 17, 3\)"),
        ({"position": "world"}, "position is 'world', expected 'absolute' or 'relative'"),
        ({"ids": ["p0", "p1", "p1"]}, "ids occur twice: p1"),
        ({"joints_mm": [[[1, 2, 3]] * 17] * 2}, r"joints_mm has shape \(2, 17, 3\)"),
        ({"joints_mm": [[[1, 2, 3]] * 17] * 2 + [[None] * 17]}, "must be n x joints x 3 numbers"),
    ],
)
def test_files_that_do_not_say_the_same_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_external(write(tmp_path / "p.json", contents(**changes)))


def test_ids_must_be_exactly_the_protocols(tmp_path: Path) -> None:
    path = write(tmp_path / "p.json", contents(ids=["p0", "p1", "q"]))
    with pytest.raises(DataError, match=r"the protocol's 3 items; missing 1 \(p2\), unknown 1 \(q\)"):
        match(read_external(path), truth(), HEADER)


@pytest.mark.parametrize("text", ["", "[1]", "{"])
def test_damaged_files_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(DataError, match=r"p.json"):
        read_external(tmp_path / "p.json")
