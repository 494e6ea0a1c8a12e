"""Rendered people as each data set of photographs with 2D labels, and as one's own labelled photographs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from data.scenes import look_at
from layouts import photographs
from layouts.actors import Actors, Excerpt, Truth, truth, world_joints
from layouts.pictures import write_image
from metricpose.data.readers.ordinal_depth import PARTS
from metricpose.geometry.camera import Camera
from metricpose.skeleton.catalog import MPII_16
from metricpose.synthetic.person import Person

COUNT = 8
SIZES = ((320, 400), (400, 320))
_OWN_LENS = (-0.15, 0.05, 0.001, -0.002, 0.01)
_EQUAL_MM = 40.0


class _Shot:
    """A photograph of one person."""

    def __init__(self, actors: Actors, number: int, lens: tuple[float, ...] = (), people: int = 3) -> None:
        self.camera: Camera = look_at((300.0 * (number % 5), -5200, 1200), size=SIZES[number % 2], lens=lens)
        self.person: Person = actors.walk(1 + number % people, number // people + 1)[-1]
        self.image = actors.photograph(self.camera, self.person)

    def truth(self, skeleton: str) -> Truth:
        return truth(self.camera, world_joints(self.person, skeleton))

    def box(self, skeleton: str) -> np.ndarray:
        pixels = self.truth(skeleton).px
        low, high = pixels.min(0) - 8, pixels.max(0) + 8
        return np.concatenate([low, high - low])


def _shots(actors: Actors, lens: tuple[float, ...] = (), people: int = 3) -> list[_Shot]:
    return [_Shot(actors, number, lens, people) for number in range(COUNT)]


def _repeat(folder: Path, name: str, shots: list[_Shot], total: int) -> list[Path]:
    """So many files, numbered from 1, of the few pictures there are: links."""
    paths = [folder / name.format(n + 1) for n in range(total)]
    for number, path in enumerate(paths):
        if number < len(shots):
            write_image(path, shots[number].image)
        else:
            os.link(paths[number % len(shots)], path)
    return paths


def coco(actors: Actors, folder: Path) -> Excerpt:
    """train and val, half of the pictures each."""
    found: dict[str, dict[str, Truth]] = {"train": {}, "val": {}}
    for part, kept in (("train", range(COUNT // 2)), ("val", range(COUNT // 2, COUNT))):
        images, people = [], []
        for n in kept:
            shot = _Shot(actors, n)
            there = shot.truth("coco_17")
            write_image(folder / f"{part}2017" / f"{n + 1:012d}.jpg", shot.image)
            images.append(photographs.coco_image(n + 1, shot.camera.size))
            people.append(photographs.coco_person(500 + n, n + 1, there.px, shot.box("coco_17")))
            found[part][f"{n + 1:012d}/{500 + n}"] = there
        photographs.write_coco(folder, f"{part}2017", photographs.coco_content(images, people))
    return Excerpt("coco", folder, found, test="val")


def mpii(actors: Actors, folder: Path) -> Excerpt:
    """The MAT file."""
    found: dict[str, Truth] = {}
    names, people = [], []
    for n, shot in enumerate(_shots(actors)):
        there = shot.truth("mpii_16")
        names.append(f"{n:09d}.jpg")
        write_image(folder / "images" / names[-1], shot.image)
        head = tuple(float(v) for v in np.ravel([there.px[[8, 9]].min(0) - 3, there.px[[8, 9]].max(0) + 3]))
        people.append([photographs.mpii_rect(photographs.mpii_points(there.px, list(range(16))), head)])
        found[f"{n:09d}/1"] = there
    photographs.write_mpii(folder, names, people, [[1]] * COUNT, [1] * COUNT)
    return Excerpt("mpii", folder, {"train": found})


def mpii_json(actors: Actors, folder: Path) -> Excerpt:
    """The community's files."""
    found: dict[str, dict[str, Truth]] = {"train": {}, "val": {}}
    for part, file in (("train", "train"), ("val", "valid")):
        people = []
        for n, shot in enumerate(_shots(actors)):
            name, there = f"{part}{n:06d}.jpg", shot.truth("mpii_16")
            write_image(folder / "images" / name, shot.image)
            people.append(photographs.mpii_json_person(name, there.px))
            found[part][f"{name[:-4]}/{n}"] = there
        photographs.write_mpii_json(folder, file, people)
    return Excerpt("mpii_json", folder, found, test="val")


def mpii_bones(actors: Actors, folder: Path) -> Excerpt:
    """The community's file, and every bone of every person told by its true direction."""
    made, told = mpii_json(actors, folder), {}
    for name, there in made.truth["train"].items():
        ends = [(j, p) for j, p in enumerate(MPII_16.parents) if p >= 0]
        closer = {MPII_16.joints[j]: there.mm[p, 2] - there.mm[j, 2] for j, p in ends}
        ways = {
            j: "neither" if abs(mm) < _EQUAL_MM else "forward" if mm > 0 else "backward" for j, mm in closer.items()
        }
        told[name.rpartition("/")[2]] = ways
    photographs.write_mpii_bones(folder, "train", told)
    return Excerpt("mpii_bones", folder, {"train": made.truth["train"]})


def _values(shots: list[_Shot], total: int, third: int) -> np.ndarray:
    """(total, 14, 3): the joints of the pictures, again and again, counted from 1."""
    places = np.stack([shot.truth("lsp_14").px + 1 for shot in shots])
    out = np.full((total, 14, 3), float(third))
    out[:, :, :2] = places[np.arange(total) % len(shots)]
    return out


def lsp(actors: Actors, folder: Path) -> Excerpt:
    """2,000 pictures, all of them links to a few."""
    shots = _shots(actors)
    _repeat(folder / "images", "im{:04d}.jpg", shots, 2000)
    photographs.write_lsp(folder, _values(shots, 2000, 0))
    found = {f"im{n + 1:04d}": shots[n % COUNT].truth("lsp_14") for n in range(2000)}
    parts = {"train": dict(list(found.items())[:1000]), "test": dict(list(found.items())[1000:])}
    return Excerpt("lsp", folder, parts, test="test", note=f"2,000 links to {COUNT} pictures")


def lsp_extended(actors: Actors, folder: Path) -> Excerpt:
    """A few pictures; of the others no joint is labelled."""
    shots = _shots(actors)
    _repeat(folder / "images", "im{:05d}.jpg", shots, COUNT)
    values = _values(shots, 10_000, 1)
    values[COUNT:, :, 2] = 0
    photographs.write_lsp_extended(folder, values)
    return Excerpt(
        "lsp_extended", folder, {"train": {f"im{n + 1:05d}": s.truth("lsp_14") for n, s in enumerate(shots)}}
    )


def ordinal(actors: Actors, folder: Path) -> Excerpt:
    """The part of LSP."""
    part, shots = PARTS["lsp"], _shots(actors)
    _repeat(folder / part.folder / "images", part.picture, shots, part.pictures)
    tables = np.stack([photographs.told(s.truth("lsp_14").mm[:, 2], _EQUAL_MM) for s in shots])
    rows = np.arange(part.pictures) % COUNT
    photographs.write_ordinal(folder, part, _values(shots, part.pictures, 0), tables[rows])
    found = {f"lsp/{n + 1:05d}": shots[n % COUNT].truth("lsp_14") for n in range(part.pictures)}
    return Excerpt("lsp_mpii_ordinal", folder, {"lsp": found}, "lsp", note=f"2,000 links to {COUNT} pictures")


def own(actors: Actors, folder: Path, people: int = 3) -> Excerpt:
    """labels.json in full, with a lens."""
    items, found = [], {}
    for n, shot in enumerate(_shots(actors, _OWN_LENS, people)):
        there, camera = shot.truth("h36m_17"), shot.camera
        write_image(folder / "images" / f"{n:03d}.jpg", shot.image)
        items.append({
            "file": f"images/{n:03d}.jpg", "id": f"p{n}", "skeleton": "h36m_17", "K": camera.K.tolist(),
            "distortion": camera.distortion.tolist(), "joints_mm": there.mm.round(4).tolist(),
            "joints_px": there.px.round(4).tolist(), "box_xywh": shot.box("h36m_17").round(2).tolist(),
            "subject": f"P{n % people}", "source": "Human3.6M",
        })  # fmt: skip
        found[f"p{n}"] = there
    photographs.save_labels(folder, items)
    return Excerpt(
        "own", folder, {"all": found}, "all", "all", ("real-dev",), "h36m_17", note="measured on what it trained on"
    )


EXPORTS: dict[str, Callable[[Actors, Path], Excerpt]] = {
    "coco": coco,
    "mpii": mpii,
    "mpii_json": mpii_json,
    "mpii_bones": mpii_bones,
    "lsp": lsp,
    "lsp_extended": lsp_extended,
    "lsp_mpii_ordinal": ordinal,
    "own": own,
}
