"""metricpose predict: photographs in, result files and pictures out."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from metricpose.cli.predict_inputs import boxes_of, output_names, own_pictures
from metricpose.cli.predict_report import Outcome, show_table, write_summary

if TYPE_CHECKING:
    from metricpose.predict.api import PoseModel
    from metricpose.types import People

FORMATS = ("json", "npz", "csv", "overlay", "sheet", "view")


def run(
    source: Annotated[str, tyro.conf.arg(metavar="SOURCE")],
    more: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[SOURCE ...]")] = (),
    *,
    out: Path = Path("out") / "predict",
    camera: Path | None = None,
    fov: str | None = None,
    boxes: Path | None = None,
    detector: Path | None = None,
    threshold: float = 0.3,
    skeleton: str | None = None,
    tta: Annotated[int | Literal["margipose-5", "margipose-10"], tyro.conf.arg(aliases=["--views"])] = 1,
    formats: str = "json,npz,csv,overlay,sheet",
    model: str | None = None,
    device: str | None = None,
    batch_size: int = 32,
    up: tuple[float, float, float] | None = None,
    offline: bool = False,
    view: bool = False,
) -> int:
    """3D poses of the people in photographs.

    Writes for each image NAME.json, NAME.npz and NAME.csv (self-describing results), NAME_overlay.jpg and
    NAME_sheet.png, and one summary.json for all. An image that cannot be used is reported and the others go on; the
    exit code is then 1.

    Args:
        source: image file, folder, or quoted pattern such as "shots/*.jpg".
        more: further ones.
        out: folder for the results.
        camera: JSON file {"K": 3 x 3, "size": [width, height]} and optionally distortion, R, t, unit of t (mm or m); of
            the upright image, in pixels.
        fov: field of view along the longer side in degrees, or auto to estimate it from the people; default EXIF,
            else 55.
        boxes: JSON file with the people's boxes per image: by file name, or with as many of its folders as tell images
            apart, such as {"images": {"cam1/0001.jpg": {"xywh": [[left, top, width, height]]}}}.
        detector: person detector: a YOLOX .onnx file, or a folder with a transformers model.
        threshold: least score of a person that the detector found.
        skeleton: joints of the results, such as h36m_17 or coco_17; default the network's own.
        tta: views averaged per person; 1 is fastest, 5 usual for quality; or the shifted crops of MargiPose.
        formats: comma-separated, of json, npz, csv, overlay, sheet, view (an interactive page).
        model: name of a bundled model, or a model file.
        device: cpu, cuda, mps; default CUDA if there is any.
        batch_size: crops in one network pass.
        up: direction that points up in the world of a camera with R and t; default the picture's top.
        offline: never use the network.
        view: also write the interactive page and open the first one in a browser.
    """
    from metricpose.errors import InputError
    from metricpose.formats.camera_file import read_camera
    from metricpose.predict.api import load
    from metricpose.predict.boxes import read_boxes
    from metricpose.predict.detect import open_detector
    from metricpose.predict.images import find_images, left_out

    kinds = _kinds(formats, view)
    if (camera and fov) or (boxes and detector):
        raise InputError("predict: give either --camera or --fov, and either --boxes or --detector, not both")
    sources = (source, *more)
    found = find_images(*sources)
    own = own_pictures(found, out)
    images = [image for image in found if image not in own]
    options: dict[str, Any] = {
        "camera": read_camera(camera) if camera else None,
        "fov_deg": _fov(fov),
        "detector": open_detector(detector, threshold) if detector else None,
        "skeleton": skeleton,
        "tta": tta,
        "batch_size": batch_size,
        "up": up,
    }
    given = boxes_of(images, read_boxes(boxes)) if boxes else None
    loaded = load(model, device, offline)
    loaded.check_options(skeleton=skeleton, tta=tta, batch_size=batch_size, up=up, fov_deg=options["fov_deg"])
    _prepare(out)
    outcomes = []
    with _progress(len(images)) as advance:
        for image, name in zip(images, output_names(images)):
            outcomes.append(_one(loaded, image, out / name, kinds, given, options))
            advance()
    write_summary(outcomes, out)
    show_table(outcomes, out, [*left_out(*sources), *own])
    if view:
        _open_first(outcomes)
    return 1 if any(o.error for o in outcomes) else 0


def _prepare(out: Path) -> None:
    """Find out before the work, not after it, that nothing can be written."""
    from metricpose.errors import DataError

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot create the folder {out}: {error.strerror or error}; choose another --out") from error
    if not os.access(out, os.W_OK):
        raise DataError(f"folder {out} is not writable; choose another --out")


def _kinds(formats: str, view: bool) -> list[str]:
    from metricpose.errors import InputError

    kinds = [f.strip() for f in formats.split(",") if f.strip()]
    unknown = [k for k in kinds if k not in FORMATS]
    if unknown or not kinds:
        raise InputError(
            f"formats: unknown {', '.join(unknown) or '(none given)'}; expected some of {', '.join(FORMATS)}"
        )
    return [*kinds, "view"] if view and "view" not in kinds else kinds


def _fov(value: str | None) -> float | str | None:
    from metricpose.errors import InputError

    if value is None or value == "auto":
        return value
    try:
        return float(value)
    except ValueError as error:
        raise InputError(f"--fov: expected degrees or 'auto', got '{value}'") from error


def _one(
    model: PoseModel, image: Path, stem: Path, kinds: list[str], boxes: dict[Path, Any] | None, options: dict[str, Any]
) -> Outcome:
    """Predict and write; whatever is wrong with this image is kept with it."""
    from metricpose.errors import InputError, MetricposeError
    from metricpose.predict.images import read_photo

    try:
        photo = read_photo(image)
        if boxes is not None and image not in boxes:
            raise InputError(f"the boxes file has no entry for {image.name}")
        people = model.predict(photo, boxes=boxes[image] if boxes is not None else None, **options)
        return Outcome(image, people, _write(people, photo.image, stem, kinds), "")
    except MetricposeError as error:
        return Outcome(image, None, [], str(error))
    except Exception as error:  # one image must never take the others down with it
        return Outcome(image, None, [], f"{image}: unexpected {type(error).__name__}: {error}; please report this")


def _write(people: People, pixels: Any, stem: Path, kinds: list[str]) -> list[Path]:
    from metricpose.formats import save
    from metricpose.formats.picture_file import write_picture
    from metricpose.vis.overlay import draw_overlay
    from metricpose.vis.page import write_page
    from metricpose.vis.sheet import draw_sheet

    makers: dict[str, tuple[str, Callable[[Path], None]]] = {
        "json": (".json", lambda path: save(people, path)),
        "npz": (".npz", lambda path: save(people, path)),
        "csv": (".csv", lambda path: save(people, path)),
        "overlay": ("_overlay.jpg", lambda path: write_picture(draw_overlay(pixels, people), path)),
        "sheet": ("_sheet.png", lambda path: write_picture(draw_sheet(pixels, people, stem.name), path)),
        "view": ("_view.html", lambda path: write_page(pixels, people, path, stem.name)),
    }
    files = []
    for kind in kinds:
        ending, make = makers[kind]
        files.append(stem.with_name(stem.name + ending))
        make(files[-1])
    return files


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar on standard error, only where a person watches."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=total < 2 or not console.is_terminal) as bar:
        task = bar.add_task("images", total=total)
        yield lambda: bar.advance(task)


def _open_first(outcomes: list[Outcome]) -> None:
    import webbrowser

    pages = [f for o in outcomes for f in o.files if f.name.endswith("_view.html")]
    if pages:
        webbrowser.open(pages[0].resolve().as_uri())
