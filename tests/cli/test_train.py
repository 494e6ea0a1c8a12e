from __future__ import annotations

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import cv2
import pytest
import yaml

from metricpose.cli.assembly import build_data, with_steps
from metricpose.cli.dry_run import duration
from metricpose.cli.main import main as command
from metricpose.cli.train import find_recipe, main, run
from metricpose.config import load_recipe
from metricpose.data.shards import shard_path, write_shard
from metricpose.errors import DataError, InputError, MetricposeError
from metricpose.weights import load_model, save_model
from people import person


@pytest.fixture
def recipe(tmp_path):
    for name in ("train", "val"):
        write_shard(shard_path(tmp_path / name, 0), [person(i) for i in range(6)])
    raw = {
        "name": "try",
        "out": str(tmp_path / "out"),
        "model": {"name": "metro", "config": {"side": 32, "stride": 16, "stride_train": 16}},
        "data": {
            "train": [
                {"kind": "shards", "path": str(tmp_path / "train"), "share": 3, "length": 4},
                {"kind": "shards", "path": str(tmp_path / "train"), "share": 1, "start": 4},
            ],
            "validation": {"kind": "shards", "path": str(tmp_path / "val")},
            "validation_count": 3,
        },
        "augmentation": {"compositing": {"background": 0.5}},
        "training": {"steps": 2, "batch_size": 4, "workers": 0, "log_every": 1, "device": "cpu"},
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


def words(capsys):
    """What was printed, without the lines of tables and where their cells were broken."""
    return " ".join(re.sub(r"[^\x00-\x7f]", " ", capsys.readouterr().out).split())


def test_a_dry_run_says_what_would_happen_and_writes_nothing(recipe, capsys):
    assert run(str(recipe), dry_run=True) == {}
    printed = words(capsys)
    assert "try: dry run, nothing is written" in printed
    assert "train 4 3 1.5 metricpose" in printed  # people, per batch, passes in 2 steps of 3
    assert "metro, mobilenetv2, 32 px, metricpose_25: 2." in printed
    assert "measured with the recipe's batch of 4" in printed
    assert "volume_mm 4 x 25 x 3" in printed
    assert "the run 2 steps in about" in printed
    assert "3 people of val, every 1,000 steps" in printed
    assert not (recipe.parent / "out").exists()


def test_a_dry_run_tells_what_is_missing(recipe, capsys):
    changes = ["data.train.0.supervision=2d", "data.train.1.supervision=2d", "data.validation=null"]
    run(str(recipe), dry_run=True, set=changes)
    printed = words(capsys)
    assert "2d kept" in printed
    assert "none: only the loss will be seen" in printed
    assert "no source has 3D labels" in printed


def test_a_recipe_may_be_named(recipe, repository, tmp_path, capsys, monkeypatch):
    (tmp_path / "recipes").mkdir()
    own = recipe.rename(tmp_path / "recipes" / "mine.yaml")
    monkeypatch.chdir(tmp_path)
    assert command(["train", "mine", "--dry-run"]) == 0
    assert "try: dry run, nothing is written" in words(capsys)
    assert find_recipe(str(own)) == own
    assert find_recipe("mine.yaml").samefile(own)
    assert find_recipe("smoke").samefile(repository / "recipes" / "smoke.yaml")  # the package runs from its sources
    (tmp_path / "recipes" / "smoke.yaml").write_text("name: nearer")
    assert find_recipe("smoke").samefile(tmp_path / "recipes" / "smoke.yaml")
    (tmp_path / "smoke").mkdir()  # a folder of results does not hide the recipe
    assert find_recipe("smoke").samefile(tmp_path / "recipes" / "smoke.yaml")


def test_an_unknown_recipe_is_told_which_there_are(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command(["train", "smokey", "--dry-run"]) == 2
    told = capsys.readouterr().err
    assert "no recipe smokey: did you mean 'smoke'?" in told
    assert "metrabs-s" in told
    assert command(["train", "recipes/smoke.yaml"]) == 1
    assert "did you mean 'smoke'?" in capsys.readouterr().err
    installed = tmp_path / "lib" / "site-packages" / "metricpose" / "__init__.py"
    monkeypatch.setattr("metricpose.__file__", str(installed))
    with pytest.raises(InputError, match="are in its source repository, not in the installed package"):
        find_recipe("smoke")


PREPARE = "{dataset: h36m, split: train, sample: 'every:5,motion:100'}"
COMMAND = "metricpose data prepare h36m DIR --split train --sample every:5,motion:100 --out"


def test_faults_end_a_dry_run_with_code_2_and_are_told_all_at_once(recipe, capsys, monkeypatch):
    monkeypatch.delenv("NOWHERE", raising=False)
    gone = recipe.parent / "gone"
    changes = [
        f"data.train.0={{kind: shards, path: {gone}, prepare: {PREPARE}}}",
        "data.validation.path=${NOWHERE}/val",
        "init_backbone=${NOWHERE}",
    ]
    assert command(["train", str(recipe), "--dry-run", "--set", *changes]) == 2
    told = capsys.readouterr().err
    assert "3 fault(s)" in told
    assert f"data.train.0: no shards in {gone}; make them: {COMMAND} {gone}" in told
    assert "data.validation: path ${NOWHERE}/val: the environment variable NOWHERE is not set" in told
    assert "init_backbone: path ${NOWHERE}" in told
    with pytest.raises(DataError, match="make them: metricpose data prepare h36m"):
        run(str(recipe), set=changes[:1])
    assert command(["train", str(recipe), "--dry-run", "--set", "training.lr=0"]) == 2
    assert "training.lr" in capsys.readouterr().err
    assert command(["train", str(recipe), "--dry-run", "--set", "init_from=none.safetensors"]) == 2
    assert "no model file none.safetensors" in capsys.readouterr().err


def test_shards_of_something_else_are_refused(recipe, capsys):
    folder = recipe.parent / "train"
    plan = {"set": "h36m_frames", "split": "train", "sample": "every:5,motion:100"}
    changes = [f"data.train.0.prepare={PREPARE}"]
    (folder / "plan.json").write_text(json.dumps(plan))
    run(str(recipe), dry_run=True, set=changes)
    capsys.readouterr()
    (folder / "plan.json").write_text(json.dumps(plan | {"set": "coco", "sample": "all"}))
    assert command(["train", str(recipe), "--dry-run", "--set", *changes]) == 2
    told = capsys.readouterr().err
    assert "holds shards of coco instead of h36m, sample all instead of every:5,motion:100; make another" in told
    assert COMMAND in told


def test_a_full_disk_is_a_fault(recipe, capsys, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1e6))
    assert command(["train", str(recipe), "--dry-run"]) == 2
    assert re.search(r"has 1 MB free; checkpoints need [\d.]+ MB", capsys.readouterr().err)


def test_a_source_keeps_the_people_it_is_asked_for(recipe):
    for i, height in enumerate((1800, 900, 1000, 1700)):
        write_shard(shard_path(recipe.parent / "tall", i), [replace(person(i), info={"height_mm": height, "place": i})])
    changes = [f"data.train.0={{kind: shards, path: {recipe.parent / 'tall'}, where: {{height_mm: [1450, null]}}}}"]
    sources = build_data(load_recipe(recipe, changes)).maker.sources
    assert [sources[0][i].info["place"] for i in range(4)] == [0, 0, 0, 3]


def test_epochs_in_place_of_steps(recipe):
    changes = ["training.steps=0", "training.epochs=1.5"]
    assert run(str(recipe), set=changes)["step"] == 2  # 1.5 passes over 4 people, 3 in a batch
    kept = yaml.safe_load((recipe.parent / "out" / "recipe.yaml").read_text())["training"]
    assert (kept["steps"], kept["epochs"]) == (2, 1.5)
    with pytest.raises(InputError, match="the first source has no end"):
        run(
            str(recipe), set=[*changes, "data.train.0={kind: synthetic, generator: {size: 64}}", "data.validation=null"]
        )
    config = load_recipe(recipe, [*changes, "model={name: lifting, preset: narrow, config: {side: 32}}"])
    assert with_steps(config, build_data(config)).model.build().horizon_steps == 2
    config = load_recipe(recipe, ["training.steps=5", "training.epochs=1.5"])
    assert with_steps(config, build_data(config)) is config


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0123, "12 ms"), (3.44, "3.4 s"), (73, "73.0 s"), (300, "5 min"), (26_400, "7 h 20 min"), (273_600, "3 d 4 h")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_a_run_leaves_a_usable_model_and_the_recipe_as_used(recipe):
    main([str(recipe), "--set", "training.lr=5e-4", "--set", "training.seed=3"])
    out = recipe.parent / "out"
    assert yaml.safe_load((out / "recipe.yaml").read_text())["training"]["lr"] == 5e-4
    _, metadata = load_model(out / "model.safetensors")
    assert metadata["facts"]["recipe"]["name"] == "try"
    assert metadata["facts"]["recipe"]["training"]["seed"] == 3
    assert metadata["facts"]["step"] == 2


def test_a_run_goes_on_only_with_its_recipe_whose_record_stays(recipe):
    run(str(recipe), max_minutes=1e-9)
    kept = recipe.parent / "out" / "recipe.yaml"
    before = kept.read_bytes()
    for change, named in (
        ("augmentation.geometric.flip=0.25", r"augmentation\.geometric\.flip 0\.5 -> 0\.25"),
        ("augmentation.enabled=false", r"augmentation\.enabled True -> False"),
        ("data.train.0.share=1", r"data\.counts \[3, 1\] -> \[2, 2\]"),
        ("data.train.1.supervision=2d", r"data\.train\.1\.supervision full -> 2d"),
        ("data.train.1.where={image: [null, 5]}", "where"),
        ("data.train.1.start=2", r"data\.train\.1\.start 4 -> 2"),
        ("model.config.weight_2d_only=0.2", r"model\.weight_2d_only 0\.1 -> 0\.2"),
        ("model.config.side=48", r"model\.side 32 -> 48"),
        ("training.lr=0.5", r"lr 0\.0001 -> 0\.5"),
    ):
        with pytest.raises(MetricposeError, match=named):
            run(str(recipe), set=[change])
        assert kept.read_bytes() == before, change
    write_shard(shard_path(recipe.parent / "train", 1), [person(i) for i in range(6, 9)])
    (recipe.parent / "train").rename(recipe.parent / "moved")
    moved = [f"data.train.{i}.path={recipe.parent / 'moved'}" for i in range(2)]
    grown = ["data.train.0.length=5", "data.train.0.share=6", "data.train.1.share=2"]
    assert run(str(recipe), set=[*moved, *grown])["step"] == 2
    assert yaml.safe_load(kept.read_text())["data"]["train"][0]["length"] == 5
    assert run(str(recipe), set=[*moved, *grown])["step"] == 2  # done: nothing is trained


def test_what_torchrun_starts_tells_faults_without_a_traceback(recipe, capsys):
    with pytest.raises(SystemExit) as stop:
        main([str(recipe), "--set", "training.device=banana"])
    assert stop.value.code == 1
    assert capsys.readouterr().err.startswith("metricpose train: training.device: 'banana' is not available")
    with pytest.raises(SystemExit) as stop:
        main([str(recipe), "--set", "training.lr=[1", "--dry-run"])
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("metricpose train: --set training.lr=[1: expected a YAML value")


def test_a_run_may_start_from_a_model_of_another_crop_size(recipe):
    run(str(recipe))
    first = recipe.parent / "out" / "model.safetensors"
    overrides = [
        "out=" + str(recipe.parent / "next"),
        f"init_from={first}",
        "model.config.side=48",
        "training.lr=1e-12",
    ]
    run(str(recipe), set=[*overrides, "training.decay=0", "training.ema=0"])
    before, after = load_model(first)[0], load_model(recipe.parent / "next" / "model.safetensors")[0]
    assert after.config.side == 48
    for a, b in zip(before.parameters(), after.parameters(), strict=True):
        assert (a - b).abs().max() < 1e-3


def test_time_is_up_after_one_step(recipe):
    found = run(str(recipe), max_minutes=1e-9)
    assert found["step"] == 1


def test_too_little_data_and_wrong_settings_are_reported_before_anything_starts(recipe):
    with pytest.raises(DataError, match="holds 6 records; asked for 9"):
        run(str(recipe), set=["data.train.0.length=9"])
    with pytest.raises(InputError, match="did you mean 'batch_size'"):
        run(str(recipe), set=["training.batchsize=9"])
    assert not (recipe.parent / "out").exists()


def test_half_precision_of_the_saved_model_is_only_rounding(recipe, tmp_path):
    run(str(recipe))
    model, _ = load_model(recipe.parent / "out" / "model.safetensors")
    again = tmp_path / "again.safetensors"
    save_model(again, model, "metro")
    assert all(((a == b).all()) for a, b in zip(model.parameters(), load_model(again)[0].parameters(), strict=True))


def test_people_with_all_labels_and_photographs_with_weak_ones_train_together(recipe, tmp_path, capsys):
    photo = person(9, size=(90, 70))
    cv2.imwrite(str(tmp_path / "photo.png"), photo.image[..., ::-1])
    item = {
        "file": "photo.png", "skeleton": "metricpose_25", "box_xywh": photo.box_xywh.tolist(),
        "joints_px": photo.joints_px.tolist(), "order": [["pelvis", "l_wrist", 1], ["nose", "r_knee", 0]],
    }  # fmt: skip
    (tmp_path / "labels.json").write_text(json.dumps({"items": [item]}))
    run(
        str(recipe),
        set=[
            "data.train.1={kind: labels, path: " + str(tmp_path) + ", share: 3}",
            "data.validation.supervision=ordinal",
            "training.validate_every=1",
        ],
    )
    assert "ordinal labels only" not in capsys.readouterr().out
    header, *rows = (line.split(",") for line in (tmp_path / "out" / "train.csv").read_text().splitlines())
    terms = {
        name: [float(row[header.index(name)]) for row in rows] for name in ("relative", "aligned_2d_only", "ordinal")
    }
    assert all(value > 0 for values in terms.values() for value in values)
    watched = (tmp_path / "out" / "validation.csv").read_text().splitlines()
    assert watched[0] == "step,wrong_order_percent"
    assert len(watched) == 3
    run(str(recipe), max_minutes=1e-9, set=["data.train.0.supervision=2d", "out=" + str(tmp_path / "weak")])
    assert "4 records, 2d labels only" in capsys.readouterr().out
