"""From predictions to rows: every number on the report worked out a second way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from metricpose.errors import DataError, InputError
from metricpose.evaluation.definition import STANDARD
from metricpose.evaluation.predictions import Header, Predictions
from metricpose.evaluation.protocols import LIMBS, PROTOCOLS, Group, Protocol
from metricpose.evaluation.report import MEASURES, Report, Row
from metricpose.evaluation.run import predict_records
from metricpose.evaluation.scoring import evaluate
from metricpose.skeleton import catalog
from metricpose.types import HIDDEN, OUTSIDE, VISIBLE, Record
from oracle import SIDE, Oracle, records
from reference import metrics_numpy as naive

COUNT = 6
H36M = Group("made up", "h36m_17", catalog.H36M_17.joints, ("pelvis",))
PROTOCOL = Protocol("test", "made up people", "labels", (H36M,), "test", subsets=("all", "present"))
HEADER = Header("test", "made up", "test", 0, 0, "true boxes", "metricpose_25", "pelvis", "network")


def people() -> list[Record]:
    known = records(COUNT)
    for index, record in enumerate(known):
        record.joints_mm[index + 1] = np.nan
        record.joints_px[index + 1] = np.nan
        record.visibility[:] = np.array([VISIBLE, HIDDEN, OUTSIDE], np.uint8)[np.arange(25) % 3]
        # The upper half of the box only, so that joints are absent from the crop.
        x, y, w, h = record.box_xywh
        known[index] = replace(record, box_xywh=np.array([x, y, w, h / 2]))
    return known


@pytest.fixture(scope="module")
def made() -> Predictions:
    known = people()
    oracle = Oracle([replace(r, joints_mm=np.nan_to_num(r.joints_mm, nan=2500.0)) for r in known], noise_mm=60.0)
    return predict_records(oracle, known, HEADER)


@pytest.fixture(scope="module")
def report(made: Predictions) -> Report:
    return evaluate(made, PROTOCOL)


def main(report: Report, subset: str = "all") -> Row:
    return next(r for r in report.select() if r.subset == subset)


def average(values: list[naive.Value]) -> float:
    assert values
    return float(np.mean([v for _, _, v in values]))


def truth(made: Predictions) -> tuple[np.ndarray, np.ndarray]:
    true = made.truth.joints_mm[:, :17]
    return true, np.isfinite(true).all(-1)


def test_main_row_equals_the_naive_twins(made: Predictions, report: Report) -> None:
    true, mask = truth(made)
    relative, absolute = made.joints_mm[:, :17], made.joints_abs_mm[:, :17]
    values = main(report).values
    assert values["mpjpe"].mean == pytest.approx(average(naive.mpjpe(relative, true, [0], mask)))
    assert values["n_mpjpe"].mean == pytest.approx(average(naive.n_mpjpe(relative, true, [0], mask)))
    assert values["pa_mpjpe"].mean == pytest.approx(average(naive.pa_mpjpe(relative, true, mask)))
    assert values["a_mpjpe"].mean == pytest.approx(average(naive.distances(absolute, true, mask)))
    edges = list(catalog.H36M_17.edges)
    assert values["bone"].mean == pytest.approx(average(naive.bone_errors(relative, true, edges, mask)))
    assert values["mpjpe"].count == mask.sum() == COUNT * 17 - COUNT
    assert values["mpjpe"].units == main(report).people == COUNT


def test_percentages_and_root_error(made: Predictions, report: Report) -> None:
    true, mask = truth(made)
    errors = np.array([v for *_, v in naive.mpjpe(made.joints_mm[:, :17], true, [0], mask)])
    values = main(report).values
    assert 20 < values["pck150"].mean < 99
    assert values["pck150"].mean == pytest.approx(100 * np.mean(errors < 150))
    assert values["auc"].mean == pytest.approx(100 * np.mean(np.maximum(0, 1 - errors / 150)))
    assert values["auc31"].mean == pytest.approx(np.mean([naive.auc_thresholds(e) for e in errors]))
    root = np.linalg.norm(made.joints_abs_mm[:, 0] - true[:, 0], axis=-1)
    assert values["mrpe"].mean == pytest.approx(root.mean())


def present(made: Predictions) -> np.ndarray:
    """Joints whose truth lies in the crop, from the crop cameras one by one."""
    t = made.truth
    out = np.zeros((COUNT, 17), bool)
    for i in range(COUNT):
        for j in range(17):
            x, y, z = t.crop_rotation[i] @ t.joints_mm[i, j]
            u, v = (t.crop_intrinsics[i] @ [x, y, z])[:2] / z
            out[i, j] = z > 0 and 0 <= u < SIDE and 0 <= v < SIDE
    return out


def test_present_joints_are_those_whose_truth_is_in_the_crop(made: Predictions, report: Report) -> None:
    true, mask = truth(made)
    inside = present(made)
    assert 0.2 < (inside & mask).sum() / mask.sum() < 0.8
    relative = made.joints_mm[:, :17]
    values = main(report, "present").values
    # The root is subtracted even where it is outside the crop itself.
    with_root = mask & inside
    with_root[:, 0] = mask[:, 0]
    expected = [v for v in naive.mpjpe(relative, true, [0], with_root) if inside[v[0], v[1]]]
    assert values["mpjpe"].mean == pytest.approx(average(expected))
    assert values["mpjpe"].count == len(expected) == (inside & mask).sum()
    assert values["pa_mpjpe"].mean == pytest.approx(average(naive.pa_mpjpe(relative, true, mask & inside)))
    scaled = [v for v in naive.n_mpjpe(relative, true, [0], with_root) if inside[v[0], v[1]]]
    assert values["n_mpjpe"].mean == pytest.approx(average(scaled))
    assert values["n_mpjpe"].count == values["mpjpe"].count
    assert not inside[:, 0].all(), "the case of a root outside the crop is not tested"


def test_present_roots_are_those_in_the_crop(made: Predictions, report: Report) -> None:
    true, mask = truth(made)
    inside = (present(made) & mask)[:, 0]
    assert 0 < inside.sum() < mask[:, 0].sum()
    root = np.linalg.norm(made.joints_abs_mm[:, 0] - true[:, 0], axis=-1)
    value = main(report, "present").values["mrpe"]
    assert value.mean == pytest.approx(root[inside].mean())
    assert value.count == inside.sum()


def test_a_root_that_is_no_counted_joint_has_an_error_all_the_same(made: Predictions) -> None:
    limbs = replace(H36M, joints=LIMBS)
    found = evaluate(made, replace(PROTOCOL, groups=(limbs,)))
    for subset in ("all", "present"):
        assert main(found, subset).values["mrpe"] == main(evaluate(made, PROTOCOL), subset).values["mrpe"]


def test_pixels_are_scored_where_the_truth_is_in_the_crop(made: Predictions, report: Report) -> None:
    _, mask = truth(made)
    inside = present(made) & mask
    errors = np.linalg.norm(made.joints_px[:, :17] - made.truth.joints_px[:, :17], axis=-1)
    assert main(report).values["px"].mean == pytest.approx(errors[inside].mean())


def test_coverage_of_stated_covariances(made: Predictions, report: Report) -> None:
    wide = evaluate(replace(made, covariance_mm2=made.covariance_mm2 * 1e6), PROTOCOL)
    assert main(wide).values["cover50"].mean == 100
    narrow = evaluate(replace(made, covariance_mm2=made.covariance_mm2 * 1e-6), PROTOCOL)
    assert main(narrow).values["cover90"].mean == 0
    # Noise of 60 mm per axis and joint against a root of equal noise: 2 * 3600 mm^2 per axis.
    right = evaluate(replace(made, covariance_mm2=np.tile(np.eye(3) * 7200, (COUNT, 25, 1, 1))), PROTOCOL)
    assert main(right).values["cover50"].mean == pytest.approx(50, abs=20)
    assert main(right).values["cover50"].count == main(report).values["mpjpe"].count - COUNT  # without the root


def test_unknown_distances_are_left_out_of_absolute_errors(made: Predictions, report: Report) -> None:
    valid = np.array([True, False, True, True, False, True])
    partly = evaluate(replace(made, truth=replace(made.truth, abs_valid=valid)), PROTOCOL)
    a, b = main(partly).values, main(report).values
    assert a["mpjpe"] == b["mpjpe"]
    assert a["mrpe"].count == 4
    root = np.linalg.norm(made.joints_abs_mm[:, 0] - made.truth.joints_mm[:, 0], axis=-1)
    assert a["mrpe"].mean == pytest.approx(root[valid].mean())
    never = replace(PROTOCOL, groups=(replace(H36M, absolute=False),))
    assert not {"a_mpjpe", "a_pck150", "mrpe"} & set(main(evaluate(made, never)).values)


# -- breakdowns --------------------------------------------------------------------------------------------------


def parts(report: Report, kind: str) -> dict[str, Row]:
    return {row.part: row for row in report.select(kind) if row.subset == "all"}


def test_people_are_sorted_by_height_age_and_distance(made: Predictions, report: Report) -> None:
    heights = parts(report, "height")  # 900, 1100, ..., 1900 mm
    assert {k: r.people for k, r in heights.items()} == {
        "< 100 cm": 1, "100-130 cm": 1, "130-150 cm": 1, "150-170 cm": 1, ">= 170 cm": 2,
    }  # fmt: skip
    assert {k: r.people for k, r in parts(report, "age").items()} == {
        "< 6 years": 1, "18-65 years": 3, ">= 65 years": 2,
    }  # fmt: skip
    assert {k: r.people for k, r in parts(report, "distance").items()} == {"2-4 m": COUNT}
    true, mask = truth(made)
    child = naive.mpjpe(made.joints_mm[:1, :17], true[:1], [0], mask[:1])
    assert heights["< 100 cm"].values["mpjpe"].mean == pytest.approx(average(child))
    assert set(heights["< 100 cm"].values) == set(main(report).values)


def test_joints_are_sorted_by_visibility(made: Predictions, report: Report) -> None:
    true, mask = truth(made)
    rows = parts(report, "visibility")
    assert list(rows) == ["visible", "hidden", "outside the image"]
    hidden = [v for v in naive.mpjpe(made.joints_mm[:, :17], true, [0], mask) if v[1] % 3 == 1]
    assert rows["hidden"].values["mpjpe"].mean == pytest.approx(average(hidden))
    assert not {"bone", "mrpe"} & set(rows["hidden"].values)
    total = sum(r.values["mpjpe"].count for r in rows.values())
    assert total == main(report).values["mpjpe"].count


def test_every_joint_has_its_row(made: Predictions, report: Report) -> None:
    true, mask = truth(made)
    rows = parts(report, "joint")
    assert tuple(rows) == catalog.H36M_17.joints
    wrist = [v for v in naive.mpjpe(made.joints_mm[:, :17], true, [0], mask) if v[1] == 16]
    assert rows["r_wrist"].values["mpjpe"].mean == pytest.approx(average(wrist))
    assert rows["pelvis"].values["mpjpe"].mean == 0
    assert rows["r_hip"].people == COUNT - 1


# -- groups, roots, skeletons ------------------------------------------------------------------------------------


def test_joints_that_do_not_count_change_nothing_but_the_root_may_be_among_them(made: Predictions) -> None:
    limbs = replace(PROTOCOL, groups=(replace(H36M, joints=LIMBS),), subsets=("all",), breakdowns=())
    true, mask = truth(made)
    counted = np.isin(np.array(catalog.H36M_17.joints), LIMBS)
    with_root = mask & (counted | (np.arange(17) == 0))
    expected = [v for v in naive.mpjpe(made.joints_mm[:, :17], true, [0], with_root) if v[1] != 0]
    values = main(evaluate(made, limbs)).values
    assert values["mpjpe"].mean == pytest.approx(average(expected))
    assert values["mpjpe"].count == (mask & counted).sum()
    relative = made.joints_mm[:, :17]
    assert values["pa_mpjpe"].mean == pytest.approx(average(naive.pa_mpjpe(relative, true, mask & counted)))
    spoilt = made.joints_mm.copy()
    spoilt[:, [7, 8, 9, 10]] += 1e5
    assert main(evaluate(replace(made, joints_mm=spoilt), limbs)).values == values


def test_mid_hips_as_root(made: Predictions) -> None:
    group = replace(H36M, joints=LIMBS, root=("l_hip", "r_hip"))
    found = evaluate(made, replace(PROTOCOL, groups=(group,), subsets=("all",)))
    true, mask = truth(made)
    mask = mask & np.isin(np.array(catalog.H36M_17.joints), LIMBS)
    expected = naive.mpjpe(made.joints_mm[:, :17], true, [4, 1], mask)
    assert main(found).values["mpjpe"].mean == pytest.approx(average(expected))
    assert main(found).values["mpjpe"].units == COUNT - 2  # one lacks the left hip, one the right
    assert found.cards["made up"]["root"] == "l_hip and r_hip (mean)"


def test_groups_take_their_sources_and_the_rest_is_noted(made: Predictions) -> None:
    named = ("lab one", "lab two", "lab one", "street", "lab two", "lab one")
    some = replace(made, truth=replace(made.truth, sources=named))
    groups = (replace(H36M, name="one", source="lab one"), replace(H36M, name="labs", source="lab"))
    report = evaluate(some, replace(PROTOCOL, groups=groups, subsets=("all",)))
    assert {row.group: row.people for row in report.select()} == {"one": 3, "labs": 2}
    assert report.notes == ("1 people belong to no group and are left out",)
    with pytest.raises(InputError, match=r"none of the 6 people belongs .* must begin with 'Mars'"):
        evaluate(some, replace(PROTOCOL, groups=(replace(H36M, source="Mars"),)))


def test_truth_in_another_skeleton_is_converted_and_scored_in_the_groups() -> None:
    known = records(3, skeleton="openpose_25")
    oracle = Oracle(known, noise_mm=25.0)
    header = replace(HEADER, skeleton="openpose_25", root="neck")
    group = replace(PROTOCOLS["real-dev"].groups[2], source="")
    known[0].joints_mm[catalog.OPENPOSE_25.index("nose")] = np.nan
    made = predict_records(oracle, known, header)
    row = main(evaluate(made, replace(PROTOCOL, groups=(group,), subsets=("all",))))
    joints = [catalog.OPENPOSE_25.index(j) for j in LIMBS]
    true, predicted = made.truth.joints_mm[:, joints], made.joints_mm[:, joints]
    hips = [LIMBS.index("l_hip"), LIMBS.index("r_hip")]
    expected = naive.mpjpe(predicted, true, hips, np.ones((3, 12), bool))
    assert row.values["mpjpe"].mean == pytest.approx(average(expected))


# -- report ------------------------------------------------------------------------------------------------------


def test_the_card_states_everything_a_number_depends_on(report: Report) -> None:
    card = report.cards["made up"]
    assert card["joint set"].startswith("17 joints of h36m_17: pelvis, r_hip")
    assert card["crop source"] == "true boxes"
    assert card["scale policy"] == "network"
    assert card["position"] == "solved from the heatmaps"
    assert card["people"] == str(COUNT)
    assert "6 images" in card["intervals"]
    for key in ("root", "alignment", "matching", "subset", "checkpoint", "views", "data", "split"):
        assert card[key]


def test_people_solved_from_few_joints_are_counted_on_the_card(made: Predictions) -> None:
    flags = np.array([0, 1, 1, 3, 0, 2])
    card = evaluate(replace(made, flags=flags), PROTOCOL).cards["made up"]
    assert card["position"].endswith(
        "2 from two joint(s) in view, 1 from one joint(s) in view, 1 from no joint(s) in view"
    )
    box = evaluate(replace(made, flags=np.full(COUNT, 10)), PROTOCOL).cards["made up"]
    assert "size of the box" in box["position"]


def test_intervals_hold_the_mean_and_are_seeded(made: Predictions, report: Report) -> None:
    for row in report.select():
        for value in row.values.values():
            assert value.low <= value.mean <= value.high
    assert evaluate(made, PROTOCOL).to_json() == report.to_json()
    other = main(evaluate(made, PROTOCOL, seed=1)).values["mpjpe"]
    assert other.mean == main(report).values["mpjpe"].mean
    assert other.low != main(report).values["mpjpe"].low


def test_intervals_by_person_are_wider_where_persons_differ(made: Predictions) -> None:
    shared = replace(made, truth=replace(made.truth, persons=("a", "a", "a", "b", "b", "b")))
    by_person = replace(PROTOCOL, groups=(replace(H36M, resample="person"),))
    value = main(evaluate(shared, by_person)).values["mpjpe"]
    assert value.units == 2
    assert "2 persons" in evaluate(shared, by_person).cards["made up"]["intervals"]


def test_the_report_survives_its_file(report: Report, tmp_path: Path) -> None:
    report.save(tmp_path / "r.json")
    assert Report.load(tmp_path / "r.json").to_json() == report.to_json()
    assert Report.load(tmp_path / "r.json").header == report.header
    (tmp_path / "r.json").write_text('{"format": "other"}')
    with pytest.raises(DataError, match="expected a metricpose-report-1 file"):
        Report.load(tmp_path / "r.json")


def test_a_nan_prediction_is_null_in_the_file_and_nan_again_after_it(made: Predictions, tmp_path: Path) -> None:
    spoilt = made.joints_mm.copy()
    spoilt[2, 5] = np.nan
    report = evaluate(replace(made, joints_mm=spoilt), PROTOCOL)
    assert np.isnan(main(report).values["mpjpe"].mean)
    assert "no finite prediction; means over them are NaN" in report.notes[0]
    report.save(tmp_path / "r.json")
    assert "NaN," not in (tmp_path / "r.json").read_text()
    assert np.isnan(main(Report.load(tmp_path / "r.json")).values["mpjpe"].mean)
    assert np.isfinite(parts(report, "height")["< 100 cm"].values["mpjpe"].mean)


def test_predictions_of_another_protocol_are_refused(made: Predictions) -> None:
    with pytest.raises(InputError, match="made for 'test', not for 'synthetic'"):
        evaluate(made, PROTOCOLS["synthetic"])


def test_every_measure_is_described(report: Report) -> None:
    assert set(main(report).values) == set(STANDARD) < set(MEASURES)
