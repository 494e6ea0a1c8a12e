"""Data set -> shards: the same whatever the processes, stopped and taken up again, faults left out and listed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.scenes import assert_painted, write_own
from layouts.photographs import save_labels
from metricpose.data import pictures
from metricpose.data import prepare as module
from metricpose.data.faults import Faults
from metricpose.data.prepare import Settings, prepare
from metricpose.data.readers import own
from metricpose.data.readers.contract import find_items, load
from metricpose.data.shards import Shard, ShardFolder, shard_path
from metricpose.errors import DataError, InputError

SETTINGS = Settings("all", per_shard=4)


@pytest.fixture(autouse=True)
def forget() -> None:
    own._open.cache_clear()
    own._record.cache_clear()
    pictures._read.cache_clear()


def contents(out: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(out.iterdir())}


def test_shards_hold_every_item_with_its_labels(tmp_path: Path) -> None:
    write_own(tmp_path / "data", 10)
    seen: list[tuple[int, int]] = []
    made = prepare(
        own.READER,
        tmp_path / "data",
        tmp_path / "out",
        SETTINGS,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert (made.items, made.records, made.shards, made.left_out) == (10, 10, 3, [])
    assert seen == [(4, 10), (8, 10), (10, 10)]
    source = ShardFolder(tmp_path / "out")
    items = find_items(own.READER, tmp_path / "data", "all", Faults())
    for index, item in enumerate(items):
        wanted = load(own.READER, item)
        assert source[index].info["id"] == item.id
        np.testing.assert_allclose(source[index].joints_mm, wanted.joints_mm, atol=1e-2)
        assert_painted(source[index], tolerance=110, least=4)
    metadata = Shard(shard_path(tmp_path / "out", 0)).metadata
    assert (metadata["set"], metadata["split"], metadata["licence"]) == ("own", "all", "yours")
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    assert (plan["items"], plan["side"], plan["sample"]) == (10, 384, "all")


def test_the_number_of_processes_changes_nothing(tmp_path: Path) -> None:
    write_own(tmp_path / "data", 9)
    for workers in (0, 2):
        prepare(own.READER, tmp_path / "data", tmp_path / str(workers), SETTINGS, workers=workers)
    assert contents(tmp_path / "0") == contents(tmp_path / "2")


def test_a_shard_holds_one_skeleton(tmp_path: Path) -> None:
    items = [*write_own(tmp_path / "x", 5), *write_own(tmp_path / "y", 2, skeleton="coco_17")]
    for item, part in zip(items, "xxxxxyy"):
        item.update(file=f"{part}/{item['file']}", id=f"{part}{item['id']}")
    save_labels(tmp_path, items)
    made = prepare(own.READER, tmp_path, tmp_path / "out", SETTINGS)
    assert (made.records, made.shards) == (7, 3)
    assert [Shard(shard_path(tmp_path / "out", n)).skeleton for n in range(3)] == ["coco_17", "h36m_17", "h36m_17"]
    for index in range(7):
        assert_painted(ShardFolder(tmp_path / "out")[index], tolerance=110, least=4)


def test_faulty_items_stop_the_work_or_are_left_out_and_listed(tmp_path: Path) -> None:
    write_own(tmp_path / "data", 10)
    for name in ("002", "004", "005", "006", "007"):  # the second shard is left with nothing
        (tmp_path / "data" / "images" / f"{name}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DataError, match=r"p002: .*002\.png is a truncated.*--skip-bad"):
        prepare(own.READER, tmp_path / "data", tmp_path / "out", SETTINGS)
    made = prepare(own.READER, tmp_path / "data", tmp_path / "out", SETTINGS, skip_bad=True, resume=True)
    assert (made.items, made.records, made.shards) == (10, 5, 3)
    listed = json.loads((tmp_path / "out" / "left_out.json").read_text())
    assert [entry["where"] for entry in listed] == ["p002", "p004", "p005", "p006", "p007"]
    assert all("truncated" in entry["why"] and not entry["known"] for entry in listed)
    source = ShardFolder(tmp_path / "out")
    assert [source[i].info["id"] for i in range(5)] == ["p000", "p001", "p003", "p008", "p009"]
    again = prepare(own.READER, tmp_path / "data", tmp_path / "out", SETTINGS, skip_bad=True, resume=True)
    assert again == made


def test_what_is_left_out_on_purpose_is_listed_apart(tmp_path: Path) -> None:
    write_own(tmp_path / "data", 2)

    def index(folder: Path, split: str, faults: Faults) -> object:
        faults.omit("camera 3", "it hangs from the ceiling")
        return own.index(folder, split, faults)

    made = prepare(replace(own.READER, index=index), tmp_path / "data", tmp_path / "out", SETTINGS)
    assert [(e.where, e.known) for e in made.left_out] == [("camera 3", True)]


def test_other_settings_or_other_data_are_not_mixed(tmp_path: Path) -> None:
    write_own(tmp_path / "data", 6)
    out = tmp_path / "out"
    prepare(own.READER, tmp_path / "data", out, SETTINGS)
    with pytest.raises(DataError, match="holds shards already; go on with --resume"):
        prepare(own.READER, tmp_path / "data", out, SETTINGS)
    with pytest.raises(DataError, match=r"other settings or other data \(side was 384, is 100\)"):
        prepare(own.READER, tmp_path / "data", out, replace(SETTINGS, side=100), resume=True)
    write_own(tmp_path / "data", 7)
    own._open.cache_clear()
    with pytest.raises(DataError, match=r"ids_sha256 was .*; items was 6, is 7"):
        prepare(own.READER, tmp_path / "data", out, SETTINGS, resume=True)
    (out / "plan.json").unlink()
    with pytest.raises(DataError, match=r"no readable plan\.json"):
        prepare(own.READER, tmp_path / "data", out, SETTINGS, resume=True)


def test_wrong_splits_and_rules_write_nothing(tmp_path: Path) -> None:
    write_own(tmp_path / "data", 2)
    for settings in (Settings("train"), Settings("all", sample="each:3")):
        with pytest.raises(InputError):
            prepare(own.READER, tmp_path / "data", tmp_path / "out", settings)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [("side", 0), ("side", -5), ("margin", -1.0), ("margin", float("nan")), ("quality", 900), ("per_shard", 0)],
)
def test_numbers_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{name}: expected"):
        replace(SETTINGS, **{name: value})


def test_frames_are_chosen_by_number_and_by_motion(tmp_path: Path) -> None:
    """The person walks, as each of the two cameras sees it, 124 mm and turns 6 degrees from frame to frame."""
    write_own(tmp_path / "data", 8)

    def index(folder: Path, split: str, faults: Faults) -> object:
        items = own.index(folder, split, faults)
        frames = [item._replace(sequence=f"camera {n % 2}", frame=n // 2) for n, item in enumerate(items)]
        return sorted(frames, key=lambda item: item.sequence)

    reader = replace(own.READER, index=index)
    made = prepare(reader, tmp_path / "data", tmp_path / "out", replace(SETTINGS, sample="every:2"))
    assert made.records == 4
    source = ShardFolder(tmp_path / "out")
    assert [source[i].info["id"] for i in range(4)] == ["p000", "p004", "p001", "p005"]
    made = prepare(reader, tmp_path / "data", tmp_path / "moved", replace(SETTINGS, sample="motion:220"))
    source = ShardFolder(tmp_path / "moved")
    assert [source[i].info["id"] for i in range(made.records)] == ["p000", "p004", "p001", "p005"]


def test_each_picture_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = write_own(tmp_path, 2)
    save_labels(tmp_path, [{**item, "id": f"{item['id']}{n}"} for item in items for n in range(3)])
    reads: list[Path] = []
    real = pictures.read_image
    monkeypatch.setattr(pictures, "read_image", lambda path: (reads.append(path), real(path))[1])
    reader = replace(own.READER, image=lambda item: pictures.read_picture(item.picture))
    assert prepare(reader, tmp_path, tmp_path / "out", SETTINGS).records == 6
    assert len(reads) == 2


PROGRAM = """
import sys, time
from pathlib import Path
from metricpose.data import prepare as module
from metricpose.data.readers import own
real = module.ShardWriter.write
def slow(self, path, facts):
    real(self, path, facts)
    print(path, flush=True)
    (Path(path).parent / ".shard-000009.x.safetensors").write_bytes(b"half")
    time.sleep(600 if path.name.endswith("1.safetensors") else 0)
module.ShardWriter.write = slow
module.prepare(own.READER, Path(sys.argv[1]), Path(sys.argv[2]), module.Settings("all", per_shard=4))
"""


def test_it_goes_on_after_being_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_own(tmp_path / "data", 10)
    arguments = [sys.executable, "-c", PROGRAM, str(tmp_path / "data"), str(tmp_path / "out")]
    running = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    for _ in range(2):
        running.stdout.readline()
    time.sleep(0.2)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    running.stdout.close()
    before = contents(tmp_path / "out")
    assert [name for name in before if name.startswith("shard")] == [shard_path("", n).name for n in (0, 1)]
    written: list[str] = []
    real = module.ShardWriter.write
    monkeypatch.setattr(
        module.ShardWriter, "write", lambda self, path, facts: (written.append(path.name), real(self, path, facts))[1]
    )
    made = prepare(own.READER, tmp_path / "data", tmp_path / "out", SETTINGS, resume=True)
    assert made.records == 10
    assert written == ["shard-000002.safetensors"]
    prepare(own.READER, tmp_path / "data", tmp_path / "whole", SETTINGS)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
