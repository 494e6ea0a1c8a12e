"""Human3.6M as h36m-fetch prepares it: extracted frames and an annot.h5 for each recording."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from metricpose.data.faults import Faults, fault, need_file, need_folder
from metricpose.data.pictures import Picture
from metricpose.data.readers import h36m
from metricpose.data.readers import h36m_layout as layout
from metricpose.data.readers.contract import Index, Item, Labels, Reader, Stretch
from metricpose.data.readers.h36m_cameras import find_metadata, need_metadata, read_cameras
from metricpose.data.readers.h36m_labels import check_projection, make_labels
from metricpose.data.readers.h36m_layout import Recording
from metricpose.data.readers.hdf5 import read_hdf5

METRIC, UNIVERSAL, PIXELS = ("pose/3d", "pose/3d-mono"), "pose/3d-univ", "pose/2d"
_COLUMNS = ("frame", "camera", "subject", "action", "subaction")

ABOUT = replace(
    h36m.ABOUT,
    name="h36m_fetch",
    title="Human3.6M, prepared by h36m-fetch",
    labels="3D, metric, or on the universal skeleton where annot.h5 has no other; 2D",
    source=f"{h36m.SOURCE}; prepared by https://github.com/anibali/h36m-fetch",
    units="millimetres, pixels",
    camera="as for h36m, from metadata.xml; the intrinsics in annot.h5, fitted without lens distortion, are not used",
    skips="S11/Directions.54138969, whose video is damaged; frames that h36m-fetch did not extract",
    layout={
        "metadata.xml": "cameras; it lies in h36m-fetch's own folder, one above processed/",
        "S*/ACTION-SUBACTION/annot.h5": "labels of all cameras",
        "S*/ACTION-SUBACTION/imageSequence/CAMERA/img_000001.jpg": "frames, counted from 1",
    },
    splits=dict.fromkeys(layout.SPLITS),
    notes=(
        "h36m-fetch extracts training frames after motions of 40 mm and every 64th test frame: test_all is test here",
        "older versions of it write only universal 3D poses, all subjects on one skeleton: the distance is then marked "
        "as not valid, and bone lengths are nobody's",
        "versions before recordings were numbered (S1/Directions/) are not read",
        "the labels of S9 are moved as for h36m",
    ),
)


class View(NamedTuple):
    """A recording seen by a camera; `root` holds the folders S1, S5, ..."""

    root: Path
    metadata: Path
    recording: Recording
    camera: str
    mended: bool

    @property
    def folder(self) -> Path:
        """With annot.h5 and the frames."""
        return _folder(self.root, self.recording)


def _folder(root: Path, recording: Recording) -> Path:
    name = layout.LONG_NAMES.get(recording.action, recording.action)
    return root / recording.subject / f"{name}-{recording.subaction}"


class _Part(NamedTuple):
    """What an annot.h5 says of one camera, frames counted from 0."""

    frames: Int[np.ndarray, " n"]
    joints: Float[np.ndarray, "n 17 3"]
    pixels: Float[np.ndarray, "n 17 2"]
    metric: bool


def index(folder: Path, split: str, faults: Faults) -> Sequence[Item]:
    """The extracted frames of the split's subjects."""
    root = folder / "processed" if (folder / "processed").is_dir() else folder
    metadata = find_metadata(root, root.parent) or need_metadata(root)
    read_cameras(metadata)
    return Index(list(_stretches(root, metadata, layout.SPLITS[split], faults)))


def _stretches(root: Path, metadata: Path, split: layout.Split, faults: Faults) -> Iterator[Stretch]:
    for subject in split.subjects:
        for recording in layout.recordings(subject):
            for camera in layout.CAMERAS:
                damaged = layout.DAMAGED.get((recording.subject, recording.name, camera))
                if damaged:
                    faults.omit(recording.sequence(camera), damaged)
                    continue
                view = View(root, metadata, recording, camera, split.mended)
                with faults.catch(recording.sequence(camera)):
                    need_folder(root / recording.subject, f"the folder of {recording.subject}", "Run process_all.py.")
                    rows = np.flatnonzero(_part(view.folder / "annot.h5", recording, camera).frames % split.step == 0)
                    yield Stretch(len(rows), partial(_item, view, rows))


def _item(view: View, rows: Int[np.ndarray, " n"], number: int) -> Item:
    row = int(rows[number])
    frame = int(_part(view.folder / "annot.h5", view.recording, view.camera).frames[row])
    picture = Picture(view.folder / "imageSequence" / view.camera / f"img_{frame + 1:06d}.jpg")
    sequence = view.recording.sequence(view.camera)
    return Item(layout.item_id(sequence, frame), picture, (view, row), sequence, frame)


def labels(item: Item) -> Labels:
    """The labels of one frame."""
    view, row = item.row
    path = view.folder / "annot.h5"
    part = _part(path, view.recording, view.camera)
    camera = read_cameras(view.metadata)[view.recording.subject, view.camera]
    joints, pixels = part.joints[row], part.pixels[row]
    if part.metric:
        check_projection(camera, joints, pixels, (path, path))
    return make_labels(
        view.recording, view.camera, camera, joints, pixels=pixels, mended=view.mended, abs_valid=part.metric
    )


@lru_cache(maxsize=16)
def _part(path: Path, recording: Recording, camera: str) -> _Part:
    content = _read(path, recording)
    rows = content["camera"] == int(camera)
    if not rows.any():
        raise fault(path, f"frames of the camera {camera}", "none", "Run h36m-fetch's process_all.py again.")
    name = next((n for n in METRIC if n in content), UNIVERSAL)
    keep = list(layout.JOINTS)
    joints = content[name][rows][:, keep].astype(np.float64)
    pixels = content[PIXELS][rows][:, keep].astype(np.float64)
    if not (np.isfinite(joints).all() and np.isfinite(pixels).all()):
        raise fault(path, "finite coordinates", f"NaN or infinity for the camera {camera}")
    return _Part(content["frame"][rows].astype(np.int64) - 1, joints, pixels, name != UNIVERSAL)


@lru_cache(maxsize=4)
def _read(path: Path, recording: Recording) -> dict[str, np.ndarray]:
    remedy = "Run h36m-fetch's process_all.py; give the folder it wrote, or the one above it with metadata.xml."
    need_file(path, f"labels of {recording.subject}/{recording.name}", remedy)
    found = read_hdf5(path, *_COLUMNS, *METRIC, UNIVERSAL, PIXELS)
    missing = [name for name in (*_COLUMNS, PIXELS) if name not in found]
    if missing or not {*METRIC, UNIVERSAL} & set(found):
        wanted = f"{', '.join(_COLUMNS)}, {PIXELS} and {METRIC[0]} or {UNIVERSAL}"
        raise fault(path, wanted, ", ".join(sorted(found)) or "nothing of them", remedy)
    count = len(found["frame"])
    for name, value in found.items():
        wide = (count,) if name in _COLUMNS else (count, layout.JOINT_COUNT, 2 if name == PIXELS else 3)
        if value.shape != wide:
            raise fault(path, f"{name} of shape {wide}", str(value.shape), remedy)
    _check_place(path, recording, found)
    return found


def _check_place(path: Path, recording: Recording, found: dict[str, np.ndarray]) -> None:
    action = layout.ACTIONS.index(recording.action) + layout.FIRST_ACTION
    place = {"subject": int(recording.subject[1:]), "action": action, "subaction": recording.subaction}
    for name, number in place.items():
        others = np.unique(found[name][found[name] != number])
        if len(others):
            raise fault(path, f"{name} {number} in all rows", f"{others[:3].tolist()}", "Is it another folder's file?")


READER = Reader(ABOUT, index, labels)
