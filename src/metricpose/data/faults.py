"""Faults of data files: one wording for all of them, and what happens at each: stop, or leave it out and say so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from metricpose.errors import DataError, InputError

COPY_AGAIN = "Copy, download or extract it again."


def fault(path: str | PathLike[str], expected: str, found: str, remedy: str = COPY_AGAIN) -> DataError:
    """An error that names the file, what was expected, what was found and how to mend it."""
    return DataError(f"{path}: expected {expected}, found {found}. {remedy}")


def need_file(path: Path, what: str, remedy: str) -> Path:
    """The path, if a file that is not empty is there.

    Raises:
        DataError: nothing is there, or it is a folder or an empty file.
    """
    if not path.exists():
        raise fault(path, what, "no such file", remedy)
    if not path.is_file():
        raise fault(path, what, "a folder", remedy)
    if path.stat().st_size == 0:
        raise fault(path, what, "an empty file", remedy)
    return path


def need_folder(path: Path, what: str, remedy: str) -> Path:
    """The path, if a folder is there.

    Raises:
        DataError: nothing is there, or it is no folder.
    """
    if not path.is_dir():
        raise fault(path, what, "a file" if path.exists() else "no such folder", remedy)
    return path


class LeftOut(NamedTuple):
    """Something that is not used: which, why, and whether the data set's description says so beforehand."""

    where: str
    why: str
    known: bool = False


class Faults:
    """What is done at a fault: the first one stops the work, or, with `skip_bad`, each is left out and noted."""

    def __init__(self, skip_bad: bool = False) -> None:
        self.skip_bad = skip_bad
        self.left_out: list[LeftOut] = []

    @contextmanager
    def catch(self, where: str) -> Iterator[None]:
        """Note a fault of the data inside the block under this name, if faults are to be skipped.

        A missing package or a fault of the program is never skipped.

        Raises:
            DataError: the fault, if faults are not to be skipped.
        """
        try:
            yield
        except (DataError, InputError) as error:
            if not self.skip_bad:
                raise DataError(f"{where}: {error} (--skip-bad leaves such items out and lists them)") from error
            self.left_out.append(LeftOut(where, str(error)))

    def omit(self, where: str, why: str) -> None:
        """Note something that is left out on purpose, as the description of the data set says."""
        self.left_out.append(LeftOut(where, why, known=True))

    @property
    def bad(self) -> list[LeftOut]:
        """What was left out because it is faulty."""
        return [entry for entry in self.left_out if not entry.known]

    def extend(self, entries: Iterable[LeftOut]) -> None:
        """Add what another process left out."""
        self.left_out.extend(entries)
