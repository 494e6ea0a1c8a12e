import pytest

from metricpose.errors import DataError
from metricpose.synthetic.controls import CONTROLS
from metricpose.synthetic.rigs import RIGS, bones_of


@pytest.mark.parametrize("rig", RIGS)
def test_every_rig_names_a_bone_for_every_control(rig: str) -> None:
    assert set(RIGS[rig]) == set(CONTROLS)
    names = ["extra", *sorted(set(RIGS[rig].values()))]
    assert {control: names[i] for control, i in bones_of(names).items()} == RIGS[rig]


def test_namespaces_are_ignored() -> None:
    names = [f"mixamorig:{bone}" for bone in RIGS["mixamo"].values()]
    assert names[bones_of(names)["farm.R"]] == "mixamorig:RightForeArm"


def test_unknown_rigs_are_refused_with_what_is_known() -> None:
    with pytest.raises(DataError, match=r"head, pelvis.*cmu_amc"):
        bones_of(["pelvis", "head"])
