"""Leeds Sports Pose and its extension: two layouts of one array, and a third value of opposite meanings."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.io import savemat

from data.readers.photographs import indexed, people, save_picture
from data.scenes import assert_painted
from layouts import photographs as layout
from metricpose.data.faults import Faults
from metricpose.data.readers import lsp, lsp_extended
from metricpose.data.readers.contract import load
from metricpose.errors import DataError
from metricpose.types import HIDDEN, UNKNOWN, VISIBLE

SCENES = people("lsp_14", 2)


def values(count: int, places: list[int], third: int) -> np.ndarray:
    """(n, 14, 3), counted from 1; joint 3 has the other third value; other pictures hold the first one's joints."""
    out = np.tile(np.c_[SCENES[0][0].project(SCENES[0][1]) + 1, np.full(14, third)], (count, 1, 1))
    for place, (camera, world) in zip(places, SCENES):
        out[place, :, :2] = camera.project(world) + 1
    out[:, 3, 2] = 1 - third
    return out


def write_lsp(folder: Path, change: object = None) -> None:
    for number, scene in zip((1, 1001), SCENES):
        save_picture(folder / "images" / f"im{number:04d}.jpg", *scene)
    found = values(2000, [0, 1000], 0)
    if change is not None:
        found[0, 5] = change
    layout.write_lsp(folder, found)


def write_extended(folder: Path) -> None:
    for number, scene in zip((1, 10000), SCENES):
        save_picture(folder / "images" / f"im{number:05d}.jpg", *scene)
    found = values(10000, [0, 9999], 1)
    found[0, 3, :2] = -4321
    found[77, :, 2] = 0
    layout.write_lsp_extended(folder, found)


@pytest.mark.parametrize("inside", ["", "lsp_dataset"])
def test_the_first_set(tmp_path: Path, inside: str) -> None:
    write_lsp(tmp_path / inside)
    for split, name, (camera, world) in zip(("train", "test"), ("im0001", "im1001"), SCENES):
        items = indexed(lsp.READER, tmp_path, split)
        assert (len(items), items[0].id) == (1000, name)
        record = load(lsp.READER, items[0])
        assert_painted(record)
        np.testing.assert_allclose(record.joints_px, camera.project(world), atol=1e-9)
        assert record.visibility.tolist() == [VISIBLE] * 3 + [HIDDEN] + [VISIBLE] * 10
    with pytest.raises(DataError, match=r"im0002\.jpg: expected an image, found no such file"):
        load(lsp.READER, indexed(lsp.READER, tmp_path, "train")[1])


def test_the_extension(tmp_path: Path) -> None:
    write_extended(tmp_path)
    faults = Faults()
    items = indexed(lsp_extended.READER, tmp_path, "train", faults)
    assert len(items) == 9999
    assert [entry.where for entry in faults.left_out] == ["im00078.jpg"]
    for item, (camera, world) in zip((items[0], items[-1]), SCENES):
        record = load(lsp_extended.READER, item)
        assert_painted(record)
        assert np.isnan(record.joints_px[3]).all()
        np.testing.assert_allclose(np.delete(record.joints_px, 3, 0), np.delete(camera.project(world), 3, 0), atol=1e-9)
        assert record.visibility.tolist() == [VISIBLE] * 3 + [UNKNOWN] + [VISIBLE] * 10


@pytest.mark.parametrize(("reader", "write"), [(lsp, write_extended), (lsp_extended, write_lsp)])
def test_the_other_set_s_file_is_recognised(tmp_path: Path, reader: ModuleType, write: object) -> None:
    assert callable(write)
    write(tmp_path)
    with pytest.raises(
        DataError, match=r"joints\.mat: expected joints of .* found .*joints\.mat of the other Leeds set"
    ):
        indexed(reader.READER, tmp_path, "train")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((np.nan, 3, 0), r"joints\.mat: expected x and y of every labelled joint of im0001\.jpg, found NaN"),
        ((900, 3, 0), r"im0001\.jpg: expected joints of im0001 in or near its picture of 200 x 160.*899"),
        ((9, 3, 2), "expected 0 or 1 as third value"),
    ],
)
def test_damaged_joints_are_named(tmp_path: Path, change: tuple[float, ...], message: str) -> None:
    write_lsp(tmp_path, change)
    with pytest.raises(DataError, match=message):
        load(lsp.READER, indexed(lsp.READER, tmp_path, "train")[0])


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"joints\.mat: expected the annotations, found no such file\. Extract"):
        indexed(lsp.READER, tmp_path, "train")
    savemat(tmp_path / "joints.mat", {"joint": np.zeros(3)})
    (tmp_path / "images").mkdir()
    with pytest.raises(DataError, match="expected the variables joints, found no joints"):
        indexed(lsp.READER, tmp_path, "train")
