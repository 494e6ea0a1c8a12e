"""Camera files: exact round trip, units, and a message for each way to get them wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from metricpose.errors import InputError
from metricpose.formats import save
from metricpose.formats.camera_file import camera_from_dict, camera_to_dict, read_camera, write_camera
from reference.people import camera, people


def test_round_trip_is_exact(tmp_path: Path) -> None:
    before = camera()
    write_camera(before, tmp_path / "cam.json")
    after = read_camera(tmp_path / "cam.json")
    for name in ("K", "distortion", "R", "t"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    assert after.size == before.size


def test_a_result_file_serves_as_a_camera_file(tmp_path: Path) -> None:
    save(people(1), tmp_path / "a.json")
    np.testing.assert_array_equal(read_camera(tmp_path / "a.json").K, camera().K)


def test_minimal_camera_and_metres() -> None:
    K = [[500, 0, 320], [0, 500, 240], [0, 0, 1]]
    assert camera_from_dict({"K": K, "size": [640, 480]}).t.tolist() == [0, 0, 0]
    assert camera_from_dict({"K": K, "size": [640, 480], "t": [0, 1, 2], "unit": "m"}).t.tolist() == [0, 1000, 2000]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"K": None}, "expected shape"),
        ({"K": [[1, 0], [0, 1]]}, "expected shape"),
        ({"K": [[float("nan"), 0, 1], [0, 1, 1], [0, 0, 1]]}, "NaN"),
        ({"K": [[0, 0, 1], [0, 1, 1], [0, 0, 1]]}, "singular"),
        ({"size": [640]}, "size .width, height.: expected shape"),
        ({"t": ["a", 0, 0]}, "t: expected numbers"),
        ({"size": [0, 480]}, "positive"),
        ({"distortion": [0.1, 0.2]}, "0, 4, 5, 8 or 12"),
        ({"R": [[1, 0, 0], [0, 1, 0], [0, 0, 2]]}, "orthogonal"),
        ({"unit": "foot"}, "foot"),
        ({"focal": 3}, "unknown .'focal'"),
    ],
)
def test_bad_values_are_named(change: dict, message: str) -> None:
    values = {**camera_to_dict(camera()), **change}
    with pytest.raises(InputError, match=message):
        camera_from_dict(values)


def test_missing_keys_and_bad_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing .'size'"):
        camera_from_dict({"K": np.eye(3).tolist()})
    with pytest.raises(InputError, match="cannot read camera file"):
        read_camera(tmp_path / "none.json")
    (tmp_path / "text.json").write_text("fx = 3")
    with pytest.raises(InputError, match="not JSON"):
        read_camera(tmp_path / "text.json")
    (tmp_path / "list.json").write_text(json.dumps([1, 2]))
    with pytest.raises(InputError, match=r"list\.json.*expected an object"):
        read_camera(tmp_path / "list.json")
