"""Human3.6M with frames extracted from the videos, as MeTRo's scripts lay them beside the official files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Int

from metricpose.data.faults import Faults, fault, need_folder
from metricpose.data.pictures import Picture
from metricpose.data.readers import h36m, h36m_layout
from metricpose.data.readers.contract import Item, Reader, Stretch

_VIDEOS = "S*/Videos/*.mp4"

ABOUT = replace(
    h36m.ABOUT,
    name="h36m_frames",
    title="Human3.6M, with extracted frames",
    skips=f"{h36m.ABOUT.skips}; frames that were not extracted",
    layout={
        **{pattern: what for pattern, what in h36m.ABOUT.layout.items() if pattern != _VIDEOS},
        "S*/Images/RECORDING.CAMERA/frame_000000.jpg": "frames, counted from 0, as many as you extracted",
    },
    splits=dict.fromkeys(h36m_layout.SPLITS),
    notes=("everything but the pictures is as for h36m", *h36m.ABOUT.notes),
)


def index(folder: Path, split: str, faults: Faults) -> Sequence[Item]:
    """The extracted frames of the split's subjects."""
    return h36m.index_with(_from_images, folder, split, faults)


def _from_images(view: h36m.View, labelled: int, step: int) -> Stretch:
    subject, name = view.recording.subject, view.recording.view(view.camera)
    remedy = "Extract the frames of the video, counted from 0; or keep the videos and use h36m."
    images = need_folder(view.folder / subject / "Images" / name, "frames of a video of Human3.6M", remedy)
    numbers = (p.stem.removeprefix("frame_") for p in images.glob("frame_*.jpg"))
    frames = np.array(sorted(int(n) for n in numbers if n.isdecimal()), np.int64)
    wanted = frames[(frames < labelled) & (frames % step == 0)]
    if not len(wanted):
        names = f"frame_000000.jpg and so on, with numbers that {step} divides, up to {labelled - 1}"
        raise fault(images, names, f"{len(frames)} frames, none of them such", remedy)
    return Stretch(len(wanted), partial(_item, view, images, wanted))


def _item(view: h36m.View, images: Path, frames: Int[np.ndarray, " n"], number: int) -> Item:
    frame = int(frames[number])
    return h36m.make_item(view, Picture(images / f"frame_{frame:06d}.jpg"), frame)


READER = Reader(ABOUT, index, h36m.labels, alpha=h36m.alpha)
