from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metricpose.data.weaken import weaken
from metricpose.errors import DataError, InputError
from metricpose.skeleton import catalog
from metricpose.training.inventory import take_inventory
from people import People, person

NET = catalog.get("h36m_17")


class Photographs(People):
    """People of which every other one has a mask, and who have pixels alone; their left wrist is never labelled."""

    def __getitem__(self, index):
        record = person(index, skeleton="mpii_16", alpha=index % 2 == 0)
        pixels = record.joints_px.copy()
        pixels[catalog.MPII_16.index("l_wrist")] = np.nan
        return replace(record, joints_px=pixels, joints_mm=np.full((16, 3), np.nan), abs_valid=False)


def test_captured_people_bring_everything():
    found = take_inventory(People(7, skeleton="h36m_17"), NET)
    assert (found.records, found.looked_at, found.skeletons, found.unlabelled) == (7, 7, ("h36m_17",), ())
    assert found.labels == {name: pytest.approx(1.0) for name in ("3D", "distance", "2D", "mask")}


def test_photographs_bring_pixels_of_the_joints_that_convert():
    found = take_inventory(Photographs(40), NET, look_at=8)
    assert (found.records, found.looked_at, found.skeletons) == (40, 8, ("mpii_16",))
    assert set(found.labels) == {"2D", "mask"}
    assert 0 < found.labels["mask"] < 1
    assert found.unlabelled == (
        "spine",
        "nose",
        "l_elbow",
        "l_wrist",
    )  # a wrist is part of MPII's elbow, seen from here


def test_ordinal_labels_are_seen():
    found = take_inventory(weaken(People(3, skeleton="h36m_17"), "ordinal"), NET)
    assert set(found.labels) == {"2D", "depth order", "mask"}


def test_joints_that_do_not_convert_and_people_without_labels_are_refused():
    with pytest.raises(InputError, match="no conversion from humaneva_15"):
        take_inventory(People(2, skeleton="humaneva_15"), NET)

    class Blank(People):
        def __getitem__(self, index):
            record = person(index, skeleton="h36m_17")
            return replace(record, joints_px=np.full((17, 2), np.nan), joints_mm=np.full((17, 3), np.nan))

    with pytest.raises(DataError, match="none of 3 people looked at has a label in the joints of h36m_17"):
        take_inventory(Blank(3), NET)
