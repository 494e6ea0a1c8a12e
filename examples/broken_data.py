"""Small correct data sets of rendered people, broken in every way that docs/DATA.md names: does `data check` say so?

    python examples/broken_data.py                       # all faults, exit code 1 if one was not found and named
    python examples/broken_data.py --only own shards

Each fault is made in a fresh copy, `metricpose data check` runs on it as from a terminal, and must end with exit code 1
and a line that names the fault. Without a fault the same data sets pass. Needs the extra `data` and the repository.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from layouts import rendered, rendered_photographs
from layouts.actors import Actors
from layouts.broken import FAULTS, Fault
from metricpose.cli.main import main as metricpose

READERS = {"mpi test": ("mpi_inf_3dhp", "test"), "mpi train": ("mpi_inf_3dhp", "train"), "coco": ("coco", "val")}
READERS |= {"own": ("own", "all"), "mupots": ("mupots", "test"), "shards": ("shards", "all"), "h36m": ("h36m", "test")}
MAKERS = {
    "own": partial(rendered_photographs.own, people=1),
    "coco": rendered_photographs.coco,
    "mupots": rendered.mupots_3d,
    "h36m": rendered.EXPORTS["h36m"],
}
EXPECTED = re.compile(r"^the set: items: \d+ items, the full set has")


class Said(NamedTuple):
    """Exit code of a check, and the faults it named."""

    code: int
    faults: list[str]


def check(data: str, folder: Path) -> Said:
    """`metricpose data check`; faults are the lines after the table, or the error it stopped with."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        name, split = READERS[data]
        code = metricpose(["data", "check", name, str(folder), "--split", split, "--show", "500"])
    if "│" not in text.getvalue():  # it could not even begin
        return Said(code, [" ".join(text.getvalue().partition("metricpose data check: ")[2].split())])
    lines = [line for line in text.getvalue().splitlines() if re.match(r"^[^\s│┃┏┡├└┌╭╰].*: ", line)]
    return Said(code, [line for line in lines if not re.match(r"left out|failed: |passed: |.*, split \w+: \d", line)])


def make(names: set[str], home: Path) -> None:
    """The correct data sets."""
    actors = Actors()
    for name in names - MAKERS.keys() - {"shards"}:
        rendered.mpi_inf_3dhp(actors, home / name)
    for name in names & MAKERS.keys():
        MAKERS[name](actors, home / name)
    if "shards" in names:
        rendered_photographs.own(actors, home / "photographs", people=1)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            where = [str(home / "photographs"), "--out", str(home / "shards"), "--per-shard", "3"]
            assert metricpose(["data", "prepare", "own", *where]) == 0


def try_fault(fault: Fault, home: Path, number: int) -> bool:
    """Break a copy, check it, print a line; whether the fault was found and named."""
    folder = home / f"broken-{number}"
    shutil.copytree(home / fault.data, folder)
    fault.make(folder)
    said = check(fault.data, folder)
    naming = [line for line in said.faults if re.search(fault.named, line)]
    found = said.code == 1 and bool(naming)
    first = (naming or said.faults or [f"exit code {said.code}"])[0].replace(f"{folder}/", "")
    print(f"{fault.data:<10} {fault.what:<34} {'yes' if found else 'NO':<4} {first[:150]}", flush=True)
    shutil.rmtree(folder)
    return found


def run(faults: list[Fault], home: Path) -> bool:
    """All faults; whether all were found, and none in the correct data sets."""
    make({fault.data for fault in faults}, home)
    good = True
    print(f"{'data set':<10} {'fault':<34} {'found':<5} what `data check` says first about it")
    for name in dict.fromkeys(fault.data for fault in faults):
        said = check(name, home / name)
        false = [line for line in said.faults if not EXPECTED.match(line)]
        print(f"{name:<10} {'(none)':<34} {'NO' if false else 'no':<4} {false[0] if false else 'no fault'}", flush=True)
        good &= not false
    missed = [fault for number, fault in enumerate(faults) if not try_fault(fault, home, number)]
    print(f"{len(faults) - len(missed)} of {len(faults)} faults found and named")
    return good and not missed


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=READERS, metavar="DATA", help=f"of {', '.join(READERS)}")
    options = parser.parse_args(arguments)
    faults = [fault for fault in FAULTS if not options.only or fault.data in options.only]
    with tempfile.TemporaryDirectory() as home, rendered.excerpts_allowed():
        return 0 if run(faults, Path(home)) else 1


if __name__ == "__main__":
    sys.exit(main())
