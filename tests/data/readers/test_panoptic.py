"""CMU Panoptic: centimetres become millimetres, frames and videos are found, faults are named."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.readers.photographs import indexed
from data.scenes import assert_painted, look_at, paint, walk
from layouts import panoptic as layout
from metricpose.data.faults import Faults
from metricpose.data.readers import panoptic
from metricpose.data.readers.contract import load
from metricpose.errors import DataError
from metricpose.types import OUTSIDE, UNKNOWN

NAME = "160906_band4"
CAMERAS = {
    "00_00": look_at((0, -4000, 1300), size=(460, 400), lens=(-0.2, 0.1, 0.001, -0.002, 0.01)),
    "00_07": look_at((-3000, -2500, 1500), size=(400, 560)),
}
START, MISSING = 12, 9
PEOPLE = walk("coco_19", 3)
FAR = PEOPLE[0] + (9000, 0, 0)


@pytest.fixture(autouse=True)
def forget() -> None:
    panoptic.read_cameras.cache_clear()


def write(folder: Path, change: Callable[[dict[str, Any], dict[str, Any]], object] = lambda c, s: None) -> Path:
    """A sequence, one camera as pictures, the other one as a video; somebody stands out of view."""
    scenes = [layout.scene({4: world, 5: FAR}, (MISSING,)) for world in PEOPLE]
    pictures = {name: [paint(camera, world) for world in PEOPLE] for name, camera in CAMERAS.items()}
    return layout.write(
        folder / NAME, CAMERAS, scenes, pictures,
        start=START, videos=("00_07",), change=lambda cameras, scenes: change(cameras, scenes[1]),
    )  # fmt: skip


def test_joints_lie_where_they_are_painted(tmp_path: Path) -> None:
    write(tmp_path)
    items = indexed(panoptic.READER, tmp_path, "all")
    wanted = [f"{NAME}.{camera}.4/{START + n:08d}" for camera in CAMERAS for n in range(3)]
    assert [item.id for item in items] == wanted
    for item, world in zip(pickle.loads(pickle.dumps(items)), [*PEOPLE, *PEOPLE]):
        record = load(panoptic.READER, item)
        assert_painted(record, tolerance=90)
        camera = CAMERAS[record.info["view"]]
        labelled = np.arange(19) != MISSING
        np.testing.assert_allclose(record.joints_mm[labelled], camera.to_camera(world)[labelled], atol=1e-3)
        np.testing.assert_allclose(record.joints_px[labelled], camera.project(world)[labelled], atol=1e-3)
        assert np.isnan(record.joints_mm[MISSING]).all()
        assert set(record.visibility) <= {OUTSIDE, UNKNOWN}
        assert (record.info["subject"], record.info["action"]) == (f"{NAME}.4", "band")


def test_the_splits_name_their_sequences(tmp_path: Path) -> None:
    write(tmp_path)
    faults = Faults()
    assert len(indexed(panoptic.READER, tmp_path, "test", faults)) == 6
    assert [entry.where for entry in faults.left_out] == [n for n in panoptic.TEST if n != NAME]
    with pytest.raises(DataError, match="items of the split train of CMU Panoptic Studio, found none"):
        indexed(panoptic.READER, tmp_path, "train")


BROKEN: dict[str, tuple[Callable[[dict[str, Any], dict[str, Any]], object], str]] = {
    "joints15": (lambda c, s: s["bodies"][0].pop("joints19"), r"013\.json: expected bodies with id and joints19"),
    "short": (lambda c, s: s["bodies"][0]["joints19"].pop(), "19 times x, y, z, confidence of body 4, found 75"),
    "bodies": (lambda c, s: s.pop("bodies"), "expected bodies, found version"),
    "no hd": (lambda c, s: c.update(cameras=c["cameras"][:1]), "expected cameras of type hd, found none among 1"),
    "R": (lambda c, s: c["cameras"][1].update(R=np.diag([1, 1, -1]).tolist()), "expected a rotation R of camera 00_00"),
    "K": (lambda c, s: c["cameras"][2].pop("K"), "resolution, K, distCoef, R, t of camera 00_07, found KeyError 'K'"),
    "lens": (lambda c, s: c["cameras"][1].update(distCoef=[0, 0]), "distCoef, R, t of camera 00_00"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_each_fault_is_named(tmp_path: Path, fault: str) -> None:
    change, message = BROKEN[fault]
    write(tmp_path, change)
    with pytest.raises(DataError, match=rf"{NAME}.*{message}"):
        indexed(panoptic.READER, tmp_path, "all")


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    home = write(tmp_path)
    items = indexed(panoptic.READER, tmp_path, "all")
    items[0].picture.path.unlink()
    with pytest.raises(DataError, match=r"00_00_00000012\.jpg: expected an image, found no such file"):
        load(panoptic.READER, items[0])
    poses = home / "hdPose3d_stage1_coco19"
    (poses / "body3DScene_00000013.json").write_text('{"bodies": [')
    with pytest.raises(DataError, match=r"body3DScene_00000013\.json: expected poses of a frame in JSON"):
        indexed(panoptic.READER, tmp_path, "all")
    poses.rename(home / "elsewhere")
    with pytest.raises(DataError, match=r"expected files body3DScene_\*\.json with people in them, found none"):
        indexed(panoptic.READER, tmp_path, "all")
