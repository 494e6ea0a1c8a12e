"""Photographs with 2D labels as COCO, MPII, the Leeds sets and their ordinal labels have them, and one's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

from metricpose.data.readers import mpii
from metricpose.data.readers.ordinal_depth import Part

EMPTY = np.zeros((0, 0))

# -- COCO ------------------------------------------------------------------------------------------------------------

_PARTS = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
COCO_NAMES = ["nose", *(f"{side}_{part}" for part in _PARTS for side in ("left", "right"))]


def coco_image(number: int, size: tuple[int, int]) -> dict[str, Any]:
    """An entry of images."""
    return {"id": number, "file_name": f"{number:012d}.jpg", "width": size[0], "height": size[1]}


def coco_person(
    number: int, image: int, pixels: np.ndarray, box_xywh: np.ndarray, flags: np.ndarray | None = None
) -> dict[str, Any]:
    """An entry of annotations; flags as COCO's v, 2 if not given. Boxes lie on pixels' edges."""
    flags = np.full(17, 2) if flags is None else flags
    points = np.c_[pixels, flags] * (flags > 0)[:, None]
    return {
        "id": number, "image_id": image, "category_id": 1, "iscrowd": 0, "num_keypoints": int((flags > 0).sum()),
        "area": 99.5, "segmentation": [[1.5, 2, 3, 4, 5, 6]], "bbox": np.add(box_xywh, (0.5, 0.5, 0, 0)).tolist(),
        "keypoints": points.reshape(-1).tolist(),
    }  # fmt: skip


def coco_content(images: list[dict[str, Any]], annotations: list[dict[str, Any]]) -> dict[str, Any]:
    """The content of person_keypoints_*.json."""
    category = {"id": 1, "name": "person", "keypoints": COCO_NAMES, "skeleton": [[16, 14]]}
    return {"info": {"year": 2017}, "images": images, "annotations": annotations, "categories": [category]}


def write_coco(folder: Path, part: str, content: dict[str, Any]) -> None:
    """The file of a part, such as val2017."""
    path = folder / "annotations" / f"person_keypoints_{part}.json"
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(json.dumps(content))


# -- MPII ------------------------------------------------------------------------------------------------------------


def struct_array(rows: list[dict[str, Any]]) -> Any:
    """A 1 x n struct array of Matlab."""
    out = np.empty((1, len(rows)), [(name, object) for name in rows[0]])
    for n, row in enumerate(rows):
        out[0, n] = tuple(row.values())
    return out


def mpii_points(pixels: np.ndarray, order: list[int], flag: Callable[[int], Any] = lambda joint: 1.0) -> Any:
    """Points of a person, those of `order` in this order, counted from 1; `flag` of a joint is its is_visible."""
    return [{"x": pixels[j, 0] + 1, "y": pixels[j, 1] + 1, "id": float(j), "is_visible": flag(j)} for j in order]


def mpii_rect(points: list[dict[str, Any]] | None, head: tuple[float, float, float, float]) -> dict[str, Any]:
    """A person, with the corners of the head's box; None has no joints."""
    box = dict(zip(("x1", "y1", "x2", "y2"), head))
    found = EMPTY if points is None else {"point": struct_array(points)}
    return {**box, "annopoints": found, "scale": 1.5, "objpos": {"x": 3.0, "y": 4.0}}


def write_mpii(
    folder: Path, names: list[str], people: list[list[dict[str, Any]]], single: list[list[int]], train: list[int],
    **more: Any,
) -> None:  # fmt: skip
    """The MAT file: people of each image, the numbers from 1 of those who stand apart, 1 for training images."""
    rects = [struct_array(found) if found else EMPTY for found in people]
    images = [{"image": {"name": name}, "annorect": found} for name, found in zip(names, rects)]
    apart = np.empty((len(names), 1), object)
    apart[:, 0] = [np.array([[float(n)] for n in numbers]).reshape(1, -1) if numbers else EMPTY for numbers in single]
    release = {"annolist": struct_array(images), "img_train": np.array([train]), "single_person": apart}
    savemat(folder / mpii.FILE, {"RELEASE": {**release, **more}})


def mpii_json_person(name: str, pixels: np.ndarray, missing: tuple[int, ...] = ()) -> dict[str, Any]:
    """An entry of the community's JSON files."""
    joints = (pixels + 1).tolist()
    for joint in missing:
        joints[joint] = [-1.0, -1.0]
    labelled = [int(j not in missing) for j in range(16)]
    return {"joints_vis": labelled, "joints": joints, "image": name, "scale": 3.0, "center": [5.0, 6.0]}


def write_mpii_json(folder: Path, part: str, people: list[dict[str, Any]]) -> None:
    """annot/PART.json."""
    (folder / "annot").mkdir(exist_ok=True, parents=True)
    (folder / "annot" / f"{part}.json").write_text(json.dumps(people))


def write_mpii_bones(folder: Path, part: str, told: dict[str, dict[str, str]]) -> None:
    """annot/PART_bones.json."""
    (folder / "annot" / f"{part}_bones.json").write_text(json.dumps(told))


# -- Leeds -----------------------------------------------------------------------------------------------------------


def write_lsp(folder: Path, values: np.ndarray) -> None:
    """joints.mat of LSP from (2000, 14, 3): x and y counted from 1, hidden."""
    savemat(folder / "joints.mat", {"joints": values.transpose(2, 1, 0)})


def write_lsp_extended(folder: Path, values: np.ndarray) -> None:
    """joints.mat of LSP-extended from (10000, 14, 3): x and y counted from 1, labelled."""
    savemat(folder / "joints.mat", {"joints": values.transpose(1, 2, 0)}, do_compression=True)


def told(depth: np.ndarray, equal_mm: float) -> np.ndarray:
    """The table of the ordinal files: -1 where i is closer than j, 0 within `equal_mm`."""
    table = np.full((len(depth), len(depth)), np.nan)
    for i, j in combinations(range(len(depth)), 2):
        difference = depth[i] - depth[j]
        table[i, j] = 0 if abs(difference) < equal_mm else np.sign(difference)
        table[j, i] = -table[i, j]
    return table


def write_ordinal(folder: Path, part: Part, joints: np.ndarray, tables: np.ndarray) -> None:
    """joints.mat and ordinal.mat from (n, J, 3) and (n, J, J)."""
    (folder / part.folder).mkdir(exist_ok=True, parents=True)
    savemat(folder / part.folder / "joints.mat", {"joints": joints.transpose(2, 1, 0)}, do_compression=True)
    savemat(folder / part.folder / "ordinal.mat", {"ord": tables}, do_compression=True)


# -- one's own -------------------------------------------------------------------------------------------------------


def save_labels(folder: Path, items: list[dict[str, Any]], **top: Any) -> None:
    """Write labels.json."""
    (folder / "labels.json").write_text(json.dumps({**top, "items": items}), encoding="utf8")
