"""Human3.6M as it is distributed: CDF poses, metadata.xml, videos, boxes, masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from metricpose.data.faults import COPY_AGAIN, Faults, fault, need_file, need_folder
from metricpose.data.pictures import Picture
from metricpose.data.readers import h36m_boxes as boxes
from metricpose.data.readers import h36m_layout as layout
from metricpose.data.readers import h36m_poses as poses
from metricpose.data.readers.contract import Description, Index, Item, Labels, Reader, Stretch
from metricpose.data.readers.h36m_cameras import need_metadata, read_cameras
from metricpose.data.readers.h36m_labels import check_projection, make_labels
from metricpose.data.readers.h36m_layout import Recording
from metricpose.geometry.camera import Camera

LICENCE = "academic research only, signed for; no redistribution"
SOURCE = "http://vision.imar.ro/human3.6m (account, agreement of the institution)"
CITATION = (
    "Ionescu, Papava, Olaru, Sminchisescu: Human3.6M: Large Scale Datasets and Predictive Methods for 3D Human Sensing "
    "in Natural Environments. PAMI 36 (7), 2014"
)

ABOUT = Description(
    name="h36m",
    title="Human3.6M",
    labels="3D, metric, of motion capture; 2D as its projection",
    licence=LICENCE,
    source=SOURCE,
    citation=CITATION,
    skeleton="h36m_17",
    joints="17 of the 32 in the files: 0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27, the pelvis first",
    units="millimetres in the CDF files, metres in VideoPose3D's; pixels",
    camera="intrinsics, lens and pose of each subject's four cameras from metadata.xml, with the official lens model",
    skips="S11/Directions.54138969, whose video is damaged; the test subjects S2, S3, S4, S10, which have no labels",
    layout={
        "metadata.xml": "cameras, from the official code (Release-v1.2/metadata.xml is found too)",
        "S*/MyPoseFeatures/D3_Positions_mono/*.cdf": "3D poses in the camera's frame; or",
        "S*/MyPoseFeatures/D3_Positions/*.cdf": "3D poses in the world; or",
        "data_3d_h36m.npz": "VideoPose3D's collection of these",
        "S*/Videos/*.mp4": "the videos (frames extracted from them: h36m_frames, h36m_fetch, h36m_moon)",
        "S*/MyPoseFeatures/D2_Positions/*.cdf": "optional: official 2D labels, compared with the 3D ones",
        "S*/MySegmentsMat/ground_truth_bb/*.mat": "optional: official boxes",
        "S*/BBoxes/*.npy": "optional: these as arrays, which are faster, as MeTRo's scripts write them",
        "S*/MySegmentsMat/ground_truth_bs/*.mat": "optional: masks of the person, for background replacement",
    },
    splits=layout.COUNTS,
    notes=(
        "test is every 64th frame; train is every frame: thin it out with the sampling rules of prepare",
        "VideoPose3D counts 543,344 test frames without S11/Directions, which is in test_all but for one camera",
        "labels of S9 in SittingDown 1, Waiting 1 and Greeting stand 200 mm beside the person; they are moved "
        "back, and test_uncorrected leaves them; errors relative to the root do not change",
        "the lens model is not OpenCV's; it is written as twelve coefficients that are exactly the official one",
        "pictures of two cameras are 1000 x 1002 pixels, those of S7 all are; resized pictures are refused",
        "D3_Positions_mono_universal is the motion on one skeleton for all subjects, so not metric: not read here",
        "thorax is the files' joint 13, which they call Neck, and nose joint 14, which they call Head",
    ),
)


class View(NamedTuple):
    """A recording seen by a camera, and whether its labels are mended where that is needed."""

    folder: Path
    recording: Recording
    camera: str
    mended: bool


Pictures = Callable[[View, int, int], Stretch]
"""From a view, its number of labelled frames and the step between those that are wanted: the items."""


def index(folder: Path, split: str, faults: Faults) -> Sequence[Item]:
    """The frames of the split's subjects, one recording after the other, each with its four cameras."""
    return index_with(_from_video, folder, split, faults)


def index_with(pictures: Pictures, folder: Path, split: str, faults: Faults) -> Sequence[Item]:
    """As `index`, with pictures from elsewhere."""
    read_cameras(need_metadata(folder))
    return Index(list(_stretches(pictures, folder, layout.SPLITS[split], faults)))


def _stretches(pictures: Pictures, folder: Path, split: layout.Split, faults: Faults) -> Iterator[Stretch]:
    for subject in split.subjects:
        with faults.catch(f"S{subject}"):
            remedy = "Download and extract the archives of this subject, or choose a split without it."
            need_folder(folder / f"S{subject}", f"the folder of subject S{subject}", remedy)
        if not (folder / f"S{subject}").is_dir():
            continue  # left out and listed
        for recording in layout.recordings(subject):
            for camera in layout.CAMERAS:
                yield from _stretch(pictures, View(folder, recording, camera, split.mended), split.step, faults)


def _stretch(pictures: Pictures, view: View, step: int, faults: Faults) -> Iterator[Stretch]:
    sequence = view.recording.sequence(view.camera)
    damaged = layout.DAMAGED.get((view.recording.subject, view.recording.name, view.camera))
    if damaged:
        faults.omit(sequence, damaged)
        return
    with faults.catch(sequence):
        file = poses.find_poses(view.folder, view.recording, view.camera)
        if file.kind == poses.COLLECTION and view.recording[::3] == layout.NOT_COLLECTED:
            faults.omit(sequence, f"{poses.COLLECTION} leaves it out")
            return
        yield pictures(view, len(poses.read_poses(file, view.recording)), step)


def _from_video(view: View, labelled: int, step: int) -> Stretch:
    subject = view.recording.subject
    path = view.folder / subject / "Videos" / f"{view.recording.view(view.camera)}.mp4"
    remedy = f"Extract Videos_{subject}.tgz. Extracted frames are read by h36m_frames."
    need_file(path, "a video of Human3.6M", remedy)
    return Stretch(len(range(0, labelled, step)), partial(_video_item, view, path, step))


def _video_item(view: View, video: Path, step: int, number: int) -> Item:
    return make_item(view, Picture(video, number * step), number * step)


def make_item(view: View, picture: Picture, frame: int) -> Item:
    """The item of a frame."""
    sequence = view.recording.sequence(view.camera)
    return Item(layout.item_id(sequence, frame), picture, (view, frame), sequence, frame)


def labels(item: Item) -> Labels:
    """The labels of one frame."""
    view, frame = item.row
    source = _open(view)
    joints = poses.read_poses(source.pose_file, view.recording)[frame]
    if not source.pose_file.in_camera:
        joints = source.camera.to_camera(joints)
    return make_labels(
        view.recording,
        view.camera,
        source.camera,
        joints,
        pixels=_pixels(source, joints, frame),
        box=None if source.box_file is None else boxes.official_box(source.box_file, frame, source.camera),
        mended=view.mended,
    )


class _Source(NamedTuple):
    """Everything of a view but its frames."""

    camera: Camera
    pose_file: poses.PoseFile
    pixel_file: Path | None
    box_file: boxes.BoxFile | None


@lru_cache(maxsize=64)
def _open(view: View) -> _Source:
    where = view.folder, view.recording, view.camera
    camera = read_cameras(need_metadata(view.folder))[view.recording.subject, view.camera]
    return _Source(camera, poses.find_poses(*where), poses.find_pixels(*where), boxes.find_boxes(*where))


def _pixels(source: _Source, joints: Float[np.ndarray, "17 3"], frame: int) -> Float[np.ndarray, "17 2"] | None:
    """The official 2D labels, if they are there, checked against the 3D ones."""
    if source.pixel_file is None:
        return None
    pixels = poses.read_pixels(source.pixel_file)
    if frame >= len(pixels):
        raise fault(source.pixel_file, f"2D labels of frame {frame}", f"{len(pixels)} frames", COPY_AGAIN)
    check_projection(source.camera, joints, pixels[frame], (source.pose_file.path, source.pixel_file))
    return pixels[frame]


def alpha(item: Item) -> UInt8[np.ndarray, "h w"] | None:
    """The mask of the person by background subtraction, where it was downloaded."""
    view, frame = item.row
    path = boxes.find_silhouettes(view.folder, view.recording, view.camera)
    return None if path is None else boxes.silhouette(path, frame, _open(view).camera)


READER = Reader(ABOUT, index, labels, alpha=alpha)
