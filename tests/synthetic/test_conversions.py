import numpy as np
import pytest

from metricpose.skeleton import definitions
from metricpose.synthetic.body import Body
from metricpose.synthetic.conversions import Population, fit_conversion, residuals_mm, sample_population

# Mean error stated in definitions.py, with room for another draw of people.
STATED = {
    ("h36m", "coco"): 10, ("h36m", "mpi_inf_3dhp"): 4, ("h36m", "mpii"): 10, ("coco", "h36m"): 8,
    ("mpii", "h36m"): 11, ("mpii", "mpi_inf_3dhp"): 10, ("coco", "mpi_inf_3dhp"): 10,
}  # fmt: skip


@pytest.fixture(scope="module")
def people(body: Body) -> Population:
    return sample_population(body, 60, seed=7)


def test_tables_have_unit_rows_and_mirror() -> None:
    for table in definitions.CONVERSIONS.values():
        for joint, row in table.items():
            assert sum(row.values()) == pytest.approx(1.0, abs=1e-3)
            twin = table[{"l_": "r_", "r_": "l_"}.get(joint[:2], joint[:2]) + joint[2:]]
            assert sorted(twin.values()) == sorted(row.values())


@pytest.mark.parametrize("families", STATED)
def test_shipped_tables_fit_new_people_as_stated(people: Population, families: tuple[str, str]) -> None:
    source, target = getattr(people, families[0]), getattr(people, families[1])
    errors = residuals_mm(definitions.CONVERSIONS[families], source, target)
    assert set(errors) <= set(target)
    assert np.mean(list(errors.values())) < STATED[families] + 2.5


def test_tables_beat_equal_names(people: Population) -> None:
    names = {j: {j: 1.0} for j in people.coco if j in people.h36m}
    unconverted = residuals_mm(names, people.h36m, people.coco)
    converted = residuals_mm(definitions.CONVERSIONS["h36m", "coco"], people.h36m, people.coco)
    for joint in ("l_hip", "r_ankle", "nose"):
        assert converted[joint] < 0.5 * unconverted[joint]


def test_a_planted_table_is_found_again() -> None:
    rng = np.random.default_rng(0)
    names = ("pelvis", "l_hip", "r_hip", "l_knee", "r_knee", "spine", "thorax")
    source = {name: rng.normal(size=(50, 3)) for name in names}
    target = {
        "l_hip": 0.8 * source["l_hip"] + 0.2 * source["l_knee"],
        "r_hip": 0.8 * source["r_hip"] + 0.2 * source["r_knee"],
        "pelvis": 0.5 * source["pelvis"] + 0.25 * source["l_hip"] + 0.25 * source["r_hip"],
    }
    table = fit_conversion(source, target)
    assert table["l_hip"] == pytest.approx({"l_hip": 0.8, "l_knee": 0.2}, abs=2e-3)
    assert table["r_hip"] == pytest.approx({"r_hip": 0.8, "r_knee": 0.2}, abs=2e-3)
    assert table["pelvis"] == pytest.approx({"pelvis": 0.5, "l_hip": 0.25, "r_hip": 0.25}, abs=2e-3)


def test_offsets_name_the_known_gaps() -> None:
    bones = definitions.OFFSETS_MM["anny_bones"]
    assert bones["l_hip"][2] == pytest.approx(-50, abs=5)
    assert bones["l_hip"][0] == pytest.approx(-20, abs=5)
