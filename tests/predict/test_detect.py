"""Detectors: decoding and suppression against naive twins, the real network where it is there."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from metricpose.errors import InputError
from metricpose.predict.detect import OnnxYolox, decode_yolox, letterbox, open_detector


def test_letterbox_keeps_the_shape_and_pads_right_and_bottom() -> None:
    image = np.full((100, 300, 3), 200, np.uint8)
    canvas, scale = letterbox(image, 64)
    assert scale == pytest.approx(64 / 300)
    assert (canvas[:21] == 200).all()
    assert (canvas[22:] == 114).all()
    tall, _ = letterbox(image.transpose(1, 0, 2), 64)
    assert (tall[:, 22:] == 114).all()


def test_decoding_equals_the_naive_twin() -> None:
    side = 64
    rng = np.random.default_rng(0)
    raw = rng.normal(0, 0.7, (8 * 8 + 4 * 4 + 2 * 2, 7))
    boxes = decode_yolox(raw, side)
    row = 0
    for stride in (8, 16, 32):
        for y in range(side // stride):
            for x in range(side // stride):
                dx, dy, log_w, log_h, objectness, person, _ = raw[row]
                width, height = math.exp(log_w) * stride, math.exp(log_h) * stride
                cx, cy = (x + dx) * stride, (y + dy) * stride
                np.testing.assert_allclose(boxes.xywh[row], (cx - width / 2, cy - height / 2, width, height))
                assert boxes.scores[row] == pytest.approx(objectness * person)
                row += 1
    assert row == len(raw)


def make_onnx(path: Path, output: np.ndarray, side: int = 64) -> None:
    """A network that ignores its picture and always answers `output`."""
    onnx = pytest.importorskip("onnx")
    entry = onnx.helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [1, 3, side, side])
    answer = onnx.helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, list(output.shape))
    constant = onnx.numpy_helper.from_array(output.astype(np.float32), "constant")
    nodes = [
        onnx.helper.make_node("ReduceMax", ["images"], ["most"], keepdims=0),
        onnx.helper.make_node("Mul", ["most", "zero"], ["nothing"]),
        onnx.helper.make_node("Add", ["constant", "nothing"], ["output"]),
    ]
    zero = onnx.numpy_helper.from_array(np.zeros((), np.float32), "zero")
    graph = onnx.helper.make_graph(nodes, "fixed", [entry], [answer], [constant, zero])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))


def answer_with(cells: list[tuple[int, tuple[float, ...]]]) -> np.ndarray:
    raw = np.zeros((1, 84, 85))
    for cell, values in cells:
        raw[0, cell, : len(values)] = values
    return raw


def test_boxes_come_back_in_image_pixels_thresholded_suppressed_and_clipped(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    log2 = math.log(2)
    cells = [
        (8 * 3 + 4, (0.5, 0.5, log2, log2, 0.9, 1.0)),  # centre (36, 28) of 64, 16 x 16
        (8 * 3 + 5, (-0.4, 0.5, log2, log2, 0.8, 1.0)),  # nearly the same box, worse
        (0, (0.0, 0.0, log2, log2, 0.7, 1.0)),  # centre (0, 0): three quarters outside
        (20, (0.5, 0.5, 0.0, 0.0, 0.5, 0.5)),  # 0.25: below the threshold
    ]
    make_onnx(tmp_path / "fixed.onnx", answer_with(cells))
    detector = open_detector(tmp_path / "fixed.onnx")
    boxes = detector(np.zeros((96, 128, 3), np.uint8))  # scale 0.5
    np.testing.assert_allclose(boxes.scores, [0.9, 0.7], rtol=1e-5)
    np.testing.assert_allclose(boxes.xywh, [[56, 40, 32, 32], [-0.5, -0.5, 16.5, 16.5]], rtol=1e-4)
    assert detector.name == "fixed.onnx"


def test_nothing_found_is_an_answer(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    make_onnx(tmp_path / "fixed.onnx", answer_with([]))
    assert OnnxYolox(tmp_path / "fixed.onnx")(np.zeros((96, 128, 3), np.uint8)).xywh.shape == (0, 4)


def test_wrong_files_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    with pytest.raises(InputError, match=r"expected a YOLOX network as \.onnx"):
        open_detector(tmp_path / "none.onnx")
    with pytest.raises(InputError, match=r"expected a YOLOX network as \.onnx"):
        open_detector(tmp_path)
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(InputError, match="cannot be opened by onnxruntime"):
        open_detector(tmp_path / "text.onnx")
    make_onnx(tmp_path / "other.onnx", np.zeros((1, 10, 4)))
    with pytest.raises(InputError, match="a YOLOX of this size has"):
        open_detector(tmp_path / "other.onnx")(np.zeros((96, 128, 3), np.uint8))


def test_the_real_yolox_finds_the_astronaut(assets: Path, repository: Path) -> None:
    pytest.importorskip("onnxruntime")
    path = assets / "yolox_nano.onnx"
    if not path.is_file():
        pytest.skip("needs yolox_nano.onnx among the assets")
    image = cv2.imread(str(repository / "src" / "metricpose" / "photos" / "astronaut.jpg"))[..., ::-1]
    boxes = OnnxYolox(path)(np.ascontiguousarray(image))
    left, top, width, height = boxes.xywh[0]
    assert boxes.scores[0] > 0.6
    assert left < 60
    assert top < 30
    assert left + width > 350
    assert top + height > 480


def test_a_transformers_detector_from_a_local_folder(tmp_path: Path) -> None:
    """Random weights: what it finds is noise, but the way through processor, model and boxes is the real one."""
    transformers = pytest.importorskip("transformers")
    backbone = transformers.RTDetrResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 8, 8, 8],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    config = transformers.RTDetrConfig(
        backbone_config=backbone,
        encoder_hidden_dim=16,
        encoder_in_channels=[8, 8, 8],
        d_model=16,
        num_queries=12,
        decoder_in_channels=[16, 16, 16],
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        id2label={0: "cat", 1: "person"},
        label2id={"cat": 0, "person": 1},
    )
    transformers.RTDetrForObjectDetection(config).save_pretrained(tmp_path)
    transformers.RTDetrImageProcessor(size={"height": 64, "width": 64}).save_pretrained(tmp_path)
    detector = open_detector(tmp_path, threshold=0.0)
    boxes = detector(np.random.default_rng(0).integers(0, 255, (90, 130, 3), dtype=np.uint8))
    assert len(boxes.xywh)
    assert (np.diff(boxes.scores) <= 0).all()
    assert (boxes.xywh[:, :2] >= -0.5).all()
    assert (boxes.xywh[:, 0] + boxes.xywh[:, 2] <= 129.5 + 1e-6).all()
