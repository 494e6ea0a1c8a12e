"""Changes of files that anything may suffer: lost, cut off, a byte changed, another size, another text."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2

Change = Callable[[Path], object]
"""What is done to a folder."""


def remove(name: str) -> Change:
    """A file or folder is missing."""

    def change(folder: Path) -> None:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def cut(name: str, share: float = 0.5) -> Change:
    """A file ends too early."""

    def change(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: int(share * len(data))])

    return change


def flip(name: str, share: float) -> Change:
    """A byte of a file is another one."""

    def change(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[int(share * len(data))] ^= 0xFF
        (folder / name).write_bytes(bytes(data))

    return change


def resize(name: str, factor: float) -> Change:
    """A picture has another size."""

    def change(folder: Path) -> None:
        image = cv2.imread(str(folder / name))
        assert image is not None, name
        cv2.imwrite(str(folder / name), cv2.resize(image, None, fx=factor, fy=factor))

    return change


def text(name: str, old: str, new: str) -> Change:
    """A text in a file is another one."""

    def change(folder: Path) -> None:
        content = (folder / name).read_text()
        assert old in content, f"no {old} in {name}"
        (folder / name).write_text(content.replace(old, new, 1))

    return change
