"""The interactive page: one file, valid data in it, nothing of the picture's name interpreted."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from metricpose.vis.page import page_data, write_page
from reference.people import people as ugly_people
from vis.test_overlay import result, standing


def test_data_are_metres_right_up_and_away() -> None:
    people = result(standing(x=500, z=3500))
    data = page_data(people)
    np.testing.assert_allclose(data["people"][0]["points"][10], (0.5, 0.75, 3.5))
    assert data["people"][0]["distance"] == pytest.approx(np.hypot(0.5, 3.5), abs=1e-3)
    assert [len(data["edges"]), data["joints"][1], data["colours"][1]] == [16, "r_hip", "rgb(213,94,0)"]
    assert data["people"][0]["state"][0] == "measured"


@pytest.mark.parametrize("count", [0, 2])
def test_the_page_is_one_file_with_readable_data(tmp_path: Path, count: int) -> None:
    image = np.full((300, 1600, 3), 90, np.uint8)
    write_page(image, ugly_people(count), tmp_path / "a.html", "<script>alert('x')</script>")
    text = (tmp_path / "a.html").read_text()
    assert "<script>alert" not in text
    assert not re.search(r"""(src|href)=["'](?!data:)""", text)
    data = json.loads(re.search(r"const data = (.*);\n", text).group(1))
    assert len(data["people"]) == count
    if count:
        assert data["people"][0]["points"][3] == [None, None, None]
        assert data["people"][0]["sigma"][3] is None
    photo = base64.b64decode(re.search(r"base64,([^\"]+)", text).group(1))
    assert cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR).shape[1] == 1100


def test_the_page_numbers_people_as_the_arrays_do(tmp_path: Path) -> None:
    write_page(np.full((300, 400, 3), 90, np.uint8), ugly_people(2), tmp_path / "a.html")
    said = re.search(r"tip.textContent = \"person \" \+ ([^+]+) \+", (tmp_path / "a.html").read_text())
    assert said is not None
    assert said.group(1).strip() == "best[2]"  # the index in data.people
