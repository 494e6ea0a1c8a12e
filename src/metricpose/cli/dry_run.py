"""metricpose train --dry-run: everything that can go wrong or take long, before anyone waits for it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from metricpose.cli.assembly import build_augmentation, build_data, build_network, open_source, with_steps
from metricpose.config import Recipe, SourceConfig, expand
from metricpose.data.synthetic import ENDLESS
from metricpose.errors import InputError, MetricposeError
from metricpose.skeleton import catalog
from metricpose.skeleton.core import Skeleton
from metricpose.training.distributed import Place, joined
from metricpose.training.inventory import Inventory, take_inventory
from metricpose.training.loop import TrainingData
from metricpose.training.rehearsal import Forecast, Rehearsal, forecast, rehearse

Rows = list[tuple[str, ...]]
_SOURCES = ("source", "people", "per batch", "passes", "joints", "labels of", "joints without any")
_ALWAYS = 0.995


class Report(NamedTuple):
    """What a dry run found: a table of the sources, and lines of (what, found)."""

    title: str
    sources: Rows
    lines: list[tuple[str, str]]


def dry_run(recipe: Recipe) -> Report:
    """Check the sources, take a few steps, and say what the run will need.

    Raises:
        InputError: all faults of sources and files at once.
        MetricposeError: a fault of the network, its weights or its loss; or too little disk.
    """
    inventories = _take_inventories(recipe)
    data = build_data(recipe)
    recipe = with_steps(recipe, data)
    network = build_network(recipe)
    skeleton = catalog.get(network.skeleton.name)  # type: ignore[union-attr,arg-type]
    if recipe.training.threads:
        torch.set_num_threads(recipe.training.threads)
    with joined(recipe.training.device) as place:
        found = rehearse(network, data, recipe.training, place)
        expected = forecast(found, recipe.training)
        device = _device(place)
    sources = [
        _source_row(config, inventory, count, recipe.training.steps)
        for config, inventory, count in zip(recipe.data.train, inventories, data.counts)
    ]
    lines = [
        *_network_lines(recipe, network, found, device),
        *_time_lines(recipe, found, expected),
        *_disk_lines(recipe, found),
        *_validation_lines(recipe, data),
        *_notes(recipe, skeleton, inventories),
    ]
    return Report(f"{recipe.name}: dry run, nothing is written", sources, lines)


def show(report: Report) -> None:
    """Print a report: as tables, or as plain lines where the package rich is not installed."""
    try:
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table
    except ImportError:  # a machine for training need not have the command line's packages
        for row in (_SOURCES, *report.sources, *report.lines):
            print(": ".join(row))
        return
    console = Console()
    table = Table(title=report.title, title_justify="left")
    for column in _SOURCES:
        table.add_column(column, overflow="fold", justify="right" if column in _SOURCES[1:4] else "left")
    for row in report.sources:
        table.add_row(*map(escape, row))
    console.print(table)
    facts = Table(show_header=False)
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    for what, text in report.lines:
        facts.add_row(escape(what), escape(text))
    console.print(facts)


def _take_inventories(recipe: Recipe) -> list[Inventory]:
    """One per training source; faults of all sources and files are gathered, so that they can be mended at once."""
    settings = recipe.model.build()
    skeleton = catalog.get(settings.skeleton)  # type: ignore[attr-defined]
    found: list[Inventory] = []
    faults: list[str] = []

    def check(where: str, work: Callable[[], object]) -> None:
        try:
            work()
        except MetricposeError as error:
            faults.append(f"{where}: {error}")

    for number, source in enumerate(recipe.data.train):
        check(f"data.train.{number}", lambda source=source: found.append(_look(source, skeleton)))
    held_out = recipe.data.validation
    if held_out is not None:
        check("data.validation", lambda: _look(held_out, skeleton))
    for name in ("init_backbone", "init_from", "out"):
        if getattr(recipe, name):
            check(name, lambda name=name: expand(getattr(recipe, name)))
    check("augmentation", lambda: build_augmentation(recipe.augmentation, []))
    if faults:
        raise InputError(f"{recipe.name}: {len(faults)} fault(s)\n  " + "\n  ".join(faults))
    return found


def _look(source: SourceConfig, skeleton: Skeleton) -> Inventory:
    return take_inventory(open_source(source), skeleton, 2 if source.kind == "synthetic" else 24)


def _source_row(config: SourceConfig, found: Inventory, count: int, steps: int) -> tuple[str, ...]:
    endless = found.records >= ENDLESS
    labels = ", ".join(
        name if share > _ALWAYS else f"{name} ({share:.0%})" for name, share in found.labels.items()
    )  # fmt: skip
    kept = "" if config.supervision == "full" else f"; {config.supervision} kept"
    return (
        _named(config), "no end" if endless else f"{found.records:,}", str(count),
        "-" if endless else f"{steps * count / found.records:.1f}", ", ".join(found.skeletons),
        f"{labels}{kept}", ", ".join(found.unlabelled) or "none",
    )  # fmt: skip


def _named(config: SourceConfig) -> str:
    path = getattr(config, "path", "")
    return Path(expand(path)).name if path else "rendered"


def _network_lines(recipe: Recipe, network: nn.Module, found: Rehearsal, device: str) -> list[tuple[str, str]]:
    frozen = found.parameters - found.trained
    settings: Any = network.config
    shapes = "; ".join(f"{name} {' x '.join(map(str, shape))}" for name, shape in found.outputs.items())
    terms = ", ".join(f"{name} {value:.3g}" for name, value in found.terms.items() if name not in ("loss", "gradient"))
    taken = _how(found)
    return [
        ("network", f"{recipe.model.name}, {settings.backbone}, {settings.side} px, {settings.skeleton}: "
                    f"{found.parameters / 1e6:.2f} M parameters"
                    + (f", {frozen / 1e6:.2f} M of them not trained" if frozen else "")),
        ("device", device),
        ("batch taken", f"forward, backward, optimiser: {taken}"),
        ("images", f"{found.measured} x 3 x {settings.side} x {settings.side}"),
        ("outputs", shapes),
        ("loss terms", f"{terms} (at the last step's weights of the terms)"),
        ("memory", _memory(found, taken)),
    ]  # fmt: skip


def _how(found: Rehearsal) -> str:
    if found.measured == found.people:
        return f"measured with the recipe's batch of {found.people}"
    return f"extrapolated to {found.people} people from batches of {found.measured // 2} and {found.measured}"


def _memory(found: Rehearsal, taken: str) -> str:
    if found.memory_bytes is None:
        return f"a batch of {found.people} does not fit this GPU: take a smaller one, or a larger GPU"
    how = "torch.cuda.max_memory_allocated" if found.allocator else "counted from tensors, scratch memory left out"
    return f"{size(found.memory_bytes)}, {taken} ({how})"


def _time_lines(recipe: Recipe, found: Rehearsal, expected: Forecast) -> list[tuple[str, str]]:
    workers = recipe.training.workers
    together = f"{workers} worker process(es) beside the network" if workers else "one after the other"
    return [
        ("a step", f"{duration(expected.step_s)}: loading {duration(found.load_s)} in one process, computing "
                   f"{duration(found.compute_s)}; {together}"),
        ("the run", f"{recipe.training.steps:,} steps in about {duration(expected.total_s)}: loading "
                    f"{duration(expected.load_s)}, computing {duration(expected.compute_s)}, validation "
                    f"{duration(expected.validation_s)}; the bottleneck is {expected.bottleneck}"),
    ]  # fmt: skip


def _disk_lines(recipe: Recipe, found: Rehearsal) -> list[tuple[str, str]]:
    """Both files are replaced atomically, so for a moment the larger one is there twice."""
    needed = 2 * found.state_bytes + found.model_bytes
    folder = recipe.folder.absolute()
    there = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise InputError(f"{there} has {size(free)} free; checkpoints need {size(needed)}. Set `out` to another disk.")
    return [("disk", f"{size(needed)} at most in {recipe.folder}: state {size(found.state_bytes)}, twice while it is "
                     f"replaced, and model {size(found.model_bytes)}; {size(free)} are free")]  # fmt: skip


def _validation_lines(recipe: Recipe, data: TrainingData) -> list[tuple[str, str]]:
    people = sum(len(batch["images"]) for batch in data.validation)
    if recipe.data.validation is None or not recipe.training.validate_every:
        return [("validation", "none: only the loss will be seen")]
    every = recipe.training.validate_every
    return [("validation", f"{people} people of {_named(recipe.data.validation)}, every {every:,} steps")]


def _notes(recipe: Recipe, skeleton: Skeleton, found: list[Inventory]) -> list[tuple[str, str]]:
    notes = []
    for joint in sorted(set.intersection(*(set(f.unlabelled) for f in found)), key=skeleton.joints.index):
        notes.append(f"no source labels {joint}: it will not be learned")
    if not any(f.labels.get("3D") for f in found):
        notes.append("no source has 3D labels")
    replaced = recipe.augmentation.enabled and recipe.augmentation.compositing.background > 0
    if replaced and not any(f.labels.get("mask") for f in found):
        notes.append("no source has masks: no background will be replaced")
    return [("note", text) for text in notes]


def _device(place: Place) -> str:
    if place.device.type == "cuda":
        memory = torch.cuda.get_device_properties(place.device).total_memory
        return f"{torch.cuda.get_device_name(place.device)}, {size(memory)}"
    return f"{place.device}, {torch.get_num_threads()} thread(s)"


def size(count: float | int) -> str:
    """Bytes in the unit that suits."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count:.0f} B"


def duration(seconds: float | int) -> str:
    """Seconds in the units that suit: 12 ms, 3.4 s, 5 min, 7 h 20 min, 3 d 4 h."""
    if seconds < 120:
        return f"{seconds * 1e3:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    hours, days = divmod(minutes, 60), divmod(round(minutes / 60), 24)
    if days[0] > 1:
        return f"{days[0]} d {days[1]} h"
    return re.sub(r"^0 h ", "", f"{hours[0]} h {hours[1]} min")
