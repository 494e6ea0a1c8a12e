from __future__ import annotations

import pytest

from metricpose.cli.synth import generator_settings, main
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
def test_baking_goes_on_where_it_stopped_and_is_by_index(tmp_path, capsys):
    arguments = [str(tmp_path), "2", "--per-shard", "1", "--workers", "0", "--set", "size=64", "--set", "supersample=1"]
    main(arguments)
    whole = shard_path(tmp_path, 1).read_bytes()
    shard_path(tmp_path, 1).unlink()
    main(arguments)
    assert shard_path(tmp_path, 1).read_bytes() == whole
    assert "2 of 2 people" in capsys.readouterr().out
    record = ShardFolder(tmp_path)[1]
    assert record.image.shape == (64, 64, 3)
    assert record.info["index"] == 1
    assert record.alpha is not None
    assert '"size":64' in Shard(shard_path(tmp_path, 0)).metadata["generator"]
