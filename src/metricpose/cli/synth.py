"""metricpose synth bake: render synthetic people into shards."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from metricpose.cli.assembly import SceneRenderer
from metricpose.config import apply_override, describe
from metricpose.data.shards import render_shards
from metricpose.errors import InputError
from metricpose.synthetic.generator import SyntheticConfig


def bake(
    out: Path,
    count: int,
    *,
    config: Path | None = None,
    set: list[str] | None = None,
    workers: int = 1,
    per_shard: int = 512,
    start: int = 0,
) -> int:
    """Render `count` people into the folder `out`; shards already there are kept, so an interrupted run goes on.

    Args:
        out: folder of the shards.
        count: people in all.
        config: YAML file of generator settings.
        set: overrides such as size=256 or split=val.
        workers: processes.
        per_shard: people per file.
        start: index of the first scene.
    """
    settings = generator_settings(config, set or [])
    facts = {"generator": settings.model_dump_json(), "start": json.dumps(start)}
    return render_shards(
        SceneRenderer(settings), out, count, per_shard=per_shard, workers=workers, start=start, facts=facts,
        progress=_printer(),
    )  # fmt: skip


def generator_settings(config: Path | None, overrides: list[str]) -> SyntheticConfig:
    """Settings from a YAML file and overrides.

    Raises:
        InputError: unreadable file, or an unknown or refused setting.
    """
    try:
        raw = yaml.safe_load(config.read_text(encoding="utf8")) if config else {}
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"cannot read generator settings {config}: {error}") from error
    for override in overrides:
        apply_override(raw, override)
    try:
        return SyntheticConfig.model_validate(raw)
    except ValueError as error:
        raise InputError(describe(error, SyntheticConfig, "generator")) from error  # type: ignore[arg-type]


def _printer() -> Callable[[int, int], None]:
    started, first = time.monotonic(), []

    def show(done: int, total: int) -> None:
        first.append(done)
        fresh, seconds = done - first[0], time.monotonic() - started
        speed = f", {fresh / seconds:.0f} per second" if fresh else ""
        print(f"{done} of {total} people{speed}", flush=True)

    return show


def main(arguments: list[str] | None = None) -> None:
    """`python -m metricpose.cli.synth OUT COUNT`: rendering without the optional command line packages."""
    parser = argparse.ArgumentParser(prog="metricpose synth bake", description="Render synthetic people into shards.")
    parser.add_argument("out", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--per-shard", type=int, default=512)
    parser.add_argument("--start", type=int, default=0)
    bake(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
