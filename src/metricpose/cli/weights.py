"""metricpose weights: import what others have published, list the models at hand, check a model file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

if TYPE_CHECKING:
    from metricpose.importing import Imported

Layout = Literal["margipose", "hemlets", "metrabs-pytorch"]


def import_(
    layout: Annotated[Layout, tyro.conf.arg(metavar="{margipose,hemlets,metrabs-pytorch}")],
    file: Annotated[Path, tyro.conf.arg(metavar="FILE")],
    *,
    out: Path | None = None,
    half: bool = False,
) -> Path:
    """Turn a public checkpoint into a model file of this package.

    The checkpoint is read without running anything in it, its names and shapes are checked one by one, and every tensor
    must be used. docs/WEIGHTS.md says where the files come from, what their makers allow and what to expect.

    Args:
        layout: whose checkpoint it is.
        file: the checkpoint as published, or .safetensors with the same names; metrabs-pytorch: the unpacked folder, or
            ckpt.pt in it, whose neighbours config.yaml and joint_info.npz say what the tensors do not.
        out: model file to write; default in the current folder, named after the checkpoint or its folder.
        half: store float16: half the size, weights rounded to three digits.
    """
    from metricpose.importing import import_weights
    from metricpose.weights import save_model

    imported = import_weights(layout, file)
    target = out or Path(default_name(layout, file))
    digest = save_model(target, imported.model, imported.name, half=half, facts=imported.facts(file.name))
    _show(_summary(imported, target, digest, half))
    for note in imported.notes:
        print(f"note: {note}")
    print("next:", *_next_steps(imported, target), sep="\n  ")
    return target


def default_name(layout: str, file: Path) -> str:
    """File name of the imported model: the checkpoint's, or for ``ckpt.pt`` its folder's, with the layout in it."""
    named = file.absolute().parent if file.name == "ckpt.pt" else file
    stem = named.name if named.is_dir() else named.stem
    return f"{stem if stem.startswith(layout.split('-')[0]) else f'{layout}-{stem}'}.safetensors"


def list_() -> None:
    """Models that can be named: bundled with the package, or fetched once and then kept."""
    from metricpose.weights import listing

    rows = [
        (m.name, m.state, f"{m.size / 1e6:.1f} MB" if m.size else "", m.sha256[:12], str(m.path)) for m in listing()
    ]
    columns = ("name", "state", "size", "sha256", "file")
    _show(_table("models by name", columns, rows or [("(none)", "", "", "", "")]))


def verify(
    model: Annotated[str, tyro.conf.arg(metavar="FILE-OR-NAME")],
    *,
    sha256: str | None = None,
    offline: bool = False,
) -> None:
    """Load a model file as it would be used, and compare its hash.

    Args:
        model: a model file, or the name of a bundled or downloadable model.
        sha256: hash it must have, in full or its first 8 or more digits.
        offline: never use the network.
    """
    from metricpose.errors import CheckpointError, InputError
    from metricpose.weights import load_model

    if sha256 is not None and (len(sha256) < 8 or not set(sha256.lower()) <= set("0123456789abcdef")):
        raise InputError(f"--sha256: expected at least 8 hexadecimal digits, got '{sha256}'")
    loaded, facts = load_model(model, offline=offline)
    found = facts["sha256"]
    if sha256 is not None and not found.startswith(sha256.lower()):
        raise CheckpointError(f"{model}: expected SHA-256 {sha256}, found {found}; damaged or another file")
    _show(_table(f"{model} is in order", ("", ""), _about(loaded, facts["model"], facts["facts"], found)))


def _summary(imported: Imported, target: Path, digest: str, half: bool) -> Any:
    kind = "float16" if half else "float32"
    rows = [
        *_about(imported.model, imported.name, {"licence": imported.licence}, digest),
        ("tensors", f"{imported.tensors}, each used once"),
        ("settings", imported.settings_from),
        ("source sha256", imported.sha256),
        ("written", f"{target} ({target.stat().st_size / 1e6:.1f} MB, {kind})"),
    ]
    return _table("imported", ("", ""), rows)


def _about(model: Any, name: str, facts: dict[str, Any], digest: str) -> list[tuple[str, str]]:
    config, joints = model.config, model.skeleton
    return [
        ("method", name),
        ("backbone", f"{config.backbone}, crops of {config.side} px"),
        ("parameters", f"{sum(p.numel() for p in model.parameters()):,}"),
        ("joints", f"{joints.name}: {len(joints)}"),
        ("licence", str(facts.get("licence", "that of this package"))),
        ("sha256", digest),
    ]


def _next_steps(imported: Imported, target: Path) -> list[str]:
    skeleton = f" --skeleton {imported.skeleton}" if imported.skeleton else ""
    return [
        f"metricpose predict PHOTO --model {target}{skeleton}",
        f"metricpose evaluate {target} --protocol synthetic",
    ]


def _table(title: str, headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left", show_header=any(headings))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _show(table: Any) -> None:
    from rich.console import Console

    Console().print(table)
