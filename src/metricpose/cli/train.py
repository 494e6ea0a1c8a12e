"""metricpose train: a recipe, with overrides."""

from __future__ import annotations

import argparse
from pathlib import Path

import yaml

from metricpose.cli.assembly import build_data, build_network
from metricpose.config import Recipe, load_recipe
from metricpose.files import atomic_path
from metricpose.training.loop import train


def run(
    recipe: str, *, set: list[str] | None = None, dry_run: bool = False, max_minutes: float | None = None
) -> dict[str, float]:
    """Train as a recipe says; started again in the same folder, go on where it stopped.

    Args:
        recipe: YAML file, or the name of one of the project's recipes.
        set: overrides such as training.lr=1e-3 or data.train.0.path=shards.
        dry_run: check the recipe, the data and the model, print a summary, and stop.
        max_minutes: stop with a checkpoint after so many minutes.
    """
    overrides = list(set or [])
    if max_minutes is not None:
        overrides.append(f"training.max_minutes={max_minutes}")
    loaded = load_recipe(recipe, overrides)
    network, data = build_network(loaded), build_data(loaded)
    parameters, lengths = sum(p.numel() for p in network.parameters()), [len(s) for s in data.maker.sources]
    print(summary(loaded, parameters, lengths, data.counts))
    if dry_run:
        return {}
    _keep_recipe(loaded)
    facts = {"recipe": loaded.model_dump(mode="json", include={"name", "augmentation", "training"})}
    return train(network, loaded.model.name, data, loaded.training, loaded.folder, facts=facts)


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
