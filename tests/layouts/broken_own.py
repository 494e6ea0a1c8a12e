"""Deliberate faults in one's own labelled photographs, and how `data check` must name each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from layouts.damage import Change, cut, remove, resize
from layouts.photographs import save_labels
from metricpose.skeleton.catalog import H36M_17

TURN = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""Camera frame -> a world whose y axis points up, seen from the front."""

Item = dict[str, Any]


def items(change: Callable[[list[Item]], object]) -> Change:
    """labels.json is changed."""

    def make(folder: Path) -> None:
        found = json.loads((folder / "labels.json").read_text())["items"]
        change(found)
        save_labels(folder, found)

    return make


def each(change: Callable[[Item], object]) -> Change:
    """Every item is changed."""
    return items(lambda found: [change(item) for item in found])


def first(change: Callable[[Item], object]) -> Change:
    """The second item is changed."""
    return items(lambda found: change(found[1]))


def put(key: str, joint: str, value: Any, axis: int | None = None) -> Callable[[Item], None]:
    """A joint, or one of its coordinates, is another one."""

    def change(item: Item) -> None:
        if axis is None:
            item[key][H36M_17.index(joint)] = value
        else:
            item[key][H36M_17.index(joint)][axis] = value

    return change


def missing_as(mm: list[float], px: list[float]) -> Callable[[Item], None]:
    """A joint that is not labelled has these numbers."""

    def change(item: Item) -> None:
        put("joints_mm", "l_wrist", mm)(item)
        put("joints_px", "l_wrist", px)(item)

    return change


def points(change: Callable[[np.ndarray], np.ndarray], *, pixels: bool = False) -> Callable[[Item], None]:
    """All 3D points, or all pixels, are changed."""
    key = "joints_px" if pixels else "joints_mm"
    return lambda item: item.update({key: change(np.array(item[key])).tolist()})


def swapped(*names: str, only: tuple[str, ...] = ("joints_mm", "joints_px")) -> Callable[[Item], None]:
    """Left and right of these joints are exchanged."""
    order = np.arange(len(H36M_17))
    for name in names:
        left, right = H36M_17.index(f"l_{name}"), H36M_17.index(f"r_{name}")
        order[[left, right]] = right, left

    def change(item: Item) -> None:
        for key in only:
            item[key] = [item[key][i] for i in order]

    return change


def mirrored(item: Item) -> None:
    """Labels of the mirrored picture without an exchange of names."""
    K = np.array(item["K"])
    item["joints_mm"] = (np.array(item["joints_mm"]) * (-1, 1, 1)).tolist()
    item["joints_px"] = (np.array(item["joints_px"]) * (-1, 1) + (2 * K[0, 2], 0)).tolist()
    item["box_xywh"][0] = 2 * K[0, 2] - item["box_xywh"][0] - item["box_xywh"][2]
    item["distortion"] = [v * s for v, s in zip(item["distortion"], (1, 1, 1, -1, 1))]


def corners(item: Item) -> None:
    """x1 y1 x2 y2 instead of x y w h."""
    x, y, w, h = item["box_xywh"]
    item["box_xywh"] = [x, y, x + w, y + h]


def reverse(item: Item) -> None:
    """Joints in the order of another file, in 2D and 3D."""
    item["joints_mm"].reverse()
    item["joints_px"].reverse()


def longer_focal(item: Item) -> None:
    """fy is another camera's."""
    item["K"][1][1] *= 1.3


def visible_outside(item: Item) -> None:
    """A joint that is outside the picture is marked as visible."""
    place = item["joints_px"][H36M_17.index("l_wrist")]
    put("joints_px", "l_wrist", [-60.0, place[1]])(item)
    item["visibility"] = [2] * len(H36M_17)


ALL_LIMBS = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
OWN = [
    ("a picture is missing", remove("images/001.jpg"), r"p1\b.*no image .*001\.jpg"),
    ("a JPEG is cut off", cut("images/001.jpg"), r"001\.jpg is a truncated or damaged JPEG"),
    ("a picture is an HTML page", lambda f: (f / "images/001.jpg").write_text("<html>"), r"001\.jpg"),
    ("labels.json is cut off", cut("labels.json"), r"labels\.json is not JSON"),
    ("labels.json is missing", remove("labels.json"), r"cannot read .*labels\.json"),
    ("NaN in one coordinate", first(put("joints_mm", "l_knee", float("nan"), 1)), r"values: joints_mm of l_knee"),
    ("infinity in a pixel", first(put("joints_px", "nose", float("inf"), 0)), r"values: joints_px of nose"),
    ("no joint has a label", first(points(lambda p: p * np.nan)), r"no joint of joints_mm is measured"),
    ("missing joint as 0 0 0", first(missing_as([0, 0, 0], [0, 0])), r"l_wrist.*z <= 0|z <= 0"),
    ("missing joint as pixel 0 0", first(put("joints_px", "l_wrist", [0.0, 0.0])), r"values: joints_px of l_wrist"),
    ("missing joint as pixel -1 -1", first(put("joints_px", "l_wrist", [-1, -1])), r"values: joints_px of l_wrist"),
    ("metres", each(points(lambda p: p / 1000)), r"must be millimetres"),
    ("centimetres", each(points(lambda p: p / 10)), r"bone lengths: .*look like centimetres"),
    ("world frame, y up", each(points(lambda p: p * (1, -1, -1))), r"z <= 0; expected the camera frame"),
    ("another world frame", each(points(lambda p: p @ TURN.T + (0, 0, 6000))), r"px \(median\)"),
    ("y up, z forward", each(points(lambda p: p * (1, -1, 1))), r"px \(median\)"),
    ("left and right exchanged", each(swapped(*ALL_LIMBS)), r"left and right: .*(backward|opposite)"),
    ("mirrored labels, names kept", each(mirrored), r"left and right: .*backward"),
    ("left and right of the legs", first(swapped("hip", "knee", "ankle")), r"left and right: hips and shoulders"),
    ("left and right of the knees", first(swapped("knee")), r"(steady bones|symmetry|left and right): "),
    ("left and right of the elbows", first(swapped("elbow")), r"(steady bones|symmetry): "),
    ("knees exchanged in 2D alone", each(swapped("knee", only=("joints_px",))), r"reprojection: .*knee"),
    ("joint order of another skeleton", each(lambda item: item["joints_mm"].reverse()), r"px \(median\)|bone lengths"),
    (
        "both in another joint order",
        each(reverse),
        r"bone lengths|left and right|symmetry",
    ),
    ("skeleton with fewer joints", first(lambda i: i.update(skeleton="coco_19")), r"has 17 joints, .*has 19"),
    ("unknown skeleton", first(lambda i: i.update(skeleton="h36m")), r"unknown skeleton 'h36m'"),
    (
        "one bone too long",
        first(put("joints_mm", "l_wrist", 900.0, 0)),
        r"(bone lengths|steady bones|symmetry): .*forearm",
    ),
    ("another person's pose", first(points(lambda p: 0.8 * p)), r"steady bones: "),
    ("boxes as x1 y1 x2 y2", each(corners), r"box: "),
    ("box outside the picture", first(lambda i: i.update(box_xywh=[900, 10, 50, 90])), r"box: .*outside the picture"),
    ("box beside the person", first(lambda i: i.update(box_xywh=[0, 0, 40, 90])), r"box: .*holds"),
    ("box without extent", first(lambda i: i.update(box_xywh=[9, 9, 0, 50])), r"box_xywh is .*positive width"),
    (
        "principal point of another camera",
        each(lambda i: i["K"][0].__setitem__(2, i["K"][0][2] + 30)),
        r"px \(median\)",
    ),
    (
        "focal length of another camera",
        each(longer_focal),
        r"(px \(median\)|2D labels lie up to)",
    ),
    ("K is singular", first(lambda i: i["K"][0].__setitem__(0, 0.0)), r"K is singular"),
    ("a lens of two numbers", first(lambda i: i.update(distortion=[0.1, 0.2])), r"distortion has 2 values"),
    ("a picture of half the size", resize("images/001.jpg", 0.5), r"p1: .*(outside the picture|with the same K)"),
    ("a picture of twice the size", resize("images/001.jpg", 2.0), r"p1: .*of 3 others with the same K"),
    ("an id twice", items(lambda found: found[1].update(id="p0")), r"ids \['p0'\] occur twice"),
    ("visible outside the picture", first(visible_outside), r"visibility: l_wrist: marked visible, but outside"),
    ("a wrong mark of visibility", first(lambda i: i.update(visibility=[3] * 17)), r"expected 17 values out of"),
]
