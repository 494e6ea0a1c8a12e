"""The recipes of the papers: what their texts name exists, and each one trains a step on data of its skeletons."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from metricpose.cli.dry_run import dry_run
from metricpose.config import Recipe, load_recipe
from metricpose.data import readers
from metricpose.data.sampling import parse_rules
from metricpose.data.shards import shard_path, write_shard
from metricpose.evaluation import protocols, published
from metricpose.skeleton.core import pair_count
from metricpose.types import Record
from people import person

RECIPES = sorted((Path(__file__).resolve().parents[1] / "recipes").glob("*.yaml"))
PAPERS = [path for path in RECIPES if path.name.split("-")[0] in ("h36m", "3dhp", "muco")]
EACH = pytest.mark.parametrize("path", PAPERS, ids=lambda p: p.stem)
PIXELS_ALONE = {"mpii", "coco", "lsp_mpii_ordinal"}
NARROW = {
    "metro": ["model.config.backbone=mobilenetv2"],
    "twofive": ["model.config.backbone=mobilenetv2"],
    "metrabs": ["model.config.backbone=mobilenetv2"],
    "margipose": ["model.preset=narrow"],
    "hemlets": ["model.preset=null"],
    "lifting": ["model.preset=narrow"],
}


def sources(recipe: Recipe) -> list:
    return [s for s in (*recipe.data.train, recipe.data.validation) if s is not None]


def test_there_is_a_recipe_for_every_published_setting() -> None:
    assert {p.stem for p in PAPERS} == {
        "h36m-metro", "h36m-twofive", "h36m-metrabs", "3dhp-metro", "muco-metrabs", "3dhp-margipose",
        "h36m-margipose", "h36m-hemlets", "h36m-hemlets-ordinal", "h36m-lifting-stage1", "h36m-lifting-lifter",
        "muco-lifting-stage1", "muco-lifting-lifter",
    }  # fmt: skip


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_every_recipe_builds_its_settings(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    assert recipe.model.build().skeleton  # type: ignore[attr-defined]


@EACH
def test_its_sources_are_splits_that_can_be_prepared_and_its_text_says_how(path: Path) -> None:
    text = " ".join(path.read_text().split("\nname:")[0].replace("\n#", " ").split())
    for source in sources(load_recipe(path)):
        about = readers.get(source.prepare.dataset).about
        assert source.prepare.split in about.splits
        parse_rules(source.prepare.sample)
        command = source.prepare.command(source.path.replace("{", "").replace("}", ""))
        before, after = command.split(" DIR ")
        assert re.search(f"{re.escape(before)} [A-Z0-9]+ {re.escape(after)}", text), command
    assert text.count("metricpose data prepare") == len({s.path for s in sources(load_recipe(path))})
    assert "Published:" in text
    assert re.search(r"\b[Oo]urs\b", text) or "lifter" in path.stem
    assert f"metricpose train recipes/{path.name} --dry-run" in text


@EACH
def test_the_protocols_and_public_numbers_it_names_exist_and_belong_together(path: Path) -> None:
    text = path.read_text().split("\nname:")[0]
    commands = re.findall(r"metricpose evaluate runs/(\S+)/model.safetensors --protocol (\S+) --data \S+(.*)", text)
    assert commands or "stage1" in path.stem
    for run, protocol, rest in commands:
        assert run == path.stem
        protocols.get(protocol)
        for name in rest.replace("--compare", "").replace("--allow-oracle", "").split():
            assert published.get(name).protocol == protocol
    for name in re.findall(r"--compare ((?:[a-z0-9]+-)+[a-z0-9]+)", text.replace("\n#", "")):
        published.get(name)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four people for every source of every recipe."""
    folder = tmp_path_factory.mktemp("shards")
    for source in {s.path: s for path in PAPERS for s in sources(load_recipe(path))}.values():
        name = Path(source.path).name
        records = [_record(number, source.prepare.dataset, source.prepare.split) for number in range(4)]
        write_shard(shard_path(folder / name, 0), records)
    return folder


def _record(number: int, dataset: str, split: str) -> Record:
    skeleton = "lsp_14" if split == "lsp" else readers.get(dataset).about.skeleton
    if dataset == "lsp_mpii_ordinal" and split == "mpii":
        skeleton = "mpii_16"
    record = person(number, skeleton=skeleton, alpha=dataset == "mpi_inf_3dhp")
    if split.endswith("_universal"):
        record = replace(record, abs_valid=False)
    if dataset not in PIXELS_ALONE:
        return record
    joints = len(record.joints_mm)
    record = replace(record, joints_mm=np.full((joints, 3), np.nan), abs_valid=False)
    if dataset == "lsp_mpii_ordinal":
        order = np.random.default_rng(number).integers(-1, 2, pair_count(joints)).astype(np.float64)
        record = replace(record, order=order, order_w=np.ones(len(order)))
    return record


@EACH
def test_a_dry_run_takes_a_step_of_it(
    path: Path, shards: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its sources, conversions, shares and losses, with a narrow network."""
    monkeypatch.setenv("METRICPOSE_SHARDS", str(shards))
    published_settings = load_recipe(path).model.build()
    overrides = [
        "init_backbone=null", "init_from=null", f"out={tmp_path}", "training.batch_size=4", "training.workers=0",
        "training.device=cpu", "training.threads=1", "model.config.side=64", "data.validation_count=2",
        f"model.config.skeleton={published_settings.skeleton}",  # type: ignore[attr-defined]
    ]  # fmt: skip
    recipe = load_recipe(path, [*overrides, *NARROW[load_recipe(path).model.name]])
    report = dry_run(recipe)
    per_batch = [int(row[2]) for row in report.sources]
    assert sum(per_batch) == 4
    lines = dict(report.lines)
    assert f"64 px, {published_settings.skeleton}" in lines["network"]  # type: ignore[attr-defined]
    assert "measured with the recipe's batch of 4" in lines["batch taken"]
    assert "2 people" in lines["validation"]
    assert "a step" in lines
    for source, row in zip(recipe.data.train, report.sources, strict=True):
        labels = row[5].split(", ")
        assert ("3D" in labels) == (source.prepare.dataset not in PIXELS_ALONE)  # type: ignore[union-attr]
        assert "2D" in labels
        assert ("depth order" in labels) == (source.prepare.dataset == "lsp_mpii_ordinal")  # type: ignore[union-attr]
    notes = [text for what, text in report.lines if what == "note"]
    assert not [n for n in notes if "will not be learned" in n]
