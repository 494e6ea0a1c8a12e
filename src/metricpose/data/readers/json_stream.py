"""JSON files of gigabytes: the elements of the lists at the top of an object, with their places in the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from metricpose.data.faults import COPY_AGAIN, fault, need_file

_CHUNK = 1 << 22
_LONGEST = 1 << 28  # an element longer than this is no element of a list of labels
_SPACE = " \t\r\n"


class Element(NamedTuple):
    """An element of a list: the list's name, its own place in the file, in bytes, and its value."""

    list_name: str
    start: int
    length: int
    value: Any


def read_elements(path: Path) -> Iterator[Element]:
    """The elements of all lists at the top of a file that is one object; other values at the top are passed over.

    Raises:
        DataError: missing, truncated, or no such file.
    """
    with open(need_file(path, "a JSON file", COPY_AGAIN), "rb") as stream:
        text = _Text(stream, path)
        text.expect("{")
        while text.peek() != "}":
            name = text.value()[0]
            text.expect(":")
            if text.peek() == "[":
                yield from _elements(text, str(name))
            else:
                text.value()
            if text.peek() != "}":
                text.expect(",")


def _elements(text: _Text, name: str) -> Iterator[Element]:
    text.expect("[")
    while text.peek() != "]":
        value, start, length = text.value()
        yield Element(name, start, length, value)
        if text.peek() != "]":
            text.expect(",")
    text.expect("]")


def read_element(path: Path, start: int, length: int) -> Any:
    """The value of the element at this place.

    Raises:
        DataError: missing, or another file than the one whose elements were listed.
    """
    with open(need_file(path, "a JSON file", COPY_AGAIN), "rb") as stream:
        stream.seek(start)
        data = stream.read(length)
    try:
        return json.loads(data)
    except ValueError as error:
        raise fault(path, f"an element at byte {start}", str(error), "It has changed since it was listed.") from error


class _Text:
    """A file as text, one character for each byte, as much of it as is needed at a time."""

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self._stream, self._path = stream, path
        self._text, self._at, self._base = "", 0, 0
        self._decoder = json.JSONDecoder()

    def peek(self) -> str:
        """The next character that is no space, which is not taken; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text) or not self._more(_CHUNK):
                return self._text[self._at : self._at + 1]

    def expect(self, character: str) -> None:
        """Take this character."""
        found = self.peek()
        if found != character:
            shown = repr(found) if found else "the end of the file"
            raise fault(self._path, f"{character!r} at byte {self._base + self._at}", shown, COPY_AGAIN)
        self._at += 1

    def value(self) -> tuple[Any, int, int]:
        """Take a value; returns it with its place and length in bytes."""
        self.peek()
        chunk = _CHUNK
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                value, end, problem = None, len(self._text), str(error)
            else:
                problem = ""
            # A value that reaches the end of the text may go on: a number of several digits.
            if end == len(self._text) and len(self._text) - self._at < _LONGEST and self._more(chunk):
                chunk *= 2
                continue
            if problem:
                raise fault(self._path, f"a whole JSON value at byte {self._base + self._at}", problem, COPY_AGAIN)
            start, self._at = self._at, end
            return _utf8(value), self._base + start, end - start

    def _more(self, count: int) -> bool:
        """Read on, dropping what was taken; whether there was more."""
        data = self._stream.read(count)
        if data:
            self._base += self._at
            self._text = self._text[self._at :] + data.decode("latin1")
            self._at = 0
        return bool(data)


def _utf8(value: Any) -> Any:
    """The texts at the top of a value as they are meant: they were read as one character for each byte."""
    if isinstance(value, dict):
        return {k: _utf8(v) if isinstance(v, str) else v for k, v in value.items()}
    if isinstance(value, str) and not value.isascii():
        try:
            return value.encode("latin1").decode("utf8")
        except UnicodeError:  # written with escapes
            return value
    return value
