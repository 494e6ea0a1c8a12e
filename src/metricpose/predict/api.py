"""The front door: load a model, predict on a photograph."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from metricpose.errors import InputError
from metricpose.formats import save as _save  # noqa: F401  (importing it gives People its `save` method)
from metricpose.geometry.camera import Camera
from metricpose.predict.arguments import PICTURE_UP, as_camera, as_detector, tilted
from metricpose.predict.boxes import Boxes, as_boxes
from metricpose.predict.detect import Detector
from metricpose.predict.estimate import DEFAULT_BATCH, Estimates, Up, estimate
from metricpose.predict.focal import FocalCheck, check_focal, disagreement
from metricpose.predict.images import Photo, as_photo, join_notes
from metricpose.predict.intrinsics import (
    ASSUMED,
    ESTIMATED,
    CameraChoice,
    camera_of_focal,
    camera_of_fov,
    choose_camera,
)
from metricpose.predict.network import FROM_BOX, CropNetwork
from metricpose.predict.people import to_people
from metricpose.predict.plausible import Rules, named_box, plausible
from metricpose.predict.self_boxes import find_person
from metricpose.predict.views import View, can_be_seen, schedule
from metricpose.skeleton import catalog
from metricpose.skeleton.core import Skeleton
from metricpose.types import People
from metricpose.weights import DEFAULT, load_model

_SCALE_OF = {
    **dict.fromkeys(("twofive", "hemlets"), "size from mean bone lengths of the training set"),
    **dict.fromkeys(("margipose", "chatterbox"), "size from the knee-neck height of the training set"),
    "lifting": "size as lifted from pixels and root-relative depth",
}
Fov = float | int | Literal["auto"] | None


@dataclass(frozen=True, eq=False)
class Options:
    """How to predict; the defaults suit an ordinary photograph.

    Attributes:
        skeleton: catalogue name of the joints wanted, or None for the model's default.
        tta: number of views averaged, 1 is the plain crop alone; or the name of a set (`predict.views.policy`).
        batch_size: crops in one network pass.
        up: direction that points up, in the world frame of the camera; crops are made upright with it. None: the
            picture was taken upright.
        rules: filters for detected boxes; given boxes are never dropped.
    """

    skeleton: str | None = None
    tta: int | str = 1
    batch_size: int = DEFAULT_BATCH
    up: Up | None = None
    rules: Rules = Rules()  # noqa: RUF009 (frozen)

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise InputError(f"batch_size: expected at least 1, got {self.batch_size}")
        if self.up is not None and not (len(self.up) == 3 and any(self.up) and np.isfinite(self.up).all()):
            raise InputError(f"up: expected a direction (x, y, z) other than zero, got {self.up}")

    def up_in(self, camera: Camera) -> Up:
        """The direction in the camera's world."""
        x, y, z = self.up if self.up is not None else (camera.R.T @ PICTURE_UP).tolist()
        return x, y, z


@dataclass(frozen=True, eq=False)
class PoseModel:
    """A loaded model.

    Attributes:
        network: the model on its device.
        metadata: what its file says: name, settings, skeleton, hash, training facts.
    """

    network: CropNetwork
    metadata: dict[str, Any]

    @property
    def skeleton(self) -> Skeleton:
        """Joints the network predicts."""
        return self.network.skeleton

    @property
    def default_skeleton(self) -> Skeleton:
        """Joints of a result if none are asked for: what the model's file says, else all it predicts."""
        name = self.metadata.get("facts", {}).get("default_skeleton")
        return catalog.get(name) if name else self.skeleton

    def predict(
        self,
        image: Any,
        *,
        camera: Any = None,
        fov_deg: Fov = None,
        boxes: Any = None,
        detector: Any = None,
        skeleton: str | None = None,
        tta: int | str = 1,
        batch_size: int = DEFAULT_BATCH,
        up: Up | None = None,
        rules: Rules | None = None,
    ) -> People:
        """3D poses of the people in one photograph.

        Args:
            image: a path, or an array (h, w, 3) RGB uint8; see `predict.images.as_photo` for what else is taken.
            camera: intrinsics of the upright image, and extrinsics to get world coordinates: a `Camera`, a camera file
                or what it holds ({"K": ..., "size": ...}). Without it: `fov_deg`, else EXIF, else 55 degrees along the
                longer side.
            fov_deg: field of view along the longer side in degrees, or 'auto' to estimate it from the people.
            boxes: (N, 4) left, top, width, height, or {"xyxy": ...}; everyone gets a pose, in this order.
            detector: finds the boxes instead: a `Detector`, or a path for `open_detector`. With neither, the model
                looks for one person by itself, and always finds one.
            skeleton: catalogue name of the joints wanted; None for `default_skeleton`.
            tta: views averaged per person; 1 is the plain crop, 5 the usual choice for quality; or a `policy`'s name.
            batch_size: crops in one network pass.
            up: direction that points up, in the world frame of the camera; None if the picture was taken upright.
            rules: filters for what a detector found; None for the defaults.

        Raises:
            InputError: an image, camera, box or option that cannot be used; the message says how to mend it.
        """
        options = Options(skeleton, tta, batch_size, up, rules or Rules())
        target, views = self._target(skeleton), self._views(tta)  # refuse before the work, not after it
        camera, detector = as_camera(camera), as_detector(detector)
        photo = as_photo(image)
        auto = _is_auto(fov_deg, camera)
        choice = choose_camera(photo, camera, None if isinstance(fov_deg, str) else fov_deg)
        found, source, notes = self._boxes(photo, choice.camera, boxes, detector, options)
        if auto:
            choice = self._estimated_camera(photo, choice, found, options)
        result = self._estimate(photo, choice.camera, found, views, options)
        notes += tilted(options.up_in(choice.camera), choice.camera)
        if source.startswith("detector"):
            keep, dropped = plausible(result, found, choice.camera, self.skeleton, options.rules)
            found, result, notes = found.take(keep), result.take(keep), [*notes, *dropped]
        check = check_focal(result, found.xywh, choice.camera, options.up_in(choice.camera))
        if check is not None and choice.origin not in (ASSUMED, ESTIMATED):
            notes = [*notes, *filter(None, [disagreement(check, choice.camera)])]
        info = self._info(photo, choice, source, options, check, notes)
        return to_people(result, self.skeleton, target, found, choice.camera, self._scale(result, choice), info)

    def check_options(
        self,
        *,
        skeleton: str | None = None,
        tta: int | str = 1,
        batch_size: int = DEFAULT_BATCH,
        up: Up | None = None,
        fov_deg: Fov = None,
    ) -> None:
        """Refuse what `predict` would refuse for every photograph; arguments and errors are those of `predict`."""
        Options(skeleton, tta, batch_size, up)
        self._target(skeleton)
        self._views(tta)
        if fov_deg is not None and not _is_auto(fov_deg, None):
            camera_of_fov((2, 2), float(fov_deg))

    def _target(self, skeleton: str | None) -> Skeleton:
        target = catalog.get(skeleton) if skeleton else self.default_skeleton
        catalog.conversion(self.skeleton, target)
        return target

    def _views(self, tta: int | str) -> list[View]:
        views = schedule(tta)
        if self.skeleton.definition == catalog.UNNAMED and any(view.flip for view in views):
            raise InputError(
                "mirrored views need to know left from right, and this model's points have no names: tta=1"
            )
        return views

    def _boxes(
        self, photo: Photo, camera: Camera, boxes: Any, detector: Detector | None, options: Options
    ) -> tuple[Boxes, str, list[str]]:
        """The boxes, where they come from, and what there is to say about them."""
        if boxes is not None and detector is not None:
            raise InputError("give either boxes or a detector, not both")
        if boxes is not None:
            return as_boxes(boxes, photo.size), "given", []
        up = options.up_in(camera)
        if detector is None:
            return find_person(self.network, photo.image, camera, up), "self", []
        found = detector(photo.image)
        seen = can_be_seen(camera, found.xywh, up)
        lost = [f"detection {named_box(box)} dropped: no view of this camera takes it" for box in found.xywh[~seen]]
        return found.take(seen), f"detector {detector.name}", lost

    def _estimate(self, photo: Photo, camera: Camera, boxes: Boxes, views: list[View], options: Options) -> Estimates:
        up = options.up_in(camera)
        return estimate(self.network, photo.image, camera, boxes.xywh, views, up=up, batch_size=options.batch_size)

    def _estimated_camera(self, photo: Photo, choice: CameraChoice, boxes: Boxes, options: Options) -> CameraChoice:
        """The focal length the people agree on; what was known before where they do not determine it."""
        first = self._estimate(photo, choice.camera, boxes, [View()], options)
        check = check_focal(first, boxes.xywh, choice.camera, options.up_in(choice.camera))
        if check is None or not check.determined:
            why = "the people do not determine it" if check else "needs a two-headed model and a person in view"
            note = f"field of view 'auto': {why}; {choice.source} used instead"
            return CameraChoice(choice.camera, choice.origin, choice.source, (*choice.warnings, note))
        source = (
            f"estimated from {check.people} people, {check.focal_px:.0f} px ({check.low_px:.0f}-{check.high_px:.0f})"
        )
        return CameraChoice(camera_of_focal(photo.size, check.focal_px), ESTIMATED, source)

    def _scale(self, found: Estimates, choice: CameraChoice) -> str:
        size = _SCALE_OF.get(self.metadata.get("model", ""), "size from the metric heatmaps")
        from_box = len(found.flags) > 0 and bool((found.flags == FROM_BOX).all())
        distance = "distance from the box's size" if from_box else "distance from size and image together"
        return f"{size}; {distance}; focal length: {choice.source}"

    def _info(
        self,
        photo: Photo,
        choice: CameraChoice,
        box_source: str,
        options: Options,
        check: FocalCheck | None,
        notes: list[str],
    ) -> dict[str, Any]:
        if box_source == "self":
            notes = [
                *notes,
                "no boxes and no detector: the model looked for one person by itself, and always finds one",
            ]
        info: dict[str, Any] = {
            "image": str(photo.path) if photo.path else None,
            "model": {key: self.metadata[key] for key in ("model", "sha256", "skeleton") if key in self.metadata},
            "box_source": box_source,
            "camera_source": choice.source,
            "camera_origin": choice.origin,
            "tta": options.tta,
            "up": [float(v) for v in options.up_in(choice.camera)],
            "warnings": join_notes(photo.warnings, choice.warnings, notes),
        }
        if check is not None:
            info["focal_check"] = check._asdict()
        return info


def load(
    name_or_path: str | os.PathLike[str] | None = None,
    device: str | torch.device | None = None,
    offline: bool = False,
) -> PoseModel:
    """Load a pose model.

    Args:
        name_or_path: name of a bundled or downloadable model, or a `.safetensors` file; None for the bundled default.
        device: 'cpu', 'cuda', 'cuda:1', 'mps'; None takes CUDA if there is any, else the CPU.
        offline: never use the network.

    Raises:
        CheckpointError: no such model, a damaged file, or one that does not fit.
        InputError: the device is not available.
    """
    model, metadata = load_model(os.fspath(name_or_path) if name_or_path is not None else DEFAULT, offline=offline)
    return PoseModel(CropNetwork(model, choose_device(device)), metadata)


def _is_auto(fov_deg: Fov, camera: Camera | None) -> bool:
    if not isinstance(fov_deg, str):
        return False
    if fov_deg != "auto":
        raise InputError(f"field of view: expected degrees or 'auto', got '{fov_deg}'")
    if camera is not None:
        raise InputError("give either a camera or the field of view 'auto', not both")
    return True


def choose_device(device: str | torch.device | None) -> torch.device:
    """The device to compute on; None takes CUDA if there is any, else the CPU.

    Raises:
        InputError: no such device, or it is not available here.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device '{device}' is not available here: {str(error).splitlines()[0]}") from error
    return chosen
