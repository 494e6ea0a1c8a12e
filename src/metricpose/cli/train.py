"""metricpose train: a recipe, with overrides."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from pathlib import Path
from typing import Any

import yaml

import metricpose
from metricpose.cli.assembly import build_data, build_network, with_steps
from metricpose.cli.dry_run import dry_run as check_everything
from metricpose.cli.dry_run import show
from metricpose.config import Recipe, load_recipe
from metricpose.errors import InputError, MetricposeError
from metricpose.files import atomic_path
from metricpose.training.loop import train
from metricpose.training.resume import flat

_RECIPES = "recipes"
_MAY_CHANGE = re.compile(r"data\.train\.\d+\.(path|length|share|generator\.assets)|augmentation\.compositing\.photos")


def run(
    recipe: str, *, set: list[str] | None = None, dry_run: bool = False, max_minutes: float | None = None
) -> dict[str, float]:
    """Train as a recipe says; started again in the same folder, go on where it stopped.

    On several GPUs, or machines: torchrun --nproc-per-node 2 -m metricpose.cli.train RECIPE (docs/DATA.md).

    Args:
        recipe: YAML file; or the name of one, such as smoke, in the folder recipes of the current folder or of the
            project's source repository, which an installed package does not bring.
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
    loaded = load_recipe(find_recipe(recipe), overrides)
    data = build_data(loaded)
    loaded = with_steps(loaded, data)
    network = build_network(loaded)
    parameters, lengths = sum(p.numel() for p in network.parameters()), [len(s) for s in data.maker.sources]
    print(summary(loaded, parameters, lengths, data.counts))
    facts = {"recipe": loaded.model_dump(mode="json", include={"name", "augmentation", "training"})}
    return train(
        network, loaded.model.name, data, loaded.training, loaded.folder,
        facts=facts, described=inputs_of(loaded), accepted=lambda: _keep_recipe(loaded),
    )  # fmt: skip


def inputs_of(recipe: Recipe) -> dict[str, Any]:
    """Settings of augmentation and training sources by their full names, which a run is only continued with.

    Left out is what may change: where files are, and how many records a source has. Of the shares nothing counts but
    the records per batch.
    """
    found = flat(recipe.augmentation, "augmentation")
    for number, source in enumerate(recipe.data.train):
        found |= flat(source, f"data.train.{number}")
    return {name: value for name, value in found.items() if not _MAY_CHANGE.fullmatch(name)}


def find_recipe(recipe: str) -> Path:
    """The file that a path or a bare name means: itself, else ``recipes/NAME.yaml`` here or in the source repository.

    Raises:
        InputError: no such file; the message lists the names there are, or says where there are some.
    """
    given = Path(recipe)
    if given.is_file():
        return given
    known: dict[str, Path] = {}
    for folder in _recipe_folders():
        known = {path.stem: path for path in sorted(folder.glob("*.yaml"))} | known
    name = recipe.removesuffix(".yaml")
    if name in known:
        return known[name]
    raise InputError(f"no recipe {recipe}: {_recipes_there_are(name, known)}")


def _recipe_folders() -> list[Path]:
    """Folders of recipes, the nearest first: here, and in the repository if the package runs from its sources."""
    root = Path(metricpose.__file__).resolve().parents[2]
    here = [Path.cwd() / _RECIPES]
    return here + [root / _RECIPES] * (root / "src" / "metricpose").is_dir()


def _recipes_there_are(name: str, known: dict[str, Path]) -> str:
    if not known:
        return (
            f"expected a YAML file, or a name in a folder {_RECIPES} of the current folder; metricpose's own recipes "
            "are in its source repository, not in the installed package"
        )
    close = difflib.get_close_matches(Path(name).name, known, 1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"{hint}expected a YAML file, or one of: {', '.join(sorted(known))}"


def _dry_run(recipe: str, overrides: list[str]) -> dict[str, float]:
    """Print what the run will need, or its faults, which end the program with code 2."""
    try:
        show(check_everything(load_recipe(find_recipe(recipe), overrides)))
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
    """`python -m metricpose.cli.train RECIPE`: training without the command line's packages, and with torchrun.

    Ends the program with code 1 and a line on stderr if the run fails, 2 if a dry run finds a fault.
    """
    parser = argparse.ArgumentParser(prog="metricpose train", description=run.__doc__)
    parser.add_argument("recipe", help="YAML file, or the name of one in a folder recipes")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting; repeatable"
    )
    parser.add_argument("--dry-run", action="store_true", help="check everything and stop")
    parser.add_argument("--max-minutes", type=float, help="stop with a checkpoint after so many minutes")
    options = parser.parse_args(arguments)
    try:
        run(options.recipe, set=options.set, dry_run=options.dry_run, max_minutes=options.max_minutes)
    except MetricposeError as error:
        print(f"metricpose train: {error}", file=sys.stderr)
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
