"""The official protocols: each number against a twin written from the papers, and cases worked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import protocol_people as made
from metricpose.data.readers import READERS
from metricpose.errors import InputError
from metricpose.evaluation.definition import LIMBS
from metricpose.evaluation.official import OFFICIAL
from metricpose.evaluation.predictions import Predictions
from metricpose.evaluation.protocols import PROTOCOLS, get
from metricpose.evaluation.report import MEASURES, Report, Row
from metricpose.evaluation.scoring import evaluate
from metricpose.evaluation.tables import as_printed
from metricpose.skeleton import catalog
from reference import metrics_numpy
from reference import protocols as naive

NAMES = [p.name for p in OFFICIAL]
MPI = "mpi_inf_3dhp_17"


def row(report: Report, group: str, subset: str = "all", mean: str = "") -> Row:
    return next(r for r in report.select() if (r.group, r.subset, r.part) == (group, subset, mean))


def mean_of(report: Report, measure: str, group: str, subset: str = "all", mean: str = "") -> float:
    return row(report, group, subset, mean).values[measure].mean


def noisy(protocol: str, count: int, seed: int = 0, sigma: float = 60.0, **tags: list[str]) -> Predictions:
    """Predictions of different people that are off by different amounts."""
    rng = np.random.default_rng(seed)
    skeleton = get(protocol).groups[0].skeleton
    joints = made.poses(count, skeleton, rng)
    off = rng.normal(0, sigma, joints.shape) * np.linspace(0.3, 2, count)[:, None, None]
    turned = joints + off
    return made.predictions(protocol, made.truth(joints, skeleton, **tags), turned)


# -- the table -----------------------------------------------------------------------------------------------------


def test_the_promised_protocols_are_there_by_content() -> None:
    assert set(NAMES) == {
        "h36m-s9s11-every64", "h36m-s9s11-all", "h36m-s11-every64", "h36m-truncated", "3dhp-metric", "3dhp-universal",
        "3dhp-universal-920mm", "3dhp-universal-true-height", "mupots-universal", "mupots-metric",
        "humaneva-walking-jog", "3dpw-all", "3dpw-test",
    }  # fmt: skip
    assert set(NAMES) <= set(PROTOCOLS)
    assert len({p.title for p in OFFICIAL}) == len(OFFICIAL)


@pytest.mark.parametrize("name", NAMES)
def test_a_protocol_names_what_exists(name: str) -> None:
    protocol = get(name)
    for group in protocol.groups:
        assert set(group.measures) <= set(MEASURES)
        assert group.resample == "recording"
    for layout in protocol.layouts:
        assert set(layout.measures) <= set(protocol.groups[0].measures)
        kinds = {column.breakdown for column in layout.columns if column.breakdown}
        assert kinds <= set(protocol.breakdowns)
        assert len(set(layout.columns)) == len(layout.columns)
    assert protocol.recording_facts
    for reader in protocol.readers:
        assert set(protocol.split.split("+")) <= set(READERS[reader].about.splits)


@pytest.mark.parametrize("name", NAMES)
def test_a_perfect_prediction_is_perfect(name: str) -> None:
    """But for AUC-31, which has a threshold of 0 that nobody passes. The made-up people are not of the nominal size."""
    protocol = get(name)
    joints = made.poses(4, protocol.groups[0].skeleton, np.random.default_rng(0), 150.0)
    true = made.truth(
        joints, protocol.groups[0].skeleton, recordings=["a", "a", "b", "b"], actions=["x", "y", "x", "y"]
    )
    nominal = replace(
        protocol, groups=tuple(replace(g, rescale="none") if "920" in g.rescale else g for g in protocol.groups)
    )
    report = evaluate(made.predictions(name, true, joints), nominal)
    seen = set()
    for found in report.rows:
        for measure, value in found.values.items():
            perfect = {"mm": 0.0, "px": 0.0, "%": 100.0}[MEASURES[measure].unit]
            ideal = 100 * 30 / 31 if "auc31" in measure else perfect
            assert value.mean == pytest.approx(ideal, abs=1e-6), (found.part, measure)
            seen.add(measure)
    wanted = {m for g in protocol.groups for m in g.measures if not m.startswith("cover")}
    assert seen == wanted


@pytest.mark.parametrize("name", NAMES)
def test_the_card_says_what_it_compares_with(name: str) -> None:
    report = evaluate(noisy(name, 4, recordings=["a", "a", "b", "b"]), get(name))
    for group, card in report.cards.items():
        text = card["compares with"]
        assert text == "no public number" or text.endswith("; nothing else"), group
        assert card["rescaling"]
        assert card["intervals"].endswith("over 2 recordings")
        assert card["these were trained on"]


# -- Human3.6M -----------------------------------------------------------------------------------------------------


def h36m(name: str = "h36m-s9s11-every64", seed: int = 0) -> Predictions:
    return noisy(
        name,
        12,
        seed,
        actions=["Directions"] * 5 + ["Photo"] * 4 + ["WalkDog"] * 3,
        recordings=[f"S9/{i // 2}" for i in range(12)],
        persons=["S9"] * 7 + ["S11"] * 5,
    )


def test_h36m_numbers_equal_the_twin() -> None:
    made_of = h36m()
    report = evaluate(made_of, get("h36m-s9s11-every64"))
    true, predicted = made_of.truth.joints_mm, made_of.joints_abs_mm
    relative = naive.relative_errors(predicted, true, 0)
    assert mean_of(report, "mpjpe", "17 joints") == pytest.approx(
        naive.mean([e for person in relative for e in person])
    )
    actions = list(made_of.truth.actions)
    by_action = naive.mean_of_parts(relative, actions)
    assert mean_of(report, "mpjpe", "17 joints", mean="mean of actions") == pytest.approx(by_action)
    assert by_action != pytest.approx(mean_of(report, "mpjpe", "17 joints"), abs=1)
    mask = np.ones(true.shape[:2], bool)
    similar = [e for *_, e in metrics_numpy.pa_mpjpe(predicted, true, mask)]
    assert mean_of(report, "pa_mpjpe", "17 joints") == pytest.approx(naive.mean(similar))
    rigid = [float(np.linalg.norm(naive.rigid(p, t) - t, axis=-1).mean()) for p, t in zip(predicted, true)]
    assert mean_of(report, "rigid_mpjpe", "17 joints") == pytest.approx(naive.mean(rigid))
    assert mean_of(report, "pa_mpjpe", "17 joints") < mean_of(report, "rigid_mpjpe", "17 joints")
    assert mean_of(report, "rigid_mpjpe", "17 joints") < mean_of(report, "mpjpe", "17 joints")


def test_the_roots_own_zero_counts() -> None:
    """All joints but the root 17 mm off: 16 mm on average."""
    joints = made.poses(2, "h36m_17", np.random.default_rng(0))
    off = joints + np.array([17.0, 0, 0])
    off[:, 0] = joints[:, 0]
    found = made.predictions("h36m-s9s11-every64", made.truth(joints, "h36m_17"), off)
    assert mean_of(evaluate(found, get("h36m-s9s11-every64")), "mpjpe", "17 joints") == pytest.approx(16.0)


def test_size_counts_in_the_rigid_variant_alone() -> None:
    joints = made.poses(2, "h36m_17", np.random.default_rng(0))
    found = made.predictions("h36m-s11-every64", made.truth(joints, "h36m_17"), joints * 1.1)
    report = evaluate(found, get("h36m-s11-every64"))
    assert mean_of(report, "pa_mpjpe", "17 joints") == pytest.approx(0, abs=1e-6)
    middle = joints - joints.mean(1, keepdims=True)
    assert mean_of(report, "rigid_mpjpe", "17 joints") == pytest.approx(0.1 * np.linalg.norm(middle, axis=-1).mean())


def test_a_mirrored_pose_is_not_aligned() -> None:
    joints = made.poses(2, "h36m_17", np.random.default_rng(0))
    found = made.predictions("h36m-s11-every64", made.truth(joints, "h36m_17"), joints * [-1, 1, 1])
    assert mean_of(evaluate(found, get("h36m-s11-every64")), "pa_mpjpe", "17 joints") > 50


def test_tables_by_action_have_both_orders_and_intervals() -> None:
    report = evaluate(h36m(), get("h36m-s9s11-every64"))
    moon, martinez = as_printed(report)
    assert moon.headings[2:] == (
        "Dir.", "Disc.", "Eat", "Greet", "Phone", "Pose", "Purch.", "Sit", "SitD.", "Smoke", "Photo", "Wait", "Walk",
        "WalkD.", "WalkT.", "mean of actions", "all frames",
    )  # fmt: skip
    assert martinez.headings[2:17] == (
        "Dir.", "Disc.", "Eat", "Greet", "Phone", "Photo", "Pose", "Purch.", "Sit", "SitD.", "Smoke", "Wait", "WalkD.",
        "Walk", "WalkT.",
    )  # fmt: skip
    assert [r[1] for r in moon.rows] == ["MPJPE mm", "PA-MPJPE mm", "rigid MPJPE mm"]
    cells, other = (dict(zip(t.headings, t.rows[0])) for t in (moon, martinez))
    photo = report.select("action")[1].values["mpjpe"]
    assert cells["Photo"] == other["Photo"] == f"{photo.mean:.1f} [{photo.low:.1f}, {photo.high:.1f}]"
    assert cells["Sit"] == "–"
    assert cells["all frames"].startswith(f"{mean_of(report, 'mpjpe', '17 joints'):.1f} [")
    parts = [r.values["mpjpe"].mean for r in report.select("action")]
    assert float(cells["mean of actions"].split()[0]) == pytest.approx(np.mean(parts), abs=0.05)


def test_people_whom_the_truth_does_not_show_whole() -> None:
    """Masked joints hold NaN and change nothing else."""
    whole = h36m()
    joints = whole.truth.joints_mm.copy()
    joints[2, 5:9] = np.nan
    joints[3, 0] = np.nan  # no root: not counted relatively, but aligned
    partly = replace(whole, truth=replace(whole.truth, joints_mm=joints))
    report = evaluate(partly, get("h36m-s9s11-every64"))
    relative = naive.relative_errors(whole.joints_abs_mm, whole.truth.joints_mm, 0)
    kept = [[e for j, e in enumerate(p) if not (i == 2 and 5 <= j < 9)] for i, p in enumerate(relative) if i != 3]
    assert mean_of(report, "mpjpe", "17 joints") == pytest.approx(naive.mean([e for person in kept for e in person]))
    assert row(report, "17 joints").values["mpjpe"].count == 17 * 12 - 4 - 17
    assert row(report, "17 joints").values["pa_mpjpe"].count == 17 * 12 - 4 - 1


# -- MPI-INF-3DHP --------------------------------------------------------------------------------------------------


def mpi(name: str) -> Predictions:
    scenes = ["green screen"] * 3 + ["studio"] * 2 + ["outdoor"]
    tags = {"actions": ["Sports", "Misc."] * 3, "recordings": ["TS1", "TS1", "TS2", "TS3", "TS4", "TS5"]}
    return noisy(name, 6, 3, sigma=90.0, scenes=scenes, **tags)


def test_3dhp_numbers_equal_the_twin() -> None:
    made_of = mpi("3dhp-metric")
    report = evaluate(made_of, get("3dhp-metric"))
    errors = naive.relative_errors(made_of.joints_abs_mm, made_of.truth.joints_mm, naive.PELVIS)
    for group, joints in (("14 joints", range(14)), ("17 joints", range(17))):
        flat = [person[j] for person in errors for j in joints]
        assert mean_of(report, "mpjpe", group) == pytest.approx(naive.mean(flat))
        assert mean_of(report, "pck150", group) == pytest.approx(naive.pck(flat))
        assert mean_of(report, "auc31", group) == pytest.approx(naive.auc_31(flat))
        continuous = naive.mean([100 * max(0.0, 1 - e / 150) for e in flat])
        assert mean_of(report, "auc", group) == pytest.approx(continuous)
        assert row(report, group).people == 6
    assert 20 < mean_of(report, "pck150", "14 joints") < 95
    green = next(r for r in report.select("scene") if (r.group, r.part) == ("14 joints", "green screen"))
    flat = [person[j] for person in errors[:3] for j in range(14)]
    assert green.values["pck150"].mean == pytest.approx(naive.pck(flat))


def test_3dhp_alignment_sees_seventeen_joints_and_fourteen_count() -> None:
    made_of = mpi("3dhp-metric")
    report = evaluate(made_of, get("3dhp-metric"))
    mask = np.ones((6, 17), bool)
    aligned = metrics_numpy.pa_mpjpe(made_of.joints_abs_mm, made_of.truth.joints_mm, mask)
    flat = [e for _, j, e in aligned if j < 14]
    assert mean_of(report, "pa_mpjpe", "14 joints") == pytest.approx(naive.mean(flat))
    assert mean_of(report, "pa_pck150", "14 joints") == pytest.approx(naive.pck(flat))
    assert mean_of(report, "pa_auc31", "14 joints") == pytest.approx(naive.auc_31(flat))
    alone = [
        e
        for *_, e in metrics_numpy.pa_mpjpe(
            made_of.joints_abs_mm[:, :14], made_of.truth.joints_mm[:, :14], mask[:, :14]
        )
    ]
    assert naive.mean(flat) != pytest.approx(naive.mean(alone), rel=1e-3)


def test_pck_is_strict_and_auc_has_31_thresholds() -> None:
    """All joints but the root exactly 150 mm off: no joint is right, and no threshold is passed."""
    joints = made.poses(2, MPI, np.random.default_rng(0)).round()
    off = joints + np.array([150.0, 0, 0])
    off[:, naive.PELVIS] = joints[:, naive.PELVIS]
    true = made.truth(joints, MPI)
    report = evaluate(made.predictions("3dhp-metric", true, off), get("3dhp-metric"))
    assert mean_of(report, "pck150", "14 joints") == 0
    off[..., 0] = joints[..., 0] + np.where(np.arange(17) == naive.PELVIS, 0, 145.0)
    report = evaluate(made.predictions("3dhp-metric", true, off), get("3dhp-metric"))
    assert mean_of(report, "pck150", "14 joints") == 100
    assert mean_of(report, "auc31", "14 joints") == pytest.approx(100 / 31)
    assert mean_of(report, "auc", "14 joints") == pytest.approx(100 / 30)


@pytest.mark.parametrize("name", ["3dhp-universal", "3dhp-universal-920mm", "3dhp-universal-true-height"])
def test_universal_protocols_scale_as_they_say(name: str) -> None:
    made_of = mpi(name)
    report = evaluate(made_of, get(name))
    scaled = made_of.joints_abs_mm.copy()
    for i, pose in enumerate(scaled):
        wanted = {"3dhp-universal-920mm": 920.0, "3dhp-universal": naive.knee_neck(pose)}
        true = naive.knee_neck(made_of.truth.joints_mm[i])
        scaled[i] = pose * wanted.get(name, true) / naive.knee_neck(pose)
    errors = naive.relative_errors(scaled, made_of.truth.joints_mm, naive.PELVIS)
    flat = [person[j] for person in errors for j in range(14)]
    assert mean_of(report, "mpjpe", "14 joints") == pytest.approx(naive.mean(flat))
    assert not {"a_mpjpe", "a_pck150"} & set(row(report, "14 joints").values)
    assert "univ_annot3" in report.cards["14 joints"]["note"]


def test_3dhp_layout_is_by_activity_and_scene() -> None:
    table, other = as_printed(evaluate(mpi("3dhp-metric"), get("3dhp-metric")))
    assert table.headings[2:] == (
        "Stand/Walk", "Exercise", "Sit on Chair", "Reach/Crouch", "On Floor", "Sports", "Misc.", "GS", "no GS",
        "outdoor", "all",
    )  # fmt: skip
    assert [r[:2] for r in table.rows] == [("14 joints, all", t) for t in ("PCK@150 %", "AUC-31 %", "MPJPE mm")]
    assert other.rows[0][0] == "17 joints, all"


# -- MuPoTS-3D -----------------------------------------------------------------------------------------------------

IMAGES = ("TS1/0", "TS1/0", "TS1/1", "TS2/0", "TS2/0", "TS2/0")


def mupots(name: str, *, seed: int = 0) -> tuple[made.Crowd, list[np.ndarray | None]]:
    """Three images; one person is missed, one is seen where nobody is annotated. And what the twin is to be given."""
    rng = np.random.default_rng(seed)
    joints = made.poses(6, MPI, rng, 60.0)  # so that nobody's joints are near another's
    true = made.truth(
        joints, MPI, images=IMAGES, recordings=[i.split("/")[0] for i in IMAGES], abs_valid="metric" in name
    )
    seen = joints * [1, 1, 1.03] + rng.normal(0, 45, joints.shape)
    stranger = joints[:1] + np.array([0, 2500.0, 0])
    order = [5, 0, 3, 1, 2]  # person 4 is not found
    people = made.crowd(name, true, [IMAGES[i] for i in order] + ["TS1/1"], np.concatenate([seen[order], stranger]))
    return people, [None if i == 4 else seen[i] for i in range(6)]


@pytest.mark.parametrize("name", ["mupots-universal", "mupots-metric"])
@pytest.mark.parametrize("absolute", [False, True])
def test_mupots_numbers_equal_the_twin(name: str, absolute: bool) -> None:
    people, seen = mupots(name)
    report = evaluate(people, get(name))
    rescale = name == "mupots-universal"
    true = people.truth.joints_mm
    errors = [naive.mupots_errors(p, t, absolute=absolute, rescale=rescale) for p, t in zip(seen, true)]
    recordings = list(people.truth.recordings)
    prefix = "a_" if absolute else ""

    def twin(share: object, keep: list[int]) -> float:
        names = [recordings[i] for i in keep]
        return naive.mean(
            [share([e for i in keep if recordings[i] == n for e in errors[i]]) for n in sorted(set(names))]
        )

    everybody, found = list(range(6)), [0, 1, 2, 3, 5]
    for subset, keep in (("annotated", everybody), ("detected", found)):
        got = row(report, "14 joints", subset, "mean of recordings").values
        assert got[f"{prefix}pck150"].mean == pytest.approx(twin(naive.pck, keep))
        assert got[f"{prefix}auc31"].mean == pytest.approx(twin(naive.auc_31, keep))
    assert mean_of(report, f"{prefix}pck150", "14 joints", "annotated") == pytest.approx(
        naive.pck([e for person in errors for e in person])
    )
    if name == "mupots-metric":
        got = row(report, "14 joints", "detected", "mean of recordings").values
        assert got[f"{prefix}mpjpe"].mean == pytest.approx(twin(naive.mean, found))


def test_mupots_people_are_counted_and_the_missed_have_no_error_in_millimetres() -> None:
    people, _ = mupots("mupots-metric")
    report = evaluate(people, get("mupots-metric"))
    assert mean_of(report, "recall", "14 joints", "annotated") == pytest.approx(100 * 5 / 6)
    assert mean_of(report, "recall", "14 joints", "annotated", "mean of recordings") == pytest.approx(
        (100 + 200 / 3) / 2
    )
    assert "1 of 6 annotated people were not found; 1 people matched nobody" in report.notes[0]
    assert {MEASURES[m].unit for m in row(report, "14 joints", "annotated").values} == {"%"}
    assert row(report, "14 joints", "detected").people == 5
    assert row(report, "14 joints", "annotated").people == 6


def test_mupots_when_nobody_is_found() -> None:
    people, _ = mupots("mupots-universal")
    nobody = made.crowd("mupots-universal", people.truth, (), np.zeros((0, 17, 3)))
    report = evaluate(nobody, get("mupots-universal"))
    assert mean_of(report, "pck150", "14 joints", "annotated", "mean of recordings") == 0
    assert mean_of(report, "auc31", "14 joints", "annotated") == 0
    assert row(report, "14 joints", "detected").people == 0
    assert "6 of 6 annotated people were not found" in report.notes[0]


def test_more_people_cost_nothing() -> None:
    people, _ = mupots("mupots-universal")
    crowd = made.crowd(
        "mupots-universal", people.truth, people.images + ("TS2/0",) * 3,
        np.concatenate([people.joints_mm, people.joints_mm[:3] + np.array([0, 3000.0, 0])]),
    )  # fmt: skip
    report, before = (evaluate(c, get("mupots-universal")) for c in (crowd, people))
    assert row(report, "14 joints", "annotated").values == row(before, "14 joints", "annotated").values


def test_mupots_columns_are_the_recordings() -> None:
    people, _ = mupots("mupots-universal")
    report = evaluate(people, get("mupots-universal"))
    detected, annotated = as_printed(report)
    assert detected.headings == ("group", "measure", *(f"TS{n}" for n in range(1, 21)), "mean")
    assert [r[:2] for r in annotated.rows] == [
        ("14 joints, annotated", "PCK@150 %"), ("14 joints, annotated", "A-PCK@150 %"),
    ]  # fmt: skip
    mean = mean_of(report, "pck150", "14 joints", "annotated", "mean of recordings")
    cells = dict(zip(annotated.headings, annotated.rows[0]))
    assert cells["mean"].startswith(f"{mean:.1f}")
    ts1, ts2 = (float(cells[t].split()[0]) for t in ("TS1", "TS2"))
    assert (ts1 + ts2) / 2 == pytest.approx(mean, abs=0.1)


def test_universal_places_are_scored_as_distributed_and_metric_ones_where_they_are_right() -> None:
    people, _ = mupots("mupots-universal")
    assert not people.truth.abs_valid.any()
    assert "a_pck150" in row(evaluate(people, get("mupots-universal")), "14 joints", "detected").values
    metric, _ = mupots("mupots-metric")
    wrong = replace(metric, truth=replace(metric.truth, abs_valid=np.zeros(6, bool)))
    assert "a_mpjpe" not in row(evaluate(wrong, get("mupots-metric")), "14 joints", "detected").values


def test_a_crowd_is_refused_where_boxes_are_given() -> None:
    joints = made.poses(2, "h36m_17", np.random.default_rng(0))
    people = made.crowd("h36m-s9s11-all", made.truth(joints, "h36m_17"), ("item0",), joints[:1])
    with pytest.raises(InputError, match="takes one prediction for each true box"):
        evaluate(people, get("h36m-s9s11-all"))


# -- HumanEva-I ----------------------------------------------------------------------------------------------------


def test_humaneva_numbers_and_layout() -> None:
    cells = [("S1", "Walking"), ("S2", "Walking"), ("S1", "Jog"), ("S1", "Jog")]
    made_of = noisy(
        "humaneva-walking-jog", 4, persons=[c[0] for c in cells], actions=[c[1] for c in cells],
        recordings=["/".join(c) for c in cells],
    )  # fmt: skip
    report = evaluate(made_of, get("humaneva-walking-jog"))
    aligned = [[0.0] * 15 for _ in cells]
    for i, j, e in metrics_numpy.pa_mpjpe(made_of.joints_abs_mm, made_of.truth.joints_mm, np.ones((4, 15), bool)):
        aligned[i][j] = e
    assert mean_of(report, "pa_mpjpe", "15 joints") == pytest.approx(naive.mean([e for p in aligned for e in p]))
    six = mean_of(report, "pa_mpjpe", "15 joints", mean="mean of recordings")
    assert six == pytest.approx(naive.mean_of_parts(aligned, ["/".join(c) for c in cells]))
    (table,) = as_printed(report)
    assert table.headings[2:] == (
        "Walking S1", "Walking S2", "Walking S3", "Jog S1", "Jog S2", "Jog S3", "mean of six", "all frames",
    )  # fmt: skip
    shown = dict(zip(table.headings, table.rows[0]))
    assert shown["Walking S3"] == "–"
    assert shown["Jog S1"] == f"{naive.mean([e for p in aligned[2:] for e in p]):.1f}"


def test_joints_of_human36m_are_not_humanevas() -> None:
    joints = made.poses(2, "humaneva_15", np.random.default_rng(0))
    found = made.predictions("humaneva-walking-jog", made.truth(joints, "humaneva_15"), joints)
    with pytest.raises(InputError, match=r"no conversion from h36m_17 .* to humaneva_15"):
        evaluate(replace(found, header=replace(found.header, skeleton="h36m_17")), get("humaneva-walking-jog"))


# -- 3DPW ----------------------------------------------------------------------------------------------------------


def test_3dpw_numbers_equal_the_twin() -> None:
    made_of = noisy("3dpw-all", 6, recordings=["a", "a", "b", "b", "c", "c"])
    report = evaluate(made_of, get("3dpw-all"))
    errors = naive.relative_errors(made_of.joints_abs_mm, made_of.truth.joints_mm, 0)
    assert mean_of(report, "mpjpe", "24 joints") == pytest.approx(naive.mean([e for p in errors for e in p]))
    mask = np.ones((6, 24), bool)
    similar = [e for *_, e in metrics_numpy.pa_mpjpe(made_of.joints_abs_mm, made_of.truth.joints_mm, mask)]
    assert mean_of(report, "pa_mpjpe", "24 joints") == pytest.approx(naive.mean(similar))
    limbs = [1, 2, 4, 5, 7, 8, 16, 17, 18, 19, 20, 21]
    assert sorted(catalog.SMPL_24.index(j) for j in LIMBS) == limbs
    flat = [p[j] for p in errors for j in limbs]
    assert mean_of(report, "pck50", "12 limb joints") == pytest.approx(naive.pck_3dpw(flat))
    assert mean_of(report, "auc200", "12 limb joints") == pytest.approx(naive.auc_3dpw(flat))
    assert 5 < mean_of(report, "pck50", "12 limb joints") < 95


def test_3dpw_includes_the_threshold() -> None:
    """Limbs exactly 50 mm off are right; between the thresholds 49 and 50 the curve rises by a trapezoid."""
    joints = made.poses(2, "smpl_24", np.random.default_rng(0)).round()
    off = joints + np.array([50.0, 0, 0])
    off[:, 0] = joints[:, 0]
    report = evaluate(made.predictions("3dpw-all", made.truth(joints, "smpl_24"), off), get("3dpw-all"))
    assert mean_of(report, "pck50", "12 limb joints") == 100
    assert mean_of(report, "auc200", "12 limb joints") == pytest.approx(100 * 149.5 / 199)
