"""Garments, hair, skins and eyes of a MakeHuman asset folder, as arrays for a body file.

A garment is an .obj mesh and an .mhclo file that ties each of its vertices to three vertices of MakeHuman's base mesh:
position = weighted mean + offset, the offset scaled by the body's size along x, y, z, which two base vertices each
measure ("x_scale a b distance"). MakeHuman is y up, facing +z, decimetres; here z is up, facing -y, metres.

Keys per item i: it{i}_i (n,3) base vertices, it{i}_w weights, it{i}_o offsets; it{i}_s (3,2) measuring vertices along
x, y, z and it{i}_sv their distance; it{i}_F (f,3) faces, it{i}_c (f,) connected component (largest first, at most 6),
it{i}_uv (n,2), it{i}_del base vertices it hides, it{i}_tex encoded picture. `items` holds "kind:name:has picture".
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

from metricpose.errors import DataError
from metricpose.synthetic.seams import split_seams

BASE_VERTICES = 19158
"""Vertices of MakeHuman's base mesh, helpers included."""

_PICTURE_SIDE, _HAIR_SIDE, _EYE_SIDE = 512, 256, 64
_MAX_COMPONENTS = 6


class Binding(NamedTuple):
    """An .mhclo file: ties to the base mesh (MakeHuman's frame and unit), what it hides, and the files it names."""

    vertices: Int[np.ndarray, "n 3"]
    weights: Float[np.ndarray, "n 3"]
    offsets: Float[np.ndarray, "n 3"]
    scales: dict[str, tuple[int, int, float]]
    hidden: Int[np.ndarray, " h"]
    mesh: str
    material: str | None


class Mesh(NamedTuple):
    """An .obj file: triangles of positions and of texture coordinates; so many `positions`."""

    faces: Int[np.ndarray, "f 3"]
    corners: Int[np.ndarray, "f 3"]
    uv: Float[np.ndarray, "t 2"]
    positions: int


def makehuman_arrays(folder: str | Path, progress: Callable[[str], None] | None = None) -> dict[str, np.ndarray]:
    """Read every garment and hair style (clothes/, hair/), skin (skins/) and eye (eyes/) below `folder`.

    Items that cannot be used are left out, with a line to `progress`.

    Raises:
        DataError: nothing usable is there, or pictures are Git-LFS pointers.
    """
    say = progress or (lambda line: None)
    root = _root(Path(folder))
    arrays: dict[str, np.ndarray] = {}
    labels: list[str] = []
    for path in sorted([*root.glob("clothes/**/*.mhclo"), *root.glob("hair/**/*.mhclo")]):
        try:
            label, item = _item(path, "hair" if path.is_relative_to(root / "hair") else _kind(path.stem))
        except (ValueError, IndexError, KeyError, OSError) as error:
            say(f"left out {path.relative_to(root)}: {error}")
            continue
        arrays |= {f"it{len(labels)}_{key}": value for key, value in item.items()}
        labels.append(label)
    skins = sorted(root.glob("skins/**/*diffuse*.png"))
    for i, path in enumerate(skins):
        arrays[f"skin{i}"] = _encoded(_picture(path), _PICTURE_SIDE, alpha=False)
    eyes = [_resized(_picture(path), _EYE_SIDE)[:, :, 2::-1] for path in sorted(root.glob("eyes/**/*.png"))]
    if not labels and not skins:
        raise DataError(
            f"no MakeHuman clothes (*.mhclo) or skins (*diffuse*.png) below {folder}; give its assets folder"
        )
    arrays["eyes"] = np.stack(eyes) if eyes else np.zeros((0, _EYE_SIDE, _EYE_SIDE, 3), np.uint8)
    arrays["items"], arrays["skins"] = np.array(labels, dtype=np.str_), np.array([p.stem for p in skins], dtype=np.str_)
    return arrays


def parse_mhclo(path: Path) -> Binding:
    """Read an .mhclo file.

    Raises:
        ValueError: a number cannot be read. KeyError: no mesh or scale is named.
    """
    facts: dict[str, list[str]] = {}
    ties: list[list[float]] = []
    hidden: list[int] = []
    section = ""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if not (words[0].lstrip("-").isdigit() and section):
            section = {"verts": "verts", "delete_verts": "delete_verts"}.get(words[0], "")
            facts.setdefault(words[0], words[1:])
        elif section == "verts":
            ties.append([float(word) for word in words])
        else:
            hidden += _ranges(words)
    rows = np.array([t if len(t) >= 9 else [t[0], t[0], t[0], 1, 0, 0, 0, 0, 0] for t in ties]).reshape(-1, 9)[:, :9]
    scales = {axis: _scale(facts[f"{axis}_scale"]) for axis in "xyz"}
    material = facts.get("material", [None])[0]
    return Binding(
        rows[:, :3].astype(np.int64), rows[:, 3:6], rows[:, 6:9], scales,
        np.array(hidden, np.int64), facts["obj_file"][0], material,
    )  # fmt: skip


def parse_obj(path: Path) -> Mesh:
    """Read the faces of an .obj file, polygons cut into triangle fans."""
    count, uv, faces, corners = 0, [], [], []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            count += 1
        elif words[0] == "vt":
            uv.append([float(word) for word in words[1:3]])
        elif words[0] == "f":
            points = [word.split("/") for word in words[1:]]
            for k in range(1, len(points) - 1):
                triangle = (points[0], points[k], points[k + 1])
                faces.append([int(p[0]) - 1 for p in triangle])
                corners.append([int(p[1]) - 1 for p in triangle])
    if not faces:
        raise ValueError(f"{path.name} has no faces")
    return Mesh(np.array(faces), np.array(corners), np.array(uv, np.float64).reshape(-1, 2), count)


def components(faces: Int[np.ndarray, "f 3"]) -> Int[np.ndarray, " f"]:
    """Connected component of each face, numbered from the one with most faces; the sixth and later share a number."""
    label = np.arange(int(faces.max()) + 1)
    while True:
        lowest = label[faces].min(1)
        before = label.copy()
        np.minimum.at(label, faces.ravel(), np.repeat(lowest, 3))
        label = label[label]
        if np.array_equal(label, before):
            break
    names, which, sizes = np.unique(label[faces[:, 0]], return_inverse=True, return_counts=True)
    rank = np.empty(len(names), np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(names))
    return np.minimum(rank, _MAX_COMPONENTS - 1)[which].astype(np.int32)


def _item(path: Path, kind: str) -> tuple[str, dict[str, np.ndarray]]:
    """Label and arrays of one garment."""
    binding = parse_mhclo(path)
    mesh = parse_obj(path.parent / binding.mesh)
    if len(binding.vertices) != mesh.positions:
        raise ValueError(f"{len(binding.vertices)} ties for {mesh.positions} vertices")
    largest = int(max(binding.vertices.max(), *(max(s[:2]) for s in binding.scales.values())))
    if largest >= BASE_VERTICES:
        raise ValueError(f"base vertex {largest} is beyond MakeHuman's {BASE_VERTICES}")
    vertex, corner, faces = split_seams(mesh.faces, mesh.corners)
    order = [binding.scales[axis] for axis in "xzy"]  # MakeHuman's x, z, y lie along our x, -y, z
    offsets = binding.offsets[vertex][:, [0, 2, 1]] * (0.1, -0.1, 0.1)
    picture = _diffuse(path, binding.material)
    image = _picture(picture) if picture else np.full((8, 8, 4), 200, np.uint8)
    item = {
        "i": binding.vertices[vertex].astype(np.int32), "w": binding.weights[vertex].astype(np.float32),
        "o": offsets.astype(np.float32), "s": np.array([s[:2] for s in order], np.int32),
        "sv": np.array([0.1 * s[2] for s in order], np.float32), "F": faces, "c": components(mesh.faces),
        "uv": mesh.uv[corner].astype(np.float32), "del": binding.hidden.astype(np.int32),
        "tex": _encoded(image, _HAIR_SIDE if kind == "hair" else _PICTURE_SIDE, alpha=kind == "hair"),
    }  # fmt: skip
    return f"{kind}:{path.stem}:{int(picture is not None)}", item


def _root(folder: Path) -> Path:
    for candidate in (folder, folder / "base"):
        if any((candidate / name).is_dir() for name in ("clothes", "hair", "skins")):
            return candidate
    raise DataError(f"{folder} has no clothes/, hair/ or skins/ folder; give the folder of MakeHuman's assets")


def _kind(name: str) -> str:
    if "shoe" in name or "boot" in name:
        return "shoes"
    return "hat" if any(word in name for word in ("fedora", "hat", "cap")) else "suit"


def _scale(words: list[str]) -> tuple[int, int, float]:
    return int(words[0]), int(words[1]), float(words[2])


def _ranges(words: list[str]) -> list[int]:
    """Numbers and ranges: "3 5 - 7 9" is 3, 5, 6, 7, 9."""
    numbers: list[int] = []
    i = 0
    while i < len(words):
        first = last = int(words[i])
        if i + 2 < len(words) and words[i + 1] == "-":
            last = int(words[i + 2])
            i += 2
        numbers += range(first, last + 1)
        i += 1
    return numbers


def _diffuse(path: Path, material: str | None) -> Path | None:
    """The picture its material names, else one called diffuse beside it."""
    recipe = path.parent / (material or "")
    if recipe.is_file():
        for line in recipe.read_text(encoding="utf-8", errors="replace").splitlines():
            words = line.split(maxsplit=1)
            if len(words) == 2 and words[0] == "diffuseTexture" and (recipe.parent / words[1].strip()).is_file():
                return recipe.parent / words[1].strip()
    return next(iter(sorted(path.parent.glob("*diffuse*.png"))), None)


def _picture(path: Path) -> UInt8[np.ndarray, "h w 4"]:
    """BGRA picture.

    Raises:
        DataError: not a picture; says so when it is a Git-LFS pointer.
    """
    data = np.fromfile(path, np.uint8)
    if data[:20].tobytes() == b"version https://git-":
        raise DataError(f"{path} is a Git-LFS pointer, not a picture; run `git lfs pull` in the asset repository")
    image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
    if image is None:
        raise DataError(f"{path} is not a picture OpenCV can read; save it as an 8-bit PNG")
    if image.dtype == np.uint16:
        image = (image // 256).astype(np.uint8)
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    return image if image.shape[2] == 4 else np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])


def _resized(image: UInt8[np.ndarray, "h w 4"], side: int) -> UInt8[np.ndarray, "s s 4"]:
    """Area average, colours weighted by alpha so that what is transparent does not bleed in."""
    alpha = np.maximum(image[:, :, 3:].astype(np.float32) / 255, 1e-3)
    small = cv2.resize(np.dstack([image[:, :, :3] * alpha, alpha]), (side, side), interpolation=cv2.INTER_AREA)
    colour = small[:, :, :3] / np.maximum(small[:, :, 3:], 1e-3)
    return np.clip(np.dstack([colour, small[:, :, 3:] * 255]), 0, 255).round().astype(np.uint8)


def _encoded(image: UInt8[np.ndarray, "h w 4"], side: int, alpha: bool) -> UInt8[np.ndarray, " n"]:
    """PNG with alpha, or JPEG without, as bytes."""
    small = _resized(image, side)
    if alpha:
        return np.asarray(cv2.imencode(".png", small)[1]).ravel()
    return np.asarray(cv2.imencode(".jpg", small[:, :, :3].copy(), [cv2.IMWRITE_JPEG_QUALITY, 90])[1]).ravel()
