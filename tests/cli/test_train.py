from __future__ import annotations

import json

import cv2
import pytest
import yaml

from metricpose.cli.train import main, run
from metricpose.data.shards import shard_path, write_shard
from metricpose.errors import DataError, InputError
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


def test_a_dry_run_says_what_would_happen_and_writes_nothing(recipe, capsys):
    assert run(str(recipe), dry_run=True) == {}
    printed = capsys.readouterr().out
    assert "try: metro" in printed
    assert "3 per batch from shards" in printed
    assert "4 records" in printed
    assert not (recipe.parent / "out").exists()


def test_a_run_leaves_a_usable_model_and_the_recipe_as_used(recipe):
    main([str(recipe), "--set", "training.lr=5e-4", "--set", "training.seed=3"])
    out = recipe.parent / "out"
    assert yaml.safe_load((out / "recipe.yaml").read_text())["training"]["lr"] == 5e-4
    _, metadata = load_model(out / "model.safetensors")
    assert metadata["facts"]["recipe"]["name"] == "try"
    assert metadata["facts"]["recipe"]["training"]["seed"] == 3
    assert metadata["facts"]["step"] == 2


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
    run(str(recipe), dry_run=True, set=["data.train.0.supervision=2d"])
    assert "4 records, 2d labels only" in capsys.readouterr().out
