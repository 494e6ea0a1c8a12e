"""Where the records of a protocol come from: ids, boxes that depend on nothing but the seed, hashes, refusals."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from metricpose.augment.truncation import square_box
from metricpose.data.shards import shard_path, write_shard
from metricpose.errors import DataError
from metricpose.evaluation import sources
from metricpose.evaluation.protocols import PROTOCOLS
from metricpose.evaluation.sources import Items, open_items
from metricpose.types import Record
from people import People, person

WHOLE, CUT, REAL = (PROTOCOLS[n] for n in ("synthetic", "synthetic-truncated", "real-dev"))


def shards(folder: Path, count: int = 5, start: int = 0) -> Path:
    records = [person(start + i) for i in range(count)]
    write_shard(shard_path(folder, 0), records[:3])
    write_shard(shard_path(folder, 1), records[3:])
    return folder


def test_records_of_shards_get_ids_and_keep_their_boxes(tmp_path: Path) -> None:
    items = open_items(WHOLE, shards(tmp_path), 4)
    found = list(items)
    assert len(items) == len(found) == 4
    assert [r.info["id"] for r in found] == ["000000", "000001", "000002", "000003"]
    assert found[3].info["image"] == "000003"
    np.testing.assert_array_equal(found[3].box_xywh, person(3).box_xywh)
    assert found[3].info["number"] == 3


def test_truncated_boxes_are_parts_of_the_square_box_and_belong_to_one_image(tmp_path: Path) -> None:
    protocol = replace(CUT, boxes=3)
    items = open_items(protocol, shards(tmp_path), 2)
    found = list(items)
    assert len(items) == 6
    assert [r.info["id"] for r in found] == ["000000#0", "000000#1", "000000#2", "000001#0", "000001#1", "000001#2"]
    assert [r.info["image"] for r in found] == ["000000"] * 3 + ["000001"] * 3
    boxes = np.array([r.box_xywh for r in found])
    assert len(np.unique(boxes, axis=0)) == 6
    for box, record in zip(boxes, found):
        whole = square_box(person(record.info["number"]).box_xywh)
        assert 0.5 * whole[2] < box[2] < whole[2]
        assert (box[:2] >= whole[:2] - 1e-9).all()
        assert (box[:2] + box[2:] <= whole[:2] + whole[2:] + 1e-9).all()


def test_a_truncated_box_depends_on_seed_image_and_number_alone() -> None:
    def boxes(**changes: Any) -> np.ndarray:
        items = replace(Items(People(9), "made up", 3, boxes=2, seed=1), **changes)
        return np.array([r.box_xywh for r in items])

    def parts() -> np.ndarray:
        whole = np.array([square_box(person(i).box_xywh) for i in range(3)]).repeat(2, 0)
        return (boxes()[:, 2] / whole[:, 2]).round(6)

    assert len(set(parts())) == 6, "two images or numbers share a draw"
    np.testing.assert_array_equal(boxes(), boxes(count=9)[:6])
    np.testing.assert_array_equal(boxes(), boxes(boxes=4)[[0, 1, 4, 5, 8, 9]])
    assert np.abs(boxes() - boxes(seed=2)).max(1).min() > 0


def test_the_hash_of_shards_covers_what_is_used(tmp_path: Path) -> None:
    one, two = shards(tmp_path / "one"), shards(tmp_path / "two", start=50)
    (tmp_path / "mixed").mkdir()
    shard_path(tmp_path / "mixed", 0).write_bytes(shard_path(one, 0).read_bytes())
    shard_path(tmp_path / "mixed", 1).write_bytes(shard_path(two, 1).read_bytes())

    def data(folder: Path, count: int) -> str:
        return open_items(WHOLE, folder, count).data

    assert data(one, 5) != data(two, 5)
    assert data(one, 5) != data(tmp_path / "mixed", 5)
    assert data(one, 3) == data(tmp_path / "mixed", 3)  # the second file is not used
    assert data(one, 3) != data(one, 2)
    assert data(one, 3).endswith("first 3")


def rendered(folder: Path, *facts: dict[str, str]) -> Path:
    """One shard of two people for each dict of facts."""
    for number, known in enumerate(facts):
        write_shard(shard_path(folder, number), [person(2 * number), person(2 * number + 1)], facts=known)
    return folder


def of_split(split: str) -> dict[str, str]:
    """What `metricpose synth render` writes into a shard."""
    return {"generator": json.dumps({"size": 256, "split": split, "seed": 0}), "start": "0"}


@pytest.mark.parametrize("split", ["test", "val"])
def test_rendered_shards_say_of_which_split_they_are(tmp_path: Path, split: str) -> None:
    folder = rendered(tmp_path, of_split(split), of_split(split))
    assert [open_items(protocol, folder, 3).split for protocol in (WHOLE, CUT)] == [split, split]


def test_shards_of_training_people_are_refused(tmp_path: Path) -> None:
    folder = rendered(tmp_path, of_split("test"), of_split("train"))
    told = rf"{folder} holds rendered people of the train split.*synth render FOLDER 3 --set split=test"
    for protocol in (WHOLE, CUT):
        with pytest.raises(DataError, match=told):
            open_items(protocol, folder, 3)
    assert open_items(WHOLE, folder, 2).split == "test"  # the shard of training people is not used


@pytest.mark.parametrize("facts", [{}, {"generator": "not JSON"}, {"generator": "[1]"}, {"generator": '{"size": 256}'}])
def test_shards_that_do_not_say_their_split_are_of_none(tmp_path: Path, facts: dict[str, str]) -> None:
    assert open_items(WHOLE, rendered(tmp_path, facts), 2).split == "not stated"
    with_test = rendered(tmp_path / "mixed", of_split("test"), facts)
    assert open_items(WHOLE, with_test, 4).split == "test and not stated"


def test_the_split_changes_no_hash(tmp_path: Path) -> None:
    """Numbers of documents are found again by the hash of the files."""
    files = [rendered(tmp_path, of_split("test"), of_split("test")) / f"shard-00000{i}.safetensors" for i in (0, 1)]
    digest = hashlib.sha256("".join(hashlib.sha256(f.read_bytes()).hexdigest() for f in files).encode()).hexdigest()
    assert open_items(WHOLE, tmp_path, 3).data == f"shards {digest[:16]}, first 3"


@pytest.mark.parametrize(
    ("count", "message"),
    [(6, r"asked for 6 images, .* holds 5; use --count"), (0, "asked for 0"), (None, "asked for 2000 images")],
)
def test_more_than_there_is_is_refused(tmp_path: Path, count: int | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_items(WHOLE, shards(tmp_path), count)


def test_a_folder_with_neither_shards_nor_assets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds neither shards .shard-000000.safetensors. nor .* leave --data out"):
        open_items(WHOLE, tmp_path)


def test_rendering_uses_the_split_and_seed_of_the_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int, int]] = []
    shift = 0

    class Renders:
        def __init__(self, config: Any) -> None:
            self.config = config

        def scene(self, index: int) -> Record:
            asked.append((self.config.split, self.config.seed, index))
            return person(index + shift)

    monkeypatch.setattr(sources, "Generator", Renders)
    monkeypatch.setattr(sources, "to_record", lambda record: record)
    items = open_items(replace(WHOLE, seed=4), None, 2)
    assert len(list(items)) == 2
    assert items.split == "test"
    assert asked == [("test", 4, 0), ("test", 4, 0), ("test", 4, 1)]  # the first scene is also the fingerprint
    assert items.data != open_items(replace(WHOLE, seed=5), None, 2).data
    assert items.data == open_items(replace(WHOLE, seed=4), None, 2).data
    shift = 7  # another version of the renderer
    assert items.data != open_items(replace(WHOLE, seed=4), None, 2).data


@pytest.mark.slow
def test_people_are_rendered_with_the_shared_assets(assets: Path) -> None:
    items = open_items(CUT, assets, 1)
    found = list(items)
    assert len(found) == CUT.boxes
    assert found[0].skeleton == "metricpose_25"
    assert found[0].info["height_mm"] > 300
    assert "assets" in items.data


def labels(folder: Path, source: str = "Human3.6M by hand") -> Path:
    """Two labelled images."""
    folder.mkdir(exist_ok=True)
    items = []
    for index in range(2):
        record = person(index, skeleton="h36m_17")
        cv2.imwrite(str(folder / f"{index}.png"), record.image[..., ::-1])
        items.append(
            {
                "file": f"{index}.png",
                "skeleton": "h36m_17",
                "K": record.camera.K.tolist(),
                "joints_mm": record.joints_mm.tolist(),
                "box_xywh": record.box_xywh.tolist(),
                "source": source,
            }
        )
    (folder / "labels.json").write_text(json.dumps({"items": items}))
    return folder


def test_labelled_images_are_taken_whole_and_hashed(tmp_path: Path) -> None:
    items = open_items(REAL, labels(tmp_path / "a"))
    assert [r.info["id"] for r in items] == ["0.png", "1.png"]
    assert items.data != open_items(REAL, labels(tmp_path / "b", source="Human3.6M otherwise")).data
    assert items.data == open_items(REAL, tmp_path / "a" / "labels.json").data


def test_labels_need_a_folder() -> None:
    with pytest.raises(DataError, match=r"this protocol needs --data: a folder with labels.json"):
        open_items(REAL, None)
