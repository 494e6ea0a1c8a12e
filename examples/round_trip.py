"""The whole way without any data set: rendered people as each one's owners lay it out, checked, prepared, trained on
and measured with the commands a real data set would go through.

    python examples/round_trip.py                        # everything, in some minutes
    python examples/round_trip.py --only h36m 3dpw --steps 10 --out somewhere

The numbers say nothing about any method or data set: a tiny network sees a few people for a few steps. What is shown is
that the way is open, and that what the readers give is where the people were rendered, to a hundredth of a pixel and a
tenth of a millimetre. Needs the extra `data` and the repository, whose tests have the writers of the layouts.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import re
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: spinning threads make a busy machine crawl
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
import yaml

from layouts import rendered, rendered_photographs
from layouts.actors import Actors, Excerpt, stand_ins
from metricpose.cli.main import main as metricpose
from metricpose.data import readers
from metricpose.data.faults import Faults
from metricpose.data.readers.contract import find_items
from metricpose.errors import InputError
from metricpose.skeleton import catalog

EXPORTS = {**rendered.EXPORTS, **rendered_photographs.EXPORTS}
NEEDS = {"mupots": "muco"}
MIXED = "metricpose_25"
CLOSE_PX, CLOSE_MM = 0.01, 0.1


@dataclass
class Line:
    """A line of the table."""

    excerpt: Excerpt
    items: int = 0
    apart_px: float = 0.0
    apart_mm: float = float("nan")
    faults: int = 0
    fewer: bool = False
    people: int = 0
    shards: int = 0
    losses: tuple[float, float] = (float("nan"), float("nan"))
    errors: dict[str, float] = field(default_factory=dict)


def command(log: Path, *arguments: str | Path) -> tuple[int, str]:
    """Run `metricpose ...` as from a terminal; its text goes to a file and is returned with the exit code."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf8") as stream:
        stream.write(f"metricpose {' '.join(map(str, arguments))}\n")
        with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
            code = metricpose([str(a) for a in arguments])
    return code, log.read_text(encoding="utf8")


def must(log: Path, *arguments: str | Path) -> str:
    """The text of a command that must succeed."""
    code, text = command(log, *arguments)
    if code != 0:
        raise SystemExit(f"{text}\nmetricpose {' '.join(map(str, arguments))}: exit code {code}")
    return text


def compare(line: Line) -> None:
    """What the reader gives must be where the people were rendered."""
    excerpt = line.excerpt
    reader, apart_mm = readers.get(excerpt.reader), []
    for split, truth in excerpt.truth.items():
        items = find_items(reader, excerpt.folder, split, Faults())
        assert sorted(item.id for item in items) == sorted(truth), (
            f"{excerpt.reader}, {split}: other items than written"
        )
        line.items += len(items)
        for item in items:
            labels, there = reader.labels(item), truth[item.id]
            places = [labels.pixels]
            if np.isfinite(labels.joints_mm).any():
                places.append(labels.camera.project_camera(labels.joints_mm))
                apart_mm.append(np.abs(labels.joints_mm - there.mm).max())
            line.apart_px = max(line.apart_px, *(float(np.abs(p - there.px).max()) for p in places))
    line.apart_mm = float(max(apart_mm, default=np.nan))
    assert line.apart_px <= CLOSE_PX, f"{excerpt.reader}: {line.apart_px} px"
    assert not line.apart_mm > CLOSE_MM, f"{excerpt.reader}: {line.apart_mm} mm"


def check(line: Line, logs: Path) -> None:
    """`data check` of every split. That an excerpt is not the full set is a fault too, counted apart."""
    for split in line.excerpt.truth:
        name = line.excerpt.reader
        code, text = command(logs / f"check-{split}.txt", "data", "check", name, line.excerpt.folder, "--split", split)
        found = re.search(r"^(?:failed|passed): (no|[\d,]+) faults?", text, re.MULTILINE)
        assert found, text
        few = len(re.findall(r"^the set: items: \d+ items, the full set has", text, re.MULTILINE))
        total = 0 if found[1] == "no" else int(found[1].replace(",", ""))
        assert code == int(total > 0), text
        line.faults, line.fewer = line.faults + total - few, line.fewer or few > 0


def prepare(line: Line, folder: Path) -> None:
    """`data prepare` of every split, and `data check shards` of what it wrote."""
    for split in line.excerpt.truth:
        shards = folder / "shards" / split
        text = must(
            folder / "logs" / f"prepare-{split}.txt",
            *("data", "prepare", line.excerpt.reader, line.excerpt.folder),
            *("--split", split, "--out", shards, "--per-shard", "256"),
        )
        made = re.search(r": ([\d,]+) people in ([\d,]+) shards", text)
        assert made, text
        line.people += int(made[1].replace(",", ""))
        line.shards += int(made[2].replace(",", ""))
        must(folder / "logs" / f"shards-{split}.txt", "data", "check", "shards", shards)


def train(folder: Path, skeleton: str, sources: list[Path], steps: int) -> tuple[float, float]:
    """`train` on folders of shards: a MobileNetV2 of 64 pixels; the first and the last loss."""
    network = {"side": 64, "backbone": "mobilenetv2", "absolute_start": 0, "skeleton": skeleton}
    often = {"log_every": 1, "validate_every": 0, "checkpoint_every": steps, "ema": 0}
    here = {"workers": 0, "threads": 1, "precision": "fp32", "device": "cpu"}
    recipe = {
        "name": folder.name,
        "out": str(folder / "run"),
        "model": {"name": "metrabs", "config": network},
        "data": {"train": [{"kind": "shards", "path": str(source)} for source in sources]},
        "augmentation": {"enabled": False},
        "training": {"steps": steps, "batch_size": max(8, len(sources)), "lr": 1e-3, **here, **often},
    }
    path = folder / "recipe.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(recipe))
    must(folder / "logs" / "train.txt", "train", path)
    with (folder / "run" / "train.csv").open() as stream:
        losses = [float(row["loss"]) for row in csv.DictReader(stream)]
    return losses[0], losses[-1]


def evaluate(line: Line, folder: Path, model: Path) -> None:
    """`evaluate` by each protocol of the data set."""
    for protocol in line.excerpt.protocols:
        out, known = folder / protocol, () if protocol == "real-dev" else ("--reader", line.excerpt.reader)
        where = ("--protocol", protocol, "--data", line.excerpt.folder, "--out", out, *known)
        must(folder / "logs" / f"{protocol}.txt", "evaluate", model, *where)
        first = json.loads((out / "report.json").read_text())["rows"][0]
        values = first["values"]
        measure = next(name for name in ("mpjpe", "pck150") if name in values)
        line.errors[f"{protocol} {measure}"] = float(values[measure]["mean"])


def mix(lines: list[Line], out: Path, steps: int) -> None:
    """One training on all sets together, 3D and 2D, whose joints can be converted; measured on Human3.6M."""
    fitting = [line for line in lines if line.excerpt.train and converts(line.excerpt)]
    if len(fitting) < 2:
        return
    sources = [out / line.excerpt.reader / "shards" / line.excerpt.train for line in fitting]
    shutil.rmtree(out / "mixed", ignore_errors=True)
    first, last = train(out / "mixed", MIXED, sources, steps)
    print(
        f"One training on {len(fitting)} of them at once, as {MIXED}: loss {first:.3f}, after {steps} steps {last:.3f}."
    )
    measured = next((line for line in lines if line.excerpt.reader == "h36m"), None)
    if measured is not None:
        whole = Line(measured.excerpt)
        evaluate(whole, out / "mixed", out / "mixed" / "run" / "model.safetensors")
        print("  " + "; ".join(f"{name} {value:.0f}" for name, value in whole.errors.items()))


def converts(excerpt: Excerpt) -> bool:
    """Whether the joints of a data set can be turned into those of the mixed network."""
    try:
        catalog.conversion(catalog.get(readers.get(excerpt.reader).about.skeleton), catalog.get(MIXED))
    except InputError:
        return False
    return True


def show(lines: list[Line], steps: int) -> None:
    """The table, and what it does not mean."""
    form = "{:<17}{:>6}  {:<9}{:<9}{:>6}  {:>6}{:>7}  {:>7} {:>7}  {}"
    heads = ["data set", "items", "px apart", "mm apart", "faults", "people", "shards", "loss 1"]
    print(form.format(*heads, f"loss {steps}", "protocol"))
    for line in lines:
        apart = [f"{v:.1g}" if np.isfinite(v) else "-" for v in (line.apart_px, line.apart_mm)]
        losses = [f"{v:.3f}" if np.isfinite(v) else "-" for v in line.losses]
        errors = "; ".join(f"{name} {value:.0f}" for name, value in line.errors.items()) or "-"
        faults = f"{line.faults}{'*' if line.fewer else ''}"
        print(form.format(line.excerpt.reader, line.items, *apart, faults, line.people, line.shards, *losses, errors))
    print("* and one for having fewer items than the full set. mpjpe in mm, pck150 in %, main row of the protocol.")
    for line in lines:
        made_up = stand_ins(readers.get(line.excerpt.reader).about.skeleton)
        notes = [line.excerpt.note] if line.excerpt.note else []
        notes += [f"trained on {line.excerpt.trained_on}"] if line.excerpt.trained_on else []
        notes += [f"by equal names or stand-ins: {', '.join(made_up)}"] if made_up else []
        if notes:
            print(f"  {line.excerpt.reader}: {'; '.join(notes)}")


def run(names: list[str], out: Path, steps: int) -> list[Line]:
    """All of it for these data sets, each in a folder that is made anew."""
    actors, lines, started = Actors(), [], time.monotonic()
    for name in names:
        folder = out / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        line = Line(EXPORTS[name](actors, folder / "official"))
        compare(line)
        check(line, folder / "logs")
        prepare(line, folder)
        if line.excerpt.train:
            shards = folder / "shards" / line.excerpt.train
            line.losses = train(folder, line.excerpt.skeleton, [shards], steps)
        evaluate(line, folder, out / (line.excerpt.trained_on or name) / "run" / "model.safetensors")
        lines.append(line)
        print(f"{time.monotonic() - started:6.0f} s  {name}", flush=True)
    return lines


def main(arguments: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=EXPORTS, metavar="NAME", help=f"of {', '.join(EXPORTS)}")
    parser.add_argument(
        "--out", type=Path, default=Path("out/round_trip"), help="folder; the data sets in it are made anew"
    )
    parser.add_argument("--steps", type=int, default=50)
    options = parser.parse_args(arguments)
    chosen = set(options.only or EXPORTS)
    chosen |= {NEEDS[name] for name in chosen & NEEDS.keys()}
    with rendered.excerpts_allowed():
        lines = run([name for name in EXPORTS if name in chosen], options.out, options.steps)
    show(lines, options.steps)
    with rendered.excerpts_allowed():
        mix(lines, options.out, options.steps)
    print(f"These numbers mean nothing: a tiny network, {options.steps} steps, a few rendered people. The way is open.")


if __name__ == "__main__":
    main()
