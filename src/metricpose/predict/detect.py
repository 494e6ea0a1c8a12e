"""Detectors: an image in, person boxes out. The pose models are not tied to any; files and extras are the user's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from metricpose.errors import InputError, MissingExtraError
from metricpose.predict.boxes import Boxes, suppress

_GREY = 114
_STRIDES = (8, 16, 32)


@runtime_checkable
class Detector(Protocol):
    """Anything that finds people; `name` goes into the results.

    A detector returns boxes in pixels of the image it was given; no boxes is a valid answer.
    """

    name: str

    def __call__(self, image: UInt8[np.ndarray, "h w 3"]) -> Boxes:
        """Boxes of the people in an RGB image."""


def open_detector(path: str | os.PathLike[str], threshold: float = 0.3) -> Detector:
    """A detector from a file or folder: `.onnx` is taken for a YOLOX network, a folder for a transformers model.

    Raises:
        InputError: nothing there, or of neither kind.
        MissingExtraError: onnxruntime or transformers is not installed.
    """
    path = Path(path)
    if path.suffix.lower() == ".onnx" and path.is_file():
        return OnnxYolox(path, threshold)
    if (path / "config.json").is_file():
        return TransformersDetector(path, threshold)
    raise InputError(
        f"detector {path}: expected a YOLOX network as .onnx file, or a folder with a transformers object detector "
        "(config.json and weights)"
    )


class OnnxYolox:
    """A YOLOX network exported to ONNX without its decoding: input (1, 3, S, S) BGR 0..255, output (1, cells, 5 + C).

    The image is scaled to fit and padded with grey 114 at the right and bottom. Cells of strides 8, 16 and 32 follow
    one another, row by row; each holds centre x, y (in cells, relative to the cell), log width and height (in cells),
    objectness, and one score per class, class 0 being a person.

    Args:
        path: the `.onnx` file.
        threshold: least objectness times person score.
        overlap: boxes that overlap more than this (intersection over union) with a better one are dropped.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        InputError: the file is no such network.
    """

    def __init__(self, path: str | os.PathLike[str], threshold: float = 0.3, overlap: float = 0.5) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError("onnxruntime", "detect", "the ONNX person detector") from error
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # spinning starves a busy machine
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises a dozen private types
            raise InputError(f"detector {path} cannot be opened by onnxruntime: {error}") from error
        entry = self._session.get_inputs()[0]
        if len(entry.shape) != 4 or not isinstance(entry.shape[2], int) or entry.shape[2] != entry.shape[3]:
            raise InputError(f"detector {path}: expected a fixed square input (1, 3, S, S), got {entry.shape}")
        self._entry, self._side = entry.name, entry.shape[2]
        self.threshold, self.overlap, self.name = threshold, overlap, Path(path).name

    def __call__(self, image: UInt8[np.ndarray, "h w 3"]) -> Boxes:
        """Person boxes, best first, clipped to the image."""
        canvas, scale = letterbox(image, self._side)
        blob = canvas[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32)
        raw = self._session.run(None, {self._entry: blob})[0][0]
        cells = sum((self._side // s) ** 2 for s in _STRIDES)
        if raw.shape[0] != cells or raw.shape[1] < 6:
            raise InputError(f"detector {self.name}: output {raw.shape}, a YOLOX of this size has ({cells}, 85)")
        boxes = decode_yolox(raw.astype(np.float64), self._side)
        boxes = Boxes(boxes.xywh / scale, boxes.scores).take(boxes.scores >= self.threshold)
        return _clipped(boxes.take(suppress(boxes, self.overlap)), image.shape[1], image.shape[0])


class TransformersDetector:
    """An object detector of the transformers library (RT-DETR, D-FINE, DETR ...) from a local folder; never downloads.

    Raises:
        MissingExtraError: transformers is not installed.
        InputError: the folder holds no such model, or it has no class called 'person'.
    """

    def __init__(self, folder: str | os.PathLike[str], threshold: float = 0.3) -> None:
        try:
            import transformers
        except ImportError as error:
            raise MissingExtraError("transformers", "transformers", "the transformers person detector") from error
        try:
            self._processor: Any = transformers.AutoImageProcessor.from_pretrained(folder, local_files_only=True)
            self._model: Any = transformers.AutoModelForObjectDetection.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, ImportError) as error:
            raise InputError(f"detector {folder} cannot be opened by transformers: {error}") from error
        people = [int(k) for k, v in self._model.config.id2label.items() if v.lower() == "person"]
        if not people:
            labels = sorted(self._model.config.id2label.values())[:10]
            raise InputError(f"detector {folder} has no class 'person'; it knows {', '.join(labels)} ...")
        self._person = people[0]
        self._model.eval()
        self.threshold, self.name = threshold, Path(folder).name

    def __call__(self, image: UInt8[np.ndarray, "h w 3"]) -> Boxes:
        """Person boxes, best first, clipped to the image."""
        inputs = self._processor(images=image, return_tensors="pt", input_data_format="channels_last")
        output = self._model(**inputs)
        found = self._processor.post_process_object_detection(
            output, threshold=self.threshold, target_sizes=[image.shape[:2]]
        )[0]
        keep = found["labels"].numpy() == self._person
        xyxy = found["boxes"].detach().numpy().astype(np.float64)[keep]
        scores = found["scores"].detach().numpy().astype(np.float64)[keep]
        boxes = Boxes(np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], 1), scores)
        return _clipped(boxes.take(np.argsort(-scores, kind="stable")), image.shape[1], image.shape[0])


def letterbox(image: UInt8[np.ndarray, "h w 3"], side: int) -> tuple[UInt8[np.ndarray, "s s 3"], float]:
    """The image scaled into a square, padded at the right and bottom; and the scale."""
    scale = side / max(image.shape[:2])
    width, height = (max(1, round(v * scale)) for v in (image.shape[1], image.shape[0]))
    canvas = np.full((side, side, 3), _GREY, np.uint8)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas[:height, :width] = cv2.resize(image, (width, height), interpolation=method)
    return canvas, scale


def decode_yolox(raw: Float[np.ndarray, "cells channels"], side: int) -> Boxes:
    """All cells of a YOLOX output as boxes in pixels of its input, scored for class 0."""
    origin, stride = _cells(side)
    centre, size = (raw[:, :2] + origin) * stride, np.exp(raw[:, 2:4]) * stride
    return Boxes(np.concatenate([centre - size / 2, size], 1), raw[:, 4] * raw[:, 5])


def _cells(side: int) -> tuple[Float[np.ndarray, "cells 2"], Float[np.ndarray, "cells 1"]]:
    origins, strides = [], []
    for stride in _STRIDES:
        n = side // stride
        y, x = np.mgrid[:n, :n]
        origins.append(np.stack([x, y], -1).reshape(-1, 2))
        strides.append(np.full((n * n, 1), stride))
    return np.concatenate(origins).astype(np.float64), np.concatenate(strides).astype(np.float64)


def _clipped(boxes: Boxes, width: int, height: int) -> Boxes:
    """Boxes cut to the image's outer edges [-0.5, W - 0.5]; what has no area left is dropped."""
    low = np.clip(boxes.xywh[:, :2], -0.5, (width - 0.5, height - 0.5))
    high = np.clip(boxes.xywh[:, :2] + boxes.xywh[:, 2:], -0.5, (width - 0.5, height - 0.5))
    cut = Boxes(np.concatenate([low, high - low], 1), boxes.scores)
    return cut.take(np.asarray((cut.xywh[:, 2:] > 1).all(1)))
