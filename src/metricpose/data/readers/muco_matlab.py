"""MuCo-3DHP as its authors' Matlab scripts composite it from MPI-INF-3DHP: images and chunk_*_annot.mat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from metricpose.data.faults import COPY_AGAIN, Faults, fault
from metricpose.data.pictures import Picture
from metricpose.data.readers import mpi_inf_3dhp_labels as shared
from metricpose.data.readers import muco
from metricpose.data.readers.contract import Index, Item, Labels, Reader, Stretch
from metricpose.data.readers.intrinsics import fit_unrooted, need_fit
from metricpose.data.scientific import read_mat
from metricpose.geometry.camera import Camera
from metricpose.skeleton import catalog

ABOUT = replace(
    muco.ABOUT,
    name="muco_matlab",
    title="MuCo-3DHP, composited by the official scripts",
    source="https://vcai.mpi-inf.mpg.de/projects/SingleShotMultiPerson (muco-3dhp.zip; Matlab, MPI-INF-3DHP)",
    citation=muco.CITATION,
    joints="17, or 21 with hands and toes, as the scripts were set; those of MPI-INF-3DHP's test set first",
    units="millimetres from the pelvis, pixels",
    camera="not in the files; recovered, with the place of the pelvis, from both labels of each person",
    skips="people of whom no joint is in the picture",
    layout={
        "chunk_00001_annot.mat": "annotations of 500 images; in this folder or the folders in it",
        "000001.jpg": "images, beside the annotations",
    },
    splits={"train": None},
    notes=(
        "each person has the camera of the recording it was cut from; they differ by few pixels",
        "the scripts make 660,000 images; MeTRAbs uses the first 150,000",
        "no one is left out for standing near others, as muco does: the place of a pelvis is known only by its labels",
    ),
)
SIZE = (2048, 2048)
_SKELETONS = {17: "mpi_inf_3dhp_17", 21: "muco_21"}
_EXACT_PX = 1.0
_ROOT = catalog.MUCO_21.root


class Row(NamedTuple):
    """Where the labels of an item are: file, image in it, person in that."""

    path: Path
    image: int
    person: int


def index(folder: Path, split: str, faults: Faults) -> Sequence[Item]:
    """The people of the images, chunk by chunk."""
    chunks = sorted(p for pattern in ("", "*/") for p in folder.glob(f"{pattern}chunk_*_annot.mat"))
    return Index(list(_stretches(folder, chunks, faults)))


def _stretches(folder: Path, chunks: list[Path], faults: Faults) -> Iterator[Stretch]:
    for path in chunks:
        with faults.catch(str(path.relative_to(folder))):
            chunk = _read(path)
            inside = shared.in_picture(chunk.pixels, SIZE).any(-1)
            if not inside.all():
                why = f"{(~inside).sum()} people, of whom no joint is in the picture"
                faults.omit(str(path.relative_to(folder)), why)
            places = np.argwhere(inside)
            yield Stretch(len(places), partial(_item, folder, path, chunk.names, places, _SKELETONS[chunk.joints]))


def _item(folder: Path, path: Path, names: list[str], places: np.ndarray, skeleton: str, number: int) -> Item:
    image, person = (int(v) for v in places[number])
    picture = path.parent / names[image]
    name = picture.relative_to(folder).with_suffix("").as_posix()
    return Item(f"{name}/{person}", Picture(picture), Row(path, image, person), skeleton=skeleton)


class _Chunk(NamedTuple):
    """n images of p people, the nearest first: poses from the pelvis, millimetres, and pixels."""

    names: list[str]
    poses: Float[np.ndarray, "n p j 3"]
    pixels: Float[np.ndarray, "n p j 2"]

    @property
    def joints(self) -> int:
        return self.poses.shape[2]


@lru_cache(maxsize=2)
def _read(path: Path) -> _Chunk:
    found = read_mat(path, "img_names", "joint_loc3", "joint_loc2")
    names = [str(name) for name in np.asarray(found["img_names"], object).reshape(-1)]
    # Matlab drops the last axis where there is but one image.
    poses, pixels = (np.asarray(found[name], np.float64) for name in ("joint_loc3", "joint_loc2"))
    if poses.ndim == 3:
        poses, pixels = poses[..., None], pixels[..., None]
    shape = (3, *poses.shape[1:])
    if (
        poses.ndim != 4
        or poses.shape != shape
        or pixels.shape != (2, *shape[1:])
        or shape[1] not in _SKELETONS
        or shape[3] != len(names)
    ):
        wanted = (
            "joint_loc3 and joint_loc2 of 3 and 2 axes x 17 or 21 joints x people x images, and names of the images"
        )
        raise fault(path, wanted, f"{poses.shape}, {pixels.shape}, {len(names)} names", COPY_AGAIN)
    return _Chunk(names, poses.transpose(3, 2, 1, 0), pixels.transpose(3, 2, 1, 0))


def labels(item: Item) -> Labels:
    """The labels of a person in an image."""
    row: Row = item.row
    chunk = _read(row.path)
    relative, pixels = chunk.poses[row.image, row.person], chunk.pixels[row.image, row.person]
    found = fit_unrooted(relative - relative[_ROOT], pixels)
    names = f"joint_loc3 and joint_loc2 of {chunk.names[row.image]}, person {row.person},"
    fit = need_fit(found[0] if found is not None else None, SIZE, row.path, names, residual_px=_EXACT_PX)
    root = found[1] if found is not None else np.full(3, np.nan)
    facts = {"annotation": shared.METRIC, "intrinsics_residual_px": fit.residual_px, "box": "joints"}
    return Labels(
        Camera(fit.K, SIZE),
        shared.joints_box(pixels, SIZE),
        relative - relative[_ROOT] + root,
        pixels,
        shared.marks(pixels, SIZE),
        info={**facts, "person": row.person},
    )


READER = Reader(ABOUT, index, labels)
