"""The predictions file: everything an evaluation needs, so that numbers come from cached predictions only.

One npz file holds a header (JSON: what was predicted, on what, by what), the ground truth with its facts for
breakdowns, and the predictions. Arrays are padded with NaN to the largest joint count.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from metricpose.errors import DataError, InputError
from metricpose.files import atomic_path
from metricpose.geometry.camera import Camera
from metricpose.geometry.crop import crop_camera
from metricpose.types import UNKNOWN, Record

FORMAT = "metricpose-predictions-1"
NOT_STATED = "not stated"
MISSED = -2
"""Flag of an annotated person whom no prediction was matched to; everything predicted of such is NaN."""
_TEXTS = ("ids", "images", "persons", "sources", "skeletons")
_TAGS = ("actions", "scenes", "recordings")


@dataclass(frozen=True)
class Header:
    """What the numbers of a file mean; two files are comparable if all but the last block agree.

    Attributes:
        protocol: name in `protocols.PROTOCOLS`.
        data: the records, with the hash of their file or the settings of their renderer.
        split: part of the data.
        people: number of predictions.
        seed: of everything random in the protocol.
        crop_source: where the boxes come from.
        skeleton: joint order of the predictions.
        root: the joint that `joints_mm` are relative to.
        alignment: what was done to the predictions before they were written; "none" here.
        scale_policy: where metric scale comes from: the network, bone lengths, the true root depth ...
        views: test-time augmentation.
        part: which part of the data was taken, if not all of it; such numbers compare with nothing public.
        system, checkpoint_sha256, config_sha256: who predicted.
    """

    protocol: str
    data: str
    split: str
    people: int
    seed: int
    crop_source: str
    skeleton: str
    root: str
    scale_policy: str
    alignment: str = "none"
    views: str = "1"
    unit: str = "mm"
    system: str = NOT_STATED
    checkpoint_sha256: str = NOT_STATED
    config_sha256: str = NOT_STATED
    part: str = ""

    def differences(self, other: Header) -> list[str]:
        """Fields that differ, as text: "views: 1 / 5"."""
        mine, theirs = asdict(self), asdict(other)
        return [f"{name}: {mine[name]} / {theirs[name]}" for name in mine if mine[name] != theirs[name]]


@dataclass(frozen=True, eq=False)
class Truth:
    """Ground truth of n people (t = most joints of any), in the frame of the full image's camera.

    Attributes:
        ids: unique name of each item.
        images, persons: what the items belong to, for resampling.
        sources: data set of each item.
        skeletons: joint order of each item.
        joints_mm, joints_px: NaN where not measured.
        visibility: as in Record.
        abs_valid: whether the distance from the camera is right.
        K: intrinsics of the full image.
        crop_intrinsics, crop_rotation, crop_side: of the crop camera; crop_rotation turns image camera to crop camera.
        height_mm, age_years: NaN where unknown.
        actions, scenes, recordings: what is done, in what kind of place, in which stretch of time; "" where unknown.
            () stands for unknown everywhere.
    """

    ids: tuple[str, ...]
    images: tuple[str, ...]
    persons: tuple[str, ...]
    sources: tuple[str, ...]
    skeletons: tuple[str, ...]
    joints_mm: Float[np.ndarray, "n t 3"]
    joints_px: Float[np.ndarray, "n t 2"]
    visibility: UInt8[np.ndarray, "n t"]
    abs_valid: Bool[np.ndarray, " n"]
    K: Float[np.ndarray, "n 3 3"]
    crop_intrinsics: Float[np.ndarray, "n 3 3"]
    crop_rotation: Float[np.ndarray, "n 3 3"]
    crop_side: int
    height_mm: Float[np.ndarray, " n"]
    age_years: Float[np.ndarray, " n"]
    actions: tuple[str, ...] = ()
    scenes: tuple[str, ...] = ()
    recordings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in _TAGS:
            if not getattr(self, name):
                object.__setattr__(self, name, ("",) * len(self.ids))
        if len(set(self.ids)) != len(self.ids):
            raise InputError("ground truth: ids repeat; every item needs its own")

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions of j joints for the n people of `truth`.

    Attributes:
        joints_mm: relative to the root, axes of the full image's camera.
        joints_abs_mm: in the frame of the full image's camera; NaN if the system gives no position.
        joints_px: pixels of the full image; NaN if the system gives none.
        covariance_mm2: axes as joints_mm; NaN if the system gives none.
        flags: how the position was found (`geometry.absolute.Fallback`), -1 if unknown, MISSED.
    """

    header: Header
    truth: Truth
    joints_mm: Float[np.ndarray, "n j 3"]
    joints_abs_mm: Float[np.ndarray, "n j 3"]
    joints_px: Float[np.ndarray, "n j 2"]
    covariance_mm2: Float[np.ndarray, "n j 3 3"]
    flags: Int[np.ndarray, " n"]

    def __post_init__(self) -> None:
        lengths = {len(self.truth), len(self.joints_mm), len(self.joints_abs_mm), len(self.joints_px), len(self.flags)}
        if lengths != {self.header.people}:
            raise InputError(f"predictions: the header says {self.header.people} people, the arrays {sorted(lengths)}")


def own_frame(camera: Camera) -> Camera:
    """The camera without extrinsics, standing in the frame in which records hold their joints."""
    return Camera(camera.K, camera.size, camera.distortion)


class TruthBuilder:
    """Collects ground truth record by record, so that images need not be kept."""

    def __init__(self, side: int) -> None:
        self._side = side
        self._rows: list[dict[str, Any]] = []

    def add(self, record: Record, crop: Camera) -> None:
        """Take what evaluation needs from a record and its crop camera, made from `own_frame(record.camera)`.

        Raises:
            DataError: its height or age is no number.
        """
        info, number = record.info, len(self._rows)
        name = str(info.get("id", number))
        image = str(info.get("image", name))
        self._rows.append(
            {
                "ids": name,
                "images": image,
                "persons": str(info.get("subject", image)),
                "sources": str(info.get("source", "")),
                "skeletons": record.skeleton,
                "joints_mm": np.asarray(record.joints_mm, np.float64),
                "joints_px": np.asarray(record.joints_px, np.float64),
                "visibility": record.visibility,
                "abs_valid": record.abs_valid,
                "K": record.camera.K,
                "crop_intrinsics": crop.K,
                "crop_rotation": crop.R,
                "height_mm": _number(info, "height_mm", name),
                "age_years": _number(info, "age_years", name),
                **{tag: str(info.get(tag.removesuffix("s"), "")) for tag in _TAGS},
            }
        )

    def add_box(self, record: Record) -> None:
        """The same with the crop camera of the record's box, for predictions made elsewhere."""
        self.add(record, crop_camera(own_frame(record.camera), np.asarray(record.box_xywh), self._side))

    def build(self) -> Truth:
        """Everything collected.

        Raises:
            InputError: nothing was collected.
        """
        if not self._rows:
            raise InputError("no records to evaluate")
        most = max(len(r["joints_mm"]) for r in self._rows)
        columns = {key: [row[key] for row in self._rows] for key in self._rows[0]}
        padded: dict[str, Any] = {
            "joints_mm": _padded(columns["joints_mm"], most, np.nan),
            "joints_px": _padded(columns["joints_px"], most, np.nan),
            "visibility": _padded(columns["visibility"], most, UNKNOWN),
        }
        values: dict[str, Any] = {key: tuple(columns[key]) for key in (*_TEXTS, *_TAGS)}
        values |= {key: np.stack(columns[key]) for key in ("K", "crop_intrinsics", "crop_rotation")}
        values |= {key: np.array(columns[key], np.float64) for key in ("height_mm", "age_years")}
        return Truth(**values, **padded, abs_valid=np.array(columns["abs_valid"], bool), crop_side=self._side)


def _number(info: dict[str, Any], fact: str, name: str) -> float:
    value = info.get(fact)
    try:
        return float("nan") if value is None else float(value)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"item '{name}': {fact} is {value!r}; expected a number, or nothing where it is unknown"
        ) from error


def _padded(rows: Sequence[np.ndarray], most: int, fill: float | int) -> np.ndarray:
    return np.stack([np.pad(r, [(0, most - len(r))] + [(0, 0)] * (r.ndim - 1), constant_values=fill) for r in rows])


# -- files -----------------------------------------------------------------------------------------------------


def save(predictions: Predictions, path: str | Path) -> None:
    """Write the npz file atomically.

    Raises:
        DataError: the folder cannot be written.
    """
    arrays: dict[str, Any] = {f"truth_{f.name}": np.asarray(getattr(predictions.truth, f.name)) for f in fields(Truth)}
    arrays |= {f.name: getattr(predictions, f.name) for f in fields(Predictions) if f.name not in ("header", "truth")}
    header = json.dumps({"format": FORMAT, **asdict(predictions.header)})
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, header=np.array(header), **arrays)


def load(path: str | Path) -> Predictions:
    """Read a file of `save`.

    Raises:
        DataError: missing, damaged, or another format.
    """
    arrays = read_npz(path)
    try:
        top = json.loads(str(arrays["header"]))
        if top.pop("format", None) != FORMAT:
            raise DataError(f"{path}: expected a {FORMAT} file")
        names = {f.name for f in fields(Truth) if f"truth_{f.name}" in arrays or f.name not in _TAGS}
        truth: dict[str, Any] = {name: arrays[f"truth_{name}"] for name in names}
        truth |= {name: tuple(str(v) for v in truth[name]) for name in names & {*_TEXTS, *_TAGS}}
        truth["crop_side"] = int(truth["crop_side"])
        values = {f.name: arrays[f.name] for f in fields(Predictions) if f.name not in ("header", "truth")}
        return Predictions(Header(**top), Truth(**truth), **values)
    except (KeyError, ValueError, TypeError, InputError) as error:
        raise DataError(f"{path}: not a complete predictions file ({error}). Delete it and predict again.") from error


def read_npz(path: str | Path) -> dict[str, np.ndarray]:
    """All arrays of an npz file, without pickle.

    Raises:
        DataError: missing, damaged, or holding Python objects.
    """
    try:
        # An open stream, because numpy leaves the file open if the archive is damaged.
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error, EOFError, TypeError, AttributeError) as error:
        raise DataError(f"cannot read {path}: {error}. Expected a complete .npz file of plain arrays.") from error


def require_same(cached: Header, wanted: Header, path: str | Path) -> None:
    """Refuse cached predictions that were made for something else.

    Raises:
        DataError: fields differ; the message lists them, cached value first.
    """
    changed = cached.differences(wanted)
    if changed:
        raise DataError(
            f"{path} holds predictions made otherwise (there / wanted): {'; '.join(changed)}. "
            "Name another file, or delete this one to predict again."
        )
