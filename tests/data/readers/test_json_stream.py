"""Large JSON files element by element: the same values as json.loads, wherever the chunks end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from metricpose.data.readers import json_stream
from metricpose.data.readers.json_stream import read_element, read_elements
from metricpose.errors import DataError

CONTENT = {
    "info": {"year": 2019, "lists": [[1], {"a": []}]},
    "images": [{"id": 1, "file_name": "a/ö.jpg", "f": [1497.5, -2.5e3]}, {"id": 22, "file_name": 'b"]}.jpg'}],
    "licence": "none",
    "numbers": [1, 23, 456, True, None],
    "empty": [],
    "annotations": [{"id": i, "keypoints": [[0.1 * i, 7]] * 3} for i in range(5)],
}


@pytest.mark.parametrize("escaped", [True, False])
@pytest.mark.parametrize("chunk", [1, 7, 64, 1 << 22])
@pytest.mark.parametrize("indent", [None, 3])
def test_elements_and_their_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, escaped: bool, indent: int | None
) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(CONTENT, ensure_ascii=escaped, indent=indent), encoding="utf8")
    monkeypatch.setattr(json_stream, "_CHUNK", chunk)
    found: dict[str, list] = {}
    for element in read_elements(path):
        found.setdefault(element.list_name, []).append(element.value)
        assert read_element(path, element.start, element.length) == element.value
    assert found == {name: CONTENT[name] for name in ("images", "numbers", "annotations")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", r"expected '\{' at byte 0, found '\['"),
        ('{"a": [1, 2', r"expected ',' at byte 11, found the end of the file"),
        ('{"a": [{"b": 1}, {"b": ', r"expected a whole JSON value at byte 17"),
        ('{"a": [1 2]}', r"expected ',' at byte 9, found '2'"),
        ('{"a": 1', r"expected ',' at byte 7, found the end"),
        ("", r"expected a JSON file, found an empty file"),
    ],
)
def test_damage_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataError, match=rf"a\.json: {message}"):
        list(read_elements(tmp_path / "a.json"))


def test_a_file_that_has_changed(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": [123456]}')
    with pytest.raises(DataError, match=r"an element at byte 3.*It has changed"):
        read_element(tmp_path / "a.json", 3, 4)
