"""Records -> predictions file: the crop, the network and the decoder are the product's own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from metricpose.evaluation.predictions import Header, Predictions, TruthBuilder, own_frame
from metricpose.geometry.camera import Camera
from metricpose.predict.estimate import DEFAULT_BATCH, estimate
from metricpose.predict.network import CropNetwork
from metricpose.predict.views import View, crop_view, schedule, view_camera
from metricpose.skeleton import catalog
from metricpose.skeleton.core import Skeleton
from metricpose.types import Pose, Record

_UP = (0.0, -1.0, 0.0)
_SCALES = {
    "bone-lengths": "mean bone lengths of the training people",
    "true-bone-lengths": "ORACLE: true bone lengths of each person",
    "true-root-depth": "ORACLE: true depth of the root",
    "lifter": "network, lifted from pixels and root-relative depth",
    "height": "knee-neck height: mean of the training people, or fixed",
    "true-height": "ORACLE: true knee-neck height of each person",
}


class _Part(NamedTuple):
    """Predictions of some records, frame of each full image's camera."""

    joints_mm: Float[np.ndarray, "b j 3"]
    covariance_mm2: Float[np.ndarray, "b j 3 3"]
    flags: Int[np.ndarray, " b"]
    joints_px: Float[np.ndarray, "b j 2"]


def describe_model(model: Any, metadata: dict[str, Any] | None = None, views: int | str = 1) -> dict[str, Any]:
    """The header fields that say who predicted and how: `skeleton`, `root`, `scale_policy`, `views`, hashes.

    Args:
        metadata: of its file (`weights.load_model`).
    """
    metadata = metadata or {}
    settings = model.config.model_dump(mode="json") if hasattr(model.config, "model_dump") else {}
    text = json.dumps(settings, sort_keys=True)
    return {
        "system": f"metricpose {metadata.get('model', type(model).__name__.lower())}",
        "skeleton": model.skeleton.name,
        "root": model.skeleton.joints[model.skeleton.root],
        "scale_policy": _SCALES.get(settings.get("recovery", ""), "network, metric heatmaps"),
        "views": str(views),
        "checkpoint_sha256": metadata.get("sha256", "not stated"),
        "config_sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def predict_records(
    model: Any,
    records: Iterable[Record],
    header: Header,
    *,
    views: int | str = 1,
    batch_size: int = DEFAULT_BATCH,
    device: torch.device | str = "cpu",
    progress: Callable[[int], None] | None = None,
) -> Predictions:
    """Run a model on every record.

    Args:
        model: one that keeps the contract of `models.base.PoseModel`. What `needs_gt` names is taken from the records.
        records: `info` may name `id`, `image` and `subject`; images are not kept.
        header: what is predicted; the number of people is filled in here.
        views: test-time views averaged, a number or the name of a published set (`predict.views.schedule`).
        batch_size: crops in one network pass.
        progress: called with the number of records done after each pass.

    Raises:
        InputError: no records, a box that cannot be looked at, or an oracle whose truth a record cannot give.
    """
    truth, parts, done = TruthBuilder(model.config.side), [], 0
    chosen = schedule(views)
    for batch in _batches(records, batch_size):
        if len(chosen) > 1:
            part, crops = _averaged(model, batch, chosen, batch_size, device)
        else:
            part, crops = _plain(model, batch, device)
        for record, crop in zip(batch, crops):
            truth.add(record, crop)
        parts.append(part)
        done += len(batch)
        if progress is not None:
            progress(done)
    found = truth.build()
    joints, covariance, flags, pixels = (np.concatenate(column) for column in zip(*parts))
    root = model.skeleton.root
    return Predictions(
        header=replace(header, people=len(found)),
        truth=found,
        joints_mm=joints - joints[:, root : root + 1],
        joints_abs_mm=joints,
        joints_px=pixels,
        covariance_mm2=covariance,
        flags=flags,
    )


def _batches(records: Iterable[Record], size: int) -> Iterator[list[Record]]:
    stream = iter(records)
    while batch := list(islice(stream, size)):
        yield batch


def _plain(model: Any, batch: list[Record], device: torch.device | str) -> tuple[_Part, list[Camera]]:
    """One crop per record, all in one pass."""
    cameras = [own_frame(r.camera) for r in batch]
    side = model.config.side
    made = [crop_view(r.image, c, r.box_xywh, side, View(), _UP) for r, c in zip(batch, cameras)]
    crops = [crop for _, crop in made]
    if model.needs_gt:
        labels = [_labels(r, c, crop, View(), model.skeleton) for r, c, crop in zip(batch, cameras, crops)]
        model = _WithTruth(model, np.stack(labels))
    network = CropNetwork(model, device)
    poses = network(np.stack([image for image, _ in made]), np.stack([c.K for c in crops]))
    joints = np.stack([crop.to_world(p) for crop, p in zip(crops, poses.joints_mm)])
    covariance = np.stack([c.R.T @ v @ c.R for c, v in zip(crops, poses.covariance_mm2)])
    return _Part(joints, covariance, poses.flags, _project(joints, cameras)), crops


def _averaged(
    model: Any, batch: list[Record], views: list[View], batch_size: int, device: torch.device | str
) -> tuple[_Part, list[Camera]]:
    """Several views per record, merged as in prediction."""
    cameras = [own_frame(r.camera) for r in batch]
    found = []
    for record, camera in zip(batch, cameras):
        box = np.asarray(record.box_xywh)
        # All views of a person in one pass: the truth that a model may need is in their order.
        network = CropNetwork(_seeing(model, record, camera, views) if model.needs_gt else model, device)
        size = max(batch_size, len(views))
        found.append(estimate(network, record.image, camera, box[None], views, up=_UP, batch_size=size))
    joints = np.concatenate([f.joints_mm for f in found])
    covariance = np.concatenate([f.covariance_mm2 for f in found])
    flags = np.concatenate([f.flags for f in found])
    return _Part(joints, covariance, flags, _project(joints, cameras)), [f.crops[0] for f in found]


def _project(joints: Float[np.ndarray, "b j 3"], cameras: list[Camera]) -> Float[np.ndarray, "b j 2"]:
    return np.stack([c.project_camera(j) for c, j in zip(cameras, joints)])


class _WithTruth:
    """A model whose decoder is given the ground truth it needs, of crops in a fixed order: for oracles.

    Args:
        model: names what it needs.
        joints: of every crop in its crop camera, millimetres, in the order the crop shows them; NaN where unknown.
    """

    needs_gt: tuple[str, ...] = ()

    def __init__(self, model: Any, joints: Float[np.ndarray, "b j 3"]) -> None:
        self._model = model
        self.config, self.skeleton = model.config, model.skeleton
        self._truth = {name: _TRUTHS[name](model, joints) for name in model.needs_gt}

    def eval(self) -> _WithTruth:
        self._model.eval()
        return self

    def to(self, device: torch.device, *, memory_format: torch.memory_format) -> _WithTruth:
        self._model.to(device, memory_format=memory_format)
        return self

    def __call__(self, images: Tensor) -> Any:
        return self._model(images)

    def decode(self, output: Any, K: Float[Tensor, "b 3 3"]) -> Pose:
        given = {name: torch.from_numpy(value).to(K) for name, value in self._truth.items()}
        return self._model.decode(output, K, **given)


def _root_depths(model: Any, joints: Float[np.ndarray, "b j 3"]) -> Float[np.ndarray, " b"]:
    return joints[:, model.skeleton.root, 2]


def _bone_lengths(model: Any, joints: Float[np.ndarray, "b j 3"]) -> Float[np.ndarray, "b e"]:
    return np.stack([np.linalg.norm(joints[:, a] - joints[:, b], axis=-1) for a, b in model.skeleton.edges], axis=-1)


def _heights(model: Any, joints: Float[np.ndarray, "b j 3"]) -> Float[np.ndarray, " b"]:
    return model.scale.height(torch.from_numpy(joints)).numpy()


_TRUTHS: dict[str, Callable[[Any, np.ndarray], np.ndarray]] = {
    "root_depth_mm": _root_depths,
    "bone_lengths_mm": _bone_lengths,
    "height_mm": _heights,
}


def _seeing(model: Any, record: Record, camera: Camera, views: list[View]) -> _WithTruth:
    """The model with the truth of every view of a person."""
    box, side = np.asarray(record.box_xywh), model.config.side
    crops = [view_camera(camera, box, side, view, _UP) for view in views]
    joints = [_labels(record, camera, crop, view, model.skeleton) for crop, view in zip(crops, views)]
    return _WithTruth(model, np.stack(joints))


def _labels(record: Record, camera: Camera, crop: Camera, view: View, skeleton: Skeleton) -> Float[np.ndarray, "j 3"]:
    """True joints in the crop camera in the order it shows them, NaN where unknown; `camera` is the record's frame."""
    conversion = catalog.conversion(catalog.get(record.skeleton), skeleton)
    joints = conversion.apply(np.asarray(record.joints_mm, np.float64)) @ (crop.R @ camera.R.T).T
    return joints[skeleton.mirror] if view.flip else joints
