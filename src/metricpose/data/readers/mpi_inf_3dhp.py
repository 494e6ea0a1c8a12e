"""MPI-INF-3DHP as it is distributed: training videos with their masks, and the test set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from metricpose.data.faults import Faults
from metricpose.data.readers import mpi_inf_3dhp_layout as layout
from metricpose.data.readers import mpi_inf_3dhp_test as test_set
from metricpose.data.readers import mpi_inf_3dhp_train as train_set
from metricpose.data.readers.contract import Description, Index, Item, Labels, Reader
from metricpose.data.readers.mpi_inf_3dhp_cameras import read_cameras
from metricpose.data.readers.mpi_inf_3dhp_masks import person_mask

LICENCE = "research only, no commercial use; accepted by editing conf.ig of the download scripts"
SOURCE = "https://vcai.mpi-inf.mpg.de/3dhp-dataset (scripts get_dataset.sh and get_testset.sh)"

ABOUT = Description(
    name="mpi_inf_3dhp",
    title="MPI-INF-3DHP",
    labels="3D of marker-less motion capture, metric (annot3) or of one height for all (univ_annot3); 2D",
    licence=LICENCE,
    source=SOURCE,
    citation=(
        "Mehta, Rhodin, Casas, Fua, Sotnychenko, Xu, Theobalt: Monocular 3D Human Pose Estimation In The Wild Using "
        "Improved CNN Supervision. 3DV 2017"
    ),
    skeleton="mpi_inf_3dhp_17",
    joints="training: 17 of the 28 in the files, 7 5 14 15 16 9 10 11 23 24 25 18 19 20 4 3 6; test: the 17 there are",
    units="millimetres in the camera's frame, pixels",
    camera=(
        "training: camera.calibration, no lens distortion; test: not distributed, recovered from annot2 and annot3 by "
        "least squares for each recording"
    ),
    skips=(
        "training frames with a joint outside the picture (train_full: with two thirds of them); frames beyond the "
        "official count; S6/Seq2 camera 2 from frame 3911 on, where its video ends; test frames not marked as valid"
    ),
    layout={
        "S*/Seq*/annot.mat": "annotations of the 14 cameras",
        "S*/Seq*/camera.calibration": "the cameras",
        "S*/Seq*/imageSequence/video_*.avi": "the videos; or",
        "S*/Seq*/imageSequence/img_CAMERA_000001.jpg": "frames as the official README extracts them, from 1; or",
        "S*/Seq*/imageSequence/video_CAMERA/img_000001.jpg": "these in folders; or",
        "S*/Seq*/imageFrames/video_CAMERA/frame_000001.jpg": "frames as the scripts of SPIN extract them",
        "S*/Seq*/FGmasks/video_*.avi": "optional, or images as above: masks, for background replacement, together with",
        "S*/Seq*/ChairMasks/video_*.avi": "the masks of the chair",
        "TS*/annot_data.mat": "annotations of the test set; mpi_inf_3dhp_test_set/TS* is found too",
        "TS*/imageSequence/img_000001.jpg": "images of the test set",
    },
    splits=layout.COUNTS,
    notes=(
        "annot3 is metric and projects onto annot2; univ_annot3 has one height for all people, most tables are on it: "
        "splits that end in _universal. Each record says in `annotation` which it has, and in `universal_scale` by "
        "which number they differ; test records hold the other one too",
        "univ_annot3 as distributed does not project onto the picture; here its pelvis is moved along the ray of "
        "annot3's, and the distance is marked as not valid; errors relative to the root do not change",
        "knees and ankles of TS6 are wrong in univ_annot3 of the revised release; they are left as distributed, since "
        "published numbers have them",
        "the first release had wrong labels for TS3 and TS4; only the corrected one can be had today",
        "train has the eight cameras at chest height; train_full all 14, also frames that cut the person off; "
        "metrabs_* and margipose_* are those papers' parts, sampled with --sample every:5,motion:100 and motion:200",
        "frames that the flash washed out, which MargiPose leaves out, are not left out",
        "equal joint names are other points than in Human3.6M, 20 to 50 mm apart: docs/DATA.md",
    ),
)


def index(folder: Path, split: str, faults: Faults) -> Sequence[Item]:
    """The frames of a split."""
    if split in layout.TEST_SPLITS:
        return list(test_set.items(folder, layout.TEST_SPLITS[split], faults))
    return Index(list(train_set.stretches(folder, layout.TRAIN_SPLITS[split], faults)))


def labels(item: Item) -> Labels:
    """The labels of one frame."""
    return test_set.labels(item.row) if isinstance(item.row, test_set.Row) else train_set.labels(*item.row)


def alpha(item: Item) -> UInt8[np.ndarray, "h w"] | None:
    """The mask of the person and the chair, in training recordings that have a usable one."""
    if isinstance(item.row, test_set.Row):
        return None
    view, row = item.row
    pixels = train_set.read_annotations(view.folder / train_set.ANNOTATIONS).pixels[view.camera][row]
    eye = read_cameras(view.folder / train_set.CALIBRATION)[view.camera]
    return person_mask(view.folder, view.recording, view.camera, item.frame, eye, pixels.astype(np.float64))


READER = Reader(ABOUT, index, labels, alpha=alpha)
