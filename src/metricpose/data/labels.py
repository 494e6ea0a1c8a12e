"""Your own labelled photographs: a JSON file beside the images -> Records.

The file, with units and conventions of docs/CONVENTIONS.md (millimetres, x right, y down, z forward, integer pixel =
pixel centre)::

    {"skeletons": {"h36m_17": ["pelvis", "rhip", ...]},            optional; checked against the catalogue's order
     "items": [{"file": "images/a.jpg",                            beside the JSON file
                "skeleton": "h36m_17",                             a catalogue name
                "K": [[fx, s, cx], [0, fy, cy], [0, 0, 1]],
                "distortion": [k1, k2, p1, p2, k3],                optional: 0, 4, 5, 8 or 12 values
                "joints_mm": [[x, y, z], [null, null, null], ...], camera frame; null = not measured
                "joints_px": [[u, v], ...],                        optional; the projection of joints_mm otherwise
                "box_xywh": [left, top, width, height],
                "visibility": [2, 1, 0, 255, ...],                 optional: visible, hidden, outside, unknown
                "order": [["pelvis", "l_wrist", 1], ...],          optional: the second joint is closer to the camera
                                                                   than the first (1), farther (-1), about equal (0);
                                                                   a fourth value is the label's weight, else 1
                "abs_valid": true,                                 optional: false if the distance is not right
                "id": "a", "source": "...", "subject": "...", "height_mm": 1720, "age_years": 34}]}

Everything else in an item is kept as a fact of the record; `height_mm` and `age_years` are numbers or null.
`distortion_k1k2p1p2k3` is understood too.

For training on weak labels (`needs_3d=False`) an item may have `joints_px` and no `joints_mm`; without a `K` its camera
then is what EXIF says, else one of 55 degrees.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from metricpose.data import label_values
from metricpose.errors import DataError, InputError, MetricposeError
from metricpose.geometry.camera import Camera
from metricpose.predict.images import Photo, read_photo
from metricpose.predict.intrinsics import choose_camera
from metricpose.skeleton import catalog
from metricpose.skeleton.core import Skeleton
from metricpose.types import Record

LABELS_NAME = "labels.json"
_USED = {"K", *label_values.LENS_KEYS, "joints_mm", "joints_px", "box_xywh", "visibility", "abs_valid", "order"}
_NEEDED = ("file", "skeleton", "K", "joints_mm", "box_xywh")
_NEEDED_WEAK = ("file", "skeleton", "joints_px", "box_xywh")
_ALIASES = {"nose": {"necknose"}, "head_top": {"head"}, "l_toe": {"lbigtoe"}, "r_toe": {"rbigtoe"}}
_FARTHEST_LABEL = 0.03  # of the image's longer side: beyond it joints_px and joints_mm cannot mean the same points


class LabelFile:
    """A sequence of records; labels are checked at once, images are read when a record is asked for.

    Args:
        path: the JSON file, or its folder if it is called labels.json.
        needs_3d: whether every item must have joints_mm and K, as for evaluation.
        check: whether every item is checked now; otherwise each when it is asked for.

    Raises:
        DataError: missing or malformed file, unknown or misordered joints, missing image, labels that contradict each
            other or the conventions. The message names the item and what is wrong with it.
    """

    def __init__(self, path: str | Path, *, needs_3d: bool = True, check: bool = True) -> None:
        path = Path(path)
        self._needs_3d = needs_3d
        self.path = path / LABELS_NAME if path.is_dir() else path
        top = _read_json(self.path)
        self.note: str = str(top.get("note", ""))
        _check_skeletons(top.get("skeletons", {}), self.path)
        self._items: list[dict[str, Any]] = top["items"]
        names = [self.id(i) for i in range(len(self._items))]
        repeated = sorted(name for name, count in Counter(names).items() if count > 1)
        if repeated:
            raise DataError(f'{self.path}: the ids {repeated[:5]} occur twice; give each item an "id" of its own')
        for index in range(len(self) if check else 0):
            self.check(index)

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> Record:
        """One record with its image.

        Raises:
            DataError: the image cannot be read, or its labels do not fit it.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"item {index} of {len(self)} in {self.path}")
        labels, where = self.check(index), self._where(index)
        item = self._items[index]
        try:
            photo = read_photo(self.path.parent / item["file"])
            camera = self._camera(labels, photo)
            joints_px = _pixels(labels, camera)
            return Record(
                image=photo.image,
                camera=camera,
                box_xywh=labels["box_xywh"],
                joints_mm=labels["joints_mm"],
                joints_px=joints_px,
                visibility=labels["visibility"],
                skeleton=item["skeleton"],
                abs_valid=bool(item.get("abs_valid", True)),
                info={**{k: v for k, v in item.items() if k not in _USED}, "id": self.id(index)},
                order=labels["order"],
                order_w=labels["order_w"],
            )
        except MetricposeError as error:
            raise DataError(f"{where}: {error}") from error

    def _camera(self, labels: dict[str, Any], photo: Photo) -> Camera:
        if labels["K"] is None:
            return choose_camera(photo).camera
        return Camera(labels["K"], photo.size, labels["distortion"])

    def item(self, index: int) -> dict[str, Any]:
        """An item as it stands in the file."""
        return self._items[index]

    def refresh(self) -> int:
        """Its length, which never changes."""
        return len(self)

    def id(self, index: int) -> str:
        """The item's "id", else its file."""
        item = self._items[index]
        return str(item.get("id", item.get("file", index))) if isinstance(item, dict) else str(index)

    def _where(self, index: int) -> str:
        return f"{self.path}, item {index} ({self.id(index)})"

    def check(self, index: int) -> dict[str, Any]:
        """Arrays of one item after every check that needs no image.

        Raises:
            DataError: everything that is wrong with it.
        """
        item, where = self._items[index], self._where(index)
        weak = not self._needs_3d and isinstance(item, dict) and "joints_mm" not in item
        needed = _NEEDED_WEAK if weak else _NEEDED
        missing = [key for key in needed if not isinstance(item, dict) or key not in item]
        if missing:
            raise DataError(f"{where}: missing {', '.join(missing)}; an item needs {', '.join(needed)}")
        try:
            skeleton = catalog.get(str(item["skeleton"]))
        except InputError as error:
            raise DataError(f"{where}: {error}") from error
        faults: list[str] = []
        if "K" not in item and any(item.get(key) for key in label_values.LENS_KEYS):
            faults.append("distortion without K; give both or neither")
        if not (self.path.parent / str(item["file"])).is_file():
            faults.append(f"no image {self.path.parent / str(item['file'])}; mend its name, or copy it there")
        labels: dict[str, Any] = {}
        for make in _parts(item, skeleton, weak):
            try:
                labels |= make()
            except DataError as error:
                faults.append(str(error))
        if not faults:
            faults += label_values.odd_conventions(labels, "joints_px" if weak else "joints_mm")
        if faults:
            raise DataError(f"{where}: {'; '.join(faults)}")
        return labels


def _parts(item: dict[str, Any], skeleton: Skeleton, weak: bool) -> list[Callable[[], dict[str, Any]]]:
    """The labels of an item, each part of which is refused by itself."""
    values, unknown = label_values, np.full((len(skeleton), 3), np.nan)
    return [
        lambda: {"K": values.array(item, "K", (3, 3)) if "K" in item else None},
        lambda: {"distortion": values.distortion(item)},
        lambda: {"joints_mm": unknown if weak else values.points(item, "joints_mm", skeleton)},
        lambda: {"joints_px": values.points(item, "joints_px", skeleton) if "joints_px" in item else None},
        lambda: {"box_xywh": values.array(item, "box_xywh", (4,))},
        lambda: {"visibility": values.visibility(item, len(skeleton))},
        lambda: values.order(item, skeleton),
        lambda: values.facts(item),
    ]


def read_labels(path: str | Path) -> LabelFile:
    """The records of a labels file or folder; see the module's text for the format and `LabelFile` for the errors."""
    return LabelFile(path)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        top = json.loads(path.read_text(encoding="utf8"))
    except OSError as error:
        raise DataError(
            f"cannot read {path}: {error.strerror or error}; expected a labels file, or a folder with {LABELS_NAME}"
        ) from error
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}") from error
    if not isinstance(top, dict) or not isinstance(top.get("items"), list) or not top["items"]:
        raise DataError(f'{path}: expected {{"items": [...]}} with at least one item')
    return top


def _check_skeletons(named: Any, path: Path) -> None:
    """The file's own joint lists must be the catalogue's: an order mistaken silently would look like a bad network."""
    if not isinstance(named, dict):
        raise DataError(f'{path}: "skeletons" must map a name to a list of joint names')
    for name, joints in named.items():
        try:
            skeleton = catalog.get(name)
        except InputError as error:
            raise DataError(f"{path}: {error}") from error
        if not isinstance(joints, list) or len(joints) != len(skeleton):
            raise DataError(f"{path}: skeleton {name} has {len(skeleton)} joints, the file lists {joints}")
        for index, (theirs, ours) in enumerate(zip(joints, skeleton.joints)):
            if _plain(str(theirs)) not in {_plain(ours), *_ALIASES.get(ours, ())}:
                raise DataError(
                    f"{path}: joint {index} of {name} is '{ours}', the file says '{theirs}'; "
                    f"expected the order {', '.join(skeleton.joints)}"
                )


def _plain(joint: str) -> str:
    name = "".join(c for c in joint.lower() if c.isalnum())
    return name.replace("left", "l").replace("right", "r")


def _pixels(labels: dict[str, Any], camera: Camera) -> Float[np.ndarray, "j 2"]:
    """The 2D labels, or the projections, which must agree."""
    projected = camera.project_camera(labels["joints_mm"])
    if labels["joints_px"] is None:
        return projected
    error = np.linalg.norm(projected - labels["joints_px"], axis=1)
    error = error[np.isfinite(error)]
    if len(error) and np.median(error) > _FARTHEST_LABEL * max(camera.size):
        raise DataError(
            f"joints_px lie {np.median(error):.0f} px (median) from the projection of joints_mm: K, distortion, axes, "
            "unit or the joint order of one of them is wrong"
        )
    return labels["joints_px"]
