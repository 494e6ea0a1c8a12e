"""Clothes, shoes, hair, hats, skins and eyes of a rich body file: meshes tied to the base mesh, and their textures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, no_type_check

import cv2
import numpy as np
from jaxtyping import Float32, Int32, UInt8

from metricpose.synthetic.body import Body, SkinnedMesh
from metricpose.synthetic.kernel import kernel

TEXTURE_SIDE = 512
_HELD_OUT_SHARE = 0.15
_LUMA = np.array([0.30, 0.59, 0.11])


@dataclass(frozen=True, eq=False)
class Item:
    """One garment: vertex = weighted mean of three base vertices + offset scaled by the body's size.

    Attributes:
        kind: suit, shoes, hair or hat.
        mesh: u welded vertices; part 0 and arm coordinate -1 throughout.
        corners, corner_weights, offsets: (u, 3) each.
        rulers, ruler_lengths: (3, 2) base vertices that measure the body along x, y, z, and their template distance.
        component: (m,) connected part of each face, for colouring parts apart.
        texture: row of the texture stack; coloured: whether it is a picture rather than shading only.
        luminance: (components,) mean linear luminance of the texture on each component.
        shows: (body faces,) bool, False where the garment covers the body.
    """

    kind: str
    name: str
    mesh: SkinnedMesh
    corners: Int32[np.ndarray, "u 3"]
    corner_weights: Float32[np.ndarray, "u 3"]
    offsets: Float32[np.ndarray, "u 3"]
    rulers: Int32[np.ndarray, "3 2"]
    ruler_lengths: Float32[np.ndarray, " 3"]
    component: Int32[np.ndarray, " m"]
    texture: int
    coloured: bool
    luminance: np.ndarray
    shows: np.ndarray

    def fit(self, vertices: Float32[np.ndarray, "v 3"]) -> Float32[np.ndarray, "u 3"]:
        """Rest positions of the welded vertices on a body with these base vertices."""
        axes = np.arange(3)
        span = np.abs(vertices[self.rulers[:, 0], axes] - vertices[self.rulers[:, 1], axes])
        out = np.empty_like(self.offsets)
        scale = (span / self.ruler_lengths).astype(np.float32)
        _fit(vertices, self.corners, self.corner_weights, self.offsets, scale, out)
        return out


@dataclass(frozen=True, eq=False)
class Wardrobe:
    """Everything wearable that one split may use. Empty lists where the body file has none.

    Attributes:
        textures: (k, 512, 512, 4) uint8 sRGB + alpha.
        items: by kind.
        skins: (name, texture row); eyes: texture rows.
    """

    textures: UInt8[np.ndarray, "k 512 512 4"]
    items: dict[str, list[Item]]
    skins: list[tuple[str, int]]
    eyes: list[int]


def held_out(names: Iterable[str]) -> set[str]:
    """The 15 % of `names` (at least one of two or more) kept for validation and test, by hash of the name."""
    ranked = sorted(set(names), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    count = 0 if len(ranked) < 2 else max(1, round(_HELD_OUT_SHARE * len(ranked)))
    return set(ranked[:count])


def allowed(names: Iterable[str], split: str) -> list[str]:
    """Names a split may use: train has all but the held-out ones, val and test only those (all if there are none)."""
    names = list(names)
    kept = held_out(names)
    chosen = [name for name in names if (name in kept) == (split != "train")]
    return chosen or names


def load_wardrobe(body: Body, file: dict[str, Any], split: str) -> Wardrobe:
    """Decode the clothes, skins and eyes of a body file that `split` may use."""
    stack = _Stack()
    skins = [str(name) for name in file.get("skins", ())]
    eyes = file.get("eyes", np.zeros((0, 64, 64, 3), np.uint8))
    # Men's and women's things apart, so that both keep something in either split.
    keep_skins = set(_allowed_by_group(skins, split))
    loaded_skins = [(n, stack.add(_decode(file[f"skin{i}"]))) for i, n in enumerate(skins) if n in keep_skins]
    loaded_eyes = [stack.add(image) for image in eyes]
    names = [str(name) for name in file.get("items", ())]
    keep = set(_allowed_by_group(names, split))
    dense = body.dense_weights() if names else np.zeros((0, 0), np.float32)
    items: dict[str, list[Item]] = {"suit": [], "shoes": [], "hair": [], "hat": []}
    for i, name in enumerate(names):
        if name in keep:
            item = _load_item(body, dense, file, i, name, stack)
            items[item.kind].append(item)
    return Wardrobe(stack.array(), items, loaded_skins, loaded_eyes)


def _allowed_by_group(names: list[str], split: str) -> list[str]:
    def group(name: str) -> str:
        sex = "female" if "female" in name else "male" if "male" in name else ""
        return f"{name.split(':')[0] if ':' in name else ''}/{sex}"

    groups = sorted({group(name) for name in names})
    return [n for g in groups for n in allowed([name for name in names if group(name) == g], split)]


class _Stack:
    """Collects textures of one size."""

    def __init__(self) -> None:
        self.images: list[np.ndarray] = []

    def add(self, rgb: np.ndarray) -> int:
        if rgb.shape[2] == 3:
            rgb = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
        self.images.append(cv2.resize(rgb, (TEXTURE_SIDE, TEXTURE_SIDE), interpolation=cv2.INTER_LINEAR))
        return len(self.images) - 1

    def array(self) -> np.ndarray:
        if not self.images:
            return np.full((1, TEXTURE_SIDE, TEXTURE_SIDE, 4), 255, np.uint8)
        return np.ascontiguousarray(np.stack(self.images))


def _decode(buffer: np.ndarray) -> np.ndarray:
    image = np.asarray(cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED))
    return image[:, :, ::-1] if image.shape[2] == 3 else image[:, :, [2, 1, 0, 3]]


def _load_item(
    body: Body, dense: Float32[np.ndarray, "v b"], file: dict[str, Any], i: int, label: str, stack: _Stack
) -> Item:
    kind, name, coloured = label.split(":")
    corners, weights = file[f"it{i}_i"].astype(np.int32), file[f"it{i}_w"].astype(np.float32)
    offsets, faces = file[f"it{i}_o"].astype(np.float32), np.ascontiguousarray(file[f"it{i}_F"], np.int32)
    # Vertices that are tied to the body alike are copies of one, split for texture coordinates.
    _, first, split = np.unique(np.hstack([corners, weights, offsets]), axis=0, return_index=True, return_inverse=True)
    corners, weights, offsets = corners[first], weights[first], offsets[first]
    split = split.reshape(-1)
    mixed = np.maximum((weights[..., None] * dense[corners]).sum(1), 0.0)
    mixed = (mixed / mixed.sum(1, keepdims=True)).astype(np.float32)
    template = np.empty_like(offsets)
    _fit(body.template, corners, weights, offsets, np.ones(3, np.float32), template)
    uv = file[f"it{i}_uv"].astype(np.float32)
    extra = np.zeros((len(uv), 2), np.float32) - [1, 0]
    attributes = np.concatenate([template[split], extra, uv[:, :1], 1 - uv[:, 1:]], 1).astype(np.float32)
    component = np.asarray(file[f"it{i}_c"], np.int32)
    texture = stack.add(_decode(file[f"it{i}_tex"]))
    covered = np.zeros(len(body.template), bool)
    covered[file[f"it{i}_del"]] = True
    return Item(
        kind=kind, name=name, mesh=body.skinned_mesh(split, faces, attributes, mixed),
        corners=corners, corner_weights=weights, offsets=offsets,
        rulers=file[f"it{i}_s"].astype(np.int32), ruler_lengths=file[f"it{i}_sv"].astype(np.float32),
        component=component, texture=texture, coloured=coloured == "1",
        luminance=_component_luminance(stack.images[texture], attributes, faces, component),
        shows=~covered[body.surface_vertices[body.surface.welded_faces]].all(1),
    )  # fmt: skip


def _component_luminance(
    image: np.ndarray, attributes: np.ndarray, faces: np.ndarray, component: np.ndarray
) -> np.ndarray:
    linear = (image[:, :, :3] / 255.0 @ _LUMA) ** 2.2
    uv = np.clip((attributes[faces].mean(1)[:, 5:7] * TEXTURE_SIDE).astype(int), 0, TEXTURE_SIDE - 1)
    value = linear[uv[:, 1], uv[:, 0]]
    return np.array([max(0.02, value[component == c].mean()) for c in range(component.max() + 1)])


@kernel
@no_type_check
def _fit(vertices, corners, weights, offsets, scale, out):
    for i in range(len(corners)):
        a, b, c = corners[i, 0], corners[i, 1], corners[i, 2]
        for k in range(3):
            out[i, k] = (
                weights[i, 0] * vertices[a, k]
                + weights[i, 1] * vertices[b, k]
                + weights[i, 2] * vertices[c, k]
                + offsets[i, k] * scale[k]
            )
