"""metricpose predict: what it writes, what it says, and how it deals with bad images, one by one."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from metricpose.cli.main import main
from metricpose.cli.predict_inputs import boxes_of, output_names
from metricpose.errors import InputError
from metricpose.formats import load
from metricpose.formats.camera_file import write_camera
from metricpose.geometry.camera import Camera
from metricpose.models.metrabs import Metrabs, MetrabsConfig
from metricpose.predict import images
from metricpose.predict.images import read_photo
from metricpose.weights import save_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "random.safetensors"
    save_model(path, Metrabs(MetrabsConfig(side=64)), "metrabs", half=False)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, size in (("a.jpg", (90, 120)), ("b.png", (120, 90))):
        cv2.imwrite(str(folder / name), cv2.resize(rng.integers(0, 255, (9, 12, 3), dtype=np.uint8), size))
    boxes = {"images": {"a.jpg": {"xywh": [[10, 10, 50, 70]]}, "b.png": {"xyxy": [[5, 5, 60, 80], [30, 10, 100, 85]]}}}
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    return folder


def run(*arguments: object) -> int:
    return main(["predict", *(str(a) for a in arguments), "--device", "cpu"])


def test_a_folder_becomes_files_and_pictures(
    photos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, boxes = tmp_path / "out", tmp_path / "boxes.json"
    assert run(photos, "--out", out, "--model", model, "--boxes", boxes, "--formats", "json,overlay") == 0
    expected = ["a.json", "a_overlay.jpg", "b.json", "b_overlay.jpg", "summary.json"]
    assert sorted(p.name for p in out.iterdir()) == expected
    assert [len(load(out / f"{name}.json")) for name in "ab"] == [1, 2]
    assert cv2.imread(str(out / "a_overlay.jpg")).shape == (120, 90, 3)
    printed = capsys.readouterr().out
    assert "2 images" in printed
    assert "a.jpg" in printed
    assert "assumed" in printed


def test_all_formats_of_one_image_agree(photos: Path, model: Path, tmp_path: Path) -> None:
    out, boxes = tmp_path / "out", tmp_path / "boxes.json"
    assert run(photos / "b.png", "--out", out, "--model", model, "--boxes", boxes, "--skeleton", "h36m_17") == 0
    endings = (".csv", ".json", ".npz", "_overlay.jpg", "_sheet.png")
    assert sorted(p.name for p in out.iterdir()) == sorted([*(f"b{e}" for e in endings), "summary.json"])
    people = [load(out / f"b{suffix}") for suffix in (".json", ".npz", ".csv")]
    assert {len(p) for p in people} == {2}
    for other in people[1:]:
        np.testing.assert_array_equal(other.joints_mm, people[0].joints_mm)
    assert people[0].skeleton.name == "h36m_17"
    assert people[0].info["image"].endswith("b.png")
    assert cv2.imread(str(out / "b_sheet.png")).shape[0] == 940


def test_formats_camera_and_page(photos: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_camera(Camera.from_fov((90, 120), 1.0), tmp_path / "cam.json")
    arguments = ("--boxes", tmp_path / "boxes.json", "--camera", tmp_path / "cam.json", "--formats", "npz, view")
    assert run(photos / "b.png", "--out", out, "--model", model, *arguments) == 1  # of 120 x 90 pixels
    assert "another shape" in json.loads((out / "summary.json").read_text())[0]["error"]
    assert run(photos / "a.jpg", "--out", out, "--model", model, *arguments) == 0
    assert sorted(p.name for p in out.iterdir()) == ["a.npz", "a_view.html", "summary.json"]
    np.testing.assert_array_equal(load(out / "a.npz").camera.K, Camera.from_fov((90, 120), 1.0).K)
    page = (out / "a_view.html").read_text()
    assert "@" not in page.replace("@media", "").split("<script>")[0].split("base64")[0]
    assert '"r_wrist"' in page


BAD = {
    "empty.jpg": (b"", "is empty"),
    "text.jpg": (b"just some text", "not an image file"),
    "cut.png": (b"\x89PNG\r\n\x1a\n" + b"\0\0\0\x0dIHDR", "truncated or damaged PNG"),
    "phone.jpg": (b"\0\0\0\x18ftypheic" + b"\0" * 64, "HEIF"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_image_is_recorded_and_the_others_go_on(
    name: str, photos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, message = BAD[name]
    (photos / name).write_bytes(data)
    out = tmp_path / "out"
    assert run(photos, "--out", out, "--model", model, "--formats", "json", "--tta", 1, "--fov", 60) == 1
    entries = {Path(e["image"]).name: e for e in json.loads((out / "summary.json").read_text())}
    assert message in entries[name]["error"]
    assert entries[name]["files"] == []
    assert entries["a.jpg"]["error"] is None
    assert entries["a.jpg"]["files"] == ["a.json"]
    assert load(out / "a.json").info["box_source"] == "self"
    printed = " ".join(capsys.readouterr().out.split())
    assert "failed" in printed
    assert message.split()[0] in printed


def test_a_missing_boxes_entry_fails_that_image_only(photos: Path, model: Path, tmp_path: Path) -> None:
    boxes = tmp_path / "some.json"
    boxes.write_text(json.dumps({"images": {"a.jpg": [[10, 10, 50, 70]]}}))
    assert run(photos, "--out", tmp_path / "o", "--model", model, "--boxes", boxes, "--formats", "json") == 1
    errors = [e["error"] for e in json.loads((tmp_path / "o" / "summary.json").read_text())]
    assert errors == [None, "the boxes file has no entry for b.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--formats", "json,bvh"], "unknown bvh"),
        (["--fov", "wide"], "expected degrees or 'auto', got 'wide'"),
        (["--camera", "none.json"], "cannot read camera file none.json"),
        (["--boxes", "none.json"], "cannot read boxes file none.json"),
        (["--detector", "none.onnx"], "expected a YOLOX network"),
        (["--model", "none.safetensors"], "none.safetensors"),
    ],
)
def test_unusable_options_stop_before_any_work(
    arguments: list[str], message: str, photos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    extra = [] if "--model" in arguments else ["--model", model]
    assert run(photos, "--out", tmp_path / "out", *extra, *arguments) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_impossible_output_folder_stops_before_any_work(
    photos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("x")
    assert run(photos, "--out", tmp_path / "file" / "out", "--model", model) == 1
    assert "cannot create the folder" in capsys.readouterr().err


def test_a_crash_on_one_image_is_recorded(
    photos: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(path: Path) -> None:
        if path.name == "a.jpg":
            raise RuntimeError("out of luck")
        return read_photo(path)

    monkeypatch.setattr(images, "read_photo", crash)
    out, boxes = tmp_path / "out", tmp_path / "boxes.json"
    assert run(photos, "--out", out, "--model", model, "--boxes", boxes, "--formats", "json") == 1
    errors = [e["error"] for e in json.loads((out / "summary.json").read_text())]
    assert "unexpected RuntimeError: out of luck" in errors[0]
    assert errors[1] is None


def test_an_empty_folder_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path) == 1
    assert "holds no image files" in capsys.readouterr().err


def test_output_names_keep_images_apart() -> None:
    paths = [Path(p) for p in ("x/a.jpg", "x/a.png", "x/b.jpg", "y/c.jpg", "z/c.jpg")]
    names = output_names(paths)
    assert names[:3] == ["a_jpg", "a_png", "b"]
    assert len(set(names)) == 5


def test_an_image_called_summary_keeps_its_result(photos: Path, model: Path, tmp_path: Path) -> None:
    (photos / "a.jpg").rename(photos / "Summary.jpg")
    (photos / "b.png").unlink()
    assert run(photos, "--out", tmp_path / "o", "--model", model, "--formats", "json") == 0
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == ["Summary_jpg.json", "summary.json"]
    assert len(load(tmp_path / "o" / "Summary_jpg.json")) == 1


def test_boxes_are_found_by_as_much_of_the_path_as_tells_images_apart() -> None:
    images = [Path("rec/cam0/0001.jpg"), Path("rec/cam1/0001.jpg"), Path("rec/cam1/0002.jpg")]
    given = {"cam0/0001.jpg": 1, "rec/cam1/0001.jpg": 2, "0001.jpg": 3}
    assert boxes_of(images, given) == {images[0]: 1, images[1]: 2}
    absolute = Path("/data/0001.jpg")
    assert boxes_of([absolute], {"/data/0001.jpg": 4, "0001.jpg": 3}) == {absolute: 4}
    with pytest.raises(InputError, match=r"'0001.jpg' fits both rec/cam0/0001.jpg and rec/cam1/0001.jpg"):
        boxes_of(images, {"0001.jpg": 3})


def test_up_of_the_world_can_be_given(photos: Path, model: Path, tmp_path: Path) -> None:
    camera = Camera.from_fov((90, 120), 1.0)
    write_camera(Camera(camera.K, camera.size, R=np.diag([1.0, -1, -1])), tmp_path / "cam.json")
    arguments = (photos / "a.jpg", "--model", model, "--camera", tmp_path / "cam.json", "--formats", "json")
    for name, more, up in (("o", (), [0, 1, 0]), ("p", ("--up", 0, 0.8, 0.6), [0, 0.8, 0.6])):
        assert run(*arguments, "--boxes", tmp_path / "boxes.json", "--out", tmp_path / name, *more) == 0
        assert load(tmp_path / name / "a.json").info["up"] == pytest.approx(up)


def test_several_sources_files_left_out_and_own_pictures(
    photos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "phone.HEIC").write_bytes(b"x")
    boxes = ("--boxes", tmp_path / "boxes.json")
    assert run(photos / "a.jpg", photos / "b.png", "--out", photos, "--model", model, *boxes) == 0
    printed = capsys.readouterr().out
    assert "2 images" in printed
    assert "left out" not in printed
    assert run(photos, "--out", photos, "--model", model, "--formats", "json", *boxes) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "2 images" in printed  # and not the overlays and sheets of the first run
    assert "phone.HEIC" in printed
    assert "a_sheet.png" in printed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--skeleton", "coco17"), "unknown skeleton"),
        (("--tta", "99"), "expected 1 to 32"),
        (("--views", "0"), "expected 1 to 32"),
        (("--fov", "200"), "between 0 and 180"),
        (("--fov", "60", "--camera", "c.json"), "either --camera or --fov"),
        (("--boxes", "b.json", "--detector", "d.onnx"), "either --boxes or --detector"),
    ],
)
def test_options_that_fit_no_photograph_stop_before_the_first(
    options: tuple[str, ...],
    message: str,
    photos: Path,
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "c.json").write_text("{}")
    assert run(photos, "--out", tmp_path / "o", "--model", model, *options) == 1
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "o").exists()
