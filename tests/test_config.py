from __future__ import annotations

import copy

import pytest
import yaml

from metricpose.config import Recipe, apply_override, expand, load_recipe
from metricpose.errors import InputError
from metricpose.models import MODELS
from metricpose.models.base import presets
from metricpose.models.metrabs import MetrabsConfig

RAW = {
    "name": "try",
    "model": {"name": "metrabs", "config": {"side": 64}},
    "data": {"train": [{"kind": "shards", "path": "a"}, {"kind": "synthetic", "share": 0.5}]},
    "training": {"steps": 10},
}


@pytest.fixture
def recipe(tmp_path):
    def write(**changes):
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump({**copy.deepcopy(RAW), **changes}))
        return path

    return write


def problem(path, *overrides):
    with pytest.raises(InputError) as caught:
        load_recipe(path, list(overrides))
    return str(caught.value)


def test_defaults_fill_in_and_overrides_apply(recipe):
    loaded = load_recipe(
        recipe(),
        ["training.lr=1e-3", "data.train.0.path=b", "augmentation.geometric.zoom=[0.5, 2]", "out=runs/${X:-y}"],
    )
    assert loaded.training.lr == 1e-3
    assert loaded.training.batch_size == 32
    assert loaded.data.train[0].path == "b"
    assert loaded.data.train[1].share == 0.5
    assert loaded.augmentation.geometric.zoom == (0.5, 2)
    assert str(loaded.folder) == "runs/y"
    assert str(load_recipe(recipe()).folder) == "runs/try"
    assert loaded.model.build().side == 64


def test_unknown_settings_are_named_with_place_and_neighbour(recipe):
    path = recipe(training={"steps": 10, "learning": 1}, modl={})
    text = problem(path)
    assert "recipe.yaml" in text
    assert "modl: unknown setting; did you mean 'model'?" in text
    assert "training.learning: unknown setting" in text
    assert "training.chedule: unknown setting; did you mean 'schedule'?" in problem(recipe(), "training.chedule=x")
    assert "did you mean 'flip'" in problem(recipe(), "augmentation.geometric.flipp=1")
    assert "did you mean 'share'" in problem(recipe(), "data.train.0.shar=1")
    assert "did you mean 'generator'" in problem(recipe(), "data.train.1.generatr=1")
    assert "did you mean 'depth_bins'" in problem(recipe(), "model.config.depth_bin=9")


def test_sources_say_which_labels_they_keep(recipe):
    loaded = load_recipe(
        recipe(),
        ["data.train.0.supervision=ordinal", "data.train.0.ordinal={pairs: parts, noise: 0.1}",
         "data.train.1={kind: labels, path: mine, supervision: 2d}"],
    )  # fmt: skip
    first, second = loaded.data.train
    assert (first.supervision, first.ordinal.pairs, first.ordinal.noise) == ("ordinal", "parts", 0.1)
    assert (second.kind, second.path, second.supervision) == ("labels", "mine", "2d")
    assert load_recipe(recipe()).data.train[0].supervision == "full"
    again = yaml.safe_load(yaml.safe_dump(loaded.model_dump(mode="json")))
    assert Recipe.model_validate(again) == loaded
    assert "height_mm: expected the smallest, then the largest value, got [1800, 1450]" in problem(
        recipe(), "data.train.0.where={age_years: [20, null], height_mm: [1800, 1450]}"
    )
    assert "need supervision: ordinal" in problem(recipe(), "data.train.0.ordinal={noise: 0.1}")
    assert "did you mean 'threshold_mm'" in problem(recipe(), "data.train.0.ordinal.threshold=1")


def test_refused_values_say_what_came(recipe):
    text = problem(recipe(), "training.steps=-3", "training.ema=1", "model.name=metrab")
    assert "training.steps" in text
    assert "(got -3)" in text
    assert "training.ema" in text
    assert "unknown model 'metrab'; known: metro" in text
    assert "model.config" in problem(recipe(), "model.config.side=big")
    assert "name: Input should be a valid string (got None)" in problem(recipe(), "name=null")
    assert "training: steps is needed, or epochs" in problem(recipe(training={"lr": 1e-3}))
    assert "no preset 'jornal'" in problem(recipe(), "model.preset=jornal")


def test_presets_give_the_published_settings(recipe):
    built = load_recipe(recipe(), ["model.preset=journal"]).model.build()
    assert built == MetrabsConfig.journal(side=64)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.lr", "expected key=value"),
        ("=3", "expected key=value"),
        ("data.train.7.path=x", "index below 2"),
        ("data.train.first.path=x", "index below 2"),
        ("name.first=x", "plain value"),
        ("training.lr=[1", r"--set training\.lr=\[1: expected a YAML value"),
        ("training.lr=2026-13-45", "expected a YAML value"),
        ("data.train.0.path.x=1", "'path' is a plain value"),
    ],
)
def test_overrides_that_lead_nowhere_are_refused(override, message):
    with pytest.raises(InputError, match=message):
        apply_override(copy.deepcopy(RAW), override)


def test_items_of_a_list_may_have_no_settings():
    raw = copy.deepcopy(RAW)
    apply_override(raw, "training.freeze=[a]")
    with pytest.raises(InputError, match=r"--set training\.freeze\.0\.x=1: '0' is a plain value"):
        apply_override(raw, "training.freeze.0.x=1")
    apply_override(raw, "data.train=[null]")
    apply_override(raw, "data.train.0.kind=shards")
    assert raw["data"]["train"] == [{"kind": "shards"}]


def test_only_published_settings_are_presets(recipe):
    for name in ("model_dump", "journal_", "needs_gt", "_known"):
        assert f"no preset '{name}'; expected journal or wacv" in problem(recipe(), f"model.preset={name}")
    assert "expected none" in problem(recipe(), "model={name: metro, preset: published}")
    found = {name: presets(kind) for name, (kind, _) in MODELS.items()}
    assert found["chatterbox"] == found["margipose"] == ["narrow", "published"]


def test_overrides_make_missing_mappings_and_replace_list_items():
    raw = copy.deepcopy(RAW)
    apply_override(raw, "augmentation.geometric.flip=0.25")
    apply_override(raw, "data.train.1={kind: shards, path: c}")
    assert raw["augmentation"] == {"geometric": {"flip": 0.25}}
    assert raw["data"]["train"][1] == {"kind": "shards", "path": "c"}


def test_unreadable_files_are_reported(tmp_path):
    assert "cannot read recipe" in problem(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [1, 2")
    assert "not valid YAML" in problem(tmp_path / "bad.yaml")
    (tmp_path / "latin.yaml").write_bytes("name: Übung".encode("latin1"))
    assert "latin.yaml is not valid YAML in UTF-8: 'utf-8' codec can't decode" in problem(tmp_path / "latin.yaml")
    (tmp_path / "date.yaml").write_text("name: 2026-13-45")
    assert "not valid YAML" in problem(tmp_path / "date.yaml")
    (tmp_path / "list.yaml").write_text("- 1")
    assert "expected a mapping" in problem(tmp_path / "list.yaml")


def test_paths_take_variables(monkeypatch):
    monkeypatch.setenv("SHARDS", "/data")
    monkeypatch.delenv("NOWHERE", raising=False)
    assert expand("${SHARDS}/a") == "/data/a"
    assert expand("${NOWHERE:-runs}/a") == "runs/a"
    with pytest.raises(InputError, match="NOWHERE is not set"):
        expand("${NOWHERE}/a")


def test_every_recipe_of_the_project_is_valid(repository):
    paths = sorted((repository / "recipes").glob("*.yaml"))
    names = {load_recipe(path).name for path in paths}
    assert names == {path.stem for path in paths}
    assert {"metrabs-s", "smoke", "compare-metro", "compare-twofive", "compare-metrabs"} <= names


def test_compared_methods_differ_only_in_what_is_compared(repository):
    """Equal backbone, steps, data, optimiser: the comparison of methods is one of methods."""
    recipes = {p.stem: load_recipe(p) for p in sorted((repository / "recipes").glob("compare-*.yaml"))}
    assert len(recipes) == 7
    reference = recipes["compare-metrabs"]
    for name, recipe in recipes.items():
        assert recipe.data == reference.data, name
        assert recipe.training == reference.training, name
        assert recipe.init_backbone == reference.init_backbone, name
        shared = ("side", "stride", "stride_train", "backbone", "skeleton", "depth_bins", "box_mm", "weight_2d_only")
        for field in shared:
            assert getattr(recipe.model.build(), field) == getattr(reference.model.build(), field), (name, field)
        same = recipe.augmentation.model_copy(update={"geometric": reference.augmentation.geometric})
        assert same == reference.augmentation, name
        truncation = 0.0 if "notrunc" in name else reference.augmentation.geometric.truncation
        assert recipe.augmentation.geometric.truncation == truncation
    assert recipes["compare-metrabs-noabs"].model.build().absolute_weight == 0
