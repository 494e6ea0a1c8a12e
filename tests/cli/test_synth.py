from __future__ import annotations

import json

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
