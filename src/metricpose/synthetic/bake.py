"""Bake a folder of assets: what takes minutes once, so that rendering takes milliseconds."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import cv2
import numpy as np

from metricpose.errors import DataError
from metricpose.files import atomic_path
from metricpose.synthetic.anny_body import Fidelity, bake_body
from metricpose.synthetic.makehuman import makehuman_arrays
from metricpose.synthetic.mocap import bake_poses

__all__ = ["Fidelity", "bake_assets", "bake_body", "bake_poses"]

Progress = Callable[[str], None]
_PHOTO_SIDE = 640


def bake_assets(
    out_dir: str | Path,
    *,
    makehuman: str | Path | None = None,
    mocap: str | Path | None = None,
    photos: str | Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Fill a folder that the generator can render from; returns it.

    Args:
        out_dir: gets people.npz, and where asked for poses.npz and backgrounds/.
        makehuman: MakeHuman asset folder (with clothes/, hair/, skins/, eyes/, or above them: base/); needs the package
            `anny`. None: the body that comes with metricpose, to be dressed in painted clothes.
        mocap: folder of .bvh files and of .asf with .amc files.
        photos: folder of pictures without people, for backgrounds; MANIFEST.tsv beside them is kept.
        progress: called with a line of text per step.

    Raises:
        DataError: a folder holds nothing usable, or cannot be written.
        MissingExtraError: `makehuman` is given and anny is not installed.
    """
    say = progress or (lambda line: None)
    out = Path(out_dir)
    if makehuman is None:
        with atomic_path(out / "people.npz") as temporary:
            shutil.copyfile(str(resources.files("metricpose.synthetic") / "assets" / "body.npz"), temporary)
        say("people.npz: the body that comes with metricpose")
    else:
        arrays = makehuman_arrays(makehuman, progress=say)
        say(f"people.npz: {len(arrays['items'])} garments and hair styles, {len(arrays['skins'])} skins")
        say(f"people.npz: {bake_body(out / 'people.npz', people=20000, extra=arrays)}")
    if mocap is not None:
        say(f"poses.npz: {bake_poses(mocap, out / 'poses.npz', progress=say)} poses")
    if photos is not None:
        say(f"backgrounds: {_copy_photos(Path(photos), out / 'backgrounds')} pictures")
    return out


def _copy_photos(source: Path, target: Path) -> int:
    """Pictures of a folder as JPEG of at most 640 px, and their manifest."""
    paths = sorted(p for p in source.glob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not paths:
        raise DataError(f"no .jpg or .png pictures in {source}; give the folder that holds them")
    for path in paths:
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise DataError(f"{path} is not a picture OpenCV can read; take it out or save it as JPEG")
        scale = min(1.0, _PHOTO_SIDE / max(image.shape[:2]))
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        with atomic_path(target / f"{path.stem}.jpg") as temporary:
            cv2.imwrite(str(temporary), small, [cv2.IMWRITE_JPEG_QUALITY, 92])
    manifest = source / "MANIFEST.tsv"
    if manifest.exists():
        with atomic_path(target / manifest.name) as temporary:
            shutil.copyfile(manifest, temporary)
    return len(paths)
