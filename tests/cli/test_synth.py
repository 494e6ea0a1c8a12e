from __future__ import annotations

import json
from importlib import resources

import cv2
import numpy as np
import pytest

from metricpose.cli.main import main as command
from metricpose.cli.synth import bake, generator_settings, main, preview, scene
from metricpose.data.shards import Shard, ShardFolder, shard_path
from metricpose.errors import InputError
from metricpose.synthetic.generator import SyntheticConfig


def test_settings_come_from_a_file_and_overrides(tmp_path):
    path = tmp_path / "g.yaml"
    path.write_text("size: 96\nsplit: val\n")
    assert generator_settings(path, ["size=64"]) == SyntheticConfig(size=64, split="val")
    assert generator_settings(None, []) == SyntheticConfig()
    with pytest.raises(InputError, match="did you mean 'size'"):
        generator_settings(None, ["sise=3"])
    with pytest.raises(InputError, match="cannot read"):
        generator_settings(tmp_path / "none.yaml", [])


@pytest.mark.slow
def test_rendering_goes_on_where_it_stopped_and_is_by_index(tmp_path, capsys):
    arguments = [str(tmp_path), "2", "--per-shard", "1", "--workers", "0", "--set", "size=64", "--set", "supersample=1"]
    main(arguments)
    whole = shard_path(tmp_path, 1).read_bytes()
    shard_path(tmp_path, 1).unlink()
    main(arguments)
    assert shard_path(tmp_path, 1).read_bytes() == whole
    assert "2/2" in capsys.readouterr().out
    record = ShardFolder(tmp_path)[1]
    assert record.image.shape == (64, 64, 3)
    assert record.info["index"] == 1
    assert record.alpha is not None
    assert '"size":64' in Shard(shard_path(tmp_path, 0)).metadata["generator"]


def test_preview_and_scene_write_pictures_and_the_truth(tmp_path):
    small = ["size=64", "supersample=1"]
    preview(tmp_path / "sheet.png", count=3, columns=2, set=small)
    assert cv2.imread(str(tmp_path / "sheet.png")).shape == (128, 128, 3)
    scene(tmp_path, [4], set=[*small, "split=test"])
    truth = json.loads((tmp_path / "synthetic_test_0_4.json").read_text())
    projected = np.array(truth["joints_mm"]) @ np.array(truth["K"]).T
    np.testing.assert_allclose(projected[:, :2] / projected[:, 2:], truth["joints_px"], atol=2e-3)
    assert cv2.imread(str(tmp_path / "synthetic_test_0_4.jpg")).shape == (64, 64, 3)
    with pytest.raises(InputError, match=r"\.jpg or \.png"):
        preview(tmp_path / "sheet", count=1, set=small)
    with pytest.raises(InputError, match="--makehuman, --mocap or --photos"):
        bake(tmp_path)


def test_body_alone_is_baked_where_the_generator_looks(tmp_path, monkeypatch, capsys):
    def bake_body(path, **options):
        path.write_bytes(resources.files("metricpose.synthetic").joinpath("assets/body.npz").read_bytes())
        return "60 shapes against anny"

    monkeypatch.setattr("metricpose.synthetic.bake.bake_body", bake_body)
    assert command(["synth", "bake", str(tmp_path / "a"), "--body"]) == 0
    assert "people.npz: 60 shapes against anny" in capsys.readouterr().out
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["people.npz"]
    preview(tmp_path / "sheet.png", count=1, set=["size=64", "supersample=1", f"assets={tmp_path / 'a'}"])


def test_settings_that_are_none_or_no_text_are_refused(tmp_path):
    path = tmp_path / "g.yaml"
    for content, said in ((b"", "nothing"), (b"# size: 96\n", "nothing"), (b"- size\n", "a list"), (b"size", "'size'")):
        path.write_bytes(content)
        with pytest.raises(InputError, match=rf"g\.yaml: expected settings.*got {said}"):
            generator_settings(path, ["size=64"])
        with pytest.raises(InputError, match="expected settings"):
            generator_settings(path, [])
    path.write_bytes("assets: Café\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"cannot read generator settings.*UTF-8"):
        generator_settings(path, [])


def test_negative_numbers_are_refused(tmp_path, capsys):
    folder, small = str(tmp_path / "out"), ["--set", "size=64"]
    assert command(["synth", "render", folder, "2", "--start", "-5", *small]) == 1
    assert "expected a first index of 0 or more, got -5" in capsys.readouterr().err
    assert command(["synth", "render", folder, "2", "--workers", "-2", *small]) == 1
    assert "expected 0 or more workers, got -2" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert command(["synth", "preview", str(tmp_path / "p.png"), "--start", "-1", *small]) == 1
    assert "first scene from 0, got -1" in capsys.readouterr().err


def test_a_bad_setting_is_named_with_workers_too(tmp_path, capsys):
    words = ["synth", "render", str(tmp_path / "out"), "2", "--per-shard", "1", "--workers", "2"]
    assert command([*words, "--set", "pose_shares.foo=1"]) == 1
    assert "pose family 'foo' is unknown" in capsys.readouterr().err


def test_scenes_without_an_index_are_refused(tmp_path, capsys):
    assert command(["synth", "scene", str(tmp_path / "out")]) == 1
    assert "expected one or more indices of scenes from 0, such as 0 1 2, got none" in capsys.readouterr().err
    assert command(["synth", "scene", str(tmp_path / "out"), "3", "-1"]) != 0
    with pytest.raises(InputError, match="got 3 -1"):
        scene(tmp_path / "out", [3, -1])
    assert not (tmp_path / "out").exists()


def test_the_help_of_preview_is_right_for_the_flag_it_shows(capsys):
    assert command(["synth", "preview", "--help"]) == 0
    printed = " ".join(capsys.readouterr().out.replace("\u2502", " ").split())
    assert "whether the labelled joints are drawn" in printed
    assert "with --no-joints the pictures are left as rendered" in printed
