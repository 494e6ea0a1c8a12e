"""Other systems' files: matched by id, refused where they do not say or mean the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import protocol_people as made
from metricpose.errors import DataError
from metricpose.evaluation.external import crowd, match, read_external
from metricpose.evaluation.predictions import Header, Truth, TruthBuilder
from metricpose.evaluation.protocols import get
from metricpose.evaluation.report import Report
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
        ({"skeleton": "nobody_24"}, "unknown skeleton 'nobody_24'"),
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


# -- people of images -------------------------------------------------------------------------------------------

MUPOTS = "mupots-metric"


def crowded(**changes: Any) -> tuple[Truth, dict[str, Any]]:
    """Two annotated people in one image and one in another; the system found three in the first and nobody else."""
    joints = made.poses(3, "mpi_inf_3dhp_17", np.random.default_rng(0), 120.0)
    true = made.truth(joints, "mpi_inf_3dhp_17", images=("TS1/0", "TS1/0", "TS2/0"), recordings=("TS1", "TS1", "TS2"))
    stranger = joints[0] + np.array([0, 2500.0, 0])
    values = {
        "images": ["TS1/0"] * 3,
        "joints_mm": [stranger.tolist(), (joints[1] + 10).tolist(), (joints[0] + 10).tolist()],
        "skeleton": "mpi_inf_3dhp_17",
        "unit": "mm",
        "position": "absolute",
    }
    return true, {k: v for k, v in {**values, **changes}.items() if v is not ...}


def scored(folder: Path, true: Truth, values: dict[str, Any]) -> Report:
    read = read_external(write(folder / "crowd.json", values))
    return evaluate(crowd(read, true, made.header(MUPOTS)), get(MUPOTS))


def test_people_are_matched_by_the_projection_of_their_joints(tmp_path: Path) -> None:
    report = scored(tmp_path, *crowded())
    detected = next(r for r in report.select() if (r.group, r.subset, r.part) == ("14 joints", "detected", ""))
    assert detected.people == 2
    assert detected.values["a_mpjpe"].mean == pytest.approx(np.sqrt(300))
    assert detected.values["mpjpe"].mean == pytest.approx(0, abs=1e-9)
    assert "1 of 3 annotated people were not found; 1 people matched nobody" in report.notes[0]
    assert report.header.system == "not stated"


def test_given_pixels_are_matched_instead(tmp_path: Path) -> None:
    """The pixels say that the stranger is the first person, though their joints are far away."""
    true, values = crowded()
    px = [true.joints_px[0].tolist(), true.joints_px[1].tolist(), (true.joints_px[0] + 900).tolist()]
    report = scored(tmp_path, true, {**values, "joints_px": px})
    detected = next(r for r in report.select() if (r.group, r.subset, r.part) == ("14 joints", "detected", ""))
    assert detected.values["a_mpjpe"].mean == pytest.approx((2500 + np.sqrt(300)) / 2)


def test_an_empty_crowd_finds_nobody(tmp_path: Path) -> None:
    true, values = crowded(images=[], joints_mm=[])
    report = scored(tmp_path, true, values)
    assert next(r for r in report.select() if r.subset == "annotated").values["pck150"].mean == 0


def test_crowds_that_cannot_be_matched_are_refused(tmp_path: Path) -> None:
    true, values = crowded(position="relative")
    with pytest.raises(DataError, match="people are matched by pixels; joints_px is needed"):
        scored(tmp_path, true, values)
    with pytest.raises(DataError, match=r"1 images are not the protocol's \(TS9/0\)"):
        scored(tmp_path, true, {**values, "images": ["TS1/0", "TS1/0", "TS9/0"]})
    with pytest.raises(DataError, match="has ids; where people are matched, 'images' names the image of each"):
        scored(tmp_path, true, {**{k: v for k, v in values.items() if k != "images"}, "ids": ["a", "b", "c"]})
    with pytest.raises(DataError, match=r"joints_px has shape \(3, 17, 3\)"):
        scored(tmp_path, true, {**values, "joints_px": values["joints_mm"]})
    read = read_external(write(tmp_path / "crowd.json", values))
    with pytest.raises(DataError, match="names images; this protocol needs 'ids'"):
        match(read, true, HEADER)
