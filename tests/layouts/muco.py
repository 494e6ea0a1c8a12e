"""MuCo-3DHP as Moon et al. distribute it, and as the official scripts make it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.io import savemat

from layouts.mpi import ROOT, cells
from layouts.pictures import write_image
from metricpose.geometry.camera import Camera


class Composite(NamedTuple):
    """An image: number and name of the file, its pixels, its camera, (p, 21, 3) poses in the camera's frame."""

    number: int
    name: str
    image: np.ndarray
    camera: Camera
    poses: np.ndarray
    hidden: tuple[int, ...] = ()


def write(folder: Path, composites: list[Composite]) -> dict[str, Any]:
    """Images and MuCo-3DHP.json below folder/data; returns the content of the file."""
    content: dict[str, Any] = {"images": [], "annotations": [], "info": {"by": ["sömeone", 1.5]}}
    for number, name, image, camera, poses, hidden in composites:
        write_image(folder / "data" / name, image)
        (fx, _, cx), (_, fy, cy) = camera.K[0], camera.K[1]
        width, height = camera.size
        content["images"].append({
            "id": number, "file_name": name, "width": width, "height": height, "f": [fx, fy], "c": [cx, cy],
        })  # fmt: skip
        for person, joints in enumerate(poses):
            pixels = camera.project_camera(joints)
            low, high = pixels.min(0) - 3, pixels.max(0) + 3
            seen = np.ones(poses.shape[1], int)
            seen[list(hidden)] = 0
            content["annotations"].append({
                "id": 10 * number + person, "image_id": number, "bbox": [*low, *(high - low)],
                "keypoints_img": pixels.tolist(), "keypoints_cam": joints.tolist(), "keypoints_vis": seen.tolist(),
            })  # fmt: skip
    save(folder, content)
    return content


def save(folder: Path, content: dict[str, Any]) -> None:
    """Write MuCo-3DHP.json."""
    (folder / "data" / "MuCo-3DHP.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf8")


def write_chunk(folder: Path, number: int, composites: list[Composite]) -> None:
    """A chunk of composites of the official scripts, and its images."""
    count = len(composites)
    relative = np.stack([c.poses - c.poses[:, ROOT : ROOT + 1] for c in composites], -1)
    pixels = np.stack([c.camera.project_camera(c.poses) for c in composites], -1)
    variables = {
        "img_names": cells([c.name for c in composites], (1, count)),
        "joint_loc3": relative.transpose(2, 1, 0, 3),
        "joint_loc2": pixels.transpose(2, 1, 0, 3),
    }
    for composite in composites:
        write_image(folder / composite.name, composite.image)
    if count == 1:  # as Matlab saves it
        variables |= {name: variables[name][..., 0] for name in ("joint_loc3", "joint_loc2")}
    savemat(str(folder / f"chunk_{number:05d}_annot.mat"), variables)
