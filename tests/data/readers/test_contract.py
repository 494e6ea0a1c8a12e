"""The frame around readers: indices made on demand, pictures that must fit their labels, faults with a remedy."""

from __future__ import annotations

import pickle
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.scenes import box, look_at, paint, walk
from metricpose.data.faults import Faults, LeftOut, need_file, need_folder
from metricpose.data.pictures import Picture
from metricpose.data.readers import READERS, get
from metricpose.data.readers.contract import (
    Description,
    Index,
    Item,
    Labels,
    Reader,
    Stretch,
    find_items,
    load,
    world_joints,
)
from metricpose.errors import DataError, InputError, MissingExtraError
from metricpose.skeleton import catalog
from metricpose.types import UNKNOWN

CAMERA = look_at((0, -4000, 1300))
WORLD = walk("mpii_16", 1)[0]
ABOUT = Description(
    name="made",
    title="Made Up 2026",
    labels="3D",
    licence="none",
    source="https://example.org/sign",
    citation="",
    skeleton="mpii_16",
    joints="",
    units="",
    camera="",
    skips="",
    layout={"a.png": "the picture"},
    splits={"train": 1, "test": None},
)


def index(folder: Path, split: str, faults: Faults) -> list[Item]:
    return [Item("a/0", Picture(folder / "a.png"), sequence="a", frame=3)] if split == "train" else []


def labels(item: Item) -> Labels:
    return Labels(CAMERA, box(CAMERA, WORLD), CAMERA.to_camera(WORLD), info={"subject": "S1"})


READER = Reader(ABOUT, index, labels)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cv2.imwrite(str(tmp_path / "a.png"), paint(CAMERA, WORLD)[..., ::-1])
    return tmp_path


def test_an_item_becomes_a_record(folder: Path) -> None:
    (item,) = find_items(READER, folder, "train", Faults())
    record = load(READER, item)
    np.testing.assert_array_equal(record.image, paint(CAMERA, WORLD))
    np.testing.assert_allclose(record.joints_px, CAMERA.project(WORLD))
    assert (record.visibility == UNKNOWN).all()
    assert record.skeleton == "mpii_16"
    assert record.alpha is None
    assert record.info == {
        "id": "a/0", "set": "made", "file": str(folder / "a.png"), "sequence": "a", "frame": 3, "subject": "S1",
    }  # fmt: skip
    np.testing.assert_allclose(world_joints(labels(item)), WORLD, atol=1e-9)


def test_items_may_have_a_skeleton_pixels_and_a_mask_of_their_own(folder: Path) -> None:
    reader = replace(
        READER,
        image=lambda item: np.full((160, 200, 3), 7, np.uint8),
        alpha=lambda item: np.full((160, 200), 9, np.uint8),
    )
    record = load(reader, find_items(reader, folder, "train", Faults())[0]._replace(skeleton="lsp_14"))
    assert record.skeleton == "lsp_14"
    assert record.image.max() == 7
    assert record.alpha is not None
    assert record.alpha.max() == 9


def test_a_picture_of_another_size_is_refused(folder: Path) -> None:
    cv2.imwrite(str(folder / "a.png"), np.zeros((159, 200, 3), np.uint8))
    item = find_items(READER, folder, "train", Faults())[0]._replace(picture=Picture(folder / "b.png"))
    (folder / "a.png").rename(folder / "b.png")
    with pytest.raises(DataError, match=r"b\.png: expected a picture of 200 x 160 pixels.*a/0.*found 200 x 159"):
        load(READER, item)


def test_missing_folders_splits_and_items_are_explained(folder: Path) -> None:
    with pytest.raises(InputError, match="made has no split 'val'; it has train, test"):
        find_items(READER, folder, "val", Faults())
    with pytest.raises(DataError, match=r"no such folder.*a\.png: the picture.*https://example.org/sign"):
        find_items(READER, folder / "none", "train", Faults())
    with pytest.raises(DataError, match="expected items of the split test of Made Up 2026, found none"):
        find_items(READER, folder, "test", Faults())
    with pytest.raises(InputError, match=r"unknown data set 'h37m'; known: .*own"):
        get("h37m")


def _item(name: str, number: int) -> Item:
    return Item(f"{name}{number}", Picture(Path(name), number), frame=number)


def test_an_index_makes_its_items_on_demand() -> None:
    made = Index([Stretch(n, partial(_item, name)) for name, n in (("a", 3), ("b", 0), ("c", 2))])
    assert len(made) == 5
    assert [item.id for item in made] == ["a0", "a1", "a2", "c0", "c1"]
    assert [item.id for item in made[1:4]] == ["a1", "a2", "c0"]
    assert [made[-1].id, made[-5].id] == ["c1", "a0"]
    for beyond in (-6, 5):
        with pytest.raises(IndexError):
            made[beyond]
    assert pickle.loads(pickle.dumps(made))[3] == made[3]
    assert len(Index([])) == 0
    long = Index([Stretch(10**9, partial(_item, "v"))] * 10)
    assert long[9_999_999_999].frame == 10**9 - 1


def test_faults_stop_the_work_or_are_noted() -> None:
    with pytest.raises(DataError, match=r"S1/Walking: gone.*--skip-bad"), Faults().catch("S1/Walking"):
        raise DataError("gone")
    faults = Faults(skip_bad=True)
    with faults.catch("S1"):
        raise InputError("odd")
    faults.omit("S11", "has no video")
    assert faults.left_out == [LeftOut("S1", "odd"), LeftOut("S11", "has no video", known=True)]
    assert [entry.where for entry in faults.bad] == ["S1"]
    with pytest.raises(MissingExtraError), faults.catch("S2"):
        raise MissingExtraError("av", "data", "reading")
    with pytest.raises(ZeroDivisionError), faults.catch("S3"):
        raise ZeroDivisionError
    Faults().omit("S11", "known things never stop the work")


def test_needed_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "full").write_bytes(b"x")
    assert need_file(tmp_path / "full", "poses", "Get it.") == tmp_path / "full"
    assert need_folder(tmp_path, "poses", "Get it.") == tmp_path
    for name, found in (("empty", "an empty file"), ("none", "no such file"), (".", "a folder")):
        with pytest.raises(DataError, match=rf"expected poses, found {found}. Get it."):
            need_file(tmp_path / name, "poses", "Get it.")
    for name, found in (("full", "a file"), ("none", "no such folder")):
        with pytest.raises(DataError, match=rf"expected poses, found {found}. Get it."):
            need_folder(tmp_path / name, "poses", "Get it.")


@pytest.mark.parametrize("name", sorted(READERS))
def test_every_description_is_complete(name: str) -> None:
    about = READERS[name].about
    assert about.name == name
    assert catalog.get(about.skeleton)
    assert about.splits
    for field in ("title", "labels", "licence", "source", "joints", "units", "camera", "skips", "layout"):
        assert getattr(about, field), field
    assert pickle.loads(pickle.dumps(READERS[name])) == READERS[name]
