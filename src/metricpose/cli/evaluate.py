"""metricpose evaluate: a checkpoint, or another system's predictions, measured by a protocol."""

from __future__ import annotations

import builtins
import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import tyro

if TYPE_CHECKING:
    from metricpose.evaluation.association import Crowd
    from metricpose.evaluation.definition import Protocol
    from metricpose.evaluation.predictions import Predictions
    from metricpose.evaluation.report import Report
    from metricpose.evaluation.sources import Items
    from metricpose.evaluation.tables import Table

OUT = Path("out") / "evaluate"
NAMES = 2
"""Columns of names at the left of every table."""


def run(
    checkpoint: str | None = None,
    *,
    protocol: str | None = None,
    data: Path | None = None,
    count: int | None = None,
    out: Path | None = None,
    predictions: Path | None = None,
    calibrate_on: Path | None = None,
    views: Annotated[int | Literal["margipose-5", "margipose-10"], tyro.conf.arg(aliases=["--tta"])] = 1,
    device: str | None = None,
    reader: str | None = None,
    compare: tuple[str, ...] = (),
    allow_oracle: bool = False,
    list: bool = False,
) -> Report | None:
    """Measure a model, or predictions made elsewhere, and print the protocol, the tables of papers and breakdowns.

    Numbers come from a predictions file, which is written first and used again if it was made for the same thing.

    Args:
        checkpoint: model file or name of a bundled model; leave out to score the --predictions of another system.
        protocol: one of those that --list shows.
        data: folder of the data set as distributed; labels file or folder; for synthetic protocols shards, or rendering
            assets; else people are rendered.
        count: images to take instead of the protocol's number.
        out: folder for predictions.npz, report.json and report.md; default out/evaluate/PROTOCOL-MODEL, where a
            training's model.safetensors is called after its folder.
        predictions: file of cached predictions, or of another system (docs/EVALUATION.md) if no checkpoint is given.
        calibrate_on: predictions file of another split; fit the covariance calibration there and score it here.
        views: test-time views averaged per person: a number, or the five or ten shifted crops of MargiPose.
        device: cpu, cuda ...; default CUDA if there is any.
        reader: of a data set that can be read in several layouts; default the first whose files are there.
        compare: public numbers of --list to put beside; one measured by another protocol is refused.
        allow_oracle: compare although one of the two was given truth, such as the root's depth, and the other not.
        list: show the protocols and the public numbers, and stop.
    """
    from metricpose.evaluation import comparison, protocols, published, tables
    from metricpose.evaluation.scoring import evaluate
    from metricpose.files import atomic_path

    if list:
        show([protocol_table(), published_table()])
        return None
    if protocol is None or (checkpoint is None and predictions is None):
        _wrong_usage("expected --protocol NAME (see --list) and a CHECKPOINT or --predictions FILE")
    chosen, public = protocols.get(protocol), [published.get(name) for name in compare]
    for number in public:
        comparison.require_protocol(number, protocol)
    folder = out or default_folder(protocol, checkpoint or str(predictions))
    if checkpoint is None:
        assert predictions is not None
        _refuse_unused(predictions, {"views": None if views == 1 else views, "device": device})
        made = _of_file(predictions, chosen, data, count, reader)
    else:
        path = predictions or folder / "predictions.npz"
        made = _of_model(checkpoint, chosen, data, count, path, views, device, reader)
    report = evaluate(made, chosen)
    report.save(folder / "report.json")
    with atomic_path(folder / "report.md") as path:
        path.write_text(tables.markdown(report), encoding="utf8")
    extra = [_calibration(calibrate_on, made)] if calibrate_on is not None else []
    show([*_cards(report), *tables.tables(report, brief=True), *extra], report.notes)
    print(f"written: {folder}")
    allowed = ("oracle",) if allow_oracle else ()
    show([comparison.beside(report, number, allow=allowed) for number in public])
    return report


def default_folder(protocol: str, measured: str) -> Path:
    """Where the results of a model or predictions file go.

    Every training writes `model.safetensors` and every evaluation `predictions.npz`: their folders tell them apart.
    """
    path = Path(measured).absolute()
    parent, name = path.parent.name, path.stem
    if parent and path.name == "model.safetensors":
        name = parent
    elif parent and path.name == "predictions.npz":
        name = parent.removeprefix(f"{protocol}-")
    return OUT / f"{protocol}-{name}"


def _wrong_usage(message: str) -> NoReturn:
    """End the program as the parser of the command line does."""
    print(f"metricpose evaluate: {message}", file=sys.stderr)
    raise SystemExit(2)


def _refuse_unused(path: Path, given: dict[str, object]) -> None:
    """Refuse options that predictions already made leave no choice of."""
    from metricpose.errors import InputError

    named = ", ".join(f"--{option}" for option, value in given.items() if value is not None)
    if named:
        raise InputError(
            f"{path} holds predictions already made, which {named} cannot change; leave {named} out, or give a "
            "CHECKPOINT to predict again"
        )


def _of_model(
    checkpoint: str,
    protocol: Protocol,
    data: Path | None,
    count: int | None,
    path: Path,
    views: int | str,
    device: str | None,
    reader: str | None,
) -> Predictions:
    """Cached predictions if they are of the same thing, else new ones."""
    from metricpose.evaluation import predictions as files
    from metricpose.evaluation.run import describe_model, predict_records
    from metricpose.evaluation.sources import open_items
    from metricpose.predict.api import choose_device
    from metricpose.weights import load_model

    target = choose_device(device)
    model, metadata = load_model(checkpoint)
    items = open_items(protocol, data, count, reader=reader)
    header = files.Header(**_of_data(protocol, items), **describe_model(model, metadata, views))
    if path.exists():
        cached = files.load(path)
        files.require_same(cached.header, header, path)
        print(f"using the predictions in {path}")
        return cached
    with _progress(len(items)) as advance:
        made = predict_records(model, items, header, views=views, device=target, progress=advance)
    files.save(made, path)
    return made


def _of_file(
    path: Path, protocol: Protocol, data: Path | None, count: int | None, reader: str | None
) -> Predictions | Crowd:
    """Our own predictions file as it is, or another system's joints beside the protocol's ground truth."""
    from metricpose.evaluation import external
    from metricpose.evaluation import predictions as files
    from metricpose.evaluation.sources import open_items

    if path.suffix == ".npz" and "header" in files.read_npz(path):
        _refuse_unused(path, {"data": data, "count": count, "reader": reader})
        return files.load(path)
    read = external.read_external(path)
    items = open_items(protocol, data, count, reader=reader, pictures=False)
    builder = files.TruthBuilder(external.NOMINAL_SIDE)
    with _progress(len(items)) as advance:
        for number, record in enumerate(items, 1):
            builder.add_box(record)
            advance(number)
    unknown: dict[str, Any] = {"skeleton": read.skeleton, "root": "", "scale_policy": files.NOT_STATED}
    put = external.crowd if read.crowded and protocol.matching_px is not None else external.match
    return put(read, builder.build(), files.Header(**_of_data(protocol, items), **unknown))


def _of_data(protocol: Protocol, items: Items) -> dict[str, Any]:
    return {
        "protocol": protocol.name,
        "data": items.data,
        "split": items.split,
        "people": len(items),
        "seed": protocol.seed,
        "crop_source": protocol.crop_source,
        "part": items.part,
    }


def _calibration(path: Path, test: Predictions | Crowd) -> Table:
    from metricpose.errors import InputError
    from metricpose.evaluation import predictions as files
    from metricpose.evaluation.recalibrate import recalibrate, table

    if not isinstance(test, files.Predictions):
        raise InputError("--calibrate-on needs predictions of true boxes, with covariances")
    found = recalibrate(files.load(path), test)
    print(f"calibration factor of the variances: {found.common.factor:.4g}; per joint: {found.per_joint.factor}")
    return table(found)


def protocol_table() -> Table:
    """The protocols there are."""
    from metricpose.evaluation.protocols import PROTOCOLS
    from metricpose.evaluation.tables import Table

    rows = [(p.name, p.title, str(p.count or "all")) for p in PROTOCOLS.values()]
    return Table("Protocols (docs/EVALUATION.md)", ("name", "what", "images"), rows)


def published_table() -> Table:
    """The public numbers there are, each with the one protocol it compares with."""
    from metricpose.evaluation.published import PUBLISHED
    from metricpose.evaluation.tables import Table

    rows = [(n.name, n.protocol, n.system) for n in PUBLISHED.values()]
    return Table("Public numbers, for --compare", ("name", "protocol", "system"), rows)


def _cards(report: Report) -> builtins.list[Table]:
    from metricpose.evaluation.tables import Table

    return [Table(f"Protocol: {name}", ("", ""), [*card.items()]) for name, card in report.cards.items()]


def show(found: builtins.list[Table], notes: tuple[str, ...] = ()) -> None:
    """Print tables to the terminal, numbers to the right; tables wider than it are printed in parts."""
    from rich.console import Console
    from rich.table import Table as RichTable

    console = Console()
    for table in (part for whole in found for part in fitted(whole, console.width)):
        drawn = RichTable(title=table.title, title_justify="left", show_header=any(table.headings))
        for index, heading in enumerate(table.headings):
            drawn.add_column(heading, justify="left" if index < NAMES else "right", overflow="fold")
        for row in table.rows:
            drawn.add_row(*row)
        console.print(drawn)
    for note in notes:
        console.print(f"Note: {note}")


def fitted(table: Table, width: int) -> builtins.list[Table]:
    """The table in parts that fit a terminal; the name columns stand in every part."""
    cells = [table.headings, *table.rows]
    needed = [max(len(row[i]) for row in cells) + 3 for i in range(len(table.headings))]
    parts: builtins.list[builtins.list[int]] = []
    used = width
    for column in range(NAMES, len(needed)):
        used += needed[column]
        if used > width:
            parts.append([*range(NAMES)])
            used = 1 + sum(needed[:NAMES]) + needed[column]
        parts[-1].append(column)
    if len(parts) < 2:
        return [table]
    chosen = [[tuple(row[i] for i in part) for row in cells] for part in parts]
    return [table._replace(headings=rows[0], rows=rows[1:]) for rows in chosen]


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar; gives the function that moves it to a number of people done."""
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    with Progress(*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task("people", total=total)
        yield lambda done: bar.update(task, completed=done)
