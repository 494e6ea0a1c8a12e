"""metricpose train: a recipe, with overrides."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import yaml

from metricpose.cli.assembly import build_data, build_network, with_steps
from metricpose.cli.dry_run import dry_run as check_everything
from metricpose.cli.dry_run import show
from metricpose.config import Recipe, load_recipe
from metricpose.errors import MetricposeError
from metricpose.files import atomic_path
from metricpose.training.loop import train


def run(
    recipe: str, *, set: list[str] | None = None, dry_run: bool = False, max_minutes: float | None = None
) -> dict[str, float]:
    """Train as a recipe says; started again in the same folder, go on where it stopped.

    Args:
        recipe: YAML file, or the name of one of the project's recipes.
        set: overrides such as training.lr=1e-3 or data.train.0.path=shards.
        dry_run: check recipe, data, labels and network, take a real batch, say what memory, time and disk the run
            needs, and stop; exit code 2 if there is a fault.
        max_minutes: stop with a checkpoint after so many minutes.
    """
    overrides = list(set or [])
    if max_minutes is not None:
        overrides.append(f"training.max_minutes={max_minutes}")
    if dry_run:
        return _dry_run(recipe, overrides)
    loaded = load_recipe(recipe, overrides)
    data = build_data(loaded)
    loaded = with_steps(loaded, data)
    network = build_network(loaded)
    parameters, lengths = sum(p.numel() for p in network.parameters()), [len(s) for s in data.maker.sources]
    print(summary(loaded, parameters, lengths, data.counts))
    _keep_recipe(loaded)
    facts = {"recipe": loaded.model_dump(mode="json", include={"name", "augmentation", "training"})}
    return train(network, loaded.model.name, data, loaded.training, loaded.folder, facts=facts)


def _dry_run(recipe: str, overrides: list[str]) -> dict[str, float]:
    """Print what the run will need, or its faults, which end the program with code 2."""
    try:
        show(check_everything(load_recipe(recipe, overrides)))
    except MetricposeError as error:
        print(f"metricpose train: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    return {}


def summary(recipe: Recipe, parameters: int, lengths: list[int], counts: tuple[int, ...]) -> str:
    """What is about to happen, in a few lines."""
    rows = [f"{recipe.name}: {recipe.model.name}, {parameters / 1e6:.2f} M parameters, {recipe.training.steps} steps"]
    for source, length, count in zip(recipe.data.train, lengths, counts):
        where = getattr(source, "path", "rendered while training")
        kept = "" if source.supervision == "full" else f", {source.supervision} labels only"
        rows.append(f"  {count:>4} per batch from {source.kind} ({where}): {length} records{kept}")
    rows.append(f"  writes {recipe.folder}")
    return "\n".join(rows)


def _keep_recipe(recipe: Recipe) -> None:
    """Put the recipe as used, overrides included, beside its results."""
    with atomic_path(recipe.folder / "recipe.yaml") as path:
        path.write_text(yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False), encoding="utf8")


def main(arguments: list[str] | None = None) -> None:
    """`python -m metricpose.cli.train RECIPE`: training without the optional command line packages."""
    parser = argparse.ArgumentParser(prog="metricpose train", description=run.__doc__)
    parser.add_argument("recipe", help="YAML file", type=Path)
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting; repeatable"
    )
    parser.add_argument("--dry-run", action="store_true", help="check everything and stop")
    parser.add_argument("--max-minutes", type=float, help="stop with a checkpoint after so many minutes")
    options = parser.parse_args(arguments)
    run(str(options.recipe), set=options.set, dry_run=options.dry_run, max_minutes=options.max_minutes)


if __name__ == "__main__":
    main()
